"""Columns that grow where they lie: address space is reserved for all the entries there may ever be, memory comes as
they do. So growth copies nothing, leaves nothing behind that should have been erased, keeps no room that is not needed,
and moves nothing under whoever reads; and most of a column lies in large pages: entries are read all over the place,
and with small ones half of such a read is finding the page."""

import mmap
from typing import Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from matcher.errors import AddressSpaceError

MOST_ROWS = 1 << 26
"""Address space is taken for so many rows, blocks of a pass and aliases of an agency, 67 million, and for four times as
many links, alerts and their members: those removed count until memory is made anew."""
MOST_NUMBERS = (1 << 31) - 1
"""And for so many numbers of records, all that are ever given: what 32 bits hold. None is given twice."""
_Scalar = TypeVar("_Scalar", bound=np.generic)
_NORESERVE = 0x4000  # MAP_NORESERVE of Linux, which Python does not name
_SMALL_BYTES = 4 << 20
"""So much of a column lies in small pages: an index of few rows shall not take whole large ones."""
_STEP = 1024
"""Entries by which a column grows at least."""


def reserved(shape: tuple[int, ...], dtype: type[_Scalar] | np.dtype[_Scalar], parts: int = 1) -> NDArray[_Scalar]:
    """An array of zeros, in `parts` of one size that each fill from their start. `AddressSpaceError` if the system does
    not give so much address space."""
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    try:
        space = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE)
    except OSError:
        raise AddressSpaceError(f"{size >> 30} GiB of address space cannot be reserved") from None
    part, small = size // parts, _SMALL_BYTES // parts // mmap.PAGESIZE * mmap.PAGESIZE
    if part > small:
        for start in range(0, size, part):
            space.madvise(mmap.MADV_HUGEPAGE, start + small, part - small)
    return np.frombuffer(space, dtype).reshape(shape)


class Column(Generic[_Scalar]):
    """Entries (n, ...) of one type, by number of a record unless `most` says otherwise; `filling` where nothing was put
    yet. Not safe for several writers."""

    def __init__(self, dtype: type[_Scalar], filling: float = 0, *, most: int = MOST_NUMBERS, width: int = 0) -> None:
        self._space = reserved((most, width) if width else (most,), dtype)
        self._filling = filling
        self.values = self._space[:0]
        """All entries there are, (n,) or (n, width): a view, for as long as it is not reserved for more."""
        self.reserve(min(_STEP, most))

    def reserve(self, needed: int) -> None:
        """Make room for `needed` entries in all. `AddressSpaceError` if they are too many."""
        there = len(self.values)
        if needed > there:
            if needed > len(self._space):
                raise AddressSpaceError(f"a column is made for {len(self._space)} entries at most")
            self.values = self._space[: max(needed, there + _STEP)]
            if self._filling != 0:
                self.values[there:] = self._filling

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, at: slice | NDArray[Any]) -> NDArray[_Scalar]: ...
    @overload
    def __getitem__(self, at: Any) -> Any: ...
    def __getitem__(self, at: Any) -> Any:
        return self.values[at]

    def __setitem__(self, at: Any, value: Any) -> None:
        self.values[at] = value
