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

from benchmarks.names import ERA_ENDS, HOSTELS, ORIGINS, SUFFIXES, Codes, Draw, Flags, Places, Strings, names, places

Rates = NDArray[np.float64] | float

LAST_DAY = int(np.datetime64("2026-10-31").astype(np.int64))
LOOK_BACK = 300  # observed days are the last this many, LAST_DAY the last of them
FIRST_BIRTH = int(np.datetime64("1900-01-01").astype(np.int64))
NO_FIXED_ABODE = "ZZ99 3VZ"  # the NHS pseudo postcode of people without a home
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
    people = _people(int(person.max()) + 1, truth)
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
    frame["birth_year"] = _calendar(people.birth)[0][person]
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


# ------------------------------------------------------------------------------------------------------------ people

SINGLE, COUPLE, FAMILY, LONE_PARENT, THREE_GENERATIONS, SHARERS, NO_HOME, HOSTEL = range(8)
KIND_SHARES = (0.29, 0.24, 0.25, 0.11, 0.03, 0.045, 0.0345, 0.0005)
ADULTS = np.array([1, 2, 2, 1, 2, 0, 1, 0])
HEAD, PARTNER, CHILD, ELDER, LODGER = range(5)
SOUTH_ASIAN, CHINESE, IBERIAN = (list(ORIGINS).index(name) for name in ("south_asian", "chinese", "iberian"))


@dataclass(frozen=True)
class _People:
    """Truth, an element a person; people of one household stand together."""

    home: Codes
    sex: Codes  # 0 women, 1 men
    birth: Codes  # days since 1970
    origin: Codes
    forename: Codes
    middle: Codes  # -1: none
    surname: Codes
    second: Codes  # the other half of a double-barrelled surname, -1: none
    other: Codes  # maiden, married or partner's surname
    address: Codes  # -1: no fixed abode
    former: Codes
    number: Codes  # NHS number
    places: Places


def _households(homes: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return home, kind, role, birth and twin (of the row before) of each person that agencies meet."""
    kind = rng.choice(len(KIND_SHARES), homes, p=KIND_SHARES)
    parents = np.isin(kind, (FAMILY, LONE_PARENT, THREE_GENERATIONS))
    children = np.where(parents, rng.choice(4, homes, p=(0.42, 0.40, 0.13, 0.05)) + 1, 0)
    lodgers = np.where(kind == SHARERS, rng.integers(2, 7, homes), 0)
    lodgers = np.where(kind == HOSTEL, rng.integers(35, 66, homes), lodgers)
    size = ADULTS[kind] + children + lodgers + (kind == THREE_GENERATIONS)
    home = np.repeat(np.arange(homes), size)
    first = np.cumsum(size) - size
    seat = np.arange(len(home)) - first[home]
    adults, below = ADULTS[kind][home], (ADULTS[kind] + children)[home]
    cases = [lodgers[home] > 0, seat >= below, seat >= adults, seat == 1]
    role = np.select(cases, [LODGER, ELDER, CHILD, PARTNER], HEAD)
    head_age = np.where(parents, np.clip(rng.normal(41, 9, homes), 19, 64), 18 + 75 * rng.beta(1.3, 1.7, homes))
    follows = (role == CHILD) & (seat > adults)
    twin = follows & (rng.random(len(home)) < 0.04)
    twin[1:] &= ~twin[:-1]
    gap = np.cumsum(np.where(follows & ~twin, 1 + rng.exponential(2, len(home)), 0))
    child_age = (head_age - np.clip(rng.normal(28, 5.5, homes), 16, 44) + gap[first])[home] - gap
    lodger_age = 18 + 55 * rng.beta(1.5, 2.2, len(home))
    near_age = head_age[home] + rng.normal(0, 3.5, len(home))
    age = np.select(
        [role == x for x in (LODGER, ELDER, CHILD, PARTNER)],
        [lodger_age, near_age + 28, child_age, near_age],
        head_age[home],
    )
    met = rng.choice((0.1, 0.45, 0.95), homes, p=(0.35, 0.35, 0.3))
    met = rng.random(len(home)) < np.where(kind >= NO_HOME, 0.95, met)[home]
    met[1:] = np.where(twin[1:], met[:-1], met[1:])
    birth = LAST_DAY - LOOK_BACK - np.floor(age * 365.25).astype(np.int64)
    kept = met & (age > 0) & (age < 105)
    columns = {"home": home, "kind": kind[home], "role": role, "birth": birth, "twin": twin}
    return pd.DataFrame({name: column[kept] for name, column in columns.items()})


def _people(count: int, rng: np.random.Generator) -> _People:
    """Return the first `count` people that agencies meet."""
    homes = int(count * 0.95) + 300
    rows = _households(homes, rng)
    while len(rows) < count:
        homes = int(homes * 1.2)
        rows = _households(homes, rng)
    rows = rows.iloc[:count]
    home, kind, role, birth = (rows[column].to_numpy(dtype=np.int64) for column in ("home", "kind", "role", "birth"))
    homes = int(home[-1]) + 1
    origin, sex = _origins_and_sexes(home, kind, role, homes, rng)
    younger = np.flatnonzero(rows["twin"].to_numpy())
    apart = rng.permutation(np.flatnonzero(kind == SINGLE))[: 2 * int(0.0015 * count)]
    one = np.concatenate((younger - 1, apart[::2]))
    two = np.concatenate((younger, apart[1::2]))
    birth[two], origin[two] = birth[one], origin[one]
    sex[two] = np.where(rng.random(len(two)) < 0.65, sex[one], sex[two])
    surname, second, other = _family_names(home, kind, role, origin, sex, rng)
    surname[two], second[two] = surname[one], second[one]
    feminine = names().feminine
    surname, other = (np.where(sex == 0, feminine[side], side) for side in (surname, other))
    forename, middle = _given_names(home, role, birth, origin, sex, (one, two), rng)
    ground = places(homes, rng)
    address, former = _homes(home, kind, role, ground, rng)
    number = _nhs_numbers(count, rng)
    return _People(home, sex, birth, origin, forename, middle, surname, second, other, address, former, number, ground)


def _origins_and_sexes(
    home: Codes, kind: Codes, role: Codes, homes: int, rng: np.random.Generator
) -> tuple[Codes, Codes]:
    shares = list(ORIGINS.values())
    origin = rng.choice(len(shares), homes, p=shares)[home]
    apart = (role == LODGER) | ((role == PARTNER) & (rng.random(len(home)) < 0.08))
    origin[apart] = rng.choice(len(shares), int(apart.sum()), p=shares)
    sex = (rng.random(len(home)) < 0.5).astype(np.int64)
    couple = np.isin(kind, (COUPLE, FAMILY, THREE_GENERATIONS)) & (rng.random(homes)[home] > 0.03)
    sex[couple & (role == HEAD)], sex[couple & (role == PARTNER)] = 1, 0
    lone = (kind == LONE_PARENT) & (role == HEAD)
    sex[lone] = rng.random(int(lone.sum())) < 0.13
    sex[kind >= NO_HOME] = rng.random(int((kind >= NO_HOME).sum())) < 0.75
    return origin, sex


def _family_names(
    home: Codes, kind: Codes, role: Codes, origin: Codes, sex: Codes, rng: np.random.Generator
) -> tuple[Codes, Codes, Codes]:
    """Return surname, its other half or -1, and the surname a person may also be known by."""
    own, spare, heads = (_drawn(names().family, origin, rng) for _ in range(3))
    homes = int(home[-1]) + 1
    of_head, of_partner = np.full(homes, -1), np.full(homes, -1)
    of_head[home], of_partner[home] = heads, spare
    of_partner[home[role == PARTNER]] = own[role == PARTNER]
    both, roll = rng.random(homes)[home], rng.random(len(home))
    shares = np.select(
        [role == LODGER, role == HEAD, role == PARTNER, kind == LONE_PARENT, role == CHILD],
        [False, True, both < 0.75, roll < 0.7, roll < 0.85],
        roll < 0.5,
    )
    surname = np.where(role == LODGER, own, np.where(shares, of_head[home], of_partner[home]))
    other = np.where(role == LODGER, spare, np.where(shares, of_partner[home], of_head[home]))
    doubled = (role == CHILD) & (roll > 0.93) & (surname != other)
    second = np.where(doubled, of_head[home], -1)
    double_home = np.where(origin == IBERIAN, both < 0.4, (both > 0.975) & (origin == 0)) & shares & ~doubled
    second = np.where(double_home & (surname != other), of_partner[home], second)
    womens = (origin == SOUTH_ASIAN) & (sex == 0) & (role != CHILD) & (second < 0) & (rng.random(len(home)) < 0.2)
    surname[womens] = names().womens.pick(int(womens.sum()), rng)
    return surname, second, other


def _given_names(
    home: Codes,
    role: Codes,
    birth: Codes,
    origin: Codes,
    sex: Codes,
    twins: tuple[Codes, Codes],
    rng: np.random.Generator,
) -> tuple[Codes, Codes]:
    era = np.searchsorted(ERA_ENDS, _calendar(birth)[0], side="right")

    def drawn(rows: Codes) -> Codes:
        key = (origin[rows] * 2 + sex[rows]) * (len(ERA_ENDS) + 1) + era[rows]
        return _drawn([names().given[each] for each in sorted(names().given)], key, rng)

    everyone = np.arange(len(home))
    forename = drawn(everyone)
    for _ in range(3):
        brothers = pd.DataFrame({"home": home, "name": forename}).duplicated().to_numpy() & (role != LODGER)
        forename[brothers] = drawn(everyone[brothers])
    heads = np.full(int(home[-1]) + 1, -1)
    heads[home[role == HEAD]] = everyone[role == HEAD]
    head = heads[home]
    junior = (role == CHILD) & (head >= 0) & (sex == 1) & (sex[head] == 1) & (rng.random(len(home)) < 0.04)
    junior &= ~pd.Series(np.where(junior, home, -1 - everyone)).duplicated().to_numpy()
    forename[junior] = forename[head[junior]]
    one, two = twins
    alike = (sex[one] == sex[two]) & (rng.random(len(one)) < 0.25)
    near = np.where(sex[one] == 1, *(names().one_letter_apart[side].pick(forename[one], rng) for side in (1, 0)))
    forename[two] = np.where(alike & (near != forename[one]), near, forename[two])
    middle = np.where(rng.random(len(home)) < 0.65, drawn(everyone), -1)
    return forename, np.where(middle == forename, -1, middle)


def _drawn(draws: Sequence[Draw], which: Codes, rng: np.random.Generator) -> Codes:
    """Draw one code for each element of `which`, from draws[which]."""
    drawn = np.zeros(len(which), dtype=np.int64)
    order = np.argsort(which, kind="stable")
    bounds = np.searchsorted(which[order], np.arange(len(draws) + 1))
    for index, draw in enumerate(draws):
        drawn[order[bounds[index] : bounds[index + 1]]] = draw.pick(int(bounds[index + 1] - bounds[index]), rng)
    return drawn


def _homes(home: Codes, kind: Codes, role: Codes, ground: Places, rng: np.random.Generator) -> tuple[Codes, Codes]:
    """Return present and former address; whole households move together, mostly not far."""
    size, homes = len(ground.postcode), int(home[-1]) + 1
    present = rng.permutation(size)[:homes]
    hostels = np.unique(home[kind == HOSTEL])
    ground.flat[present[hostels]] = -1 - rng.integers(0, len(HOSTELS.split()), len(hostels))
    near = (present + rng.integers(40, 12_000, homes)) % size
    before = np.where(rng.random(homes) < 0.6, near, rng.integers(0, size, homes))[home]
    alone = (role == LODGER) | (kind == NO_HOME)
    before = np.where(alone, rng.integers(0, size, len(home)), before)
    before = np.where((kind == HOSTEL) & (rng.random(len(home)) < 0.5), -1, before)
    return np.where(kind == NO_HOME, -1, present[home]), before


def _nhs_numbers(count: int, rng: np.random.Generator) -> Codes:
    """Return `count` distinct numbers with a valid check digit, from the ranges in use (400 to 499, 600 to 708)."""
    span = 208_800_000
    walk = (np.arange(int(count * 1.15) + 100) * 67_867_967 + rng.integers(span)) % span
    body = walk + np.where(walk < 100_000_000, 400_000_000, 500_000_000)
    weighted: Codes = sum((body // 10**place % 10 * (place + 2) for place in range(9)), start=np.zeros_like(body))
    check = -weighted % 11
    return (body * 10 + check)[check < 10][:count]


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


def _names(people: _People, person: Codes, pen: _Pen) -> tuple[Strings, Strings]:
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


def _calendar(day: Codes) -> tuple[Codes, Codes, Codes]:
    """Return year, month 1 to 12 and day of the month of days since 1970."""
    months = day.astype("datetime64[D]").astype("datetime64[M]")
    month = months.astype(np.int64)
    return 1970 + month // 12, month % 12 + 1, day - months.astype("datetime64[D]").astype(np.int64) + 1


def _iso(day: Codes) -> Strings:
    """Return days since 1970 as ISO dates; equal dates share one string."""
    known = np.arange(FIRST_BIRTH, LAST_DAY + 1).astype("datetime64[D]")
    return np.datetime_as_string(known).astype(object)[day - FIRST_BIRTH]


def _dobs(birth: Codes, pen: _Pen) -> Strings:
    year, month, day = _calendar(birth)
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


def _addresses(people: _People, person: Codes, pen: _Pen) -> tuple[Strings, Strings]:
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
