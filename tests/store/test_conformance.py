"""Every promise of `matcher/store/base.py`, kept by both stores."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from matcher.errors import (
    AcknowledgeAheadError,
    NotFoundError,
    OffsetCommittedError,
    OffsetGapError,
    RequestReusedError,
    StoreError,
)
from matcher.model import AlertKind, AlertMember, Contact, FrameKind, MatchOutcome, Patch
from matcher.store import sqlite
from matcher.store.base import FeedState, Store

from .build import Everything, alert, answer, fill, links, member, pairs, told

# -- identity of the database ----------------------------------------------------------------------------------------


def test_the_database_id_is_sixteen_bytes_that_stay(store: Store) -> None:
    assert len(store.database_id) == 16
    assert store.database_id == store.database_id != bytes(16)


def test_a_binding_holds_and_refuses_another_value(store: Store) -> None:
    store.bind("scheme", "one")
    store.bind("scheme", "one")
    store.bind("model", "two")
    with pytest.raises(StoreError, match="scheme"):
        store.bind("scheme", "two")
    store.bind("scheme", "one")


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.matched_through,
        lambda store: store.bind("scheme", "one"),
        lambda store: store.append("a", "f", 0, 1, 7, b"x", 1),
        lambda store: store.submit("a", "r", FrameKind.REMOVALS, 7, b"x", b"c", 1),
        lambda store: store.commit_matching(MatchOutcome(0)),
        lambda store: list(store.matched_frames()),
        lambda store: store.alerts_after(0, 1),
        lambda store: list(store.tellings()),
        lambda store: store.read_payload(1, 0, 1),
        lambda store: store.links(),
    ],
)
def test_a_closed_store_refuses(store: Store, call: Callable[[Store], object]) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        call(store)


# -- input -----------------------------------------------------------------------------------------------------------


def test_appending_advances_the_feed_and_the_log(store: Store) -> None:
    assert (store.next_offset("a", "f"), store.committed_through) == (0, 0)
    assert store.append("a", "f", 0, 3, 7, b"one", 11) == 3
    assert store.append("a", "f", 3, 2, 8, b"two", 12) == 5
    assert (store.next_offset("a", "f"), store.committed_through) == (5, 2)
    first, second = store.frames_after(0, 10)
    assert (first.frame_id, first.agency, first.kind, first.epoch) == (1, "a", FrameKind.RECORDS, 7)
    assert (first.payload, first.committed_at, second.payload, second.epoch) == (b"one", 11, b"two", 8)


def test_frames_of_records_are_told_by_epoch_until_they_are_emptied(store: Store) -> None:
    assert store.epochs() == {}
    for n, epoch in enumerate((7, 8, 7)):
        store.append("a", "f", n, 1, epoch, b"x", 1)
    store.submit("a", "r", FrameKind.REMOVALS, 9, b"x", b"digest", 1)
    assert store.epochs() == {7: [1, 3], 8: [2]}
    store.commit_matching(MatchOutcome(3, emptied=[1, 2]))
    assert store.epochs() == {7: [3]}


def test_feeds_are_apart_by_name_and_by_agency(store: Store) -> None:
    store.append("a", "f", 0, 3, 7, b"x", 1)
    store.append("a", "g", 0, 4, 7, b"x", 1)
    store.append("b", "f", 0, 5, 7, b"x", 1)
    assert [store.next_offset(*feed) for feed in (("a", "f"), ("a", "g"), ("b", "f"), ("b", "g"))] == [3, 4, 5, 0]


def test_a_batch_stored_already_is_refused_and_the_reply_says_where_to_go_on(store: Store) -> None:
    store.append("a", "f", 0, 3, 7, b"x", 1)
    for offset in (0, 2):
        with pytest.raises(OffsetCommittedError) as committed:
            store.append("a", "f", offset, 3, 7, b"y", 2)
        assert committed.value.expected == 3
    for offset in (4, 2**64 - 1):
        with pytest.raises(OffsetGapError) as gap:
            store.append("a", "f", offset, 3, 7, b"y", 2)
        assert gap.value.expected == 3
    assert (store.committed_through, store.next_offset("a", "f")) == (1, 3)
    assert store.feed_states() == [FeedState("a", 1)]


def test_an_empty_batch_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="at least one"):
        store.append("a", "f", 0, 0, 7, b"x", 1)
    assert store.committed_through == 0


def test_a_repeated_request_writes_once_and_a_changed_one_is_refused(store: Store) -> None:
    for _ in range(2):
        store.submit("a", "r", FrameKind.REMOVALS, 7, b"payload", b"digest", 5)
    with pytest.raises(RequestReusedError):
        store.submit("a", "r", FrameKind.REMOVALS, 7, b"payload", b"other", 6)
    store.submit("b", "r", FrameKind.CONTACTS, 7, b"payload", b"other", 6)
    assert [(f.agency, f.kind) for f in store.frames_after(0, 9)] == [
        ("a", FrameKind.REMOVALS),
        ("b", FrameKind.CONTACTS),
    ]


def test_feed_states_tell_every_agency_s_last_frame_and_no_reviewer(store: Store) -> None:
    store.append("b", "f", 0, 1, 7, b"x", 30)
    store.append("a", "f", 0, 1, 7, b"x", 10)
    store.submit("a", "r", FrameKind.CONTACTS, 7, b"x", b"c", 20)
    store.submit("board", "r", FrameKind.ANSWER, 7, b"x", b"c", 40)
    assert store.feed_states() == [FeedState("a", 20), FeedState("b", 30)]


# -- matching --------------------------------------------------------------------------------------------------------


def test_frames_come_in_order_and_no_more_than_asked_for(store: Store) -> None:
    fill(store, 5)
    assert [f.frame_id for f in store.frames_after(0, 2)] == [1, 2]
    assert [f.frame_id for f in store.frames_after(2, 99)] == [3, 4, 5]
    assert store.frames_after(5, 9) == store.frames_after(0, 0) == store.frames_after(0, -1) == []


def test_matched_frames_are_those_with_numbers_and_not_emptied(store: Store) -> None:
    payloads = fill(store, 4)
    store.submit("a", "r", FrameKind.CONTACTS, 7, b"x", b"c", 1)
    numbers = {1: np.array([0, 1]), 2: np.array([2, 3]), 3: np.array([4, -1])}
    store.commit_matching(MatchOutcome(3, next_record=5, record_numbers=numbers, emptied=[2]))
    assert (store.matched_through, store.next_record) == (3, 5)
    matched = list(store.matched_frames())
    assert [(m.frame.frame_id, m.frame.payload) for m in matched] == [(1, payloads[0]), (3, payloads[2])]
    assert [m.record_numbers.tolist() for m in matched] == [[0, 1], [4, -1]]
    assert store.frames_after(1, 1)[0].payload == b""
    store.commit_matching(MatchOutcome(5, record_numbers={1: np.array([-1, 1])}))
    assert [m.record_numbers.tolist() for m in store.matched_frames()] == [[-1, 1], [4, -1]]
    assert store.next_record == 5


def test_what_the_caller_does_to_its_arrays_afterwards_changes_nothing(store: Store) -> None:
    fill(store, 1)
    numbers = np.array([0, 1])
    store.commit_matching(MatchOutcome(1, record_numbers={1: numbers}))
    numbers[:] = 9
    next(iter(store.matched_frames())).record_numbers[:] = 9
    assert next(iter(store.matched_frames())).record_numbers.tolist() == [0, 1]


def test_patches_overwrite_in_place_and_parts_can_be_read(store: Store) -> None:
    payload = fill(store, 2)[0]
    end = len(payload)
    patches = [Patch(1, 0, b"AB"), Patch(1, 1, b"CD"), Patch(1, end - 2, b"YZ"), Patch(1, end, b"")]
    store.commit_matching(MatchOutcome(1, patches=patches))
    first, second = store.frames_after(0, 2)
    assert first.payload == b"ACD" + payload[3:-2] + b"YZ"
    assert second.payload != first.payload
    assert (store.read_payload(1, 1, 3), store.read_payload(1, end - 2, 2)) == (b"CD" + payload[3:4], b"YZ")
    assert store.read_payload(1, end, 0) == b""


@pytest.mark.parametrize(("frame_id", "position", "size"), [(0, 0, 1), (2, 0, 1), (1, -1, 2), (1, 2, 2), (1, 3, 1)])
def test_there_is_no_part_outside_a_payload(store: Store, frame_id: int, position: int, size: int) -> None:
    store.append("a", "f", 0, 1, 7, b"abc", 1)
    with pytest.raises(StoreError, match="no such part"):
        store.read_payload(frame_id, position, size)


def test_links_are_ordered_and_the_last_weight_stands(store: Store) -> None:
    assert pairs(store.links()) == []
    store.commit_matching(MatchOutcome(0, links=links((3, 9, 1.5), (1, 4, 2.5))))
    store.commit_matching(MatchOutcome(0, links=links((1, 4, -0.1), (1, 2, 7.0))))
    assert pairs(store.links()) == [(1, 2, 7.0), (1, 4, float(np.float32(-0.1))), (3, 9, 1.5)]
    assert (store.links().left.dtype, store.links().weight.dtype) == (np.int64, np.float32)


def test_unlinked_records_lose_old_links_and_keep_new_ones_and_answers(store: Store) -> None:
    before = MatchOutcome(0, links=links((1, 2, 1.0), (2, 3, 1.0), (3, 4, 1.0)), answers=[answer(2, 3)])
    store.commit_matching(before)
    store.commit_matching(MatchOutcome(0, unlinked=[2], links=links((2, 9, 5.0))))
    assert pairs(store.links()) == [(2, 9, 5.0), (3, 4, 1.0)]
    assert store.answers() == [answer(2, 3)]


def test_the_last_answer_about_a_pair_stands(store: Store) -> None:
    store.commit_matching(MatchOutcome(0, answers=[answer(5, 6), answer(1, 2), answer(1, 2, same=False)]))
    store.commit_matching(MatchOutcome(0, answers=[answer(5, 6, same=False, expires_at=99)]))
    assert store.answers() == [answer(1, 2, same=False), answer(5, 6, same=False, expires_at=99)]


def test_a_gone_record_leaves_no_link_answer_or_membership(store: Store) -> None:
    store.commit_matching(
        MatchOutcome(
            0,
            links=links((1, 2, 1.0), (2, 3, 1.0), (1, 3, 1.0)),
            answers=[answer(1, 2), answer(1, 3)],
            alerts=[alert(1, 1, 2, 3), alert(2, 2)],
        )
    )
    store.commit_matching(MatchOutcome(0, gone=[2, 77], alerts=[alert(3, 2, 3)], links=links((2, 4, 1.0))))
    assert pairs(store.links()) == [(1, 3, 1.0)]
    assert store.answers() == [answer(1, 3)]
    first, second, third = store.alerts_after(0, 9)
    assert (first.members, first.agencies) == ((member(1), member(3)), ("a", "b"))
    assert (second.members, third.members) == ((), (member(3),))
    store.commit_matching(MatchOutcome(0, gone=[3], alerts=[alert(4, 3, 1)]))
    assert [each.members for each in store.alerts_after(0, 9)] == [(member(1),), (), (), (member(1),)]


@pytest.mark.parametrize(
    "outcome",
    [
        MatchOutcome(0),
        MatchOutcome(4),
        MatchOutcome(2, alerts=[alert(1, 1)]),
        MatchOutcome(2, alerts=[alert(3, 1)]),
        MatchOutcome(2, alerts=[alert(2, 1), alert(4, 1)]),
        MatchOutcome(2, alerts=[alert(2, 1, alert_id=(1).to_bytes(16, "big"))]),
        MatchOutcome(2, alerts=[alert(2, 1), alert(3, 1, alert_id=(2).to_bytes(16, "big"))]),
        MatchOutcome(2, alerts=[*(alert(n, 1) for n in range(2, 40)), alert(40, 1, alert_id=(9).to_bytes(16, "big"))]),
        MatchOutcome(2, alerts=[alert(n, 1, alert_id=(n % 20).to_bytes(16, "big")) for n in range(2, 40)]),
        MatchOutcome(2, links=links((2, 2, 1.0))),
        MatchOutcome(2, answers=[answer(3, 2)]),
        MatchOutcome(2, patches=[Patch(1, 10_000, b"x")]),
        MatchOutcome(2, patches=[Patch(1, -1, b"x")]),
        MatchOutcome(2, patches=[Patch(3, 0, b"x")]),
        MatchOutcome(2, record_numbers={3: np.array([1])}),
        MatchOutcome(2, record_numbers={2: np.array([1])}),
        MatchOutcome(2, emptied=[3]),
        MatchOutcome(2, emptied=[0]),
    ],
)
def test_an_outcome_that_does_not_fit_is_refused_whole(store: Store, outcome: MatchOutcome) -> None:
    fill(store, 1)
    store.submit("a", "r", FrameKind.REMOVALS, 7, b"x", b"c", 1)
    fill(store, 1)
    store.commit_matching(MatchOutcome(1, links=links((1, 2, 1.0)), alerts=[alert(1, 1, 2)]))
    before = Everything.of(store)
    numbers = {1: np.array([4, 5])} | outcome.record_numbers
    with pytest.raises(ValueError):
        store.commit_matching(replace(outcome, gone=[1], unlinked=[2], next_record=50, record_numbers=numbers))
    assert Everything.of(store) == before


def test_an_emptied_frame_can_neither_be_patched_nor_numbered(store: Store) -> None:
    fill(store, 1)
    store.commit_matching(MatchOutcome(1, emptied=[1]))
    store.commit_matching(MatchOutcome(1, emptied=[1]))
    for outcome in (MatchOutcome(1, patches=[Patch(1, 0, b"x")]), MatchOutcome(1, record_numbers={1: np.array([0])})):
        with pytest.raises(ValueError):
            store.commit_matching(outcome)


# -- alerts ----------------------------------------------------------------------------------------------------------


def test_alerts_come_in_order_without_gaps_as_they_were_raised(store: Store) -> None:
    raised = [alert(n, 99 - n, n) for n in range(1, 76)]  # more than one statement writes
    store.commit_matching(MatchOutcome(0, alerts=raised[:2]))
    store.commit_matching(MatchOutcome(0, alerts=raised[2:]))
    assert store.last_sequence == 75
    assert store.alerts_after(0, 99) == raised
    assert store.alerts_after(2, 2) == raised[2:4]
    assert store.alerts_after(75, 9) == store.alerts_after(2**64 - 1, 9) == store.alerts_after(0, 0) == []
    assert store.alert(raised[3].alert_id) == raised[3]
    with pytest.raises(NotFoundError):
        store.alert(b"no such alert id")


def test_members_come_in_the_order_and_with_the_agencies_they_were_raised_with(store: Store) -> None:
    members = tuple(AlertMember(record, agency, day) for record, agency, day in ((7, 'a"]', -1), (2, "é\\", 2**31)))
    raised = alert(1)._replace(members=members, agencies=('a"]', "é\\"))
    store.commit_matching(MatchOutcome(0, alerts=[raised]))
    assert store.alerts_after(0, 1) == [raised]
    store.commit_matching(MatchOutcome(0, gone=[7]))
    assert store.alerts_after(0, 1) == [raised._replace(members=members[1:])]


def test_tellings_are_those_of_the_alerts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_TELLINGS", 2)
    raised = [
        alert(n, n)._replace(kind=kind, surviving_person_id=bytes([n]) * 16, raised_at=n)
        for n, kind in enumerate(AlertKind, 1)
    ]
    store.commit_matching(MatchOutcome(0, alerts=raised))
    assert told(store) == [
        (each.kind, each.person_id, each.agencies, each.surviving_person_id, each.raised_at) for each in raised
    ]


def test_tellings_let_others_read_in_between(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_TELLINGS", 1)
    store.commit_matching(MatchOutcome(0, alerts=[alert(1), alert(2), alert(3)]))
    assert [(each.person_ids[0][0], store.last_sequence) for each in store.tellings()] == [(1, 3), (2, 3), (3, 3)]


def test_a_mark_only_moves_forward_and_never_beyond_the_log(store: Store) -> None:
    store.commit_matching(MatchOutcome(0, alerts=[alert(n, n) for n in range(1, 6)]))
    assert store.mark("c") == 0
    assert [store.acknowledge("c", through) for through in (3, 2, 3, 5)] == [3, 3, 3, 5]
    for beyond in (6, 2**64 - 1):
        with pytest.raises(AcknowledgeAheadError):
            store.acknowledge("c", beyond)
    assert (store.mark("c"), store.mark("d")) == (5, 0)


# -- contacts and days -----------------------------------------------------------------------------------------------


def test_contacts_are_kept_once_and_go_with_their_record_or_their_time(store: Store) -> None:
    met = [Contact(1, 5), Contact(1, 3), Contact(1, 5), Contact(2, 4)]
    store.commit_matching(MatchOutcome(0, today=7, contacts=met))
    assert (store.contacts(1), store.contacts(2), store.contacts(3), store.today) == ([3, 5], [4], [], 7)
    store.commit_matching(MatchOutcome(0, today=8, contacts=[Contact(3, 1)], contacts_from=4))
    assert (store.contacts(1), store.contacts(3), store.today) == ([5], [], 8)
    store.commit_matching(MatchOutcome(0, today=2, gone=[1], contacts=[Contact(1, 9)]))
    assert (store.contacts(1), store.contacts(2), store.today) == ([], [4], 2)


def test_a_first_load_is_told_from_other_input(store: Store) -> None:
    store.append("a", "f", 0, 1, 7, b"x", 1, True)
    store.append("a", "f", 1, 1, 7, b"x", 1)
    store.submit("", "t", FrameKind.TIME, 0, b"", b"", 5)
    assert [frame.backfill for frame in store.frames_after(0, 9)] == [True, False, False]
    assert [state.last_committed_at for state in store.feed_states()] == [1]
