"""From persons to alerts: where a person is active, what the coordinator was told, and what it is told next.

What is remembered here is a pure function of the store, as all memory of the pipeline is. A person goes by the number
of its oldest record; columns are by person or by record.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matcher.alerts.policy import ENOUGH_AGENCIES, RULE_VERSION, Drafts, Standings, Told, decide
from matcher.clustering.graph import Numbers
from matcher.clustering.persons import People
from matcher.clustering.resolve import Person
from matcher.model import (
    ALERT_KINDS,
    CONFIDENCE_BANDS,
    HEALTH,
    POLICE,
    UNKNOWN_DAY,
    Alert,
    AlertKind,
    AlertMember,
    Case,
    ClosedRecord,
    Closure,
    Contact,
    Frame,
    FrameKind,
    RemovalNotice,
)
from matcher.naming import Names
from matcher.registry import Registry
from matcher.scoring.decision import confidence
from matcher.settings import MOST_AGENCIES, AgencyInfo, Settings
from matcher.store.base import Store, Tellings

_NONE = np.empty(0, np.int64)
_WITHOUT_MEMBERS = (AlertKind.NO_LONGER_IDENTIFIED, AlertKind.WITHDRAWN, AlertKind.MERGED)
"""They say of whom they are, and nothing that was not said before."""
_OF_RECORDS_ALONE = frozenset({FrameKind.RECORDS, FrameKind.TIME})
"""Frames of which whatever they tell comes of records that were sent: not of a contact, an answer or a removal."""
_ANOTHER_AGENCY = MOST_AGENCIES
"""Bit of all agencies that are not of the configuration (any more)."""


class _Active(NamedTuple):
    """Records of some people, in columns (m,) as `People.records`."""

    agencies: Numbers
    days: Numbers
    active: NDArray[np.bool_]


class _Said(NamedTuple):
    """What an alert says of the agencies that a person is active at."""

    agencies: tuple[str, ...]
    health: bool
    police: bool


def _moved(reviews: Mapping[int, int], drafts: Drafts) -> dict[int, int]:
    """Reviews of the open cases that merges bring to a survivor, where its own case, if any, does not wait to escalate
    anyway."""
    moved: dict[int, int] = {}
    if reviews:
        escalated = set(drafts.persons[drafts.kinds == AlertKind.ESCALATION].tolist())
        merged = drafts.kinds == AlertKind.MERGED
        for person, survivor in zip(drafts.persons[merged].tolist(), drafts.survivors[merged].tolist(), strict=True):
            if person in reviews:
                own = {} if survivor in escalated else reviews
                day = reviews[person]
                moved[survivor] = max(day, moved.get(survivor, day), own.get(survivor, day))
    return moved


class Alerting:
    """See the module. `now`: seconds since 1970-01-01 UTC; `told`: what the store's alerts told."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        names: Names,
        settings: Settings,
        now: Callable[[], float],
        told: Iterable[Tellings],
    ) -> None:
        self._store = store
        self._registry = registry
        self._names = names
        self._settings = settings
        self._now = now
        self._bits = {agency.name: bit for bit, agency in enumerate(settings.agencies)}
        self._said_of: dict[int, _Said] = {}
        self._set_of: dict[tuple[str, ...], int] = {}
        """Sets of agencies, as bits: what is said of each, and by its names. There are few."""
        self.told = Told()
        self._held = np.zeros(0, np.bool_)
        """By person: whether a further agency is known that its quiet period keeps back."""
        self.told.reserve(registry.count)
        for tellings in told:
            self._follow(tellings)
        self._sequence = store.last_sequence
        self._day = 0
        """The day of which alerts were last."""
        self._closed = {closed.record: closed for closed in store.closed_records()}

    def alerts(
        self, frame: Frame, today: int, before: People, heirs: Numbers, after: People, contacts: Iterable[Contact]
    ) -> list[Alert]:
        """What to tell when a frame made persons (`after`) of others that are no more (`before`), or persons are to be
        looked at though they stayed as they were. `heirs`: by person of `before` the place in `after` of the one person
        that has records of it, -1 if there is none or more than one. `contacts`: those not in the store yet."""
        self.told.reserve(self._registry.count)
        met: dict[int, set[int]] = {}
        for record, day in contacts:
            met.setdefault(record, set()).add(day)
        reviews = {self._names.oldest_record(person_id): day for person_id, day in self._store.reviews().items()}
        records = self._records(after, today)
        now = self._standings(after, records, self._contacted(after, reviews, today, met))
        drafts = decide(self.told, before.oldest, heirs, now)
        self._hold(before.oldest, None)
        alerts: list[Alert] = []
        # what a day that begins changes is none of the frame it begins with
        backfill, self._day = frame.backfill and today == self._day, today
        of_loads = self._of_loads(after, records, of_records_alone=frame.kind in _OF_RECORDS_ALONE)
        while len(drafts.kinds):
            alerts += self._alerts(drafts, now, after, records, backfill, of_loads)
            if not (reviews := _moved(reviews, drafts)):
                break
            now = replace(now, contacted=self._contacted(after, reviews, today, met))
            drafts = decide(self.told, _NONE, _NONE, now)
        self._hold(now.persons, now)
        return alerts

    def hold(self, today: int, people: People) -> None:
        """Find the persons whose quiet period keeps something back, among those the coordinator was told of; `today` is
        the day that alerts were last of."""
        self._day = today
        standings = self._standings(people, self._records(people, today), np.zeros(len(people), np.bool_))
        self._hold(standings.persons, standings)

    def due(self) -> Numbers:
        """Persons whose quiet period kept something back and is over."""
        held = np.flatnonzero(self._held)
        return held[~self._quiet(held)]

    def close(self, frame: Frame, today: int, case: Case, records: Iterable[int]) -> Closure:
        """Ask for the removal of a person's records, and say nothing more about them until the person is met again."""
        # of a record met on a day still to come, that one: it was known before
        closed = tuple(
            ClosedRecord(record, max(today, self._registry.day(record)), frame.frame_id) for record in records
        )
        self._closed |= {each.record: each for each in closed}
        if 0 <= (person := self._names.oldest_record(case.person_id)) < self._registry.count:
            self.told.forget(person)
            self._hold(np.array([person]), None)
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

    def active(self, person: Person, today: int) -> set[int]:
        """Records of a person that count: those that an alert names."""
        people = People.of([person])
        return set(people.records[self._records(people, today).active].tolist())

    def unsaid(self, person: Person, today: int) -> tuple[AlertMember, ...]:
        """Active records of a person that would be told of if none of its records were restricted; else empty."""
        people = People.of([person])
        records = self._records(people, today)
        now = self._standings(people, records, np.zeros(1, np.bool_))
        if not now.restricted[0] or not replace(now, restricted=np.zeros(1, np.bool_)).known_to()[0]:
            return ()
        rows = zip(person.records, records.days.tolist(), records.active.tolist(), strict=True)
        return tuple(AlertMember(record, self.agency_of(record).name, day) for record, day, active in rows if active)

    # -- what was told -----------------------------------------------------------------------------------------------

    def _follow(self, tellings: Tellings) -> None:
        for agencies in set(tellings.agencies) - self._set_of.keys():
            bits = {1 << self._bits.get(agency, _ANOTHER_AGENCY) for agency in agencies}
            self._set_of[agencies] = sum(bits)
        self.told.follow(
            np.array(tellings.kinds),
            self._names.oldest_records(tellings.person_ids),
            np.array([self._set_of[agencies] for agencies in tellings.agencies], np.uint64),
            np.array(tellings.raised_at),
            self._names.oldest_records(tellings.surviving_person_ids),
        )

    def _hold(self, persons: Numbers, now: Standings | None) -> None:
        """Note of some persons whether something is kept back; nothing is of persons that are no more."""
        if now is None:
            held = np.zeros(len(persons), np.bool_)
        else:
            held = self.told.known(persons) & ((now.known_to() & ~self.told.agencies(persons)) != 0)
        if held.any() and len(self._held) < self._registry.count:
            self._held = np.pad(self._held, (0, self._registry.count - len(self._held)))
        inside = persons < len(self._held)
        self._held[persons[inside]] = held[inside]

    def _quiet(self, persons: Numbers) -> NDArray[np.bool_]:
        return self.told.quiet(persons, int(self._now()), self._settings.quiet_seconds)

    # -- how persons stand -------------------------------------------------------------------------------------------

    def _records(self, people: People, today: int) -> _Active:
        """Which records count: those met inside the look-back window, and after their last closure."""
        records = people.records
        days = self._registry.days(records)
        active = (days == UNKNOWN_DAY) | (days > today - self._settings.look_back_days)
        if self._closed:
            for i in [i for i, record in enumerate(records.tolist()) if record in self._closed]:
                closed = self._closed[int(records[i])]
                if days[i] == UNKNOWN_DAY:
                    active[i] = self._registry.place(closed.record).frame_id > closed.frame_id
                else:
                    active[i] &= days[i] > closed.day
        return _Active(self._registry.agencies(records), days, active)

    def _standings(self, people: People, records: _Active, contacted: NDArray[np.bool_]) -> Standings:
        held = records.agencies >= 0
        bits = np.where(held, np.uint64(1) << np.where(held, records.agencies, 0).astype(np.uint64), 0)
        starts, persons = people.offsets[:-1], people.oldest
        return Standings(
            persons=persons,
            agencies=np.bitwise_or.reduceat(np.where(records.active, bits, 0), starts),
            holders=np.bitwise_or.reduceat(bits, starts),
            restricted=np.logical_or.reduceat(self._registry.are_restricted(people.records), starts),
            contacted=contacted,
            quiet=self._quiet(persons),
        )

    def _contacted(
        self, people: People, reviews: Mapping[int, int], today: int, met: Mapping[int, set[int]]
    ) -> NDArray[np.bool_]:
        """Whom enough agencies met often enough since a review, given as a day by person."""
        contacted = np.zeros(len(people), np.bool_)
        if reviews:
            persons = people.oldest
            for place in np.flatnonzero(np.isin(persons, np.fromiter(reviews, np.int64))).tolist():
                records = people.records[people.offsets[place] : people.offsets[place + 1]].tolist()
                agencies = self._contacts(records, reviews[int(persons[place])], today, met)
                enough = len(agencies) >= self._settings.escalation_contacts
                contacted[place] = enough and len(set(agencies)) >= ENOUGH_AGENCIES
        return contacted

    def _contacts(self, records: list[int], reviewed_day: int, today: int, met: Mapping[int, set[int]]) -> list[str]:
        """Agency of each contact after a review: of each day, up to today, on which each record's person was met."""
        return [
            self.agency_of(record).name
            for record in records
            for day in {*self._store.contacts(record), *met.get(record, ()), self._registry.day(record)}
            if reviewed_day < day <= today
        ]

    # -- alerts ------------------------------------------------------------------------------------------------------

    def _alerts(
        self, drafts: Drafts, now: Standings, people: People, records: _Active, backfill: bool,
        of_loads: Mapping[AlertKind, NDArray[np.bool_]],
    ) -> list[Alert]:  # fmt: skip
        """The alerts of some drafts, in order, the next of the log; what they say is told from now on."""
        count, first = len(drafts.kinds), self._sequence + 1
        self._sequence += count
        saying = ~np.isin(drafts.kinds, _WITHOUT_MEMBERS)
        places = drafts.places[saying]
        members = iter(self._members(people, records, places))
        known_at, bands = np.zeros(count, np.uint64), np.zeros(count, np.int64)
        known_at[saying] = now.agencies[places]
        bands[saying] = confidence(people.weakest[places])
        marked = np.full(count, backfill)
        for kind, news in of_loads.items():
            of_kind = drafts.kinds == kind
            marked[of_kind] = news[drafts.places[of_kind]]
        # half of an id is drawn, so that no restored backup gives one again; half ascends, as an index on ids likes it
        ids = np.empty((count, 2), ">u8")
        ids[:, 0], ids[:, 1] = range(first, first + count), np.frombuffer(secrets.token_bytes(8 * count), ">u8")
        raised_at = int(self._now())
        said = list(map(self._said, known_at.tolist()))
        survivors = zip(drafts.survivors.tolist(), self._names.persons(drafts.survivors), strict=True)
        columns = (
            range(first, first + count),
            ids.view("V16")[:, 0].tolist(),
            [ALERT_KINDS[kind] for kind in drafts.kinds.tolist()],
            self._names.persons(drafts.persons),
            [each.agencies for each in said],
            [next(members) if says else () for says in saying.tolist()],
            [CONFIDENCE_BANDS[band] for band in bands.tolist()],
            [each.health for each in said],
            [each.police for each in said],
            [name if survivor >= 0 else b"" for survivor, name in survivors],
            [RULE_VERSION] * count,
            [raised_at] * count,
            marked.tolist(),
        )
        self.told.follow(drafts.kinds, drafts.persons, known_at, np.full(count, raised_at), drafts.survivors)
        return list(map(Alert._make, zip(*columns, strict=True)))

    def _members(self, people: People, records: _Active, places: Numbers) -> list[tuple[AlertMember, ...]]:
        """Active records of the persons at some places (n,), by place."""
        chosen = np.zeros(len(people), np.bool_)
        chosen[places] = True
        active = np.flatnonzero(records.active & np.repeat(chosen, np.diff(people.offsets)))
        names = [agency.name for agency in self._settings.agencies]
        agencies = [names[agency] for agency in records.agencies[active].tolist()]
        columns = people.records[active].tolist(), agencies, records.days[active].tolist()
        members = list(map(AlertMember._make, zip(*columns, strict=True)))
        first, last = np.searchsorted(active, [people.offsets[places], people.offsets[places + 1]]).tolist()
        return [tuple(members[start:stop]) for start, stop in zip(first, last, strict=True)]

    def _of_loads(
        self, people: People, records: _Active, *, of_records_alone: bool
    ) -> dict[AlertKind, NDArray[np.bool_]]:
        """Of two kinds of alerts, about which persons (n,) they would be news of first loads alone: about none unless
        all there is to tell comes `of_records_alone`."""
        loaded = self._registry.are_backfill(people.records) & of_records_alone
        starts, active = people.offsets[:-1], records.active
        # the record that came last
        latest = np.maximum.reduceat(np.where(active, 2 * self._registry.frames(people.records) + loaded, 0), starts)
        told = np.repeat(self.told.agencies(people.oldest), np.diff(people.offsets))
        untold = active & ((told >> np.maximum(records.agencies, 0).astype(np.uint64)) & np.uint64(1) == 0)
        return {
            AlertKind.KNOWN_TO_TWO: latest & 1 == 1,
            AlertKind.FURTHER_AGENCY: ~np.logical_or.reduceat(untold & ~loaded, starts),
        }

    def _said(self, agencies: int) -> _Said:
        """What an alert says of a set of agencies; there are few sets."""
        if agencies not in self._said_of:
            chosen = [agency for bit, agency in enumerate(self._settings.agencies) if agencies >> bit & 1]
            sectors = {agency.sector for agency in chosen}
            names = tuple(sorted(agency.name for agency in chosen))
            self._said_of[agencies] = _Said(names, HEALTH in sectors, POLICE in sectors)
        return self._said_of[agencies]
