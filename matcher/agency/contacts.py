"""Reads files of contacts: on which days persons already sent were met again.

Every day counts, whatever the order of the rows. A call of the contract names an alias once, so the days of one record
go in several calls.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from matcher.agency.identity import Problem
from matcher.agency.keys import AliasKey
from matcher.agency.normalise import normalise
from matcher.agency.sources import columns_of, read
from matcher.config import AgencyConfig
from matcher.errors import InputFileError
from matcher.model import UNKNOWN_DAY

Met = tuple[bytes, int]
"""Alias of a record and a day since 1970-01-01 on which its person was met."""


def contacts_of(path: Path, config: AgencyConfig, alias_key: AliasKey) -> tuple[set[Met], list[Problem]]:
    """Every contact of a file once, and what is wrong with its rows; one without a day is left out. The whole file is
    read first, so that nothing is sent of one that breaks off. `InputFileError` as `read` raises it, or without a
    column of days."""
    if "observed_day" not in columns_of(path, config.scheme, config.columns).mapping:
        raise InputFileError(f"{path.name}: no column observed_day")
    met: set[Met] = set()
    problems: list[Problem] = []
    for raw in read(path, config.scheme, config.columns, doubtful=True, variants=False):
        batch = normalise(raw, config.scheme)
        problems += batch.problems
        for row, reference, day in zip(batch.rows, batch.record_ref, batch.observed_day, strict=True):
            if day == UNKNOWN_DAY:
                problems.append(Problem(row, "observed_day", "no day on which the person was met", fatal=True))
            else:
                met.add((alias_key.alias(reference), day))
    return met, problems


def calls_of(met: Iterable[Met], most: int) -> Iterator[list[Met]]:
    """Contacts call by call, at most `most` each: an alias once in a call at most, earlier days in earlier calls."""
    times: Counter[bytes] = Counter()
    rounds: defaultdict[int, list[Met]] = defaultdict(list)
    for alias, day in sorted(met, key=lambda each: each[1]):
        rounds[times[alias]].append((alias, day))
        times[alias] += 1
    for contacts in rounds.values():
        for start in range(0, len(contacts), most):
            yield contacts[start : start + most]
