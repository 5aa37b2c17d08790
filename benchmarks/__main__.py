"""`python -m benchmarks NAME`: one question a benchmark; each with `--json FILE`."""

from pathlib import Path

import click

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
@SEED
@JSON
def throughput(records: int, seed: int, json_path: Path | None) -> None:
    """How many records a second are appended, committed and matched over TLS, and how right are the persons?"""
    from benchmarks.throughput import run

    run(records, seed, json_path)


@main.command()
@click.option("--with-number", is_flag=True, help="Give the social security number as identifier.")
@JSON
def febrl(with_number: bool, json_path: Path | None) -> None:
    """How well do tokens link Febrl4, through `matcher link` and its defaults?"""
    from benchmarks.febrl import run

    run(with_number=with_number, json_path=json_path)


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
