"""Structural uniqueness: what of a person is unique in the shape of what is stored, without reading a bit of it?

Follows Hay, Miklau, Jensen, Towsley and Weis 2008 ("Resisting structural re-identification in anonymized social
networks", degrees and neighbours' degrees as a person's signature). The shape of a person: for each pass how many
people share the block, and the largest number of people that one of these shares another block with. Of a CLK: how
many bits are set. Of a MinHash: which fields are there and how many bits are set in each. The shape of a register
row is that of its values, under a key of the attacker's own. A person is named by the row of the same shape, if
both are the only ones that have it.

The attacker knows a register. Cost: counting, and one sort.
"""

import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.attacks.arena import Arena
from benchmarks.attacks.held import OTHER_KEY
from benchmarks.attacks.matching import Ints
from benchmarks.attacks.outcome import ENCODINGS, MINHASH, OURS, Outcome
from benchmarks.attacks.propagation import Board, Claims, board


def run(arena: Arena, seed: int, setting: str) -> list[Outcome]:
    """On each encoding; `unique` measures the share of people whose shape nobody else has."""
    outcomes = []
    for encoding in ENCODINGS:
        started = time.perf_counter()
        if encoding == OURS:
            held, known, who = *_block_shapes(arena), np.arange(arena.nodes)
        else:
            _, records = np.unique(arena.node_of, return_index=True)
            fields = arena.world.scheme.encoded if encoding == MINHASH else ()
            ends = np.cumsum([field.bits for field in fields])[:-1]
            held = _counts(arena.bits(encoding, records), ends)
            known = _counts(arena.register_bits(encoding, OTHER_KEY), ends)
            who = arena.node_of[records]
        claims, unique = _alike(held, known, who)
        seconds = time.perf_counter() - started
        outcomes.append(
            arena.outcome_of_people(
                "structure", encoding, setting, claims, seconds, measures={"unique": round(unique, 4)}
            )
        )
    return outcomes


def _counts(bits: NDArray[np.uint8], ends: Ints) -> Ints:
    return np.stack([(part == 1).sum(axis=1) for part in np.split(bits, ends, axis=1)], axis=1)


def _block_shapes(arena: Arena) -> tuple[Ints, Ints]:
    """(N, 2P) and (Q, 2P): sizes of a person's largest block of each pass, and the largest size next to it."""
    rows = np.arange(len(arena.values))
    return tuple(  # type: ignore[return-value]
        _shape(board(tokens, people, arena.values))
        for tokens, people in ((arena.held.blocks, arena.node_of), (arena.values, rows))
    )


def _shape(game: Board) -> Ints:
    passes = len(game.node)
    size = np.zeros((game.nodes, passes), np.int64)
    for p in range(passes):
        of_block = np.bincount(game.token[p])
        np.maximum.at(size[:, p], game.node[p], of_block[game.token[p]])
    most = size.max(axis=1)
    beside = np.zeros_like(size)
    for p in range(passes):
        of_block = np.zeros(int(game.token[p].max(initial=-1)) + 1, np.int64)
        np.maximum.at(of_block, game.token[p], most[game.node[p]])
        np.maximum.at(beside[:, p], game.node[p], of_block[game.token[p]])
    return np.concatenate([size, beside], axis=1)


def _alike(held: Ints, known: Ints, who: Ints) -> tuple[Claims, float]:
    _, group = np.unique(np.concatenate([held, known]), axis=0, return_inverse=True)
    mine, others = group[: len(held)], group[len(held) :]
    alone, alone_known = np.bincount(mine, minlength=group.max() + 1), np.bincount(others, minlength=group.max() + 1)
    row_of = np.full(group.max() + 1, -1, np.int64)
    row_of[others] = np.arange(len(others))
    sure = (alone[mine] == 1) & (alone_known[mine] == 1)
    return Claims(who[sure], row_of[mine[sure]]), float((alone[mine] == 1).mean())
