"""Columns that grow where they lie: address space is reserved for all the rows there may ever be, memory comes as they
do. So growth copies nothing and moves nothing under whoever reads, and most of a column lies in large pages: rows are
read all over the place, and with small ones half of such a read is finding the page."""

import mmap
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from matcher.errors import AddressSpaceError

_Scalar = TypeVar("_Scalar", bound=np.generic)
_NORESERVE = 0x4000  # MAP_NORESERVE of Linux, which Python does not name
_SMALL_BYTES = 4 << 20
"""So much of a column lies in small pages: an index of few rows shall not take whole large ones."""


def reserved(shape: tuple[int, ...], dtype: type[_Scalar]) -> NDArray[_Scalar]:
    """An array of zeros. `AddressSpaceError` if the system does not give so much address space."""
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    try:
        space = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE)
    except OSError:
        raise AddressSpaceError(f"{size >> 30} GiB of address space cannot be reserved") from None
    if size > _SMALL_BYTES:
        space.madvise(mmap.MADV_HUGEPAGE, _SMALL_BYTES, size - _SMALL_BYTES)
    return np.frombuffer(space, dtype).reshape(shape)
