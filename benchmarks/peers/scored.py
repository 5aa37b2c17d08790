"""What a peer answers with: scored pairs."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Scored:
    """Pairs of records of different agencies, left < right, each once."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    score: NDArray[np.float64]
    """Higher is likelier; what it means is the peer's."""


def best_of(left: NDArray[np.int64], right: NDArray[np.int64], score: NDArray[np.float64]) -> Scored:
    """Pairs in any direction, perhaps more than once; the best score of each counts."""
    frame = pd.DataFrame({"left": np.minimum(left, right), "right": np.maximum(left, right), "score": score})
    best = frame.groupby(["left", "right"], as_index=False)["score"].max()
    return Scored(best["left"].to_numpy(), best["right"].to_numpy(), best["score"].to_numpy(np.float64))
