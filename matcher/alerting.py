"""From persons to alerts: where a person is active, what the coordinator was told, and what it is told next.

What is remembered here is a pure function of the store, as all memory of the pipeline is.
"""

import secrets
from collections.abc import Callable, Iterable
from typing import NamedTuple

from matcher.alerts.policy import RULE_VERSION, Draft, Standing, decide, tell
from matcher.clustering.resolve import Person
from matcher.model import (
    HEALTH,
    POLICE,
    UNKNOWN_DAY,
    Alert,
    AlertKind,
    AlertMember,
    Case,
    ClosedRecord,
    Closure,
    ConfidenceBand,
    Frame,
    RemovalNotice,
)
from matcher.naming import Names
from matcher.registry import Registry
from matcher.scoring.decision import confidence
from matcher.settings import DAY_SECONDS, AgencyInfo, Settings
from matcher.store.base import Store

_PAGE = 1000
_ALERT_ID_BYTES = 16


class Seal(NamedTuple):
    """What opens a record's reference with the coordinator's private key, and the reference."""

    encapsulation: bytes
    sealed: bytes
    epoch: int


class Alerting:
    """See the module. `seal` reads a record's seal from its frame; `now`: seconds since 1970-01-01 UTC."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        names: Names,
        settings: Settings,
        seal: Callable[[int], Seal],
        now: Callable[[], float],
    ) -> None:
        self._registry = registry
        self._names = names
        self._settings = settings
        self._seal = seal
        self._now = now
        self.told: dict[bytes, frozenset[str]] = {}
        """By person the coordinator knows of: the agencies it was told."""
        sequence = 0
        while alerts := store.alerts_after(sequence, _PAGE):
            for alert in alerts:
                tell(self.told, alert.kind, alert.person_id, frozenset(alert.agencies))
            sequence = alerts[-1].sequence
        self._sequence = store.last_sequence
        self._closed = {closed.record: closed for closed in store.closed_records()}

    def alerts(self, frame: Frame, before: Iterable[Person], after: Iterable[Person]) -> list[Alert]:
        """What to tell when a frame made persons (`after`) of others that are no more (`before`)."""
        today = frame.committed_at // DAY_SECONDS
        persons = {self.person_id(person): person for person in after}
        records_before = {self.person_id(person): frozenset(person.records) for person in before}
        standings = [self._standing(person_id, person, today) for person_id, person in persons.items()]
        alerts = []
        for draft in decide(self.told, records_before, standings):
            self._sequence += 1
            alert = self._alert(draft, persons.get(draft.person_id), today)
            tell(self.told, alert.kind, alert.person_id, frozenset(alert.agencies))
            alerts.append(alert)
        return alerts

    def close(self, frame: Frame, case: Case, records: Iterable[int]) -> Closure:
        """Ask for the removal of a person's records, and say nothing more about them until the person is met again."""
        closed = tuple(ClosedRecord(record, frame.committed_at // DAY_SECONDS, frame.frame_id) for record in records)
        self._closed |= {each.record: each for each in closed}
        self.told.pop(case.person_id, None)
        return Closure(
            case_id=case.case_id,
            person_id=case.person_id,
            records=closed,
            notices=tuple(
                RemovalNotice(
                    notice_id=self._names.notice(frame.frame_id, each.record),
                    agency=self.agency_of(each.record).name,
                    alias=self._registry.alias(each.record),
                    closed_at=frame.committed_at,
                )
                for each in closed
            ),
        )

    def forget(self, record: int) -> None:
        """Drop the closure day of a record that is gone for good."""
        self._closed.pop(record, None)

    def agency_of(self, record: int) -> AgencyInfo:
        """The agency that holds a record."""
        return self._settings.agencies[self._registry.agency(record)]

    def person_id(self, person: Person) -> bytes:
        """The person's name: it stands for the oldest record, and means nothing outside this database."""
        return self._names.person(person.records[0])

    def _standing(self, person_id: bytes, person: Person, today: int) -> Standing:
        active = frozenset(self.agency_of(record).name for record in person.records if self._active(record, today))
        restricted = any(self._registry.restricted(record) for record in person.records)
        return Standing(person_id, frozenset(person.records), active, restricted)

    def _active(self, record: int, today: int) -> bool:
        """Whether a record counts: met inside the look-back window, and after the last closure."""
        day, closed = self._registry.day(record), self._closed.get(record)
        if day == UNKNOWN_DAY:
            return closed is None or self._registry.place(record).frame_id > closed.frame_id
        return day > today - self._settings.look_back_days and (closed is None or day > closed.day)

    def _alert(self, draft: Draft, person: Person | None, today: int) -> Alert:
        about_members = draft.kind not in (AlertKind.WITHDRAWN, AlertKind.MERGED)
        members: tuple[AlertMember, ...] = ()
        if about_members and person is not None:
            members = tuple(self._member(record) for record in person.records if self._active(record, today))
        sectors = {member.sector for member in members}
        return Alert(
            sequence=self._sequence,
            alert_id=secrets.token_bytes(_ALERT_ID_BYTES),  # drawn, so that no restored backup gives one again
            kind=draft.kind,
            person_id=draft.person_id,
            agencies=tuple(sorted({member.agency for member in members})),
            members=members,
            confidence=confidence(person.weakest) if members and person else ConfidenceBand.UNSPECIFIED,
            health_present=HEALTH in sectors,
            police_present=POLICE in sectors,
            surviving_person_id=draft.survivor,
            rule_version=RULE_VERSION,
            raised_at=int(self._now()),
        )

    def _member(self, record: int) -> AlertMember:
        seal, agency = self._seal(record), self.agency_of(record)
        return AlertMember(
            record=record,
            agency=agency.name,
            sector=agency.sector,
            alias=self._registry.alias(record),
            encapsulation=seal.encapsulation,
            sealed=seal.sealed,
            observed_day=self._registry.day(record),
            epoch=seal.epoch,
        )
