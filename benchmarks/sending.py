"""An agency of a deployment in this process: makes token records of synthetic people, and has its channel."""

from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.deployment import Deployment
from matcher.agency.identity import SOURCE_COLUMNS, RawBatch
from matcher.agency.keys import load_alias_key, load_linkage_keys
from matcher.agency.normalise import normalise
from matcher.agency.tokeniser import Tokeniser
from matcher.config import AgencyConfig
from matcher.keyfile import read_public_key
from matcher.model import TokenBatch
from matcher.rpc import open_channel

LOAD = 2000
"""Records of a batch."""
_COLUMNS = ("aliases", "field_masks", "pass_masks", "block_tokens", "encodings", "observed_days", "flags", "sealed")


class Sender:
    """One agency. `channel` is for the caller to close."""

    def __init__(self, deployment: Deployment, name: str) -> None:
        config = AgencyConfig.load(deployment.agency_config(name))
        self.scheme = config.scheme
        keys = load_linkage_keys(config.linkage_key, config.scheme, config.epoch)
        alias_key, coordinator = load_alias_key(config.alias_key, name), read_public_key(config.coordinator_public_key)
        self._tokeniser = Tokeniser(config.scheme, keys, alias_key, name, coordinator)
        self.channel = open_channel(config.matcher, config.tls)

    def tokens(self, people: pd.DataFrame) -> TokenBatch:
        """Token records of rows of a population, one row each."""
        columns = {name: people[name].tolist() if name in people else [""] * len(people) for name in SOURCE_COLUMNS}
        columns["identifier"] = people["nhs_number"].tolist()
        raw = RawBatch(list(range(2, len(people) + 2)), columns)
        return self._tokeniser.tokenise(normalise(raw, self.scheme))


def part(tokens: TokenBatch, start: int, stop: int) -> TokenBatch:
    """Some records of a batch whose records have one row each."""
    columns = {name: getattr(tokens, name)[start:stop] for name in _COLUMNS}
    return replace(tokens, row_records=np.arange(len(columns["aliases"]), dtype=np.uint32), **columns)
