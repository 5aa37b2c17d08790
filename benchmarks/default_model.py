"""How were the shipped match models made? Trained on tokens of a synthetic population, without its truth."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from benchmarks.population import Population, generate
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

RANDOM_DRAWS = 24_000_000
_BATCH = 4000


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
    rng = np.random.default_rng(seed)
    index = BlockIndex(scheme, cap=1000)
    columns: dict[str, list[str]] = {field.name: [] for field in scheme.fields}
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
    agency_number = np.unique(np.array(agency_of), return_inverse=True)[1]
    random_pairs = _random_distances(tokeniser, scheme, columns, agency_number, rng)
    model, match_share = fit(scheme, candidates, random_pairs, all_pairs)
    provenance = {
        "data": "synthetic population (benchmarks/population.py)",
        "records": str(records),
        "seed": str(seed),
        "date": datetime.now(UTC).date().isoformat(),
        "candidate_pairs": str(len(candidates)),
        "match_share": f"{match_share:.3g}",
    }
    return replace(model, provenance=provenance)


def _random_distances(
    tokeniser: Tokeniser,
    scheme: LinkageScheme,
    columns: dict[str, list[str]],
    agency_of: NDArray[np.intp],
    rng: np.random.Generator,
) -> NDArray[np.int16]:
    """Distances (k, F) of random pairs of records, -1 where missing. Bits of a signature are interchangeable,
    so a field's first ones stand for those a block would pick."""
    rows = len(agency_of)
    left, right = rng.integers(rows, size=(2, RANDOM_DRAWS))
    # of one agency: it seldom holds a person twice, so hardly a match is among them
    kept = (left != right) & (agency_of[left] == agency_of[right])
    left, right = left[kept], right[kept]
    result = np.full((len(left), len(scheme.fields)), -1, np.int16)
    for f, field in enumerate(scheme.fields):
        values = sorted(set(columns[field.name]) - {""})
        if not values:
            continue
        number = {value: i for i, value in enumerate(values)}
        value_of = np.array([number.get(value, -1) for value in columns[field.name]])
        bits = np.packbits(tokeniser.sign_values(field, values)[:, : field.bits], axis=1)
        both = np.flatnonzero((value_of[left] >= 0) & (value_of[right] >= 0))
        differing = np.bitwise_xor(bits[value_of[left[both]]], bits[value_of[right[both]]])
        result[both, f] = np.bitwise_count(differing).sum(axis=1)
    return result


def write(scheme: LinkageScheme, folder: Path, records: int = 100_000, seed: int = 20_260_901) -> Path:
    """Train and write the model file."""
    path = folder / f"{scheme.name}.json"
    train(scheme, records, seed).save(path)
    return path
