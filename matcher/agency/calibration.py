"""How alike strangers' records are in an agency's own file: u, as counts of random pairs by distance.

Needs no linkage key: signatures under any key differ alike. Only the counts leave the agency.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matcher.agency.normalise import normalise
from matcher.agency.signing.values import sign_values
from matcher.agency.sources import read
from matcher.agency.tokeniser import canonical_columns
from matcher.blocking.passes import Columns
from matcher.errors import InputFileError
from matcher.scheme import Field, Kind, LinkageScheme
from matcher.scoring.calibration import Calibration

PAIRS = 2_000_000
LEAST_RECORDS = 1_000
"""Distributions of fewer could speak of single records, and say little."""
_ROWS = 30_000
"""Rows that pairs are drawn from: more say little new."""
_CHUNK = 500_000
_SEED = 0
_NAMES = (Kind.FORENAME, Kind.NAME)
_FEW = 100
_ALIKE = 4
"""Two values are alike if they differ in no more than a quarter of the bits: half of their elements are the same."""


def calibrate_files(files: Iterable[Path], scheme: LinkageScheme, column_map: Mapping[str, str]) -> Calibration:
    """What `calibrate` finds in one agency's files; `column_map`: canonical name -> header.

    A field that fewer than `LEAST_RECORDS` rows fill is not counted. `InputFileError` if a file cannot be read, holds
    too few records, or fills no field often enough."""
    columns: dict[str, list[str]] = {field.name: [] for field in scheme.encoded}
    records = 0
    for batch in (normalise(raw, scheme) for path in files for raw in read(path, scheme, column_map)):
        records += sum(1 for _ in groupby(batch.record_ref))
        values = canonical_columns(batch, scheme)
        for name in columns:
            columns[name] += values[name]
    if records < LEAST_RECORDS:
        raise InputFileError(f"{records} usable records: at least {LEAST_RECORDS} are needed to calibrate")
    filled = [sum(map(bool, columns[field.name])) >= LEAST_RECORDS for field in scheme.encoded]
    if not any(filled):
        raise InputFileError(f"no field is filled in {LEAST_RECORDS} rows")
    found = calibrate(columns, scheme)
    counts = tuple(n if often else np.zeros_like(n) for n, often in zip(found.counts, filled, strict=True))
    return replace(found, counts=counts)


def calibrate(columns: Columns, scheme: LinkageScheme, pairs: int = PAIRS) -> Calibration:
    """Distances of random pairs of rows; `columns` as `canonical_columns` gives them, of one file or of several.

    A pair counts for a field if it is alike in no other comparison (sex apart, which half of all pairs share) and
    differs in one at least: so neither a person's two records nor a household's count as strangers. Names are compared
    among people born in one year, as most candidate pairs are: forenames have their fashions.
    """
    rng = np.random.default_rng(_SEED)
    rows = len(columns[scheme.fields[0].name])
    chosen = rng.permutation(rows)[:_ROWS]
    signed = [_signed([columns[field.name][i] for i in chosen], field) for field in scheme.encoded]
    counts = [np.zeros(field.bits + 1, np.int64) for field in scheme.encoded]
    years = next(which for field, (_, which) in zip(scheme.encoded, signed, strict=True) if field.kind is Kind.YEAR)
    for _ in range(-(-pairs // _CHUNK) if rows > 1 else 0):
        left, right = rng.integers(len(chosen), size=(2, _CHUNK))
        born = _of_one_year(years, rng)
        distances, names = (np.stack([_distances(bits, *each) for bits in signed]) for each in ((left, right), born))
        for f, field in enumerate(scheme.encoded):
            among = names if field.kind in _NAMES and born[0].size else distances
            counted = _strangers(f, among, scheme)
            counts[f] += np.bincount(among[f, counted], minlength=len(counts[f]))
    return Calibration(scheme, rows, tuple(counts))


def _of_one_year(years: NDArray[np.int64], rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Random pairs of rows that have one of the `years` (n,); no pairs if hardly any row has one."""
    order = np.argsort(years, kind="stable")[np.count_nonzero(years < 0) :]
    if len(order) < _FEW:
        return order[:0], order[:0]
    sizes = np.bincount(years[order])
    starts = np.cumsum(sizes) - sizes
    year = rng.choice(len(sizes), _CHUNK, p=sizes**2 / (sizes**2).sum())
    left, right = (order[starts[year] + (rng.random(_CHUNK) * sizes[year]).astype(np.int64)] for _ in range(2))
    return left, right


def _signed(values: list[str], field: Field) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Packed signatures of the distinct values (v, bits / 8), and which of them each row has, -1 if missing. The bits
    of a signature are interchangeable: the first ones stand for those that a block would pick."""
    distinct = sorted(set(values) - {""})
    number = {value: i for i, value in enumerate(distinct)}
    which = np.array([number.get(value, -1) for value in values], np.int64)
    if not distinct:
        return np.zeros((1, field.bits // 8), np.uint8), which
    signatures = sign_values(secrets.token_bytes(32), field, distinct)
    return np.packbits(signatures[:, : field.bits], axis=1), which


def _distances(
    signed: tuple[NDArray[np.uint8], NDArray[np.int64]], left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.int16]:
    bits, which = signed
    words = bits.view(np.uint32)
    a, b = which[left], which[right]
    differing = np.bitwise_count(words[a] ^ words[b]).sum(axis=1, dtype=np.int16)
    return np.where((a >= 0) & (b >= 0), differing, np.int16(-1)).astype(np.int16)


def _strangers(f: int, distances: NDArray[np.int16], scheme: LinkageScheme) -> NDArray[np.bool_]:
    """Which of the pairs (F, n) count for an encoded field."""
    counted = scheme.encoded[f]
    ignored = {Kind.CATEGORY, Kind.YEAR} if counted.kind in _NAMES else {Kind.CATEGORY}
    alike, apart = np.zeros((2, distances.shape[1]), bool)
    for field, distance in zip(scheme.encoded, distances, strict=True):
        if field.comparison != counted.comparison and field.kind not in ignored:
            near = _ALIKE * distance <= field.bits
            alike |= (distance >= 0) & near
            apart |= ~near
    return np.asarray((distances[f] >= 0) & apart & ~alike)
