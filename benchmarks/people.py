"""The people of the synthetic population, without errors: households, families, twins, names, homes, NHS numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.names import ERA_ENDS, HOSTELS, ORIGINS, Codes, Draw, Places, names, places

LAST_DAY = int(np.datetime64("2026-10-31").astype(np.int64))
LOOK_BACK = 300  # observed days are the last this many, LAST_DAY the last of them
FIRST_BIRTH = int(np.datetime64("1900-01-01").astype(np.int64))
NO_FIXED_ABODE = "ZZ99 3VZ"  # the NHS pseudo postcode of people without a home


SINGLE, COUPLE, FAMILY, LONE_PARENT, THREE_GENERATIONS, SHARERS, NO_HOME, HOSTEL = range(8)
KIND_SHARES = (0.29, 0.24, 0.25, 0.11, 0.03, 0.045, 0.0345, 0.0005)
ADULTS = np.array([1, 2, 2, 1, 2, 0, 1, 0])
HEAD, PARTNER, CHILD, ELDER, LODGER = range(5)
SOUTH_ASIAN, CHINESE, IBERIAN = (list(ORIGINS).index(name) for name in ("south_asian", "chinese", "iberian"))


@dataclass(frozen=True)
class People:
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


def make_people(count: int, rng: np.random.Generator) -> People:
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
    return People(home, sex, birth, origin, forename, middle, surname, second, other, address, former, number, ground)


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
    era = np.searchsorted(ERA_ENDS, calendar(birth)[0], side="right")

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


def calendar(day: Codes) -> tuple[Codes, Codes, Codes]:
    """Return year, month 1 to 12 and day of the month of days since 1970."""
    months = day.astype("datetime64[D]").astype("datetime64[M]")
    month = months.astype(np.int64)
    return 1970 + month // 12, month % 12 + 1, day - months.astype("datetime64[D]").astype(np.int64) + 1
