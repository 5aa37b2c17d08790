"""What an attack brought: how many people were re-identified, among whom, and how sure its claims were."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

OURS, CLK, MINHASH = "ours", "global CLK", "global MinHash"
ENCODINGS = (OURS, CLK, MINHASH)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attack on one encoding."""

    attack: str
    encoding: str
    people: int
    """Held by the agencies."""
    setting: str
    correct: int
    """People rightly named."""
    claimed: int
    """People named."""
    of: int
    """People who could have been named."""
    counted: str
    """Who they are."""
    seconds: float
    measures: dict[str, float] = field(default_factory=dict)
    """What else the attack measured."""

    @property
    def share(self) -> float:
        """People rightly named among those who could have been, 0 to 1."""
        return self.correct / self.of if self.of else 0.0

    @property
    def precision(self) -> float:
        """Right claims among all, 0 to 1; 0 where nothing was claimed."""
        return self.correct / self.claimed if self.claimed else 0.0


def people_named(
    person: NDArray[np.int64], named: NDArray[np.int64], points: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Claims on records (n,) as claims on people: each person, and the row named by the record of most points."""
    order = np.lexsort((-points, person))
    first = order[np.flatnonzero(np.diff(person[order], prepend=-1))]
    return person[first], named[first]
