"""`python -m benchmarks NAME`: one question a benchmark; each with `--json FILE`."""

from pathlib import Path

import click

DATA = (
    *("febrl1", "febrl2", "febrl3", "febrl4", "febrl4-number", "rldata500", "rldata10000", "population"),
    *(f"dupehell-{domain}-{errors}" for domain in ("kyc", "healthcare") for errors in ("light", "medium", "hell")),
    *("town", "town-number"),
)
CONTENDERS = ("ours", "splink", "recordlinkage", "clk", "nhs-mps")
SYSTEMS = ("splink", "postgres")
"""That the whole job is measured beside."""
REPLIES = ("AppendRecords", "SubmitRecords", "RemoveRecords")
"""Methods whose replies are measured."""
PROBES = ("missing", "health")
"""What answers without the database."""
SEEDS = (1, 2, 3)
"""None of them is the seed that the shipped models were trained on."""
SIZES = (10_000, 100_000)
"""Records of the populations that blocking is measured on."""
HELD = (100_000, 300_000, 1_000_000)
"""Records that `scale` measures at."""
JSON = click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="Write figures here.")
SEED = click.option("--seed", default=1, show_default=True, help="Seed of the synthetic population.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measurements of the matcher. All data is synthetic, all traffic stays on this machine."""


@main.command()
@click.option("--records", default=20_000, show_default=True, help="Records of all agencies together.")
@SEED
@click.option("--folder", type=click.Path(path_type=Path), default=Path("demo-run"), show_default=True)
@JSON
def demo(records: int, seed: int, folder: Path, json_path: Path | None) -> None:
    """Nine agencies, one matcher and a coordinator as separate processes: which alerts, and how right are they?"""
    from benchmarks.demo import run

    run(records, seed, folder, json_path)


@main.command()
@click.option("--records", default=100_000, show_default=True, help="Records of all agencies together.")
@click.option("--plain", is_flag=True, help="Do not encrypt the database, to compare.")
@SEED
@JSON
def throughput(records: int, plain: bool, seed: int, json_path: Path | None) -> None:
    """How many records a second are appended, committed and matched over TLS, and how right are the persons?"""
    from benchmarks.throughput import run

    run(records, seed, json_path, encrypted=not plain)


@main.command()
@click.option(
    "--records",
    "sizes",
    multiple=True,
    default=(100_000, 300_000, 1_000_000),
    show_default=True,
    help="May be repeated.",
)
@SEED
@JSON
def scale(sizes: tuple[int, ...], seed: int, json_path: Path | None) -> None:
    """What do a record's time, memory, disk and a start cost as more records are held?"""
    from benchmarks.scale import run

    run(sizes, seed, json_path)


@main.command()
@click.argument("figures", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Write the SVG file here.")
def chart(figures: Path, out: Path) -> None:
    """Draw the FIGURES that `scale --json` wrote: cost, candidates and recall against the records held."""
    from benchmarks.chart import run

    run(figures, out)


@main.command()
@click.option("--records", default=100_000, show_default=True, help="Records held.")
@click.option(
    "--calls", default=500, show_default=True, help="Records submitted one by one, idle and again under load."
)
@SEED
@JSON
def latency(records: int, calls: int, seed: int, json_path: Path | None) -> None:
    """How long until a record is acknowledged, and until the coordinator has its alert: idle, and under load?"""
    from benchmarks.latency import run

    run(records, calls, seed, json_path)


@main.command()
@click.option("--records", default=20_000, show_default=True, help="Encoded in each repeat on one core.")
@click.option("--file-records", default=1_000_000, show_default=True, help="Of the file; 0 leaves it out.")
@click.option("--repeats", default=9, show_default=True, help="Of each side, in turns.")
@SEED
@JSON
def encode(records: int, file_records: int, repeats: int, seed: int, json_path: Path | None) -> None:
    """How many records a second does an agency tokenise: on one core beside clkhash, and on all cores?"""
    from benchmarks.encode import run

    run(records, file_records, seed, repeats, json_path)


@main.command()
@click.option("--cached", default=1000, show_default=True, help="Strings compared with, in cache.")
@click.option("--held", default=300_000, show_default=True, help="Strings compared with, from memory.")
@click.option("--pairs", default=10_000_000, show_default=True, help="Compared in a repeat, about.")
@click.option("--repeats", default=9, show_default=True, help="Of each side, in turns.")
@SEED
@JSON
def kernel(cached: int, held: int, pairs: int, repeats: int, seed: int, json_path: Path | None) -> None:
    """How many pairs a second does one core compare: our scoring, anonlink's Dice, faiss's Hamming distances?"""
    from benchmarks.kernel import run

    run(cached, held, pairs, repeats, seed, json_path)


@main.command()
@click.option("--records", default=100_000, show_default=True, help="Records of all agencies together.")
@click.option(
    "--peer",
    "chosen",
    multiple=True,
    default=SYSTEMS,
    type=click.Choice(SYSTEMS),
    show_default=True,
    help="May be repeated.",
)
@SEED
@JSON
def peers(records: int, chosen: tuple[str, ...], seed: int, json_path: Path | None) -> None:
    """How many records a second does the whole job take in, beside Splink on DuckDB and PostgreSQL?"""
    from benchmarks.incremental import run

    run(records, seed, chosen, json_path)


@main.command()
@click.option("--calls", default=10_000, show_default=True, help="Calls of each class and method.")
@click.option(
    "--method", "methods", multiple=True, default=REPLIES, type=click.Choice(REPLIES), help="May be repeated."
)
@click.option("--probe", type=click.Choice(PROBES), help="Probe so, again and again, instead of one neutral call.")
@click.option(
    "--held", type=click.IntRange(min=0), default=0, show_default=True, help="Records of others held besides."
)
@SEED
@JSON
def replies(
    calls: int, methods: tuple[str, ...], probe: str | None, held: int, seed: int, json_path: Path | None
) -> None:
    """Can an agency tell from a reply, or from when it comes, whether others hold the person?"""
    from benchmarks.replies import run

    outcomes = run(calls, seed, methods, json_path, probe, held)
    if any(
        each.replies > 1 or any(pair.told_apart for pair in each.own + each.meanwhile) for each in outcomes.values()
    ):
        raise SystemExit(1)


@main.command()
@click.option("--canaries", default=100_000, show_default=True, help="Planted unmatched records.")
@SEED
@JSON
def canaries(canaries: int, seed: int, json_path: Path | None) -> None:
    """Does anything of planted unmatched records reach the coordinator or another agency?"""
    from benchmarks.canaries import run

    if any(run(canaries, seed, json_path).canaries_found.values()):
        raise SystemExit(1)


@main.command()
@click.option("--cycles", default=20, show_default=True, help="Cycles of killing at random moments and checking.")
@SEED
@click.option("--folder", type=click.Path(path_type=Path), default=Path("crash-run"), show_default=True)
@JSON
def crash(cycles: int, seed: int, folder: Path, json_path: Path | None) -> None:
    """What does kill -9 of the matcher, its feeds and a coordinator lose, against an undisturbed oracle?"""
    from benchmarks.crash import run

    if run(cycles, seed, folder, json_path).found.total():
        raise SystemExit(1)


@main.command()
@click.option("--with-number", is_flag=True, help="Give the social security number as identifier.")
@JSON
def febrl(with_number: bool, json_path: Path | None) -> None:
    """How well do tokens link Febrl4, through `matcher link` and its defaults?"""
    from benchmarks.febrl import run

    run(with_number=with_number, json_path=json_path)


@main.command()
@click.option("--people", type=int, multiple=True, default=(10_000, 50_000), show_default=True, help="People held.")
@click.option("--attack", "chosen", multiple=True, help="Only this one; may be given several times.")
@SEED
@JSON
def attacks(people: tuple[int, ...], chosen: tuple[str, ...], seed: int, json_path: Path | None) -> None:
    """Whom does an attacker at the matcher re-identify, under our encoding and under two with one global key?"""
    from benchmarks.attacks.run import ATTACKS, run

    unknown = sorted(set(chosen) - set(ATTACKS))
    if unknown:
        raise click.BadParameter(f"unknown: {', '.join(unknown)}; there are {', '.join(ATTACKS)}")
    run(people, chosen or tuple(ATTACKS), seed, json_path)


@main.command()
@click.option(
    "--data", multiple=True, default=DATA, type=click.Choice(DATA), show_default=True, help="May be repeated."
)
@click.option("--records", default=100_000, show_default=True, help="Records of each generated population.")
@click.option(
    "--seed", "seeds", multiple=True, default=SEEDS, show_default=True, help="Of a population; may be repeated."
)
@click.option("--error-rate", "error_rates", multiple=True, default=(1.0,), show_default=True, help="May be repeated.")
@click.option(
    "--peer",
    "peers",
    multiple=True,
    default=tuple(CONTENDERS),
    type=click.Choice(tuple(CONTENDERS)),
    help="May be repeated; all by default.",
)
@JSON
def quality(
    data: tuple[str, ...],
    records: int,
    seeds: tuple[int, ...],
    error_rates: tuple[float, ...],
    peers: tuple[str, ...],
    json_path: Path | None,
) -> None:
    """How well do tokens link, beside Splink, recordlinkage, anonlink and the NHS rules on the same records?"""
    from benchmarks.quality import run

    run(data, records, seeds, error_rates, peers, json_path)


@main.command()
@click.option("--records", default=60_000, show_default=True, help="Records of each generated population.")
@SEED
@click.option("--error-rate", default=1.0, show_default=True)
@JSON
def ceiling(records: int, seed: int, error_rate: float, json_path: Path | None) -> None:
    """How much is there to find at all, by a classifier that is taught with the truth, of clear text and of tokens?"""
    from benchmarks.ceiling import run

    run(records, seed, error_rate, json_path)


@main.command()
@click.option(
    "--scheme", default="uk-person-v1", show_default=True, help="Whose passes; Febrl4 takes generic-person-v1."
)
@click.option("--records", "sizes", multiple=True, default=SIZES, show_default=True, help="May be repeated.")
@click.option("--seed", "seeds", multiple=True, default=(1,), show_default=True, help="May be repeated.")
@click.option("--error-rate", "error_rates", multiple=True, default=(1.0,), show_default=True, help="May be repeated.")
@click.option("--febrl", "with_febrl", is_flag=True, help="Febrl4 as well.")
@JSON
def blocking(
    scheme: str,
    sizes: tuple[int, ...],
    seeds: tuple[int, ...],
    error_rates: tuple[float, ...],
    with_febrl: bool,
    json_path: Path | None,
) -> None:
    """Which true pairs does each pass bring together, alone and in union, and how many candidate pairs does it cost?"""
    from benchmarks.blocking import run

    run(scheme, sizes, seeds, error_rates, with_febrl=with_febrl, json_path=json_path)


@main.command()
@click.option("--records", default=100_000, show_default=True, help="Synthetic records to train on.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("matcher/scoring/models"), show_default=True)
def models(records: int, out: Path) -> None:
    """Train the shipped match models anew."""
    from benchmarks.default_model import write
    from matcher.scheme import SCHEMES

    for scheme in SCHEMES.values():
        click.echo(f"wrote {write(scheme, out, records)}")


if __name__ == "__main__":
    main()
