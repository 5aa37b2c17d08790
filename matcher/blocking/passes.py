"""From canonical values to blocking values. Used by agencies only; the matcher never sees what is made here.

Phonetic codes come from `jellyfish` and look at a name's first word: the part of a double surname that people keep.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import jellyfish
import numpy as np
from numpy.typing import NDArray

from matcher.blocking.common_names import COMMON_NAMES

Columns = Mapping[str, Sequence[str]]
"""Canonical columns by name (forename, surname, year, month, day, postcode and the identifier), '' where missing."""


def _first_word(name: str) -> str:
    return name.partition(" ")[0]


def _house_number(address: str) -> str:
    """The last word of digits alone: what stands before it is a flat's."""
    for word in reversed(address.split()):
        if word.isdigit():
            return word
    return ""


def _street(address: str) -> str:
    """Three letters of the word after the house number."""
    after = ""
    for word in reversed(address.split()):
        if word.isdigit():
            return after[:3]
        after = word
    return ""


def rare(ones: Sequence[str], others: Sequence[str]) -> list[str]:
    """Two names in either order if together they are rare: none of them an initial, and not all their words common."""
    common = {name: COMMON_NAMES.issuperset(name.split()) for name in {*ones, *others}}
    return [
        "" if len(one) < 2 or len(other) < 2 or (common[one] and common[other]) else _either_way(one, other)
        for one, other in zip(ones, others, strict=True)
    ]


def _unordered(ones: Sequence[str], others: Sequence[str]) -> list[str]:
    return list(map(_either_way, ones, others))


def _either_way(one: str, other: str) -> str:
    return f"{one}+{other}" if one <= other else f"{other}+{one}"


_FUNCTIONS: dict[str, Callable[[str], str]] = {
    "soundex": lambda name: jellyfish.soundex(_first_word(name)),
    "initial": lambda name: name[:1],
    "start": lambda value: _first_word(value)[:3],
    "district": lambda postcode: postcode[:-3],
    "number": _house_number,
    "street": _street,
}


def of_one(function: str, value: str) -> str:
    """What a function makes of one value, '' for none."""
    return _FUNCTIONS[function](value)


_OF_TWO: dict[str, Callable[[Sequence[str], Sequence[str]], list[str]]] = {"unordered": _unordered, "rare": rare}


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Coded:
    """A column of a batch: its distinct values, in order of arrival, and which of them each row has."""

    values: list[str]
    codes: NDArray[np.int64]
    """(rows,): places in `values`, -1 where missing."""

    @classmethod
    def of(cls, column: Sequence[str]) -> "Coded":
        """A column of texts, '' where missing."""
        places: defaultdict[str, int] = defaultdict(count().__next__)
        codes = np.fromiter(map(places.__getitem__, column), np.int64, len(column))
        if (missing := places.pop("", None)) is not None:
            codes = np.where(codes == missing, -1, codes - (codes > missing))
        return cls(list(places), codes)

    def at(self, places: NDArray[np.int64]) -> list[str]:
        """Values at some places."""
        return list(map(self.values.__getitem__, places.tolist()))

    def taken(self, places: NDArray[np.int64]) -> "Coded":
        """The column of the rows at some places of this one, missing where a place is -1."""
        return Coded(self.values, np.append(self.codes, -1)[places])


class Parts:
    """Columns and the parts of passes that are made of them, for one batch: each is worked out once, and once for
    each distinct value. Holds clear text: not to be kept longer than the batch."""

    __slots__ = ("_columns", "_made")

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._made: dict[str, Coded] = {}

    def __getitem__(self, part: str) -> Coded:
        """A part is a column, a function of one part, or a function of two: `unordered(part,part)`,
        `rare(part,part)`."""
        if part not in self._made:
            self._made[part] = self._make(part)
        return self._made[part]

    def _make(self, part: str) -> Coded:
        function, _, rest = part.partition("(")
        if not rest:
            return Coded.of(self._columns[part])
        inner = rest.removesuffix(")")
        if function not in _OF_TWO:
            only = self[inner]
            return Coded.of(list(map(_FUNCTIONS[function], only.values))).taken(only.codes)
        left, right = (self[each] for each in inner.split(","))
        present = (left.codes >= 0) & (right.codes >= 0)
        pairs = left.codes[present] * len(right.values) + right.codes[present]
        pairs, which = np.unique(pairs, return_inverse=True)
        places = np.full(len(present), -1, np.int64)
        places[present] = which
        ones, others = np.divmod(pairs, max(len(right.values), 1))
        made = _OF_TWO[function](left.at(ones), right.at(others))
        return Coded.of(made).taken(places)
