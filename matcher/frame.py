"""How a batch is laid out as one blob: a header, then whole columns, so that a frame is read without a loop.

The positions of one record's bytes follow from the header alone; that is how a store overwrites a record in place when
it is erased. Header: magic, kind, P, W, S as 16-bit and N, R as 32-bit little endian integers.
"""

import math
import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matcher.errors import StoreError
from matcher.model import Answer, FrameKind, Resolution, TokenBatch
from matcher.scheme import ALIAS_BYTES, ENCAPSULATION_BYTES, TOKEN_BYTES

_MAGIC = b"FFM1"
_HEADER = struct.Struct("<4sHHHHII")
_ANSWER = struct.Struct("<qqHq")
_CASE_ID_BYTES = 16


class _Column(NamedTuple):
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    per_row: bool
    position: int
    stride: int
    """Bytes of one record or row."""


class Layout:
    """Where everything stands in a RECORDS frame of N records and R rows."""

    def __init__(self, passes: int, encoding_bytes: int, sealed_bytes: int, records: int, rows: int) -> None:
        self.dimensions = (passes, encoding_bytes, sealed_bytes, records, rows)
        self.encapsulation_position = _HEADER.size
        position = _HEADER.size + ENCAPSULATION_BYTES
        self.columns: dict[str, _Column] = {}
        for name, dtype, shape, per_row in (
            ("aliases", "u1", (records, ALIAS_BYTES), False),
            ("row_records", "<u4", (rows,), True),
            ("field_masks", "<u2", (rows,), True),
            ("pass_masks", "<u2", (rows,), True),
            ("block_tokens", "u1", (rows, passes, TOKEN_BYTES), True),
            ("encodings", "u1", (rows, passes, encoding_bytes), True),
            ("observed_days", "<i4", (records,), False),
            ("flags", "u1", (records,), False),
            ("sealed", "u1", (records, sealed_bytes), False),
        ):
            stride = np.dtype(dtype).itemsize * math.prod(shape[1:])
            self.columns[name] = _Column(np.dtype(dtype), shape, per_row, position, stride)
            position += stride * shape[0]
        self.size = position

    @classmethod
    def of(cls, payload: bytes) -> "Layout":
        """The layout a payload's header announces; `StoreError` if it is no RECORDS frame or cut short."""
        kind, (passes, encoding_bytes, sealed_bytes), (records, rows) = _read_header(payload)
        layout = cls(passes, encoding_bytes, sealed_bytes, records, rows)
        if kind != FrameKind.RECORDS or len(payload) != layout.size:
            raise StoreError("a stored frame is damaged")
        return layout

    def span(self, column: str, number: int) -> slice:
        """Bytes of one record (or row) in one column."""
        at = self.columns[column]
        return slice(at.position + number * at.stride, at.position + (number + 1) * at.stride)

    def column_span(self, column: str) -> slice:
        """Bytes of a whole column."""
        at = self.columns[column]
        return slice(at.position, at.position + at.stride * at.shape[0])

    def record_spans(self, record: int, rows: range) -> Iterator[slice]:
        """Every byte that says something about one record, whose rows are given; not its place in `row_records`."""
        for name, column in self.columns.items():
            if name != "row_records":
                for number in rows if column.per_row else (record,):
                    yield self.span(name, number)


def _read_header(payload: bytes) -> tuple[FrameKind, tuple[int, int, int], tuple[int, int]]:
    if len(payload) < _HEADER.size or payload[:4] != _MAGIC:
        raise StoreError("a stored frame is damaged")
    _, kind, passes, encoding_bytes, sealed_bytes, records, rows = _HEADER.unpack_from(payload)
    if kind not in set(FrameKind):
        raise StoreError("a stored frame is damaged")
    return FrameKind(kind), (passes, encoding_bytes, sealed_bytes), (records, rows)


def pack_records(batch: TokenBatch) -> bytes:
    """One RECORDS payload."""
    _, passes, encoding_bytes = batch.encodings.shape
    layout = Layout(passes, encoding_bytes, batch.sealed.shape[1], batch.record_count, batch.row_count)
    header = _HEADER.pack(_MAGIC, FrameKind.RECORDS, *layout.dimensions)
    columns = (np.ascontiguousarray(getattr(batch, name), column.dtype) for name, column in layout.columns.items())
    return b"".join((header, batch.encapsulation, *(column.data for column in columns)))


def unpack_records(payload: bytes, epoch: int) -> TokenBatch:
    """The batch of a RECORDS payload, as views of it; `StoreError` if it is damaged."""
    layout = Layout.of(payload)
    columns = {
        name: np.frombuffer(payload, column.dtype, int(np.prod(column.shape)), column.position).reshape(column.shape)
        for name, column in layout.columns.items()
    }
    start = layout.encapsulation_position
    return TokenBatch(epoch=epoch, encapsulation=payload[start : start + ENCAPSULATION_BYTES], **columns)


def pack_aliases(kind: FrameKind, aliases: NDArray[np.uint8], days: NDArray[np.int32] | None = None) -> bytes:
    """One CONTACTS payload (with a day for each alias) or REMOVALS payload. `aliases` is (n, 16)."""
    tail = b"" if days is None else days.astype("<i4").tobytes()
    return _HEADER.pack(_MAGIC, kind, 0, 0, 0, len(aliases), 0) + aliases.tobytes() + tail


def unpack_aliases(payload: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Aliases (n, 16) and days (n,); the days of a REMOVALS payload are empty. `StoreError` if it is damaged."""
    kind, _, (count, _) = _read_header(payload)
    start = _HEADER.size
    stride = {FrameKind.CONTACTS: ALIAS_BYTES + 4, FrameKind.REMOVALS: ALIAS_BYTES}.get(kind, 0)
    if not stride or len(payload) != start + count * stride:
        raise StoreError("a stored frame is damaged")
    aliases = np.frombuffer(payload, np.uint8, count * ALIAS_BYTES, start).reshape(count, ALIAS_BYTES)
    return aliases, np.frombuffer(payload, "<i4", -1, start + aliases.size)


def pack_answer(answer: Answer) -> bytes:
    """One ANSWER payload."""
    header = _HEADER.pack(_MAGIC, FrameKind.ANSWER, 0, 0, 0, 1, 0)
    numbers = _ANSWER.pack(answer.left, answer.right, answer.resolution, answer.expires_at)
    return header + numbers + answer.reviewer.encode()


def unpack_answer(payload: bytes) -> Answer:
    """The answer of an ANSWER payload; `StoreError` if it is damaged."""
    kind, _, _ = _read_header(payload)
    if kind != FrameKind.ANSWER or len(payload) < _HEADER.size + _ANSWER.size:
        raise StoreError("a stored frame is damaged")
    left, right, resolution, expires_at = _ANSWER.unpack_from(payload, _HEADER.size)
    try:
        reviewer = payload[_HEADER.size + _ANSWER.size :].decode()
        return Answer(left, right, Resolution(resolution), reviewer, expires_at)
    except ValueError:
        raise StoreError("a stored frame is damaged") from None


def pack_retirement(epoch: int, most: int) -> bytes:
    """One RETIREMENT payload: the epoch, and how many records go with this frame at most."""
    return _HEADER.pack(_MAGIC, FrameKind.RETIREMENT, 0, 0, 0, most, epoch)


def unpack_retirement(payload: bytes) -> tuple[int, int]:
    """Epoch and number of a RETIREMENT payload; `StoreError` if it is damaged."""
    kind, _, (most, epoch) = _read_header(payload)
    if kind != FrameKind.RETIREMENT or len(payload) != _HEADER.size:
        raise StoreError("a stored frame is damaged")
    return epoch, most


def pack_closure(case_id: bytes) -> bytes:
    """One CLOSURE payload. `case_id` is 16 bytes."""
    return _HEADER.pack(_MAGIC, FrameKind.CLOSURE, 0, 0, 0, 1, 0) + case_id


def unpack_closure(payload: bytes) -> bytes:
    """The case of a CLOSURE payload, 16 bytes; `StoreError` if it is damaged."""
    kind, _, _ = _read_header(payload)
    if kind != FrameKind.CLOSURE or len(payload) != _HEADER.size + _CASE_ID_BYTES:
        raise StoreError("a stored frame is damaged")
    return payload[_HEADER.size :]
