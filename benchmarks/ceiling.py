"""How much is there to find at all? A classifier that is taught with the truth of other seeds, beside ours, which never
sees any: once with every comparison of the clear text it can use, once with no more than the distances of our tokens.

The first bounds what the records give away, the second what their encodings do; what lies between is what encoding
costs, and what lies between the second and ours is what our model and persons leave lying.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rapidfuzz import fuzz
from rapidfuzz.distance import DamerauLevenshtein, JaroWinkler
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.contenders import persons_at, persons_of, rows_of
from benchmarks.datasets import Dataset, population
from benchmarks.machine import machine, write
from benchmarks.peers.records import clean
from benchmarks.peers.scored import Scored
from matcher.evaluation import measures
from matcher.linking import link_batches

TEACHERS = (101, 102, 103)
"""Seeds whose truth teaches."""
THRESHOLDS = (0.5, 0.7, 0.8, 0.9, 0.95)
_SHOWN = ("precision", "recall", "f1", "known_to_two_precision", "known_to_two_recall")
_LEAST_WEIGHT = -25.0
"""Bits, of our own model; pairs below are strangers to everybody."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, repr=False)
class _Compared:
    """A data set's candidate pairs, which are those of our blocks."""

    dataset: Dataset
    pairs: NDArray[np.int64]
    """(n, 2) rows of the data set, left < right, each once."""
    distances: Floats
    """(n, F) of our tokens, NaN where missing."""
    persons: NDArray[np.int64]
    """(N,) of the data set's rows, as ours has them."""

    @property
    def is_match(self) -> NDArray[np.bool_]:
        """(n,) the truth."""
        person = self.dataset.person.to_numpy()
        return np.asarray(person[self.pairs[:, 0]] == person[self.pairs[:, 1]])


def run(records: int, seed: int, error_rate: float, json_path: Path | None) -> None:
    """Print and write pairs and persons of each, at several thresholds for those that are taught."""
    asked = _compare(population(records, seed, error_rate))
    teachers = [_compare(population(records, each, error_rate)) for each in TEACHERS]
    results = [_figures("ours, tokens, untaught", None, asked.persons, asked.dataset)]
    for name, features in (("taught, tokens' distances", _distances), ("taught, clear text", _clear)):
        probability = _taught(features, teachers, asked)
        for threshold in THRESHOLDS:
            found = Scored(asked.pairs[:, 0], asked.pairs[:, 1], probability)
            person = persons_at(found, threshold, len(asked.dataset.records))
            results.append(_figures(name, threshold, person, asked.dataset))
    click.echo(f"{'':31}{'pairs: precision, recall, F1':>28}  known to two: precision, recall")
    for each in results:
        figures = [f"{each[name]:8.4f}" for name in _SHOWN]
        click.echo(f"{each['who']:26}{each['threshold'] or '':>5}{''.join(figures)}")
    settings = {"records": records, "seed": seed, "error_rate": error_rate, "teachers": TEACHERS}
    write({**settings, **machine(), "results": results}, json_path)


def _compare(dataset: Dataset) -> _Compared:
    linked = link_batches(dataset.batches(), dataset.scheme)
    row = rows_of(linked, dataset)
    pipeline = linked.pipeline
    rows, every = pipeline.index.rows, range(pipeline.index.row_count)
    found, weights, distances = pipeline.scorer.score_pairs(rows, every, _LEAST_WEIGHT, with_distances=True)
    pairs = np.sort(row[rows.records[found]], axis=1)
    # of several variants of two records the likeliest pair
    order = np.lexsort((-weights, pairs[:, 1], pairs[:, 0]))
    pairs, distances = pairs[order], distances[order]
    first = np.append(True, (pairs[1:] != pairs[:-1]).any(axis=1))
    known = np.where(distances < 0, np.nan, distances.astype(np.float64))
    return _Compared(dataset, pairs[first], known[first], persons_of(linked, row))


def _taught(features: Callable[[_Compared], Floats], teachers: list[_Compared], asked: _Compared) -> Floats:
    """Match probability (n,) of the pairs asked about."""
    seen = np.concatenate([features(each) for each in teachers])
    truth = np.concatenate([each.is_match for each in teachers])
    classifier = HistGradientBoostingClassifier(
        max_iter=400, learning_rate=0.06, l2_regularization=1.0, min_samples_leaf=30, random_state=0
    )
    return np.asarray(classifier.fit(seen, truth).predict_proba(features(asked))[:, 1], np.float64)


def _distances(compared: _Compared) -> Floats:
    return compared.distances


def _clear(compared: _Compared) -> Floats:
    """All that two records' texts say by themselves and for their rarity in this file: (n, K), NaN where missing."""
    frame = clean(compared.dataset)
    text = {column: frame[column].fillna("").to_numpy(str) for column in frame.columns}
    text["name"] = np.char.add(np.char.add(text["forename"], " "), text["surname"])
    left, right = compared.pairs.T
    made: list[Floats] = []

    def add(column: str, values: Iterable[float]) -> None:
        missing = (text[column][left] == "") | (text[column][right] == "")
        made.append(np.where(missing, np.nan, np.fromiter(values, np.float64, len(left))))

    for column in ("forename", "surname", "address", "postcode", "year", "month", "day", "name"):
        one, other = text[column][left].tolist(), text[column][right].tolist()
        both = list(zip(one, other, strict=True))
        add(column, (DamerauLevenshtein.distance(a, b) for a, b in both))
        add(column, (JaroWinkler.similarity(a, b) for a, b in both))
        add(column, (fuzz.token_set_ratio(a, b) for a, b in both))
        add(column, (a.startswith(b) or b.startswith(a) for a, b in both))
        _, held, count = np.unique(text[column], return_inverse=True, return_counts=True)
        add(column, np.log(np.minimum(count[held[left]], count[held[right]])))
    for column in ("sex", "identifier", "number"):
        add(column, text[column][left] == text[column][right])
    for column in ("year", "month", "day"):
        number = pd.to_numeric(frame[column]).to_numpy(np.float64)
        made += [number[left] - number[right], np.fmin(number[left], number[right])]
    for one, other in (("forename", "surname"), ("month", "day")):
        crossed = zip(text[one][left], text[other][right], text[other][left], text[one][right], strict=True)
        made.append(
            np.array([min(JaroWinkler.similarity(a, b), JaroWinkler.similarity(c, d)) for a, b, c, d in crossed])
        )
    agency = pd.factorize(frame["agency"], sort=True)[0]
    return np.column_stack([*made, agency[left], agency[right]])


def _figures(who: str, threshold: float | None, person: NDArray[np.int64], dataset: Dataset) -> dict[str, Any]:
    agency, truth = dataset.records["agency"].to_numpy(str), dataset.person.to_numpy()
    pairs = measures.pair_quality(measures.pairs_of_persons(person, agency), truth, agency)
    known = measures.known_to_two(person, truth, agency)
    return {
        "who": who,
        "threshold": threshold,
        **{name: round(getattr(pairs, name), 4) for name in ("precision", "recall", "f1")},
        "known_to_two_precision": round(known.precision, 4),
        "known_to_two_recall": round(known.recall, 4),
    }
