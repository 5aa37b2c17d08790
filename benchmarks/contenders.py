"""Who links in a quality run: ours on tokens, and the peers. Each answers with the same kind of thing."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from benchmarks.datasets import Dataset
from benchmarks.peers import clk_peer, nhs_mps, recordlinkage_peer, records, splink_peer
from benchmarks.peers.scored import Scored
from matcher.linking import Linked, link_batches
from matcher.model import Decision
from matcher.scheme import UK_PERSON_V1

TIMEOUT = 1800.0
"""Seconds a peer may take for one data set."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a contender said of one data set."""

    scored: Scored
    default: float
    """The score from which its pairs are matches if nobody knows the truth."""
    seconds: float
    probability: NDArray[np.float64] | None = None
    """Of each scored pair, where the score is one."""
    person: NDArray[np.int64] | None = None
    """For each record the person it was put in, at the default; None: whoever is joined by pairs is one person."""
    versions: dict[str, str] = field(default_factory=dict)


def link(name: str, dataset: Dataset) -> Answer | None:
    """Let a contender link a data set; None where its rules ask for a field that the data lacks."""
    return CONTENDERS[name](dataset)


def persons_at(scored: Scored, threshold: float, count: int) -> NDArray[np.int64]:
    """For each of `count` records its connected component of pairs at the threshold or above."""
    kept = scored.score >= threshold
    sides = scored.left[kept], scored.right[kept]
    graph = coo_matrix((np.ones(int(kept.sum()), np.int8), sides), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _ours(dataset: Dataset) -> Answer:
    started = time.perf_counter()
    linked = link_batches(dataset.batches(), dataset.scheme)
    seconds = time.perf_counter() - started
    row = rows_of(linked, dataset)
    pairs = linked.pairs()
    sides = np.array([(pair.left, pair.right) for pair in pairs], np.int64).reshape(-1, 2)
    sides = np.sort(row[sides], axis=1)
    weight = np.array([pair.weight for pair in pairs], np.float64)
    is_match = np.array([pair.decision is Decision.MATCH for pair in pairs], bool)
    # a pair that is not a match scores below every match, whatever its weight: its records are two persons
    score = np.where(is_match, weight, weight - _APART)
    least = float(score[is_match].min()) if is_match.any() else 0.0
    return Answer(
        Scored(sides[:, 0], sides[:, 1], score), least, seconds, _probability(weight), persons_of(linked, row)
    )


def rows_of(linked: Linked, dataset: Dataset) -> NDArray[np.int64]:
    """For each record (N,) that ours linked its row in the data set."""
    held = dataset.records
    place = {reference: row for row, reference in enumerate(zip(held["agency"], held["record_ref"], strict=True))}
    return np.array([place[reference] for reference in linked.references], np.int64)


def persons_of(linked: Linked, row: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each row of the data set (N,) the row that its person is called by, given the `row` (N,) of each record."""
    person = np.empty(len(row), np.int64)
    person[row] = row[linked.persons()]
    return person


_APART = 1000.0


def _probability(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp2(-np.clip(weight, -100, 100))))


def _splink(dataset: Dataset) -> Answer:
    frame = records.clean(dataset)
    started = time.perf_counter()
    scored, told = splink_peer.link(frame, households=dataset.scheme == UK_PERSON_V1, timeout=TIMEOUT)
    seconds = time.perf_counter() - started
    return Answer(scored, splink_peer.DEFAULT, seconds, _probability(scored.score), versions=told["versions"])


def _recordlinkage(dataset: Dataset) -> Answer:
    frame = records.clean(dataset)
    started = time.perf_counter()
    scored = recordlinkage_peer.link(frame)
    return Answer(scored, recordlinkage_peer.DEFAULT, time.perf_counter() - started)


def _clk(dataset: Dataset) -> Answer:
    frame = records.clean(dataset)
    started = time.perf_counter()
    scored, versions = clk_peer.link(frame, TIMEOUT)
    return Answer(scored, clk_peer.DEFAULT, time.perf_counter() - started, versions=versions)


def _nhs_mps(dataset: Dataset) -> Answer | None:
    frame = records.clean(dataset)
    if frame["sex"].isna().all():
        return None
    started = time.perf_counter()
    scored = nhs_mps.link(frame)
    return Answer(scored, nhs_mps.DEFAULT, time.perf_counter() - started)


CONTENDERS: dict[str, Callable[[Dataset], Answer | None]] = {
    "ours": _ours,
    "splink": _splink,
    "recordlinkage": _recordlinkage,
    "clk": _clk,
    "nhs-mps": _nhs_mps,
}
