"""`matcher link`: the tokeniser and the pipeline in one process, for pilots and evaluation."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import click

from matcher.cli.common import EXISTING_FILE, FILE, Command, counted, linking_options

if TYPE_CHECKING:
    from matcher.linking import Linked


@click.command(cls=Command)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=EXISTING_FILE)
@click.option("--persons", type=FILE, required=True, help="CSV to write: record_ref, agency, person_id.")
@click.option("--pairs", type=FILE, help="CSV to write: every MATCH and POSSIBLE_MATCH pair, and its agencies.")
@linking_options
def link(
    files: tuple[Path, ...],
    persons: Path,
    pairs: Path | None,
    scheme_name: str,
    model_path: Path | None,
    expected_population: int | None,
    match_probability: float,
) -> None:
    """Link clear-text files across agencies in one process, through the same tokens as the service.

    Columns: record_ref, agency, forename, surname, dob, sex, postcode, address, nhs_number (generic-person-v1:
    identifier); all but the first may be empty or missing. A file without an agency column is that of the agency it is
    named after: police.csv is police's. Records of one agency are not compared.

    Keys are drawn anew in each run, so the weight of a pair differs by some bits from run to run.
    """
    from matcher.agency.parallel import cores
    from matcher.linking import balanced, link_files
    from matcher.scheme import scheme_named
    from matcher.scoring.model import MatchModel

    scheme = scheme_named(scheme_name)
    model = MatchModel.load(model_path, scheme) if model_path else None
    thresholds = balanced(match_probability)
    linked = link_files(
        files, scheme, model=model, expected_population=expected_population, thresholds=thresholds, jobs=cores()
    )
    for name, problem in linked.problems:
        if problem.fatal:
            click.echo(f"{name} row {problem.row} {problem.column}: {problem.reason} (left out)", err=True)
    _write_persons(linked, persons)
    matched = _write_pairs(linked, pairs) if pairs else None
    known = len({person for record, person in enumerate(linked.persons()) if record != person})
    agencies = len({agency for agency, _ in linked.references})
    click.echo(
        f"{counted(len(linked.references), 'record')} of {agencies} {'agency' if agencies == 1 else 'agencies'}, "
        f"{counted(known, 'person')} with more than one"
        + (f", {counted(matched, 'pair')}" if matched is not None else "")
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
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        names = ["record_ref_l", "agency_l", "record_ref_r", "agency_r"]
        writer.writerow([*names, "match_weight", "match_probability", "decision"])
        for pair in found:
            (agency_l, left), (agency_r, right) = linked.references[pair.left], linked.references[pair.right]
            likely = float(probability(pair.weight))
            row = [left, agency_l, right, agency_r, f"{pair.weight:.3f}", f"{likely:.6f}", pair.decision.name]
            writer.writerow(row)
    return len(found)
