"""The figures of an evaluation for other programs: names of agencies and groups, numbers, and no record."""

from dataclasses import asdict
from typing import Any

from matcher.evaluation.evaluation import Evaluation
from matcher.evaluation.measures import KnownToTwo, Quality

_DIGITS = 6


def figures(evaluation: Evaluation) -> dict[str, Any]:
    """All figures, ready for JSON. Shares are rounded to six digits."""
    found = evaluation.calibration
    best = evaluation.best_threshold
    return {
        "records": evaluation.records,
        "agencies": list(evaluation.agencies),
        "true_persons": evaluation.true_persons,
        "scheme": evaluation.model.scheme.name,
        "match_probability": evaluation.thresholds.match,
        "match_weight": round(evaluation.thresholds.match_weight, _DIGITS),
        "pairs": _quality(evaluation.pairs),
        "known_to_two": _quality(evaluation.persons),
        "by_agencies": {name: _quality(quality) for name, quality in evaluation.by_agencies.items()},
        "by_group": {
            name: {label: _quality(quality) for label, quality in groups.items()}
            for name, groups in evaluation.by_group.items()
        },
        "stages": [asdict(stage) for stage in evaluation.stages],
        "best_threshold": {"match_weight": best, **_quality(evaluation.curve.at(best))}
        if len(evaluation.curve.thresholds)
        else None,
        "calibration": {
            "expected_error": round(found.expected_error, _DIGITS),
            "floor": found.floor,
            "bins": [
                {
                    "lower": round(lower, _DIGITS),
                    "predicted": round(predicted, _DIGITS),
                    "observed": round(observed, _DIGITS),
                    "pairs": count,
                }
                for lower, predicted, observed, count in zip(
                    found.lower.tolist(),
                    found.predicted.tolist(),
                    found.observed.tolist(),
                    found.count.tolist(),
                    strict=True,
                )
            ],
        },
        "unlinkable": [asdict(each) for each in evaluation.unlinkable],
        "errors": [{"missed": each.missed, "kind": each.kind, "pairs": each.count} for each in evaluation.errors],
    }


def _quality(quality: Quality | KnownToTwo) -> dict[str, Any]:
    shares = {name: round(getattr(quality, name), _DIGITS) for name in ("precision", "recall", "f1")}
    return asdict(quality) | shares
