"""Links in the database: those found together stand in one row, end to end. A link dropped is overwritten with zeros,
and a row of which no link is left is deleted."""

from collections.abc import Mapping
from struct import Struct

import apsw
import numpy as np
from numpy.typing import NDArray

from matcher.model import Links
from matcher.store.queries import QUERIES as SQL

_LINK = np.dtype([("left", "<i8"), ("right", "<i8"), ("weight", "<f4")])
_ONE = Struct("<qqf")


class PackLinks:
    """The SQL aggregate `pack_links(left, right, weight)`, with which a migration packs what stood in a row each."""

    def __init__(self) -> None:
        self._packed = bytearray()

    def step(self, *link: object) -> None:
        """Add a link."""
        self._packed += _ONE.pack(*link)

    def final(self) -> bytes:
        """All of them."""
        return bytes(self._packed)


def add_links(writer: apsw.Connection, links: Links) -> int:
    """Store links; the row they stand in, 0 if there are none."""
    if not len(links):
        return 0
    table = np.empty(len(links), _LINK)
    table["left"], table["right"], table["weight"] = links.left, links.right, links.weight
    writer.execute(SQL["add_links"], (table.tobytes(),))
    return writer.last_insert_rowid()


def drop_links(writer: apsw.Connection, places: Mapping[int, NDArray[np.int64]]) -> None:
    """Overwrite links, given as places by row."""
    for row, dropped in places.items():
        with writer.blob_open("main", "links", "pairs", row, True) as blob:
            table = np.frombuffer(bytearray(blob.read()), _LINK)
            table[dropped] = 0
            for place in dropped.tolist():  # most pages of the row stay as they are
                blob.seek(place * _LINK.itemsize)
                blob.write(bytes(_LINK.itemsize))
        if not table["right"].any():
            writer.execute(SQL["drop_links"], (row,))


def unpack_links(packed: bytes) -> NDArray[np.void]:
    """A row's links with their columns `left`, `right` and `weight`; a dropped link is all zero."""
    return np.frombuffer(packed, _LINK)


def read_links(reader: apsw.Connection) -> Links:
    """All links by left and right; of several of one pair the last."""
    table = np.concatenate([np.empty(0, _LINK), *(unpack_links(packed) for (packed,) in reader.execute(SQL["links"]))])
    table = table[table["left"] < table["right"]]
    table = table[np.lexsort((table["right"], table["left"]))]  # which keeps the order of those of one pair
    left, right = np.ascontiguousarray(table["left"]), np.ascontiguousarray(table["right"])
    last = np.ones(len(table), np.bool_)
    last[:-1] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    return Links(left[last], right[last], table["weight"][last])
