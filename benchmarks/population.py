"""A seeded, made-up, UK-like population and the records that nine agencies hold about it.

Truth, contacts and errors come from three random streams: with the same seed, another `error_rate` gives the same
people, the same records and the same references, with more or fewer errors.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from anyascii import anyascii
from numpy.typing import NDArray

from benchmarks.names import HOSTELS, ORIGINS, SUFFIXES, Codes, Flags, Strings, names
from benchmarks.people import (
    CHINESE,
    FIRST_BIRTH,
    IBERIAN,
    LAST_DAY,
    LOOK_BACK,
    NO_FIXED_ABODE,
    SOUTH_ASIAN,
    People,
    calendar,
    make_people,
)

Rates = NDArray[np.float64] | float

FILE_COLUMNS = ["record_ref", "forename", "surname", "dob", "sex", "postcode", "address", "nhs_number", "observed_day"]


@dataclass(frozen=True)
class Agency:
    """How much an agency meets and how well it writes it down. `nhs_number` to `sex`: share of records, 0 to 1."""

    name: str  # lower-case id, [a-z0-9-]
    sector: str
    share: float  # of all contacts; only ratios matter
    nhs_number: float
    dob: float
    address: float
    sex: float
    error: float  # multiplies every error rate
    style: int = 0  # of addresses, 0 to 4, see `_address_line`
    upper: bool = False  # holds names and addresses in capitals
    spaced: bool = True  # holds postcodes with their space
    date_format: str = "%Y-%m-%d"  # of its files


AGENCIES: tuple[Agency, ...] = (
    Agency("police", "police", 0.22, 0.03, 0.94, 0.86, 0.97, 1.4, style=1, upper=True, date_format="%d/%m/%Y"),
    Agency("mental-health", "health", 0.08, 0.97, 0.995, 0.97, 0.99, 0.6),
    Agency("ambulance", "health", 0.14, 0.14, 0.84, 0.82, 0.95, 1.9, style=2, spaced=False, date_format="%d/%m/%Y"),
    Agency("ed-north", "health", 0.15, 0.98, 0.99, 0.97, 0.995, 0.7),
    Agency("ed-south", "health", 0.13, 0.98, 0.99, 0.96, 0.995, 0.8, style=3, upper=True),
    Agency("council", "council", 0.10, 0.02, 0.85, 0.99, 0.80, 1.0, style=1, date_format="%d %b %Y"),
    Agency("social-care", "social-care", 0.07, 0.55, 0.97, 0.95, 0.97, 0.8, date_format="%d/%m/%Y"),
    Agency("housing", "housing", 0.07, 0.01, 0.93, 0.99, 0.85, 1.0, style=4, spaced=False, date_format="%d/%m/%Y"),
    Agency("fire", "fire", 0.04, 0.01, 0.60, 0.96, 0.70, 1.6, style=2, upper=True, date_format="%d %b %Y"),
)

# Probability that one record departs from the truth, at error rate 1. Two records of a person differ about twice as
# often: so changed surnames (5.7 % of women, 1.3 % of men) and postcodes (30 %) come to the published UK rates.
NICKNAME = 0.05
INITIAL_ONLY = 0.012
MIDDLE_SHOWN = 0.08
NAME_TYPO = 0.018  # of forename and surname each
SURNAME_CHANGED = (0.029, 0.0066)  # women, men
HALF_SURNAME = 0.10  # of the double-barrelled
HYPHEN_DROPPED = 0.15  # of the hyphenated
ACCENTS_STRIPPED = 0.55  # of the accented
SWAPPED = (0.004, 0.025)  # forename and surname; the second where the family name may come first
DAY_MONTH_SWAPPED = 0.002
DATE_DIGIT = 0.003
FIRST_OF_JANUARY = 0.002
PARTIAL_DATE = 0.006
SEX_WRONG = 0.003
FORMER_ADDRESS = 0.13
POSTCODE_TYPO = 0.02
POSTCODE_MISSING = 0.03
ADDRESS_TYPO = 0.02
OTHER_STYLE = 0.2
NUMBER_WRONG = 0.001
SECOND_RECORD = 0.02  # a person's at one agency, under another reference


@dataclass(frozen=True)
class Population:
    """The records of all agencies, with their truth."""

    records: pd.DataFrame
    """One row a record, shuffled. Strings, '' where missing: record_ref (unique within its agency), agency, forename,
    surname, dob (YYYY-MM-DD, YYYY-MM or YYYY), sex (F or M), postcode, address, nhs_number (10 digits), observed_day
    (YYYY-MM-DD). Truth: person and household (ints), origin (a key of `ORIGINS`), birth_year."""
    agencies: tuple[Agency, ...] = AGENCIES


def generate(
    records: int,
    seed: int,
    *,
    error_rate: float = 1.0,
    agencies: Sequence[Agency] = AGENCIES,
    known_share: float = 0.3,
) -> Population:
    """Make exactly `records` records (1 or more).

    `error_rate` multiplies every error rate, and raises every share of present values to its power: at 0 the records
    of a person are equal and complete. `known_share`, 0 to 1: persons known to two or more agencies, among all persons.
    """
    streams = np.random.SeedSequence(seed).spawn(3)
    truth, contacts, errors = (np.random.default_rng(stream) for stream in streams)
    person, agency = _contacts(records, known_share, agencies, contacts)
    people = make_people(int(person.max()) + 1, truth)
    frame = pd.DataFrame({"record_ref": _references(agency, agencies, contacts)})
    frame["agency"] = np.array([each.name for each in agencies], dtype=object)[agency]
    pen = _Pen(errors, error_rate, agencies, agency)
    forename, surname = _names(people, person, pen)
    frame["forename"], frame["surname"] = forename, surname
    frame["dob"] = _dobs(people.birth[person], pen)
    sex = np.where(pen.slips(SEX_WRONG), 1 - people.sex[person], people.sex[person])
    frame["sex"] = _kept(np.array(["F", "M"], dtype=object)[sex], pen.present([each.sex for each in agencies]))
    frame["postcode"], frame["address"] = _addresses(people, person, pen)
    number = np.where(pen.slips(NUMBER_WRONG), np.roll(people.number, 1)[person], people.number[person])
    written = pen.present([each.nhs_number for each in agencies])
    frame["nhs_number"] = ""
    frame.loc[written, "nhs_number"] = [str(digits) for digits in number[written].tolist()]
    frame["observed_day"] = _iso(LAST_DAY - contacts.integers(0, LOOK_BACK, records))
    frame["person"], frame["household"] = person, people.home[person]
    frame["origin"] = np.array(list(ORIGINS), dtype=object)[people.origin[person]]
    frame["birth_year"] = calendar(people.birth)[0][person]
    return Population(frame, tuple(agencies))


def write_csvs(population: Population, folder: Path) -> dict[str, Path]:
    """Write each agency's records to `AGENCY.csv`, without truth, and `truth.csv`; return the paths by name.

    Dates are in the agency's format; partial ones keep their parts, as in 07/1984, Jul 1984, 1984.
    """
    folder.mkdir(parents=True, exist_ok=True)
    records = population.records
    paths = {each.name: folder / f"{each.name}.csv" for each in population.agencies}
    for each in population.agencies:
        table = records.loc[records["agency"] == each.name, FILE_COLUMNS].copy()
        for column in ("dob", "observed_day"):
            table[column] = table[column].map({iso: _shown(iso, each.date_format) for iso in table[column].unique()})
        table.to_csv(paths[each.name], index=False)
    paths["truth"] = folder / "truth.csv"
    records[["record_ref", "agency", "person"]].to_csv(paths["truth"], index=False)
    return paths


def _shown(iso: str, date_format: str) -> str:
    if len(iso) <= 4:
        return iso
    if len(iso) == 7:
        date_format = date_format.removeprefix("%d").removesuffix("-%d").lstrip("/ ")
    return str(pd.Timestamp(iso).strftime(date_format))


# ---------------------------------------------------------------------------------------------------------- contacts


def _contacts(
    records: int, known_share: float, agencies: Sequence[Agency], rng: np.random.Generator
) -> tuple[Codes, Codes]:
    """Return the person and the agency of each record, shuffled; persons count from 0 without gaps."""
    known = np.where(rng.random(records) < known_share, 1 + rng.geometric(0.62, records), 1)
    known = np.minimum(known, len(agencies))
    held = np.cumsum(known + rng.binomial(known, SECOND_RECORD))
    people = int(np.searchsorted(held, records)) + 1
    person = np.searchsorted(held[:people], np.arange(records), side="right")
    turn = np.arange(records) - np.concatenate(([0], held))[person]
    turn = np.where(turn >= known[person], turn - known[person], turn)
    share = np.log([agency.share for agency in agencies])
    order = np.argsort(share + rng.gumbel(size=(people, len(agencies))), axis=1)[:, ::-1]
    shuffled = rng.permutation(records)
    return person[shuffled], order[person, turn][shuffled]


def _references(agency: Codes, agencies: Sequence[Agency], rng: np.random.Generator) -> Strings:
    references = np.empty(len(agency), dtype=object)
    for index, each in enumerate(agencies):
        rows = np.flatnonzero(agency == index)
        numbers = rng.integers(100, 1000) + np.cumsum(rng.integers(1, 4, len(rows)))
        prefix = each.name.replace("-", "")[:3].upper()
        references[rows] = [f"{prefix}-{number:06d}" for number in numbers.tolist()]
    return references


# ------------------------------------------------------------------------------------------------------------ errors


class _Pen:
    """How agencies write: draws which of the records a slip of a given rate happens to."""

    def __init__(self, rng: np.random.Generator, rate: float, agencies: Sequence[Agency], agency: Codes) -> None:
        self.rng, self.rate, self.agencies, self.agency = rng, rate, agencies, agency
        self.error = rate * np.array([each.error for each in agencies])[agency]

    def slips(self, rate: Rates) -> Flags:
        """Draw for every record whether it slips; `rate` is a probability at error rate 1, one or one a record."""
        return self.rng.random(len(self.error)) < rate * self.error

    def present(self, share: Sequence[float]) -> Flags:
        """Draw for every record whether its agency wrote the value down."""
        return self.rng.random(len(self.error)) < (np.array(share) ** self.rate)[self.agency]

    def house(self, value: Sequence[int]) -> Codes:
        """Return the agency's house rule for each record, and 0 for the share that is written without errors."""
        ruled = self.rng.random(len(self.error)) < min(1.0, self.rate)
        return np.where(ruled, np.array(value)[self.agency], 0)

    def mistype(self, texts: Strings, where: Flags, slip: Callable[[str, float, float], str]) -> None:
        """Put slip(text, u, v) in place of the texts that are hit; u and v are in [0, 1)."""
        rows = np.flatnonzero(where)
        chances = self.rng.random((len(rows), 2)).tolist()
        texts[rows] = [slip(text, u, v) for text, (u, v) in zip(texts[rows], chances, strict=True)]


def _edit(texts: Strings, where: Flags, change: Callable[[str], str]) -> None:
    rows = np.flatnonzero(where)
    texts[rows] = [change(text) for text in texts[rows]]


def _kept(texts: Strings, present: Flags) -> Strings:
    return np.where(present, texts, np.array("", dtype=object))


NEXT_KEY = dict(zip("abcdefghijklmnopqrstuvwxyz", "svxfrdghokjlknipwtdyicesuz", strict=True))
SOUNDS = (("ph", "f"), ("ck", "k"), ("ee", "ea"), ("ie", "ei"), ("ou", "u"), ("th", "t"), ("y", "ie"), ("c", "k"))


def _misspelt(word: str, u: float, v: float) -> str:
    """Insert, delete, replace, transpose or spell by ear; v picks which, u where (seldom the first letter)."""
    at = min(len(word) - 1, 1 + int(u * len(word)))
    if v < 0.2 or len(word) < 4:
        return word[: at + 1] + word[at:]
    if v < 0.4:
        return word[:at] + word[at + 1 :]
    if v < 0.6:
        return word[:at] + NEXT_KEY.get(word[at], "e") + word[at + 1 :]
    if v < 0.8:
        return word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]
    for sound, written in SOUNDS:
        if sound in word[1:]:
            return word[0] + word[1:].replace(sound, written, 1)
    return word[:at] + NEXT_KEY.get(word[at], "e") + word[at + 1 :]


def _mistaken_postcode(code: str, u: float, v: float) -> str:
    """Change one character after the area into another of its kind, or swap the last two."""
    if v < 0.25:
        return code[:-2] + code[-1] + code[-2]
    at = len(code) - 1 - int(u * 3)
    wrong = str((int(code[at]) + 1 + int(v * 8)) % 10) if code[at].isdigit() else chr(65 + (ord(code[at]) + 2) % 24)
    return code[:at] + wrong + code[at + 1 :]


def _names(people: People, person: Codes, pen: _Pen) -> tuple[Strings, Strings]:
    """Return forename and surname as each record has them."""
    tables, sex, code = names(), people.sex[person], people.forename[person]
    nickname = np.where(sex == 1, tables.nicknames[1].pick(code, pen.rng), tables.nicknames[0].pick(code, pen.rng))
    forename = tables.forenames[np.where(pen.slips(NICKNAME), nickname, code)]
    middle = people.middle[person]
    shown = np.flatnonzero(pen.slips(MIDDLE_SHOWN) & (middle >= 0))
    forename[shown] = forename[shown] + " " + tables.forenames[middle[shown]]
    _edit(forename, pen.slips(INITIAL_ONLY), lambda name: name[0])
    changed = pen.slips(np.where(sex == 1, SURNAME_CHANGED[1], SURNAME_CHANGED[0]))
    surname = tables.surnames[np.where(changed, people.other[person], people.surname[person])]
    second = people.second[person]
    double, half = ~changed & (second >= 0), pen.slips(HALF_SURNAME)
    rows = np.flatnonzero(double & half & (pen.rng.random(len(person)) < 0.5))
    surname[rows] = tables.surnames[second[rows]]
    rows = np.flatnonzero(double & ~half)
    link = np.where(people.origin[person] == IBERIAN, " ", "-")[rows].astype(object)
    surname[rows] = surname[rows] + link + tables.surnames[second[rows]]
    _edit(surname, pen.slips(HYPHEN_DROPPED), lambda name: name.replace("-", " "))
    for text in (forename, surname):
        pen.mistype(text, pen.slips(NAME_TYPO), _misspelt)
        accented = np.array([not name.isascii() for name in text])
        _edit(text, accented & pen.slips(ACCENTS_STRIPPED), lambda name: str(anyascii(name)))
    capitals = pen.house([each.upper for each in pen.agencies]) == 1
    for text in (forename, surname):
        _edit(text, capitals, str.upper)
    family_first = np.isin(people.origin[person], (SOUTH_ASIAN, CHINESE))
    swapped = pen.slips(np.where(family_first, SWAPPED[1], SWAPPED[0]))
    return np.where(swapped, surname, forename), np.where(swapped, forename, surname)


def _iso(day: Codes) -> Strings:
    """Return days since 1970 as ISO dates; equal dates share one string."""
    known = np.arange(FIRST_BIRTH, LAST_DAY + 1).astype("datetime64[D]")
    return np.datetime_as_string(known).astype(object)[day - FIRST_BIRTH]


def _dobs(birth: Codes, pen: _Pen) -> Strings:
    year, month, day = calendar(birth)
    swap = pen.slips(DAY_MONTH_SWAPPED) & (day <= 12)
    month, day = np.where(swap, day, month), np.where(swap, month, day)
    digit = np.where(pen.slips(DATE_DIGIT), pen.rng.integers(1, 6, len(birth)), 0)
    year = year - (digit == 1) - 10 * (digit == 2)
    month = np.where(digit == 3, np.where(month % 10 == 9, month - 1, month % 12 + 1), month)
    day = np.where(digit == 4, np.where(day > 1, day - 1, day + 1), day)
    day = np.where(digit == 5, np.where(day > 10, day - 10, day + 10), day)
    first = pen.slips(FIRST_OF_JANUARY)
    month, day = np.where(first, 1, month), np.where(first, 1, day)
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    start, after = (each.astype("datetime64[D]").astype(np.int64) for each in (months, months + 1))
    dobs = _iso(np.minimum(np.minimum(start + day, after) - 1, LAST_DAY))
    partial, bare = pen.slips(PARTIAL_DATE), pen.rng.random(len(birth)) < 0.5
    _edit(dobs, partial & bare, lambda iso: iso[:4])
    _edit(dobs, partial & ~bare, lambda iso: iso[:7])
    return _kept(dobs, pen.present([each.dob for each in pen.agencies]))


def _address_line(number: int, flat: int, street: str, town: str, style: int) -> str:
    """Write an address in full (0), with its town (1), short (2), short with its town (3), or unit last (4)."""
    if style in (2, 3):
        base, _, suffix = street.rpartition(" ")
        street = f"{base} {SUFFIXES[suffix][0]}"
    unit = f"Flat {flat}" if flat > 0 else f"{HOSTELS.split()[~flat]} House" if flat < 0 else ""
    if style == 4:
        return f"{number} {street}, {unit}" if unit else f"{number}, {street}"
    line = f"{number} {street}"
    if unit:
        line = f"{unit} {line}" if style == 2 else f"{unit}, {line}"
    return f"{line}, {town}" if style in (1, 3) else line


def _addresses(people: People, person: Codes, pen: _Pen) -> tuple[Strings, Strings]:
    """Return postcode and address as each record has them."""
    ground = people.places
    at = np.where(pen.slips(FORMER_ADDRESS), people.former[person], people.address[person])
    style = pen.house([each.style for each in pen.agencies])
    style = np.where(pen.slips(OTHER_STYLE), pen.rng.integers(0, 5, len(at)), style)
    post = ground.postcode[at]
    parts = (
        ground.number[at].tolist(),
        ground.flat[at].tolist(),
        ground.streets[post],
        ground.towns[post],
        style.tolist(),
    )
    address = np.array([_address_line(*each) for each in zip(*parts, strict=True)], dtype=object)
    postcode = ground.postcodes[post]
    address[at < 0], postcode[at < 0] = "No fixed abode", NO_FIXED_ABODE
    pen.mistype(address, pen.slips(ADDRESS_TYPO) & (at >= 0), _misspelt)
    pen.mistype(postcode, pen.slips(POSTCODE_TYPO) & (at >= 0), _mistaken_postcode)
    _edit(address, pen.house([each.upper for each in pen.agencies]) == 1, str.upper)
    _edit(postcode, pen.house([not each.spaced for each in pen.agencies]) == 1, lambda code: code.replace(" ", ""))
    written = pen.present([each.address for each in pen.agencies])
    return _kept(postcode, written & ~pen.slips(POSTCODE_MISSING)), _kept(address, written)
