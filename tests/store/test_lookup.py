"""What the store finds by record, in memory, stays as small as what is there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.model import Links
from matcher.store import lookup as module
from matcher.store.lookup import Lookup
from matcher.store.packed import unpack_links

from .build import alert

RECORDS = 3000


def links(left: np.ndarray, right: np.ndarray) -> Links:
    return Links(left, right, np.ones(len(left), np.float32))


def test_links_of_records_sent_again_night_by_night_do_not_add_up() -> None:
    lookup = Lookup(lambda *_: [])
    left = np.arange(RECORDS)
    lookup.add_links(1, links(left, left + RECORDS))
    for night in range(2, 9):
        found = lookup.take_links(left.tolist())
        assert {row: len(places) for row, places in found.items()} == {night - 1: RECORDS}
        assert lookup.take_links(left.tolist()) == {}
        lookup.add_links(night, links(left, left + RECORDS))
        assert len(lookup._links.rows) <= 2 * RECORDS
    assert {row: places.tolist() for row, places in lookup.take_links([7]).items()} == {8: [7]}


def test_links_that_were_dropped_before_a_start_take_no_memory() -> None:
    table = np.zeros(1000, unpack_links(b"").dtype)
    table["right"][:10] = np.arange(1, 11)
    lookup = Lookup(lambda query, last, _: [(1, table.tobytes())] if query == "links_after" and last == 0 else [])
    assert len(lookup._links.rows) == 10
    assert {row: places.tolist() for row, places in lookup.take_links([3]).items()} == {1: [2]}


@given(st.data())
def test_places_are_those_of_the_links_that_were_added_and_not_taken(data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_FIRST_CAPACITY", 4)  # so that rows are left out
        lookup = Lookup(lambda *_: [])
        known: list[tuple[int, int, tuple[int, int]]] = []
        some = st.lists(st.integers(0, 12), max_size=3)
        pair = st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda each: each[0] < each[1])
        for row in range(1, data.draw(st.integers(1, 12))):
            pairs = data.draw(st.lists(pair, max_size=5))
            left, right = np.array(pairs, np.int64).reshape(-1, 2).T
            lookup.add_links(row, links(left, right))
            known += [(row, place, pair) for place, pair in enumerate(pairs)]
            taken = data.draw(some)
            found = lookup.take_links(taken)
            expected = [(row, place) for row, place, pair in known if set(pair) & set(taken)]
            assert [(row, place) for row, places in found.items() for place in sorted(places.tolist())] == expected
            known = [each for each in known if each[:2] not in set(expected)]


@given(st.data())
def test_memberships_are_those_of_alerts_that_were_added_and_not_taken(data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_FIRST_CAPACITY", 4)
        lookup = Lookup(lambda *_: [])
        known: set[tuple[int, int]] = set()
        there: set[int] = set()
        some = st.lists(st.integers(0, 12), max_size=3)
        for sequence in range(1, data.draw(st.integers(1, 15))):
            members = data.draw(st.sets(st.integers(0, 9), min_size=1, max_size=4))
            lookup.add_alerts([alert(sequence, *members)])
            there.add(sequence)
            known |= {(sequence, record) for record in members}
            if data.draw(st.booleans()):
                purged = data.draw(some)
                lookup.take_alerts(purged, [])
                known = {each for each in known if each[0] not in purged}
                there -= set(purged)
            taken = data.draw(some)
            expected = sorted(each for each in known if each[1] in taken)
            assert sorted(lookup.take_memberships(taken)) == expected
            known -= set(expected)
            for each in range(1, sequence + 1):  # about a person of its own
                assert lookup.alerts_of(bytes([each] * 16)) == [each] * (each in there)
