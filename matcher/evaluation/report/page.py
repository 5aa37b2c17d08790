"""Puts the page together: template, style and script ship beside this module, figures come from the evaluation."""

import json
from importlib.resources import files
from string import Template
from typing import Any

from matcher.evaluation.evaluation import CALIBRATION_FLOOR, Evaluation
from matcher.evaluation.measures import KnownToTwo, Quality
from matcher.evaluation.report import charts, tables
from matcher.evaluation.report.markup import Html, join, raw, tag
from matcher.scoring.decision import probability


def page(evaluation: Evaluation) -> str:
    """The report as HTML. It holds record references in its examples, and no value of a field."""
    names = [field.name for field in evaluation.model.scheme.fields]
    threshold = evaluation.thresholds.match_weight
    used = evaluation.curve.at(threshold)
    best = evaluation.curve.at(evaluation.best_threshold)
    false, missed = ([each for each in evaluation.errors if each.missed is kind] for kind in (False, True))
    parts = {
        "style": raw(_shipped("style.css")),
        "script": raw(_shipped("explorer.js")),
        "curve": _curve(evaluation),
        "facts": _facts(evaluation),
        "pairs": _headline("Pairs across agencies", evaluation.pairs, _of_pairs(evaluation.pairs)),
        "persons": _headline(
            "Persons known to two or more agencies", evaluation.persons, _of_persons(evaluation.persons)
        ),
        "stages": tables.stage_table(evaluation),
        "precision_recall": charts.precision_recall(evaluation),
        "operating": _operating(evaluation, used, best),
        "thresholds": charts.by_threshold(evaluation),
        "explorer": _explorer(evaluation, used),
        "calibration": charts.calibration_chart(evaluation.calibration),
        "calibration_table": _calibration_table(evaluation),
        "calibration_error": f"{evaluation.calibration.expected_error:.4f}",
        "calibration_floor": f"{CALIBRATION_FLOOR:.0%}",
        "agencies": tables.agency_matrix(evaluation),
        "agencies_table": tables.qualities("By pair of agencies", "agencies", evaluation.by_agencies),
        "groups": join(*(tables.qualities(f"By {name}", name, groups) for name, groups in evaluation.by_group.items())),
        "weights": charts.match_weights(evaluation.model),
        "weights_table": _weights_table(evaluation),
        "examples": join(*(_example(evaluation, number) for number in range(len(evaluation.examples)))),
        "unlinkable": tables.unlinkable_table(evaluation),
        "legend": tables.band_legend(),
        "false": tables.gallery(false, names),
        "missed": tables.gallery(missed, names),
    }
    return Template(_shipped("template.html")).substitute({name: join(part) for name, part in parts.items()})


def _shipped(name: str) -> str:
    return (files("matcher.evaluation.report") / name).read_text(encoding="utf-8")


def _facts(evaluation: Evaluation) -> Html:
    match = evaluation.thresholds.match
    figures = (
        (f"{evaluation.records:,}", "records"),
        (f"{len(evaluation.agencies)}", "agencies"),
        (f"{evaluation.true_persons:,}", "true persons"),
        (f"{match:g}", f"match probability ({evaluation.thresholds.match_weight:.2f} bits)"),
        (evaluation.model.scheme.name, "scheme"),
    )
    return join(*(tag("div", tag("dt", name), tag("dd", figure)) for figure, name in figures))


def _headline(title: str, quality: Quality | KnownToTwo, below: str) -> Html:
    shown = (
        tag("div", tag("dt", name), tag("dd", f"{getattr(quality, kind):.4f}", class_=kind))
        for kind, name in (("precision", "precision"), ("recall", "recall"), ("f1", "F1"))
    )
    return tag("section", tag("h2", title), tag("dl", *shown), tag("p", below), class_="card")


def _of_pairs(quality: Quality) -> str:
    return (
        f"{quality.true_positives:,} of {quality.true_positives + quality.false_negatives:,} true pairs found, "
        f"{quality.false_negatives:,} missed, {quality.false_positives:,} false."
    )


def _of_persons(quality: KnownToTwo) -> str:
    return (
        f"{quality.reached:,} of {quality.true:,} such persons reached; "
        f"{quality.right:,} of {quality.found:,} that would be alerted are right."
    )


def _operating(evaluation: Evaluation, used: Quality, best: Quality) -> Html:
    head = ("threshold", "precision", "recall", "F1", "match weight", "match probability")
    rows = [
        ("used", "in use", evaluation.thresholds.match_weight, used),
        ("after", "in use, persons resolved", evaluation.thresholds.match_weight, evaluation.pairs),
        ("best", "best F1", evaluation.best_threshold, best),
    ]
    shown = (
        (
            join(tag("span", class_=f"key {kind}", aria_hidden="true"), name),
            f"{quality.precision:.4f}",
            f"{quality.recall:.4f}",
            f"{quality.f1:.4f}",
            f"{weight:.2f}",
            f"{float(probability(weight)):.4f}",
        )
        for kind, name, weight, quality in rows
    )
    return tables.table("Operating points", head, shown)


def _explorer(evaluation: Evaluation, used: Quality) -> Html:
    """Figures at the threshold in use; the script puts others in their place."""
    linked = used.true_positives + used.false_positives
    figures = (
        ("weight", "match weight", f"{evaluation.thresholds.match_weight:.2f}"),
        ("probability", "match probability", f"{evaluation.thresholds.match:.4f}"),
        ("precision", "precision", f"{used.precision:.4f}"),
        ("recall", "recall", f"{used.recall:.4f}"),
        ("f1", "F1", f"{used.f1:.4f}"),
        ("links", "links", f"{linked:,}"),
        ("false", "false links", f"{used.false_positives:,}"),
        ("missed", "missed pairs", f"{used.false_negatives:,}"),
    )
    return join(*(tag("div", tag("dt", name), tag("dd", figure, id=f"at-{key}")) for key, name, figure in figures))


def _curve(evaluation: Evaluation) -> Html:
    """The curve as JSON inside a script element: no '<' may end that element."""
    weights = charts.grid(evaluation)
    points = [(weight, evaluation.curve.at(weight)) for weight in weights]
    data: dict[str, Any] = {
        "used": weights.index(evaluation.thresholds.match_weight),
        "total": evaluation.curve.total_true,
        "points": [[weight, quality.true_positives, quality.false_positives] for weight, quality in points],
    }
    return raw(json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"))


def _calibration_table(evaluation: Evaluation) -> Html:
    found = evaluation.calibration
    columns = (found.lower, found.predicted, found.observed, found.count)
    rows = (
        (f"from {low:.3f}", f"{predicted:.4f}", f"{observed:.4f}", f"{count:,}")
        for low, predicted, observed, count in zip(*(column.tolist() for column in columns), strict=True)
    )
    return tables.table("Calibration", ("predicted", "mean predicted", "observed share", "pairs"), rows)


def _weights_table(evaluation: Evaluation) -> Html:
    model = evaluation.model
    head = ("field", "bits", "weight where it agrees", "similar up to", "weight where it differs")
    rows = []
    for field, weights in zip(model.scheme.fields, model.tables, strict=True):
        similar = int((weights > 0).sum()) - 1
        shown = f"{similar} bits" if similar > 0 else "–"
        rows.append(
            (field.name, f"{field.bits}", f"{weights[0]:+.2f}", shown, f"{weights[-1]:+.2f}" if field.bits else "–")
        )
    return tables.table("Match weights by field", head, rows)


def _example(evaluation: Evaluation, number: int) -> Html:
    example = evaluation.examples[number]
    records = " and ".join(f"{agency} {reference}" for agency, reference in (example.left, example.right))
    drawn = charts.waterfall(example, evaluation.model, evaluation.thresholds.match_weight)
    against = f"{records}. Against the strongest other explanation, a {example.rival}."
    return tag("figure", tag("figcaption", tag("strong", example.title), tag("span", against)), drawn)
