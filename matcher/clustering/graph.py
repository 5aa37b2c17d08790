"""All links between records, in columns: 20 bytes a link and 5 a record."""

import numpy as np
from numpy.typing import NDArray

from matcher.clustering.kernels import thread_links, unthread_links, walk
from matcher.columns import MOST_ROWS, Column, reserved
from matcher.model import Links

Numbers = NDArray[np.int64]
_MOST_LINKS = 4 * MOST_ROWS
NO_LINK = -998.0
"""Up to this weight an entry is no link: it says what else is known of two records (`matcher.epochs`)."""


class LinkGraph:
    """Links by record. Not safe for several writers."""

    def __init__(self) -> None:
        self.head = Column(np.int32, -1)
        """By record: its first entry, -1 if it has no link."""
        self.ends = Column(np.int32, most=2 * _MOST_LINKS)
        """By entry: the record at the other end. Entries 2i and 2i + 1 are link i, at its left and its right record."""
        self.following = Column(np.int32, most=2 * _MOST_LINKS)
        """By entry: the record's next entry, -1 at the end."""
        self.weights = Column(np.float32, most=_MOST_LINKS)
        """By link: bits, NaN where there is none any more."""
        self._count = 0
        self._free: list[int] = []
        self._seen = Column(np.bool_)

    @property
    def columns(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
        """`head`, `ends`, `following` and `weights`, as kernels take them."""
        return self.head.values, self.ends.values, self.following.values, self.weights.values

    def reserve(self, records: int) -> None:
        """Make room for records of numbers below `records`."""
        self.head.reserve(records)
        self._seen.reserve(records)

    def add(self, links: Links) -> None:
        """Add links; room for their records must be there, and a pair must not have a link already."""
        reused = self._free[: len(links)]
        del self._free[: len(links)]
        fresh = len(links) - len(reused)
        slots = np.concatenate([np.array(reused, np.int64), np.arange(self._count, self._count + fresh)])
        self._count += fresh
        self.weights.reserve(self._count)
        self.ends.reserve(2 * self._count)
        self.following.reserve(2 * self._count)
        thread_links(slots, links.left, links.right, links.weight, *self.columns)

    def remove(self, record: int) -> None:
        """Remove all links of a record."""
        self._free += unthread_links(record, *self.columns).tolist()

    def neighbours(self, record: int) -> dict[int, float]:
        """Weight of the link to each record that a record has one to."""
        found: dict[int, float] = {}
        entry = int(self.head[record])
        while entry >= 0:
            found[int(self.ends[entry])] = float(self.weights[entry >> 1])
            entry = int(self.following[entry])
        return found

    def links(self) -> Links:
        """All links, in no order."""
        live = np.flatnonzero(~np.isnan(self.weights[: self._count]))
        left, right = self.ends[2 * live + 1].astype(np.int64), self.ends[2 * live].astype(np.int64)
        return Links(left, right, self.weights[live])

    def components(self, seeds: Numbers, least: float) -> tuple[Numbers, Numbers]:
        """Components of some records over links of `least` bits or more: members (M,) and offsets (C + 1,); component c
        has the members from `offsets[c]` to `offsets[c + 1]`, ascending."""
        # room for all there could be, of which memory is taken, and cleared, only for those there are
        room = min(len(self.head), len(seeds) + 2 * self._count) + 1
        members, offsets = reserved((room,), np.int64), reserved((room,), np.int64)
        count = walk(seeds, least, *self.columns, self._seen.values, members, offsets)
        return members[: offsets[count]].copy(), offsets[: count + 1].copy()
