"""What memory knows of the stored RECORDS frames: where everything of a record stands in them, and the seals."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matcher.frame import Layout
from matcher.model import Frame, MatchOutcome, Patch, TokenBatch
from matcher.scheme import TOKEN_BYTES
from matcher.store.base import Store


class Seal(NamedTuple):
    """What opens a record's reference with the coordinator's private key, and the reference."""

    encapsulation: bytes
    sealed: bytes
    epoch: int


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    dimensions: tuple[int, int, int, int, int]
    """Of its layout, which is made when it is needed: a frame may be of one record, and there may be millions."""
    epoch: int
    numbers: NDArray[np.int64]
    """(N,): number of each record, -1 once gone."""
    encapsulation: bytes
    sealed: NDArray[np.uint8]
    """(N, S), zero once gone: at hand, since reading a few bytes at the end of a large blob means walking all of it."""

    @property
    def layout(self) -> Layout:
        return Layout(*self.dimensions)


class HeldFrames:
    """Frames of which a record at least is held. A record goes by its frame and its position there."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: dict[int, _Held] = {}

    def add(self, frame: Frame, batch: TokenBatch, numbers: NDArray[np.int64]) -> None:
        """Take in a frame whose records have `numbers` (N,), -1 where they are gone. Its payload is not kept."""
        dimensions = Layout.of(frame.payload).dimensions
        self._held[frame.frame_id] = _Held(dimensions, batch.epoch, numbers, batch.encapsulation, batch.sealed.copy())

    def day_patch(self, frame_id: int, position: int, day: int) -> Patch:
        """What notes a record's observed day in its frame."""
        span = self._held[frame_id].layout.span("observed_days", position)
        return Patch(frame_id, span.start, day.to_bytes(4, "little", signed=True))

    def erase(self, frame_id: int, position: int, outcome: MatchOutcome) -> None:
        """Overwrite all of a record, here and, by the outcome, in the store; a frame left empty is dropped whole."""
        held = self._held[frame_id]
        held.numbers[position] = -1
        held.sealed[position] = 0
        if (held.numbers < 0).all():
            outcome.emptied.append(frame_id)
            outcome.record_numbers.pop(frame_id, None)
            outcome.patches = [patch for patch in outcome.patches if patch.frame_id != frame_id]
            del self._held[frame_id]
            return
        outcome.record_numbers[frame_id] = held.numbers
        for span in held.layout.record_spans(position, range(*self._rows_of(frame_id, position))):
            outcome.patches.append(Patch(frame_id, span.start, bytes(span.stop - span.start)))

    def tokens(self, frame_id: int, position: int) -> NDArray[np.uint8]:
        """Block tokens of a record's rows, (n, P, 16)."""
        layout = self._held[frame_id].layout
        first, last = self._rows_of(frame_id, position)
        start, stop = (layout.span("block_tokens", row).start for row in (first, last))
        return np.frombuffer(self._read(frame_id, slice(start, stop)), np.uint8).reshape(last - first, -1, TOKEN_BYTES)

    def _rows_of(self, frame_id: int, position: int) -> tuple[int, int]:
        """First row of a record in its frame, and the row behind its last."""
        span = self._held[frame_id].layout.column_span("row_records")
        first, last = np.searchsorted(np.frombuffer(self._read(frame_id, span), "<u4"), [position, position + 1])
        return int(first), int(last)

    def _read(self, frame_id: int, span: slice) -> bytes:
        return self._store.read_payload(frame_id, span.start, span.stop - span.start)

    def seal(self, frame_id: int, position: int) -> Seal:
        """A record's seal."""
        held = self._held[frame_id]
        return Seal(held.encapsulation, held.sealed[position].tobytes(), held.epoch)
