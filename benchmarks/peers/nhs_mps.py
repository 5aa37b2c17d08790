"""The rules of the NHS Master Person Service, in clear text, as its Person_ID Handbook publishes them.

The service looks up a record in one register. Here each record is looked up among the records of every other agency as
if they were that register. A pair is found if either of its records finds the other, so a tie counts only where both
sides have one. Three traces, each only for what the ones before did not find:

1. *cross-check*: the number agrees, and so does the date of birth, or two of its three parts do and a name or the
   outward postcode;
2. *alphanumeric*: all fields that the record has agree exactly or by their sound, and with one candidate only;
3. *algorithmic*: of at most 50 candidates that share a block the one with the best mean score; none if the next one is
   within 5 points.

Left out, for want of the data: historic values, the dictionary of short names, practices, dates of death, and the Post
Office's key of an address.
"""

import jellyfish
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rapidfuzz.distance import JaroWinkler
from rapidfuzz.process import cpdist

from benchmarks.peers.scored import Scored, best_of

CERTAIN = 100.0
DEFAULT = 0.0
"""What the traces return is a match, whatever its score."""
TIE = 5.0
"""Points by which the best candidate must lead."""
MOST_CANDIDATES = 50
_USED = ["agency", "forename", "surname", "year", "month", "day", "sex", "postcode", "identifier"]
_LOOKUP = ["query", "register"]
_BLOCKS = (
    ("surname_sound", "forename_sound", "dob"),
    ("surname_sound", "sex", "dob", "postcode"),
    ("forename_sound", "sex", "dob", "postcode"),
    ("dob", "postcode", "sex"),
)
Flags = NDArray[np.bool_]


def link(frame: pd.DataFrame) -> Scored:
    """Pairs the traces find. `frame` as `peers.records.clean` makes it."""
    held = prepared(frame)
    checked = _cross_check(held)
    traced = _alphanumeric(held, _lookups(checked))
    ranked = _algorithmic(held, _lookups(checked) | _lookups(traced))
    found = pd.concat([checked, traced, ranked])
    return best_of(found["query"].to_numpy(), found["candidate"].to_numpy(), found["score"].to_numpy(np.float64))


def prepared(frame: pd.DataFrame) -> pd.DataFrame:
    held = frame[_USED].copy()
    whole = held[["year", "month", "day"]].notna().all(axis=1)
    held["dob"] = (held["year"] + held["month"] + held["day"]).where(whole, None)
    for name in ("forename", "surname"):
        sounds = {value: jellyfish.soundex(value.replace(" ", "")) for value in held[name].dropna().unique()}
        held[f"{name}_sound"] = held[name].map(sounds)
    held["agency"] = pd.factorize(held["agency"])[0]
    return held.astype(object).where(held.notna(), None)


def _joined(held: pd.DataFrame, keys: tuple[str, ...]) -> pd.DataFrame:
    """Every (query, candidate) of different agencies that has all keys and agrees in them, in both directions."""
    part = held.dropna(subset=list(keys))[[*keys, "agency"]].rename_axis("record").reset_index()
    pairs = part.merge(part, on=list(keys), suffixes=("", "_of"))
    pairs = pairs[pairs["agency"] != pairs["agency_of"]]
    return pd.DataFrame(
        {"query": pairs["record"], "candidate": pairs["record_of"], "register": pairs["agency_of"].astype(np.int64)}
    ).reset_index(drop=True)


def _lookups(found: pd.DataFrame) -> set[tuple[int, int]]:
    """Which records were found in which agency."""
    return set(zip(found["query"].tolist(), found["register"].tolist(), strict=True))


def _not_yet(pairs: pd.DataFrame, done: set[tuple[int, int]]) -> pd.DataFrame:
    kept = [each not in done for each in zip(pairs["query"].tolist(), pairs["register"].tolist(), strict=True)]
    return pairs[np.array(kept, bool)].reset_index(drop=True)


def _both(held: pd.DataFrame, pairs: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    one, other = (held.loc[pairs[side]].reset_index(drop=True) for side in ("query", "candidate"))
    return one, other


def _agrees(one: pd.Series, other: pd.Series) -> Flags:
    """Both present and equal."""
    return np.asarray((one == other) & one.notna() & other.notna(), bool)


def partial_date(one: pd.DataFrame, other: pd.DataFrame) -> Flags:
    """Two of year, month and day agree; a day may be swapped with its month, and so may the digits of a day and the
    last two of a year."""
    month, day = _agrees(one["month"], other["month"]), _agrees(one["day"], other["day"])
    crossed = _agrees(one["month"], other["day"]) & _agrees(one["day"], other["month"])
    day |= _agrees(one["day"].str[::-1], other["day"])
    year = _agrees(one["year"], other["year"])
    year |= _agrees(one["year"].str[:2] + one["year"].str[:1:-1], other["year"])
    return np.asarray(crossed | (month.astype(int) + day + year >= 2), bool)


def _cross_check(held: pd.DataFrame) -> pd.DataFrame:
    pairs = _joined(held, ("identifier",))
    one, other = _both(held, pairs)
    named = one[["forename", "surname"]].notna().all(axis=1) & other[["forename", "surname"]].notna().all(axis=1)
    names = _agrees(one["forename"].str[:1], other["forename"].str[:1])
    names &= _agrees(one["surname"].str[:3], other["surname"].str[:3])
    outward = _agrees(one["postcode"].str[:-3], other["postcode"].str[:-3])
    certain = _agrees(one["dob"], other["dob"])
    certain |= partial_date(one, other) & np.where(named, names, outward)
    return pairs[certain].assign(score=CERTAIN)


def _alphanumeric(held: pd.DataFrame, done: set[tuple[int, int]]) -> pd.DataFrame:
    pairs = _not_yet(_joined(held, ("surname_sound", "year", "sex")), done)
    one, other = _both(held, pairs)
    kept = np.ones(len(pairs), bool)
    for column in ("month", "day", "postcode", "forename_sound"):
        kept &= np.asarray(one[column].isna()) | _agrees(one[column], other[column])
    pairs = pairs[kept]
    alone = pairs.groupby(_LOOKUP)["candidate"].transform("size") == 1
    return pairs[alone].assign(score=CERTAIN)


def _algorithmic(held: pd.DataFrame, done: set[tuple[int, int]]) -> pd.DataFrame:
    shared = pd.concat([_joined(held, keys) for keys in _BLOCKS])
    pairs = _not_yet(shared.groupby([*_LOOKUP, "candidate"]).size().rename("blocks").reset_index(), done)
    one, _ = _both(held, pairs)
    pairs = pairs[one[["dob", "sex", "postcode"]].notna().all(axis=1)]
    pairs = pairs.sort_values([*_LOOKUP, "blocks"], ascending=[True, True, False], kind="stable")
    pairs = pairs[pairs.groupby(_LOOKUP).cumcount() < MOST_CANDIDATES]
    pairs["score"] = mean_score(*_both(held, pairs))
    pairs = pairs.sort_values([*_LOOKUP, "score"], ascending=[True, True, False], kind="stable")
    place = pairs.groupby(_LOOKUP).cumcount()
    second = pairs[place == 1].set_index(_LOOKUP)["score"]
    first = pairs[place == 0].set_index(_LOOKUP)
    lead = first["score"] - second.reindex(first.index).fillna(-np.inf)
    return first[lead > TIE].reset_index()[["query", "candidate", "register", "score"]]


def mean_score(one: pd.DataFrame, other: pd.DataFrame) -> NDArray[np.float64]:
    """Mean, 0 to 100, of the scores of forename, surname, date of birth, gender and postcode; missing ones do not
    count."""
    scores = [
        _name_score(one["forename"], other["forename"]),
        _name_score(one["surname"], other["surname"]),
        date_score(one, other),
        gender_score(one["sex"], other["sex"]),
        postcode_score(one["postcode"], other["postcode"]),
    ]
    return np.asarray(np.nanmean(np.stack(scores), axis=0))


def _name_score(one: pd.Series, other: pd.Series) -> NDArray[np.float64]:
    likeness = cpdist(one.fillna("").tolist(), other.fillna("").tolist(), scorer=JaroWinkler.similarity) * 100.0
    return np.where(one.isna() | other.isna(), np.nan, likeness)


def gender_score(one: pd.Series, other: pd.Series) -> NDArray[np.float64]:
    """100 if equal, 0 for M and F, 50 where one is neither; NaN where missing."""
    opposed = _agrees(one.map({"M": "F", "F": "M"}), other)
    score = np.select([_agrees(one, other), opposed], [100.0, 0.0], 50.0)
    return np.where(one.isna() | other.isna(), np.nan, score)


def date_score(one: pd.DataFrame, other: pd.DataFrame) -> NDArray[np.float64]:
    """100, 66, 33 or 0; NaN where a date is missing or partial."""
    year, month, day = (_agrees(one[part], other[part]) for part in ("year", "month", "day"))
    crossed = _agrees(one["month"], other["day"]) & _agrees(one["day"], other["month"])
    two = (month & day) | (year & (month | day | crossed))
    score = np.select([year & month & day, two, year], [100.0, 66.0, 33.0], 0.0)
    return np.where(one["dob"].isna() | other["dob"].isna(), np.nan, score)


def postcode_score(one: pd.Series, other: pd.Series) -> NDArray[np.float64]:
    """100 if equal; the share of its characters that a shorter one leads with; else 0. NaN where missing."""
    known = np.asarray(one.notna() & other.notna())
    starts = [bool(a) and b.startswith(a) for a, b in zip(one.fillna(""), other.fillna(""), strict=True)]
    share = one.str.len() / other.str.len() * 100.0
    return np.where(known, np.where(starts, share.astype(float), 0.0), np.nan)
