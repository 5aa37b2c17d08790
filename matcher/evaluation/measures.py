"""How right pairs and persons are, measured against the truth. Pure functions of arrays; cost: a few sorts.

Records are numbered 0 to N - 1. `person` (N,) names each record's person, the true or a found one, and `agency` (N,)
the agency that holds it; both may hold numbers or strings. Pairs are (n, 2) record numbers. Only pairs across agencies
count, since only those are ever compared.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pairs = NDArray[np.int64]
"""(n, 2) record numbers, left < right."""
Labels = NDArray[Any]
"""(n,) numbers or strings that tell groups apart."""
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_BINS = 10
MIXED = "mixed"
"""Label of a pair whose records have two different labels."""
UNKNOWN = "unknown"
"""Label of a pair of which neither record has one."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Counts of what was found, and how right that makes it. Who claims nothing is wrong in nothing: 0 / 0 is 1."""

    true_positives: int
    false_positives: int
    false_negatives: int

    @property
    def precision(self) -> float:
        """Share of what was found that is true, 0 to 1."""
        return _share(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        """Share of what is true that was found, 0 to 1."""
        return _share(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 0 to 1."""
        return _share(2 * self.true_positives, 2 * self.true_positives + self.false_positives + self.false_negatives)


@dataclass(frozen=True, slots=True)
class KnownToTwo:
    """Persons known to two or more agencies: what alerts are about.

    A found person is *right* if all its records are of one true person. A true person is *reached* if records of two of
    its agencies stand together in one found person, whoever else's stand there too. So precision counts found persons,
    and recall true ones: one true person found in two halves is two right ones.
    """

    found: int
    right: int
    """Of those found."""
    true: int
    reached: int
    """Of the true ones."""

    @property
    def precision(self) -> float:
        """Share of found persons that are right, 0 to 1; 1 if none was found."""
        return _share(self.right, self.found)

    @property
    def recall(self) -> float:
        """Share of true persons that were reached, 0 to 1; 1 if there is none."""
        return _share(self.reached, self.true)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 0 to 1; 0 if both are."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


# -- pairs and persons -----------------------------------------------------------------------------------------------


def pairs_of_persons(person: Labels, agency: Labels) -> Pairs:
    """All pairs of records of one person and two agencies, ordered by (left, right): of the truth, the true pairs; of
    found persons, the pairs they imply. Cost: a sort of the records and of the pairs."""
    order = np.argsort(person, kind="stable")
    ordered = person[order]
    found = [np.empty((0, 2), np.int64)]
    start = np.arange(len(order))
    distance = 1
    while True:
        # a record with a fellow so far down the order has one at every smaller distance: nothing is looked at in vain
        start = start[start + distance < len(order)]
        start = start[ordered[start] == ordered[start + distance]]
        if not len(start):
            break
        # the order is stable, so left < right
        found.append(np.column_stack([order[start], order[start + distance]]))
        distance += 1
    return across_agencies(np.concatenate(found), agency)


def across_agencies(pairs: Pairs, agency: Labels) -> Pairs:
    """Pairs of two agencies, each once and with left < right, ordered by (left, right)."""
    across = pairs[agency[pairs[:, 0]] != agency[pairs[:, 1]]]
    left, right = across.min(axis=1), across.max(axis=1)
    # one number a pair: sorted many times faster than rows of two
    return np.column_stack(np.divmod(np.unique(left * np.int64(len(agency)) + right), len(agency)))


def place_of_pairs(pairs: Pairs, among: Pairs) -> NDArray[np.int64]:
    """Where each pair (m, 2) stands `among` others (n, 2), which are ordered by (left, right) and each once: (m,), -1
    where it is not one of them."""
    if not len(among):
        return np.full(len(pairs), -1, np.int64)
    size = np.int64(1 + max(among.max(), pairs.max(initial=0)))
    held, wanted = (each[:, 0] * size + each[:, 1] for each in (among, pairs))
    place = np.minimum(np.searchsorted(held, wanted), len(held) - 1)
    return np.where(held[place] == wanted, place, -1)


def pair_quality(found_pairs: Pairs, person: Labels, agency: Labels) -> Quality:
    """Quality of found pairs against the true persons. Pairs of one agency are left out, a pair found twice counts
    once."""
    found = across_agencies(found_pairs, agency)
    right = int((person[found[:, 0]] == person[found[:, 1]]).sum())
    return Quality(right, len(found) - right, len(pairs_of_persons(person, agency)) - right)


def known_to_two(found_person: Labels, person: Labels, agency: Labels) -> KnownToTwo:
    """How right found persons (N,) known to two or more agencies are against the true ones (N,)."""
    found_codes, codes, agencies = (np.unique(each, return_inverse=True)[1] for each in (found_person, person, agency))
    alerted = _with_two(found_codes, agencies)
    together = found_codes * np.int64(len(codes)) + codes  # a true person's part of a found one
    parts, part = np.unique(together, return_inverse=True)
    parts_of_found = np.bincount(parts // len(codes), minlength=len(codes)) if len(codes) else parts
    return KnownToTwo(
        found=len(alerted),
        right=int((parts_of_found[alerted] == 1).sum()),
        true=len(_with_two(codes, agencies)),
        reached=len(np.unique(parts[_with_two(part, agencies)] % max(len(codes), 1))),
    )


def _with_two(group: NDArray[np.intp], agency: NDArray[np.intp]) -> NDArray[np.intp]:
    """Groups (numbers from 0) that hold records of two or more agencies (numbers from 0), ascending."""
    agencies = agency.max(initial=0) + 1
    return np.flatnonzero(np.bincount(np.unique(group * agencies + agency) // agencies) > 1)


# -- groups ----------------------------------------------------------------------------------------------------------


def pair_quality_by(
    found_pairs: Pairs, person: Labels, agency: Labels, label: Callable[[Pairs], Labels]
) -> dict[str, Quality]:
    """`pair_quality` for each group of pairs, in order of the groups' names. `label` names the group of each pair."""
    found, true = across_agencies(found_pairs, agency), pairs_of_persons(person, agency)
    is_right = person[found[:, 0]] == person[found[:, 1]]
    found_label, true_label = label(found).astype(str), label(true).astype(str)
    groups = {}
    for name in np.union1d(found_label, true_label).tolist():
        chosen = found_label == name
        right = int((chosen & is_right).sum())
        groups[name] = Quality(right, int(chosen.sum()) - right, int((true_label == name).sum()) - right)
    return groups


def both_labels(label: Labels, pairs: Pairs) -> Labels:
    """Each pair's two labels (of strings (N,)) in order of the alphabet, joined by ' / '."""
    two = np.sort(label[pairs].astype(str), axis=1)
    return np.char.add(np.char.add(two[:, 0], " / "), two[:, 1])


def common_label(label: Labels, pairs: Pairs) -> Labels:
    """The label that a pair's records share, or that the one of them has which has any ('': none); else `MIXED` or
    `UNKNOWN`."""
    left, right = label[pairs[:, 0]].astype(str), label[pairs[:, 1]].astype(str)
    chosen = [(left == "") & (right == ""), (left == right) | (right == ""), left == ""]
    return np.select(chosen, [np.full(len(pairs), UNKNOWN), left, right], MIXED)


# -- thresholds ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class ThresholdCurve:
    """What every threshold would find: all pairs scored at least so high."""

    thresholds: Floats
    """(k,) every score there is, falling."""
    true_positives: NDArray[np.int64]
    """(k,) never falling."""
    false_positives: NDArray[np.int64]
    """(k,) never falling."""
    total_true: int
    """True pairs there are, scored or not."""

    @property
    def precision(self) -> Floats:
        """(k,) 0 to 1."""
        return self.true_positives / (self.true_positives + self.false_positives)

    @property
    def recall(self) -> Floats:
        """(k,) 0 to 1; 1 if there is no true pair."""
        return self.true_positives / self.total_true if self.total_true else np.ones(len(self.thresholds))

    @property
    def f1(self) -> Floats:
        """(k,) 0 to 1."""
        return 2 * self.true_positives / (self.true_positives + self.false_positives + self.total_true)

    def at(self, threshold: float) -> Quality:
        """The counts at any threshold."""
        taken = int(np.searchsorted(-self.thresholds, -threshold, side="right"))
        right = int(self.true_positives[taken - 1]) if taken else 0
        return Quality(right, int(self.false_positives[taken - 1]) if taken else 0, self.total_true - right)


def threshold_curve(scores: NDArray[Any], is_match: Flags, total_true: int) -> ThresholdCurve:
    """The curve of scored pairs: `scores` (n,) in any unit, higher is likelier; `is_match` (n,) the truth."""
    order = np.argsort(-scores, kind="stable")
    ordered, right = scores[order].astype(np.float64), np.cumsum(is_match[order], dtype=np.int64)
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], len(ordered) > 0))
    return ThresholdCurve(ordered[last], right[last], last + 1 - right[last], total_true)


def best_threshold(curve: ThresholdCurve) -> float:
    """The threshold with the highest F1, of equals the highest; infinity if nothing was scored."""
    return float(curve.thresholds[np.argmax(curve.f1)]) if len(curve.thresholds) else np.inf


# -- calibration -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Predicted probability against observed share of matches, in bins of equal width; empty bins are left out."""

    lower: Floats
    """(b,) lower bound of each bin; it belongs to the bin, and 1 to the last one."""
    predicted: Floats
    """(b,) mean predicted probability."""
    observed: Floats
    """(b,) share of matches."""
    count: NDArray[np.int64]
    """(b,) pairs, 1 or more."""
    floor: float
    """Pairs predicted below it are not in here."""

    @property
    def expected_error(self) -> float:
        """Expected calibration error: mean |predicted - observed| of the bins, each weighted by its pairs; 0 to 1, and
        0 if there are no pairs."""
        return float(np.average(abs(self.predicted - self.observed), weights=self.count)) if len(self.count) else 0.0


def calibration(probability: NDArray[Any], is_match: Flags, floor: float = 0.0) -> Calibration:
    """Calibration of predicted probabilities (n,), 0 to 1, in ten bins of equal width between 0 and 1.

    Candidate pairs are mostly sure non-matches: a million right predictions of 0 hide any error elsewhere. `floor`
    leaves those predicted below it out.
    """
    kept = probability >= floor
    probability, is_match = probability[kept].astype(np.float64), is_match[kept]
    edges = np.linspace(0.0, 1.0, _BINS + 1)
    place = np.clip(np.searchsorted(edges, probability, side="right") - 1, 0, _BINS - 1)
    count = np.bincount(place, minlength=_BINS)
    used = np.flatnonzero(count)
    predicted = np.bincount(place, probability, minlength=_BINS)[used] / count[used]
    observed = np.bincount(place, is_match, minlength=_BINS)[used] / count[used]
    return Calibration(edges[used], predicted, observed, count[used].astype(np.int64), floor)
