"""Which true pairs does each pass bring together, alone and in union, and how many candidate pairs does it cost?

Counted on clear-text blocking values: rows share a block token exactly where they share one. Only pairs across agencies
count. No block is cut short at the cap; what a cap would refuse is counted beside.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.datasets import Dataset, febrl, population
from benchmarks.machine import machine, write
from matcher.agency.identity import SOURCE_COLUMNS, RawBatch
from matcher.agency.normalise import normalise
from matcher.agency.tokeniser import canonical_columns
from matcher.blocking.passes import Columns, Parts
from matcher.evaluation.measures import pairs_of_persons
from matcher.scheme import LinkageScheme, Pass, scheme_named
from matcher.settings import Settings

_BLOCK_CAP = Settings(()).block_cap
_PAIRS_AT_ONCE = 1_000_000
"""Each takes about 150 bytes while it is looked at."""
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Blocks:
    """Which block each record is in, pass by pass, with the truth."""

    names: tuple[str, ...]
    """Of the P passes."""
    codes: NDArray[np.int32]
    """(P, N): a block's number within its pass, -1 where the record is in none."""
    agency: NDArray[np.int32]
    """(N,): a number for the agency of each record."""
    person: NDArray[np.int64]
    """(N,): a number for the true person of each record."""


@dataclass(frozen=True, slots=True)
class PassFigures:
    """What one pass finds and costs. Shares are 0 to 1, of the true pairs where not said otherwise."""

    name: str
    present: float
    """Share of the records that are in a block."""
    completeness: float
    """Share that shares a block of this pass; 1 if there are no true pairs."""
    lost_without: float
    """Share that shares a block of this pass alone."""
    candidates: float
    """Candidate pairs, divided by the records."""
    candidates_only_here: float
    """Those that share a block of this pass alone, divided by the records."""
    largest_block: int
    """Records in the fullest block."""
    over_cap: int
    """Records that a block would refuse under the default cap."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What all passes find and cost in union, and each of them."""

    data: str
    scheme: str
    records: int
    true_pairs: int
    candidates: float
    """Candidate pairs, each counted once, divided by the records."""
    completeness: float
    """Pairs completeness: share of the true pairs that share any block, 0 to 1; 1 if there are no true pairs."""
    largest_block: int
    over_cap: int
    passes: tuple[PassFigures, ...]


def run(
    scheme: str,
    sizes: Sequence[int],
    seeds: Sequence[int],
    error_rates: Sequence[float],
    *,
    with_febrl: bool,
    json_path: Path | None,
) -> None:
    """Measure each data set, print its table, and write the figures after each. `scheme` names the one that populations
    are blocked under; Febrl4 has its own."""
    results: list[dict[str, Any]] = []
    for dataset, of in _datasets(scheme_named(scheme), sizes, seeds, error_rates, with_febrl=with_febrl):
        figures = measure(blocks_of(dataset.records, dataset.person.to_numpy(np.int64), of), dataset.name, of.name)
        click.echo(_table(figures))
        results.append(asdict(figures))
        write({"block_cap": _BLOCK_CAP, **machine(), "results": results}, json_path)


def _datasets(
    scheme: LinkageScheme,
    sizes: Sequence[int],
    seeds: Sequence[int],
    error_rates: Sequence[float],
    *,
    with_febrl: bool,
) -> Iterable[tuple[Dataset, LinkageScheme]]:
    yield from ((population(size, seed, rate), scheme) for size in sizes for rate in error_rates for seed in seeds)
    if with_febrl:
        dataset = febrl("febrl4")
        yield dataset, dataset.scheme


def blocks_of(records: pd.DataFrame, person: NDArray[np.int64], scheme: LinkageScheme) -> Blocks:
    """Blocks of the records that have a usable reference. `records`: a row a record, columns of `SOURCE_COLUMNS` (one
    that is not there is taken as empty); `person` (N,): the true person of each."""
    columns = {name: records[name].tolist() if name in records else [""] * len(records) for name in SOURCE_COLUMNS}
    batch = normalise(RawBatch(list(range(len(records))), columns), scheme)
    canonical = canonical_columns(batch, scheme)
    codes = np.empty((len(scheme.passes), len(batch)), np.int32)
    for p, each in enumerate(scheme.passes):
        codes[p] = _numbered(value or None for value in blocking_values(each, canonical))
    kept = np.array(batch.rows, np.int64)
    return Blocks(tuple(each.name for each in scheme.passes), codes, _numbered(columns["agency"])[kept], person[kept])


def blocking_values(blocking_pass: Pass, columns: Columns) -> list[bytes]:
    """The canonical blocking value of every row, b'' where a part is missing: parts in order, each ended by 0x1F."""
    made = Parts(columns)
    parts = [made[part] for part in blocking_pass.parts]
    texts = [[part.values[code] if code >= 0 else "" for code in part.codes.tolist()] for part in parts]
    return ["".join(text + "\x1f" for text in row).encode() if all(row) else b"" for row in zip(*texts, strict=True)]


def _numbered(values: Iterable[str | bytes | None]) -> NDArray[np.int32]:
    """A number for each value, equal ones alike, -1 for None."""
    return pd.factorize(np.array(list(values), object))[0].astype(np.int32)


def measure(blocks: Blocks, data_label: str, scheme_name: str) -> Figures:
    """Figures of all pairs across agencies that share a block; floats are rounded to four digits."""
    passes, records = blocks.codes.shape
    by_record = np.ascontiguousarray(blocks.codes.T)  # a pair is two rows, not two places in each of P rows
    # of each pass: candidate pairs in all, those found by no earlier pass, and those found by no other
    all_pairs, new_pairs, only_pairs = np.zeros((3, passes), np.int64)
    all_true, new_true, only_true = np.zeros((3, passes), np.int64)
    for p in range(passes):
        for left, right in _pairs_of_pass(blocks.codes[p], blocks.agency):
            codes = by_record[left]
            shared = (codes == by_record[right]) & (codes >= 0)
            new = ~shared[:, :p].any(axis=1)
            only = new & ~shared[:, p + 1 :].any(axis=1)
            true = blocks.person[left] == blocks.person[right]
            all_pairs[p] += len(left)
            new_pairs[p] += new.sum()
            only_pairs[p] += only.sum()
            all_true[p] += true.sum()
            new_true[p] += (new & true).sum()
            only_true[p] += (only & true).sum()
    true_pairs = len(pairs_of_persons(blocks.person, blocks.agency))
    sizes = [np.bincount(codes[codes >= 0], minlength=1) for codes in blocks.codes]
    figures = tuple(
        PassFigures(
            name=name,
            present=_rounded(int(sizes[p].sum()), records),
            completeness=_rounded(all_true[p], true_pairs) if true_pairs else 1.0,
            lost_without=_rounded(only_true[p], true_pairs),
            candidates=_rounded(all_pairs[p], records),
            candidates_only_here=_rounded(only_pairs[p], records),
            largest_block=int(sizes[p].max()),
            over_cap=int(np.maximum(sizes[p] - _BLOCK_CAP, 0).sum()),
        )
        for p, name in enumerate(blocks.names)
    )
    return Figures(
        data=data_label,
        scheme=scheme_name,
        records=records,
        true_pairs=true_pairs,
        candidates=_rounded(new_pairs.sum(), records),
        completeness=_rounded(new_true.sum(), true_pairs) if true_pairs else 1.0,
        largest_block=max(each.largest_block for each in figures),
        over_cap=sum(each.over_cap for each in figures),
        passes=figures,
    )


def _pairs_of_pass(
    codes: NDArray[np.int32], agency: NDArray[np.int32]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """All pairs across agencies that share a block of one pass, each once, in parts of at most `_PAIRS_AT_ONCE`: the
    numbers (n,) of their left records and of their right ones. `codes`, `agency`: (N,)."""
    order = np.argsort(codes, kind="stable")
    order = order[np.searchsorted(codes[order], 0) :]
    # in this order a block's records are neighbours: each is paired with those between it and the end of its block
    ends = np.cumsum(np.bincount(codes[order]))[codes[order]]
    pairs_through = np.cumsum(ends - np.arange(len(order)) - 1)
    total = int(pairs_through[-1]) if len(order) else 0
    for start in range(0, total, _PAIRS_AT_ONCE):
        pair = np.arange(start, min(start + _PAIRS_AT_ONCE, total))
        place = np.searchsorted(pairs_through, pair, side="right")
        left, right = order[place], order[ends[place] - (pairs_through[place] - pair)]
        across = agency[left] != agency[right]
        yield left[across], right[across]


def _rounded(part: int, whole: int) -> float:
    return round(float(part / max(whole, 1)), _DIGITS)


_COLUMNS = ("present", "completeness", "lost without", "candidates", "only here", "largest block", "over cap")


def _table(figures: Figures) -> str:
    """A line a pass and one for their union; candidates are pairs a record."""
    first = max(map(len, ("union", *(each.name for each in figures.passes))))
    head = f"\n{figures.data}, {figures.scheme}: {figures.records:,} records, {figures.true_pairs:,} true pairs\n"
    lines = [head + " " * first + "".join(f"{name:>14}" for name in _COLUMNS)]
    lines += [
        f"{each.name:{first}}{each.present:14.4f}{each.completeness:14.4f}{each.lost_without:14.4f}"
        f"{each.candidates:14.4f}{each.candidates_only_here:14.4f}{each.largest_block:14,}{each.over_cap:14,}"
        for each in figures.passes
    ]
    lines.append(
        f"{'union':{first}}{'':14}{figures.completeness:14.4f}{'':14}{figures.candidates:14.4f}{'':14}"
        f"{figures.largest_block:14,}{figures.over_cap:14,}"
    )
    return "\n".join(lines)
