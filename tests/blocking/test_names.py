import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.blocking.names import NameTable

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
