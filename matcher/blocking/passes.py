"""From canonical values to blocking values. Used by agencies only; the matcher never sees what is made here.

Phonetic codes come from `jellyfish` and look at a name's first word: the part of a double surname that people keep.
"""

from collections.abc import Callable, Mapping, Sequence

import jellyfish

from matcher.scheme import Pass

Columns = Mapping[str, Sequence[str]]
"""Canonical columns by name (forename, surname, year, month, day, postcode and the identifier), '' where missing."""


def _first_word(name: str) -> str:
    return name.partition(" ")[0]


def _house_number(address: str) -> str:
    """The last word of digits alone: what stands before it is a flat's."""
    return next((word for word in reversed(address.split()) if word.isdigit()), "")


def _street(address: str) -> str:
    """Three letters of the word after the house number."""
    words = address.split()
    numbers = [i for i, word in enumerate(words) if word.isdigit()]
    return "".join(words[numbers[-1] + 1 :][:1])[:3] if numbers else ""


_FUNCTIONS: dict[str, Callable[[str], str]] = {
    "soundex": lambda name: jellyfish.soundex(_first_word(name)),
    "initial": lambda name: name[:1],
    "start": lambda value: _first_word(value)[:3],
    "district": lambda postcode: postcode[:-3],
    "number": _house_number,
    "street": _street,
}


def _part(part: str, columns: Columns) -> list[str]:
    """A part is a column, a function of one part, or `unordered(part,part)`: two parts in either order."""
    function, _, rest = part.partition("(")
    if not rest:
        return list(columns[part])
    inner = rest.removesuffix(")")
    if function == "unordered":
        left, right = (_part(each, columns) for each in inner.split(","))
        return ["+".join(sorted(pair)) if all(pair) else "" for pair in zip(left, right, strict=True)]
    values = _part(inner, columns)
    made = {value: _FUNCTIONS[function](value) if value else "" for value in set(values)}
    return [made[value] for value in values]


def blocking_values(blocking_pass: Pass, columns: Columns) -> list[bytes]:
    """The canonical blocking value of every row, b'' where a part is missing: parts in order, each ended by 0x1F."""
    parts = [_part(part, columns) for part in blocking_pass.parts]
    return ["".join(part + "\x1f" for part in row).encode() if all(row) else b"" for row in zip(*parts, strict=True)]
