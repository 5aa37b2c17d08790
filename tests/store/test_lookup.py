"""What the store finds by record, in memory, stays as small as what is there."""

from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.model import Links, MatchOutcome
from matcher.store import lookup as module
from matcher.store.lookup import Lookup
from matcher.store.outcome import write_outcome
from matcher.store.packed import unpack_links
from matcher.store.sqlite import SqliteStore

from .build import alert, fill, pairs
from .build import links as some_links

RECORDS = 3000


def links(left: np.ndarray, right: np.ndarray) -> Links:
    return Links(left, right, np.ones(len(left), np.float32))


def test_links_of_records_sent_again_night_by_night_do_not_add_up() -> None:
    lookup = Lookup()
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
    lookup = Lookup()
    while lookup.read(lambda query, last, _: [(1, table.tobytes())] if query == "links_after" and last == 0 else []):
        pass
    assert len(lookup._links.rows) == 10
    assert {row: places.tolist() for row, places in lookup.take_links([3]).items()} == {1: [2]}


@given(st.data())
def test_places_are_those_of_the_links_that_were_added_and_not_taken(data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_FEW", 4)  # so that rows are left out
        lookup = Lookup()
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
        patch.setattr(module, "_FEW", 4)
        lookup = Lookup()
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


def match(store: SqliteStore, frame: int) -> None:
    """Link two records of a frame's own, and tell of them."""
    pair = 2 * frame, 2 * frame + 1
    store.commit_matching(MatchOutcome(frame, links=some_links((*pair, 1.0)), alerts=[alert(frame, *pair)]))


def erase(store: SqliteStore, through: int, *records: int) -> None:
    store.commit_matching(MatchOutcome(through, gone=list(records)))


def left(store: SqliteStore) -> tuple[list[int], list[int]]:
    """Records that have links, and that alerts name."""
    linked = [record for pair in pairs(store.links()) for record in pair[:2]]
    return linked, [member.record for each in store.alerts_after(0, 99) for member in each.members]


@pytest.mark.parametrize("held_up", [1, 3, 5])
def test_what_is_stored_while_it_is_made_is_found_too(
    path: Path, held_up: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`held_up`: behind so many readings of the tables."""
    monkeypatch.setattr(module, "_LINK_ROWS", 2)
    monkeypatch.setattr(module, "_ALERTS", 2)
    read, reached, goes_on, readings = Lookup.read, Event(), Event(), []

    def slow(lookup: Lookup, rows: module.Rows) -> bool:
        found = read(lookup, rows)
        readings.append(found)
        if len(readings) == held_up:
            reached.set()
            assert goes_on.wait(20)
        return found

    monkeypatch.setattr(Lookup, "read", slow)
    store = SqliteStore(path)
    fill(store, frames=9)
    for frame in range(1, 5):
        match(store, frame)
    store.prepare_erasing()
    assert reached.wait(20)
    for frame in range(5, 8):
        match(store, frame)
    assert not readings[held_up:]
    goes_on.set()
    erase(store, 7, 2, 8, 9, 10, 15)
    match(store, 8)
    erase(store, 8, 5, 17)
    assert left(store) == ([6, 7, 12, 13], [3, 4, 6, 7, 11, 12, 13, 14, 16])
    assert sum(readings) == 4 + 4  # once
    store.close()


def test_it_is_made_anew_once_it_may_say_what_is_not_stored(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(path)
    fill(store)
    match(store, 1)

    def fails(*written: Any) -> None:
        write_outcome(*written)
        raise ValueError("too late")

    with monkeypatch.context() as failing:
        failing.setattr("matcher.store.sqlite.write_outcome", fails)
        with pytest.raises(ValueError, match="too late"):
            erase(store, 1, 2)
    assert left(store) == ([2, 3], [2, 3])
    erase(store, 1, 2)
    assert left(store) == ([], [3])
    store.close()


def test_what_cannot_be_made_beside_is_made_when_it_is_needed(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_: Lookup, __: module.Rows) -> bool:
        raise MemoryError("what it held")

    store = SqliteStore(path)
    fill(store)
    match(store, 1)
    with monkeypatch.context() as failing:
        failing.setattr(Lookup, "read", fails)
        store.prepare_erasing()
        with pytest.raises(MemoryError):
            erase(store, 1, 2)
    assert caplog.messages == ["links and alerts are read again for the next erasure (MemoryError)"]
    erase(store, 1, 2)
    assert left(store) == ([], [3])
    store.close()


def test_closing_does_not_wait_for_all_of_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = Event()

    def endless(_: Lookup, __: module.Rows) -> bool:
        started.set()
        return True

    store = SqliteStore(path)
    monkeypatch.setattr(Lookup, "read", endless)
    store.prepare_erasing()
    assert started.wait(20)
    store.close()
