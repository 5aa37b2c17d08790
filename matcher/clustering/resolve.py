"""Resolves one connected component of links into persons, one pair at a time: for components that are large, or that a
reviewer's answer touches. `kernels.resolve_small` does the same for all others.

Best links first: a link joins two persons unless a veto stands between any of their records. Before that, the leader
rule (after the fuzzy linkage of CRATE): where a record links to two others that are clearly not one person, only the
leader, better by the margin, keeps its link; without a leader, neither does, and a reviewer is asked.
A link that a better one rules out is no alternative and drops out before.
The result depends on the links and vetoes alone: ties are broken by the records' names, never by arrival.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from matcher.clustering.graph import Numbers

Pair = tuple[int, int]
"""Two record numbers, left < right."""
Judge = Callable[[Numbers, Numbers], tuple[NDArray[np.bool_], NDArray[np.bool_]]]
"""As in `matcher.clustering.persons.Rules`."""
_TOGETHER = 1024
"""Records up to which all pairs of a component are judged at once."""


def pair_of(a: int, b: int) -> Pair:
    """The two in order."""
    return (a, b) if a < b else (b, a)


@dataclass(frozen=True, slots=True)
class Person:
    """Records taken for one human being, ascending; the first, the oldest, gives the person its id."""

    records: tuple[int, ...]
    weakest: float
    """Weight in bits of the weakest link that was needed to hold it together."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A component's persons, each of two or more records, and the links that no leader decided."""

    persons: tuple[Person, ...]
    contested: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class PairRules:
    """What resolution asks about pairs of records. Both answers must not depend on the order of the two."""

    vetoed: Callable[[int, int], bool]
    """Never one person: two different valid identifiers, or a reviewer said so."""
    apart: Callable[[int, int], bool]
    """Compared directly and clearly not one person."""
    rank: Callable[[int], int]
    """Order of the records' names, which do not depend on arrival."""
    margin: float
    """Bits by which a leader must be better."""


def judged(members: Numbers, judge: Judge) -> tuple[Callable[[int, int], bool], Callable[[int, int], bool]]:
    """Of pairs of a component's records (n,), ascending, the smaller first: which are vetoed, and which are apart."""
    if len(members) > _TOGETHER:
        one_by_one = cache(lambda a, b: [bool(verdict[0]) for verdict in judge(np.array([a]), np.array([b]))])
        return lambda a, b: one_by_one(a, b)[0], lambda a, b: one_by_one(a, b)[1]
    first, second = np.triu_indices(len(members), 1)
    verdicts = np.zeros((2, len(members), len(members)), np.bool_)
    verdicts[:, first, second] = judge(members[first], members[second])
    vetoed, apart = verdicts.tolist()
    place = {record: i for i, record in enumerate(members.tolist())}
    return lambda a, b: vetoed[place[a]][place[b]], lambda a, b: apart[place[a]][place[b]]


def resolve(links: Iterable[tuple[int, int, float]], rules: PairRules) -> Resolved:
    """Persons of one component. `links`: (left, right, weight in bits), each pair once."""
    weights = {(left, right): weight for left, right, weight in links}
    dropped, contested = _leader_rule(weights, rules)
    order = sorted(
        (pair for pair in weights if pair not in dropped),
        key=lambda pair: (-weights[pair], sorted((rules.rank(pair[0]), rules.rank(pair[1])))),
    )
    person_of: dict[int, list[int]] = {}
    weakest: dict[int, float] = {}
    for left, right in order:
        a, b = person_of.setdefault(left, [left]), person_of.setdefault(right, [right])
        if a is b or any(rules.vetoed(x, y) for x in a for y in b):
            continue
        low = min(weights[left, right], *(weakest.pop(id(person), weights[left, right]) for person in (a, b)))
        a.extend(b)
        for record in b:
            person_of[record] = a
        weakest[id(a)] = low
    persons = {id(person): person for person in person_of.values() if len(person) > 1}
    return Resolved(
        tuple(sorted((Person(tuple(sorted(p)), weakest[key]) for key, p in persons.items()), key=lambda p: p.records)),
        tuple(sorted(contested)),
    )


def _leader_rule(weights: dict[Pair, float], rules: PairRules) -> tuple[set[Pair], set[Pair]]:
    """Links that do not count, and those of them that a reviewer should see."""
    neighbours: dict[int, list[int]] = {}
    for left, right in weights:
        neighbours.setdefault(left, []).append(right)
        neighbours.setdefault(right, []).append(left)
    outbid = {pair for pair in weights if _outbid(pair, weights, neighbours, rules)}
    dropped, contested = set(outbid), set[Pair]()
    for record, others in neighbours.items():
        for a, b in combinations(others, 2):
            pair_a, pair_b = pair_of(record, a), pair_of(record, b)
            if pair_a in outbid or pair_b in outbid:
                continue
            if pair_of(a, b) in weights or not (rules.vetoed(a, b) or rules.apart(a, b)):
                continue
            lead = weights[pair_a] - weights[pair_b]
            if lead == 0 or abs(lead) < rules.margin:
                dropped |= {pair_a, pair_b}
                contested |= {pair_a, pair_b}
            else:
                dropped.add(pair_b if lead > 0 else pair_a)
    return dropped, contested


def _outbid(pair: Pair, weights: dict[Pair, float], neighbours: dict[int, list[int]], rules: PairRules) -> bool:
    """Whether one of the two has a link, better by the margin, to a third record that vetoes the other: then this link
    could join nobody, and is no alternative to any other."""
    for record, other in (pair, pair[::-1]):
        for third in neighbours[record]:
            lead = weights[pair_of(record, third)] - weights[pair]
            if third != other and lead >= rules.margin and rules.vetoed(third, other):
                return True
    return False
