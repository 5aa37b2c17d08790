"""The store of one process: the same promises, and nothing outlives it. For tests, benchmarks and trying things out."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from matcher.errors import (
    AcknowledgeAheadError,
    NotFoundError,
    OffsetCommittedError,
    OffsetGapError,
    RequestReusedError,
    StoreError,
)
from matcher.model import (
    NO_AGENCY_S_INPUT,
    Alert,
    Answer,
    Case,
    ClosedRecord,
    Closure,
    Frame,
    FrameKind,
    Links,
    MatchOutcome,
    RemovalNotice,
)
from matcher.store.base import FeedState, MatchedFrame, Tellings
from matcher.store.checks import check_outcome
from matcher.store.memory_alerts import left_by, without
from matcher.store.memory_cases import MemoryCases
from matcher.store.memory_pairs import Pairs


class MemoryStore:
    """See `matcher.store.base.Store`."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._open = True
        self._database_id = secrets.token_bytes(16)
        self._bindings: dict[str, str] = {}
        self._offsets: dict[tuple[str, str], int] = {}
        self._requests: dict[tuple[str, str], bytes] = {}
        self._sent_at: dict[str, int] = {}
        self._marks: dict[str, int] = {}
        self._parked: set[tuple[str, int]] = set()
        self._frames: list[Frame] = []
        self._numbers: dict[int, NDArray[np.int64]] = {}
        self._links: Pairs[float] = Pairs()
        self._answers: Pairs[Answer] = Pairs()
        self._alerts: list[Alert | None] = []  # None where one was purged
        self._sequence_of: dict[bytes, int] = {}
        self._cases = MemoryCases()
        self._closed: dict[int, ClosedRecord] = {}
        self._contacts: dict[int, set[int]] = {}
        self._matched_through = self._next_record = self._today = 0

    # -- identity of the database --------------------------------------------------------------------------------

    @property
    def database_id(self) -> bytes:
        """See `Store`."""
        return self._database_id

    def bind(self, setting: str, value: str) -> None:
        """See `Store`."""
        with self._opened():
            if self._bindings.setdefault(setting, value) != value:
                raise StoreError(f"the database was made with another {setting}: correct the configuration")

    def close(self) -> None:
        """See `Store`."""
        with self._lock:
            self._open = False

    # -- input ---------------------------------------------------------------------------------------------------

    def next_offset(self, agency: str, feed_id: str) -> int:
        """See `Store`."""
        with self._opened():
            return self._offsets.get((agency, feed_id), 0)

    def append(
        self, agency: str, feed_id: str, first_offset: int, count: int, epoch: int, payload: bytes, now: int,
        backfill: bool = False,
    ) -> int:  # fmt: skip
        """See `Store`."""
        if count < 1:
            raise ValueError("a frame holds at least one record")
        with self._opened():
            expected = self._offsets.get((agency, feed_id), 0)
            if first_offset < expected:
                raise OffsetCommittedError(expected)
            if first_offset > expected:
                raise OffsetGapError(expected)
            self._add_frame(agency, FrameKind.RECORDS, epoch, payload, now, backfill)
            self._offsets[agency, feed_id] = expected + count
            return expected + count

    def submit(
        self, agency: str, request_id: str, kind: FrameKind, epoch: int, payload: bytes, content: bytes, now: int
    ) -> None:
        """See `Store`."""
        with self._opened():
            before = self._requests.get((agency, request_id))
            if before is None:
                self._requests[agency, request_id] = content
                self._add_frame(agency, kind, epoch, payload, now, False)
            elif before != content:
                raise RequestReusedError("the request_id was used for another request")

    # -- matching ------------------------------------------------------------------------------------------------

    @property
    def committed_through(self) -> int:
        """See `Store`."""
        with self._opened():
            return len(self._frames)

    @property
    def matched_through(self) -> int:
        """See `Store`."""
        with self._opened():
            return self._matched_through

    @property
    def next_record(self) -> int:
        """See `Store`."""
        with self._opened():
            return self._next_record

    @property
    def today(self) -> int:
        """See `Store`."""
        with self._opened():
            return self._today

    def frames_after(self, frame_id: int, limit: int) -> list[Frame]:
        """See `Store`."""
        with self._opened():
            return self._frames[max(frame_id, 0) :][: max(limit, 0)]

    def commit_matching(self, outcome: MatchOutcome) -> None:
        """See `Store`."""
        with self._opened():
            check_outcome(outcome, len(self._frames), self._matched_through, len(self._alerts))
            self._check_fit(outcome)
            self._apply(outcome)

    def matched_frames(self) -> Iterator[MatchedFrame]:
        """See `Store`."""
        with self._opened():
            frame_ids = sorted(self._numbers)
        for frame_id in frame_ids:
            with self._opened():
                numbers = self._numbers.get(frame_id)
                frame = self._frames[frame_id - 1]
            if numbers is not None:
                yield MatchedFrame(frame, numbers.copy())

    def epochs(self) -> dict[int, list[int]]:
        """See `Store`."""
        with self._opened():
            held = [frame for frame in self._frames if frame.kind is FrameKind.RECORDS and frame.payload]
        return {epoch: [each.frame_id for each in held if each.epoch == epoch] for epoch in {f.epoch for f in held}}

    def read_payload(self, frame_id: int, position: int, size: int) -> bytes:
        """See `Store`."""
        with self._opened():
            payload = self._frames[frame_id - 1].payload if 1 <= frame_id <= len(self._frames) else None
        if payload is None or position < 0 or size < 0 or position + size > len(payload):
            raise StoreError("a stored frame has no such part")
        return payload[position : position + size]

    def links(self) -> Links:
        """See `Store`."""
        with self._opened():
            table = np.array(self._links.ordered(), [("left", "i8"), ("right", "i8"), ("weight", "f4")])
        return Links(table["left"].copy(), table["right"].copy(), table["weight"].copy())

    def answers(self) -> list[Answer]:
        """See `Store`."""
        with self._opened():
            return [answer for _, _, answer in self._answers.ordered()]

    def closed_records(self) -> list[ClosedRecord]:
        """See `Store`."""
        with self._opened():
            return sorted(self._closed.values())

    def contacts(self, record: int) -> list[int]:
        """See `Store`."""
        with self._opened():
            return sorted(self._contacts.get(record, ()))

    # -- alerts --------------------------------------------------------------------------------------------------

    @property
    def last_sequence(self) -> int:
        """See `Store`."""
        with self._opened():
            return len(self._alerts)

    def alerts_after(self, sequence: int, limit: int) -> list[Alert]:
        """See `Store`."""
        with self._opened():
            found = (alert for alert in self._alerts[max(sequence, 0) :] if alert)
            return list(islice(found, max(limit, 0)))

    def tellings(self) -> Iterator[Tellings]:
        """See `Store`."""
        with self._opened():
            alerts = [alert for alert in self._alerts if alert]
        return (
            Tellings((a.kind,), (a.person_id,), (a.agencies,), (a.surviving_person_id,), (a.raised_at,)) for a in alerts
        )

    def alert(self, alert_id: bytes) -> Alert:
        """See `Store`."""
        with self._opened():
            sequence = self._sequence_of.get(alert_id)
            alert = self._alerts[sequence - 1] if sequence else None
            if alert is None:
                raise NotFoundError("there is no such alert")
            return alert

    def mark(self, consumer: str) -> int:
        """See `Store`."""
        with self._opened():
            return self._marks.get(consumer, 0)

    def acknowledge(self, consumer: str, through_sequence: int) -> int:
        """See `Store`."""
        with self._opened():
            if through_sequence > (last := len(self._alerts)):
                raise AcknowledgeAheadError(f"the log reaches sequence {last}")
            mark = self._marks[consumer] = max(self._marks.get(consumer, 0), through_sequence)
            return mark

    def park(self, consumer: str, sequence: int, parked: bool) -> None:
        """See `Store`."""
        with self._opened():
            if not parked:
                self._parked.discard((consumer, sequence))
            elif 0 < sequence <= len(self._alerts) and self._alerts[sequence - 1]:
                self._parked.add((consumer, sequence))
            else:
                raise NotFoundError("there is no such alert")

    def parked_after(self, consumer: str, sequence: int, limit: int) -> list[Alert]:
        """See `Store`."""
        found = self.alerts_after(sequence, len(self._alerts))
        return [alert for alert in found if (consumer, alert.sequence) in self._parked][: max(limit, 0)]

    # -- cases ---------------------------------------------------------------------------------------------------

    def open_case(self, case_id: bytes, person_id: bytes, now: int) -> bytes:
        """See `Store`."""
        with self._opened():
            return self._cases.open(case_id, person_id, now, self._today)

    def record_decision(self, case_id: bytes, decision_id: str, sectors: frozenset[str], now: int) -> None:
        """See `Store`."""
        with self._opened():
            self._cases.decide(case_id, decision_id, sectors, now, self._today)

    def close_case(self, case_id: bytes, epoch: int, payload: bytes, now: int) -> None:
        """See `Store`."""
        with self._opened():
            if self._cases.close(case_id, now):
                self._add_frame("", FrameKind.CLOSURE, epoch, payload, now, False)

    def reviews(self) -> dict[bytes, int]:
        """See `Store`."""
        with self._opened():
            return self._cases.reviews()

    def case(self, case_id: bytes) -> Case:
        """See `Store`."""
        with self._opened():
            return self._cases.get(case_id)

    def cases_after(self, case_id: bytes, limit: int) -> list[Case]:
        """See `Store`."""
        with self._opened():
            return self._cases.after(case_id, limit)

    def notices_after(self, agency: str, number: int, limit: int) -> list[RemovalNotice]:
        """See `Store`."""
        with self._opened():
            return self._cases.notices_after(agency, number, limit)

    def confirm_removals(self, agency: str, notice_ids: list[bytes]) -> None:
        """See `Store`."""
        with self._opened():
            self._cases.confirm(agency, notice_ids)

    @property
    def removals_unconfirmed(self) -> int:
        """See `Store`."""
        with self._opened():
            return self._cases.unconfirmed

    def removals_overdue(self, closed_before: int) -> int:
        """See `Store`."""
        with self._opened():
            return self._cases.overdue(closed_before)

    # -- operation -----------------------------------------------------------------------------------------------

    def prepare_erasing(self) -> None:
        """See `Store`. There is nothing to prepare."""

    def drop_caches(self) -> None:
        """See `Store`. There are none."""

    def feed_states(self) -> list[FeedState]:
        """See `Store`."""
        with self._opened():
            return [FeedState(agency, last) for agency, last in sorted(self._sent_at.items())]

    @contextmanager
    def _opened(self) -> Iterator[None]:
        with self._lock:
            if not self._open:
                raise StoreError("the database is closed")
            yield

    def _add_frame(self, agency: str, kind: FrameKind, epoch: int, payload: bytes, now: int, backfill: bool) -> None:
        self._frames.append(Frame(len(self._frames) + 1, agency, FrameKind(kind), epoch, payload, now, backfill))
        if kind not in NO_AGENCY_S_INPUT:
            self._sent_at[agency] = now

    def _check_fit(self, outcome: MatchOutcome) -> None:
        for patch in outcome.patches:
            if not 0 <= patch.position <= len(self._frames[patch.frame_id - 1].payload) - len(patch.data):
                raise ValueError("a patch reaches over the end of its frame")
        for frame_id in outcome.record_numbers:
            frame = self._frames[frame_id - 1]
            if frame.kind != FrameKind.RECORDS or not frame.payload:
                raise ValueError("only a RECORDS frame that is not emptied has record numbers")
        alert_ids = {alert.alert_id for alert in outcome.alerts}
        if len(alert_ids) < len(outcome.alerts) or not alert_ids.isdisjoint(self._sequence_of):
            raise ValueError("an alert_id stands in the log already")
        self._cases.check(outcome.closures)

    def _apply(self, outcome: MatchOutcome) -> None:
        for frame_id, position, data in outcome.patches:
            payload = bytearray(self._frames[frame_id - 1].payload)
            payload[position : position + len(data)] = data
            self._frames[frame_id - 1] = replace(self._frames[frame_id - 1], payload=bytes(payload))
        for frame_id, numbers in outcome.record_numbers.items():
            self._numbers[frame_id] = numbers.astype(np.int64)
        for frame_id in outcome.emptied:
            self._frames[frame_id - 1] = replace(self._frames[frame_id - 1], payload=b"")
            self._numbers.pop(frame_id, None)
        self._links.drop(outcome.unlinked)
        links = outcome.links
        for left, right, weight in zip(links.left.tolist(), links.right.tolist(), links.weight.tolist(), strict=True):
            self._links.put(left, right, weight)
        for answer in outcome.answers:
            self._answers.put(answer.left, answer.right, answer)
        self._alerts += outcome.alerts
        self._sequence_of |= {alert.alert_id: alert.sequence for alert in outcome.alerts}
        self._cases.follow(outcome)
        for closure in outcome.closures:
            self._close(closure)
        for record, day in outcome.contacts:
            self._contacts.setdefault(record, set()).add(day)
        if (first := outcome.contacts_from) is not None:
            kept = {record: {day for day in days if day >= first} for record, days in self._contacts.items()}
            self._contacts = {record: days for record, days in kept.items() if days}
        # last, so that nothing this outcome raised about a record outlives it
        self._links.drop(outcome.gone)
        self._answers.drop(outcome.gone)
        self._leave_alerts(set(outcome.gone))
        for record in outcome.gone:
            self._closed.pop(record, None)
            self._contacts.pop(record, None)
        self._today = outcome.today
        self._matched_through = outcome.matched_through
        self._next_record = max(self._next_record, outcome.next_record)

    def _close(self, closure: Closure) -> None:
        self._cases.apply(closure)
        self._alerts = left_by(self._alerts, closure.person_id)
        self._leave_alerts({closed.record for closed in closure.records})
        self._closed |= {closed.record: closed for closed in closure.records}

    def _leave_alerts(self, records: set[int]) -> None:
        if records:
            self._alerts = [alert and without(alert, records) for alert in self._alerts]
