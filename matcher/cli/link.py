"""`matcher link`: the tokeniser and the pipeline in one process, for pilots and evaluation."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import click

from matcher.cli.common import EXISTING_FILE, FILE, Command, scheme_option

if TYPE_CHECKING:
    from matcher.cli.linking import Linked


@click.command(cls=Command)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=EXISTING_FILE)
@click.option("--persons", type=FILE, required=True, help="CSV to write: record_ref, agency, person_id.")
@click.option("--pairs", type=FILE, help="CSV to write: every MATCH and POSSIBLE_MATCH pair.")
@scheme_option
@click.option("--model", "model_path", type=EXISTING_FILE, help="Match model; the shipped one by default.")
@click.option(
    "--expected-population",
    type=click.IntRange(100),
    help="People the files may speak of. By default estimated from the tokens, without any truth.",
)
def link(
    files: tuple[Path, ...],
    persons: Path,
    pairs: Path | None,
    scheme_name: str,
    model_path: Path | None,
    expected_population: int | None,
) -> None:
    """Link clear-text files across agencies in one process, through the same tokens as the service.

    Columns: record_ref, agency, forename, surname, dob, sex, postcode, address, nhs_number (generic-person-v1:
    identifier); all but the first two may be empty or missing.
    """
    from matcher.cli.linking import link_files
    from matcher.scheme import scheme_named
    from matcher.scoring.model import MatchModel

    scheme = scheme_named(scheme_name)
    model = MatchModel.load(model_path, scheme) if model_path else None
    linked = link_files(files, scheme, model=model, expected_population=expected_population)
    for name, problem in linked.problems:
        if problem.fatal:
            click.echo(f"{name} row {problem.row} {problem.column}: {problem.reason} (left out)", err=True)
    _write_persons(linked, persons)
    matched = _write_pairs(linked, pairs) if pairs else None
    known = len({person for record, person in enumerate(linked.persons()) if record != person})
    click.echo(
        f"{len(linked.references)} records, {known} persons with more than one"
        + (f", {matched} pairs" if pairs else "")
    )


def _write_persons(linked: "Linked", path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["record_ref", "agency", "person_id"])
        for (agency, reference), person in zip(linked.references, linked.persons(), strict=True):
            writer.writerow([reference, agency, person])


def _write_pairs(linked: "Linked", path: Path) -> int:
    """Write the pairs, strongest first; how many."""
    from matcher.scoring.decision import probability

    found = linked.pairs()
    thresholds = linked.pipeline.scorer.thresholds
    order = (-found.weight).argsort(kind="stable")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["record_ref_l", "record_ref_r", "match_weight", "match_probability", "decision"])
        for i in order:
            left, right = linked.references[found.left[i]], linked.references[found.right[i]]
            weight = float(found.weight[i])
            decision = thresholds.decide(weight).name
            writer.writerow([left[1], right[1], f"{weight:.3f}", f"{float(probability(weight)):.6f}", decision])
    return len(found)
