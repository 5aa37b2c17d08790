"""Frequency and rank: the block of most rows has the blocking value of most people, and so on down.

Follows Naveed, Kamara and Wright 2015 ("Inference attacks on property-preserving encrypted databases", frequency
analysis and the cumulative attack). Symbols are block tokens for ours, equal signatures of a field for a MinHash,
and equal filters for a CLK. Each symbol is taken for the value of its rank; a person is named by the register row
that agrees in most values, two at least; from there claims spread as in `propagation`.

The attacker knows a register. Cost: sorting, a join of symbols with the register, then seed propagation.
"""

import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.attacks.arena import Arena
from benchmarks.attacks.encoders import CLK_FIELDS
from benchmarks.attacks.matching import Ints, alone_on_top, joined
from benchmarks.attacks.outcome import CLK, ENCODINGS, OURS, Outcome
from benchmarks.attacks.propagation import Board, Claims, board, propagate

_MOST_ALIKE = 200
"""People behind one symbol or value up to which they are looked at one by one."""


def run(arena: Arena, seed: int, setting: str) -> list[Outcome]:
    """On each encoding. Two ways: ranks alone, and ranks with propagation from them."""
    outcomes = []
    for encoding in ENCODINGS:
        started = time.perf_counter()
        game = _game(arena, encoding)
        ranked = _ranked(game)
        for described, claims in (
            ("ranks alone", ranked),
            ("ranks, then propagation", propagate(game, ranked, accept_on=2)),
        ):
            seconds = time.perf_counter() - started
            outcomes.append(arena.outcome_of_people("frequency", encoding, f"{setting}, {described}", claims, seconds))
    return outcomes


def _game(arena: Arena, encoding: str) -> Board:
    if encoding == OURS:
        return arena.board
    known = arena.world.known_columns
    everyone = np.arange(len(arena.node_of))
    bits = arena.bits(encoding, everyone)
    held, values, at = [], [], 0
    if encoding == CLK:
        held.append(_equal(bits, bits.sum(axis=1) == 0))
        together = list(zip(*(known[field] for field in CLK_FIELDS), strict=True))
        values.append(np.unique(np.array(["|".join(each) for each in together]), return_inverse=True)[1])
    else:
        for field in arena.world.scheme.encoded:
            part = bits[:, at : at + field.bits]
            at += field.bits
            if field.name in CLK_FIELDS:
                held.append(_equal(part, part[:, 0] == 2))
                column = np.array(known[field.name])
                values.append(np.where(column == "", -1, np.unique(column, return_inverse=True)[1]))
    held, values = ([_rare(column) for column in columns] for columns in (held, values))
    return board(np.stack(held, axis=1), arena.node_of, np.stack(values, axis=1))


def _rare(column: Ints) -> Ints:
    """Without the symbols of so many people that they are no help in finding one."""
    count = np.bincount(column[column >= 0])
    return np.where((column >= 0) & (count[column] <= _MOST_ALIKE), column, -1)


def _equal(bits: NDArray[np.uint8], missing: NDArray[np.bool_]) -> Ints:
    packed = np.packbits(bits == 1, axis=1)
    number = np.unique(np.ascontiguousarray(packed).view(f"V{packed.shape[1]}")[:, 0], return_inverse=True)[1]
    return np.where(missing, -1, number)


def _ranked(game: Board) -> Claims:
    """Claims from ranks alone."""
    rows = len(game.values)
    keys = []
    for p, (node, token) in enumerate(zip(game.node, game.token, strict=True)):
        values = game.values[:, p]
        size, expected = np.bincount(token), np.bincount(values[values >= 0])
        value_of = np.full(len(size), -1, np.int64)
        ranks = min(len(size), int((expected > 0).sum()))
        value_of[np.argsort(-size, kind="stable")[:ranks]] = np.argsort(-expected, kind="stable")[:ranks]
        few = (size <= _MOST_ALIKE) & (value_of >= 0)
        few &= np.where(value_of >= 0, expected[value_of], 0) <= _MOST_ALIKE
        left, right = joined(np.where(few, value_of, -1)[token], values)
        keys.append(np.unique(node[left] * rows + right))
    pair, points = np.unique(np.concatenate(keys), return_counts=True)
    node, row = np.divmod(pair, rows)
    best = alone_on_top(node, points) & alone_on_top(row, points) & (points >= 2)
    return Claims(node[best], row[best])
