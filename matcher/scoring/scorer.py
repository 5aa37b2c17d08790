"""Applies a match model to rows of the block index."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matcher.model import Links, Rows
from matcher.scoring.bound import Bound
from matcher.scoring.decision import Thresholds
from matcher.scoring.kernels import VETOED, best_weights, distances, score_rows, sum_up, weigh
from matcher.scoring.model import MatchModel, Rival, prior_weight, tables_against
from matcher.scoring.partners import Partners

_FIRST_ROOM = 16384


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two rows compare."""

    distances: tuple[int, ...]
    """By field, bits; -1 where missing."""
    weights: tuple[float, ...]
    """By field, what it contributes in bits: 0 where another alternative said the same better, or the rival explains
    it."""
    prior: float
    """What the comparison starts from, in bits, against the strongest rival."""
    rival: str
    """The strongest rival's name."""
    total: float
    """The prior and the weights, and what other pairs add."""
    partners: float = 0.0
    """Bits that other pairs add, where they are seen together."""


def best_variants(records: NDArray[np.int64], weights: NDArray[np.float32]) -> NDArray[np.int64]:
    """Of pairs of records (n, 2), left < right, that their variants may repeat: places of the best of each, ordered by
    (left, right)."""
    order = np.lexsort((-weights, records[:, 1], records[:, 0]))
    first = np.ones(len(order), bool)
    first[1:] = (records[order[1:]] != records[order[:-1]]).any(axis=1)
    return order[first]


class Scorer:
    """A model, a prior and thresholds, laid out for the kernels."""

    def __init__(
        self, model: MatchModel, expected_population: int, thresholds: Thresholds, partners: Partners | None = None
    ) -> None:
        """`partners`: what pairs say of each other, where all are known beforehand."""
        scheme = model.scheme
        self.model = model
        self.scheme = scheme
        self.thresholds = thresholds
        self._least = np.array(model.least, np.float32)
        rivals = (Rival("stranger", (), prior_weight(expected_population)), *model.rivals)
        self._rivals = [rival.name for rival in rivals]
        self._priors = np.array([rival.prior for rival in rivals], np.float32)
        self._partners = partners
        self.compared = 0
        """Pairs compared so far."""
        self._word_ends = np.cumsum([field.bits // 32 for field in scheme.fields])
        number = {each.name: p for p, each in enumerate(scheme.passes)}
        self._pass_of = np.array([-1 if field.bits else number[field.name] for field in scheme.fields])
        levels = max(field.bits for field in scheme.fields) + 1
        self._tables = np.zeros((len(rivals), len(scheme.fields), levels), np.float32)
        for k, rival in enumerate(rivals):
            for f, table in enumerate(tables_against(rival.explains, scheme, model.tables)):
                self._tables[k, f, : len(table)] = table
        alternatives = [(c, fields) for c, each in enumerate(scheme.alternatives) for fields in each]
        self._alternative_of = np.empty(len(scheme.fields), np.int64)
        for a, (_, fields) in enumerate(alternatives):
            self._alternative_of[list(fields)] = a
        self._comparison_of = np.array([c for c, _ in alternatives])
        self._vetoes = np.array([field.vetoes for field in scheme.fields])
        self._weighing = (
            self._word_ends, self._pass_of, self._tables, self._alternative_of, self._comparison_of, self._vetoes,
            self._least, self._priors,
        )  # fmt: skip
        """What kernels compare rows and weigh distances with."""
        self._bound = Bound(scheme, self._tables[0], self._least, self._priors[0])
        self._room = _FIRST_ROOM

    def score(self, rows: Rows, new: range) -> Links:
        """Links between records of `new` rows and of older ones of other agencies that are POSSIBLE_MATCH or better.

        Rows of two epochs are not compared. Of several variants of two records the best pair counts."""
        pairs, weights, _ = self.score_records(rows, new, self.thresholds.possible_weight)
        return Links(pairs[:, 0], pairs[:, 1], weights)

    def score_records(
        self, rows: Rows, new: range, floor: float, *, with_distances: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int16]]:
        """As `score_pairs`, but records (n, 2), left < right, each pair once, ordered by (left, right)."""
        least = floor - (self._partners.most_added if self._partners else 0.0)
        pairs, weights, distances = self.score_pairs(rows, new, least, with_distances=with_distances)
        records = np.sort(rows.records[pairs], axis=1)
        best = best_variants(records, weights)
        weights = weights[best]
        if self._partners:
            weights += self._partners.added(records[best, 0], records[best, 1])
        kept = best[above := weights >= floor]
        return records[kept], weights[above], distances[kept] if with_distances else distances

    def score_pairs(
        self, rows: Rows, new: range, floor: float, *, with_distances: bool = False
    ) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int16]]:
        """All pairs of rows of at least `floor` bits: rows (n, 2), weights (n,), and distances (n, F) or (0, F)."""
        row, fields, floor = new.start, len(self.scheme.fields), float(np.float32(floor))
        found = [(np.empty((0, 2), np.int32), np.empty(0, np.float32), np.empty((0, fields), np.int16))]
        while row < new.stop:
            pairs = np.empty((self._room, 2), np.int32)
            weights = np.empty(self._room, np.float32)
            out = np.empty((self._room if with_distances else 0, fields), np.int16)
            written, compared, reached = score_rows(
                row, new.stop, rows.blocks, rows.following, rows.encodings, rows.field_masks, rows.origins,
                *self._weighing, self._bound.steps, self._bound.table, self._bound.limit(floor), floor,
                pairs, weights, out,
            )  # fmt: skip
            if reached == row:
                self._room *= 2
            row = reached
            self.compared += compared
            found.append((pairs[:written], weights[:written], out[:written]))
        all_pairs, all_weights, all_distances = zip(*found, strict=True)
        return np.concatenate(all_pairs), np.concatenate(all_weights), np.concatenate(all_distances)

    def best_weights(self, rows: Rows, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        """What `compare` finds in total (n,), pair by pair, NaN where it finds nothing. `left`, `right` (n, 2): a
        record's first row and the row behind its last."""
        found = np.empty(len(left), np.float64)
        best_weights(left, right, rows.blocks, rows.encodings, rows.field_masks, *self._weighing, found)
        if self._partners:
            found += self._partners.added(rows.records[left[:, 0]], rows.records[right[:, 0]])
        return found

    def compare(self, rows: Rows, left: range, right: range) -> Comparison | None:
        """The best comparison of the variants of two records; None if they share no block."""
        best: Comparison | None = None
        for a in left:
            for b in right:
                comparison = self._compare_rows(rows, a, b)
                if comparison is not None and (best is None or comparison.total > best.total):
                    best = comparison
        if best is None or not self._partners:
            return best
        [added] = self._partners.added(rows.records[[left.start]], rows.records[[right.start]]).tolist()
        return replace(best, partners=added, total=best.total + added)

    def _compare_rows(self, rows: Rows, left: int, right: int) -> Comparison | None:
        distance = np.empty(len(self._pass_of), np.int64)
        columns = (rows.blocks, rows.encodings, rows.field_masks)
        if not distances(left, right, *columns, self._word_ends, self._pass_of, distance):
            return None
        sums = np.empty(len(self._comparison_of), np.float32)
        groups = (self._alternative_of, self._comparison_of)
        total, won = weigh(distance, self._tables, *groups, self._vetoes, self._least, self._priors, -np.inf, sums)
        weights = np.where(self._vetoes & (distance > 0), VETOED, 0.0)
        if total > VETOED:
            sum_up(distance, self._tables[won], *groups, self._least, sums)
            weights = self._contributions(distance, won, sums)
        return Comparison(
            tuple(map(int, distance)),
            tuple(map(float, weights)),
            float(self._priors[won]),
            self._rivals[won],
            float(total),
        )

    def _contributions(self, distance: NDArray[np.int64], rival: int, sums: NDArray[np.float32]) -> NDArray[np.float64]:
        """What each field adds (F,), given the alternatives' sums (A,): nothing unless its alternative is the best of
        its comparison, and its share of the comparison's least weight where that is more."""
        weights = np.zeros(len(distance))
        for comparison, least in enumerate(self._least):
            best = max(np.flatnonzero(self._comparison_of == comparison), key=lambda a: sums[a])
            for f in np.flatnonzero((self._alternative_of == best) & (distance >= 0)):
                weights[f] = self._tables[rival, f, distance[f]] * (least / sums[best] if sums[best] < least else 1.0)
        return weights
