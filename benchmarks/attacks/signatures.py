"""Within-block signatures: seed propagation that also reads how rows of a block differ.

Inside a block two encodings can be compared, and equal values have equal bits. So which fields a known person and
another person of the block have in common can be seen, and compared with what the register says they have in
common: "same home, other forename" tells a wife from a son. After Culnane, Rubinstein and Teague 2017
("Vulnerabilities in the use of similarity tables in combination with pseudonymisation to preserve data privacy",
similarities to known records identify the others), with `propagation` as the way from one block to the next.

The attacker knows what a seed propagation knows, and holds the encodings. Cost: in each round, one comparison of
encodings for each pair and pass.
"""

import time

import numpy as np

from benchmarks.attacks.arena import Arena
from benchmarks.attacks.held import differing_bits
from benchmarks.attacks.matching import Ints
from benchmarks.attacks.outcome import OURS, Outcome
from benchmarks.attacks.propagation import propagate

SEEDS = (200, 1000)


class Signatures:
    """Points for pairs of a person held and a register row, from the fields they share with people already known."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._values = np.stack(
            [
                np.unique(np.array(arena.world.known_columns[field.name]), return_inverse=True)[1]
                for field in arena.world.scheme.encoded
            ],
            axis=1,
        )
        self._known = np.stack(
            [np.array(arena.world.known_columns[field.name]) != "" for field in arena.world.scheme.encoded], axis=1
        )
        _, self._some_record = np.unique(arena.node_of, return_index=True)

    def __call__(self, node: Ints, row: Ints, row_of: Ints) -> Ints:
        """One more where all fields in common are those in common with a known person of a block, one less for each
        that is not, at most three; (n,) for pairs (n,) of `node` and `row`, where `row_of` (N,) says who is known."""
        held, scheme = self._arena.held, self._arena.world.scheme
        points = np.zeros(len(node), np.int64)
        seen = np.zeros(len(node), bool)
        known_records = np.flatnonzero(row_of[self._arena.node_of] >= 0)
        mine = self._some_record[node]
        for p in range(held.blocks.shape[1]):
            record_of_block = np.full(int(held.blocks.max()) + 1, -1, np.int64)
            blocks = held.blocks[known_records, p]
            record_of_block[blocks[blocks >= 0]] = known_records[blocks >= 0]
            block = held.blocks[mine, p]
            other = np.where(block >= 0, record_of_block[block], -1)
            at = np.flatnonzero((other >= 0) & ~seen)
            left, right = mine[at], other[at]
            distances = differing_bits(held.encodings[left, p], held.encodings[right, p], scheme)
            rows = row_of[self._arena.node_of[right]]
            both = held.has_field[left] & held.has_field[right] & self._known[rows] & self._known[row[at]]
            wrong = ((distances == 0) != (self._values[rows] == self._values[row[at]])) & both
            points[at] = np.where(wrong.any(axis=1), -np.minimum(wrong.sum(axis=1), 3), 1)
            seen[at] = True
        return points


def run(arena: Arena, seed: int, setting: str) -> list[Outcome]:
    """On ours only: a global encoding has no blocks, and is read as a whole by `known_pairs`."""
    outcomes = []
    evidence = Signatures(arena)
    for count in (each for each in SEEDS if each <= arena.nodes // 5):
        started = time.perf_counter()
        known = arena.seeds(count, seed)
        claims = propagate(arena.board, known, accept_on=2, evidence=evidence)
        seconds = time.perf_counter() - started
        outcomes.append(
            arena.outcome_of_people(
                "within-block signatures", OURS, f"{setting}, {count} known", claims, seconds, beyond=known
            )
        )
    return outcomes
