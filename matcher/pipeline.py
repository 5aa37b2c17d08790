"""The path of a batch, top to bottom: frames in commit order -> rows -> links -> persons -> alerts -> one commit.

Everything in memory is a pure function of what the store holds, rebuilt at start. Should a commit fail, memory is ahead
of the store: `match_next` raises, and the caller must `rebuild` before it goes on. One thread matches; `lock` guards
memory against those who read it.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import RLock

import numpy as np
from numpy.typing import NDArray

from matcher.alerting import Alerting, Seal
from matcher.blocking.index import BlockIndex
from matcher.clustering.persons import Persons
from matcher.clustering.resolve import Person, Rules
from matcher.frame import Layout, unpack_aliases, unpack_answer, unpack_closure, unpack_records
from matcher.model import Frame, FrameKind, Links, MatchOutcome, Patch, TokenBatch
from matcher.naming import Names
from matcher.registry import Registry
from matcher.scoring.scorer import Comparison, Scorer
from matcher.settings import DAY_SECONDS, AgencyInfo, Settings
from matcher.store.base import Store

__all__ = ["DAY_SECONDS", "AgencyInfo", "Pipeline", "Settings"]


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """What memory knows of a stored RECORDS frame."""

    layout: Layout
    epoch: int
    numbers: NDArray[np.int64]
    """(N,): number of each record, -1 once gone."""
    encapsulation: bytes
    sealed: NDArray[np.uint8]
    """(N, S), zero once gone: at hand, since reading a few bytes at the end of a large blob means walking all of it."""

    @classmethod
    def of(cls, payload: bytes, batch: TokenBatch, numbers: NDArray[np.int64]) -> "_Held":
        """What to keep of a frame; nothing refers to its payload."""
        return cls(Layout.of(payload), batch.epoch, numbers, batch.encapsulation, batch.sealed.copy())


@dataclass(frozen=True, slots=True)
class _Stirred:
    """Persons that are no more, and persons that are new or may have changed, oldest first."""

    before: tuple[Person, ...]
    after: tuple[Person, ...]


class Pipeline:
    """See the module."""

    def __init__(self, store: Store, scorer: Scorer, settings: Settings, now: Callable[[], float] = time.time) -> None:
        self.lock = RLock()
        self.store = store
        self.scorer = scorer
        self.settings = settings
        self._now = now
        self._names = Names(store.database_id)
        self._agency_number = {agency.name: i for i, agency in enumerate(settings.agencies)}
        self.rebuild()

    # -- memory ------------------------------------------------------------------------------------------------------

    def rebuild(self) -> None:
        """Make memory anew from the store."""
        with self.lock:
            self.index = BlockIndex(self.scorer.scheme, self.settings.block_cap)
            self.registry = Registry()
            self.persons = Persons(
                Rules(self._vetoed, self._apart, self._name, self.settings.leader_margin),
                self.scorer.thresholds.match_weight,
            )
            self._frames: dict[int, _Held] = {}
            for matched in self.store.matched_frames():
                self._restore(matched.frame, matched.record_numbers)
            self.registry.count = max(self.registry.count, self.store.next_record)
            self._matched_through = self.store.matched_through
            links = self.store.links()
            held = self.registry.holds(links.left) & self.registry.holds(links.right)
            links = Links(links.left[held], links.right[held], links.weight[held])
            last = self.store.frames_after(self._matched_through - 1, 1) if self._matched_through else []
            now = last[0].committed_at if last else 0  # as live matching had it, so that the same answers hold
            self.persons.update(now, links=links, answers=self.store.answers())
            self.alerting = Alerting(self.store, self.registry, self._names, self.settings, self._seal, self._now)

    def _restore(self, frame: Frame, numbers: NDArray[np.int64]) -> None:
        agency = self._agency_number.get(frame.agency)
        if agency is None:  # no longer of the configuration: kept on disk, not compared
            return
        batch = unpack_records(frame.payload, frame.epoch)
        live = numbers >= 0
        self.registry.restore(agency, batch.aliases[live], numbers[live])
        self._frames[frame.frame_id] = _Held.of(frame.payload, batch, numbers.copy())
        self._insert(frame.frame_id, agency, batch, numbers)

    def _insert(self, frame_id: int, agency: int, batch: TokenBatch, numbers: NDArray[np.int64]) -> range:
        """Put the rows of a batch's live records into the index."""
        record_of_row = numbers[batch.row_records]
        live_rows, live = record_of_row >= 0, numbers >= 0
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
        return rows

    # -- matching ----------------------------------------------------------------------------------------------------

    def match_next(self) -> bool:
        """Match the next committed frame, commit what that changes; False if there was none."""
        frames = self.store.frames_after(self._matched_through, 1)
        if not frames:
            return False
        with self.lock:
            frame = frames[0]
            outcome = MatchOutcome(matched_through=frame.frame_id)
            stirred = self._take(frame, outcome)
            outcome.alerts = self.alerting.alerts(frame, stirred.before, stirred.after)
            outcome.next_record = self.registry.count
            self.store.commit_matching(outcome)
            self._matched_through = frame.frame_id
        return True

    def match_all(self) -> None:
        """Match until nothing committed is left."""
        while self.match_next():
            pass

    def _take(self, frame: Frame, outcome: MatchOutcome) -> _Stirred:
        agency = self._agency_number.get(frame.agency)
        if frame.kind is FrameKind.ANSWER:
            return self._take_answer(frame, outcome)
        if frame.kind is FrameKind.CLOSURE:
            return self._take_closure(frame, outcome)
        if agency is None:
            return _Stirred((), ())
        if frame.kind is FrameKind.RECORDS:
            return self._take_records(frame, agency, outcome)
        if frame.kind is FrameKind.CONTACTS:
            return self._take_contacts(frame, agency, outcome)
        return self._take_removals(frame, agency, outcome)

    def _take_records(self, frame: Frame, agency: int, outcome: MatchOutcome) -> _Stirred:
        batch = unpack_records(frame.payload, frame.epoch)
        numbers, known = self.registry.number(agency, batch.aliases)
        outcome.unlinked = numbers[known].tolist()
        for record in outcome.unlinked:
            self._erase(record, outcome)
        rows = self._insert(frame.frame_id, agency, batch, numbers)
        self._frames[frame.frame_id] = _Held.of(frame.payload, batch, numbers)
        outcome.record_numbers[frame.frame_id] = numbers
        outcome.links = self.scorer.score(self.index.rows, rows)
        return self._resolve(frame, outcome, touched=outcome.unlinked)

    def _take_contacts(self, frame: Frame, agency: int, outcome: MatchOutcome) -> _Stirred:
        aliases, days = unpack_aliases(frame.payload)
        met: list[int] = []
        for record, day in zip(self.registry.find(agency, aliases).tolist(), days.tolist(), strict=True):
            if record >= 0 and day > self.registry.day(record):
                self.registry.meet(record, day)
                frame_id, position = self.registry.place(record)
                span = self._frames[frame_id].layout.span("observed_days", position)
                outcome.patches.append(Patch(frame_id, span.start, day.to_bytes(4, "little", signed=True)))
                met.append(record)
        outcome.emptied.append(frame.frame_id)
        return self._resolve(frame, outcome, touched=met)

    def _take_removals(self, frame: Frame, agency: int, outcome: MatchOutcome) -> _Stirred:
        aliases, _ = unpack_aliases(frame.payload)
        outcome.gone = sorted({record for record in self.registry.find(agency, aliases).tolist() if record >= 0})
        for record in outcome.gone:
            self._erase(record, outcome)
        outcome.emptied.append(frame.frame_id)
        gone = set(outcome.gone)
        about = [answer for answer in self.store.answers() if {answer.left, answer.right} & gone] if gone else []
        for record in outcome.gone:  # first, or a reviewer's answer would still hold a person together
            self.persons.forget(record)
        answered = {record for answer in about for record in (answer.left, answer.right)} - gone
        stirred = self._resolve(frame, outcome, stirred=answered)
        for record in outcome.gone:
            self.alerting.forget(record)
            self.registry.remove(record)
        return stirred

    def _take_answer(self, frame: Frame, outcome: MatchOutcome) -> _Stirred:
        answer = unpack_answer(frame.payload)
        if self.registry.agency(answer.left) >= 0 and self.registry.agency(answer.right) >= 0:
            outcome.answers.append(answer)
        outcome.emptied.append(frame.frame_id)
        return self._resolve(frame, outcome)

    def _take_closure(self, frame: Frame, outcome: MatchOutcome) -> _Stirred:
        case = self.store.case(unpack_closure(frame.payload))
        outcome.closures.append(self.alerting.close(frame, case, self._records_of(case.person_id)))
        outcome.emptied.append(frame.frame_id)
        return _Stirred((), ())  # its persons stay as they are

    def _records_of(self, person_id: bytes) -> tuple[int, ...]:
        """A person's records; of a person that came apart its oldest, of one that is another's now none."""
        oldest = self._names.oldest_record(person_id)
        if not 0 <= oldest < self.registry.count or self.registry.agency(oldest) < 0:
            return ()
        person = self.persons.person_of(oldest)
        if person is None:
            return (oldest,)
        return person.records if person.records[0] == oldest else ()

    def _erase(self, record: int, outcome: MatchOutcome) -> None:
        """Overwrite a record's tokens in the index and in its frame."""
        rows, (frame_id, position) = self.registry.rows(record), self.registry.place(record)
        self.index.remove(rows)
        held = self._frames[frame_id]
        held.numbers[position] = -1
        held.sealed[position] = 0
        if (held.numbers < 0).all():
            outcome.emptied.append(frame_id)
            outcome.record_numbers.pop(frame_id, None)
            outcome.patches = [patch for patch in outcome.patches if patch.frame_id != frame_id]
            del self._frames[frame_id]
            return
        outcome.record_numbers[frame_id] = held.numbers
        span = held.layout.column_span("row_records")
        row_records = np.frombuffer(self.store.read_payload(frame_id, span.start, span.stop - span.start), "<u4")
        first, last = np.searchsorted(row_records, [position, position + 1])
        for span in held.layout.record_spans(position, range(first, last)):
            outcome.patches.append(Patch(frame_id, span.start, bytes(span.stop - span.start)))

    # -- persons -----------------------------------------------------------------------------------------------------

    def _resolve(
        self, frame: Frame, outcome: MatchOutcome, touched: Iterable[int] = (), stirred: Iterable[int] = ()
    ) -> _Stirred:
        """What the outcome changes about persons. `touched`: records whose person is to be looked at though it stays as
        it is; `stirred`: further records whose component is to be resolved."""
        change = self.persons.update(
            frame.committed_at,
            links=outcome.links,
            unlinked=[*outcome.unlinked, *outcome.gone],
            answers=outcome.answers,
            touched=stirred,
        )
        after = {person.records[0]: person for person in change.after}
        for record in touched:
            if person := self.persons.person_of(record):
                after[person.records[0]] = person
        return _Stirred(change.before, tuple(after[oldest] for oldest in sorted(after)))

    def _vetoed(self, left: int, right: int) -> bool:
        comparison = self.compare(left, right)
        if self.registry.agency(left) == self.registry.agency(right):
            # an agency seldom holds a person twice: its records are of one only if they match each other
            return comparison is None or comparison.total < self.scorer.thresholds.match_weight
        return comparison is not None and any(
            field.vetoes and distance > 0
            for field, distance in zip(self.scorer.scheme.fields, comparison.distances, strict=True)
        )

    def _apart(self, left: int, right: int) -> bool:
        comparison = self.compare(left, right)
        return comparison is not None and comparison.total < self.scorer.thresholds.possible_weight

    def _name(self, record: int) -> bytes:
        return self.settings.agencies[self.registry.agency(record)].name.encode() + b"/" + self.registry.alias(record)

    def compare(self, left: int, right: int) -> Comparison | None:
        """How two records compare; None if they share no block."""
        return self.scorer.compare(self.index.rows, self.registry.rows(left), self.registry.rows(right))

    # -- alerts ------------------------------------------------------------------------------------------------------

    def _seal(self, record: int) -> Seal:
        frame_id, position = self.registry.place(record)
        held = self._frames[frame_id]
        return Seal(held.encapsulation, held.sealed[position].tobytes(), held.epoch)

    def agency_of(self, record: int) -> AgencyInfo:
        """The agency that holds a record."""
        return self.alerting.agency_of(record)

    def is_told(self, person_id: bytes) -> bool:
        """Whether the coordinator was told of this person, and not told otherwise since."""
        return person_id in self.alerting.told

    def person_id(self, person: Person) -> bytes:
        """The person's name, 16 bytes."""
        return self.alerting.person_id(person)
