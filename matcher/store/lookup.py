"""Which rows speak of a record or a person, in memory.

Indices of the database would say the same, but records and persons come in no order: each entry would touch another
page, and at a million records pages of indices are most of what a commit writes. So this is made of the tables beside
other work, and kept up to date. Cost: 32 bytes a link, 16 an alert's member, 24 an alert, 12 a record. What is there
of a record is found by lists; what is there of a person, which closures alone ask for, by reading a column.
"""

import json
import logging
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.columns import MOST_ROWS, Column, reserved
from matcher.errors import AddressSpaceError, for_log
from matcher.model import Alert, Links
from matcher.store.kernels import list_rows, unlist_rows
from matcher.store.packed import unpack_links
from matcher.turns import Turns

_log = logging.getLogger(__name__)
_NUMBERS = ("row", "place", "left", "right", "next_left", "next_right")
_LINK = np.dtype([(name, np.int64 if name == "row" else np.int32) for name in _NUMBERS], align=True)
_MEMBER = np.dtype([("sequence", np.int64), ("record", np.int32), ("next_record", np.int32)])
_PERSON = np.dtype([("sequence", np.int64), ("person", np.int64), ("survivor", np.int64)])
_FEW = 1024
"""So many rows are kept, whatever is gone of them."""
_NOBODY = -1
_LINK_ROWS, _ALERTS = 32, 512
"""Rows read at a time, a few milliseconds' work: others can read in between. A row of links may be of a whole frame."""
Rows = Callable[..., list[tuple[Any, ...]]]
Numbers = NDArray[np.int64]


class _Table:
    """Rows of one type. Those that have a record in a field of `listed` are a linked list each: `next_` and the field's
    name is a row's next one, the one added before."""

    def __init__(self, dtype: np.dtype[np.void], *listed: str) -> None:
        self._rows: NDArray[np.void] = reserved((4 * MOST_ROWS,), dtype)
        self._count = self._gone = 0
        self._heads = {field: Column(np.int32, _NOBODY) for field in listed}
        """By field and record: the last row, or -1."""

    @property
    def rows(self) -> NDArray[np.void]:
        return self._rows[: self._count]

    def add(self, rows: NDArray[np.void]) -> None:
        first, needed = self._count, self._count + len(rows)
        if needed > len(self._rows):
            raise AddressSpaceError(f"look-ups are made for {len(self._rows)} rows at most")
        self._count = needed
        self.rows[first:] = rows
        self._list(first)

    def take(self, records: Collection[int]) -> NDArray[np.void]:
        """Rows that have some records in any of the fields that are listed; they are of nobody then."""
        wanted = np.unique(np.fromiter(records, np.int64))
        found = [unlist_rows(wanted, self._rows[f"next_{each}"], head.values) for each, head in self._heads.items()]
        places = np.unique(np.concatenate(found))
        # a row that went by its other field, or by its alert, still stands in the list
        places = places[self._rows[next(iter(self._heads))][places] != _NOBODY]
        taken: NDArray[np.void] = self._rows[places]
        self.drop(places, *self._heads)
        return taken

    def drop(self, places: Numbers, *fields: str) -> None:
        """Have some rows, each once and not dropped before, be of nobody by these fields. Once most are, they are left
        out: records sent again night by night would else fill memory with them."""
        for field in fields:
            self._rows[field][places] = _NOBODY
        self._gone += len(places)
        if self._count >= _FEW and self._gone > self._count // 2:
            left = self.rows[self.rows[fields[0]] != _NOBODY]
            self._count, self._gone = len(left), 0
            self.rows[:] = left
            for head in self._heads.values():
                head[:] = _NOBODY
            self._list(0)

    def _list(self, first: int) -> None:
        """Put the rows from `first` on into the lists."""
        new = self._rows[first : self._count]
        for field, head in self._heads.items():
            head.reserve(int(new[field].max(initial=_NOBODY)) + 1)
            list_rows(first, new[field], new[f"next_{field}"], head.values)


class Lookup:
    """See the module. A row that is taken out is not found again."""

    def __init__(self) -> None:
        self._links, self._members = _Table(_LINK, "left", "right"), _Table(_MEMBER, "record")
        self._persons = _Table(_PERSON)
        self._last_row = self._last_sequence = 0
        """How far the tables were read."""

    def read(self, rows: Rows) -> bool:
        """Take in the next stored links or alerts, some at a time; whether there were any."""
        if page := rows("links_after", self._last_row, _LINK_ROWS):
            stored = [(row, unpack_links(packed)) for row, packed in page]
            places = np.concatenate([_places(row, pairs["left"], pairs["right"]) for row, pairs in stored])
            self._links.add(places[places["left"] != _NOBODY])
            self._last_row = page[-1][0]
        elif page := rows("alert_rows_after", self._last_sequence, _ALERTS):
            sequences, persons, survivors, members = zip(*page, strict=True)
            listed = json.loads(f"[{','.join(members)}]")  # in one go: there are few a row
            self._add_alerts(sequences, persons, survivors, [[record for record, _, _ in each] for each in listed])
            self._last_sequence = sequences[-1]
        return bool(page)

    def add_links(self, row: int, links: Links) -> None:
        """Links just stored, in one row."""
        self._links.add(_places(row, links.left, links.right))

    def add_alerts(self, alerts: Sequence[Alert]) -> None:
        """Alerts just stored."""
        self._add_alerts(
            [alert.sequence for alert in alerts],
            [alert.person_id for alert in alerts],
            [alert.surviving_person_id for alert in alerts],
            [[member.record for member in alert.members] for alert in alerts],
        )

    def _add_alerts(
        self, sequences: Sequence[int], person_ids: Sequence[bytes], survivors: Sequence[bytes],
        records: Sequence[Sequence[int]],
    ) -> None:  # fmt: skip
        persons = np.empty(len(sequences), _PERSON)
        persons["sequence"] = sequences
        persons["person"], persons["survivor"] = (list(map(_hashed, each)) for each in (person_ids, survivors))
        members = np.empty(sum(map(len, records)), _MEMBER)
        members["sequence"] = np.repeat(persons["sequence"], list(map(len, records)))
        members["record"] = list(chain.from_iterable(records))
        self._persons.add(persons[persons["person"] != _NOBODY])
        self._members.add(members)

    def take_links(self, records: Collection[int]) -> dict[int, Numbers]:
        """Places by row of all links of some records; they are taken out."""
        taken = self._links.take(records)
        taken = taken[np.argsort(taken["row"], kind="stable")]
        rows, begins = np.unique(taken["row"], return_index=True)
        places = np.split(taken["place"].astype(np.int64), begins[1:])
        return dict(zip(rows.tolist(), places, strict=False))  # of no rows too there is one part

    def take_memberships(self, records: Collection[int]) -> list[tuple[int, int]]:
        """Sequence and record of every alert that has one of some records as a member; they are taken out."""
        taken = self._members.take(records)
        return list(zip(taken["sequence"].tolist(), taken["record"].tolist(), strict=True))

    def alerts_of(self, person_id: bytes) -> list[int]:
        """Sequences of alerts about a person or, as good as never, about another one; ascending."""
        rows = self._persons.rows
        return list(rows["sequence"][rows["person"] == _hashed(person_id)].tolist())

    def merges_into(self, person_id: bytes) -> list[int]:
        """Sequences of alerts that say somebody was merged into a person or, as good as never, into another one."""
        rows = self._persons.rows
        return list(rows["sequence"][rows["survivor"] == _hashed(person_id)].tolist())

    def take_alerts(self, purged: Collection[int], ended: Collection[int]) -> None:
        """Take out alerts that are purged, and of others, merges that ended, the survivor."""
        wanted = np.fromiter(purged, np.int64)
        persons, members = self._persons.rows, self._members.rows
        persons["survivor"][np.isin(persons["sequence"], np.fromiter(ended, np.int64))] = _NOBODY
        found = [np.isin(rows["sequence"], wanted) for rows in (persons, members)]
        self._persons.drop(np.flatnonzero(found[0] & (persons["person"] != _NOBODY)), "person", "survivor")
        self._members.drop(np.flatnonzero(found[1] & (members["record"] != _NOBODY)), "record")


class Lookups:
    """The look-up of a database: made in a thread of its own while others read and write, and from then on brought up
    to date by whoever writes."""

    def __init__(self, rows: Rows, writing: Turns) -> None:
        """`rows` gives the rows of a query by its name; `writing` is held by whoever writes."""
        self._rows = rows
        self._writing = writing
        self._made: Lookup | None = None
        self._maker = ThreadPoolExecutor(1, "look-ups")
        self._making: Future[None] | None = None
        self._closing = False

    def prepare(self) -> None:
        """Begin to make it, unless it is there or in the making. Not while it is taken."""
        if self._making is None or (self._making.done() and self._made is None):
            self._making = self._maker.submit(self._make_beside)

    def complete(self) -> None:
        """Return when it is there. What its making raises is raised here."""
        if self._making:
            self._making.result()
        if self._made is None:
            self._make()

    def take(self) -> Lookup | None:
        """It, if it is there. The caller holds `writing`, and gives it back once it says what is committed; one that is
        not given back, as it may not do so, is made anew."""
        taken, self._made = self._made, None
        return taken

    def give_back(self, lookup: Lookup | None) -> None:
        """The caller still is the only one who writes of links and alerts."""
        if lookup:
            self._made = lookup

    def close(self) -> None:
        """Make nothing any more."""
        self._closing = True
        self._maker.shutdown()

    def _make_beside(self) -> None:
        try:
            self._make()
        except Exception as error:
            _log.warning("links and alerts are read again for the next erasure (%s)", for_log(error))

    def _make(self) -> None:
        made = Lookup()
        while made.read(self._rows):
            if self._closing:
                return
        with self._writing:  # what came meanwhile
            while made.read(self._rows):
                pass
            self._made = made


def _places(row: int, left: Numbers, right: Numbers) -> NDArray[np.void]:
    """Where the links of a row stand; those that were dropped are of nobody."""
    places = np.empty(len(left), _LINK)
    places["row"], places["place"] = row, np.arange(len(left))
    places["left"], places["right"] = (np.where(right > 0, records, _NOBODY) for records in (left, right))
    return places


def _hashed(person_id: bytes) -> int:
    """64 bits of a name. `_NOBODY` for no name."""
    return hash(person_id) if person_id else _NOBODY
