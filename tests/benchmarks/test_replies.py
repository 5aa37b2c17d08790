"""Replies are the same bytes for every class. Times are for the benchmark; of them, only its arithmetic is here."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import PROBES, REPLIES
from benchmarks.replies import CLASSES, METHODS, auc, compare, run


def test_replies_of_every_class_are_the_same_bytes_and_trailers(tmp_path: Path) -> None:
    outcomes = run(12, 3, REPLIES, tmp_path / "figures.json")
    assert {name: (each.calls, each.replies) for name, each in outcomes.items()} == dict.fromkeys(METHODS, (12, 1))
    for outcome in outcomes.values():
        assert set(outcome.median_milliseconds) == set(CLASSES)
        assert len(outcome.own) == len(outcome.meanwhile) == 6
    assert set(json.loads((tmp_path / "figures.json").read_text())["methods"]) == set(outcomes)


def test_removals_alone_are_of_records_that_were_appended(tmp_path: Path) -> None:
    (outcome,) = run(12, 3, ["RemoveRecords"], tmp_path / "figures.json").values()
    assert (outcome.calls, outcome.replies) == (12, 1)


@pytest.mark.parametrize("probe", PROBES)
def test_what_answers_without_the_database_is_probed_too(tmp_path: Path, probe: str) -> None:
    (outcome,) = run(12, 3, ["SubmitRecords"], tmp_path / "figures.json", probe, held=500).values()
    assert (outcome.calls, outcome.replies, len(outcome.meanwhile)) == (12, 1, 6)


def test_the_classifier_counts_the_pairs_in_the_right_order() -> None:
    rng = np.random.default_rng(1)
    left, right = rng.integers(0, 50, 300).astype(float), rng.integers(5, 55, 200).astype(float)
    above = (right[:, None] > left).mean() + (right[:, None] == left).mean() / 2
    value, low, high = auc(left, right)
    assert value == pytest.approx(above)
    assert low < value < high
    assert auc(right, left)[0] == pytest.approx(1 - above)
    samples = [auc(rng.normal(size=300), rng.normal(size=200))[0] for _ in range(400)]
    width = np.mean([np.diff(auc(rng.normal(size=300), rng.normal(size=200))[1:]) for _ in range(50)])
    assert width == pytest.approx(2 * 1.96 * np.std(samples), rel=0.15)


def test_times_that_differ_are_told_apart_and_equal_ones_are_not() -> None:
    rng = np.random.default_rng(2)
    times = {"a": rng.normal(10, 1, 4000), "b": rng.normal(10, 1, 4000), "c": rng.normal(10.3, 1, 4000)}
    found = {pair.classes: pair.told_apart for pair in compare(times)}
    assert found == {("a", "b"): False, ("a", "c"): True, ("b", "c"): True}
