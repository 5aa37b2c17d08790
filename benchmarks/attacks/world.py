"""What an attack is measured on: the records the matcher holds, and what the attacker knows of the population.

The attacker's register has one row a person, made from the truth of the same population. Its errors are drawn apart
from the agencies' own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.blocking import blocking_values
from benchmarks.population import generate
from matcher.agency.identity import SOURCE_COLUMNS, NormalisedBatch, RawBatch
from matcher.agency.normalise import normalise
from matcher.agency.tokeniser import canonical_columns
from matcher.blocking.passes import Columns
from matcher.scheme import LinkageScheme, Pass

_RECORDS_A_PERSON = 1.55
"""A little more than the population has, so that there are people enough."""
_TODAY = date(2026, 11, 1)
_IDENTITY = ["forename", "surname", "dob", "sex", "postcode", "address", "nhs_number"]


@dataclass(frozen=True, slots=True)
class World:
    """People are numbered: a record's or a register row's person is its number in the population."""

    scheme: LinkageScheme
    batch: NormalisedBatch
    """The records of all agencies, as they are before tokens are made."""
    person_of: NDArray[np.int64]
    """(R,) person of each record."""
    register: NormalisedBatch
    """What the attacker knows, one row a person."""
    registered: NDArray[np.int64]
    """(Q,) person of each row of the register."""
    overlap: float
    """Share of the people held by the agencies who are in the register too, 0 to 1."""

    @property
    def columns(self) -> Columns:
        """Canonical columns of the records."""
        return canonical_columns(self.batch, self.scheme)

    @property
    def known_columns(self) -> Columns:
        """Canonical columns of the register."""
        return canonical_columns(self.register, self.scheme)

    @property
    def people(self) -> int:
        """People the agencies hold."""
        return len(np.unique(self.person_of))

    @property
    def shared(self) -> int:
        """People both held and registered."""
        return len(np.intersect1d(self.person_of, self.registered))


def make_world(scheme: LinkageScheme, people: int, seed: int, *, overlap: float = 1.0, errors: float = 0.0) -> World:
    """Agencies hold records of `people` people; the register has as many, `overlap` of them the same ones.

    `errors`: share of the register's people with one wrong value.
    """
    rng = np.random.default_rng([seed, 1])
    population = round(people * (2 - overlap))
    records = round(population * _RECORDS_A_PERSON) + 200
    held, truth = (generate(records, seed, error_rate=rate).records for rate in (1.0, 0.0))
    truth = truth.drop_duplicates("person").sort_values("person")
    chosen = rng.permutation(len(truth))[:population]
    registered = np.sort(chosen[population - people :])
    held = held[np.isin(held["person"], chosen[:people])]
    known = with_errors(truth.iloc[registered], errors, rng)
    return World(
        scheme=scheme,
        batch=_normalised(held, scheme),
        person_of=held["person"].to_numpy(dtype=np.int64),
        register=_normalised(known, scheme),
        registered=registered,
        overlap=overlap,
    )


def with_errors(known: pd.DataFrame, share: float, rng: np.random.Generator) -> pd.DataFrame:
    """The rows, a `share` of them with one wrong value: forename, surname, date of birth, home or number, as likely."""
    wrong = known.copy()
    hit = np.flatnonzero(rng.random(len(known)) < share)
    kind = rng.integers(0, 5, len(hit))
    other = rng.integers(0, len(known), len(hit))
    for number, columns in enumerate(([], ["surname"], ["dob"], ["postcode", "address"], ["nhs_number"])):
        rows, source = hit[kind == number], other[kind == number]
        for column in columns:
            values = known[column].to_numpy(copy=True)
            values[rows] = values[source]
            wrong[column] = values
    forenames = known["forename"].to_numpy(copy=True)
    for row in hit[kind == 0]:
        forenames[row] = _mistyped(str(forenames[row]), rng)
    wrong["forename"] = forenames
    return wrong


def _mistyped(name: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(0, len(name)))
    return name[:at] + "abcdefghijklmnopqrstuvwxyz"[int(rng.integers(26))] + name[at + 1 :]


def _normalised(records: pd.DataFrame, scheme: LinkageScheme) -> NormalisedBatch:
    count = len(records)
    columns = {name: records[name].tolist() if name in _IDENTITY else [""] * count for name in SOURCE_COLUMNS}
    columns["identifier"] = records["nhs_number"].tolist()
    columns["record_ref"] = [str(row) for row in range(count)]
    return normalise(RawBatch(list(range(2, count + 2)), columns), scheme, today=_TODAY)


def numbered_values(passes: Sequence[Pass], world: World) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Blocking values as numbers, -1 where missing: of the records (R, P) and of the register (Q, P)."""
    records, register = world.columns, world.known_columns
    held = np.full((len(world.person_of), len(passes)), -1, np.int64)
    known = np.full((len(world.registered), len(passes)), -1, np.int64)
    for p, each in enumerate(passes):
        numbers: dict[bytes, int] = {}
        for result, columns in ((known, register), (held, records)):
            values = blocking_values(each, columns)
            result[:, p] = [numbers.setdefault(value, len(numbers)) if value else -1 for value in values]
    return held, known
