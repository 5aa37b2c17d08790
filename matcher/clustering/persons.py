"""All persons, kept up to date as links come and go. Equal, at any time, to resolving every component from scratch."""

from collections.abc import Iterable
from dataclasses import dataclass

from matcher.clustering.resolve import Pair, Person, Rules, pair_of, resolve
from matcher.model import Answer, Links, Resolution

REVIEWED = 1000.0
"""Weight of a link that a reviewer made: above all others, and with no doubt left."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an update did: persons that were and are no more, and persons that are now. Unchanged ones are in
    neither."""

    before: tuple[Person, ...]
    after: tuple[Person, ...]


class Persons:
    """Links of MATCH or better and reviewers' answers, and the persons that follow from them."""

    def __init__(self, rules: Rules, match_weight: float) -> None:
        self._rules = Rules(
            lambda a, b: self._answered_different(a, b) or rules.vetoed(a, b), rules.apart, rules.name, rules.margin
        )
        self._match_weight = match_weight
        self._links: dict[int, dict[int, float]] = {}
        self._possible: dict[int, set[int]] = {}
        self._contested: dict[int, set[Pair]] = {}
        self._answers: dict[int, dict[int, Answer]] = {}
        self._person_of: dict[int, Person] = {}
        self._now = 0

    def person_of(self, record: int) -> Person | None:
        """The person a record belongs to, None if it is alone."""
        return self._person_of.get(record)

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
        pairs = {pair_of(a, b) for a, others in self._possible.items() for b in others}.union(*self._contested.values())
        return sorted(
            pair
            for pair in pairs
            if not self._answer(pair)
            and (
                self._person_of.get(pair[0]) is None or self._person_of.get(pair[0]) is not self._person_of.get(pair[1])
            )
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
        answers expire.
        """
        self._now = now
        stirred = set(touched)
        for record in unlinked:
            stirred |= self._unlink(record)
        if links is not None:
            for left, right, weight in zip(
                links.left.tolist(), links.right.tolist(), links.weight.tolist(), strict=True
            ):
                if weight >= self._match_weight:
                    self._link(left, right, weight)
                    stirred |= {left, right}
                else:
                    self._possible.setdefault(left, set()).add(right)
                    self._possible.setdefault(right, set()).add(left)
        for answer in answers:
            self._answers.setdefault(answer.left, {})[answer.right] = answer
            self._answers.setdefault(answer.right, {})[answer.left] = answer
            stirred |= {answer.left, answer.right}
        return self._resolve(stirred)

    def forget(self, record: int) -> None:
        """Drop the answers about a record that is gone for good."""
        for other in self._answers.pop(record, {}):
            del self._answers[other][record]

    def _link(self, left: int, right: int, weight: float) -> None:
        self._links.setdefault(left, {})[right] = weight
        self._links.setdefault(right, {})[left] = weight

    def _unlink(self, record: int) -> set[int]:
        """Forget a record's links; the records that were in its component or person."""
        neighbours = self._links.pop(record, {})
        for other in neighbours:
            del self._links[other][record]
        for other in self._possible.pop(record, ()):
            self._possible[other].discard(record)
        person = self._person_of.get(record)
        return {record, *neighbours, *(person.records if person else ())}

    def _answer(self, pair: Pair) -> Resolution | None:
        answer = self._answers.get(pair[0], {}).get(pair[1])
        if answer is None or 0 < answer.expires_at <= self._now:
            return None
        return answer.resolution

    def _answered_different(self, a: int, b: int) -> bool:
        return self._answer(pair_of(a, b)) is Resolution.DIFFERENT_PEOPLE

    def _neighbours(self, record: int) -> dict[int, float]:
        """Links of a record with reviewers' answers applied."""
        found = dict(self._links.get(record, {}))
        for other in self._answers.get(record, ()):
            match self._answer(pair_of(record, other)):
                case Resolution.SAME_PERSON:
                    found[other] = REVIEWED
                case Resolution.DIFFERENT_PEOPLE:
                    found.pop(other, None)
        return found

    def _resolve(self, stirred: set[int]) -> Change:
        before: dict[int, Person] = {}
        after: dict[int, Person] = {}
        seen: set[int] = set()
        for record in sorted(stirred):
            if record in seen:
                continue
            component = self._component(record)
            seen |= component
            for member in component:
                if person := self._person_of.pop(member, None):
                    before[person.records[0]] = person
                self._contested.pop(member, None)
            links = {
                (*pair_of(member, other), weight)
                for member in component
                for other, weight in self._neighbours(member).items()
            }
            resolved = resolve(links, self._rules)
            if resolved.contested:
                self._contested[min(component)] = set(resolved.contested)
            for person in resolved.persons:
                after[person.records[0]] = person
                for member in person.records:
                    self._person_of[member] = person
        same = {oldest for oldest, person in before.items() if after.get(oldest) == person}
        return Change(
            tuple(before[oldest] for oldest in sorted(before) if oldest not in same),
            tuple(after[oldest] for oldest in sorted(after) if oldest not in same),
        )

    def _component(self, record: int) -> set[int]:
        component, frontier = {record}, [record]
        while frontier:
            for other in self._neighbours(frontier.pop()):
                if other not in component:
                    component.add(other)
                    frontier.append(other)
        return component
