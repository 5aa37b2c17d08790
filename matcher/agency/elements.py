"""From a canonical value to the set of its elements: what two values share decides how alike they are.

An element is a short ASCII text. The likeness of two values is the Jaccard index of their sets (Broder 1997), which the
encodings estimate. Everything here is normative: `docs/token-scheme.md`, section "Elements".
"""

from collections.abc import Callable

from matcher.agency.nicknames import ROOTS
from matcher.scheme import Kind

_ROOT_WEIGHT = 3
"""Elements that a forename behind a short form stands for: as many as a bigram or two more than a stranger shares."""


def _bigrams(word: str) -> set[str]:
    padded = f"_{word}_"
    return {padded[i : i + 2] for i in range(len(padded) - 1)}


def _name(value: str) -> set[str]:
    """Padded bigrams of each word, its first letter, and its first three."""
    words = value.split()
    return set[str]().union(*(_bigrams(word) | {"i:" + word[:1], "s:" + word[:3]} for word in words))


def _forename(value: str) -> set[str]:
    """A name's elements, and for each forename that it may be a form of, some that all its forms share."""
    return _name(value) | {f"r{i}:{root}" for root in ROOTS.get(value, ()) for i in range(_ROOT_WEIGHT)}


def _year(value: str) -> set[str]:
    """Four digits, each left out in turn: one digit off still shares an element."""
    return {value[:i] + "_" + value[i + 1 :] for i in range(4)}


def _month_day(value: str) -> set[str]:
    """`MM-DD`, either part may be empty. Parts in place and out of place, so that a swap still shares half."""
    month, _, day = value.partition("-")
    elements = {f"{label}:{part}" for label, part in (("m", month), ("d", day), ("u", month), ("u", day)) if part}
    if month and day:
        elements |= {f"md:{month}{day}", "ud:" + "".join(sorted((month, day)))}
    return elements


def _postcode(value: str) -> set[str]:
    """Padded bigrams, and for five characters or more the unit, sector, district and area."""
    elements = _bigrams(value)
    if len(value) >= 5:
        district = value[:-3]
        area = district.rstrip("0123456789") if district[-1:].isdigit() else district[:-1].rstrip("0123456789")
        elements |= {f"unit:{value}", f"sector:{value[:-2]}", f"district:{district}", f"area:{area}"}
    return elements


def _text(value: str) -> set[str]:
    """Whole words and their padded bigrams."""
    words = value.split()
    return set[str]().union(*(_bigrams(word) | {"w:" + word} for word in words))


def _identifier(value: str) -> set[str]:
    """Each character with its position, and the whole."""
    return {f"{i}:{character}" for i, character in enumerate(value)} | {"whole:" + value}


_ELEMENTS: dict[Kind, Callable[[str], set[str]]] = {
    Kind.NAME: _name,
    Kind.FORENAME: _forename,
    Kind.YEAR: _year,
    Kind.MONTH_DAY: _month_day,
    Kind.CATEGORY: lambda value: {value},
    Kind.POSTCODE: _postcode,
    Kind.TEXT: _text,
    Kind.IDENTIFIER: _identifier,
}


def elements(kind: Kind, value: str) -> set[str]:
    """The elements of one canonical value; never empty for a value that is not."""
    return _ELEMENTS[kind](value)
