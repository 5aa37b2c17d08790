"""Takes the records of frames into memory: their numbers, their rows in the block index, and their places in frames."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from matcher.blocking.index import BlockIndex
from matcher.frame import unpack_records
from matcher.held import HeldFrames
from matcher.model import UNKNOWN_DAY, Contact, Frame, MatchOutcome, TokenBatch
from matcher.registry import Registry
from matcher.scoring.scorer import Scorer
from matcher.settings import Settings
from matcher.store.base import Store


class Intake:
    """What memory holds of records. Frames of agencies that left the configuration stay on disk, and out of here."""

    def __init__(self, store: Store, scorer: Scorer, settings: Settings) -> None:
        self.index = BlockIndex(scorer.scheme, settings.block_cap)
        self.registry = Registry()
        self.frames = HeldFrames(store)
        self._scorer = scorer
        self._agency_number = {agency.name: i for i, agency in enumerate(settings.agencies)}

    def expect(self, records: int) -> None:
        """Make room for so many records, whose numbers are given already."""
        self.registry.skip_to(records)
        self.index.expect(records)

    def restore(self, frame: Frame, numbers: NDArray[np.int64]) -> None:
        """Take in a matched frame whose records have `numbers` (N,), -1 where they are gone."""
        agency = self.agency_of(frame)
        if agency is None:
            return
        batch = unpack_records(frame.payload, frame.epoch)
        live = numbers >= 0
        self.registry.restore(agency, batch.aliases[live], numbers[live])
        self.frames.add(frame, batch, numbers.copy())
        self._insert(frame.frame_id, agency, batch, numbers)

    def enter(self, frames: Iterable[Frame], outcome: MatchOutcome) -> None:
        """Take in new RECORDS frames, and link their records with those of other agencies that are there already."""
        first = self.index.row_count
        for frame in frames:
            agency = self.agency_of(frame)
            if agency is not None:
                self._enter(frame, agency, outcome)
        outcome.links = self._scorer.score(self.index.rows, range(first, self.index.row_count))
        outcome.next_record = self.registry.count

    def is_new(self, frame: Frame) -> bool:
        """Whether taking in a RECORDS frame leaves all that is held as and where it is: none of its records came
        before."""
        agency = self.agency_of(frame)
        if agency is None:
            return True
        batch = unpack_records(frame.payload, frame.epoch)
        return bool((self.registry.find(agency, batch.aliases) < 0).all())

    def agency_of(self, frame: Frame) -> int | None:
        """Number of a frame's agency, None if it is not of the configuration (any more)."""
        return self._agency_number.get(frame.agency)

    def erase(self, record: int, outcome: MatchOutcome) -> None:
        """Overwrite a record's tokens in the index and in its frame."""
        self.index.remove(self.registry.rows(record))
        self.frames.erase(*self.registry.place(record), outcome)

    def _enter(self, frame: Frame, agency: int, outcome: MatchOutcome) -> None:
        batch = unpack_records(frame.payload, frame.epoch)
        numbers, known = self.registry.number(agency, batch.aliases)
        again = numbers[known].tolist()
        days = {record: self.registry.day(record) for record in again}
        for record in again:
            self.erase(record, outcome)
        self._insert(frame.frame_id, agency, batch, numbers)
        self.frames.add(frame, batch, numbers)
        outcome.record_numbers[frame.frame_id] = numbers
        outcome.unlinked += again
        outcome.contacts += [
            Contact(record, day) for record, day in days.items() if UNKNOWN_DAY != day < self.registry.day(record)
        ]

    def _insert(self, frame_id: int, agency: int, batch: TokenBatch, numbers: NDArray[np.int64]) -> None:
        """Put the rows of a batch's live records into the index."""
        live = numbers >= 0
        all_live = bool(live.all())
        record_of_row = numbers[batch.row_records]
        live_rows = slice(None) if all_live else record_of_row >= 0  # a slice copies nothing
        rows = self.index.insert(
            batch.block_tokens[live_rows],
            batch.pass_masks[live_rows],
            batch.encodings[live_rows],
            batch.field_masks[live_rows],
            record_of_row[live_rows],
            agency,
        )
        counts = np.bincount(batch.row_records, minlength=batch.record_count)
        self.registry.settle(
            numbers[live],
            rows,
            counts[live],
            frame_id,
            np.flatnonzero(live),
            batch.observed_days[live],
            batch.flags[live],
        )
