"""Small valid nouns for store tests; their bytes are random, so that they can be searched for."""

import random
from dataclasses import dataclass

import numpy as np

from matcher.frame import pack_records
from matcher.model import Alert, AlertKind, AlertMember, Answer, ConfidenceBand, Links, Resolution, TokenBatch
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
    """A member whose bytes follow from the record's number."""
    octets = random.Random(record).randbytes
    return AlertMember(record, agency, "health", octets(16), octets(80), octets(SEALED_BYTES), 19000 + record, 7)


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
    )


def answer(left: int, right: int, same: bool = True, expires_at: int = 0) -> Answer:
    """A reviewer's answer."""
    resolution = Resolution.SAME_PERSON if same else Resolution.DIFFERENT_PEOPLE
    return Answer(left, right, resolution, "reviewer", expires_at)


@dataclass
class Everything:
    """All that a store tells, for comparing."""

    told: dict[str, object]

    @classmethod
    def of(cls, store: Store) -> "Everything":
        """Ask the store everything."""
        return cls(
            {
                "through": (store.committed_through, store.matched_through, store.next_record, store.last_sequence),
                "frames": store.frames_after(0, 10_000),
                "matched": [(m.frame, m.record_numbers.tolist()) for m in store.matched_frames()],
                "links": pairs(store.links()),
                "answers": store.answers(),
                "alerts": store.alerts_after(0, 10_000),
                "feeds": store.feed_states(),
            }
        )
