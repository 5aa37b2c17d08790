"""`matcher evaluate`: how right linking is on files that hold the truth, in figures and as a report."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from matcher.cli.common import EXISTING_FILE, FILE, Command, linking_options

if TYPE_CHECKING:
    from matcher.evaluation.evaluation import Evaluation


@click.command(cls=Command)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=EXISTING_FILE)
@click.option("--truth", metavar="COLUMN", required=True, help="Column that names each record's true person.")
@click.option("--group", "groups", metavar="COLUMN", multiple=True, help="Column to tell quality by; repeatable.")
@click.option("--html", "html_path", type=FILE, help="Report to write: one page that needs no network.")
@click.option("--json", "json_path", type=FILE, help="Figures to write.")
@linking_options
def evaluate(
    files: tuple[Path, ...],
    truth: str,
    groups: tuple[str, ...],
    html_path: Path | None,
    json_path: Path | None,
    scheme_name: str,
    model_path: Path | None,
    expected_population: int | None,
    match_probability: float,
) -> None:
    """Link clear-text files as `matcher link` does and compare with the truth that they hold.

    Columns as for `matcher link`, and one that names the true person of every record. The report names records by
    agency and reference and holds no value of a field.
    """
    from matcher.agency.parallel import cores
    from matcher.evaluation.evaluation import evaluate_files
    from matcher.evaluation.figures import figures
    from matcher.evaluation.report.page import page
    from matcher.linking import balanced
    from matcher.scheme import scheme_named
    from matcher.scoring.model import MatchModel

    scheme = scheme_named(scheme_name)
    found = evaluate_files(
        files,
        scheme,
        truth,
        group_columns=groups,
        model=MatchModel.load(model_path, scheme) if model_path else None,
        expected_population=expected_population,
        thresholds=balanced(match_probability),
        jobs=cores(),
    )
    for name, problem in found.problems:
        click.echo(f"{name} row {problem.row} {problem.column}: {problem.reason} (left out)", err=True)
    if html_path:
        html_path.write_text(page(found), encoding="utf-8")
    if json_path:
        json_path.write_text(json.dumps(figures(found), indent=1) + "\n")
    _show(found)


def _show(found: "Evaluation") -> None:
    click.echo(f"{found.records} records of {len(found.agencies)} agencies, {found.true_persons} true persons")
    click.echo(f"{'':<32}{'precision':>10}{'recall':>10}{'F1':>10}")
    for name, quality in (("pairs across agencies", found.pairs), ("persons known to two or more", found.persons)):
        click.echo(f"{name:<32}{quality.precision:>10.4f}{quality.recall:>10.4f}{quality.f1:>10.4f}")
    for stage in found.stages:
        added = f"; added: {stage.true_added} true, {stage.false_added} false"
        click.echo(f"{stage.name}: {stage.true_lost} true pairs lost{added if stage.name == 'clustering' else ''}")
