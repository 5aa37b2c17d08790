"""The nouns that cross a package boundary. Arrays are little endian and C-contiguous.

Nothing here prints an alias, a token or a sealed reference: those fields are left out of every repr.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DAY_SECONDS = 86400
RESTRICTED = 1
"""Bit of a record's flags: it never alerts automatically."""
UNKNOWN_DAY = -1
"""An observed day that is not known; other days count from 1970-01-01."""
HEALTH, POLICE = "health", "police"
"""The two sectors without which nothing is decided about a person."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class TokenBatch:
    """Token records in columns: N records, R rows (their variants), P passes, W bytes an encoding, S bytes a seal."""

    epoch: int
    aliases: NDArray[np.uint8]
    """(N, 16)."""
    row_records: NDArray[np.uint32]
    """(R,), ascending, each of 0 to N - 1."""
    field_masks: NDArray[np.uint16]
    """(R,), bit i: field i is present."""
    pass_masks: NDArray[np.uint16]
    """(R,), bit p: the row has a block in pass p."""
    block_tokens: NDArray[np.uint8]
    """(R, P, 16), zero where the pass is absent."""
    encodings: NDArray[np.uint8]
    """(R, P, W), zero where the pass is absent."""
    observed_days: NDArray[np.int32]
    """(N,), days since 1970-01-01 or `UNKNOWN_DAY`."""
    flags: NDArray[np.uint8]
    """(N,), see `RESTRICTED`."""
    encapsulation: bytes
    """HPKE encapsulation of the batch's sealing key, 80 bytes."""
    sealed: NDArray[np.uint8]
    """(N, S)."""

    @property
    def record_count(self) -> int:
        """N."""
        return len(self.aliases)

    @property
    def row_count(self) -> int:
        """R."""
        return len(self.row_records)


class Rows(NamedTuple):
    """Columns of the block index, C rows of capacity: what a kernel compares rows by."""

    blocks: NDArray[np.int32]
    """(C, P): block of the row in each pass, -1 if none."""
    following: NDArray[np.int32]
    """(P, C): next older row of that block, -1 at the end: pass by pass, or who follows a list reads nothing else."""
    encodings: NDArray[np.uint32]
    """(C, P, W / 4)."""
    field_masks: NDArray[np.uint16]
    """(C,)."""
    records: NDArray[np.int64]
    """(C,): number of the row's record, -1 once removed."""
    origins: NDArray[np.int32]
    """(C,): number of the agency that holds it, and 256 times the epoch its tokens are of."""


class FrameKind(IntEnum):
    """What a frame of the commit log holds."""

    RECORDS = 1
    CONTACTS = 2
    REMOVALS = 3
    ANSWER = 4
    """A reviewer's answer to a possible match."""
    CLOSURE = 5
    """A coordinator closed a case."""
    TIME = 6
    """Time passed without any input: a day began, or a quiet period ended. Its payload is empty."""
    RETIREMENT = 7
    """An operator retired an epoch: records that are still of it are removed."""


NO_AGENCY_S_INPUT = frozenset({FrameKind.ANSWER, FrameKind.CLOSURE, FrameKind.TIME, FrameKind.RETIREMENT})
"""Kinds of frames that no agency sent."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One committed batch. `frame_id` counts commits from 1; `payload` is packed by `matcher.frame`."""

    frame_id: int
    agency: str
    kind: FrameKind
    epoch: int
    payload: bytes = field(repr=False)
    committed_at: int
    """Seconds since 1970-01-01 UTC."""
    backfill: bool = False
    """Part of an agency's first load: alerts it leads to are marked."""


class Decision(IntEnum):
    """What a pair that is kept is."""

    POSSIBLE_MATCH = 1
    MATCH = 2


class Resolution(IntEnum):
    """A reviewer's answer to a possible match."""

    SAME_PERSON = 1
    DIFFERENT_PEOPLE = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """A reviewer's answer about two records (left < right); it holds until `expires_at`, 0 for ever."""

    left: int
    right: int
    resolution: Resolution
    reviewer: str
    expires_at: int


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """Scored pairs of records, left < right, ordered by (left, right), each pair once."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    weight: NDArray[np.float32]
    """Match weight in bits, prior included."""

    @classmethod
    def empty(cls) -> "Links":
        """No pairs."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))

    def __len__(self) -> int:
        return len(self.left)


class AlertKind(IntEnum):
    """Numbers as in the contract."""

    KNOWN_TO_TWO = 1
    FURTHER_AGENCY = 2
    ESCALATION = 3
    NO_LONGER_IDENTIFIED = 4
    WITHDRAWN = 5
    MERGED = 6


class ConfidenceBand(IntEnum):
    """Numbers as in the contract; bounds on the match probability of a person's weakest link."""

    UNSPECIFIED = 0
    MODERATE = 1
    HIGH = 2
    VERY_HIGH = 3


ALERT_KINDS = {int(kind): kind for kind in AlertKind}
CONFIDENCE_BANDS = {int(band): band for band in ConfidenceBand}
"""By number: several times as fast as asking the class, and there is one of each an alert."""


class AlertMember(NamedTuple):
    """One record of an alerted person; what is secret about it stands in the record's frame alone."""

    record: int
    """The matcher's own number of it, -1 outside the matcher."""
    agency: str
    observed_day: int
    """As it was when the alert was raised: days since 1970-01-01 or `UNKNOWN_DAY`."""


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What the coordinator is sent of an alert's member."""

    agency: str
    sector: str
    alias: bytes = field(repr=False)
    """16 bytes."""
    encapsulation: bytes = field(repr=False)
    """HPKE encapsulation that opens `sealed` with the coordinator's private key, 80 bytes."""
    sealed: bytes = field(repr=False)
    """The record's newest sealed reference, S bytes."""
    observed_day: int
    """The member's."""
    epoch: int
    """Of the linkage key; the seal is bound to it."""


class Alert(NamedTuple):
    """One entry of the alert log."""

    sequence: int
    alert_id: bytes
    kind: AlertKind
    person_id: bytes
    agencies: tuple[str, ...]
    """Sorted; those the person is known to, even if a member was erased since."""
    members: tuple[AlertMember, ...]
    confidence: ConfidenceBand
    health_present: bool
    police_present: bool
    surviving_person_id: bytes
    """For MERGED, else empty."""
    rule_version: str
    raised_at: int
    """Seconds since 1970-01-01 UTC."""
    backfill: bool
    """Raised by an agency's first load."""


class CaseState(IntEnum):
    """Numbers as in the contract."""

    OPEN = 1
    PLANNED = 2
    CLOSING = 3
    CLOSED = 4


@dataclass(frozen=True, slots=True)
class Case:
    """A case and where it stands; `docs/cases.md` draws the states."""

    case_id: bytes
    state: CaseState
    person_id: bytes
    """Empty once matching has applied the closure."""
    decisions: int
    awaiting_removal: tuple[str, ...]
    """Sorted; agencies with a notice not confirmed."""
    opened_at: int
    """Seconds since 1970-01-01 UTC, as is `closed_at`."""
    closed_at: int
    """0 while open."""
    reviewed_day: int
    """Day, since 1970-01-01, of the last review: a decision, or else the opening."""
    escalated: bool
    """Whether an ESCALATION was raised since then."""


class Contact(NamedTuple):
    """A day on which a record's person was met, other than the record's observed day, which is the last of them."""

    record: int
    day: int
    """Days since 1970-01-01."""


@dataclass(frozen=True, slots=True)
class RemovalNotice:
    """Asks an agency to delete the profile behind one of its own aliases."""

    notice_id: bytes
    agency: str
    alias: bytes = field(repr=False)
    closed_at: int
    """Seconds since 1970-01-01 UTC."""
    number: int = 0
    """Order of the notices, from 1, given by the store; never given twice."""


class ClosedRecord(NamedTuple):
    """A record whose person's case was closed: it counts again only if its person was met after `day`."""

    record: int
    day: int
    """Days since 1970-01-01."""
    frame_id: int
    """The CLOSURE frame: where the day of a contact is not known, a record sent after it counts."""


@dataclass(frozen=True, slots=True)
class Closure:
    """All that closing a case does to what is stored."""

    case_id: bytes
    person_id: bytes
    """The person whose alerts are purged, with those of persons merged into it."""
    records: tuple[ClosedRecord, ...]
    """The person's records; they leave the alerts of other persons too."""
    notices: tuple[RemovalNotice, ...]


class EvidenceBand(IntEnum):
    """Numbers as in the contract."""

    MISSING = 1
    AGREE = 2
    SIMILAR = 3
    DIFFER = 4


@dataclass(frozen=True, slots=True)
class Evidence:
    """How one field compares, and what it contributed."""

    field: str
    band: EvidenceBand
    weight: float
    """Bits, rounded to a half."""


class Patch(NamedTuple):
    """Bytes to write over part of a stored frame's payload: an erasure or a newer observed day."""

    frame_id: int
    position: int
    data: bytes


@dataclass(slots=True)
class MatchOutcome:
    """Everything that matching some frames changed; a store writes it in one transaction or not at all."""

    matched_through: int
    """Last frame matched."""
    next_record: int = 0
    """Number the next new record will get."""
    record_numbers: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    """By frame: the number given to each record of it, -1 where it is gone since. Replaces what is stored."""
    links: Links = field(default_factory=Links.empty)
    """New pairs; they replace pairs of the same records."""
    gone: list[int] = field(default_factory=list)
    """Records removed: their links, answers, alert memberships, contacts and closure days are deleted."""
    unlinked: list[int] = field(default_factory=list)
    """Records that came anew with other tokens: their links are deleted before `links` are written."""
    patches: list[Patch] = field(default_factory=list)
    emptied: list[int] = field(default_factory=list)
    """Frames of which nothing is needed any more: their payload is dropped."""
    answers: list[Answer] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    closures: list[Closure] = field(default_factory=list)
    reused: list[tuple[str, bytes]] = field(default_factory=list)
    """Agency and alias of records that came anew as somebody else: removal notices that name them are dropped."""
    today: int = 0
    """Day, since 1970-01-01, up to which everything was looked at."""
    contacts: list[Contact] = field(default_factory=list)
    contacts_from: int | None = None
    """Contacts before this day are deleted."""
