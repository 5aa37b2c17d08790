"""A pipeline, its store and a clock, in the words of people and agencies."""

import hashlib
from dataclasses import dataclass

import numpy as np

from matcher.clustering.resolve import Person
from matcher.frame import pack_aliases, pack_answer, pack_closure, pack_records, pack_retirement
from matcher.model import DAY_SECONDS, Alert, AlertKind, Answer, FrameKind, Resolution
from matcher.pipeline import Pipeline
from matcher.settings import AgencyInfo, Settings
from matcher.store.base import Store
from matcher.store.memory import MemoryStore

from .factory import AGENCIES, EPOCH, TODAY, Sighting, alias, scorer, tokens

Name = tuple[str, str]
"""Agency and reference of a record."""


@dataclass(frozen=True)
class Told:
    """An alert, for comparing."""

    kind: AlertKind
    members: frozenset[Name]


class World:
    """See the module. Nothing is matched before `settle`, which every reader of results calls."""

    def __init__(
        self, store: Store | None = None, quiet_seconds: int = 0, agencies: tuple[AgencyInfo, ...] = AGENCIES
    ) -> None:
        self.store = store or MemoryStore()
        self.today = TODAY
        self.seconds = 0
        self.epoch = EPOCH
        """Of the key that agencies tokenise with."""
        settings = Settings(agencies, look_back_days=100, quiet_seconds=quiet_seconds)
        self.pipeline = Pipeline(self.store, scorer(), settings, self._now)
        self._names: dict[bytes, Name] = {}
        self._requests = 0
        self._seen = 0

    # -- what agencies and the coordinator do ------------------------------------------------------------------------

    def send(self, agency: str, *sightings: Sighting, backfill: bool = False) -> None:
        """Append records to the agency's feed."""
        for each in sightings:
            self._names[alias(agency, each.ref)] = (agency, each.ref)
        batch = tokens(agency, *sightings, epoch=self.epoch)
        offset = self.store.next_offset(agency, "f")
        self.store.append(agency, "f", offset, len(sightings), self.epoch, pack_records(batch), self._now(), backfill)

    def meet(self, agency: str, *refs: str, day: int | None = None) -> None:
        """Report contacts."""
        self.meet_each(agency, [(ref, self.today if day is None else day) for ref in refs])

    def meet_each(self, agency: str, met: list[tuple[str, int]]) -> None:
        """Report contacts, each on a day of its own."""
        aliases, days = _aliases(agency, tuple(ref for ref, _ in met)), np.array([day for _, day in met], np.int32)
        self._submit(agency, FrameKind.CONTACTS, pack_aliases(FrameKind.CONTACTS, aliases, days))

    def remove(self, agency: str, *refs: str) -> None:
        """Remove records."""
        self._submit(agency, FrameKind.REMOVALS, pack_aliases(FrameKind.REMOVALS, _aliases(agency, refs)))

    def retire(self, epoch: int, most: int = 1000) -> None:
        """Retire an epoch, at most so many of its records."""
        self._submit("", FrameKind.RETIREMENT, pack_retirement(epoch, most))

    def answer(self, a: Name, b: Name, resolution: Resolution, expires_at: int = 0) -> None:
        """A reviewer's answer."""
        self.answer_pair(*sorted((self.record(a), self.record(b))), resolution, expires_at)

    def answer_pair(self, left: int, right: int, resolution: Resolution, expires_at: int = 0) -> None:
        """A reviewer's answer about two record numbers, left < right."""
        self._submit("", FrameKind.ANSWER, pack_answer(Answer(left, right, resolution, "reviewer", expires_at)))

    def open_case(self, name: Name) -> bytes:
        """Open a case for the person a record belongs to; the case's name."""
        self._requests += 1
        return self.store.open_case(self._requests.to_bytes(16, "big"), self.person_id(name), self._now())

    def decide(self, case_id: bytes, decision_id: str) -> None:
        """Record a decision, which reviews the case."""
        self.settle()
        self.store.record_decision(case_id, decision_id, frozenset({"health", "police"}), self._now())

    def sleep(self, days: int = 0, seconds: int = 0) -> None:
        """Let time pass in which nobody does anything."""
        self.settle()
        self.today += days
        self.seconds += seconds
        self.pipeline.pass_time()

    def close_case(self, case_id: bytes) -> None:
        """Close a case."""
        self.store.close_case(case_id, EPOCH, pack_closure(case_id), self._now())

    # -- what comes of it --------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Match what is committed."""
        self.pipeline.match_all()

    def record(self, name: Name) -> int:
        """Number of a record, -1 if it is gone."""
        self.settle()
        agency = [each.name for each in AGENCIES].index(name[0])
        return int(self.pipeline.registry.find(agency, _aliases(name[0], name[1:]))[0])

    def person(self, name: Name) -> Person | None:
        """The person a record belongs to."""
        return self.pipeline.persons.person_of(self.record(name))

    def person_id(self, name: Name) -> bytes:
        """Name of the person a record belongs to; it must be one."""
        person = self.person(name)
        assert person is not None
        return self.pipeline.person_id(person)

    def persons(self) -> set[frozenset[Name]]:
        """All persons."""
        self.settle()
        found = {self.pipeline.persons.person_of(record) for record in range(self.pipeline.registry.count)}
        return {self._members(person) for person in found if person}

    def told(self) -> dict[frozenset[Name], frozenset[str]]:
        """Persons the coordinator knows of, and the agencies it was told."""
        self.settle()
        told, agencies = self.pipeline.alerting.told, self.pipeline.settings.agencies
        known = told.persons()[~told.dormant(told.persons())]
        assert self.pipeline.persons.oldest(known).tolist() == known.tolist()
        return {
            self._members(person): frozenset(each.name for bit, each in enumerate(agencies) if at >> bit & 1)
            for person, at in zip(self.pipeline.persons.people(known), told.agencies(known).tolist(), strict=True)
        }

    def told_ids(self) -> list[bytes]:
        """Names of all persons the coordinator was told of, dormant ones too."""
        return self.pipeline._names.persons(self.pipeline.alerting.told.persons())

    def queue(self) -> set[frozenset[Name]]:
        """Pairs a reviewer is asked about."""
        self.settle()
        return {frozenset(self._name(record) for record in pair) for pair in self.pipeline.persons.possible_matches()}

    def new_alerts(self) -> list[Alert]:
        """Alerts since the last call."""
        self.settle()
        alerts = self.store.alerts_after(self._seen, 1000)
        self._seen = self.store.last_sequence
        return alerts

    def news(self) -> list[Told]:
        """Kinds and members of the alerts since the last call."""
        alerts = self.new_alerts()
        return [
            Told(alert.kind, frozenset(self._names[member.alias] for member in members))
            for alert, members in zip(alerts, self.pipeline.disclosures(alerts), strict=True)
        ]

    def memory(self) -> dict[str, object]:
        """All that memory knows, but for where rows lie in the index."""
        self.settle()
        pipeline, registry = self.pipeline, self.pipeline.registry
        told, persons = pipeline.alerting.told, pipeline.alerting.told.persons()
        held = [record for record in range(registry.count) if registry.agency(record) >= 0]
        return {
            "count": registry.count,
            "today": pipeline.today,
            "records": [
                (
                    *(record, registry.agency(record), registry.alias(record), registry.place(record)),
                    *(registry.day(record), registry.restricted(record), len(registry.rows(record))),
                    int(registry.epochs(np.array(record))),
                    sorted(pipeline.persons.entries(record).items()),
                    pipeline.persons.person_of(record),
                )
                for record in held
            ],
            "queue": pipeline.persons.possible_matches(),
            "told": [persons.tolist(), told.dormant(persons).tolist(), told.agencies(persons).tolist()],
            "told at": told._at[persons].tolist(),
            "held": np.flatnonzero(pipeline.alerting._held).tolist(),
            "closed": pipeline.alerting._closed,
            "sequence": pipeline.alerting._sequence,
            "frames": {
                frame_id: (frame.numbers.tolist(), frame.sealed.tolist(), frame.encapsulation)
                for frame_id, frame in pipeline._intake.frames._held.items()
            },
        }

    def _name(self, record: int) -> Name:
        return self._names[self.pipeline.registry.alias(record)]

    def _members(self, person: Person) -> frozenset[Name]:
        return frozenset(self._name(record) for record in person.records)

    def _submit(self, agency: str, kind: FrameKind, payload: bytes) -> None:
        self._requests += 1
        digest = hashlib.sha256(payload).digest()
        self.store.submit(agency, f"r{self._requests}", kind, EPOCH, payload, digest, self._now())

    def _now(self) -> int:
        return self.today * DAY_SECONDS + self.seconds


def _aliases(agency: str, refs: tuple[str, ...]) -> np.ndarray:
    return np.frombuffer(b"".join(alias(agency, ref) for ref in refs), np.uint8).reshape(-1, 16)
