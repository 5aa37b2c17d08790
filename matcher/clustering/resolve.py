"""Resolves one connected component of links into persons: for components that are large, or that a reviewer's answer
touches. `kernels.resolve_small` does the same for all others.

Best links first: a link joins two persons unless a veto stands between any of their records. Before that, the leader
rule (after the fuzzy linkage of CRATE): where a record links to two others that are clearly not one person, only the
leader, better by the margin, keeps its link; without a leader, neither does, and a reviewer is asked.
A link that a better one rules out is no alternative and drops out before.
The result depends on the links and vetoes alone: ties are broken by the records' names, never by arrival.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.clustering.graph import Numbers

Pair = tuple[int, int]
"""Two record numbers, left < right."""
Flags = NDArray[np.bool_]
Judge = Callable[[Numbers, Numbers], tuple[Flags, Flags]]
"""As in `matcher.clustering.persons.Rules`."""
NO_LINK = np.float32(-np.inf)
MOST_RECORDS = 8192
"""Of a component: matrices of more would be as large as all else in memory."""


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


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """Records that links connect, and what resolution asks about them. Matrices (n, n) are symmetric."""

    members: Numbers
    """(n,), ascending."""
    weights: NDArray[np.float32]
    """(n, n): bits of the link of two, `NO_LINK` where there is none."""
    vetoed: Flags
    """(n, n): never one person: two different valid identifiers, or a reviewer said so."""
    apart: Flags
    """(n, n): compared directly and clearly not one person."""
    ranks: Numbers
    """(n,): order of the records' names, which do not depend on arrival."""

    @classmethod
    def judged(cls, members: Numbers, judge: Judge, ranks: Numbers) -> "Component":
        """With what is judged of every pair, and no link yet."""
        size = len(members)
        vetoed, apart = np.zeros((2, size, size), np.bool_)
        for i in range(1, size):
            # a row at a time: of all pairs at once the numbers alone would take more memory than what is judged
            vetoed[i, :i], apart[i, :i] = judge(members[:i], np.full(i, members[i]))
        return cls(members, np.full((size, size), NO_LINK, np.float32), vetoed | vetoed.T, apart | apart.T, ranks)


def resolve(component: Component, margin: float) -> Resolved:
    """Persons of one component. `margin`: bits by which a leader must be better."""
    members, weights, ranks = component.members, component.weights, component.ranks
    dropped, contested = _leader_rule(component, margin)
    left, right = np.nonzero(np.triu((weights != NO_LINK) & ~dropped, 1))
    names = np.sort(np.stack([ranks[left], ranks[right]]), axis=0)
    order = np.lexsort((names[1], names[0], -weights[left, right]))
    persons = {i: [i] for i in range(len(members))}
    person_of = list(range(len(members)))
    weakest: dict[int, float] = {}
    for i, j in zip(left[order].tolist(), right[order].tolist(), strict=True):
        a, b = person_of[i], person_of[j]
        if a == b or component.vetoed[np.ix_(persons[a], persons[b])].any():
            continue
        weakest[a] = min(float(weights[i, j]), *(weakest.pop(each, np.inf) for each in (a, b)))
        for each in persons[b]:
            person_of[each] = a
        persons[a] += persons.pop(b)
    found = [Person(tuple(members[sorted(persons[a])].tolist()), low) for a, low in weakest.items()]
    asked = members[np.argwhere(np.triu(contested))].tolist()
    return Resolved(tuple(sorted(found, key=lambda person: person.records)), tuple((a, b) for a, b in asked))


def _leader_rule(component: Component, margin: float) -> tuple[Flags, Flags]:
    """Links (n, n) that do not count, and those of them that a reviewer should see."""
    weights, linked = component.weights, component.weights != NO_LINK
    unlike = ~linked & (component.vetoed | component.apart)
    outbid = _outbid(component, margin)
    dropped, contested = outbid.copy(), np.zeros_like(outbid)
    for i in range(len(weights)):
        others = np.flatnonzero(linked[i] & ~outbid[i])
        if len(others) > 1:
            lead = np.subtract.outer(weights[i, others], weights[i, others], dtype=np.float64)
            alternatives = unlike[np.ix_(others, others)]
            tied = (alternatives & ((lead == 0) | (np.abs(lead) < margin))).any(axis=1)
            lost = tied | (alternatives & (lead < 0)).any(axis=1)
            dropped[i, others[lost]] = dropped[others[lost], i] = True
            contested[i, others[tied]] = contested[others[tied], i] = True
    return dropped, contested


def _outbid(component: Component, margin: float) -> Flags:
    """Links (n, n) of which one of the two has another, better by the margin, to a third record that vetoes the other:
    then this link could join nobody, and is no alternative to any other."""
    weights, outbid = component.weights, np.zeros_like(component.vetoed)
    for i in range(len(weights)):
        others = np.flatnonzero(weights[i] != NO_LINK)
        if len(others) > 1:
            lead = np.subtract.outer(weights[i, others], weights[i, others], dtype=np.float64)
            lost = others[((lead >= margin) & component.vetoed[np.ix_(others, others)]).any(axis=0)]
            outbid[i, lost] = outbid[lost, i] = True
    return outbid
