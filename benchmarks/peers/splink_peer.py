"""Splink (Linacre et al. 2022) in clear text, tuned; `splink_child.py` is what runs in its environment."""

import math
from typing import Any

import pandas as pd

from benchmarks.peers import environments
from benchmarks.peers.records import block_columns
from benchmarks.peers.scored import Scored

DEFAULT = math.log2(0.95 / 0.05)
"""Match weight, in bits, of the probability its guides set as threshold."""
LEAST_WEIGHT = -10.0
"""Pairs below are of no threshold's interest."""


def link(frame: pd.DataFrame, *, households: bool, timeout: float) -> tuple[Scored, dict[str, Any]]:
    """Pairs with their match weight in bits, and the `versions` used and `seconds` taken, by stage. `frame` as
    `peers.records.clean` makes it; `households`: people who live together are among the records; `timeout` in
    seconds."""
    options = {"households": households, "blocks": block_columns(frame), "least_weight": LEAST_WEIGHT}
    return environments.run("splink", frame, options, timeout)
