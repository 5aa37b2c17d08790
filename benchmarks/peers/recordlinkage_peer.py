"""`recordlinkage` (de Bruin 2019) in clear text: its Index, its Compare with Jaro-Winkler, and a weighted sum.

Its own classifier without truth, ECM, estimates u from the candidate pairs and so takes households for persons; a
weighted sum does better, and is what is reported.
"""

import warnings

import numpy as np
import pandas as pd
import recordlinkage

from benchmarks.peers.records import block_columns
from benchmarks.peers.scored import Scored

DEFAULT = 0.6
"""Share of the weights; the best one, to a decimal, on a population of the seed that our models were trained on."""
LIKE = 0.85
"""From which Jaro-Winkler likeness on a text agrees, as in the library's own Febrl examples."""
UNKNOWN = 0.5
"""Where a value is missing the pair neither agrees nor differs."""
TEXTS = {"forename": 4.0, "surname": 3.0, "address": 2.0}
EXACT = {"year": 3.0, "month_day": 3.0, "sex": 1.0, "postcode": 2.0, "state": 0.5, "identifier": 8.0}
"""Fields and what each weighs in the sum."""
MOST_ROWS = 500
"""Larger blocks are left out; at 100,000 records the largest has 85."""


def link(frame: pd.DataFrame) -> Scored:
    """Every candidate pair with its share, 0 to 1, of the weights. `frame` as `peers.records.clean` makes it."""
    pairs = candidates(frame)
    agreement = _compared(frame, pairs)
    weights = pd.Series(TEXTS | EXACT).reindex(agreement.columns)
    score = (agreement * weights).sum(axis=1) / weights.sum()
    left, right = (pairs.get_level_values(side).to_numpy(np.int64) for side in (0, 1))
    return Scored(left, right, score.to_numpy(np.float64))


def candidates(frame: pd.DataFrame) -> pd.MultiIndex:
    """Pairs of different agencies, lower record first, that share a block, through `recordlinkage.Index`."""
    agency = pd.factorize(frame["agency"])[0]
    found = []
    for block in block_columns(frame):
        size = frame.groupby(block)[block].transform("size")
        part = frame[frame[block].notna() & (size > 1) & (size <= MOST_ROWS)]
        if part.empty:
            continue
        index = recordlinkage.Index()
        index.block(block)
        pairs = index.index(part)
        sides = np.stack([pairs.get_level_values(side).to_numpy(np.int64) for side in (0, 1)])
        found.append(np.sort(sides[:, agency[sides[0]] != agency[sides[1]]], axis=0))
    together = np.concatenate(found, axis=1)
    keys = np.unique(together[0] * len(frame) + together[1])
    return pd.MultiIndex.from_arrays([keys // len(frame), keys % len(frame)])


def _compared(frame: pd.DataFrame, pairs: pd.MultiIndex) -> pd.DataFrame:
    """For each pair and field 1 where they agree, 0 where they differ, `UNKNOWN` where one is missing."""
    held = frame.assign(month_day=frame["month"] + frame["day"])
    compare = recordlinkage.Compare()
    for field in TEXTS:
        compare.string(field, field, method="jarowinkler", threshold=LIKE, missing_value=UNKNOWN, label=field)
    for field in EXACT:
        if held[field].notna().any():
            compare.exact(field, field, missing_value=UNKNOWN, label=field)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own, about types in its frames
        made: pd.DataFrame = compare.compute(pairs, held)
    return made
