"""The promises of a store.

Frames are a commit-ordered log: every input (records, contacts, removals, answers, closures) becomes one frame, in one
transaction, before it is acknowledged. Matching reads frames in order and writes all it changed, and how far it got, in
one transaction. So memory can be rebuilt from a store at any moment, and a crash loses nothing acknowledged.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from matcher.model import (
    Alert,
    Answer,
    Case,
    ClosedRecord,
    Frame,
    FrameKind,
    Links,
    MatchOutcome,
    RemovalNotice,
)


@dataclass(frozen=True, slots=True)
class MatchedFrame:
    """A matched RECORDS frame and the number of each of its records, -1 where it is gone."""

    frame: Frame
    record_numbers: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FeedState:
    """How one agency's input stands. Reviewers' answers and closures are no agency's input."""

    agency: str
    last_committed_at: int
    """Seconds since 1970-01-01 UTC of the agency's last frame."""


class Tellings(NamedTuple):
    """What some alerts told the coordinator of persons, in columns (n,): all that is remembered of it in memory."""

    kinds: tuple[int, ...]
    """Of `AlertKind`."""
    person_ids: tuple[bytes, ...]
    agencies: tuple[tuple[str, ...], ...]
    surviving_person_ids: tuple[bytes, ...]
    raised_at: tuple[int, ...]
    """Seconds since 1970-01-01 UTC."""


class Store(Protocol):
    """Safe to call from several threads. Every write is durable when the method returns (the memory store: never)."""

    # -- identity of the database --------------------------------------------------------------------------------

    @property
    def database_id(self) -> bytes:
        """16 random bytes drawn when the database was made; names derived from it mean nothing elsewhere."""

    def bind(self, setting: str, value: str) -> None:
        """Remember what the database was made for (scheme digest, model digest). `StoreError` if it was bound to
        another value before: what is stored cannot be read with this one."""

    def close(self) -> None:
        """Release the files. Later calls raise `StoreError`."""

    # -- input ---------------------------------------------------------------------------------------------------

    def next_offset(self, agency: str, feed_id: str) -> int:
        """Offset of the feed's next record, 0 for a feed never seen. Each agency's feed names are its own."""

    def append(
        self,
        agency: str,
        feed_id: str,
        first_offset: int,
        count: int,
        epoch: int,
        payload: bytes,
        now: int,
        backfill: bool = False,
    ) -> int:
        """Commit a RECORDS frame of `count` records (1 or more, else `ValueError`) to a feed; the feed's next offset.

        `OffsetCommittedError` if `first_offset` lies before it, `OffsetGapError` if beyond; nothing is written then."""

    def submit(
        self,
        agency: str,
        request_id: str,
        kind: FrameKind,
        epoch: int,
        payload: bytes,
        content: bytes,
        now: int,
    ) -> None:
        """Commit a frame outside any feed. `content` is a digest of the request: a repeat of (agency, request_id) with
        the same content writes nothing, with other content raises `RequestReusedError`."""

    # -- matching ------------------------------------------------------------------------------------------------

    @property
    def committed_through(self) -> int:
        """Last frame committed, 0 at first."""

    @property
    def matched_through(self) -> int:
        """Last frame matched, 0 at first."""

    @property
    def next_record(self) -> int:
        """Number the next new record will get, 0 at first: numbers of removed records are never given again."""

    @property
    def today(self) -> int:
        """`MatchOutcome.today` of the last outcome, 0 at first."""

    def frames_after(self, frame_id: int, limit: int) -> list[Frame]:
        """The next frames of the log, in order, at most `limit`. An emptied frame has an empty payload."""

    def commit_matching(self, outcome: MatchOutcome) -> None:
        """Write an outcome in one transaction.

        `ValueError`, and nothing is written, if it does not continue what is stored: `matched_through` goes back or
        beyond the log, a frame named lies after it, numbers are given to a frame that holds no records (any more), a
        patch reaches over its frame's end, left is not below right, alerts leave a gap or repeat an `alert_id`, a case
        closed is not one that awaits it, a `notice_id` is repeated.

        Order: patches, record numbers, emptied, unlinked, links, answers, alerts, closures, contacts, gone. So a gone
        record leaves nothing behind but its removal notice. A MERGED alert moves the person's cases to the survivor, an
        ESCALATION is noted with the person's open cases. A closure
        purges the person's alerts, with those of persons whose last alert says that they were merged into it, takes its
        records out of all others, deletes the case's decisions and person. An alert left that says that some person was
        merged into one purged says WITHDRAWN from then on. `next_record` never moves back."""

    def matched_frames(self) -> Iterator[MatchedFrame]:
        """All RECORDS frames that have record numbers and are not emptied, in order: what the index is rebuilt from.
        Frames are read as the caller goes on; matching meanwhile may or may not show in those still to come."""

    def epochs(self) -> dict[int, list[int]]:
        """By epoch the RECORDS frames that are not emptied, ascending."""

    def read_payload(self, frame_id: int, position: int, size: int) -> bytes:
        """Part of a frame's payload. `StoreError` if there is no such part."""

    def links(self) -> Links:
        """All links, ordered by (left, right)."""

    def answers(self) -> list[Answer]:
        """All reviewers' answers, ordered by (left, right); the last answer about a pair stands."""

    def closed_records(self) -> list[ClosedRecord]:
        """The last closure of every record that had one and is not gone, ordered by record."""

    def contacts(self, record: int) -> list[int]:
        """Days of a record's contacts that are kept, ascending."""

    # -- alerts --------------------------------------------------------------------------------------------------

    @property
    def last_sequence(self) -> int:
        """Sequence of the last alert, purged or not; 0 at first."""

    def alerts_after(self, sequence: int, limit: int) -> list[Alert]:
        """The next alerts of the log, in order, at most `limit`, members ordered as raised; without members gone.

        Purged alerts are passed over: fewer than `limit` means that no alert stands behind them, up to the
        `last_sequence` read before the call."""

    def tellings(self) -> Iterator[Tellings]:
        """What the alerts that are not purged told, in order, some at a time. They are read as the caller goes on;
        matching meanwhile may or may not show in those still to come."""

    def alert(self, alert_id: bytes) -> Alert:
        """One alert that is not purged. `NotFoundError`."""

    def mark(self, consumer: str) -> int:
        """Sequence the consumer acknowledged through, 0 for a new one."""

    def acknowledge(self, consumer: str, through_sequence: int) -> int:
        """Move the consumer's mark forward and return it; `AcknowledgeAheadError` beyond the log."""

    def park(self, consumer: str, sequence: int, parked: bool) -> None:
        """Put an alert aside for a consumer that could not handle it, or (not `parked`) take it from there; what is so
        already stays so. `NotFoundError` if there is no such alert to put aside, or it is purged."""

    def parked_after(self, consumer: str, sequence: int, limit: int) -> list[Alert]:
        """As `alerts_after`, of the alerts a consumer put aside."""

    # -- cases ---------------------------------------------------------------------------------------------------

    def open_case(self, case_id: bytes, person_id: bytes, now: int) -> bytes:
        """Name of the person's open case: the one there is (the oldest, if persons with cases were merged), or a new
        one under `case_id`, reviewed on the day of `now`, or `today` if that is later. `ValueError` if the name is in
        use; `NotFoundError` while a case of the person is closed and matching has yet to apply it."""

    def record_decision(self, case_id: bytes, decision_id: str, sectors: frozenset[str], now: int) -> None:
        """Record a decision made in the presence of `sectors`, which reviews the case, on a day as in `open_case`; a
        repeat of (case_id, decision_id) writes nothing.

        `NotFoundError`, `CaseStateError` unless the case is open, `GreenAndBlueRequiredError`."""

    def close_case(self, case_id: bytes, epoch: int, payload: bytes, now: int) -> None:
        """Close a case and commit its CLOSURE frame in one transaction; on a closed case nothing. `NotFoundError`."""

    def reviews(self) -> dict[bytes, int]:
        """Persons with an open case of which no ESCALATION was raised since its last review, and the day of that."""

    def case(self, case_id: bytes) -> Case:
        """One case. `NotFoundError`."""

    def cases_after(self, case_id: bytes, limit: int) -> list[Case]:
        """The next cases in order of name (empty: from the first), at most `limit`."""

    def notices_after(self, agency: str, number: int, limit: int) -> list[RemovalNotice]:
        """An agency's next removal notices not confirmed, in order, at most `limit`."""

    def confirm_removals(self, agency: str, notice_ids: list[bytes]) -> None:
        """Forget an agency's notices; those of others, and those confirmed before, are passed over."""

    @property
    def removals_unconfirmed(self) -> int:
        """Notices not confirmed, of all agencies."""

    def removals_overdue(self, closed_before: int) -> int:
        """Of those, notices of cases closed before a time, in seconds since 1970-01-01 UTC."""

    # -- operation -----------------------------------------------------------------------------------------------

    def prepare_erasing(self) -> None:
        """Begin to make, beside all else, what the first outcome that erases or takes back would wait for."""

    def drop_caches(self) -> None:
        """Let go of copies in memory of what was erased since the last call."""

    def feed_states(self) -> list[FeedState]:
        """Every agency that ever sent something, by name."""
