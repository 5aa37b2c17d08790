"""Which partner a record has at another agency, if any: pairs seen together, where a weight says nothing of others.

An agency holds a person once, as a rule, so a record has one partner there at most, and who is whose partner between
two agencies is a bipartite matching. Of a pair whose records have no other partner the prior is the odds of one more
link of a matching: of M links between N and N' records M to (N - M)(N' - M) (the beta prior of Sadinle 2017), where
that of a pair seen alone is M to N N'. So where nearly all have found their partner, two that are left are likely a
pair too. How likely each pair is follows by belief propagation, exact where pairs make no ring (for matchings:
Zdeborova and Mezard 2006).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.model import Links
from matcher.scoring.decision import probability
from matcher.scoring.training import CONFIDENCE

_SURE = 60.0
"""No pair weighs so many bits; sums of odds must not overflow."""
_STILL = 0.01
"""Change in bits below which belief propagation stands still."""
_MOST_ROUNDS = 100
_Numbers = NDArray[np.int64]
_Floats = NDArray[np.float64]
AreOne = Callable[[_Numbers, _Numbers], NDArray[np.bool_]]
"""Whether pairs of records (n,), (n,) of one agency are of one person all the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Partners:
    """Bits to add to the weights of pairs, for what other pairs there are."""

    _pairs: _Numbers
    """(n,), ascending: see `_keys`."""
    _bits: _Floats

    @classmethod
    def found(cls, links: Links, agency: _Numbers, held: _Numbers, population: int, are_one: AreOne) -> "Partners":
        """From all pairs across agencies that may be of one person, unlikely ones too. `agency` (N,): number of each
        record's; `held` (A,): records of each; `population`: what the links' prior takes for granted."""
        turned = agency[links.left] > agency[links.right]
        left = np.where(turned, links.right, links.left)
        right = np.where(turned, links.left, links.right)
        weight = links.weight.astype(np.float64)
        sides = (
            _Side.of(left, agency[right], len(held), weight, lambda a, b: are_one(right[a], right[b])),
            _Side.of(right, agency[left], len(held), weight, lambda a, b: are_one(left[a], left[b])),
        )
        more = _overlaps(sides, weight, agency[left], agency[right], held, population)
        odds = np.exp2(np.clip(weight + more, -_SURE, _SURE))
        free = [np.zeros(len(weight)) for _ in sides]
        for _ in range(_MOST_ROUNDS):
            before = list(free)
            for mine, its in ((0, 1), (1, 0)):
                taken = np.log2(1.0 + sides[mine].others(odds * np.exp2(before[its])))
                free[mine] = (before[mine] - taken) / 2  # half way: whole ways overshoot, there and back
            if max(np.abs(now - old).max(initial=0.0) for now, old in zip(free, before, strict=True)) < _STILL:
                break
        keys = _keys(left, right)
        order = np.argsort(keys)
        return cls(keys[order], (more + free[0] + free[1])[order])

    @property
    def most_added(self) -> float:
        """Bits that are added to no pair more."""
        return float(self._bits.max(initial=0.0))

    def added(self, left: _Numbers, right: _Numbers) -> _Floats:
        """Bits (n,) to add to the weights of pairs of records (n,), (n,): none to pairs that were not among them."""
        keys = _keys(left, right)
        at = np.searchsorted(self._pairs, keys)
        known = at < len(self._pairs)
        known[known] = self._pairs[at[known]] == keys[known]
        bits = np.zeros(len(keys))
        bits[known] = self._bits[at[known]]
        return bits


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """Pairs (n,) by one of their records and the agency of the other: those of one group exclude each other, but for
    those whose other records are of one person with that of the likeliest pair."""

    group: _Numbers
    """(n,), numbered from 0."""
    likeliest: _Numbers
    """Places of the likeliest pair of each group."""
    leading: NDArray[np.bool_]
    """(n,): of one person with the likeliest."""

    @classmethod
    def of(cls, record: _Numbers, agency: _Numbers, agencies: int, weight: _Floats, are_one: AreOne) -> "_Side":
        """`record` (n,), `agency` (n,): by which pairs are grouped; `are_one`: of places of pairs."""
        _, group = np.unique(record * agencies + agency, return_inverse=True)
        order = np.lexsort((-weight, group))
        first = np.ones(len(order), np.bool_)
        first[1:] = group[order[1:]] != group[order[:-1]]
        likeliest = order[first]
        leading = np.zeros(len(group), np.bool_)
        leading[likeliest] = True
        others = np.flatnonzero(~leading)
        leading[others] = are_one(others, likeliest[group[others]])
        return cls(group, likeliest, leading)

    def others(self, odds: _Floats) -> _Floats:
        """Of each pair (n,) the sum of the odds (n,) of all that it excludes."""
        ahead = np.bincount(self.group, np.where(self.leading, odds, 0.0))
        behind = np.bincount(self.group, np.where(self.leading, 0.0, odds))
        return np.where(self.leading, behind[self.group], np.maximum((ahead + behind)[self.group] - odds, 0.0))


def _overlaps(
    sides: tuple[_Side, _Side], weight: _Floats, left: _Numbers, right: _Numbers, held: _Numbers, population: int
) -> _Floats:
    """Bits (n,) that pairs weigh more, seen from both sides, if neither record has another partner. `left`, `right`
    (n,): their agencies. Their prior counts as `CONFIDENCE` pairs between any two agencies, and as so many records of
    each that have no partner."""
    likely = probability(weight)
    links, found = np.zeros((2, len(held), len(held)))
    # of a record its likeliest pair counts, and of two agencies those that are so on both sides
    ahead = sides[0].leading & sides[1].leading
    np.add.at(links, (left[ahead], right[ahead]), likely[ahead])
    for side, own, other in zip(sides, (left, right), (right, left), strict=True):
        np.add.at(found, (own[side.likeliest], other[side.likeliest]), likely[side.likeliest])
    expected = np.outer(held, held) / population
    free = (held[:, np.newaxis] - found + CONFIDENCE) / (held[:, np.newaxis] + CONFIDENCE)
    bits = np.log2((links + CONFIDENCE) / (expected + CONFIDENCE) / free / free.T)
    return np.asarray(bits[left, right])


def _keys(left: _Numbers, right: _Numbers) -> _Numbers:
    """Pairs of records as numbers, in whatever order their two are given."""
    return np.minimum(left, right) << np.int64(32) | np.maximum(left, right)
