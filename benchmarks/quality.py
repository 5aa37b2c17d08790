"""How well do tokens link, beside the best of clear text and the best of other encodings, on the same records?"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import contenders
from benchmarks.contenders import Answer
from benchmarks.datasets import Dataset, dupehell, febrl, population, rldata, town
from benchmarks.machine import machine, write
from matcher.evaluation import measures
from matcher.evaluation.measures import KnownToTwo, Labels, Pairs, Quality

CALIBRATION_FLOOR = 0.01
"""Pairs that are surely none would make any calibration look good."""
_DIGITS = 4


def run(
    data: Sequence[str],
    records: int,
    seeds: Sequence[int],
    error_rates: Sequence[float],
    peers: Sequence[str],
    json_path: Path | None,
) -> None:
    """Link every data set with every contender; print a line for each, and write the figures after each data set."""
    results: list[dict[str, Any]] = []
    versions = {"recordlinkage": version("recordlinkage")}
    for dataset in _datasets(data, records, seeds, error_rates):
        click.echo(f"\n{dataset.name}: {len(dataset.records):,} records\n{_HEADER}")
        for name in peers:
            try:
                answer = contenders.link(name, dataset)
            except RuntimeError as failure:  # a peer that can make nothing of some data ends no run
                click.echo(f"{name:14}{str(failure).splitlines()[-1]}")
                continue
            if answer is None:
                click.echo(f"{name:14}its rules need a field that this data lacks")
                continue
            versions |= answer.versions
            figures = {"data": dataset.name, "records": len(dataset.records), "contender": name}
            results.append(figures | measured(answer, dataset))
            click.echo(line(results[-1]))
        settings = {"seeds": list(seeds), "error_rates": list(error_rates), "peers": versions}
        write({**settings, **machine(), "results": results}, json_path)


def _datasets(
    data: Sequence[str], records: int, seeds: Sequence[int], error_rates: Sequence[float]
) -> Iterable[Dataset]:
    for name in data:
        if name == "population":
            yield from (population(records, seed, rate) for rate in error_rates for seed in seeds)
        elif name.startswith("town"):
            yield from (town(seed, with_number=name.endswith("-number")) for seed in seeds)
        elif name.startswith("dupehell"):
            yield from (dupehell(name, seed) for seed in seeds)
        else:
            yield rldata(name) if name.startswith("rldata") else febrl(name)


def measured(answer: Answer, dataset: Dataset) -> dict[str, Any]:
    """An answer's figures against the truth: at its default threshold in full, at its best one in short."""
    agency, person = dataset.records["agency"].to_numpy(str), dataset.person.to_numpy()
    scored = answer.scored
    pairs = np.column_stack([scored.left, scored.right])
    is_match = person[scored.left] == person[scored.right]
    total = len(measures.pairs_of_persons(person, agency))
    curve = measures.threshold_curve(scored.score, is_match, total)
    best = measures.best_threshold(curve)
    found = pairs[scored.score >= answer.default]
    at_default = answer.person
    if at_default is None:
        at_default = contenders.persons_at(scored, answer.default, len(person))
    at_best = contenders.persons_at(scored, best, len(person))
    figures: dict[str, Any] = {
        "seconds": round(answer.seconds, 1),
        "default": {"threshold": answer.default}
        | _shares(curve.at(answer.default))
        | {"known_to_two": _shares(measures.known_to_two(at_default, person, agency))},
        "best": {"threshold": best}
        | _shares(curve.at(best))
        | {"known_to_two": _shares(measures.known_to_two(at_best, person, agency))},
        "recall_at_any_threshold": round(curve.at(-np.inf).recall, _DIGITS),
        "by_agencies": _by(found, person, agency, partial(measures.both_labels, agency)),
    }
    for group in map(str, dataset.groups):
        figures[f"by_{group.replace(' ', '_')}"] = _by(
            found, person, agency, partial(measures.common_label, dataset.groups[group].to_numpy(str))
        )
    if answer.probability is not None:
        calibration = measures.calibration(answer.probability, is_match, floor=CALIBRATION_FLOOR)
        figures["calibration"] = {
            "floor": CALIBRATION_FLOOR,
            "expected_error": round(calibration.expected_error, _DIGITS),
            "predicted": calibration.predicted.round(_DIGITS).tolist(),
            "observed": calibration.observed.round(_DIGITS).tolist(),
            "count": calibration.count.tolist(),
        }
    return figures


def _shares(quality: Quality | KnownToTwo) -> dict[str, float]:
    return {name: round(getattr(quality, name), _DIGITS) for name in ("precision", "recall", "f1")}


def _by(
    found: Pairs, person: Labels, agency: Labels, label: Callable[[Pairs], Labels]
) -> dict[str, dict[str, float | int]]:
    groups = measures.pair_quality_by(found, person, agency, label)
    return {
        name: {**_shares(quality), "true_pairs": quality.true_positives + quality.false_negatives}
        for name, quality in groups.items()
    }


_HEADER = (
    f"{'':14}{'default threshold':^40}{'best threshold, chosen with the truth':^40}\n"
    f"{'':14}" + f"{'precision':>10}{'recall':>8}{'F1':>8}{'known to two':>14}" * 2 + f"{'ECE':>8}{'seconds':>9}"
)


def line(result: dict[str, Any]) -> str:
    """One contender's figures in one line, under `_HEADER`."""
    parts = [f"{result['contender']:14}"]
    for at in (result["default"], result["best"]):
        known = f"{at['known_to_two']['precision']:.3f}/{at['known_to_two']['recall']:.3f}"
        parts.append(f"{at['precision']:10.4f}{at['recall']:8.4f}{at['f1']:8.4f}{known:>14}")
    error = result.get("calibration", {}).get("expected_error")
    parts.append(f"{'-' if error is None else format(error, '.4f'):>8}{result['seconds']:9.1f}")
    return "".join(parts)
