"""Kill -9 of a process that takes input and matches, again and again on one database, at any moment: while it opens and
recovers, commits, matches or cuts its log. After each kill the database is held to `reference_life.Life`.

`python -m tests.kills --cycles 2000 --seed 1` is the long run, some minutes; `test_kills.py` is the short one. What
`python -m benchmarks crash` does with whole deployments over TLS, a hundred times slower, this does without a network.
"""

import argparse
import logging
import os
import pickle
import select
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from random import Random
from typing import TypeAlias

from matcher.frame import pack_closure, pack_records
from matcher.model import FrameKind, Resolution
from matcher.store.sqlite import SqliteStore

from .factory import DATABASE_KEY, EPOCH, NEXT_EPOCH, Sighting, tokens
from .reference_life import Case, Input, Life
from .states import HUMANS, PEOPLE, REFS, States
from .world import World

_PATIENCE = 60.0
_GENERATION = 20
"""Cycles on one database."""
_EARLY, _LATER = 0.1, 0.15
"""Seconds after its start, or after it began to work, in which a process is killed."""
_OFTEN = {
    FrameKind.RECORDS: 4,
    FrameKind.CONTACTS: 2,
    FrameKind.REMOVALS: 1,
    FrameKind.ANSWER: 1,
    FrameKind.RETIREMENT: 0.5,
}
_FILES = ("matcher.db", "matcher.db-wal", "matcher.db.tally", "matcher.db.sum")


@dataclass
class Found:
    """What a run did."""

    cycles: int = 0
    frames: int = 0
    matched: int = 0
    alerts: int = 0
    unacknowledged: int = 0
    """Frames that were on disk though nobody was told."""


Word: TypeAlias = tuple[str, Input | int | None]
"""What a process said: that it works, what it will commit, that it did, how many frames it matched together."""


class Kills:
    """One database and its oracle. `States` holds them together."""

    steps = 0
    person_id = States.person_id
    the_log_is_as_the_oracle_says = States.the_log_is_as_the_oracle_says

    def __init__(self, folder: Path, chosen: Random) -> None:
        self.path = folder / "live" / "matcher.db"
        self.path.parent.mkdir(parents=True)
        self.copy = folder / "copy"
        self.chosen = chosen
        self.life = Life(quiet_seconds=60)
        self.days = self.seconds = 0
        self.epoch = EPOCH
        self.marks: dict[str, int] = {}
        self.parked: set[tuple[str, int]] = set()

    def cycle(self, found: Found) -> None:
        """Let a process work and kill it; compare."""
        self.days += self.chosen.choice([0, 0, 0, 1, 40])
        self.seconds = (self.seconds + self.chosen.choice([0, 30, 60])) % 86000
        self.epoch = self.chosen.choice([self.epoch, self.epoch, EPOCH, NEXT_EPOCH])
        early, seed = self.chosen.random() < 0.25, self.chosen.random()
        reader, writer = os.pipe()
        process = os.fork()
        if not process:
            os.close(reader)
            try:
                self.chosen = Random(seed)
                self._work(writer)
            finally:
                os._exit(1)  # work never ends
        os.close(writer)
        if not early:
            select.select([reader], [], [], _PATIENCE)
        time.sleep(self.chosen.uniform(0, _EARLY if early else _LATER))
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        assert os.WIFSIGNALED(status), "the process ended by itself"
        with os.fdopen(reader, "rb") as said:
            words = _read(said.read())
        self._compare(words, found)

    told = States.told

    def _work(self, writer: int) -> None:
        world = self._world(SqliteStore(self.path, DATABASE_KEY))
        numbers = len(self.life.frames)
        os.write(writer, pickle.dumps(("works", None)))
        while True:
            if self.chosen.random() < 0.5:
                through = world.store.matched_through
                if world.pipeline.match_next():
                    os.write(writer, pickle.dumps(("matched", world.store.matched_through - through)))
                continue
            frame = self._input(world)
            os.write(writer, pickle.dumps(("will", frame)))
            numbers += 1
            self._commit(world, frame, numbers)
            os.write(writer, pickle.dumps(("did", None)))

    def _world(self, store: SqliteStore) -> World:
        world = World(store, quiet_seconds=60)
        world.today += self.days
        world.seconds = self.seconds
        world.epoch = self.epoch
        return world

    def _input(self, world: World) -> Input:
        chosen, now, agency = self.chosen, world._now(), self.chosen.choice(PEOPLE)
        refs = chosen.sample(REFS, chosen.randint(1, 2))
        kind = chosen.choices(list(_OFTEN), list(_OFTEN.values()))[0]
        open_cases = [name for name, case in self.life.cases.items() if not case.closed_at]
        if open_cases and chosen.random() < 0.1:
            return Input(FrameKind.CLOSURE, "", chosen.choice(open_cases), now)
        if kind is FrameKind.ANSWER and len(self.life.records) > 1:
            pair = frozenset(chosen.sample(sorted(self.life.records), 2))
            return Input(kind, "", (pair, chosen.choice(list(Resolution)), chosen.choice([0, now + 86400])), now)
        if kind is FrameKind.CONTACTS:
            return Input(kind, agency, [(ref, world.today - chosen.choice([0, 0, 1, 30])) for ref in refs], now)
        if kind is FrameKind.REMOVALS:
            return Input(kind, agency, refs[:1], now)
        if kind is FrameKind.RETIREMENT:
            return Input(kind, "", (EPOCH + NEXT_EPOCH - self.epoch, chosen.choice([1, 100])), now)
        sightings = [Sighting(ref, chosen.choice(HUMANS), world.today) for ref in refs]
        return Input(FrameKind.RECORDS, agency, sightings, now, chosen.random() < 0.2, self.epoch)

    def _commit(self, world: World, frame: Input, number: int) -> None:
        about = frame.about
        world._requests = number
        if frame.kind is FrameKind.RECORDS:
            payload, epoch = pack_records(tokens(frame.agency, *about, epoch=frame.epoch)), frame.epoch
            offset = world.store.next_offset(frame.agency, "f")
            world.store.append(frame.agency, "f", offset, len(about), epoch, payload, frame.at, frame.backfill)
        elif frame.kind is FrameKind.CONTACTS:
            world.meet_each(frame.agency, about)
        elif frame.kind is FrameKind.REMOVALS:
            world.remove(frame.agency, *about)
        elif frame.kind is FrameKind.ANSWER:
            pair, resolution, expires_at = about
            world.answer_pair(*sorted(pair), resolution, expires_at)
        elif frame.kind is FrameKind.RETIREMENT:
            world.retire(*about)
        else:
            world.store.close_case(about, EPOCH, pack_closure(about), frame.at)
            self.life.cases[about].closed_at = frame.at  # of this process alone: it closes each case once

    def _compare(self, words: list[Word], found: Found) -> None:
        """Open a copy of what was left, and hold it to the oracle; the process to come finds it untouched."""
        shutil.rmtree(self.copy, ignore_errors=True)
        self.copy.mkdir()
        for name in _FILES:
            if (file := self.path.with_name(name)).exists():
                shutil.copy(file, self.copy)
        self.store = SqliteStore(self.copy / "matcher.db", DATABASE_KEY)
        try:
            self.world = self._world(self.store)
            committed = self.store.committed_through - len(self.life.frames)
            told = [word for word, _ in words]
            acknowledged = told.count("did")
            assert acknowledged <= committed <= told.count("will") <= acknowledged + 1
            before, last = self.life.matched, self.store.committed_through
            for _, about in words:  # in order: a case closed after a frame was matched was open then
                if isinstance(about, int):
                    self.life.match(about, self.world._now())
                elif about is not None and len(self.life.frames) < last:
                    self.life.frames.append(about)
                    if about.kind is FrameKind.CLOSURE:
                        self.life.cases[about.about].closed_at = about.at
            if (left := self.store.matched_through - self.life.matched) > 0:  # killed before it could say so
                self.life.match(left, self.world._now())
            assert self.life.matched == self.store.matched_through
            States.it_is_as_the_oracle_says(self)
            found.cycles += 1
            found.frames += committed
            found.matched += self.life.matched - before
            found.alerts = max(found.alerts, len(self.life.log))
            found.unacknowledged += committed - acknowledged
        finally:
            self.store.close()

    def open_case(self) -> None:
        """Between two processes, open a case, undisturbed."""
        free = [oldest for oldest in self.life.told if all(case.person != oldest for case in self.life.cases.values())]
        if free:
            person, name = self.chosen.choice(sorted(free)), self.chosen.randbytes(16)
            store = SqliteStore(self.path, DATABASE_KEY)
            world = self._world(store)
            store.open_case(name, world.pipeline._names.person(person), world._now())
            self.life.cases[name] = Case(person, world._now(), max(world.today, self.life.today))
            store.close()


def _read(said: bytes) -> list[Word]:
    """What a process said: what it will commit, that it did, that it matched; the last word may be cut short."""
    words, stream = [], BytesIO(said)
    while True:
        try:
            words.append(pickle.load(stream))
        except (EOFError, pickle.UnpicklingError):
            return words


def _load() -> None:
    """Have compiled loops loaded before processes are forked, or most would be killed while they load them."""
    world = World()
    for agency in PEOPLE:
        world.send(agency, Sighting("x", HUMANS[0]))
    world.settle()


def run(cycles: int, start: int) -> Found:
    """So many kills; the first difference is an `AssertionError`."""
    found, chosen = Found(), Random(start)
    _load()
    while found.cycles < cycles:
        folder = Path(tempfile.mkdtemp())
        try:
            kills = Kills(folder, chosen)
            for _ in range(min(_GENERATION, cycles - found.cycles)):
                kills.cycle(found)
                if chosen.random() < 0.2:
                    kills.open_case()
        finally:
            shutil.rmtree(folder)
    return found


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.disable()
    began = time.monotonic()
    found = run(given.cycles, given.seed)
    sys.stdout.write(f"{found}, seed {given.seed}, no difference, {time.monotonic() - began:.0f} s\n")


if __name__ == "__main__":
    main()
