"""Columns that grow where they lie."""

import resource
import subprocess
import sys

import numpy as np
import pytest

from matcher.blocking import index
from matcher.blocking.index import BlockIndex
from matcher.columns import Column, reserved
from matcher.errors import AddressSpaceError
from matcher.scheme import UK_PERSON_V1


def test_memory_comes_with_what_is_written() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    column = reserved((1 << 26, 9), np.int32)
    assert column.nbytes == 9 << 28 > 2 << 30
    column[12_345_678] = 7
    assert column[12_345_677:12_345_680].tolist() == [[0] * 9, [7] * 9, [0] * 9]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


def test_a_full_index_takes_no_more_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "MOST_ROWS", 3)
    full = BlockIndex(UK_PERSON_V1, cap=10)
    passes, octets = len(UK_PERSON_V1.passes), UK_PERSON_V1.encoding_bytes
    rows = (
        np.ones((2, passes, 16), np.uint8),
        np.ones(2, np.uint16),
        np.ones((2, passes, octets), np.uint8),
        np.ones(2, np.uint16),
        np.arange(2),
    )
    full.insert(*rows, 0)
    with pytest.raises(AddressSpaceError, match="3 rows at most"):
        full.insert(*rows, 0)
    assert full.row_count == 2


def test_a_system_that_gives_no_address_space_is_told_what_to_do() -> None:
    script = (
        "import numpy, resource\nfrom matcher.columns import reserved\n"
        "from matcher.errors import MatcherError\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
        "try:\n    reserved((1 << 33,), numpy.uint8)\n"
        "except MatcherError as error:\n    print(error, error.advice())\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert told.startswith("8 GiB of address space cannot be reserved")
    assert "ulimit -v" in told


def test_what_is_put_in_a_column_stays_where_it_is_as_it_grows() -> None:
    column = Column(np.int32, -1, width=2)
    column[3] = 7
    before = column.values
    column.reserve(5000)
    column[4999] = 8
    assert np.shares_memory(before, column.values)
    assert (column[3].tolist(), column[4998].tolist(), column[4999].tolist()) == ([7, 7], [-1, -1], [8, 8])
    assert len(column) == 5000


def test_a_full_column_says_so() -> None:
    column = Column(np.int32, most=3000)
    column.reserve(3000)
    with pytest.raises(AddressSpaceError, match="3000 entries at most"):
        column.reserve(3001)
