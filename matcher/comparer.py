"""How records compare, and what that says about persons."""

import numpy as np
from numpy.typing import NDArray

from matcher.blocking.index import BlockIndex
from matcher.registry import Registry
from matcher.scoring.kernels import VETOED
from matcher.scoring.scorer import Comparison, Scorer
from matcher.settings import Settings

_Numbers = NDArray[np.int64]
_Flags = NDArray[np.bool_]


class Comparer:
    """Compares records of a registry by their rows in an index."""

    def __init__(self, scorer: Scorer, settings: Settings, index: BlockIndex, registry: Registry) -> None:
        self._scorer = scorer
        self._settings = settings
        self._index = index
        self._registry = registry
        names = [agency.name.encode() + b"/" for agency in settings.agencies]
        self._agency_order = np.argsort(np.argsort(np.array(names)))

    def judge(self, left: _Numbers, right: _Numbers) -> tuple[_Flags, _Flags]:
        """See `matcher.clustering.persons.Rules`."""
        registry = self._registry
        weights = self._scorer.best_weights(self._index.rows, registry.row_spans(left), registry.row_spans(right))
        # an agency seldom holds a person twice: its records are of one only if they match each other
        needed = self._scorer.thresholds.match_weight + self._settings.second_record_margin
        of_one_agency = registry.agencies(left) == registry.agencies(right)
        vetoed = np.where(of_one_agency, ~(weights >= needed), weights == VETOED)
        return vetoed, weights < self._settings.apart_weight

    def ranks(self, records: _Numbers) -> _Numbers:
        """See `matcher.clustering.persons.Rules`."""
        return self._registry.ranks(records, self._agency_order)

    def compare(self, left: int, right: int) -> Comparison | None:
        """How two records compare; None if they share no block or are of two epochs."""
        one, other = self._registry.epochs(np.array([left, right])).tolist()
        if one != other:
            return None
        return self._scorer.compare(self._index.rows, self._registry.rows(left), self._registry.rows(right))
