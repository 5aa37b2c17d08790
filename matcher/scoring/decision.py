"""What a match weight means."""

from dataclasses import dataclass
from math import log2

import numpy as np
from numpy.typing import NDArray

from matcher.model import ConfidenceBand

MATCH_PROBABILITY = 0.95
POSSIBLE_PROBABILITY = 0.5


def probability(weight: NDArray[np.float32] | NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Match probability of a match weight with its prior: 2^w / (1 + 2^w)."""
    return np.asarray(1.0 / (1.0 + np.exp2(-np.asarray(weight, np.float64))))


def weight_of(probability: float) -> float:
    """Match weight of a match probability (0 < p < 1): the log2 odds."""
    return log2(probability / (1.0 - probability))


_HIGH, _VERY_HIGH = weight_of(0.99), weight_of(0.9999)


def confidence(weights: NDArray[np.float32] | float) -> NDArray[np.int64]:
    """`ConfidenceBand` of match weights, in their shape; see the contract for the bounds."""
    return np.asarray(ConfidenceBand.MODERATE + np.searchsorted((_HIGH, _VERY_HIGH), weights, side="right"))


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Match probabilities from which a pair is a MATCH, and a POSSIBLE_MATCH."""

    match: float = MATCH_PROBABILITY
    possible: float = POSSIBLE_PROBABILITY

    @property
    def match_weight(self) -> float:
        """Least weight of a MATCH, bits."""
        return weight_of(self.match)

    @property
    def possible_weight(self) -> float:
        """Least weight of a POSSIBLE_MATCH, bits."""
        return weight_of(self.possible)
