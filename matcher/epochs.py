"""What stands in for comparison while records of two epochs are held: nothing is compared across epochs.

When a record comes anew under the next key, what was found of it and of records still under the last one would be lost,
and persons fall apart until all of them came. So it is carried over, as entries of the stored links between records of
two epochs: links with the weight they had, and below `NO_LINK` what else resolution asks of records that links or
answers connect. Once both records are of one epoch they are compared, and what was carried is dropped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from matcher.clustering.graph import NO_LINK, Numbers
from matcher.clustering.persons import Persons
from matcher.clustering.resolve import Judge, Pair, pair_of
from matcher.model import Links
from matcher.registry import Registry

_TOLERATED = NO_LINK
"""Of one agency, and so like that they may be one person."""
_APART = NO_LINK - 1
"""Clearly not one person."""
_VETOED = NO_LINK - 2
"""Clearly not one person, and never."""


@dataclass(slots=True, eq=False)
class Epochs:
    """See the module. `compared` judges pairs of one epoch; `persons` must be set before anything is asked."""

    compared: Judge
    registry: Registry
    persons: Persons = field(init=False)

    def judge(self, left: Numbers, right: Numbers) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """See `matcher.clustering.persons.Rules`."""
        vetoed, apart = self.compared(left, right)
        if len(self.registry.epochs_seen) > 1:
            across = np.flatnonzero(self._across(left, right))
            one, other = left[across], right[across]
            pairs = zip(one.tolist(), other.tolist(), strict=True)
            weights = np.array([self.persons.entries(a).get(b, np.nan) for a, b in pairs])
            vetoed[across] = np.where(self._of_one_agency(one, other), weights != _TOLERATED, weights == _VETOED)
            apart[across] = weights <= _APART
        return vetoed, apart

    def carry(self, again: list[int], epoch: int, carried: dict[Pair, float]) -> None:
        """Add what is to be carried over of records about to be replaced by ones of an epoch."""
        pairs: list[Pair] = []
        for record in again:
            entries, own = self.persons.entries(record), self._epoch(record)
            others = entries.keys() | (self.persons.around(record) if own != epoch else set())
            for other in others - {record}:
                pair, its = pair_of(record, other), self._epoch(other)
                if its in (epoch, -1):
                    continue
                if other in entries:
                    carried[pair] = entries[other]
                elif its == own:
                    pairs.append(pair)
        left, right = np.array(pairs, np.int64).reshape(-1, 2).T
        vetoed, apart = self.compared(left, right)
        tolerated = self._of_one_agency(left, right) & ~vetoed
        weights = np.select([vetoed & apart, apart, tolerated], [_VETOED, _APART, _TOLERATED], np.nan)
        carried |= {pairs[at]: float(weights[at]) for at in np.flatnonzero(~np.isnan(weights)).tolist()}

    def with_carried(self, links: Links, carried: Mapping[Pair, float]) -> Links:
        """Links, and what was carried over of pairs that are held and of two epochs still."""
        pairs = np.array(list(carried), np.int64)
        still = self._across(pairs[:, 0], pairs[:, 1]) & self.registry.holds(pairs).all(axis=1)
        left, right = (np.concatenate([of, pairs[still, side]]) for side, of in enumerate((links.left, links.right)))
        weight = np.concatenate([links.weight, np.array(list(carried.values()), np.float32)[still]])
        order = np.lexsort((right, left))
        return Links(left[order], right[order], weight[order])

    def _epoch(self, record: int) -> int:
        return int(self.registry.epochs(np.array(record)))

    def _across(self, left: Numbers, right: Numbers) -> NDArray[np.bool_]:
        return np.asarray(self.registry.epochs(left) != self.registry.epochs(right))

    def _of_one_agency(self, left: Numbers, right: Numbers) -> NDArray[np.bool_]:
        return np.asarray(self.registry.agencies(left) == self.registry.agencies(right))
