"""Takes the records of frames into memory: their numbers, their rows in the block index, and their places in frames."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from matcher.blocking.index import BlockIndex
from matcher.clustering.resolve import Pair
from matcher.epochs import Epochs
from matcher.frame import unpack_records
from matcher.held import HeldFrames
from matcher.model import UNKNOWN_DAY, Contact, Frame, MatchOutcome, TokenBatch
from matcher.registry import Registry
from matcher.scoring.scorer import Scorer
from matcher.settings import Settings
from matcher.store.base import MatchedFrame, Store

_AHEAD = 2
"""Frames that are read and copied while one is taken in."""
_Copied = tuple[Frame, int, TokenBatch, NDArray[np.int64], range]
"""A matched frame, its agency, its content, the numbers of its records, -1 where they are gone, and their rows."""


class Intake:
    """What memory holds of records. Frames of agencies that left the configuration stay on disk, and out of here."""

    def __init__(self, store: Store, scorer: Scorer, settings: Settings) -> None:
        self.index = BlockIndex(scorer.scheme, settings.block_cap)
        self.registry = Registry()
        self.frames = HeldFrames(store)
        self._store = store
        self._scorer = scorer
        self._apart_weight = settings.apart_weight
        self._agencies = settings.agencies
        self._agency_number = {agency.name: i for i, agency in enumerate(settings.agencies)}

    def restore(self, numbered: int, reading: Executor, matched: Iterator[MatchedFrame]) -> None:
        """Take in matched frames, where so many records were numbered ever. In the other thread the next frames are
        read, and what is compared of them is copied: most of that is memory touched for the first time."""
        copied = self._copied(matched)
        waiting = deque(reading.submit(next, copied, None) for _ in range(_AHEAD))
        self.registry.skip_to(numbered)
        self.index.expect(numbered)
        while each := waiting.popleft().result():
            waiting.append(reading.submit(next, copied, None))
            frame, agency, batch, numbers, rows = each
            live = numbers >= 0
            self.registry.restore(agency, batch.aliases[live], numbers[live])
            self.frames.add(frame, batch, numbers.copy())
            self._place(frame, batch, numbers, rows)

    def enter(self, frames: Iterable[Frame], outcome: MatchOutcome, epochs: Epochs) -> None:
        """Take in new RECORDS frames, of one epoch, and link their records with those of other agencies that are there
        already."""
        carried: dict[Pair, float] = {}
        first = self.index.row_count
        for frame in frames:
            agency = self.agency_of(frame)
            if agency is not None:
                self._enter(frame, agency, outcome, epochs, carried)
        outcome.links = self._scorer.score(self.index.rows, range(first, self.index.row_count))
        if carried:
            outcome.links = epochs.with_carried(outcome.links, carried)
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

    def _enter(
        self, frame: Frame, agency: int, outcome: MatchOutcome, epochs: Epochs, carried: dict[Pair, float]
    ) -> None:
        batch = unpack_records(frame.payload, frame.epoch)
        numbers, known = self.registry.number(agency, batch.aliases)
        self._part_from(agency, batch, numbers, known, outcome)
        again = numbers[known].tolist()
        if again and self.registry.epochs_seen - {batch.epoch}:
            epochs.carry(again, batch.epoch, carried)
        days = {record: self.registry.day(record) for record in again}
        for record in again:
            self.erase(record, outcome)
        self._place(frame, batch, numbers, self._copy(agency, batch, numbers))
        self.frames.add(frame, batch, numbers)
        outcome.record_numbers[frame.frame_id] = numbers
        outcome.unlinked += again
        for record, day in days.items():
            self._keep_days(record, day, outcome)

    def _part_from(
        self, agency: int, batch: TokenBatch, numbers: NDArray[np.int64], known: NDArray[np.bool_],
        outcome: MatchOutcome,
    ) -> None:  # fmt: skip
        """Of records that are there (`known`), erase those that are sent again as somebody else, and give them new
        `numbers`: nothing that was found, told or decided about one human must go over to another."""
        if not known.any():
            return
        positions = np.flatnonzero(known)
        others = positions[self._is_somebody_else(batch, positions, numbers[positions])]
        gone = numbers[others]
        for record in gone.tolist():
            self.erase(record, outcome)
        outcome.gone += gone.tolist()
        outcome.reused += [(self._agencies[agency].name, alias.tobytes()) for alias in batch.aliases[others]]
        numbers[others] = self.registry.renumber(agency, gone)
        known[others] = False

    def _is_somebody_else(
        self, batch: TokenBatch, positions: NDArray[np.int64], records: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Of records (n,), whether what a batch holds of them at some positions (n,) is clearly not of the same person
        as what is held: they share no block token though both have some, or weigh as little as two records that are
        kept apart. Of two epochs it cannot be told, and they are taken for the same."""
        held, spans = self.index.rows, self.registry.row_spans(records)
        sent = np.searchsorted(batch.row_records, np.stack([positions, positions + 1], axis=1))
        (before, left), (after, right) = _gathered(spans), _gathered(sent)
        tokens, masks = batch.block_tokens[after], batch.pass_masks[after]
        rows = held._replace(
            blocks=np.concatenate([held.blocks[before], self.index.blocks_of(tokens, masks)]),
            encodings=np.concatenate([held.encodings[before], batch.encodings[after].view("<u4")]),
            field_masks=np.concatenate([held.field_masks[before], batch.field_masks[after]]),
        )
        weights = self._scorer.best_weights(rows, left, right + len(before))
        comparable = self.registry.epochs(records) == batch.epoch
        unlike = comparable & (weights < self._apart_weight)
        for i in np.flatnonzero(comparable & np.isnan(weights)).tolist():
            # a full block holds nothing of a row, so its tokens are asked
            ours = self.frames.tokens(*self.registry.place(int(records[i])))
            unlike[i] = _are_apart(ours, batch.block_tokens[sent[i, 0] : sent[i, 1]])
        return np.asarray(unlike)

    def _keep_days(self, record: int, before: int, outcome: MatchOutcome) -> None:
        """Of a record sent again, keep the day it had before as a contact, and the last contact as its day: a file that
        is sent every night does not know of contacts. One that tells no day at all takes none away."""
        sent = self.registry.day(record)
        if sent == UNKNOWN_DAY or sent < before != UNKNOWN_DAY:
            known = [contact.day for contact in outcome.contacts if contact.record == record]
            known += [before] if sent == UNKNOWN_DAY else []
            last = max([*self._store.contacts(record), *known], default=UNKNOWN_DAY)
            if last != UNKNOWN_DAY and (sent == UNKNOWN_DAY or sent < last):
                self.registry.meet(record, last)
                outcome.patches.append(self.frames.day_patch(*self.registry.place(record), last))
        for day in (before, sent):
            if UNKNOWN_DAY != day < self.registry.day(record):
                outcome.contacts.append(Contact(record, day))

    def _copied(self, matched: Iterator[MatchedFrame]) -> Iterator[_Copied]:
        for each in matched:
            frame, numbers = each.frame, each.record_numbers
            agency = self.agency_of(frame)
            if agency is not None:
                batch = unpack_records(frame.payload, frame.epoch)
                yield frame, agency, batch, numbers, self._copy(agency, batch, numbers)

    def _copy(self, agency: int, batch: TokenBatch, numbers: NDArray[np.int64]) -> range:
        """Copy into the index what is compared of a batch's live records, whose rows they then are."""
        records, live = _rows_of(batch, numbers)
        return self.index.append(batch.encodings[live], batch.field_masks[live], records[live], agency, batch.epoch)

    def _place(self, frame: Frame, batch: TokenBatch, numbers: NDArray[np.int64], rows: range) -> None:
        """Put copied rows into their blocks, and note where the records are."""
        _, live = _rows_of(batch, numbers)
        self.index.place(rows, batch.block_tokens[live], batch.pass_masks[live])
        positions = np.flatnonzero(numbers >= 0)
        counts = np.bincount(batch.row_records, minlength=batch.record_count)
        self.registry.settle(
            numbers[positions],
            rows,
            counts[positions],
            frame.frame_id,
            positions,
            batch.observed_days[positions],
            batch.flags[positions],
            batch.epoch,
            frame.backfill,
        )


def _gathered(spans: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The numbers that spans (n, 2) hold, from each first to before each last, end to end, and where in them each span
    lies (n, 2)."""
    ends = np.cumsum(spans[:, 1] - spans[:, 0])
    lies = np.stack([ends - (spans[:, 1] - spans[:, 0]), ends], axis=1)
    numbers = np.arange(ends[-1] if len(ends) else 0) + np.repeat(spans[:, 0] - lies[:, 0], lies[:, 1] - lies[:, 0])
    return numbers, lies


def _are_apart(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> bool:
    """Whether block tokens (m, P, 16) and (n, P, 16) of two records share none, though both have some."""
    same = np.all(left[:, np.newaxis] == right, axis=3) & np.any(left, axis=2)[:, np.newaxis]
    return bool(left.any() and right.any() and not np.any(same))


def _rows_of(batch: TokenBatch, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], slice | NDArray[np.bool_]]:
    """By row of a batch (R,) the number of its record, and which rows' records live: all is a slice, which copies
    nothing."""
    records = numbers[batch.row_records]
    return records, slice(None) if (numbers >= 0).all() else records >= 0
