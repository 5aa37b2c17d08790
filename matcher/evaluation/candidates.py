"""Candidate pairs of records with their weights and distances: all that blocking lets through, links or not."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.evaluation.measures import Pairs
from matcher.pipeline import Pipeline


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """All pairs of records of two agencies that share a block, ordered by (left, right), each once."""

    pairs: Pairs
    weight: NDArray[np.float32]
    """(n,) match weight in bits of the best pair of their variants."""
    distances: NDArray[np.int16]
    """(n, F) bits that differ in each field of that pair of variants, -1 where missing."""


def candidates_of(pipeline: Pipeline) -> Candidates:
    """The candidates of all that a pipeline has matched. Cost: every block compared once more, and a sort."""
    index = pipeline.index
    return Candidates(*pipeline.scorer.score_records(index.rows, range(index.row_count), -np.inf, with_distances=True))
