"""All records the matcher holds: whose, of which epoch, which rows, where stored, when last met. Columns by number.

Numbers count first sights: a record sent again keeps its number, one removed loses it for ever, as does one that is
sent again as somebody else.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matcher.blocking.names import NameTable
from matcher.columns import MOST_ROWS, Column
from matcher.model import RESTRICTED
from matcher.scheme import ALIAS_BYTES

_GONE = -1
"""What every column holds of a record that is gone or not there yet."""
_BACKFILL = 256
"""Beside the flags that its agency gave a record: it came in a first load."""
_COLUMNS: dict[str, type[np.signedinteger[Any]]] = {
    "agency": np.int16,
    "alias": np.int32,
    "first_row": np.int32,
    "rows": np.int32,
    "frame": np.int64,
    "position": np.int32,
    "day": np.int32,
    "flags": np.int16,
    "epoch": np.int32,
}


class Place(NamedTuple):
    """Where a record is stored."""

    frame_id: int
    position: int
    """Its number inside the frame."""


class Registry:
    """See the module. Memory: 36 bytes a record, and 26 to 32 of its alias."""

    def __init__(self) -> None:
        self.count = 0
        """Records ever numbered."""
        self.epochs_seen: set[int] = set()
        """Epochs of which records came since memory was made: more than one while a window is open."""
        self._aliases: dict[int, NameTable] = {}
        self._numbers: dict[int, Column[np.int32]] = {}
        self._columns = {name: Column(dtype, _GONE) for name, dtype in _COLUMNS.items()}

    def number(self, agency: int, aliases: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Numbers (n,) of an agency's aliases (n, 16), new ones given in order, and which (n,) were there already."""
        entries = self._entries(agency, aliases)
        numbers = self._numbers[agency][entries].astype(np.int64)
        fresh = numbers < 0
        numbers[fresh] = np.arange(self.count, self.count + int(fresh.sum()))
        self._place(agency, entries[fresh], numbers[fresh])
        return numbers, ~fresh

    def renumber(self, agency: int, records: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the aliases of some records (n,) of an agency new numbers (n,), in order; the records are gone."""
        numbers = np.arange(self.count, self.count + len(records))
        self._place(agency, self._columns["alias"][records], numbers)
        for column in self._columns.values():
            column[records] = _GONE
        return numbers

    def restore(self, agency: int, aliases: NDArray[np.uint8], numbers: NDArray[np.int64]) -> None:
        """Give aliases (n, 16) the numbers (n,) they had."""
        self._place(agency, self._entries(agency, aliases), numbers)

    def find(self, agency: int, aliases: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Numbers (n,) of an agency's aliases (n, 16), -1 where it never sent them or they are gone."""
        if agency not in self._aliases:
            return np.full(len(aliases), -1, np.int64)
        entries = self._aliases[agency].find(aliases)
        return np.where(entries >= 0, self._numbers[agency][entries], -1).astype(np.int64)

    def settle(
        self, numbers: NDArray[np.int64], rows: range, row_counts: NDArray[np.int64], frame_id: int,
        positions: NDArray[np.int64], days: NDArray[np.int32], flags: NDArray[np.uint8], epoch: int, backfill: bool,
    ) -> None:  # fmt: skip
        """Note where records (n,) now are: `rows` in order, `row_counts` (n,) each, in one frame of an epoch."""
        self.epochs_seen.add(epoch)
        columns = self._columns
        columns["first_row"][numbers] = rows.start + np.cumsum(row_counts) - row_counts
        columns["rows"][numbers] = row_counts
        columns["frame"][numbers] = frame_id
        columns["position"][numbers] = positions
        columns["day"][numbers] = days
        columns["flags"][numbers] = flags | np.int16(_BACKFILL if backfill else 0)
        columns["epoch"][numbers] = epoch

    def remove(self, record: int) -> None:
        """Forget a record and its alias."""
        agency, entry = int(self._columns["agency"][record]), int(self._columns["alias"][record])
        self._aliases[agency].erase(entry)
        self._numbers[agency][entry] = _GONE
        for column in self._columns.values():
            column[record] = _GONE

    def skip_to(self, count: int) -> None:
        """Take all numbers below `count` for given: those not held are gone, or of an agency that left."""
        self.count = max(self.count, count)
        self._reserve(count)

    def agency(self, record: int) -> int:
        """Number of the agency that holds the record, -1 if it is gone."""
        return int(self._columns["agency"][record])

    def holds(self, records: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of some record numbers (n,) are held."""
        return self._of("agency", records) >= 0

    def agencies(self, records: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers (n,) of the agencies that hold some records (n,), -1 where they are gone."""
        return self._of("agency", records)

    def days(self, records: NDArray[np.int64]) -> NDArray[np.int64]:
        """Day (n,) each of some records' persons was last met."""
        return self._of("day", records)

    def epochs(self, records: NDArray[np.int64]) -> NDArray[np.int64]:
        """Epoch (n,) the tokens of each of some records (n,) are of, -1 where they are gone."""
        return self._of("epoch", records)

    def of_epoch(self, epoch: int) -> NDArray[np.int64]:
        """Records held whose tokens are of an epoch, ascending."""
        return np.flatnonzero(self._columns["epoch"][: self.count] == epoch)

    def are_restricted(self, records: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of some records (n,) must never alert automatically."""
        flags = self._of("flags", records)
        return np.asarray((flags >= 0) & (flags & RESTRICTED != 0))

    def are_backfill(self, records: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of some records (n,) that are held were sent last in a first load."""
        return np.asarray(self._of("flags", records) & _BACKFILL != 0)

    def frames(self, records: NDArray[np.int64]) -> NDArray[np.int64]:
        """Frames (n,) in which some records (n,) that are held were sent last."""
        return self._of("frame", records)

    def row_spans(self, records: NDArray[np.int64]) -> NDArray[np.int64]:
        """First row of each of some records (n,) and the row behind its last, (n, 2)."""
        first = self._of("first_row", records)
        return np.stack([first, first + self._of("rows", records)], axis=1)

    def ranks(self, records: NDArray[np.int64], agency_order: NDArray[np.int64]) -> NDArray[np.int64]:
        """Order (n,) of some records (n,) by the place of their agency in `agency_order`, then by alias."""
        aliases = self._keys(records).byteswap()  # little endian words of bytes that compare from the first
        ranks = np.empty(len(records), np.int64)
        order = agency_order[self.agencies(records)]
        ranks[np.lexsort((aliases[:, 1], aliases[:, 0], order))] = np.arange(len(records))
        return ranks

    def rows(self, record: int) -> range:
        """The record's rows in the block index."""
        first = int(self._columns["first_row"][record])
        return range(first, first + int(self._columns["rows"][record]))

    def place(self, record: int) -> Place:
        """Where the record is stored."""
        return Place(int(self._columns["frame"][record]), int(self._columns["position"][record]))

    def day(self, record: int) -> int:
        """Day the record's person was last met."""
        return int(self._columns["day"][record])

    def meet(self, record: int, day: int) -> None:
        """Note a contact."""
        self._columns["day"][record] = day

    def restricted(self, record: int) -> bool:
        """Whether the record must never alert automatically."""
        return bool(self._columns["flags"][record] & RESTRICTED)

    def restricted_records(self) -> list[int]:
        """Numbers of the records held that are restricted, ascending."""
        agencies, flags = (self._columns[name][: self.count] for name in ("agency", "flags"))
        return [int(record) for record in np.flatnonzero((agencies >= 0) & (flags & RESTRICTED > 0))]

    def alias(self, record: int) -> bytes:
        """The record's alias, 16 bytes."""
        return bytes(self._aliases[self.agency(record)].keys[self._columns["alias"][record]].data)

    def described(self, records: NDArray[np.int64]) -> tuple[list[int], list[bytes], list[Place]]:
        """Of some records that are held: the numbers of their agencies, their aliases, and where they are stored."""
        keys = self._keys(records).tobytes()
        aliases = [keys[start : start + ALIAS_BYTES] for start in range(0, len(keys), ALIAS_BYTES)]
        places = zip(self._of("frame", records).tolist(), self._of("position", records).tolist(), strict=True)
        return self.agencies(records).tolist(), aliases, list(map(Place._make, places))

    def held(self, *, but_of: int | None = None) -> NDArray[np.int64]:
        """Records held, by agency number; without those of one epoch, if that is given."""
        agencies, epochs = (self._columns[name][: self.count] for name in ("agency", "epoch"))
        counted = agencies >= 0 if but_of is None else (agencies >= 0) & (epochs != but_of)
        return np.bincount(agencies[counted])

    def _of(self, column: str, records: NDArray[np.int64]) -> NDArray[np.int64]:
        """What a column says of some records (n,)."""
        return np.asarray(self._columns[column][records], np.int64)

    def _entries(self, agency: int, aliases: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Entries (n,) of an agency's aliases (n, 16) in its table, new ones made where needed."""
        names = self._aliases.setdefault(agency, NameTable())
        entries = names.add(aliases)
        self._numbers.setdefault(agency, Column(np.int32, _GONE, most=MOST_ROWS)).reserve(names.count)
        return entries

    def _keys(self, records: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Aliases of some records (n,) as two little endian words, (n, 2)."""
        agencies, entries = self._of("agency", records), self._of("alias", records)
        keys = np.zeros((len(records), 2), np.uint64)
        for agency in list(self._aliases):  # a new one may be entered meanwhile
            chosen = agencies == agency
            keys[chosen] = self._aliases[agency].keys[entries[chosen]]
        return keys

    def _place(self, agency: int, entries: NDArray[np.int32], numbers: NDArray[np.int64]) -> None:
        self._reserve(int(numbers.max(initial=-1)) + 1)
        self._numbers[agency][entries] = numbers
        self._columns["agency"][numbers] = agency
        self._columns["alias"][numbers] = entries
        self.count = max(self.count, int(numbers.max(initial=-1)) + 1)

    def _reserve(self, needed: int) -> None:
        for column in self._columns.values():
            column.reserve(needed)
