"""What every peer is given: the same records, cleaned by the same rules, with the same blocks.

A peer should not lose for want of cleaning or of candidate pairs. So values are those an agency would tokenise
(`matcher.agency.normalise`), in clear text, and every blocking value of the linkage scheme stands beside them.
"""

import pandas as pd

from benchmarks.blocking import blocking_values
from benchmarks.datasets import Dataset
from matcher.agency.normalise import normalise
from matcher.agency.tokeniser import canonical_columns
from matcher.scheme import Pass

COLUMNS = ("forename", "surname", "year", "month", "day", "sex", "postcode", "address", "identifier", "state")
_MORE = (
    Pass("birth date", ("year", "month", "day")),
    Pass("names", ("forename", "surname")),
    Pass("household", ("postcode", "number(address)")),
)
"""Blocks that clear text can afford besides the scheme's; they raise what a peer can find."""


def clean(dataset: Dataset) -> pd.DataFrame:
    """One row a record, in order: `agency`, `COLUMNS`, the house `number`, and a blocking value for each pass of the
    scheme and each of `_MORE`, `block_0` and so on. Strings, None where missing."""
    (batch,) = dataset.batches()
    normalised = normalise(batch, dataset.scheme)
    if len(normalised) != len(dataset.records):
        raise ValueError("every record of a data set must be usable")
    canonical = canonical_columns(normalised, dataset.scheme)
    canonical["identifier"] = normalised.identifier
    state = dataset.records.get("state")
    canonical["state"] = [""] * len(normalised) if state is None else state.tolist()
    frame = pd.DataFrame({"agency": dataset.records["agency"], **{name: canonical[name] for name in COLUMNS}})
    number = blocking_values(Pass("", ("number(address)",)), canonical)
    frame["number"] = [value.decode().rstrip("\x1f") for value in number]
    for at, each in enumerate((*dataset.scheme.passes, *_MORE)):
        frame[f"block_{at}"] = [value.decode() for value in blocking_values(each, canonical)]
    return frame.astype(object).where(frame != "", None)


def block_columns(frame: pd.DataFrame) -> list[str]:
    """Names of the columns that hold blocking values."""
    return [name for name in frame.columns if name.startswith("block_")]
