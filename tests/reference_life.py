"""The slow truth about the life of persons: what a matcher must know and say after each frame, from clear text.

After every frame everything is worked out anew from all records, answers and cases; nothing is kept up to date.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache

from matcher.model import DAY_SECONDS, UNKNOWN_DAY, AlertKind, FrameKind, Resolution
from matcher.scoring.model import prior_weight

from . import reference
from .factory import EPOCH, SCHEME, Human, Sighting, alias, model, tokens

LOOK_BACK, ESCALATION_CONTACTS, LEADER_MARGIN, SECOND_RECORD_MARGIN = 100, 3, 3.0, 5.0
POPULATION, MATCH, POSSIBLE, APART = 1_000_000, 19.9315, 0.0, -8.0
"""As `factory.scorer` has them; thresholds in bits."""
REVIEWED = 1000.0
Pair = frozenset[int]
"""Two record numbers."""


@dataclass
class Record:
    """A record that is held."""

    number: int
    agency: str
    ref: str
    human: Human
    day: int
    restricted: bool
    frame: int
    """Frame that brought it last, from 1."""
    epoch: int
    backfill: bool
    contacts: set[int] = field(default_factory=set)
    closed: tuple[int, int] | None = None
    """Day and frame of its last closure."""

    @property
    def name(self) -> bytes:
        """What ties are broken by."""
        return self.agency.encode() + b"/" + alias(self.agency, self.ref)


@dataclass(frozen=True)
class Input:
    """A frame: `about` is what its kind needs."""

    kind: FrameKind
    agency: str
    about: object
    at: int
    backfill: bool = False
    epoch: int = EPOCH


@dataclass(frozen=True)
class Known:
    """What the coordinator was told of a person."""

    agencies: frozenset[str]
    dormant: bool
    at: int


@dataclass(frozen=True)
class Said:
    """An alert; persons by their oldest record."""

    kind: AlertKind
    person: int
    members: frozenset[int]
    agencies: tuple[str, ...]
    survivor: int | None
    at: int
    backfill: bool


@dataclass
class Case:
    """A case; `person` is None once its closure was applied."""

    person: int | None
    opened_at: int
    reviewed_day: int
    closed_at: int = 0
    escalated: bool = False
    decisions: set[str] = field(default_factory=set)


@cache
def compared(one: Human, other: Human, epoch: int) -> tuple[float, bool] | None:
    """Match weight of two people's records in bits, and whether identifiers rule the pair out; None if they share no
    block. Both are of one epoch."""
    distance = reference.distances(SCHEME, _row(one, epoch), _row(other, epoch))
    if distance is None:
        return None
    made = model()
    stranger = (float(prior_weight(POPULATION)), ())
    weight = reference.weigh(SCHEME, distance, made.tables, made.least, [stranger])
    vetoed = any(each.vetoes and bits > 0 for each, bits in zip(SCHEME.fields, distance, strict=True))
    return weight, vetoed


@cache
def _row(human: Human, epoch: int) -> tuple[list[bytes], list[bytes], int]:
    batch = tokens("police", Sighting("any", human), epoch=epoch)
    present = [bool(batch.pass_masks[0] >> p & 1) for p in range(len(SCHEME.passes))]
    tokens_ = [batch.block_tokens[0, p].tobytes() if there else b"" for p, there in enumerate(present)]
    return tokens_, [encoding.tobytes() for encoding in batch.encodings[0]], int(batch.field_masks[0])


class Life:
    """See the module. `frames` are appended by whoever plays the agencies; `match` takes them in order."""

    def __init__(self, quiet_seconds: int) -> None:
        self.quiet_seconds = quiet_seconds
        self.frames: list[Input] = []
        self.matched = 0
        self.now = 0
        """When the last frame was matched."""
        self.today = 0
        self.numbered = 0
        self.records: dict[int, Record] = {}
        self.answers: dict[Pair, tuple[Resolution, int]] = {}
        self.persons: set[frozenset[int]] = set()
        self.contested: set[Pair] = set()
        self.told: dict[int, Known] = {}
        self.log: list[Said | None] = []
        """None where an alert was purged."""
        self.carried: dict[Pair, tuple[float, bool] | None] = {}
        """What was `compared` of records that are of two epochs now."""
        self.cases: dict[bytes, Case] = {}
        self.notices: list[tuple[bytes, str, bytes]] = []
        """Case, agency and alias of each that is not confirmed."""

    # -- frames ------------------------------------------------------------------------------------------------------

    def match(self, count: int, now: int) -> None:
        """Take the next frames together at a time: one of any kind, or some of records."""
        frames, before, today = self.frames[self.matched : self.matched + count], self.persons, self.today
        assert count == 1 or {frame.kind for frame in frames} == {FrameKind.RECORDS}
        self.matched += count
        self.now = now
        self._connected = self._components()
        for frame in frames:
            self.today = self._day_at(frame.at)
            {
                FrameKind.RECORDS: self._take_records,
                FrameKind.CONTACTS: self._take_contacts,
                FrameKind.REMOVALS: self._take_removals,
                FrameKind.RETIREMENT: self._take_retirement,
                FrameKind.ANSWER: self._take_answer,
                FrameKind.CLOSURE: self._take_closure,
                FrameKind.TIME: lambda _: None,
            }[frame.kind](frame)
        self.carried = {pair: found for pair, found in self.carried.items() if len(self._epochs(pair)) == 2}
        self._resolve()
        self._say(before, now, frame, frame.backfill and self.today == today)
        if self.today != today:
            for record in self.records.values():
                record.contacts = {day for day in record.contacts if day > min(today, self.today) - LOOK_BACK}

    def needs_time(self, now: int) -> bool:
        """Whether time alone has to be told to the matcher: a day began, or a quiet period ended."""
        waiting = any(
            self.active(person, restricted_too=False) - self.told[min(person)].agencies
            and not self._quiet(min(person), now)
            for person in self.persons
            if min(person) in self.told
        )
        return waiting or (self.matched > 0 and self._day_at(now) != self.today)

    def find(self, agency: str, ref: str) -> Record | None:
        """A record that is held."""
        return next((each for each in self.records.values() if (each.agency, each.ref) == (agency, ref)), None)

    def _day_at(self, seconds: int) -> int:
        day = seconds // DAY_SECONDS
        return self.today if self.today - 1 <= day <= self.today else day

    def _take_records(self, frame: Input) -> None:
        held = {sighting.ref: self.find(frame.agency, sighting.ref) for sighting in frame.about}
        numbers: dict[str, int] = {}
        others = [ref for ref, there in held.items() if there and self._is_somebody_else(there, frame)]
        for ref in [*(ref for ref, there in held.items() if there is None), *others]:
            numbers[ref] = self.numbered
            self.numbered += 1
        self._remove({held[ref].number for ref in others})
        reused = {(frame.agency, alias(frame.agency, ref)) for ref in others}
        self.notices = [notice for notice in self.notices if notice[1:] not in reused]
        for sighting in frame.about:
            there, day, contacts, closed = held[sighting.ref], sighting.day, set[int](), None
            if there and there.number in self.records:
                self._carry(there, frame.epoch)
                if day == UNKNOWN_DAY:
                    day = max({there.day} | there.contacts, key=lambda each: (each != UNKNOWN_DAY, each))
                elif day < there.day:
                    day = max({day} | there.contacts)
                kept = {each for each in (there.day, sighting.day) if UNKNOWN_DAY != each < day}
                contacts, closed = there.contacts | kept, there.closed
            number = numbers[sighting.ref] if there is None else numbers.get(sighting.ref, there.number)
            self.records[number] = Record(
                *(number, frame.agency, sighting.ref, sighting.human, day, sighting.restricted),
                *(self.matched, frame.epoch, frame.backfill, contacts, closed),
            )

    def _is_somebody_else(self, there: Record, frame: Input) -> bool:
        """Whether a record that is there comes again as clearly not the same person; of two epochs nobody can tell."""
        (human,) = [sighting.human for sighting in frame.about if sighting.ref == there.ref]
        if there.epoch != frame.epoch:
            return False
        found = compared(there.human, human, frame.epoch)
        if found is None:
            return all(any(_row(each, frame.epoch)[0]) for each in (there.human, human))
        return found[1] or found[0] < APART

    def _carry(self, record: Record, epoch: int) -> None:
        """A record is about to be one of another epoch."""
        for other in self.records.values():
            pair = frozenset((record.number, other.number))
            if record.epoch == other.epoch != epoch and len(pair) == 2:
                found = self.weight(*pair)
                link = found and record.agency != other.agency and found[0] >= POSSIBLE
                if link or any(pair <= component for component in self._connected):
                    self.carried.setdefault(pair, found)

    def _components(self) -> list[set[int]]:
        """Records that links of MATCH or better, and answers of any kind, connect."""
        components: list[set[int]] = []
        for pair in [*self.pairs(MATCH), *self.answers]:
            touched = [each for each in components if each & pair]
            components = [each for each in components if not each & pair] + [set(pair).union(*touched)]
        return components

    def _epochs(self, pair: Pair) -> set[int]:
        return {self.records[number].epoch for number in pair if number in self.records}

    def _take_contacts(self, frame: Input) -> None:
        for ref, day in frame.about:
            if record := self.find(frame.agency, ref):
                record.contacts |= {record.day, day} - {UNKNOWN_DAY}
                record.day = max(record.day, day)

    def _take_removals(self, frame: Input) -> None:
        self._remove({record.number for ref in frame.about if (record := self.find(frame.agency, ref))})

    def _take_retirement(self, frame: Input) -> None:
        epoch, most = frame.about
        self._remove(set(sorted(each.number for each in self.records.values() if each.epoch == epoch)[:most]))

    def _remove(self, gone: set[int]) -> None:
        self.answers = {pair: answer for pair, answer in self.answers.items() if not pair & gone}
        for number in gone:
            del self.records[number]
        self._gone = self._gone | gone

    def _take_answer(self, frame: Input) -> None:
        pair, resolution, expires_at = frame.about
        if pair <= self.records.keys():
            self.answers[pair] = (resolution, expires_at)

    def _take_closure(self, frame: Input) -> None:
        case = self.cases[frame.about]
        person = case.person
        records: Iterable[int] = ()
        if person in self.records:
            of = next((each for each in self.persons if person in each), frozenset([person]))
            records = of if min(of) == person else ()
        for number in sorted(records):
            record = self.records[number]
            record.closed = (max(self.today, record.day), self.matched)
            self.notices.append((frame.about, record.agency, alias(record.agency, record.ref)))
        self.told.pop(person, None)
        self._closing = (person, set(records))
        case.person = None
        case.decisions = set()

    # -- persons -----------------------------------------------------------------------------------------------------

    def weight(self, one: int, other: int) -> tuple[float, bool] | None:
        """As `compared`, of two records; of two epochs, what was found before."""
        if len(self._epochs(frozenset((one, other)))) == 2:
            return self.carried.get(frozenset((one, other)))
        return compared(self.records[one].human, self.records[other].human, self.records[one].epoch)

    def pairs(self, least: float, below: float = REVIEWED) -> dict[Pair, float]:
        """Pairs of records of two agencies, by their match weight."""
        found = {
            frozenset((one.number, other.number)): weight[0]
            for one in self.records.values()
            for other in self.records.values()
            if one.number < other.number and one.agency != other.agency
            if (weight := self.weight(one.number, other.number))
        }
        return {pair: weight for pair, weight in found.items() if least <= weight < below}

    def holds(self, pair: Pair) -> bool:
        """Whether a pair is answered and the answer did not expire."""
        return pair in self.answers and not 0 < self.answers[pair][1] <= self.today * DAY_SECONDS

    def queue(self) -> set[Pair]:
        """Pairs a reviewer is asked about."""
        expired = {pair for pair in self.answers if not self.holds(pair)}
        asked = self.contested | self.pairs(POSSIBLE, MATCH).keys() | (expired & self.pairs(MATCH).keys())
        return {pair for pair in asked if not self.holds(pair) and not any(pair <= person for person in self.persons)}

    def _resolve(self) -> None:
        links = self.pairs(MATCH)
        for pair, (resolution, _) in self.answers.items():
            if resolution is Resolution.DIFFERENT_PEOPLE:
                links.pop(pair, None)
            elif self.holds(pair):
                links[pair] = REVIEWED
        number = {record.name: record.number for record in self.records.values()}
        name = {record.number: record.name for record in self.records.values()}

        def vetoed(a: bytes, b: bytes) -> bool:
            one, other = self.records[number[a]], self.records[number[b]]
            answer = self.answers.get(frozenset((one.number, other.number)))
            if answer and answer[0] is Resolution.DIFFERENT_PEOPLE:
                return True
            weight = self.weight(one.number, other.number)
            if one.agency == other.agency:
                return weight is None or weight[0] < MATCH + SECOND_RECORD_MARGIN
            return weight is not None and weight[1]

        def apart(a: bytes, b: bytes) -> bool:
            weight = self.weight(number[a], number[b])
            return weight is not None and weight[0] < APART

        named = {tuple(sorted(name[each] for each in pair)): weight for pair, weight in links.items()}
        persons, contested = reference.resolve(named, vetoed, apart, LEADER_MARGIN)
        self.persons = {frozenset(number[each] for each in person) for person in persons}
        self.contested = {frozenset(number[each] for each in pair) for pair in contested}

    # -- alerts ------------------------------------------------------------------------------------------------------

    def shows(self, number: int, of: int) -> bool:
        """Whether an alert about the person of a record `of` discloses another: it is told of, and holds both now."""
        person = next((person for person in self.persons if number in person), frozenset[int]())
        return of in person and min(person) in self.told and not self.records[number].restricted

    def active(self, person: frozenset[int], *, restricted_too: bool = True) -> frozenset[str]:
        """Agencies at which a person is active; not `restricted_too`: none unless it may be told of."""
        records = [self.records[number] for number in person]
        agencies = frozenset(record.agency for record in records if self._counts(record))
        may = len(agencies) > 1 and not any(record.restricted for record in records)
        return agencies if restricted_too or may else frozenset()

    def _counts(self, record: Record) -> bool:
        if record.day == UNKNOWN_DAY:
            return record.closed is None or record.frame > record.closed[1]
        after = record.day > self.today - LOOK_BACK
        return after and (record.closed is None or record.day > record.closed[0])

    def _quiet(self, person: int, now: int) -> bool:
        return person in self.told and 0 <= now - self.told[person].at < self.quiet_seconds

    def _escalates(self, person: frozenset[int]) -> bool:
        reviews = [case for case in self.cases.values() if case.person == min(person) and not case.closed_at]
        since = max((case.reviewed_day for case in reviews if not case.escalated), default=None)
        if since is None:
            return False
        met = [
            self.records[number].agency
            for number in person
            for day in self.records[number].contacts | {self.records[number].day}
            if since < day <= self.today
        ]
        return len(met) >= ESCALATION_CONTACTS and len(set(met)) > 1

    def _say(self, before: set[frozenset[int]], now: int, frame: Input, backfill: bool) -> None:
        was_told, now_there = dict(self.told), {min(person): person for person in self.persons}
        drafts: list[tuple[AlertKind, int, int | None]] = []
        for oldest, person in sorted(now_there.items()):
            was, may = was_told.get(oldest), self.active(person, restricted_too=False)
            holders = {self.records[number].agency for number in person}
            restricted = any(self.records[number].restricted for number in person)
            if was and (restricted or not was.agencies <= holders):
                drafts.append((AlertKind.WITHDRAWN, oldest, None))
                was = None
            if not may and was and not was.dormant:
                drafts.append((AlertKind.NO_LONGER_IDENTIFIED, oldest, None))
            if may and (was is None or was.dormant):
                drafts.append((AlertKind.KNOWN_TO_TWO, oldest, None))
            elif may and was and not may <= was.agencies and not self._quiet(oldest, now):
                drafts.append((AlertKind.FURTHER_AGENCY, oldest, None))
            if may and self._escalates(person):
                drafts.append((AlertKind.ESCALATION, oldest, None))
        for person in sorted(before, key=min):
            if min(person) in was_told and min(person) not in now_there:
                heirs = [each for each in self.persons if each & person]
                drafts.append(self._end(min(person), was_told[min(person)], heirs))
        for kind, oldest, survivor in drafts:
            marked = self._loaded(kind, oldest, now_there.get(oldest, frozenset()), frame)
            marked = backfill if marked is None else marked
            self._tell(kind, oldest, survivor, now_there.get(oldest, frozenset()), now, marked)
        for oldest, person in sorted(now_there.items()):  # of a case that a merge brought along
            if self.active(person, restricted_too=False) and self._escalates(person):
                self._tell(AlertKind.ESCALATION, oldest, None, person, now, backfill)
        self._purge()

    def _loaded(self, kind: AlertKind, oldest: int, person: frozenset[int], frame: Input) -> bool | None:
        """Whether an alert of agencies is news of a first load alone; None for other kinds."""
        records = [self.records[number] for number in person if self._counts(self.records[number])]
        by_contact = frame.kind not in (FrameKind.RECORDS, FrameKind.TIME)
        if kind is AlertKind.KNOWN_TO_TWO:
            return not by_contact and max(records, key=lambda each: each.frame).backfill
        if kind is AlertKind.FURTHER_AGENCY:
            told = self.told[oldest].agencies
            return not by_contact and all(each.backfill for each in records if each.agency not in told)
        return None

    def _end(self, oldest: int, was: Known, heirs: list[frozenset[int]]) -> tuple[AlertKind, int, int | None]:
        if len(heirs) == 1:
            holders = {self.records[number].agency for number in heirs[0]}
            restricted = any(self.records[number].restricted for number in heirs[0])
            dormant_too = was.dormant and not restricted and was.agencies <= holders
            if self.active(heirs[0], restricted_too=False) or dormant_too:
                return AlertKind.MERGED, oldest, min(heirs[0])
        return AlertKind.WITHDRAWN, oldest, None

    def _tell(
        self, kind: AlertKind, oldest: int, survivor: int | None, person: frozenset[int], now: int, backfill: bool
    ) -> None:
        silent = kind in (AlertKind.NO_LONGER_IDENTIFIED, AlertKind.WITHDRAWN, AlertKind.MERGED)
        members = frozenset(number for number in person if not silent and self._counts(self.records[number]))
        agencies = frozenset(self.records[number].agency for number in members)
        self.log.append(Said(kind, oldest, members, tuple(sorted(agencies)), survivor, now, backfill))
        was = self.told.get(oldest)
        if kind is AlertKind.WITHDRAWN:
            del self.told[oldest]
        elif kind is AlertKind.MERGED:
            assert survivor is not None
            self.told.setdefault(survivor, replace(self.told.pop(oldest), dormant=True))
            for case in self.cases.values():
                case.person = survivor if case.person == oldest else case.person
        elif kind is AlertKind.NO_LONGER_IDENTIFIED:
            self.told[oldest] = replace(was, dormant=True)
        elif kind is AlertKind.ESCALATION:
            for case in self.cases.values():
                case.escalated |= case.person == oldest and not case.closed_at
        else:
            self.told[oldest] = Known(agencies, False, now)

    _gone: set[int] = set()  # noqa: RUF012
    _closing: tuple[int | None, set[int]] | None = None

    def _purge(self) -> None:
        """What a removal or a closure takes out of the log, with what its own frame said."""
        leaving = set(self._gone)
        if self._closing:
            person, records = self._closing
            leaving |= records
            last = {said.person: said for said in self.log if said}
            named, more = set[int](), {person}
            while more:
                named |= more
                more = {p for p, said in last.items() if said.survivor in more} - named
            self.log = [None if said and said.person in named else said for said in self.log]
            self.log = [
                replace(said, kind=AlertKind.WITHDRAWN, survivor=None) if said and said.survivor in named else said
                for said in self.log
            ]
        self.log = [said and replace(said, members=said.members - leaving) for said in self.log]
        self._gone, self._closing = set(), None
