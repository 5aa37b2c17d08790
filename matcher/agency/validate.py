"""Looks through a file before anything is sent: what is filled, what is rejected, what looks entered twice.

The report names rows, columns and reasons, never a value, so it may be mailed to whoever keeps the file.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import recordlinkage
from rapidfuzz import fuzz, process
from rapidfuzz.distance import JaroWinkler
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from matcher.agency.headers import SourceColumns
from matcher.agency.identity import SOURCE_COLUMNS, NormalisedBatch, Problem, RawBatch
from matcher.agency.normalise import normalise
from matcher.agency.sources import columns_of, read
from matcher.agency.tokeniser import canonical_columns
from matcher.blocking.passes import Parts
from matcher.scheme import LinkageScheme

MAX_PROBLEMS = 20
MAX_NEAR_DUPLICATES = 100
MAX_PAIRS = 1_000_000
"""Candidate pairs each way of finding them may give; the largest groups are left out first, and the report says so."""

_CHUNK = 100_000
_NEAR = 0.88
"""Name and date of birth alike reach it without the postcode, name and postcode alike do not without the date."""
_NAME_NEAR = 0.8
_WHOLE_NAME_NEAR = 0.9
_WEIGHTS: Final = {"name": 0.5, "dob": 0.4, "postcode": 0.1}
_COMPARED: Final = ("forename", "surname", "year", "month", "day", "postcode")

_PLACES: Final = {name: place for place, name in enumerate(SOURCE_COLUMNS)}

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]


@dataclass(slots=True)
class ColumnReport:
    """One column of the file."""

    header: str
    """Its name in the file."""
    present: int = 0
    """Rows with a value that is used; for a date of birth, with a part of one."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Reason -> rows: values left out, repaired or only flagged."""


@dataclass(slots=True)
class Report:
    """What `validate` found."""

    source: SourceColumns
    columns: dict[str, ColumnReport]
    """Canonical name -> its report, in the file's mapping order."""
    rows: int = 0
    """Rows with anything in them, without the header."""
    usable: int = 0
    """Rows that would be sent."""
    records: int = 0
    """Records the usable rows make: rows next to each other with one reference are variants of one."""
    unblocked: int = 0
    """Usable rows that fall into no block, and so are compared with nothing."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Reason -> rows that cannot be sent at all."""
    problem_count: int = 0
    problems: list[Problem] = field(default_factory=list)
    """The first `MAX_PROBLEMS`, by row and column within a batch of rows."""
    near_duplicates: int = 0
    """Pairs of rows of different records that look like one person."""
    near_duplicate_rows: list[tuple[int, int, float]] = field(default_factory=list)
    """The best `MAX_NEAR_DUPLICATES`: row, later row, score from 0 to 1."""
    pairs_compared: int = 0
    pairs_capped: bool = False
    """True: some groups were too large to compare, so there may be more near duplicates."""


def validate(path: Path, scheme: LinkageScheme, column_map: Mapping[str, str] | None = None) -> Report:
    """Reads the whole file, as sending would, and keeps the compared columns in memory meanwhile.

    `InputFileError` as `read` raises it.
    """
    source = columns_of(path, scheme, column_map)
    report = Report(source, {name: ColumnReport(header) for name, header in source.mapping.items()})
    kept: dict[str, list[Any]] = {name: [] for name in ("row", "record", *_COMPARED)}
    last_ref = ""
    for raw in read(path, scheme, column_map, doubtful=True):
        batch = normalise(raw, scheme)
        _count(report, raw, batch)
        report.unblocked += _unblocked(batch, scheme)
        for ref in batch.record_ref:
            # the source never gives one reference twice but in adjacent rows
            report.records += ref != last_ref
            last_ref = ref
            kept["record"].append(report.records)
        kept["row"].extend(batch.rows)
        for name in _COMPARED:
            kept[name].extend(getattr(batch, name))
    _near_duplicates(report, pd.DataFrame(kept))
    return report


def _count(report: Report, raw: RawBatch, batch: NormalisedBatch) -> None:
    fatal = sum(problem.fatal for problem in batch.problems)
    report.usable += len(batch)
    report.rows += len(batch) + fatal
    report.problem_count += len(batch.problems)
    for problem in sorted(batch.problems, key=lambda problem: (problem.row, _PLACES.get(problem.column, -1))):
        if problem.fatal:
            report.left_out[problem.reason] += 1
        else:
            report.columns[problem.column].reasons[problem.reason] += 1
        if len(report.problems) < MAX_PROBLEMS:
            report.problems.append(problem)
    for name, column in report.columns.items():
        if name == "dob":
            column.present += sum(map(bool, map("".join, zip(batch.year, batch.month, batch.day, strict=True))))
        elif name == "observed_day":
            column.present += sum(day >= 0 for day in batch.observed_day)
        elif name == "restricted":
            # 'no' is an answer too, which the canonical value does not show
            column.present += sum(map(bool, raw.columns[name]))
        else:
            column.present += sum(map(bool, getattr(batch, name)))


def _unblocked(batch: NormalisedBatch, scheme: LinkageScheme) -> int:
    parts = Parts(canonical_columns(batch, scheme))
    blocked = np.zeros(len(batch), bool)
    for each in scheme.passes:
        blocked |= np.all([parts[part].codes >= 0 for part in each.parts], axis=0)
    return int((~blocked).sum())


# -- near duplicates --------------------------------------------------------------------------------------------


def _near_duplicates(report: Report, people: pd.DataFrame) -> None:
    left, right, report.pairs_capped = _candidates(people)
    report.pairs_compared = len(left)
    found: list[tuple[int, int, float]] = []
    rows = people["row"].to_numpy()
    for start in range(0, len(left), _CHUNK):
        one, other = left[start : start + _CHUNK], right[start : start + _CHUNK]
        scores = _scores(people, one, other)
        near = np.flatnonzero(scores >= _NEAR)
        report.near_duplicates += len(near)
        found += [(int(rows[one[at]]), int(rows[other[at]]), round(float(scores[at]), 3)) for at in near]
        found = sorted(found, key=lambda pair: (-pair[2], pair[0], pair[1]))[:MAX_NEAR_DUPLICATES]
    report.near_duplicate_rows = found


def _candidates(people: pd.DataFrame) -> tuple[_Ints, _Ints, bool]:
    """Positions of pairs of rows of different records, left < right, each once; and whether groups were left out."""
    text = people.astype(dict.fromkeys(_COMPARED, object))
    birth = text["year"] + text["month"] + text["day"]
    keys = pd.DataFrame(
        {
            "birth-date surname-initial": (birth + text["surname"].str[:1]).where(birth.str.len() == 8),
            "postcode forename-initial": (text["postcode"] + text["forename"].str[:1]).where(text["postcode"] != ""),
            # neighbours: names a typo apart among those born in one month mostly sort next to each other
            "month surname": (birth.str[:6] + text["surname"]).where(birth.str.len() == 8),
        }
    )
    named = (text["forename"] != "") & (text["surname"] != "")
    capped = False
    found: list[_Ints] = [np.empty(0, np.int64)]
    for name in keys:
        by_neighbours = name == "month surname"
        column = keys.loc[named, [name]].dropna()
        group, _ = pd.factorize(column[name], sort=True)
        sizes = np.bincount(group)
        affordable = _affordable(sizes, by_neighbours=by_neighbours)
        capped |= not affordable.all()
        column = column[affordable[group]]
        if len(column) < 2:
            continue
        indexer = recordlinkage.Index()
        if by_neighbours:
            indexer.sortedneighbourhood(name, window=3)
        else:
            indexer.block(name)
        pairs = indexer.index(column)
        ends = np.sort(np.stack([pairs.get_level_values(level).to_numpy(np.int64) for level in (0, 1)]), axis=0)
        found.append(ends[0] * len(people) + ends[1])
    codes = np.unique(np.concatenate(found))
    left, right = np.divmod(codes, max(len(people), 1))
    record = people["record"].to_numpy(np.int64)
    other = record[left] != record[right]
    return left[other], right[other], capped


def _affordable(sizes: _Ints, *, by_neighbours: bool) -> npt.NDArray[np.bool_]:
    """Which groups, in the order of their keys, give at most `MAX_PAIRS` pairs together; the smallest go first."""
    costs = sizes * (sizes - 1) // 2
    if by_neighbours:
        costs[:-1] += sizes[:-1] * sizes[1:]
    order = np.argsort(sizes, kind="stable")
    affordable = np.empty(len(sizes), bool)
    affordable[order] = np.cumsum(costs[order]) <= MAX_PAIRS
    return affordable


def _scores(people: pd.DataFrame, left: _Ints, right: _Ints) -> _Floats:
    """0 to 1 a pair, 0 where the names differ; a field missing on either side does not count."""
    one = {name: people[name].to_numpy(object)[left] for name in _COMPARED}
    other = {name: people[name].to_numpy(object)[right] for name in _COMPARED}

    def alike(name: str) -> _Floats:
        ratio = process.cpdist(one[name], other[name], scorer=JaroWinkler.normalized_similarity)
        return np.asarray(ratio, np.float64)

    forename, surname = alike("forename"), alike("surname")
    whole = process.cpdist(
        one["forename"] + " " + one["surname"], other["forename"] + " " + other["surname"], scorer=fuzz.token_sort_ratio
    )
    # in any order, for a forename often stands in the surname's column
    whole = np.asarray(whole, np.float64) / 100
    name = np.maximum(whole, (forename + surname) / 2)
    name_near = (np.minimum(forename, surname) >= _NAME_NEAR) | (whole >= _WHOLE_NAME_NEAR)

    parts = ("year", "month", "day")
    known = np.sum([(one[part] != "") & (other[part] != "") for part in parts], axis=0)
    equal = np.sum([(one[part] != "") & (one[part] == other[part]) for part in parts], axis=0)
    swapped = (one["month"] == other["day"]) & (one["day"] == other["month"]) & (one["year"] == other["year"])
    dob = np.where(swapped & (known == 3), 1.0, equal / np.maximum(known, 1))

    has_postcode = (one["postcode"] != "") & (other["postcode"] != "")
    postcode = (one["postcode"] == other["postcode"]).astype(np.float64)
    dob_weight = _WEIGHTS["dob"] * (known > 0)
    postcode_weight = _WEIGHTS["postcode"] * has_postcode
    total = _WEIGHTS["name"] + dob_weight + postcode_weight
    score = (_WEIGHTS["name"] * name + dob_weight * dob + postcode_weight * postcode) / total
    scores: _Floats = np.where(name_near, score, 0.0)
    return scores


# -- rendering --------------------------------------------------------------------------------------------------


def render(report: Report) -> RenderableType:
    """The report for a terminal: counts, columns, first problems, near duplicates."""
    rows = f"rows: {report.rows}, usable: {report.usable}, records: {report.records}"
    parts: list[RenderableType] = [Text(rows, style="bold"), _columns_table(report)]
    parts += [Text(f"{count} rows left out: {reason}", style="red") for reason, count in report.left_out.most_common()]
    if report.unblocked:
        parts.append(Text(f"usable, but in no block and compared with nothing: {report.unblocked}", style="red"))
    if report.source.ignored:
        parts.append(Text(f"headers not read: {', '.join(report.source.ignored)}", style="yellow"))
    parts += [
        Text(
            f"column '{header}' is not read and may say which records are restricted: no such file is sent", style="red"
        )
        for header in report.source.doubtful
    ]
    parts += [Text(warning, style="yellow") for warning in report.source.warnings()]
    if report.problems:
        table = Table(
            "row", "column", "reason", title=f"first {len(report.problems)} of {report.problem_count} problems"
        )
        for problem in report.problems:
            table.add_row(str(problem.row), problem.column, problem.reason, style="red" if problem.fatal else None)
        parts.append(table)
    parts.append(Text(f"{report.near_duplicates} near duplicates in {report.pairs_compared} pairs compared"))
    if report.pairs_capped:
        parts.append(Text("groups too large to compare were left out: there may be more", style="yellow"))
    if report.near_duplicate_rows:
        table = Table("row", "row", "score", title=f"best {len(report.near_duplicate_rows)} near duplicates")
        for left, right, score in report.near_duplicate_rows:
            table.add_row(str(left), str(right), f"{score:.3f}")
        parts.append(table)
    return Group(*parts)


def _columns_table(report: Report) -> Table:
    table = Table("column", "header", "present", "flagged", "reasons")
    for name, column in report.columns.items():
        share = f"{column.present} ({column.present / report.usable:.1%})" if report.usable else "0"
        reasons = "\n".join(f"{count} x {reason}" for reason, count in column.reasons.most_common())
        # Text, since a header may hold what rich takes for markup
        table.add_row(name, Text(column.header), share, str(column.reasons.total()), Text(reasons))
    return table
