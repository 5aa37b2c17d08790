"""Known-pair learning: from people whose record is known, learn what clear text does to the bits, and decode the
rest.

Follows Christen, Ranbaduge, Vatsalan and Schnell 2018 ("Precise and fast cryptanalysis for Bloom filter based
privacy-preserving record linkage"), with known pairs in place of frequency-aligned ones and ridge regression in
place of candidate sets: it learns a weight for every whole value and every bigram and bit, says how a register row
would be encoded, and names the register row whose prediction is nearest to a record.

The attacker knows a register and some pairs. Cost: a system of the size of the pairs, then a sample of records
times the register. For ours the bits of all passes are learnt, each pass with its own weights.
"""

import time
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.attacks.arena import Arena
from benchmarks.attacks.encoders import CLK_FIELDS, bigrams
from benchmarks.attacks.matching import PART, Floats, Ints, nearest
from benchmarks.attacks.outcome import ENCODINGS, Outcome

PAIRS = (20, 200, 1000)
SAMPLE = 2000
_RIDGE = 3.0
_LEAST_LEAD = 0.02


def centred(bits: NDArray[np.uint8]) -> Floats:
    """0 and 1 as -0.5 and 0.5, a missing bit as 0; then each column without its mean."""
    values = np.where(bits == 2, np.float32(0), bits.astype(np.float32) - np.float32(0.5))
    result: Floats = values - values.mean(axis=0)
    return result


def sample_of_records(arena: Arena, seed: int, without: Ints | None = None) -> tuple[Ints, Ints]:
    """Records of SAMPLE people (or all) who are held and registered, and these people."""
    people = np.flatnonzero(arena.row_of_node >= 0)
    if without is not None:
        people = np.setdiff1d(people, without)
    chosen = np.random.default_rng([seed, 3]).permutation(people)[:SAMPLE]
    return np.flatnonzero(np.isin(arena.node_of, chosen)), chosen


def features(arena: Arena) -> list[list[str]]:
    """For each register row, its whole values and bigrams, named."""
    columns = arena.world.known_columns
    known = {
        field: {value: [f"{field}={value}", *bigrams(field, value)] if value else [] for value in set(columns[field])}
        for field in CLK_FIELDS
    }
    rows = zip(*(columns[field] for field in CLK_FIELDS), strict=True)
    return [
        sorted({each for field, value in zip(CLK_FIELDS, row, strict=True) for each in known[field][value]})
        for row in rows
    ]


class Learner:
    """Says how register rows would be encoded, having seen the bits of some."""

    def __init__(self, sets: Sequence[Sequence[str]], rows: Ints, bits: Floats, ridge: float = _RIDGE) -> None:
        """Learn from `bits` (n, b) of register rows (n,)."""
        self._sets = sets
        self._names: dict[str, int] = {}
        for row in rows:
            for each in sets[row]:
                self._names.setdefault(each, len(self._names))
        given = self._matrix(rows)
        self._mean = given.mean(axis=0)
        given -= self._mean
        few = given.shape[1] < len(given)
        likeness = given.T @ given if few else given @ given.T
        likeness[np.diag_indices_from(likeness)] += np.float32(ridge)
        self._weights: Floats = (
            np.linalg.solve(likeness, given.T @ bits) if few else given.T @ np.linalg.solve(likeness, bits)
        )

    def predicted(self) -> Iterable[Floats]:
        """Of all register rows, in parts."""
        for start in range(0, len(self._sets), PART):
            rows = np.arange(start, min(start + PART, len(self._sets)))
            yield (self._matrix(rows) - self._mean) @ self._weights

    def _matrix(self, rows: Ints) -> Floats:
        result = np.zeros((len(rows), len(self._names)), np.float32)
        for at, row in enumerate(rows):
            result[at, [self._names[each] for each in self._sets[row] if each in self._names]] = 1
        return result


def run(arena: Arena, seed: int, setting: str) -> list[Outcome]:
    """On each encoding, for each number of known pairs."""
    outcomes = []
    sets = features(arena)
    for encoding in ENCODINGS:
        for count in PAIRS:
            started = time.perf_counter()
            known = arena.seeds(count, seed)
            pairs = np.flatnonzero(np.isin(arena.node_of, known.node))
            records, among = sample_of_records(arena, seed, known.node)
            shown = centred(arena.bits(encoding, np.concatenate([pairs, records])))
            learner = Learner(sets, arena.row_of_node[arena.node_of[pairs]], shown[: len(pairs)])
            found = nearest(shown[len(pairs) :], learner.predicted())
            sure = found.lead > _LEAST_LEAD
            claims = arena.claims(records[sure], found.row[sure], found.likeness[sure])
            seconds = time.perf_counter() - started
            described = f"{setting}, {count} known"
            outcomes.append(
                arena.outcome_of_people("known pairs", encoding, described, claims, seconds, beyond=known, among=among)
            )
    return outcomes
