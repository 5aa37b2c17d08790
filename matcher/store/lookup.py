"""Which rows speak of a record or a person, in memory.

Indices of the database would say the same, but records and persons come in no order: each entry would touch another
page, and at a million records pages of indices are most of what a commit writes. So this is made of the tables when
first needed, and kept up to date. Cost: 32 bytes a link, 16 an alert's member, 24 an alert, 12 a record. What is there
of a record is found by lists; what is there of a person, which closures alone ask for, by reading a column.
"""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.columns import Column
from matcher.model import Alert, Links
from matcher.store.kernels import list_rows, unlist_rows
from matcher.store.packed import unpack_links

_NUMBERS = ("row", "place", "left", "right", "next_left", "next_right")
_LINK = np.dtype([(name, np.int64 if name == "row" else np.int32) for name in _NUMBERS], align=True)
_MEMBER = np.dtype([("sequence", np.int64), ("record", np.int32), ("next_record", np.int32)])
_PERSON = np.dtype([("sequence", np.int64), ("person", np.int64), ("survivor", np.int64)])
_FIRST_CAPACITY = 1024
_NOBODY = -1
_PAGE = 4096
"""Rows read at a time."""
Rows = Callable[..., list[tuple[Any, ...]]]
Numbers = NDArray[np.int64]


class _Table:
    """Rows of one type, and room to grow. The rows that have a record in a field of `listed` are a linked list each:
    `next_` and the field's name is a row's next one, the one added before."""

    def __init__(self, dtype: np.dtype[np.void], *listed: str) -> None:
        self._rows = np.empty(0, dtype)
        self._count = self._gone = 0
        self._heads = {field: Column(np.int32, _NOBODY) for field in listed}
        """By field and record: the last row, or -1."""

    @property
    def rows(self) -> NDArray[np.void]:
        return self._rows[: self._count]

    def add(self, rows: NDArray[np.void]) -> None:
        needed = self._count + len(rows)
        if needed > len(self._rows):
            longer = np.empty(max(2 * needed, _FIRST_CAPACITY), self._rows.dtype)
            longer[: self._count] = self.rows
            self._rows = longer
        self._rows[self._count : needed] = rows
        first, self._count = self._count, needed
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
        if self._count >= _FIRST_CAPACITY and self._gone > self._count // 2:
            self._rows = self.rows[self.rows[fields[0]] != _NOBODY]
            self._count, self._gone = len(self._rows), 0
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

    def __init__(self, rows: Rows) -> None:
        """`rows` gives the rows of a query by its name; others can read between two calls of it."""
        self._links, self._members = _Table(_LINK, "left", "right"), _Table(_MEMBER, "record")
        self._persons = _Table(_PERSON)
        for page in _pages(rows, "links_after"):
            stored = [(row, unpack_links(packed)) for row, packed in page]
            places = np.concatenate([_places(row, pairs["left"], pairs["right"]) for row, pairs in stored])
            self._links.add(places[places["left"] != _NOBODY])
        for page in _pages(rows, "alert_rows_after"):
            persons = [(sequence, _hashed(person_id), _hashed(survivor)) for sequence, person_id, survivor, _ in page]
            members = [(sequence, record, 0) for sequence, *_, listed in page for record, _, _ in json.loads(listed)]
            there = np.array(persons, _PERSON)
            self._persons.add(there[there["person"] != _NOBODY])
            self._members.add(np.array(members, _MEMBER))

    def add_links(self, row: int, links: Links) -> None:
        """Links just stored, in one row."""
        self._links.add(_places(row, links.left, links.right))

    def add_alerts(self, alerts: Sequence[Alert]) -> None:
        """Alerts just stored."""
        persons = [(a.sequence, _hashed(a.person_id), _hashed(a.surviving_person_id)) for a in alerts]
        members = [(alert.sequence, member.record, 0) for alert in alerts for member in alert.members]
        self._persons.add(np.array(persons, _PERSON))
        self._members.add(np.array(members, _MEMBER))

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


def _pages(rows: Rows, query: str) -> Iterator[list[tuple[Any, ...]]]:
    """Pages of a query that takes the first column's last value and a limit."""
    last = 0
    while page := rows(query, last, _PAGE):
        yield page
        last = page[-1][0]


def _places(row: int, left: Numbers, right: Numbers) -> NDArray[np.void]:
    """Where the links of a row stand; those that were dropped are of nobody."""
    places = np.empty(len(left), _LINK)
    places["row"], places["place"] = row, np.arange(len(left))
    places["left"], places["right"] = (np.where(right > 0, records, _NOBODY) for records in (left, right))
    return places


def _hashed(person_id: bytes) -> int:
    """64 bits of a name. `_NOBODY` for no name."""
    return hash(person_id) if person_id else _NOBODY
