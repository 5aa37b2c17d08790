"""Everything that can happen to a matcher, in any order, against `reference_life.Life`, over the store on disk.

Agencies send, send again, change the key, report contacts and remove; a coordinator watches, acknowledges, opens,
decides and closes; a reviewer answers; an operator retires an epoch; time passes and the clock jumps; a write fails,
the process is killed, the power goes. After every step the matcher knows and has said exactly what the oracle says,
and the definitions hold whatever the way there was.

`python -m tests.states --steps 100000 --seed 1` is the long run; `test_states.py` is the short one.
"""

import argparse
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from matcher.beat import Beat
from matcher.errors import (
    CaseStateError,
    ConsumerFencedError,
    GreenAndBlueRequiredError,
    NotFoundError,
    OffsetCommittedError,
    OffsetGapError,
    RequestReusedError,
    StoreError,
    StoreFullError,
)
from matcher.frame import pack_records
from matcher.model import UNKNOWN_DAY, FrameKind, Resolution
from matcher.pipeline import Pipeline
from matcher.service.alert import AlertServicer
from matcher.service.case import CaseServicer
from matcher.service.matching import Matching
from matcher.store.sqlite import SqliteStore
from matcher.v1 import alert_service_pb2 as alerts_pb
from matcher.v1 import case_service_pb2 as cases_pb

from .factory import (
    AGENCIES,
    ANNA,
    BORIS,
    CHLOE,
    DATABASE_KEY,
    EPOCH,
    NEXT_EPOCH,
    VAGUE_ANNA,
    Human,
    Sighting,
    alias,
    tokens,
)
from .reference_life import LOOK_BACK, Case, Input, Known, Life, Said
from .store.faulty import Disk, faulty
from .world import World

PEOPLE = ("police", "hospital", "council")
REFS = ("x", "y", "z")
NUMBERED = replace(ANNA, nhs_number="9434765919")
HUMANS: list[Human] = [
    *(ANNA, ANNA, NUMBERED, replace(ANNA, nhs_number="4010232137"), VAGUE_ANNA),
    *(BORIS, replace(BORIS, postcode="M139PN"), CHLOE),
]
names = st.tuples(st.sampled_from(PEOPLE), st.sampled_from(REFS))
consumers = st.sampled_from(["desk", "archive"])
_CONTEXT = SimpleNamespace(is_active=lambda: True)
_CASE_CONFIG = SimpleNamespace(agencies=AGENCIES, epoch=EPOCH, removal_days=30)


class States(RuleBasedStateMachine):
    """See the module."""

    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.opened = 0
        self.stack = ExitStack()
        self.disk = Disk()
        self.stack.enter_context(faulty(self.disk))
        patch = self.stack.enter_context(pytest.MonkeyPatch.context())
        # what is synced is counted by the disk; the machine's own need not be waited for
        patch.setattr("os.fsync", lambda _: None)
        # names drawn at random would come in another order, and the steps behind them, each time a run is repeated
        patch.setattr("secrets.token_bytes", Random(1).randbytes)
        self.patch = patch
        patch.setattr("matcher.service.alert._FENCE_SECONDS", 0.0)  # a fenced stream need not look at the clock
        self.life = Life(quiet_seconds=60)
        self.store = SqliteStore(self.folder / "matcher.db", DATABASE_KEY)
        self.world = World(self.store, quiet_seconds=60)
        self.sent: list[tuple[str, int, list[Sighting]]] = []
        self.watches: dict[str, object] = {}
        self.marks: dict[str, int] = {}
        self.parked: set[tuple[str, int]] = set()
        self.serve()

    def teardown(self) -> None:
        self.disk.fails_at = 0
        self.store.close()
        self.stack.close()
        shutil.rmtree(self.folder)

    # -- the machine -------------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """What stands before the pipeline, for the store as it is now."""
        matching = Matching(self.world.store, Beat(), lambda: self.world.pipeline)
        matching._made.set_result(self.world.pipeline)  # its thread never runs: the steps match
        self.alerts = AlertServicer(matching, EPOCH, lambda _: True, self.world._now)
        self.cases = CaseServicer(_CASE_CONFIG, matching, self.world._now)
        self.watches = {}

    def reopen(self, left: Callable[[Path], object]) -> None:
        """Abandon the store; open what is left of its files in another folder, and make memory anew."""
        self.disk.fails_at = 0
        self.opened += 1
        into = self.folder / str(self.opened)
        left(into)
        self.store.close()
        before, self.store = self.store, SqliteStore(into / "matcher.db", DATABASE_KEY)
        for path in before._path.parent.glob("matcher.db*"):
            path.unlink()
        self.disk.unsynced.clear()
        pipeline = self.world.pipeline
        self.world.store = self.store
        self.world.pipeline = Pipeline(self.store, pipeline.scorer, pipeline.settings, self.world._now)
        self.serve()

    def killed(self, into: Path) -> None:
        """What kill -9 leaves: all that was written."""
        into.mkdir()
        for name in ("matcher.db", "matcher.db-wal", "matcher.db.tally"):
            if (file := self.store._path.with_name(name)).exists():
                shutil.copy(file, into)

    def cut(self, into: Path) -> None:
        """What a power cut leaves."""
        self.disk.crash(self.store._path, into, self.opened)

    def attempt(self, call: Callable[[], object], done: Callable[[], bool] = lambda: False) -> object:
        """Do something that writes; if the disk fails at it, recover as the service does, and do it again unless it was
        done all the same."""
        try:
            return call()
        except (StoreError, StoreFullError):
            assert self.disk.fails_at, "the disk was sound"
            if self.disk.for_good:
                self.reopen(self.cut)
            else:
                self.disk.fails_at = 0
                self.world.pipeline.rebuild()
            return None if done() else call()

    def commit(self, frame: Input, call: Callable[[], object]) -> None:
        """Commit a frame; the oracle has it too."""
        before = self.store.committed_through
        assert before == len(self.life.frames)
        self.attempt(call, lambda: self.store.committed_through > before)
        assert self.store.committed_through == before + 1
        self.life.frames.append(frame)

    def match_next(self) -> None:
        """Match a frame with the pipeline there is by then."""
        self.world.pipeline.match_next()

    def let_time_pass(self) -> None:
        """As `match_next`."""
        self.world.pipeline.pass_time()

    def match(self, most: int = 1000) -> None:
        """Match so many frames, or groups of frames."""
        for _ in range(most):
            through = self.store.matched_through
            self.attempt(self.match_next, lambda through=through: self.store.matched_through > through)
            if self.store.matched_through == through:
                assert self.life.matched == len(self.life.frames)
                return
            self.life.match(self.store.matched_through - through, self.world._now())

    # -- agencies ----------------------------------------------------------------------------------------------------

    def batch(self, agency: str, drawn: dict[str, tuple[Human, int | None, bool]]) -> list[Sighting]:
        """Sightings for references; days ago, or None where the day is not known."""
        return [
            Sighting(ref, human, UNKNOWN_DAY if ago is None else self.world.today - ago, restricted)
            for ref, (human, ago, restricted) in drawn.items()
        ]

    records = st.dictionaries(
        st.sampled_from(REFS),
        st.tuples(
            st.sampled_from(HUMANS),
            st.sampled_from([0, 0, 0, 1, 98, 120, -1, None]),
            st.sampled_from([False, False, False, False, False, True]),
        ),
        min_size=1,
        max_size=3,
    )

    @initialize(bytes_together=st.sampled_from([1, 200_000, 1 << 20]))
    def group(self, bytes_together: int) -> None:
        """Frames are matched together, or one enters memory while the one before is matched."""
        self.patch.setattr("matcher.pipeline._GROUP_BYTES", bytes_together)

    @initialize(known=st.sampled_from([(), PEOPLE[:2], PEOPLE[:2], PEOPLE]))
    def begin(self, known: tuple[str, ...]) -> None:
        """Most often there is somebody to begin with."""
        for agency in known:
            self.append(agency, {"x": (ANNA, 0, False)}, backfill=False)
        self.match()

    @rule(agency=st.sampled_from(PEOPLE), drawn=records, backfill=st.sampled_from([False, False, True]))
    def append(self, agency: str, drawn: dict, backfill: bool) -> None:
        sightings = self.batch(agency, drawn)
        self.send(agency, sightings, backfill)

    def send(self, agency: str, sightings: list[Sighting], backfill: bool = False) -> None:
        """Append records, under the key in use."""
        for each in sightings:
            self.world._names[alias(agency, each.ref)] = (agency, each.ref)
        offset, epoch = self.store.next_offset(agency, "f"), self.world.epoch
        payload, now = pack_records(tokens(agency, *sightings, epoch=epoch)), self.world._now()
        frame = Input(FrameKind.RECORDS, agency, sightings, now, backfill, epoch)
        self.commit(
            frame, lambda: self.store.append(agency, "f", offset, len(sightings), epoch, payload, now, backfill)
        )
        self.sent.append((agency, offset, sightings))

    @rule()
    def change_the_key(self) -> None:
        """A window opens, or is turned round: records of the other epoch are to be sent again."""
        self.world.epoch = NEXT_EPOCH if self.world.epoch == EPOCH else EPOCH

    @rule(agencies=st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=3, unique=True))
    def send_all_again(self, agencies: list[str]) -> None:
        """Some agencies send all they have under another key: nobody's persons change, and nothing is said."""
        self.match()
        if len({each.epoch for each in self.life.records.values()} | {self.world.epoch}) > 1:
            return  # what came anew under the key in use is compared with what is sent again
        self.change_the_key()
        self.pass_time()
        self.match()
        persons, queue, last = self.life.persons, self.life.queue(), len(self.life.log)
        for agency in agencies:
            held = [each for each in self.life.records.values() if each.agency == agency]
            if held:
                self.send(agency, [Sighting(each.ref, each.human, each.day, each.restricted) for each in held])
                self.match()
        assert (self.life.persons, self.life.queue()) == (persons, queue)
        # a record without a day counts again once it is sent again after a closure
        if not any(each.closed and each.day == UNKNOWN_DAY for each in self.life.records.values()):
            assert len(self.life.log) == last

    @rule(most=st.sampled_from([1, 2, 100, 100]))
    def retire(self, most: int) -> None:
        """The epoch that is not in use ends, or some of its records go."""
        epoch = NEXT_EPOCH if self.world.epoch == EPOCH else EPOCH
        self.match()  # as the command does
        frame = Input(FrameKind.RETIREMENT, "", (epoch, most), self.world._now())
        self.commit(frame, lambda: self.world.retire(epoch, most))
        self.match()
        if most == 100:
            assert epoch not in self.store.epochs()

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), shift=st.sampled_from([0, 1]))
    def append_stale_or_ahead(self, data: st.DataObject, shift: int) -> None:
        agency, offset, sightings = data.draw(st.sampled_from(self.sent))
        expected = self.store.next_offset(agency, "f")
        payload = pack_records(tokens(agency, *sightings, epoch=self.world.epoch))
        with pytest.raises(OffsetGapError if shift else OffsetCommittedError) as refused:
            self.store.append(
                agency, "f", expected + 1 if shift else offset, len(sightings), self.world.epoch, payload, 0
            )
        assert refused.value.expected == expected

    @rule(name=names, human=st.sampled_from(HUMANS))
    def submit(self, name: tuple[str, str], human: Human) -> None:
        agency, sighting = name[0], Sighting(name[1], human, self.world.today)
        self.world._names[alias(*name)] = name
        epoch = self.world.epoch
        payload, now = pack_records(tokens(agency, sighting, epoch=epoch)), self.world._now()
        request = f"s{len(self.life.frames)}"

        def call() -> None:
            self.store.submit(agency, request, FrameKind.RECORDS, epoch, payload, b"content", now)

        self.commit(Input(FrameKind.RECORDS, agency, [sighting], now, epoch=epoch), call)
        call()  # sent again, nothing is committed
        with pytest.raises(RequestReusedError):
            self.store.submit(agency, request, FrameKind.RECORDS, epoch, payload, b"other", now)

    @rule(
        agency=st.sampled_from(PEOPLE),
        refs=st.lists(st.sampled_from(REFS), min_size=1, max_size=2, unique=True),
        ago=st.sampled_from([0, 0, 0, 0, 1, 2, 30, 99, -1]),
    )
    def meet(self, agency: str, refs: list[str], ago: int) -> None:
        day, now = self.world.today - ago, self.world._now()
        frame = Input(FrameKind.CONTACTS, agency, [(ref, day) for ref in refs], now)
        self.commit(frame, lambda: self.world.meet(agency, *refs, day=day))

    @rule(visits=st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=4))
    def meet_day_after_day(self, visits: list[str]) -> None:
        """An agency a day meets all it knows."""
        for agency in visits:
            self.sleep(days=1, seconds=0)
            self.meet(agency, list(REFS), ago=0)
        self.match()

    @rule(agency=st.sampled_from(PEOPLE), refs=st.lists(st.sampled_from(REFS), min_size=1, max_size=2, unique=True))
    def remove(self, agency: str, refs: list[str]) -> None:
        frame = Input(FrameKind.REMOVALS, agency, refs, self.world._now())
        self.commit(frame, lambda: self.world.remove(agency, *refs))

    @rule(agency=st.sampled_from(PEOPLE), most=st.integers(1, 3))
    def confirm(self, agency: str, most: int) -> None:
        notices = [each.notice_id for each in self.store.notices_after(agency, 0, most)]
        self.attempt(lambda: self.store.confirm_removals(agency, notices))
        mine = [each for each in self.life.notices if each[1] == agency][: len(notices)]
        self.life.notices = [each for each in self.life.notices if each not in mine]

    # -- the coordinator ---------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.life.records) > 1)
    @rule(
        data=st.data(),
        resolution=st.sampled_from(Resolution),
        days=st.sampled_from([None, None, 1, 50]),
        asked=st.booleans(),
    )
    def answer(self, data: st.DataObject, resolution: Resolution, days: int | None, asked: bool) -> None:
        """A reviewer answers what the queue asks, or about any two records: a match can be judged wrong too."""
        numbers = sorted(self.life.records)
        queue = sorted(map(sorted, self.life.queue()))
        pairs = queue if asked and queue else [[a, b] for a in numbers for b in numbers if a < b]
        pair = tuple(data.draw(st.sampled_from(pairs)))
        expires_at = 0 if days is None else (self.world.today + days) * 86400
        request = alerts_pb.ResolvePossibleMatchRequest(
            possible_match_id=self.alerts._explainer._name(pair),
            resolution=int(resolution),
            reviewer="reviewer",
            expires_at=expires_at,
        )
        frame = Input(FrameKind.ANSWER, "", (frozenset(pair), resolution, expires_at), self.world._now())
        self.commit(frame, lambda: self.alerts.ResolvePossibleMatch(request, _CONTEXT))

    @precondition(lambda self: self.life.told)
    @rule(data=st.data())
    def open_case(self, data: st.DataObject) -> None:
        person = data.draw(st.sampled_from(sorted(self.life.told)))
        request = cases_pb.OpenCaseRequest(person_id=self.person_id(person))
        of = [(case.closed_at, case.opened_at, name) for name, case in self.life.cases.items() if case.person == person]
        if of and min(of)[0]:
            with pytest.raises(NotFoundError):
                self.cases.OpenCase(request, _CONTEXT)
            return
        opened = self.attempt(lambda: self.cases.OpenCase(request, _CONTEXT))
        if of:
            assert opened.case_id == min(of)[2]
        else:
            now = self.world._now()
            self.life.cases[opened.case_id] = Case(person, now, max(now // 86400, self.life.today))

    @rule()
    def open_a_case_of_nobody_known(self) -> None:
        strangers = [number for number in range(self.life.numbered + 1) if number not in self.life.told]
        for person in strangers[-2:]:
            with pytest.raises(NotFoundError):
                self.cases.OpenCase(cases_pb.OpenCaseRequest(person_id=self.person_id(person)), _CONTEXT)

    @precondition(lambda self: self.life.cases)
    @rule(data=st.data(), decision=st.sampled_from("ab"), present=st.sampled_from(["hospital", "police", "both"]))
    def decide(self, data: st.DataObject, decision: str, present: str) -> None:
        name, case = data.draw(st.sampled_from(sorted(self.life.cases.items(), key=lambda each: each[0])))
        participants = ["police", "hospital"] if present == "both" else [present]
        decision_id = f"{decision}{self.life.today}"
        request = cases_pb.RecordDecisionRequest(case_id=name, decision_id=decision_id, participants=participants)
        if case.closed_at or present != "both":
            with pytest.raises(CaseStateError if case.closed_at else GreenAndBlueRequiredError):
                self.cases.RecordDecision(request, _CONTEXT)
            return
        self.attempt(lambda: self.cases.RecordDecision(request, _CONTEXT))
        if decision_id not in case.decisions:
            case.decisions.add(decision_id)
            case.reviewed_day, case.escalated = max(self.world._now() // 86400, self.life.today), False

    @precondition(lambda self: self.life.cases)
    @rule(data=st.data())
    def close_case(self, data: st.DataObject) -> None:
        name, case = data.draw(st.sampled_from(sorted(self.life.cases.items(), key=lambda each: each[0])))
        request = cases_pb.CloseCaseRequest(case_id=name)
        if case.closed_at:
            self.cases.CloseCase(request, _CONTEXT)
            return
        frame = Input(FrameKind.CLOSURE, "", name, self.world._now())
        self.commit(frame, lambda: self.cases.CloseCase(request, _CONTEXT))
        case.closed_at = frame.at

    @rule(consumer=consumers, through=st.integers(0, 30))
    def acknowledge(self, consumer: str, through: int) -> None:
        through = min(through, len(self.life.log))
        request = alerts_pb.AcknowledgeAlertsRequest(consumer=consumer, through_sequence=through)
        self.attempt(lambda: self.alerts.AcknowledgeAlerts(request, _CONTEXT))
        self.marks[consumer] = max(self.marks.get(consumer, 0), through)

    @precondition(lambda self: self.life.log)
    @rule(consumer=consumers, back=st.integers(0, 5), parked=st.booleans())
    def park(self, consumer: str, back: int, parked: bool) -> None:
        sequence = max(len(self.life.log) - back, 1)
        if not parked:
            request = alerts_pb.ReleaseAlertRequest(consumer=consumer, sequence=sequence)
            self.attempt(lambda: self.alerts.ReleaseAlert(request, _CONTEXT))
            self.parked.discard((consumer, sequence))
        elif self.life.log[sequence - 1]:
            request = alerts_pb.ParkAlertRequest(consumer=consumer, sequence=sequence)
            self.attempt(lambda: self.alerts.ParkAlert(request, _CONTEXT))
            self.parked.add((consumer, sequence))

    @rule(consumer=consumers)
    def watch(self, consumer: str) -> None:
        """From the mark to the end of the log; the consumer's older stream is fenced."""
        before = self.watches.get(consumer)
        mark = self.marks.get(consumer, 0)
        stream = self.alerts.WatchAlerts(alerts_pb.WatchAlertsRequest(consumer=consumer), _CONTEXT)
        received = []
        while (message := next(stream)).alerts:
            received += [alert.sequence for alert in message.alerts]
        assert received == [n for n, said in enumerate(self.life.log, 1) if said and n > mark]
        assert message.checkpoint == max(len(self.life.log), mark)
        if before is not None:
            with pytest.raises(ConsumerFencedError):
                next(before)
        self.watches[consumer] = stream

    # -- time and trouble --------------------------------------------------------------------------------------------

    @rule(most=st.integers(1, 4))
    def match_some(self, most: int) -> None:
        self.match(most)

    @rule(
        days=st.sampled_from([0, 0, 1, 1, 2, 49, LOOK_BACK, -1, -40]),
        seconds=st.sampled_from([0, 1, 59, 60, 3600, -30]),
    )
    def sleep(self, days: int, seconds: int) -> None:
        """Nobody does anything for a while, or the clock jumps."""
        self.match()
        self.world.today += days
        self.world.seconds = max(self.world.seconds + seconds, 0) % 86000
        self.pass_time()

    @rule()
    def pass_time(self) -> None:
        """What the matching thread does when no frame waits."""
        self.match()
        before = self.store.committed_through
        expected = self.life.needs_time(self.world._now())
        self.attempt(self.let_time_pass, lambda: self.store.committed_through > before)
        assert self.store.committed_through == before + expected
        if expected:
            self.life.frames.append(Input(FrameKind.TIME, "", None, self.world._now()))

    @rule(writes=st.integers(1, 40), for_good=st.booleans())
    def break_the_disk(self, writes: int, for_good: bool) -> None:
        """A write or sync to come fails: once, or with the power."""
        self.disk.fails_at = self.disk.done + writes
        self.disk.for_good = for_good

    @rule(power=st.booleans())
    def crash(self, power: bool) -> None:
        self.reopen(self.cut if power else self.killed)

    @rule()
    def restart(self) -> None:
        self.disk.fails_at = 0
        self.store.close()
        self.store = SqliteStore(self.store._path, DATABASE_KEY)
        self.world.store = self.store
        pipeline = self.world.pipeline
        self.world.pipeline = Pipeline(self.store, pipeline.scorer, pipeline.settings, self.world._now)
        self.serve()

    # -- what holds --------------------------------------------------------------------------------------------------

    def person_id(self, oldest: int) -> bytes:
        """The matcher's name for a person."""
        return self.world.pipeline._names.person(oldest)

    def told(self) -> dict[int, tuple[set[str], bool, int]]:
        """What the coordinator was told, by oldest record."""
        told, names = (
            self.world.pipeline.alerting.told,
            [agency.name for agency in self.world.pipeline.settings.agencies],
        )
        persons = told.persons()
        columns = (persons, told.agencies(persons), told.dormant(persons), told._at[persons])
        return {
            person: ({name for bit, name in enumerate(names) if agencies >> bit & 1}, dormant, at)
            for person, agencies, dormant, at in zip(*(column.tolist() for column in columns), strict=True)
        }

    @invariant()
    def it_is_as_the_oracle_says(self) -> None:
        type(self).steps += 1
        life, store, pipeline = self.life, self.store, self.world.pipeline
        persons = pipeline.persons.people(pipeline.persons.everyone())
        assert (store.committed_through, store.matched_through) == (len(life.frames), life.matched)
        assert (pipeline.today, store.next_record) == (life.today, life.numbered)
        # records of frames that are next may stand in memory already
        assert pipeline.registry.count == life.numbered or pipeline._entered is not None
        for number in range(life.numbered):
            record, registry = life.records.get(number), pipeline.registry
            assert (registry.agency(number) >= 0) == (record is not None)
            if record:
                assert (registry.day(number), registry.restricted(number)) == (record.day, record.restricted)
                assert registry.epochs(np.array(number)) == record.epoch
                assert set(store.contacts(number)) == record.contacts
                agency = pipeline.alerting.agency_of(number).name.encode()
                assert agency + b"/" + registry.alias(number) == record.name
        assert {frozenset(person.records) for person in persons} == life.persons
        assert set(map(frozenset, pipeline.persons.possible_matches())) == life.queue()
        assert self.told() == {
            oldest: (set(known.agencies), known.dormant, known.at) for oldest, known in life.told.items()
        }
        assert {(each.record, each.day, each.frame_id) for each in store.closed_records()} == {
            (number, *record.closed) for number, record in life.records.items() if record.closed
        }
        self.the_log_is_as_the_oracle_says()
        for name, case in life.cases.items():
            found = store.case(name)
            assert found.person_id == (b"" if case.person is None else self.person_id(case.person))
            assert (found.opened_at, found.closed_at, found.decisions) == (
                *(case.opened_at, case.closed_at),
                len(case.decisions),
            )
            assert (found.reviewed_day, found.escalated) == (case.reviewed_day, case.escalated)
            assert found.awaiting_removal == tuple(sorted({agency for of, agency, _ in life.notices if of == name}))
        for agency in PEOPLE:
            asked = [(each.agency, each.alias) for each in store.notices_after(agency, 0, 1000)]
            assert asked == [(of, name) for _, of, name in life.notices if of == agency]
        assert {consumer: store.mark(consumer) for consumer in self.marks} == self.marks
        self.parked = {(consumer, sequence) for consumer, sequence in self.parked if life.log[sequence - 1]}
        for consumer in ("desk", "archive"):
            aside = {(consumer, alert.sequence) for alert in store.parked_after(consumer, 0, 1000)}
            assert aside == {each for each in self.parked if each[0] == consumer}

    def the_log_is_as_the_oracle_says(self) -> None:
        """Alerts word by word, whoever reads the log from its beginning."""
        assert self.store.last_sequence == len(self.life.log)
        expected = [(n, said) for n, said in enumerate(self.life.log, 1) if said]
        found = self.store.alerts_after(0, 10_000)
        assert [alert.sequence for alert in found] == [n for n, _ in expected]
        sent = self.world.pipeline.disclosures(found)
        for alert, members_sent, (_, said) in zip(found, sent, expected, strict=True):
            assert alert.person_id == self.person_id(said.person)
            survivor = b"" if said.survivor is None else self.person_id(said.survivor)
            assert alert.surviving_person_id == survivor
            members = frozenset(member.record for member in alert.members)
            assert said == Said(
                *(alert.kind, said.person, members, alert.agencies, said.survivor, alert.raised_at, alert.backfill)
            )
            shown = [member for member in alert.members if self.life.shows(member.record, said.person)]
            for member, disclosed in zip(shown, members_sent, strict=True):
                record = self.life.records[member.record]
                named = (record.agency, alias(record.agency, record.ref))
                assert (member.agency, disclosed.alias) == (disclosed.agency, disclosed.alias) == named

    @invariant()
    def nothing_is_lost_and_nothing_invented(self) -> None:
        """The definitions alone: who is known is told of, with agencies that hold it; nobody else is."""
        life = self.life
        persons = {min(person): person for person in life.persons}
        assert life.told.keys() <= persons.keys()
        for oldest, person in persons.items():
            may = life.active(person, restricted_too=False)
            known = life.told.get(oldest, Known(frozenset(), True, 0))
            assert (not known.dormant) == bool(may)
            assert known.agencies <= {life.records[number].agency for number in person}
            if not may <= known.agencies:
                assert 0 <= life.now - known.at < life.quiet_seconds

    @precondition(lambda self: len({each.epoch for each in self.life.records.values()}) < 2)
    @rule(order=st.integers(0, 2**32))
    def whatever_the_order_the_same_persons_are_known(self, order: int) -> None:
        """All records that are held, sent at once to a new matcher in another order and other batches."""
        chosen = Random(order)
        other = World()
        other.today, other.seconds = self.life.today, 0
        left = list(self.life.records.values())
        other.epoch = left[0].epoch if left else EPOCH
        chosen.shuffle(left)
        while left:
            mine = [each for each in left if each.agency == left[0].agency][: chosen.randint(1, 3)]
            other.send(left[0].agency, *(Sighting(each.ref, each.human, each.day, each.restricted) for each in mine))
            left = [each for each in left if each not in mine]
        number = {each.number: (each.agency, each.ref) for each in self.life.records.values()}
        answers = list(self.life.answers.items())
        chosen.shuffle(answers)
        for pair, (resolution, expires_at) in answers:
            a, b = pair
            other.answer(number[a], number[b], resolution, expires_at)
        assert other.persons() == {frozenset(map(number.get, person)) for person in self.life.persons}
        assert other.queue() == {frozenset(map(number.get, pair)) for pair in self.life.queue()}
        untouched = [
            person for person in self.life.persons if not any(self.life.records[each].closed for each in person)
        ]
        known = {
            frozenset(map(number.get, person)) for person in untouched if self.life.active(person, restricted_too=False)
        }
        closed = {number[each] for person in self.life.persons if person not in untouched for each in person}
        assert {person for person in other.told() if not person & closed} == known


def run(steps: int, start: int, examples: int = 40, length: int = 60, phases: tuple[Phase, ...] = tuple(Phase)) -> int:
    """Take at least so many steps, in runs of their own from seed `start` on; the steps taken."""
    States.steps = 0
    number = start
    while States.steps < steps:
        machine = type("Machine", (States,), {"steps": 0})
        run_state_machine_as_test(
            seed(number)(machine),
            settings=settings(
                max_examples=examples,
                stateful_step_count=length,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
                phases=phases,
            ),
        )
        States.steps += machine.steps
        number += 1
        sys.stderr.write(f"{States.steps} steps, last seed {number - 1}\n")
    return States.steps


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.disable()  # of the disk's failures
    began = time.monotonic()
    taken = run(given.steps, given.seed)
    sys.stdout.write(f"{taken} steps from seed {given.seed}, no counter-example, {time.monotonic() - began:.0f} s\n")


if __name__ == "__main__":
    main()
