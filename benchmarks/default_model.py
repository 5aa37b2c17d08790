"""How were the shipped match models made? Trained on tokens of a synthetic population, without its truth."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from benchmarks.population import Population, generate
from matcher.agency.calibration import calibrate
from matcher.agency.identity import SOURCE_COLUMNS, RawBatch
from matcher.agency.keys import AliasKey, LinkageKeys
from matcher.agency.normalise import normalise
from matcher.agency.tokeniser import Tokeniser, canonical_columns
from matcher.blocking.index import BlockIndex
from matcher.scheme import LinkageScheme
from matcher.scoring.decision import Thresholds
from matcher.scoring.model import MatchModel
from matcher.scoring.scorer import Scorer
from matcher.scoring.training import fit

RANDOM_PAIRS = 10_000_000
_BATCH = 1500


def raw_batches(population: Population, scheme: LinkageScheme, rows: int = _BATCH) -> list[tuple[str, RawBatch]]:
    """A population's records as a file would hold them: (agency, batch) in random arrival order of agencies."""
    parts = []
    for agency, held in population.records.groupby("agency", sort=True):
        for start in range(0, len(held), rows):
            chunk = held.iloc[start : start + rows]
            columns = {name: chunk[name].tolist() if name in chunk else [""] * len(chunk) for name in SOURCE_COLUMNS}
            columns["identifier"] = chunk["nhs_number"].tolist()
            parts.append((str(agency), RawBatch(list(range(2, len(chunk) + 2)), columns)))
    return parts


def train(scheme: LinkageScheme, records: int, seed: int) -> MatchModel:
    """Fit a model to `records` synthetic records: u from random pairs of signatures, m from candidate pairs of
    tokens."""
    population = generate(records, seed)
    keys = LinkageKeys(bytes(32), scheme, 1)
    coordinator = X25519PrivateKey.generate().public_key().public_bytes_raw()
    index = BlockIndex(scheme, cap=1000)
    columns: dict[str, list[str]] = {field.name: [] for field in scheme.encoded}
    agency_of: list[str] = []
    for agency, raw in raw_batches(population, scheme):
        tokeniser = Tokeniser(scheme, keys, AliasKey(bytes(32), agency), agency, coordinator)
        batch = normalise(raw, scheme)
        tokens = tokeniser.tokenise(batch)
        numbers = np.arange(len(agency_of), len(agency_of) + tokens.row_count)
        number = sorted(set(population.records.agency)).index(agency)
        index.insert(tokens.block_tokens, tokens.pass_masks, tokens.encodings, tokens.field_masks, numbers, number)
        for name, values in canonical_columns(batch, scheme).items():
            if name in columns:
                columns[name] += values
        agency_of += [agency] * tokens.row_count
    blank = tuple(np.zeros(field.bits + 1, np.float32) for field in scheme.fields)
    scorer = Scorer(MatchModel(scheme, blank, blank, (0.0,) * len(scheme.alternatives), (), {}), 2, Thresholds())
    _, _, candidates = scorer.score_pairs(index.rows, range(index.row_count), -np.inf, with_distances=True)
    shares = np.unique(np.array(agency_of), return_counts=True)[1] / len(agency_of)
    all_pairs = len(agency_of) ** 2 / 2 * (1 - float((shares**2).sum()))
    model, match_share = fit(calibrate(columns, scheme, RANDOM_PAIRS), candidates, all_pairs)
    provenance = {
        "data": "synthetic population (benchmarks/population.py)",
        "records": str(records),
        "seed": str(seed),
        "date": datetime.now(UTC).date().isoformat(),
        "candidate_pairs": str(len(candidates)),
        "match_share": f"{match_share:.3g}",
    }
    return replace(model, provenance=provenance)


def write(scheme: LinkageScheme, folder: Path, records: int = 100_000, seed: int = 20_260_901) -> Path:
    """Train and write the model file."""
    path = folder / f"{scheme.name}.json"
    train(scheme, records, seed).save(path)
    return path
