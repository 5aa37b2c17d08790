"""The loops of look-ups, compiled: linked lists of the rows of each record."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_NONE = np.int32(-1)


@njit(cache=True, nogil=True)
def list_rows(first: int, records: NDArray[np.int32], following: NDArray[np.int32], head: NDArray[np.int32]) -> None:
    """Put the rows from `first` on, of these records (n,), at the head of the records' lists, and what stood there into
    `following` (n,). Rows of a record below 0 are in none."""
    for i in range(len(records)):
        record = records[i]
        if record >= 0:
            following[i] = head[record]
            head[record] = first + i


@njit(cache=True, nogil=True)
def unlist_rows(records: NDArray[np.int64], following: NDArray[np.int32], head: NDArray[np.int32]) -> NDArray[np.int64]:
    """All rows in the lists of some records, each named once, in no order; the lists are empty then."""
    count = 0
    for record in records:
        row = head[record] if record < len(head) else _NONE
        while row >= 0:
            count, row = count + 1, following[row]
    found = np.empty(count, np.int64)
    for record in records:
        row = head[record] if record < len(head) else _NONE
        while row >= 0:
            count -= 1
            found[count] = row
            row = following[row]
        if record < len(head):
            head[record] = _NONE
    return found
