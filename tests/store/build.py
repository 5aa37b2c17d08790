"""Small valid nouns for store tests; their bytes are random, so that they can be searched for."""

import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matcher.errors import NotFoundError
from matcher.frame import pack_records
from matcher.model import (
    Alert,
    AlertKind,
    AlertMember,
    Answer,
    Case,
    ClosedRecord,
    Closure,
    ConfidenceBand,
    Links,
    RemovalNotice,
    Resolution,
    TokenBatch,
)
from matcher.store.base import Store

PASSES, ENCODING_BYTES, SEALED_BYTES = 3, 8, 24


def batch(records: int, rows_each: int = 1, seed: int = 0, passes: int = PASSES) -> TokenBatch:
    """Random token records, each with the same number of rows."""
    generator = np.random.default_rng(seed)
    rows = records * rows_each

    def octets(*shape: int) -> np.ndarray:
        return generator.integers(0, 256, shape, np.uint8)

    return TokenBatch(
        epoch=7,
        aliases=octets(records, 16),
        row_records=np.repeat(np.arange(records, dtype=np.uint32), rows_each),
        field_masks=generator.integers(1, 2**16, rows, np.uint16),
        pass_masks=generator.integers(1, 2**16, rows, np.uint16),
        block_tokens=octets(rows, passes, 16),
        encodings=octets(rows, passes, ENCODING_BYTES),
        observed_days=generator.integers(-1, 20000, records, np.int32),
        flags=octets(records),
        encapsulation=octets(80).tobytes(),
        sealed=octets(records, SEALED_BYTES),
    )


def fill(store: Store, frames: int = 3, records: int = 2, agency: str = "a", feed: str = "f") -> list[bytes]:
    """Append RECORDS frames to a feed; their payloads."""
    payloads = [pack_records(batch(records, seed=seed)) for seed in range(frames)]
    for payload in payloads:
        store.append(agency, feed, store.next_offset(agency, feed), records, 7, payload, 1000)
    return payloads


def links(*pairs: tuple[int, int, float]) -> Links:
    """Links of (left, right, weight)."""
    columns = list(zip(*pairs, strict=True)) or [(), (), ()]
    return Links(*(np.array(c, t) for c, t in zip(columns, (np.int64, np.int64, np.float32), strict=True)))


def pairs(found: Links) -> list[tuple[int, int, float]]:
    """(left, right, weight) of links."""
    return list(zip(found.left.tolist(), found.right.tolist(), found.weight.tolist(), strict=True))


def member(record: int, agency: str = "a") -> AlertMember:
    """A member whose day follows from the record's number."""
    return AlertMember(record, agency, 19000 + record)


def alert(sequence: int, *records: int, alert_id: bytes | None = None) -> Alert:
    """A KNOWN_TO_TWO alert about records."""
    return Alert(
        sequence=sequence,
        alert_id=alert_id or sequence.to_bytes(16, "big"),
        kind=AlertKind.KNOWN_TO_TWO,
        person_id=bytes([sequence % 256] * 16),
        agencies=("a", "b"),
        members=tuple(member(record) for record in records),
        confidence=ConfidenceBand.HIGH,
        health_present=True,
        police_present=False,
        surviving_person_id=b"",
        rule_version="1",
        raised_at=2000,
        backfill=bool(sequence % 3),
    )


def answer(left: int, right: int, same: bool = True, expires_at: int = 0) -> Answer:
    """A reviewer's answer."""
    resolution = Resolution.SAME_PERSON if same else Resolution.DIFFERENT_PEOPLE
    return Answer(left, right, resolution, "reviewer", expires_at)


def notice(record: int, agency: str, number: int = 0) -> RemovalNotice:
    """A notice about a record; `number` as the store gave it."""
    alias = random.Random(record).randbytes(16)
    return RemovalNotice(b"notice  " + record.to_bytes(8, "big"), agency, alias, 20, number)


def closure(case_id: bytes, person_id: bytes, frame_id: int, *records: tuple[int, str]) -> Closure:
    """A closure on day 0 about records (number, agency)."""
    closed = tuple(ClosedRecord(record, 0, frame_id) for record, _ in records)
    return Closure(case_id, person_id, closed, tuple(notice(record, agency) for record, agency in records))


def bytes_on_disk(path: Path) -> bytes:
    """Every byte of every file beside the database. Read in a child: closing a file here would drop SQLite's locks."""
    script = (
        "import pathlib, sys; [sys.stdout.buffer.write(f.read_bytes()) for f in pathlib.Path(sys.argv[1]).iterdir()]"
    )
    return subprocess.run([sys.executable, "-c", script, str(path.parent)], stdout=subprocess.PIPE, check=True).stdout


def told(store: Store) -> list[tuple[object, ...]]:
    """What each alert told, as rows."""
    return [row for tellings in store.tellings() for row in zip(*tellings, strict=True)]


@dataclass
class Everything:
    """All that a store tells, for comparing."""

    told: dict[str, object]

    @classmethod
    def of(cls, store: Store, *cases: bytes) -> "Everything":
        """Ask the store everything; `cases` are the names of those there may be."""
        return cls(
            {
                "through": (store.committed_through, store.matched_through, store.next_record, store.last_sequence),
                "today": store.today,
                "contacts": [store.contacts(record) for record in range(10)],
                "reviews": store.reviews(),
                "frames": store.frames_after(0, 10_000),
                "matched": [(m.frame, m.record_numbers.tolist()) for m in store.matched_frames()],
                "links": pairs(store.links()),
                "answers": store.answers(),
                "alerts": store.alerts_after(0, 10_000),
                "tellings": told(store),
                "feeds": store.feed_states(),
                "closed": store.closed_records(),
                "notices": [store.notices_after(agency, 0, 10_000) for agency in "ab"],
                "unconfirmed": store.removals_unconfirmed,
                "cases": [_case(store, case_id) for case_id in cases],
                "listed": store.cases_after(b"", 10_000),
                "parked": [store.parked_after(consumer, 0, 10_000) for consumer in "ab"],
                "overdue": store.removals_overdue(10),
            }
        )


def _case(store: Store, case_id: bytes) -> Case | None:
    try:
        return store.case(case_id)
    except NotFoundError:
        return None
