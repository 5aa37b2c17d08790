"""What the store finds by record, in memory, stays as small as what is there."""

import numpy as np

from matcher.model import Links
from matcher.store.lookup import Lookup

RECORDS = 3000


def links(left: np.ndarray, right: np.ndarray) -> Links:
    return Links(left, right, np.ones(len(left), np.float32))


def test_links_of_records_sent_again_night_by_night_do_not_add_up() -> None:
    lookup = Lookup(lambda *_: [])
    left = np.arange(RECORDS)
    lookup.add_links(1, links(left, left + RECORDS))
    for night in range(2, 9):
        found = lookup.take_links(left.tolist())
        assert {row: len(places) for row, places in found.items()} == {night - 1: RECORDS}
        assert lookup.take_links(left.tolist()) == {}
        lookup.add_links(night, links(left, left + RECORDS))
        assert len(lookup._links.rows) <= 2 * RECORDS
    assert {row: places.tolist() for row, places in lookup.take_links([7]).items()} == {8: [7]}
