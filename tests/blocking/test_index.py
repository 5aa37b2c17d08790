import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import matcher.blocking.index
from matcher.blocking.index import BlockIndex
from matcher.scheme import UK_PERSON_V1
from tests import reference

PASSES = len(UK_PERSON_V1.passes)
WIDTH = UK_PERSON_V1.encoding_bytes


def token(number: int) -> bytes:
    return bytes([number]) * 16 if number else bytes(16)


def insert(index: BlockIndex, agency: int, blocks: list[list[int]], first_record: int = 0) -> range:
    """Rows with the given block numbers by pass, 0 for none."""
    count = len(blocks)
    tokens = np.frombuffer(b"".join(token(b) for row in blocks for b in row), np.uint8).reshape(count, PASSES, 16)
    masks = np.array([sum((b > 0) << p for p, b in enumerate(row)) for row in blocks], np.uint16)
    encodings = np.full((count, PASSES, WIDTH), 7, np.uint8)
    return index.insert(
        tokens, masks, encodings, np.full(count, 1, np.uint16), np.arange(first_record, first_record + count), agency
    )


def pairs(index: BlockIndex) -> set[tuple[int, int]]:
    """Pairs that follow from the links between rows."""
    rows, found = index.rows, set()
    for row in range(index.row_count):
        for p in range(PASSES):
            other = rows.following[p, row] if rows.blocks[row, p] >= 0 else -1
            while other >= 0:
                if rows.origins[other] != rows.origins[row]:
                    found.add((int(other), row))
                other = rows.following[p, other]
    return found


def largest_block(index: BlockIndex) -> int:
    """Rows in the fullest block."""
    return int(index._fronts.values[:, 1].max())


block_rows = st.lists(st.integers(0, 4), min_size=PASSES, max_size=PASSES)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_index_equals_brute_force_under_inserts_and_removals(data):
    index = BlockIndex(UK_PERSON_V1, cap=1000)
    held: list[tuple[int, list[bytes]]] = []
    for _ in range(data.draw(st.integers(1, 6))):
        if held and data.draw(st.booleans()):
            row = data.draw(st.integers(0, len(held) - 1))
            index.remove(range(row, row + 1))
            held[row] = (held[row][0], [b""] * PASSES)
        agency = data.draw(st.integers(0, 2))
        blocks = data.draw(st.lists(block_rows, min_size=1, max_size=4))
        insert(index, agency, blocks, len(held))
        held += [(agency, [token(b) if b else b"" for b in row]) for row in blocks]
    assert pairs(index) == reference.candidate_pairs(held)


def test_a_full_block_refuses_and_counts():
    index = BlockIndex(UK_PERSON_V1, cap=3)
    insert(index, 0, [[1] + [0] * (PASSES - 1)] * 5)
    assert (index.over_cap, largest_block(index)) == (2, 3)
    index.remove(range(0, 1))
    insert(index, 0, [[1] + [0] * (PASSES - 1)])
    assert (index.over_cap, largest_block(index)) == (2, 3)


def test_a_removed_row_leaves_no_token_and_no_encoding():
    index = BlockIndex(UK_PERSON_V1, cap=1000)
    shared, own = [1] + [0] * (PASSES - 1), [1, 9] + [0] * (PASSES - 2)
    insert(index, 0, [shared, own])
    index.remove(range(1, 2))
    memory = index._blocks_by_token.keys.tobytes()
    assert token(1)[:8] in memory
    assert token(9)[:8] not in memory
    assert not index.rows.encodings[1].any()
    index.remove(range(0, 1))
    assert token(1)[:8] not in index._blocks_by_token.keys.tobytes()
    assert largest_block(index) == 0
    assert insert(index, 0, [own]) == range(2, 3)


def test_no_token_of_one_pass_can_be_made_that_of_another():
    """Else the lists of two passes would be one, and end in a ring that no walk leaves."""
    for p, q in ((0, 1), (2, 5)):
        tokens = np.zeros((1, PASSES, 16), np.uint8)
        tokens[0, p] = tokens[0, q] = np.frombuffer(token(7), np.uint8)
        tokens[0, q, 15] ^= p ^ q
        index = BlockIndex(UK_PERSON_V1, cap=1000)
        masks = np.array([1 << p | 1 << q], np.uint16)
        encodings = np.zeros((1, PASSES, UK_PERSON_V1.encoding_bytes), np.uint8)
        (row,) = index.insert(tokens, masks, encodings, np.zeros(1, np.uint16), np.zeros(1, np.int64), 0)
        assert index.rows.blocks[row, p] != index.rows.blocks[row, q]
        assert index.rows.following[[p, q], row].tolist() == [-1, -1]


def test_an_index_of_which_most_was_removed_is_worn(monkeypatch):
    monkeypatch.setattr(matcher.blocking.index, "_WORN_ROWS", 2)
    index = BlockIndex(UK_PERSON_V1, cap=1000)
    insert(index, 0, [[1] + [0] * (PASSES - 1)] * 5)
    index.remove(range(0, 2))
    assert not index.is_worn
    index.remove(range(2, 3))
    assert index.is_worn


def test_a_token_sent_for_several_passes_makes_a_block_in_each():
    index = BlockIndex(UK_PERSON_V1, cap=1000)
    insert(index, 0, [[1] * PASSES, [1, 1] + [0] * (PASSES - 2)])
    insert(index, 1, [[1] * PASSES])
    assert pairs(index) == {(0, 2), (1, 2)}
    assert largest_block(index) == 3


def test_it_grows():
    index = BlockIndex(UK_PERSON_V1, cap=1000)
    for first in range(0, 3000, 600):
        insert(index, 0, [[1 + (first + i) % 250] * PASSES for i in range(600)], first)
    assert index.row_count == 3000
    assert largest_block(index) == 12
    assert (index.rows.records[:3000] == np.arange(3000)).all()
