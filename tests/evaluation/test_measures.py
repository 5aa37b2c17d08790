"""Measures equal what plain Python counts pair by pair."""

import time
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.evaluation.measures import (
    MIXED,
    UNKNOWN,
    KnownToTwo,
    Quality,
    best_threshold,
    both_labels,
    calibration,
    common_label,
    known_to_two,
    pair_quality,
    pair_quality_by,
    pairs_of_persons,
    threshold_curve,
)

RECORDS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from("abc")), max_size=14)
"""Found person, true person and agency of each record."""
SCORED = st.lists(st.tuples(st.sampled_from([-2.0, 0.0, 0.5, 1.0, 3.25]), st.booleans()), max_size=20)


def columns(records):
    found, person, agency = ([each[i] for each in records] for i in range(3))
    return np.array(found, np.int64), np.array(person, np.int64), np.array(agency, dtype="<U1")


def plain_pairs(person, agency):
    every = combinations(range(len(person)), 2)
    return [pair for pair in every if person[pair[0]] == person[pair[1]] and agency[pair[0]] != agency[pair[1]]]


# -- pairs and persons -----------------------------------------------------------------------------------------------


@given(RECORDS)
def test_pairs_of_persons(records):
    _, person, agency = columns(records)
    assert list(map(tuple, pairs_of_persons(person, agency).tolist())) == plain_pairs(person, agency)


def test_persons_may_have_names():
    pairs = pairs_of_persons(np.array(["x", "y", "x", "y"]), np.array(["a", "a", "b", "a"]))
    assert pairs.tolist() == [[0, 2]]
    assert pairs.dtype == np.int64


def test_many_records_take_no_loop_over_pairs():
    rng = np.random.default_rng(1)
    person, agency = rng.integers(0, 140_000, 200_000), rng.integers(0, 9, 200_000)
    start = time.process_time()
    pairs = pairs_of_persons(person, agency)
    quality = pair_quality(pairs, person, agency)
    assert time.process_time() - start < 5
    assert (quality.precision, quality.recall) == (1.0, 1.0)
    assert quality.true_positives == len(pairs) > 20_000


@given(RECORDS, st.lists(st.tuples(st.integers(0, 13), st.integers(0, 13)), max_size=20))
def test_pair_quality(records, drawn):
    _, person, agency = columns(records)
    drawn = [pair for pair in drawn if pair[0] != pair[1] and max(pair) < len(person)]
    found = {(min(pair), max(pair)) for pair in drawn if agency[pair[0]] != agency[pair[1]]}
    true = set(plain_pairs(person, agency))
    expected = Quality(len(found & true), len(found - true), len(true - found))
    assert pair_quality(np.array(drawn, np.int64).reshape(-1, 2), person, agency) == expected


@given(RECORDS)
def test_known_to_two(records):
    found, person, agency = columns(records)

    def persons(label):
        return [np.flatnonzero(label == each).tolist() for each in set(label.tolist())]

    def agencies(members):
        return {str(agency[member]) for member in members}

    alerted = [members for members in persons(found) if len(agencies(members)) > 1]
    due = [members for members in persons(person) if len(agencies(members)) > 1]
    reached = [members for members in due if any(len(agencies(set(members) & set(each))) > 1 for each in alerted)]
    right = [members for members in alerted if len({int(person[member]) for member in members}) == 1]
    assert known_to_two(found, person, agency) == KnownToTwo(len(alerted), len(right), len(due), len(reached))


def test_a_person_found_in_two_halves_is_right_twice_and_reached_once():
    person, agency = np.zeros(4, np.int64), np.array(["a", "b", "c", "d"])
    assert known_to_two(np.array([0, 0, 2, 2]), person, agency) == KnownToTwo(2, 2, 1, 1)


def test_nothing_found_and_nothing_to_find():
    assert (Quality(0, 0, 3).precision, Quality(0, 0, 3).recall, Quality(0, 0, 3).f1) == (1.0, 0.0, 0.0)
    assert (Quality(0, 3, 0).precision, Quality(0, 3, 0).recall, Quality(0, 3, 0).f1) == (0.0, 1.0, 0.0)
    assert Quality(0, 0, 0).f1 == 1.0
    assert Quality(6, 2, 4).f1 == pytest.approx(2 * 0.75 * 0.6 / 1.35)
    assert KnownToTwo(0, 0, 0, 0).f1 == 1.0
    assert KnownToTwo(2, 0, 2, 0).f1 == 0.0
    assert KnownToTwo(4, 3, 5, 3).f1 == pytest.approx(2 * 0.75 * 0.6 / 1.35)


# -- groups ----------------------------------------------------------------------------------------------------------


@given(RECORDS)
def test_groups_are_parts_of_the_whole(records):
    found, person, agency = columns(records)
    pairs = pairs_of_persons(found, agency)
    whole = pair_quality(pairs, person, agency)
    groups = pair_quality_by(pairs, person, agency, lambda each: both_labels(agency, each))
    for count in ("true_positives", "false_positives", "false_negatives"):
        assert sum(getattr(group, count) for group in groups.values()) == getattr(whole, count)
    for name, group in groups.items():
        chosen = np.isin(agency, name.split(" / "))
        assert group == pair_quality(pairs_of_persons(found[chosen], agency[chosen]), person[chosen], agency[chosen])


def test_labels_of_pairs():
    label, pairs = np.array(["F", "", "M", "F", ""]), np.array([[0, 3], [0, 1], [1, 2], [0, 2], [1, 4]])
    assert common_label(label, pairs).tolist() == ["F", "F", "M", MIXED, UNKNOWN]
    assert both_labels(np.array(["b", "a"]), np.array([[0, 1], [0, 0]])).tolist() == ["a / b", "b / b"]


# -- thresholds ------------------------------------------------------------------------------------------------------


@given(SCORED, st.integers(0, 5))
def test_threshold_curve(scored, unscored):
    scores, is_match = np.array([s for s, _ in scored], np.float32), np.array([m for _, m in scored], bool)
    total = int(is_match.sum()) + unscored
    curve = threshold_curve(scores, is_match, total)
    assert curve.thresholds.tolist() == sorted({s for s, _ in scored}, reverse=True)
    expected = []
    for threshold in [*curve.thresholds.tolist(), -9.0, 0.25, 9.0]:
        taken = [match for score, match in scored if score >= threshold]
        expected.append(Quality(sum(taken), len(taken) - sum(taken), total - sum(taken)))
        assert curve.at(threshold) == expected[-1]
    expected = expected[: len(curve.thresholds)]
    assert curve.precision.tolist() == pytest.approx([each.precision for each in expected])
    assert curve.recall.tolist() == pytest.approx([each.recall for each in expected])
    assert curve.f1.tolist() == pytest.approx([each.f1 for each in expected])
    best = max(expected, key=lambda each: each.f1, default=None)
    assert curve.at(best_threshold(curve)).f1 == pytest.approx(best.f1 if best else Quality(0, 0, total).f1)


# -- calibration -----------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.floats(0, 1, width=32) | st.sampled_from([0.25, 0.5, 1.0]), st.booleans()), max_size=30),
    st.sampled_from([0.0, 0.1, 0.5]),
)
def test_calibration(pairs, floor):
    edges = np.linspace(0, 1, 11)
    held: dict[int, list[tuple[float, bool]]] = {}
    for predicted, match in pairs:
        if predicted >= floor:
            place = max(i for i in range(10) if predicted >= edges[i])
            held.setdefault(place, []).append((predicted, match))
    probability, is_match = np.array([p for p, _ in pairs]), np.array([m for _, m in pairs], bool)
    found = calibration(probability, is_match, floor)
    assert found.lower.tolist() == [edges[place] for place in sorted(held)]
    assert found.count.tolist() == [len(held[place]) for place in sorted(held)]
    means = [np.mean(held[place], axis=0) for place in sorted(held)]
    assert found.predicted.tolist() == pytest.approx([mean[0] for mean in means])
    assert found.observed.tolist() == pytest.approx([mean[1] for mean in means])
    total = sum(len(each) for each in held.values())
    error = sum(len(held[place]) * abs(m[0] - m[1]) for place, m in zip(sorted(held), means, strict=True))
    assert found.expected_error == pytest.approx(error / total if total else 0.0)


def test_a_floor_shows_what_a_mass_of_sure_non_matches_hides():
    probability = np.concatenate([np.zeros(10_000), np.full(100, 0.9)])
    is_match = np.concatenate([np.zeros(10_000, bool), np.arange(100) < 60])
    assert calibration(probability, is_match).expected_error < 0.004
    assert calibration(probability, is_match, floor=0.5).expected_error == pytest.approx(0.3)
