"""The columns of a batch that fields and passes are made of, each worked out once.

What a part is says `matcher/blocking/passes.py`, which also makes those that compiled loops cannot: they know ASCII
alone, and the sounds of letters.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from matcher.agency.columns import kernels
from matcher.agency.columns.texts import Column, bytes_of
from matcher.agency.identity import NormalisedBatch
from matcher.blocking import passes
from matcher.blocking.common_names import COMMON_NAMES
from matcher.scheme import LinkageScheme

_OF_ONE = {
    "soundex": kernels.SOUNDEX,
    "initial": kernels.INITIAL,
    "start": kernels.START,
    "district": kernels.DISTRICT,
    "number": kernels.NUMBER,
    "street": kernels.STREET,
}
_ASCII = np.arange(256) < 128
_NAMES = np.isin(np.arange(256), np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ ", np.uint8))
_LEAST_RARE = 2
"""Characters of a name that is no initial."""


class Parts:
    """Columns and the parts of passes that are made of them, for one batch. Holds clear text: not to be kept longer
    than the batch."""

    __slots__ = ("_batch", "_identifier_column", "_made")

    def __init__(self, batch: NormalisedBatch, scheme: LinkageScheme) -> None:
        self._batch = batch
        self._identifier_column = scheme.identifier_column
        self._made: dict[str, Column] = {}

    def __getitem__(self, part: str) -> Column:
        """A part is a column, a function of one part, or a function of two: `unordered(part,part)`,
        `rare(part,part)`. The texts of a column are distinct."""
        if part not in self._made:
            self._made[part] = self._make(part)
        return self._made[part]

    def _make(self, part: str) -> Column:
        function, _, rest = part.partition("(")
        if not rest:
            return self._column(part)
        inner = rest.removesuffix(")")
        if function in _OF_ONE:
            return _of_one(function, self[inner])
        one, other = (self[each] for each in inner.split(","))
        return _rare(one, other) if function == "rare" else _pairs(one, other, "+", need=2, sort=True)

    def _column(self, name: str) -> Column:
        """The column of that name, as `canonical_columns` has it."""
        if name == "full_name":
            whole = _pairs(self["forename"], self["surname"], " ", need=2)
            return Column.of(whole.texts, whole.ends)
        if name == "month_day":
            whole = _pairs(self["month"], self["day"], "-", need=1)
            return Column.of(whole.texts, whole.ends)
        column = Column.of(*bytes_of(getattr(self._batch, "identifier" if name == self._identifier_column else name)))
        if name != "forename":
            return column
        first = Column(*kernels.pieces(kernels.FIRST_WORD, column.texts, column.ends, column.codes))
        texts, ends, codes, _ = kernels.distinct(first.texts, first.ends)
        return Column(texts, ends, np.append(codes, -1)[first.codes])


def _of_one(function: str, column: Column) -> Column:
    if column.is_of(_NAMES if function == "soundex" else _ASCII):
        return Column(*kernels.pieces(_OF_ONE[function], column.texts, column.ends, column.codes))
    values = [passes.of_one(function, value) for value in column.values()]
    texts, ends = bytes_of(values)
    empty = np.append(np.diff(ends, prepend=0) == 0, True)
    return Column(texts, ends, np.where(empty[column.codes], -1, column.codes))


def _pairs(one: Column, other: Column, mark: str, *, need: int, sort: bool = False) -> Column:
    left, right = ((each.texts, each.ends, each.codes) for each in (one, other))
    return Column.of_rows(*kernels.pairs(left, right, ord(mark), need, sort))


def _rare(one: Column, other: Column) -> Column:
    if not (one.is_of(_ASCII) and other.is_of(_ASCII)):
        return Column.of_rows(*bytes_of(passes.rare(one.rows(), other.rows())))
    common = [
        np.append(kernels.of_known_words(each.texts, each.ends, *_common_names()), False)[each.codes]
        for each in (one, other)
    ]
    few = [np.append(each.sizes < _LEAST_RARE, True)[each.codes] for each in (one, other)]
    usable = ~(few[0] | few[1] | (common[0] & common[1]))
    return _pairs(Column(one.texts, one.ends, np.where(usable, one.codes, -1)), other, "+", need=2, sort=True)


@cache
def _common_names() -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int32]]:
    """The public list, as `kernels.of_known_words` asks for it."""
    texts, ends, _, slots = kernels.distinct(*bytes_of(sorted(COMMON_NAMES)))
    return texts, ends, slots
