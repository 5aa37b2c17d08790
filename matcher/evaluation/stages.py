"""What each stage loses and adds: blocking, scoring, clustering."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from matcher.evaluation.candidates import Candidates
from matcher.evaluation.measures import Labels, Pairs, pairs_of_persons, place_of_pairs


class StageName(StrEnum):
    """In the order in which pairs pass them."""

    BLOCKING = "blocking"
    """Keeps the pairs that share a block."""
    SCORING = "scoring"
    """Keeps of them the pairs at or above the threshold."""
    CLUSTERING = "clustering"
    """Keeps the pairs of one found person, and adds those that only other records hold together."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Pairs after one stage, and what it did to those before it."""

    name: StageName
    true: int
    """True pairs left after it."""
    true_lost: int
    true_added: int
    false: int
    """False pairs left after it."""
    false_removed: int
    false_added: int


def stages(
    candidates: Candidates, threshold: float, found_person: Labels, person: Labels, agency: Labels
) -> tuple[Stage, ...]:
    """The three stages. `threshold` in bits; `found_person`, `person`, `agency` (N,) as in `measures`. Before blocking
    there are all pairs across agencies."""
    held = np.unique(agency, return_counts=True)[1].tolist()
    all_pairs = (sum(held) ** 2 - sum(each**2 for each in held)) // 2
    all_true = len(pairs_of_persons(person, agency))
    blocked = candidates.pairs
    linked = blocked[candidates.weight >= threshold]
    true, false = _counts(blocked, person)
    return (
        Stage(StageName.BLOCKING, true, all_true - true, 0, false, all_pairs - all_true - false, 0),
        _stage(StageName.SCORING, blocked, linked, person),
        _stage(StageName.CLUSTERING, linked, pairs_of_persons(found_person, agency), person),
    )


def _stage(name: StageName, before: Pairs, after: Pairs, person: Labels) -> Stage:
    true, false = _counts(after, person)
    true_lost, false_removed = _counts(before[place_of_pairs(before, after) < 0], person)
    true_added, false_added = _counts(after[place_of_pairs(after, before) < 0], person)
    return Stage(name, true, true_lost, true_added, false, false_removed, false_added)


def _counts(pairs: Pairs, person: Labels) -> tuple[int, int]:
    """True pairs and false ones."""
    true = int((person[pairs[:, 0]] == person[pairs[:, 1]]).sum())
    return true, len(pairs) - true
