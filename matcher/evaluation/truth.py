"""Reads the truth beside the records: whom each is about, and the groups it belongs to.

Batches pass through on their way to linking, so a file is read once. Clear text is not kept: of a record stay its
reference, its true person, its sex, its age band and the labels that were asked for.
"""

from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matcher.agency.dates import birth_date
from matcher.agency.identity import Problem, RawBatch
from matcher.agency.normalise import sex_generic, sex_uk
from matcher.agency.sources import columns_of, read
from matcher.errors import InputFileError
from matcher.evaluation.measures import Labels
from matcher.scheme import LinkageScheme

SEX, AGE_BAND = "sex", "age band"
_FIRST_AGES = (18, 30, 45, 65)
_AGE_BANDS = ("0 to 17", "18 to 29", "30 to 44", "45 to 64", "65 and over")


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Truth:
    """Of N records, in the order that was asked for."""

    person: NDArray[np.int64]
    """(N,) number of the true person."""
    agency: Labels
    """(N,) name of the agency."""
    groups: dict[str, Labels]
    """By `SEX`, `AGE_BAND` and further columns: (N,) label, '' where not known."""


@dataclass(slots=True, repr=False)
class TruthReader:
    """Keeps the truth of the batches that it reads."""

    scheme: LinkageScheme
    column: str
    """Header of the column that names each record's true person."""
    group_columns: Sequence[str]
    """Headers of columns whose values make groups."""
    today: date
    """Day on which a person has the age by which they are grouped: by the year alone."""
    problems: list[tuple[str, Problem]]
    """Name of the file, and what is wrong in it, as far as it was read."""
    _known: dict[tuple[str, str], tuple[str, ...]]

    @classmethod
    def of(cls, scheme: LinkageScheme, column: str, group_columns: Sequence[str], today: date) -> "TruthReader":
        """A reader that has read nothing yet."""
        return cls(scheme, column, tuple(group_columns), today, [], {})

    def read(self, files: Iterable[Path]) -> Iterator[RawBatch]:
        """Batches of files, by agency. `InputFileError` if the truth column is not there, stands for
        another column, or leaves a record without its person."""
        for path in files:
            mapping = columns_of(path, self.scheme, with_agency=True).mapping
            taken = next((name for name, header in mapping.items() if header == self.column), None)
            if taken:
                raise InputFileError(
                    f"{path.name}: column '{self.column}' is read as {taken} and cannot be the truth as well; "
                    f"name another column, or give the header {taken} to the one that is meant"
                )
            for batch in read(path, self.scheme, with_agency=True, further=(self.column, *self.group_columns)):
                self._keep(path.name, batch)
                self.problems.extend((path.name, problem) for problem in batch.problems)
                yield batch

    def _keep(self, file: str, batch: RawBatch) -> None:
        sex_of = sex_uk if self.scheme.checks_uk else sex_generic
        sexes = {text: sex_of(text)[0] if text else "" for text in set(batch.columns["sex"])}
        bands = {text: _age_band(birth_date(text, self.today).year, self.today) for text in set(batch.columns["dob"])}
        agencies, references, dobs, sex = (batch.columns[name] for name in ("agency", "record_ref", "dob", "sex"))
        persons = batch.further[self.column]
        labels = [batch.further[name] for name in self.group_columns]
        for i, key in enumerate(zip(agencies, references, strict=True)):
            if not persons[i]:
                raise InputFileError(
                    f"{file} row {batch.rows[i]}: column '{self.column}' is empty; "
                    "every record needs its true person, one that is nobody else's too"
                )
            kept = self._known.setdefault(
                key, (persons[i], sexes[sex[i]], bands[dobs[i]], *(column[i] for column in labels))
            )
            if kept[0] != persons[i]:
                raise InputFileError(
                    f"{file} row {batch.rows[i]}: another row of this record names another true person; "
                    "rows of one record are variants of one person"
                )

    def truth(self, references: Sequence[tuple[str, str]]) -> Truth:
        """The truth of records by agency and reference; each must have been read."""
        known = [self._known[each] for each in references]
        columns = list(zip(*known, strict=True)) or [()] * (3 + len(self.group_columns))
        names = (SEX, AGE_BAND, *self.group_columns)
        return Truth(
            person=np.unique(np.array(columns[0], dtype=str), return_inverse=True)[1].astype(np.int64),
            agency=np.array([agency for agency, _ in references], dtype=str),
            groups={name: np.array(column, dtype=str) for name, column in zip(names, columns[1:], strict=True)},
        )


def _age_band(year: str, today: date) -> str:
    return _AGE_BANDS[bisect(_FIRST_AGES, today.year - int(year))] if year else ""
