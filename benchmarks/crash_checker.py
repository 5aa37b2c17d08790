"""What must hold after a crash: an oracle that was never disturbed, and what a database and a coordinator are held to.

The oracle is given the input that was acknowledged, in a store in memory, and matches it in one go.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from benchmarks.crash_feed import Plan
from benchmarks.demo import latest_by_person
from matcher.agency.keys import AliasKey
from matcher.agency.push import TokenFileSource
from matcher.clustering.resolve import Person
from matcher.config import ServerConfig
from matcher.frame import pack_aliases, pack_records
from matcher.model import FrameKind
from matcher.pipeline import Pipeline
from matcher.scoring.model import MatchModel
from matcher.service.server import scorer_of, settings_of
from matcher.store.base import Store
from matcher.store.memory import MemoryStore
from matcher.store.sqlite import SqliteStore
from matcher.wire import Limits, read_batch

Members: TypeAlias = frozenset[tuple[str, bytes]]
"""Records of a person: agency and alias."""


@dataclass(slots=True)
class Findings:
    """What was found wrong; all 0 if the guarantees hold."""

    acknowledged_lost: int = 0
    """Feeds that do not reach an offset which was acknowledged."""
    persons_differ: int = 0
    """Persons of the database or of the oracle that the other does not have."""
    told_differ: int = 0
    """Persons that one side was told of and the other not, or of other agencies."""
    sequences_wrong: int = 0
    """Gaps and repeated names in the alert log."""
    received_wrong: int = 0
    """Alerts that a coordinator received out of order, otherwise than they stand in the log, or not at all."""

    def total(self) -> int:
        """All of them."""
        return sum(getattr(self, each.name) for each in fields(self))


@dataclass(frozen=True, slots=True)
class Log:
    """An alert log, for comparing with what was received."""

    alert_ids: list[str]
    """In order of sequence, from 1."""
    told: set[str]
    """Names of the persons told of."""


class Oracle:
    """Everything acknowledged so far, matched undisturbed."""

    def __init__(self, config: ServerConfig, day: int) -> None:
        self._config = config
        self._limits = Limits(config.epoch, config.max_batch_records, day)
        self._now = day * 86400
        self._store = MemoryStore()
        self.pipeline = pipeline_over(self._store, config)

    def take(self, agency: str, plan: Plan, key: AliasKey) -> None:
        """Take what an agency sent in a cycle."""
        for number, message in enumerate(TokenFileSource(Path(plan.tokens)).batches(0)):
            batch = read_batch(message, self._config.scheme, self._limits)
            self._submit(agency, f"{plan.request}-{number}", FrameKind.RECORDS, pack_records(batch))
        for references, kind in ((plan.met, FrameKind.CONTACTS), (plan.removed, FrameKind.REMOVALS)):
            if references:
                aliases = np.frombuffer(b"".join(map(key.alias, references)), np.uint8).reshape(-1, 16)
                days = np.full(len(references), plan.day, np.int32) if kind is FrameKind.CONTACTS else None
                self._submit(agency, f"{plan.request}-{kind.name}", kind, pack_aliases(kind, aliases, days))
        self.pipeline.match_all()

    def _submit(self, agency: str, request: str, kind: FrameKind, payload: bytes) -> None:
        self._store.submit(agency, request, kind, self._config.epoch, payload, b"", self._now)


def pipeline_over(store: Store, config: ServerConfig) -> Pipeline:
    """A pipeline as the service would make it."""
    return Pipeline(store, scorer_of(config, MatchModel.shipped(config.scheme)), settings_of(config))


@contextmanager
def left_behind(config: ServerConfig) -> Iterator[SqliteStore]:
    """A copy of what a killed matcher left, opened; the files themselves stay as the matcher will find them."""
    database = config.database
    with tempfile.TemporaryDirectory() as folder:
        for name in (database.name, f"{database.name}-wal", f"{database.name}.tally"):
            if database.with_name(name).exists():
                shutil.copy(database.with_name(name), folder)
        store = SqliteStore(Path(folder) / database.name, config.read_database_key())
        try:
            yield store
        finally:
            store.close()


def check_store(store: SqliteStore, oracle: Oracle, config: ServerConfig, findings: Findings) -> Log:
    """Compare persons, what was told and the log's sequences; the log."""
    pipeline = pipeline_over(store, config)
    pipeline.match_all()
    named, expected = _persons(pipeline), _persons(oracle.pipeline)
    findings.persons_differ += len(set(named.values()) ^ set(expected.values()))
    told, should = _told(pipeline), _told(oracle.pipeline)
    findings.told_differ += len(set(told.items()) ^ set(should.items()))
    alerts = store.alerts_after(0, store.last_sequence)
    findings.sequences_wrong += sum(alert.sequence != n for n, alert in enumerate(alerts, 1))
    findings.sequences_wrong += len(alerts) - len({alert.alert_id for alert in alerts})
    known = {person_id.hex() for person_id, members in named.items() if members in told}
    return Log([alert.alert_id.hex() for alert in alerts], known)


def check_received(received: Path, log: Log, findings: Findings) -> None:
    """Compare what a coordinator wrote down with the log."""
    lines = read_lines(received)
    highest = 0
    for line in lines:
        skipped = line["sequence"] > highest + 1
        findings.received_wrong += skipped or line["alert_id"] not in log.alert_ids[line["sequence"] - 1 :][:1]
        highest = max(highest, line["sequence"])
    findings.received_wrong += len(log.alert_ids) - highest
    latest = latest_by_person(list({line["sequence"]: line for line in lines}.values()))
    findings.told_differ += len(latest.keys() ^ log.told)


def read_lines(received: Path) -> list[dict[str, Any]]:
    """The alerts that a coordinator wrote down, in order, but for a line it has not finished."""
    text = received.read_text() if received.exists() else ""
    return [json.loads(line) for line in text.split("\n")[:-1]]


def _persons(pipeline: Pipeline) -> dict[bytes, Members]:
    everyone = pipeline.persons.people(pipeline.persons.everyone())
    return {pipeline.person_id(person): _members(pipeline, person) for person in everyone}


def _told(pipeline: Pipeline) -> dict[Members, int]:
    """Persons of whom the coordinator knows, and at which agencies, as bits in the configuration's order."""
    told = pipeline.alerting.told
    known = told.persons()[~told.dormant(told.persons())]
    people, agencies = pipeline.persons.people(known), told.agencies(known).tolist()
    return {_members(pipeline, person): at for person, at in zip(people, agencies, strict=True)}


def _members(pipeline: Pipeline, person: Person) -> Members:
    alerting, registry = pipeline.alerting, pipeline.registry
    return frozenset((alerting.agency_of(record).name, registry.alias(record)) for record in person.records)
