"""What pairs say of each other, where an agency holds a person once."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.model import Links
from matcher.scoring.partners import AreOne, Partners
from tests import reference

KNOWN = 25


def nobody(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.zeros(len(left), np.bool_)


def partners(
    pairs: list[tuple[int, int, float]], agency: list[int], population: int = 1000, are_one: AreOne = nobody
) -> Partners:
    left, right, weight = zip(*pairs, strict=True) if pairs else ((), (), ())
    links = Links(np.array(left, np.int64), np.array(right, np.int64), np.array(weight, np.float32))
    return Partners.found(links, np.array(agency), np.bincount(agency), population, are_one)


def weighed(made: Partners, pairs: list[tuple[int, int, float]]) -> list[float]:
    """Weights with what is added to them."""
    left, right, weight = map(np.array, zip(*pairs, strict=True))
    return list(weight + made.added(left, right))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6))
def test_where_pairs_make_no_ring_the_odds_are_exact(seed: int) -> None:
    rng = np.random.default_rng(seed)
    agency = rng.integers(0, 3, 12).tolist()
    tree: dict[tuple[int, int, int], int] = {}
    pairs: list[tuple[int, int, float]] = []

    def root(record: int, *agencies: int) -> int:
        while (up := tree.get((record, *agencies), record)) != record:
            record = up
        return record

    for a, b in rng.permutation(list(combinations(range(12), 2))).tolist():
        own, other = agency[a], agency[b]
        both = sorted((own, other))
        if own != other and len(pairs) < 10 and root(a, *both) != root(b, *both):
            tree[root(a, *both), *both] = root(b, *both)
            pairs.append((min(a, b), max(a, b), float(rng.normal(0, 4))))
    made = partners(pairs, agency)
    expected = reference.pair_odds(pairs, agency, np.bincount(agency).tolist(), 1000)
    assert weighed(made, pairs) == pytest.approx(expected, abs=0.1)


def test_where_nearly_all_have_found_a_partner_two_that_are_left_are_likely_a_pair() -> None:
    sure = [(i, 1000 + i, 30.0) for i in range(990)]
    made = partners([*sure, (995, 1996, -4.0)], [0] * 1000 + [1] * 1000)
    found = 990 + 1 / (1 + 2**4)
    free = (1000 - found + KNOWN) / (1000 + KNOWN)
    expected = np.log2((found + KNOWN) / (1000 + KNOWN)) - 2 * np.log2(free)
    assert made.added(np.array([995]), np.array([1996]))[0] == pytest.approx(expected, abs=0.1)
    assert made.most_added == pytest.approx(expected, abs=0.1)


def test_where_few_have_a_partner_a_pair_without_another_stays_as_it_is() -> None:
    made = partners([(i, 1000 + i, 9.0) for i in range(50)], [0] * 1000 + [1] * 1000, population=20_000)
    assert np.abs(made.added(np.arange(50), np.arange(1000, 1050))).max() < 0.2


def test_agencies_that_have_less_in_common_than_others_count_less() -> None:
    agency = [0] * 1000 + [1] * 1000 + [2] * 1000
    pairs = [(i, 1000 + i, 30.0) for i in range(900)]
    made = partners([*pairs, (999, 2000, 0.0)], agency)
    assert made.added(np.array([999]), np.array([2000]))[0] == pytest.approx(np.log2(KNOWN / (1000 + KNOWN)), abs=0.2)


SIDES = pytest.mark.parametrize("turned", [False, True])
"""Which agency the record is of that has several partners."""


def beside(turned: bool, weights: dict[int, float], are_one: AreOne = nobody) -> list[float]:
    """Weights of pairs of record 0 with others of one agency, seen together."""
    pairs = [(0, other, weight) for other, weight in weights.items()]
    return weighed(partners(pairs, [1, 1, 0, 0, 0] if turned else [0, 0, 1, 1, 1], are_one=are_one), pairs)


@SIDES
def test_a_record_with_a_likelier_partner_is_hardly_to_be_had(turned: bool) -> None:
    likelier, other = beside(turned, {2: 20.0, 3: 6.0})
    assert likelier > 13
    assert other < -10


@SIDES
@pytest.mark.parametrize("weight", [12.0, 45.0])
def test_two_equal_partners_are_each_at_most_as_likely_as_not(turned: bool, weight: float) -> None:
    assert beside(turned, {2: weight, 3: weight}) == pytest.approx([0.0, 0.0], abs=0.1)


@SIDES
def test_a_person_whom_an_agency_holds_twice_is_a_partner_twice(turned: bool) -> None:
    def same(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return (left == right) | np.isin(left, (2, 3)) & np.isin(right, (2, 3))

    first, second, stranger = beside(turned, {2: 12.0, 3: 11.0, 4: 3.0}, same)
    assert first > 8
    assert second > 7
    assert stranger < -5


def test_records_all_alike_take_nothing_from_other_pairs() -> None:
    """Of 100 of them at either agency as many pairs may be true, not 10,000."""
    junk = [(a, b, 12.0) for a in range(100) for b in range(300, 400)]
    other = (250, 650, 5.0)
    agency = [0] * 300 + [1] * 400

    def same(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return np.ones(len(left), np.bool_)

    [without] = weighed(partners([other], agency), [other])
    for are_one in (nobody, same):
        assert weighed(partners([*junk, other], agency, are_one=are_one), [other])[0] > without - 0.1


def test_agencies_of_two_sizes_are_each_as_free_as_they_are() -> None:
    made = partners([(i, 2000 + i, 30.0) for i in range(100)], [0] * 2000 + [1] * 110, population=2000)
    expected = np.log2(125 / 135) - np.log2(1925 / 2025) - np.log2(35 / 135)
    assert made.added(np.array([0]), np.array([2000]))[0] == pytest.approx(expected, abs=0.01)


def test_each_agency_is_a_matter_of_its_own() -> None:
    pairs = [(0, 1, 12.0), (0, 2, 12.0)]
    assert min(weighed(partners(pairs, [0, 1, 2]), pairs)) > 11


def test_rings_come_to_rest() -> None:
    ring = [(a, b, 6.0) for a in range(30) for b in range(30, 60)]
    weights = weighed(partners(ring, [0] * 30 + [1] * 30), ring)
    # of thirty equal partners each is the one
    assert np.allclose(weights, np.log2(1 / 29), atol=0.2)


def test_nothing_is_added_to_other_pairs_whichever_way_round() -> None:
    made = partners([(0, 2, 6.0), (1, 2, 5.0)], [0, 0, 1, 1])
    assert made.added(np.array([0, 1, 3]), np.array([3, 3, 0])).tolist() == [0.0, 0.0, 0.0]
    assert made.added(np.array([2]), np.array([0])) == made.added(np.array([0]), np.array([2])) != 0.0


def test_without_pairs_there_is_nothing_to_add() -> None:
    made = partners([], [0, 1])
    assert made.added(np.array([0]), np.array([1])).tolist() == [0.0]
    assert made.most_added == 0.0
