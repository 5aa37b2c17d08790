"""All persons, kept up to date as links come and go. Equal, at any time, to resolving every component from scratch.

Small components, nearly all, are resolved together in compiled code; large ones and those with a reviewer's answer one
by one. Memory: 21 bytes a record, 20 a link.

A reviewer's answer that expired is asked again. Meanwhile "same" links no more, and "different" still parts: what was
judged wrong is never made again by time alone.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from matcher.clustering.graph import NO_LINK, LinkGraph, Numbers
from matcher.clustering.kernels import chain, gather, pairs_within, resolve_small
from matcher.clustering.resolve import MOST_RECORDS, Component, Judge, Pair, Person, Resolved, pair_of, resolve
from matcher.columns import Column
from matcher.model import Answer, Links, Resolution

log = logging.getLogger(__name__)
REVIEWED = 1000.0
"""Weight of a link that a reviewer made: above all others, and with no doubt left."""
LARGE = 64
"""Records of a component from which all its pairs are too many to compare."""
_PART = 1 << 15
"""Records of components from which they are resolved in several threads: when memory is made."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What resolution asks about pairs and records."""

    judge: Judge
    """Of pairs of records (n,), (n,): which (n,) are never one person, since two different valid identifiers stand
    against it, and which (n,) were compared directly and are clearly not one person. The order of the two must not
    matter."""
    ranks: Callable[[Numbers], Numbers]
    """Of records (n,): the order (n,) of their names, which do not depend on arrival."""
    margin: float
    """Bits by which a leader must be better."""


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Persons in columns: person i has the records from `offsets[i]` to `offsets[i + 1]`, ascending."""

    offsets: Numbers
    """(n + 1,)."""
    records: Numbers
    """(m,)."""
    weakest: NDArray[np.float32]
    """(n,), see `Person`."""

    def __len__(self) -> int:
        return len(self.weakest)

    def __iter__(self) -> Iterator[Person]:
        records, offsets = self.records.tolist(), self.offsets.tolist()
        for i, weakest in enumerate(self.weakest.tolist()):
            yield Person(tuple(records[offsets[i] : offsets[i + 1]]), weakest)

    @property
    def oldest(self) -> Numbers:
        """(n,): the oldest record of each."""
        return self.records[self.offsets[:-1]]

    @classmethod
    def of(cls, persons: Iterable[Person]) -> "People":
        """Persons in columns."""
        listed = list(persons)
        sizes = [len(person.records) for person in listed]
        records = [record for person in listed for record in person.records]
        weakest = [person.weakest for person in listed]
        return cls(np.cumsum([0, *sizes]), np.array(records, np.int64), np.array(weakest, np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What an update did. Persons that stayed as they were are in neither."""

    before: People
    """Persons that are no more, by oldest record ascending."""
    after: Numbers
    """(n,): oldest records of persons that are new, ascending."""


class Persons:
    """Links of MATCH or better and reviewers' answers, and the persons that follow from them."""

    def __init__(self, rules: Rules, match_weight: float) -> None:
        self._rules = rules
        self._match_weight = match_weight
        self._graph = LinkGraph()
        self._person = Column(np.int32, -1)
        """By record: the oldest record of its person, -1 where it is alone."""
        self._next_member = Column(np.int32, -1)
        self._last_member = Column(np.int32, -1)
        self._held_by = Column(np.float32)
        """By oldest record: the weakest link that holds the person together."""
        self._contested: dict[int, set[Pair]] = {}
        """By the least record of a component."""
        self._answers: dict[int, dict[int, Answer]] = {}
        self._now = 0

    def person_of(self, record: int) -> Person | None:
        """The person a record belongs to, None if it is alone."""
        oldest = self.oldest(np.array([record]))
        return next(iter(self.people(oldest[oldest >= 0])), None)

    def oldest(self, records: Numbers) -> Numbers:
        """Oldest record (n,) of the person of each of some records (n,), -1 where it is alone."""
        known = (records >= 0) & (records < len(self._person))
        return np.where(known, self._person[np.where(known, records, 0)], -1).astype(np.int64)

    def people(self, oldest: Numbers) -> People:
        """Persons by their oldest records (n,)."""
        offsets = np.empty(len(oldest) + 1, np.int64)
        records = np.empty(4 * len(oldest), np.int64)
        needed = gather(oldest, self._next_member.values, offsets, records)
        if needed > len(records):
            records = np.empty(needed, np.int64)
            gather(oldest, self._next_member.values, offsets, records)
        return People(offsets, records[:needed], self._held_by[oldest])

    def everyone(self) -> Numbers:
        """Oldest records of all persons, ascending."""
        return np.flatnonzero(self._person.values == np.arange(len(self._person)))

    def links_of(self, person: Person) -> list[tuple[int, int, float]]:
        """Links between a person's records, strongest first."""
        records = set(person.records)
        found = [
            (left, right, weight)
            for left in person.records
            for right, weight in self._neighbours(left).items()
            if left < right and right in records
        ]
        return sorted(found, key=lambda link: (-link[2], link[:2]))

    def possible_matches(self) -> list[Pair]:
        """Pairs a reviewer is asked about: possible matches and contested links, unanswered, not of one person
        already."""
        links = self._graph.links()
        possible = (links.weight > NO_LINK) & (links.weight < self._match_weight)
        pairs = set(zip(links.left[possible].tolist(), links.right[possible].tolist(), strict=True))
        pairs.update(*self._contested.values())
        pairs |= {pair for pair in self._expired_between(0, self._now) if pair[1] in self._matches(pair[0])}
        return sorted(
            pair
            for pair in pairs
            if not self._holds(pair) and (self._person[pair[0]] < 0 or self._person[pair[0]] != self._person[pair[1]])
        )

    def update(
        self,
        now: int,
        *,
        links: Links | None = None,
        unlinked: Iterable[int] = (),
        answers: Iterable[Answer] = (),
        touched: Iterable[int] = (),
    ) -> Change:
        """Forget the links of `unlinked` records, then take new `links` and `answers`, then resolve what that changes.

        `touched`: further records whose component is to be resolved. `now`: seconds since 1970-01-01 UTC, against which
        answers expire; where that changes an answer, its component is resolved too.
        """
        earlier, later = sorted((self._now, now))
        stirred = {record for pair in self._expired_between(earlier, later) for record in pair}.union(touched)
        self._now = now
        for record in unlinked:
            stirred |= self._unlink(record)
        for answer in answers:
            self._answers.setdefault(answer.left, {})[answer.right] = answer
            self._answers.setdefault(answer.right, {})[answer.left] = answer
            stirred |= {answer.left, answer.right}
        seeds = np.array(sorted(stirred), np.int64)
        self._reserve(int(seeds.max(initial=-1)) + 1)
        if links is not None and len(links):
            self._reserve(int(links.right.max()) + 1)
            self._graph.add(links)
            matches = links.weight >= self._match_weight
            seeds = np.concatenate([seeds, links.left[matches], links.right[matches]])
        return self._resolve(seeds)

    def forget(self, record: int) -> None:
        """Drop the answers about a record that is gone for good."""
        for other in self._answers.pop(record, {}):
            del self._answers[other][record]

    def entries(self, record: int) -> dict[int, float]:
        """Weight of all that is kept of a record and each other record, links and what is none."""
        return self._graph.neighbours(record) if record < len(self._graph.head) else {}

    def around(self, record: int) -> set[int]:
        """Records that links of MATCH or better and answers of any kind lead to from a record, and itself."""
        return self._reached(record, lambda each: [*self._matches(each), *self._answers.get(each, ())])

    def _reserve(self, records: int) -> None:
        self._graph.reserve(records)
        for column in (self._person, self._next_member, self._last_member, self._held_by):
            column.reserve(records)

    def _unlink(self, record: int) -> set[int]:
        """Forget a record's links; the records that were in its component or person."""
        self._reserve(record + 1)
        neighbours = self._matches(record)
        self._graph.remove(record)
        person = self.person_of(record)
        return {record, *neighbours, *(person.records if person else ())}

    def _matches(self, record: int) -> dict[int, float]:
        """Links of MATCH or better of a record."""
        return {other: weight for other, weight in self.entries(record).items() if weight >= self._match_weight}

    def _answer(self, pair: Pair) -> Answer | None:
        return self._answers.get(pair[0], {}).get(pair[1])

    def _holds(self, pair: Pair) -> bool:
        """Whether a pair is answered, and the answer did not expire."""
        answer = self._answer(pair)
        return answer is not None and not 0 < answer.expires_at <= self._now

    def _expired_between(self, earlier: int, later: int) -> list[Pair]:
        """Pairs whose answer expired after one time and not after another."""
        if earlier == later:
            return []
        return [
            (left, right)
            for left, others in self._answers.items()
            for right, answer in others.items()
            if left < right and earlier < answer.expires_at <= later
        ]

    def _answered_different(self, a: int, b: int) -> bool:
        answer = self._answer(pair_of(a, b))
        return answer is not None and answer.resolution is Resolution.DIFFERENT_PEOPLE

    def _neighbours(self, record: int) -> dict[int, float]:
        """Links of MATCH or better of a record, with reviewers' answers applied."""
        found = self._matches(record)
        for other in self._answers.get(record, ()):
            if self._answered_different(record, other):
                found.pop(other, None)
            elif self._holds(pair_of(record, other)):
                found[other] = REVIEWED
        return found

    # -- resolution --------------------------------------------------------------------------------------------------

    def _resolve(self, seeds: Numbers) -> Change:
        """Resolve the components of some records."""
        members, offsets = self._graph.components(seeds, self._match_weight)
        sizes = np.diff(offsets)
        singly = sizes > LARGE
        if self._answers and len(members):
            answered = np.isin(members, np.fromiter(self._answers, np.int64))
            singly |= np.logical_or.reduceat(answered, offsets[:-1])
        of_singly = np.repeat(singly, sizes)
        together = members[~of_singly], np.cumsum([0, *sizes[~singly]])
        persons = [self._resolve_singly(members[of_singly].tolist()), self._resolve_together(*together)]
        return self._replace(*_concatenated(persons))

    def _resolve_together(self, members: Numbers, offsets: Numbers) -> "_Membership":
        """Persons of whole components, in columns as of `LinkGraph.components`; of many, in several threads."""
        self._ask_no_more(members)
        cuts = np.unique(np.searchsorted(offsets, [*range(0, len(members), _PART), len(members)])).tolist()
        parts = [
            (members[offsets[first] : offsets[last]], offsets[first : last + 1] - offsets[first])
            for first, last in pairwise(cuts)
        ]
        if len(parts) < 2:
            return self._resolve_part(members, offsets)
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            persons = list(threads.map(self._resolve_part, *zip(*parts, strict=True)))
        return _concatenated(persons)

    def _resolve_part(self, members: Numbers, offsets: Numbers) -> "_Membership":
        sizes = np.diff(offsets)
        pairs = sizes * (sizes - 1) // 2
        left, right = np.empty(pairs.sum(), np.int64), np.empty(pairs.sum(), np.int64)
        pairs_within(members, offsets, left, right)
        vetoed, apart = self._rules.judge(left, right)
        oldest, weakest = np.empty(len(members), np.int64), np.empty(len(members), np.float32)
        contested = np.empty(len(left), np.bool_)
        resolve_small(
            members,
            offsets,
            self._match_weight,
            *self._graph.columns,
            self._rules.ranks(members),
            vetoed,
            apart,
            self._rules.margin,
            oldest,
            weakest,
            contested,
        )
        least = np.repeat(members[offsets[:-1]], pairs)
        for i in np.flatnonzero(contested).tolist():
            self._contested.setdefault(int(least[i]), set()).add((int(left[i]), int(right[i])))
        return members, oldest, weakest

    def _resolve_singly(self, records: list[int]) -> "_Membership":
        """Persons of the components of some records, with answers applied, one by one."""
        oldest: dict[int, int] = {}
        weakest: dict[int, float] = {}
        for record in records:
            if record in oldest:
                continue
            component = self._reached(record, self._neighbours)
            self._ask_no_more(np.array(sorted(component)))
            oldest |= dict.fromkeys(component, -1)
            if len(component) > MOST_RECORDS:
                log.error("%d records hang together and are taken for no person", len(component))
                continue
            resolved = self._resolve_one(component)
            if resolved.contested:
                self._contested[min(component)] = set(resolved.contested)
            for person in resolved.persons:
                oldest |= dict.fromkeys(person.records, person.records[0])
                weakest[person.records[0]] = person.weakest
        members = np.array(sorted(oldest), np.int64)
        columns = [oldest[member] for member in members.tolist()]
        return members, np.array(columns, np.int64), np.array([weakest.get(n, 0) for n in columns], np.float32)

    def _resolve_one(self, component: set[int]) -> Resolved:
        members = np.array(sorted(component), np.int64)
        asked = Component.judged(members, self._rules.judge, self._rules.ranks(members))
        for i, member in enumerate(members.tolist()):
            neighbours = self._neighbours(member)
            asked.weights[i, np.searchsorted(members, list(neighbours))] = list(neighbours.values())
            answered = component & self._answers.get(member, {}).keys()
            different = [other for other in answered if self._answered_different(member, other)]
            asked.vetoed[i, np.searchsorted(members, different)] = True
        return resolve(asked, self._rules.margin)

    @staticmethod
    def _reached(record: int, neighbours: Callable[[int], Iterable[int]]) -> set[int]:
        component, frontier = {record}, [record]
        while frontier:
            for other in neighbours(frontier.pop()):
                if other not in component:
                    component.add(other)
                    frontier.append(other)
        return component

    def _ask_no_more(self, members: Numbers) -> None:
        """Forget what was contested in components that are resolved anew."""
        if self._contested:
            for record in self._contested.keys() & set(members.tolist()):
                del self._contested[record]

    def _replace(self, members: Numbers, oldest: Numbers, weakest: NDArray[np.float32]) -> Change:
        """Note the persons of records (M,), each with the oldest record of its person, -1 where it is alone, and the
        person's weakest link."""
        was = self._person[members].astype(np.int64)
        moved = was != oldest
        other_weakest = ~moved & (oldest == members) & (self._held_by[members] != weakest)
        changed = np.unique(np.concatenate([was[moved], oldest[moved], members[other_weakest]]))
        changed = changed[changed >= 0]
        before = self.people(changed[self._person[changed] == changed])
        chain(
            members, oldest, weakest,
            self._person.values, self._next_member.values, self._last_member.values, self._held_by.values,
        )  # fmt: skip
        return Change(before, changed[self._person[changed] == changed])


def _concatenated(parts: Iterable["_Membership"]) -> "_Membership":
    members, oldest, weakest = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return members, oldest, weakest


_Membership = tuple[Numbers, Numbers, NDArray[np.float32]]
"""Records (M,), each person's ascending; oldest record of the person of each, -1 where it is alone; the person's
weakest link."""
