"""clkhash and anonlink: cryptographic long-term keys of 1,024 bits, Dice coefficients of all pairs, greedy solving."""

import json
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd

from benchmarks.peers import environments
from benchmarks.peers.records import block_columns
from benchmarks.peers.scored import Scored

DEFAULT = 0.8
THRESHOLDS = tuple(round(0.6 + step / 50, 2) for step in range(16))
"""At each of these the greedy solver is asked anew; a pair's score is the highest at which it is chosen."""
MOST_UNBLOCKED = 12_000
"""Records up to which all pairs are compared; above, those that share a block."""
_BITS = 1024
_SECRET = "a secret that agencies share"  # noqa: S105
_FIELDS = (
    ("name", 2, False, 200),
    ("birth_date", 2, True, 200),
    ("sex", 1, False, 25),
    ("postcode", 1, True, 100),
    ("address", 2, False, 200),
    ("state", 2, False, 25),
    ("identifier", 1, True, 100),
)
"""Column, n-gram length, whether a gram's place counts, bits set by a value that is present."""


def link(frame: pd.DataFrame, timeout: float) -> tuple[Scored, dict[str, str]]:
    """Pairs that greedy solving chooses, and the versions used. `frame` as `peers.records.clean` makes it; `timeout`
    in seconds."""
    fields, held = encodable(frame)
    blocks = block_columns(frame) if len(frame) > MOST_UNBLOCKED else []
    options = {"schema": schema(fields), "secret": _SECRET, "thresholds": THRESHOLDS, "blocks": blocks}
    scored, told = environments.run("clk", frame[["agency", *blocks]].join(held), options, timeout)
    return scored, told["versions"]


def encodable(frame: pd.DataFrame) -> tuple[list[tuple[str, int, bool, int]], pd.DataFrame]:
    """Which of the fields hold something, and their columns."""
    names = frame[["forename", "surname"]].fillna("")
    dates = frame[["year", "month", "day"]].fillna("")
    held = frame.assign(name=names.agg(" ".join, axis=1).str.strip(), birth_date=dates.agg("".join, axis=1))
    fields = [field for field in _FIELDS if held[field[0]].fillna("").ne("").any()]
    return fields, held[[field[0] for field in fields]]


class Encoder:
    """clkhash alone, waiting in its environment to encode the same records again and again."""

    def __init__(self, frame: pd.DataFrame, batch: int) -> None:
        """`frame` as `peers.records.clean` makes it; `batch`: records encoded at a time."""
        fields, held = encodable(frame)
        self._folder = tempfile.TemporaryDirectory()
        rows, options = (Path(self._folder.name) / name for name in ("records.csv", "options.json"))
        held.to_csv(rows, index_label="record")
        options.write_text(json.dumps({"schema": schema(fields), "secret": _SECRET, "batch": batch}))
        self._child = environments.Child("clk", "clk_encode_child.py", rows, options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.__exit__(kind, error, trace)
        self._folder.cleanup()

    def seconds(self) -> tuple[float, dict[str, str]]:
        """Processor time to encode all records once, in a process that has encoded none yet; and the versions used.
        `RuntimeError` if it fails; it says why on standard error."""
        made = self._child.ask()
        return made["seconds"], made["versions"]


def schema(fields: list[tuple[str, int, bool, int]]) -> dict[str, Any]:
    """A linkage schema of clkhash, version 3."""
    return {
        "version": 3,
        "clkConfig": {
            "l": _BITS,
            "kdf": {"type": "HKDF", "hash": "SHA256", "salt": "", "info": "", "keySize": 64},
        },
        "features": [
            {
                "identifier": column,
                "format": {"type": "string", "encoding": "utf-8"},
                "hashing": {
                    "comparison": {"type": "ngram", "n": length, "positional": positional},
                    "strategy": {"bitsPerFeature": bits},
                    "hash": {"type": "blakeHash"},
                },
            }
            for column, length, positional, bits in fields
        ],
    }
