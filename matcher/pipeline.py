"""The path of a batch, top to bottom: frames in commit order -> rows -> links -> persons -> alerts -> one commit.

Everything in memory is a pure function of what the store holds, rebuilt at start. Should a commit fail, memory is ahead
of the store: `match_next` raises, and the caller must `rebuild` before it goes on. One thread matches; `lock` guards
memory against those who read it.

Time passes with frames: the first frame of a day looks at everything that time alone changes. Where no frame comes,
`pass_time` commits one that says nothing else.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice, takewhile

import numpy as np

from matcher.alerting import Alerting
from matcher.clustering.graph import Numbers
from matcher.clustering.persons import People, Persons, Rules
from matcher.clustering.resolve import Person
from matcher.comparer import Comparer
from matcher.epochs import Epochs
from matcher.errors import StoreError
from matcher.frame import unpack_aliases, unpack_answer, unpack_closure, unpack_retirement
from matcher.intake import Intake
from matcher.model import (
    DAY_SECONDS,
    UNKNOWN_DAY,
    Alert,
    AlertMember,
    Answer,
    Contact,
    Disclosure,
    Frame,
    FrameKind,
    Links,
    MatchOutcome,
)
from matcher.naming import Names
from matcher.scoring.scorer import Comparison, Scorer
from matcher.settings import Settings
from matcher.store.base import Store
from matcher.turns import Turns

_GROUP_BYTES = 1 << 20
"""Frames are matched together until they have so many bytes: about a thousand records, a few milliseconds' work."""


@dataclass(frozen=True, slots=True, eq=False)
class _Stirred:
    """Persons that are no more, and persons that are new or may have changed, by oldest record ascending."""

    before: People
    after: People


@dataclass(slots=True, eq=False)
class _Group:
    """Frames that are matched together, and what that changes."""

    frames: list[Frame]
    outcome: MatchOutcome
    entered: bool = False
    """Whether the frames' records stand in memory already."""

    @property
    def of_records(self) -> bool:
        return self.frames[0].kind is FrameKind.RECORDS


def _kind_of_input(frame: Frame) -> tuple[FrameKind, int, bool, int]:
    """What frames must have in common to be matched together: kind, epoch, backfill and day."""
    return frame.kind, frame.epoch, frame.backfill, frame.committed_at // DAY_SECONDS


class Pipeline:
    """See the module."""

    def __init__(
        self, store: Store, scorer: Scorer, settings: Settings, now: Callable[[], float] = time.time,
        about_to_commit: Callable[[list[Frame], MatchOutcome], None] = lambda frames, outcome: None,
    ) -> None:  # fmt: skip
        """`about_to_commit` is called with what is matched before each commit, which does not come if it raises."""
        self.lock = Turns()
        self.store, self.scorer, self.settings = store, scorer, settings
        self._now = now
        self._about_to_commit = about_to_commit
        self._names = Names(store.database_id)
        self._beside = ThreadPoolExecutor(1, "intake")
        self.rebuild()

    def close(self) -> None:
        """End the intake thread; nothing is matched any more."""
        self._beside.shutdown()

    # -- memory ------------------------------------------------------------------------------------------------------

    def rebuild(self) -> None:
        """Make memory anew from the store."""
        with self.lock:
            self._complete = False
            self._entered: _Group | None = None
            self._intake = Intake(self.store, self.scorer, self.settings)
            self.index, self.registry = self._intake.index, self._intake.registry
            self._comparer = Comparer(self.scorer, self.settings, self.index, self.registry)
            self._epochs = Epochs(self._comparer.judge, self.registry)
            self.persons = self._epochs.persons = Persons(
                Rules(self._epochs.judge, self._comparer.ranks, self.settings.leader_margin),
                self.scorer.thresholds.match_weight,
            )
            self.matched_through, numbered = self.store.matched_through, self.store.next_record
            with ThreadPoolExecutor(1, "reading") as reading, ThreadPoolExecutor(1, "reading-frames") as reading_frames:
                stored_links, tellings = reading.submit(self.store.links), reading.submit(list, self.store.tellings())
                self._intake.restore(numbered, reading_frames, self.store.matched_frames())
            links = stored_links.result()
            held = self.registry.holds(links.left) & self.registry.holds(links.right)
            links = Links(links.left[held], links.right[held], links.weight[held])
            self.today = self.store.today
            answers = filter(self._both_held, self.store.answers())
            self.persons.update(self.today * DAY_SECONDS, links=links, answers=answers)
            told = tellings.result()
            self.alerting = Alerting(self.store, self.registry, self._names, self.settings, self._now, told)
            self.alerting.hold(self.today, self.persons.people(self._still(self.alerting.told.persons())))
            self._complete = True
            self.store.prepare_erasing()

    # -- matching ----------------------------------------------------------------------------------------------------

    def match_next(self, *, singly: bool = False) -> bool:
        """Match the next committed frames, with `singly` one alone, commit what that changes; False if there was none.

        Frames of records that are small are matched together, up to `_GROUP_BYTES`: one transaction, and at most one
        alert a person. While persons and alerts of some are made, in another thread the next ones enter the index."""
        with self.lock:
            group, self._entered = self._entered or self._next_group(singly=singly), None
            if group is None:
                return False
            self._complete = False
            if group.of_records and not group.entered:
                self._intake.enter(group.frames, group.outcome, self._epochs)
            others_wait = not singly and self.store.committed_through > group.outcome.matched_through
            ahead = others_wait and group.of_records
            entering = self._beside.submit(self._enter_after, group) if ahead else None
            try:
                self._match(group)
            finally:
                wait([entering] if entering else [])  # whatever was raised: both change what memory holds
            if entering:
                self._complete = False
                self._entered = entering.result()
                self._complete = True
        return True

    def _match(self, group: _Group) -> None:
        """Find what a group, entered if it is of records, changes about persons, and commit all it changes."""
        frame, outcome = group.frames[0], group.outcome
        outcome.today = self._day_at(frame.committed_at)
        stirred = self._take(frame, outcome)
        heirs = self._heirs(stirred)
        outcome.alerts = self.alerting.alerts(
            frame, outcome.today, stirred.before, heirs, stirred.after, outcome.contacts
        )
        if not group.of_records:
            outcome.next_record = self.registry.count
        self._complete = True  # though ahead of the store should this fail
        self._about_to_commit(group.frames, outcome)
        self.store.commit_matching(outcome)
        self.matched_through = outcome.matched_through

    def _enter_after(self, group: _Group) -> _Group | None:
        """Enter the frames behind a group, as far as they are of new records and change nothing that the group's
        matching reads; None if the first does not."""
        following = self._next_group(group.outcome.matched_through)
        if following is None or not following.of_records:
            return None
        entered: list[Frame] = []

        def new() -> Iterator[Frame]:
            for frame in takewhile(self._intake.is_new, following.frames):
                entered.append(frame)
                yield frame

        outcome = MatchOutcome(following.outcome.matched_through)
        self._intake.enter(new(), outcome, self._epochs)
        if not entered:
            return None
        outcome.matched_through = entered[-1].frame_id
        return _Group(entered, outcome, entered=True)

    def _next_group(self, last: int | None = None, *, singly: bool = False) -> _Group | None:
        """The frame behind `last`, usually the last one matched, with those that are matched together with it."""
        frames: list[Frame] = []
        size, last = 0, self.matched_through if last is None else last
        while (not frames or not singly) and size < _GROUP_BYTES and (found := self.store.frames_after(last, 1)):
            if frames and _kind_of_input(frames[0]) != _kind_of_input(found[0]):
                break
            frames += found
            size += len(found[0].payload)
            last = found[0].frame_id
            if found[0].kind is not FrameKind.RECORDS:
                break
        return _Group(frames, MatchOutcome(last)) if frames else None

    @property
    def frames_waiting(self) -> int:
        """Frames committed and not matched yet."""
        return self.store.committed_through - self.matched_through

    def pass_time(self) -> bool:
        """Commit a TIME frame if a day began or a quiet period ended and no frame came since; whether it did.

        For when no frame is waiting."""
        now = int(self._now())
        began = self.matched_through > 0 and self._day_at(now) != self.today
        if began or len(self.alerting.due()):
            self.store.submit("", f"time-{time.time_ns()}", FrameKind.TIME, 0, b"", b"", now)
            return True
        return False

    def _day_at(self, seconds: int) -> int:
        """Today at some time. A clock set back a little stays on its day; one set right after running ahead counts."""
        day = seconds // DAY_SECONDS
        return day if day > self.today or day < self.today - 1 else self.today

    def match_all(self) -> None:
        """Match until nothing committed is left."""
        while self.match_next():
            pass

    def _take(self, frame: Frame, outcome: MatchOutcome) -> _Stirred:
        if frame.kind is FrameKind.RECORDS:
            return self._let_go(outcome, touched=outcome.unlinked)
        of_no_agency = {
            FrameKind.ANSWER: self._take_answer,
            FrameKind.CLOSURE: self._take_closure,
            FrameKind.RETIREMENT: self._take_retirement,
        }
        of_an_agency = {FrameKind.CONTACTS: self._take_contacts, FrameKind.REMOVALS: self._take_removals}
        outcome.emptied.append(frame.frame_id)
        if take := of_no_agency.get(frame.kind):
            return take(frame, outcome)
        if (agency := self._intake.agency_of(frame)) is None or frame.kind is FrameKind.TIME:
            return self._resolve(outcome)
        return of_an_agency[frame.kind](frame, agency, outcome)

    def _take_contacts(self, frame: Frame, agency: int, outcome: MatchOutcome) -> _Stirred:
        aliases, days = unpack_aliases(frame.payload)
        met: list[int] = []
        for record, day in zip(self.registry.find(agency, aliases).tolist(), days.tolist(), strict=True):
            if record < 0:
                continue
            last = self.registry.day(record)
            if day > last:
                self.registry.meet(record, day)
                outcome.patches.append(self._intake.frames.day_patch(*self.registry.place(record), day))
            outcome.contacts += [Contact(record, each) for each in (day, last) if each != UNKNOWN_DAY]
            met.append(record)
        return self._resolve(outcome, touched=met)

    def _take_removals(self, frame: Frame, agency: int, outcome: MatchOutcome) -> _Stirred:
        aliases, _ = unpack_aliases(frame.payload)
        found = np.unique(self.registry.find(agency, aliases))
        return self._remove(found[found >= 0].tolist(), outcome)

    def _take_retirement(self, frame: Frame, outcome: MatchOutcome) -> _Stirred:
        epoch, most = unpack_retirement(frame.payload)
        records = self.registry.of_epoch(epoch)
        stirred = self._remove(records[:most].tolist(), outcome)
        if len(records) <= most:  # frames that are left are of agencies that left the configuration
            stored, emptied = self.store.epochs().get(epoch, []), set(outcome.emptied)
            outcome.emptied += [each for each in stored if each < frame.frame_id and each not in emptied]
        return stirred

    def _remove(self, records: list[int], outcome: MatchOutcome) -> _Stirred:
        for record in records:
            self._intake.erase(record, outcome)
            self.registry.remove(record)
        outcome.gone = records
        return self._let_go(outcome)

    def _let_go(self, outcome: MatchOutcome, touched: Iterable[int] = ()) -> _Stirred:
        """As `_resolve`, where records are gone: with them goes all that was answered and closed about them."""
        gone = set(outcome.gone)
        about = [answer for answer in self.store.answers() if {answer.left, answer.right} & gone] if gone else []
        for record in outcome.gone:  # first, or a reviewer's answer would still hold a person together
            self.persons.forget(record)
        answered = {record for answer in about for record in (answer.left, answer.right)} - gone
        for record in outcome.gone:
            self.alerting.forget(record)
        return self._resolve(outcome, touched=touched, stirred=answered)

    def _take_answer(self, frame: Frame, outcome: MatchOutcome) -> _Stirred:
        answer = unpack_answer(frame.payload)
        if self._both_held(answer):
            outcome.answers.append(answer)
        return self._resolve(outcome)

    def _both_held(self, answer: Answer) -> bool:
        return self.registry.agency(answer.left) >= 0 and self.registry.agency(answer.right) >= 0

    def _take_closure(self, frame: Frame, outcome: MatchOutcome) -> _Stirred:
        case = self.store.case(unpack_closure(frame.payload))
        outcome.closures.append(self.alerting.close(frame, outcome.today, case, self._records_of(case.person_id)))
        return self._resolve(outcome)

    def _records_of(self, person_id: bytes) -> tuple[int, ...]:
        """A person's records; of a person that came apart its oldest, of one that is another's now none."""
        oldest = self._names.oldest_record(person_id)
        if not 0 <= oldest < self.registry.count or self.registry.agency(oldest) < 0:
            return ()
        person = self.persons.person_of(oldest)
        if person is None:
            return (oldest,)
        return person.records if person.records[0] == oldest else ()

    # -- persons -----------------------------------------------------------------------------------------------------

    def _resolve(self, outcome: MatchOutcome, touched: Iterable[int] = (), stirred: Iterable[int] = ()) -> _Stirred:
        """What the outcome, and a day that began, change about persons. `touched`: records whose person is to be looked
        at though it stays as it is; `stirred`: further records whose component is to be resolved."""
        change = self.persons.update(
            outcome.today * DAY_SECONDS,
            links=outcome.links,
            unlinked=[*outcome.unlinked, *outcome.gone],
            answers=outcome.answers,
            touched=stirred,
        )
        after = [change.after, self._still(np.array(sorted(touched), np.int64)), self._still(self.alerting.due())]
        before = change.before
        if outcome.today != self.today:
            told = self.alerting.told.persons()
            # persons told of that are none any more, or another one's now, since the configuration changed
            vanished = told[(self.persons.oldest(told) != told) & ~np.isin(told, before.oldest)]
            # who was not told of does not become so with time alone, but with thresholds and agencies changed meanwhile
            after.append(self.persons.everyone())
            before = People.of([*before, *(Person((person,), 0.0) for person in vanished.tolist())])
            # a day late, so that a clock that ran ahead and was set right deletes nothing
            outcome.contacts_from = min(self.today, outcome.today) - self.settings.look_back_days + 1
            self.today = outcome.today
        return _Stirred(before, self.persons.people(np.unique(np.concatenate(after))))

    def _still(self, records: Numbers) -> Numbers:
        """Persons of some records; records that are alone are passed over."""
        oldest = self.persons.oldest(records)
        return oldest[oldest >= 0]

    def _heirs(self, stirred: _Stirred) -> Numbers:
        """By person that is no more: the place, among those that are, of the only one that has records of it, or -1."""
        before, after = stirred.before, stirred.after
        owners, starts = self.persons.oldest(before.records), before.offsets[:-1]
        last = np.maximum.reduceat(owners, starts)
        first = np.minimum.reduceat(np.where(owners >= 0, owners, last.max(initial=-1)), starts)
        return np.where((last >= 0) & (first == last), np.searchsorted(after.oldest, last), -1)

    def compare(self, left: int, right: int) -> Comparison | None:
        """How two records compare; None if they share no block or are of two epochs."""
        return self._comparer.compare(left, right)

    # -- alerts ------------------------------------------------------------------------------------------------------

    def disclosures(self, alerts: Sequence[Alert]) -> list[tuple[Disclosure, ...]]:
        """What the coordinator is sent of each alert's members, in their order: of those that are, now, of a person it
        is told of, namely the alert's own or the one that this became. Of records that are gone, restricted, another
        person's or nobody's, and of agencies that left the configuration, nothing. `StoreError` while memory is
        incomplete. The caller holds the lock.

        Alerts name records that are committed, and memory is never behind the store: what it does not hold is gone."""
        named = [(alert.person_id, member) for alert in alerts for member in alert.members]
        disclosed = self.disclosed([member for _, member in named])  # first: it refuses while memory is incomplete
        records = np.array([member.record for _, member in named], np.int64)
        persons = self.persons.oldest(records)
        of_alerts = self.persons.oldest(self._names.oldest_records([person_id for person_id, _ in named]))
        shown = (persons >= 0) & (persons == of_alerts) & ~self.registry.are_restricted(records)
        shown[shown] = self.alerting.told.known(persons[shown])
        given = iter([each if show else None for each, show in zip(disclosed, shown.tolist(), strict=True)])
        return [tuple(filter(None, islice(given, len(alert.members)))) for alert in alerts]

    def disclosed(self, members: Sequence[AlertMember]) -> list[Disclosure | None]:
        """As `disclosures`, by member; None for nothing. The caller holds the lock."""
        if not self._complete:  # a member missing now would be missing for good where the alert is acknowledged
            raise StoreError("memory is being made anew from the database")
        named = np.array([member.record for member in members], np.int64)
        held = np.flatnonzero(self.registry.holds(named))
        disclosed: list[Disclosure | None] = [None] * len(members)
        for at, number, alias, place in zip(held.tolist(), *self.registry.described(named[held]), strict=True):
            agency, (encapsulation, sealed, epoch) = self.settings.agencies[number], self._intake.frames.seal(*place)
            day = members[at].observed_day
            disclosed[at] = Disclosure(agency.name, agency.sector, alias, encapsulation, sealed, day, epoch)
        return disclosed

    def is_told(self, person_id: bytes) -> bool:
        """Whether the coordinator was told of this person, and not told otherwise since."""
        person = self._names.oldest_record(person_id)
        return 0 <= person < self.registry.count and bool(self.alerting.told.known(np.array([person]))[0])

    def person_id(self, person: Person) -> bytes:
        """The person's name, 16 bytes."""
        return self._names.person(person.records[0])
