"""The clear-text nouns, columnar: what a source yields and what normalisation makes of it.

Neither has a repr that shows a value: these objects meet tracebacks and debuggers.
"""

from dataclasses import dataclass, field

SOURCE_COLUMNS = (
    "record_ref",
    "agency",
    "forename",
    "surname",
    "dob",
    "sex",
    "postcode",
    "address",
    "identifier",
    "observed_day",
    "restricted",
    "note",
)
"""Columns a source may have, canonical names. The identifier's own name in a file is the scheme's
(`LinkageScheme.identifier_column`). Rows next to each other with one `record_ref` are variants of one record."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with one value: where and why, never the value."""

    row: int
    """Row in the file; the header is row 1."""
    column: str
    reason: str
    fatal: bool = False
    """True: the row cannot be used at all. False: the value is left out, or used as it is and only flagged."""


@dataclass(slots=True, repr=False)
class RawBatch:
    """Rows as a file holds them, stripped of outer white space, '' where missing."""

    rows: list[int]
    columns: dict[str, list[str]]
    """Every name of `SOURCE_COLUMNS`, each as long as `rows`."""
    problems: list[Problem] = field(default_factory=list)
    """Rows that could not be read; they are not in `rows`."""
    further: dict[str, list[str]] = field(default_factory=dict)
    """Columns that were asked for besides, by header, each as long as `rows`."""


@dataclass(slots=True, repr=False)
class NormalisedBatch:
    """Canonical values, '' where missing. Lists are all of one length, the number of rows."""

    rows: list[int]
    record_ref: list[str]
    forename: list[str]
    """Upper case A-Z words, single spaces."""
    surname: list[str]
    year: list[str]
    """Four digits."""
    month: list[str]
    """Two digits."""
    day: list[str]
    """Two digits."""
    sex: list[str]
    """F, M or X."""
    postcode: list[str]
    """Upper case letters and digits, no space."""
    address: list[str]
    """Upper case A-Z0-9 words, single spaces."""
    identifier: list[str]
    """Upper case letters and digits, no space."""
    observed_day: list[int]
    """Days since 1970-01-01, -1 where missing."""
    restricted: list[bool]
    note: list[str]
    problems: list[Problem] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)
