"""Numbers for 16-byte names: block tokens and aliases. Each is found in few steps, whatever names are sent."""

import secrets

import numpy as np
from numpy.typing import NDArray

from matcher.blocking.kernels import SECRET_WORDS, intern, rehash
from matcher.columns import MOST_ROWS, Column

_FIRST_SLOTS = 2048
_LEAP = 8
"""Room for names that are expected is made at once, but not for more than so many times those that are there: they may
never come. Whoever expects rows goes by the numbers of records, and most of these may be gone."""


class NameTable:
    """Gives each name a number, 0, 1, 2 ... in order of arrival. Numbers are never given twice, names can be erased."""

    def __init__(self, most: int = MOST_ROWS) -> None:
        self._keys = Column(np.uint64, most=most, width=2)
        self.slots = np.zeros(_FIRST_SLOTS, np.int32)
        """See `matcher.blocking.kernels.intern`."""
        self.secret = np.frombuffer(secrets.token_bytes(8 * SECRET_WORDS), np.uint64)
        """Drawn for this table: whoever sends names cannot choose where in `slots` they meet."""
        self.count = 0
        """Names ever numbered."""
        self._expected = 0

    @property
    def keys(self) -> NDArray[np.uint64]:
        """(capacity, 2): the names as two little endian words; zero once erased."""
        return self._keys.values

    def expect(self, more: int) -> None:
        """Say that so many more names may come."""
        self._expected = self.count + more

    def reserve(self, more: int) -> None:
        """Make room for so many more names."""
        needed = self.count + more
        self._keys.reserve(needed)
        if 3 * needed > 2 * len(self.slots):
            room = self._expected if needed < self._expected <= _LEAP * needed else needed
            self.slots = np.zeros(1 << (2 * room - 1).bit_length(), np.int32)
            rehash(self.slots, self.keys, self.secret, self.count)

    def add(self, names: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Numbers (n,) of names (n, 16), new ones made where needed."""
        self.reserve(len(names))
        return self._intern(names, add=True)

    def find(self, names: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Numbers (n,) of names (n, 16), -1 where there is none."""
        return self._intern(names, add=False)

    def erase(self, number: int) -> None:
        """Forget a name; it gets a new number when it comes again."""
        self.keys[number] = 0

    def _intern(self, names: NDArray[np.uint8], *, add: bool) -> NDArray[np.int32]:
        wanted = np.ascontiguousarray(names).view("<u8").reshape(-1, 2)
        found = np.empty(len(wanted), np.int32)
        self.count = intern(self.slots, self.keys, self.secret, self.count, wanted, add, found)
        return found
