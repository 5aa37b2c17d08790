import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from matcher.blocking.index import BlockIndex
from matcher.blocking.kernels import home_of
from matcher.blocking.names import NameTable
from matcher.scheme import UK_PERSON_V1

names = st.lists(st.binary(min_size=16, max_size=16).filter(any), min_size=1, max_size=30)


def array(wanted: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(wanted), np.uint8).reshape(-1, 16)


@settings(max_examples=60, deadline=None)
@given(st.lists(names, min_size=1, max_size=4))
def test_numbers_are_given_in_order_of_arrival(batches):
    table, known = NameTable(), {}
    for batch in batches:
        expected = [known.setdefault(name, len(known)) for name in batch]
        assert table.add(array(batch)).tolist() == expected
        assert table.find(array(batch)).tolist() == expected
    assert table.count == len(known)


def test_an_unknown_name_has_no_number():
    table = NameTable()
    table.add(array([b"a" * 16]))
    assert table.find(array([b"b" * 16, b"a" * 16])).tolist() == [-1, 0]


def test_an_erased_name_gets_a_new_number():
    table = NameTable()
    table.add(array([b"a" * 16, b"b" * 16]))
    table.erase(0)
    assert b"a" * 16 not in table.keys.tobytes()
    assert table.find(array([b"a" * 16])).tolist() == [-1]
    assert table.add(array([b"a" * 16, b"b" * 16])).tolist() == [2, 1]


def test_it_grows_and_leaves_erased_names_behind():
    rng = np.random.default_rng(3)
    names = rng.integers(1, 256, (5000, 16), np.uint8)
    table = NameTable()
    table.add(names[:10])
    table.erase(4)
    assert table.add(names).tolist() == [*range(4), 10, *range(5, 10), *range(11, 5001)]


# -- names that somebody chose ----------------------------------------------------------------------------------------

FLOOD = 60_000
MOST_IN_A_ROW = 2_000
"""Taken slots without a free one between them: a search reads no more. Random names make about 100, a flood 60,000."""


def longest_row(table: NameTable) -> int:
    """Most taken slots in a row: the longest that a search can last."""
    free = np.flatnonzero(table.slots == 0)
    return int(np.diff(free, append=free[0] + len(table.slots)).max()) - 1


def words(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Names (n, 16) of two little endian words each."""
    return np.stack([first, second], axis=1).astype("<u8").view(np.uint8)


COUNTED = np.arange(1, FLOOD + 1, dtype=np.uint64)
DRAWN = np.random.default_rng(5).integers(1, 1 << 63, FLOOD, np.uint64)
SAME = np.full(FLOOD, 7, np.uint64)
FLOODS = {
    "honest": words(DRAWN, DRAWN[::-1]),
    "same first half": words(SAME, DRAWN),
    "same second half": words(DRAWN, SAME),
    "first half counted": words(COUNTED, SAME),
    "second half counted": words(SAME, COUNTED),
    "counted in high bits": words(COUNTED << np.uint64(44), SAME),
    "halves equal": words(COUNTED, COUNTED),
    "halves cancel": words(DRAWN, ~DRAWN),
}


@pytest.mark.parametrize("names", FLOODS.values(), ids=FLOODS.keys())
def test_no_choice_of_names_makes_a_search_long(names: NDArray[np.uint8]) -> None:
    table = NameTable()
    for part in np.split(names, 6):  # it grows meanwhile
        table.add(part)
        assert longest_row(table) < MOST_IN_A_ROW
    assert table.find(names).tolist() == list(range(FLOOD))


@pytest.mark.parametrize("names", FLOODS.values(), ids=FLOODS.keys())
def test_no_choice_of_tokens_makes_a_search_long(names: NDArray[np.uint8]) -> None:
    passes, octets = len(UK_PERSON_V1.passes), UK_PERSON_V1.encoding_bytes
    rows = FLOOD // passes
    index = BlockIndex(UK_PERSON_V1, cap=1000)
    index.insert(
        names[: rows * passes].reshape(rows, passes, 16),
        np.full(rows, (1 << passes) - 1, np.uint16),
        np.zeros((rows, passes, octets), np.uint8),
        np.zeros(rows, np.uint16),
        np.arange(rows),
        0,
    )
    assert index._blocks_by_token.count == rows * passes
    assert longest_row(index._blocks_by_token) < MOST_IN_A_ROW


def test_names_that_meet_in_one_table_do_not_in_another() -> None:
    homes = [np.empty(1000, np.int64) for _ in range(2)]
    for home in homes:
        table = NameTable()
        numbers = table.add(FLOODS["honest"][:1000])
        home[table.slots[table.slots > 0] - 1] = np.flatnonzero(table.slots)
        assert numbers.tolist() == list(range(1000))
    assert (homes[0] == homes[1]).mean() < 0.1


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, (1 << 64) - 1), min_size=6, max_size=6))
def test_where_a_search_begins_is_what_plain_arithmetic_says(drawn: list[int]) -> None:
    first, second, *secret = drawn

    def folded(a: int, b: int) -> int:
        return a * b >> 64 ^ a * b & (1 << 64) - 1

    expected = folded(folded(first ^ secret[0], second ^ secret[1]) ^ secret[2], secret[3])
    assert int(home_of(np.uint64(first), np.uint64(second), np.array(secret, np.uint64))) == expected
