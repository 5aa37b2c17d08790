"""Reads dates as agencies write them: whole or partial, day first, in figures or with the month's name.

A table of anchored forms decides; there is no guessing. A form gives pieces for year, month and day; a piece written
`00`, `--`, `??`, `__`, `XX`, `NK` or `UU` is unknown and stays out.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from typing import Final

from anyascii import anyascii

UNREADABLE: Final = "not a date in a form that is known"
IMPOSSIBLE: Final = "there is no such day; the parts that can be true are kept"
FUTURE: Final = "lies in the future"
TOO_OLD: Final = "year before 1880"
NO_SUCH_YEAR: Final = "year before 1880 or date in the future; only month and day are used"
DEFAULT: Final = "default date; no more than its year is used"
EXCHANGED: Final = "read with month and day exchanged, since there is no such month"
NOT_WHOLE: Final = "needs a whole date: day, month and year"
BEFORE_1970: Final = "before 1970-01-02"

_MAX_LENGTH = 48
_FIRST_YEAR = 1880
_EPOCH = date(1970, 1, 1)

_MONTH_NAMES: Final = (
    "JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE",
    "JULY", "AUGUST", "SEPTEMBER", "OCTOBER", "NOVEMBER", "DECEMBER",
)  # fmt: skip
_MONTHS: Final = {
    name[:length]: number for number, name in enumerate(_MONTH_NAMES, 1) for length in range(3, len(name) + 1)
}

_GAP = r"\?{1,2}|-{1,2}|_{1,2}|X{1,2}|NK|UU"
_D = rf"(?P<day>\d{{1,2}}|{_GAP})"
_M = rf"(?P<month>\d{{1,2}}|{_GAP})"
_N = r"(?P<month>[A-Z]{3,9})"
_Y4 = r"(?P<year>\d{4}|\?{4}|-{4}|_{4}|X{4}|UUUU)"
_Y = r"(?P<year>\d{4}|\d{2}|\?{4}|-{4}|_{4}|X{4}|UUUU)"
_SEP = r"\s*(?P<sep>[-/.\s])\s*"
_AGAIN = r"\s*(?P=sep)\s*"
_TH = r"(?:ST|ND|RD|TH)?"
_TIME = (
    r"(?:[T\s]\s*\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s*[AP]M)?"
    r"(?:\s*(?:Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?)?"
)

_FORMS: Final = tuple(
    re.compile(form, re.ASCII)
    for form in (
        rf"{_Y4}{_SEP}{_M}{_AGAIN}{_D}{_TIME}",  # 1985-03-07, 1985/3/7 00:00
        rf"{_D}{_SEP}{_M}{_AGAIN}{_Y}{_TIME}",  # 07/03/1985, 7.3.85
        rf"{_D}{_TH}[-/.,\s]*(?:OF\s+)?{_N}[-/.,\s]*{_Y}{_TIME}",  # 7 March 1985, 07-MAR-85, 7th of March 1985
        rf"{_N}[-/.,\s]+{_D}{_TH}[-/.,\s]+{_Y4}{_TIME}",  # March 7, 1985
        rf"{_Y4}[-/.,\s]*{_N}[-/.,\s]*{_D}{_TIME}",  # 1985-Mar-07
        r"(?P<year>\d{4})(?P<month>0\d|1[0-2])(?P<day>[0-2]\d|3[01])(?:T?\d{4}(?:\d{2})?)?",  # 19850307
        # 07031985. Never both this and the form above: a year's century, 18 to 20, is no month.
        r"(?P<day>[0-2]\d|3[01])(?P<month>0\d|1[0-2])(?P<year>\d{4})",
        r"(?P<year>\d{4})(?:\.0)?",  # 1985, and 1985.0 as a spreadsheet's float
        rf"(?P<year>\d{{4}}){_SEP}{_M}",  # 1985-03
        rf"{_M}{_SEP}(?P<year>\d{{4}})",  # 03/1985
        rf"{_N}[-/.,\s]*(?P<year>\d{{4}})",  # Mar 1985
        rf"(?P<year>\d{{4}})[-/.,\s]*{_N}",  # 1985 Mar
    )
)
_SEPARATED: Final = _FORMS[:2]
"""Forms in which month and day may stand in each other's place."""
_COMPACT: Final = _FORMS[5:7]

_WHOLE_DEFAULTS: Final = {
    *((1900, 1, 1), (1901, 1, 1), (1970, 1, 1), (1899, 12, 30), (1899, 12, 31), (1900, 0, 0)),
    *((1582, 10, 15), (1800, 12, 28), (1858, 11, 17), (2038, 1, 19), (2079, 6, 6)),
}
"""Null, first and last dates of databases, spreadsheets and operating systems, and the bare year 1900."""
_DEFAULT_YEAR = 9999
_YEAR_ENDS: Final = {(1, 1), (12, 31)}
"""In a year that nobody alive was born in, a system's first or last day rather than a slip in the year."""


@dataclass(frozen=True, slots=True, repr=False)
class PartialDate:
    """Year (four digits), month and day (two digits), '' where not known; `reason` says why a piece is missing."""

    year: str = ""
    month: str = ""
    day: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class _Parts:
    """0 where not known."""

    year: int = 0
    month: int = 0
    day: int = 0
    reason: str = ""


def birth_date(text: str, today: date) -> PartialDate:
    """A date of birth from any text; never raises.

    A null date (1900-01-01, 1970-01-01, year 9999 ...) is missing; of 1 January of any other year only the year is
    kept, for that is how systems store "about". Years run from 1880 to today; of others month and day are kept.
    """
    parts = _read(text, today)
    key = (parts.year, parts.month, parts.day)
    if key in _WHOLE_DEFAULTS or parts.year == _DEFAULT_YEAR:
        return PartialDate(reason=DEFAULT)
    too_old = 0 < parts.year < _FIRST_YEAR
    if too_old or _is_future(parts, today):
        if not (parts.month and parts.day) or key[1:] in _YEAR_ENDS:
            return PartialDate(reason=TOO_OLD if too_old else FUTURE)
        parts = _Parts(0, parts.month, parts.day, NO_SUCH_YEAR)
    elif parts.year and key[1:] == (1, 1):
        return PartialDate(year=f"{parts.year:04}", reason=DEFAULT)
    return PartialDate(
        f"{parts.year:04}" if parts.year else "",
        f"{parts.month:02}" if parts.month else "",
        f"{parts.day:02}" if parts.day else "",
        parts.reason,
    )


def observed_day(text: str, today: date) -> tuple[int, str]:
    """Days since 1970-01-01 and '', or -1 and why; never raises. Takes whole dates up to `today`."""
    if not text.strip():
        return -1, ""
    parts = _read(text, today)
    if parts.year == _DEFAULT_YEAR:
        return -1, DEFAULT
    if not (parts.year and parts.month and parts.day):
        return -1, parts.reason or NOT_WHOLE
    if _is_future(parts, today):
        return -1, FUTURE
    days = (date(parts.year, parts.month, parts.day) - _EPOCH).days
    # day 0 is what an empty timestamp becomes, and earlier days would collide with "missing"
    return (days, parts.reason) if days > 0 else (-1, BEFORE_1970)


def _read(text: str, today: date) -> _Parts:
    """Pieces in range that make a possible date, or the pieces that can be true with the reason."""
    text = text.strip()
    if not text:
        return _Parts()
    if len(text) > _MAX_LENGTH:
        return _Parts(reason=UNREADABLE)
    text = (text if text.isascii() else anyascii(text)).upper()
    for form in _FORMS:
        match = form.fullmatch(text)
        if match is None:
            continue
        pieces = match.groupdict()
        month = _month(pieces.get("month") or "")
        year = _number(pieces["year"])
        if month < 0 or (form in _COMPACT and not _FIRST_YEAR <= year <= _DEFAULT_YEAR):
            continue
        day = _number(pieces.get("day") or "")
        reason = ""
        if form in _SEPARATED and month > 12 and 0 < day <= 12:
            day, month, reason = month, day, EXCHANGED
        if len(pieces["year"]) == 2:
            year = _with_century(year, month, day, today)
        return _possible(_Parts(year, month, day, reason))
    return _Parts(reason=UNREADABLE)


def _number(piece: str) -> int:
    return int(piece) if piece.isdigit() else 0


def _month(piece: str) -> int:
    """Its number, 0 where unknown, -1 where letters name no month."""
    if piece.isalpha() and len(piece) > 2:
        return _MONTHS.get("SEP" if piece == "SEPT" else piece, -1)
    return _number(piece)


def _with_century(year: int, month: int, day: int, today: date) -> int:
    """The latest year that ends in `year` and is not in the future, which keeps ages to 99."""
    century = today.year // 100 * 100
    late = century + year
    return late - 100 if _is_future(_Parts(late, month, day), today) else late


def _is_future(parts: _Parts, today: date) -> bool:
    if not parts.year:
        return False
    # an unknown month or day counts as the earliest
    return (parts.year, parts.month, parts.day if parts.month else 0) > (today.year, today.month, today.day)


def _possible(parts: _Parts) -> _Parts:
    """Leaves out a month past 12, and a day the month does not have."""
    if parts.month > 12:
        return _Parts(parts.year, 0, 0, IMPOSSIBLE)
    if not parts.day:
        return parts
    if parts.day > _days_in(parts.year, parts.month):
        return _Parts(parts.year, parts.month, 0, IMPOSSIBLE)
    return parts


def _days_in(year: int, month: int) -> int:
    """Days of the month; the most there can be where the month, or February's year, is unknown."""
    return monthrange(year or 2000, month)[1] if month else 31
