"""Example pairs: how single weights add up to a decision."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.evaluation.candidates import Candidates
from matcher.evaluation.gallery import References, bands_of
from matcher.evaluation.measures import Flags, Labels
from matcher.model import EvidenceBand
from matcher.pipeline import Pipeline
from matcher.scoring.kernels import VETOED


@dataclass(frozen=True, slots=True)
class Example:
    """One candidate pair and its weights."""

    title: str
    left: tuple[str, str]
    """Agency and record reference."""
    right: tuple[str, str]
    prior: float
    """Bits the comparison starts from, against the strongest rival."""
    partners: float
    """Bits that other pairs add."""
    rival: str
    bands: tuple[EvidenceBand, ...]
    """By field."""
    weights: tuple[float, ...]
    """By field, bits; they, the prior and what other pairs add make the total. 0 also where the rival explains the
    field, or another field said the same better."""
    total: float


def examples(pipeline: Pipeline, candidates: Candidates, person: Labels, references: References) -> tuple[Example, ...]:
    """At most three pairs: a true link as most are, the surest false one, the true pair that came nearest to a link."""
    true = person[candidates.pairs[:, 0]] == person[candidates.pairs[:, 1]]
    linked = candidates.weight >= pipeline.scorer.thresholds.match_weight
    missed = true & ~linked & (candidates.weight > VETOED)
    chosen = (
        ("A true link of median weight", _median(candidates.weight, true & linked)),
        ("The false link of highest weight", _highest(candidates.weight, ~true & linked)),
        ("The missed true pair of highest weight", _highest(candidates.weight, missed)),
    )
    found = []
    for title, place in chosen:
        if place is None:
            continue
        left, right = candidates.pairs[place].tolist()
        comparison = pipeline.compare(left, right)
        if comparison is not None:
            distances = np.array([comparison.distances], np.int16)
            found.append(
                Example(
                    title,
                    references[left],
                    references[right],
                    comparison.prior,
                    comparison.partners,
                    comparison.rival,
                    tuple(map(EvidenceBand, bands_of(pipeline.scorer.model, distances)[0].tolist())),
                    comparison.weights,
                    comparison.total,
                )
            )
    return tuple(found)


def _median(weight: NDArray[np.float32], among: Flags) -> int | None:
    places = np.flatnonzero(among)
    return int(places[np.argsort(weight[places], kind="stable")[len(places) // 2]]) if len(places) else None


def _highest(weight: NDArray[np.float32], among: Flags) -> int | None:
    places = np.flatnonzero(among)
    return int(places[weight[places].argmax()]) if len(places) else None
