"""Cases, removal notices and what a closure does, by both stores; and that no byte of what it purges stays on disk."""

import os
import threading
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pytest

from matcher.config import SECTORS
from matcher.errors import CaseStateError, GreenAndBlueRequiredError, NotFoundError
from matcher.model import AlertKind, Case, CaseState, ClosedRecord, Closure, FrameKind, MatchOutcome, RemovalNotice
from matcher.store.base import Store
from matcher.store.checks import check_decision
from matcher.store.sqlite import SqliteStore

from .build import Everything, alert, bytes_on_disk, closure, fill, notice, told

BOTH = frozenset({"health", "police"})
P, Q, R, C, D = (bytes([letter]) * 16 for letter in b"PQRCD")


def closing(store: Store, case_id: bytes = C, person_id: bytes = P) -> int:
    """Open and close a case; its frame."""
    store.open_case(case_id, person_id, 10)
    store.close_case(case_id, 7, b"payload", 20)
    return store.committed_through


def test_a_person_has_one_open_case(store: Store) -> None:
    assert store.open_case(C, P, 10) == store.open_case(D, P, 11) == C
    assert store.open_case(D, Q, 12) == D
    case = store.case(C)
    assert (case.state, case.person_id, case.decisions, case.opened_at, case.closed_at) == (CaseState.OPEN, P, 0, 10, 0)
    with pytest.raises(NotFoundError):
        store.case(R)


def test_a_decision_needs_health_and_police_and_an_open_case(store: Store) -> None:
    store.open_case(C, P, 10)
    for sectors in (set(), {"health"}, {"police", "council"}):
        with pytest.raises(GreenAndBlueRequiredError):
            store.record_decision(C, "d", frozenset(sectors), 10)
    assert store.case(C).state is CaseState.OPEN
    for decision_id in ("d", "d", "e"):
        store.record_decision(C, decision_id, BOTH | {"council"}, 10)
    assert (store.case(C).state, store.case(C).decisions) == (CaseState.PLANNED, 2)
    with pytest.raises(NotFoundError):
        store.record_decision(D, "d", BOTH, 10)
    store.close_case(C, 7, b"payload", 20)
    with pytest.raises(CaseStateError):
        store.record_decision(C, "d", BOTH, 10)


def test_a_decision_is_checked_in_the_transaction_that_writes_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(path)
    store.open_case(C, P, 10)
    closing_thread = threading.Thread(target=lambda: store.close_case(C, 7, b"payload", 20))

    def check_and_let_others_try(case: Case, sectors: frozenset[str]) -> None:
        check_decision(case, sectors)
        closing_thread.start()
        closing_thread.join(0.3)
        assert closing_thread.is_alive(), "a case could be closed between the check of a decision and its writing"

    monkeypatch.setattr("matcher.store.sqlite_cases.check_decision", check_and_let_others_try)
    store.record_decision(C, "d", BOTH, 15)
    closing_thread.join()
    assert (store.case(C).decisions, store.case(C).closed_at, store.case(C).reviewed_day) == (1, 20, 0)
    store.close()


def test_no_decision_without_health_and_police_reaches_the_disk(path: Path) -> None:
    store = SqliteStore(path)
    store.open_case(C, P, 10)
    for present in powerset_of(SECTORS):
        if {"health", "police"} <= present:
            continue
        with pytest.raises(GreenAndBlueRequiredError):
            store.record_decision(C, "d", present, 10**6)
    rows = store._writer.execute("SELECT (SELECT count(*) FROM decision), reviewed_day FROM 'case'").fetchall()
    assert rows == [(0, 0)]
    store.close()


def powerset_of(names: Sequence[str]) -> list[frozenset[str]]:
    """Every set of some names."""
    sizes = range(len(names) + 1)
    return [frozenset(chosen) for size in sizes for chosen in combinations(names, size)]


def test_a_review_starts_the_count_anew_and_an_escalation_ends_it(store: Store) -> None:
    store.open_case(C, P, 3 * 86400)
    store.open_case(D, Q, 86400)
    assert store.reviews() == {P: 3, Q: 1}
    escalation = alert(1)._replace(kind=AlertKind.ESCALATION, person_id=P)
    store.commit_matching(MatchOutcome(0, alerts=[escalation]))
    assert (store.reviews(), store.case(C).escalated) == ({Q: 1}, True)
    store.record_decision(C, "d", BOTH, 5 * 86400)
    assert (store.reviews(), store.case(C).reviewed_day, store.case(C).escalated) == ({P: 5, Q: 1}, 5, False)
    store.commit_matching(MatchOutcome(0, alerts=[escalation._replace(sequence=2, alert_id=bytes(16))]))
    store.record_decision(C, "d", BOTH, 9 * 86400)  # a repeat
    assert (store.case(C).reviewed_day, store.case(C).escalated) == (5, True)
    store.close_case(D, 7, b"payload", 20)
    assert store.reviews() == {}


def test_cases_are_listed_in_order_of_name(store: Store) -> None:
    for case_id, person_id in ((D, Q), (C, P), (R, R)):
        store.open_case(case_id, person_id, 10)
    assert [case.case_id for case in store.cases_after(b"", 9)] == [C, D, R]
    assert store.cases_after(C, 1) == [store.case(D)]
    assert store.cases_after(R, 9) == store.cases_after(b"", 0) == []


def test_closing_commits_one_frame(store: Store) -> None:
    store.open_case(C, P, 10)
    store.close_case(C, 7, b"payload", 20)
    store.close_case(C, 7, b"payload", 30)
    frame, *others = store.frames_after(0, 9)
    assert (frame.agency, frame.kind, frame.epoch, frame.payload) == ("", FrameKind.CLOSURE, 7, b"payload")
    assert (frame.committed_at, others, store.feed_states()) == (20, [], [])
    assert (store.case(C).state, store.case(C).closed_at, store.case(C).person_id) == (CaseState.CLOSING, 20, P)
    with pytest.raises(NotFoundError):
        store.open_case(D, P, 21)
    with pytest.raises(NotFoundError):
        store.close_case(D, 7, b"payload", 20)


def test_a_closure_forgets_the_person_and_tracks_the_removals(store: Store) -> None:
    store.open_case(C, P, 10)
    store.record_decision(C, "d", BOTH, 10)
    frame_id = closing(store)
    outcome = MatchOutcome(frame_id, closures=[closure(C, P, frame_id, (1, "a"), (2, "b"), (3, "a"))])
    store.commit_matching(outcome)
    case = store.case(C)
    assert (case.state, case.person_id, case.decisions, case.awaiting_removal) == (
        CaseState.CLOSING,
        b"",
        0,
        ("a", "b"),
    )
    assert store.closed_records() == [ClosedRecord(record, 0, frame_id) for record in (1, 2, 3)]
    assert store.removals_unconfirmed == 3
    first, second = store.notices_after("a", 0, 9)
    assert [first, second] == [notice(1, "a", 1), notice(3, "a", 3)]
    assert store.notices_after("a", 1, 9) == [second]
    assert store.notices_after("a", 0, 1) == [first]
    assert store.notices_after("c", 0, 9) == store.notices_after("a", 2**64 - 1, 9) == []
    store.confirm_removals("a", [store.notices_after("b", 0, 9)[0].notice_id, first.notice_id, bytes(16)])
    store.confirm_removals("a", [first.notice_id])
    assert (store.notices_after("a", 0, 9), len(store.notices_after("b", 0, 9))) == ([second], 1)
    store.confirm_removals("a", [second.notice_id])
    assert store.case(C).awaiting_removal == ("b",)
    store.confirm_removals("b", [notice(2, "b").notice_id])
    assert (store.case(C).state, store.removals_unconfirmed) == (CaseState.CLOSED, 0)
    assert store.open_case(D, P, 30) == D


def test_numbers_of_notices_are_never_given_again(store: Store) -> None:
    frame_id = closing(store)
    store.commit_matching(MatchOutcome(frame_id, closures=[closure(C, P, frame_id, (1, "a"))]))
    store.confirm_removals("a", [notice(1, "a").notice_id])
    frame_id = closing(store, D, Q)
    store.commit_matching(MatchOutcome(frame_id, closures=[closure(D, Q, frame_id, (2, "a"))]))
    assert [each.number for each in store.notices_after("a", 0, 9)] == [2]


def test_a_closure_leaves_tombstones_and_sequences_without_gaps(store: Store) -> None:
    raised = [alert(n, n)._replace(person_id=person) for n, person in enumerate((P, Q, P, R, P), 1)]
    store.commit_matching(MatchOutcome(0, alerts=raised))
    frame_id = closing(store)
    outcome = MatchOutcome(frame_id, closures=[closure(C, P, frame_id, (2, "a"))])
    store.commit_matching(outcome)
    assert [found.sequence for found in store.alerts_after(0, 9)] == [2, 4]
    assert [found.sequence for found in store.alerts_after(0, 1)] == [2]
    assert [person_id for _, person_id, *_ in told(store)] == [Q, R]
    assert store.alerts_after(4, 9) == []
    assert store.last_sequence == 5
    # a record of the closed person leaves the alerts of others too
    assert (store.alert(raised[1].alert_id).members, store.alert(raised[3].alert_id)) == ((), raised[3])
    for purged in (0, 2, 4):
        with pytest.raises(NotFoundError):
            store.alert(raised[purged].alert_id)
    with pytest.raises(ValueError, match="stands in the log"):
        store.commit_matching(MatchOutcome(frame_id, alerts=[alert(6)._replace(alert_id=raised[0].alert_id)]))
    store.commit_matching(MatchOutcome(frame_id, alerts=[alert(6)]))
    assert store.acknowledge("c", 5) == 5


def test_a_closure_purges_what_was_merged_into_the_person_and_nothing_that_left_it_again(store: Store) -> None:
    def merged(sequence: int, person_id: bytes, survivor: bytes) -> object:
        return alert(sequence)._replace(kind=AlertKind.MERGED, person_id=person_id, surviving_person_id=survivor)

    raised = [
        alert(1, 1)._replace(person_id=Q),
        merged(2, Q, R),
        alert(3, 2)._replace(person_id=R),
        merged(4, R, P),
        alert(5, 3)._replace(person_id=D),
        merged(6, D, P),
        alert(7, 3)._replace(person_id=D),
    ]
    store.commit_matching(MatchOutcome(0, alerts=raised))
    frame_id = closing(store)
    store.commit_matching(MatchOutcome(frame_id, closures=[closure(C, P, frame_id)]))
    assert [found.sequence for found in store.alerts_after(0, 9)] == [5, 6, 7]


def test_a_merge_moves_the_case_to_the_survivor(store: Store) -> None:
    store.open_case(C, P, 10)
    merged = alert(1)._replace(kind=AlertKind.MERGED, person_id=P, surviving_person_id=Q)
    store.commit_matching(MatchOutcome(0, alerts=[merged]))
    assert store.case(C).person_id == Q
    assert store.open_case(D, Q, 11) == C
    assert store.open_case(D, P, 11) == D


def test_of_two_cases_that_a_merge_gave_a_person_the_open_one_is_found(store: Store) -> None:
    store.open_case(D, Q, 9)
    store.open_case(C, P, 10)
    merged = alert(1)._replace(kind=AlertKind.MERGED, person_id=P, surviving_person_id=Q)
    store.commit_matching(MatchOutcome(0, alerts=[merged]))
    assert store.open_case(R, Q, 11) == D
    store.close_case(D, 7, b"payload", 20)
    assert store.open_case(R, Q, 11) == C


def test_a_gone_record_loses_its_closure_day_and_keeps_its_notice(store: Store) -> None:
    frame_id = closing(store)
    store.commit_matching(MatchOutcome(frame_id, closures=[closure(C, P, frame_id, (1, "a"), (2, "b"))]))
    store.commit_matching(MatchOutcome(frame_id, gone=[1]))
    assert store.closed_records() == [ClosedRecord(2, 0, frame_id)]
    assert store.removals_unconfirmed == 2
    later = closing(store, D, Q)
    again = Closure(D, Q, (ClosedRecord(2, 5, later),), ())
    store.commit_matching(MatchOutcome(later, closures=[again]))
    assert store.closed_records() == [ClosedRecord(2, 5, later)]


@pytest.mark.parametrize(
    "closures",
    [
        [closure(D, P, 1)],
        [closure(R, P, 1)],
        [closure(C, P, 1), closure(C, P, 1)],
        [Closure(C, P, (), (notice(1, "a"), notice(1, "a")))],
    ],
)
def test_a_closure_that_does_not_fit_is_refused_whole(store: Store, closures: list[Closure]) -> None:
    store.open_case(D, Q, 10)
    frame_id = closing(store)
    before = Everything.of(store, C, D)
    with pytest.raises(ValueError, match=r"a closure names a case|a notice_id is in use"):
        store.commit_matching(MatchOutcome(frame_id, closures=closures, alerts=[alert(1)]))
    assert Everything.of(store, C, D) == before
    store.commit_matching(MatchOutcome(frame_id, closures=[closure(C, P, frame_id, (1, "a"))]))
    with pytest.raises(ValueError, match="a closure names a case"):
        store.commit_matching(MatchOutcome(frame_id, closures=[closure(C, P, frame_id)]))


def test_no_byte_of_confirmed_notices_stays_in_the_files(path: Path) -> None:
    store = SqliteStore(path)
    fill(store, 1)
    store.open_case(C, P, 10)
    store.close_case(C, 7, removal := os.urandom(16), 20)
    notices = tuple(RemovalNotice(os.urandom(16), "a", os.urandom(16), 20) for _ in range(40))
    assert removal in bytes_on_disk(path)
    store.commit_matching(MatchOutcome(2, emptied=[2], closures=[Closure(C, P, (), notices)]))
    disk = bytes_on_disk(path)
    assert all(each.alias in disk for each in notices)
    assert removal not in disk
    store.confirm_removals("a", [each.notice_id for each in notices[::2]])
    disk = bytes_on_disk(path)
    assert [each.alias in disk for each in notices] == [False, True] * 20
    store.close()
