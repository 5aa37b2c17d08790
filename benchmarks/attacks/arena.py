"""A world with everything an attack may ask for, made when first asked: tokens, global encodings, truth."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmarks.attacks.encoders import clk, minhash
from benchmarks.attacks.held import LINKAGE_KEY, Held, bits_of, hold
from benchmarks.attacks.outcome import CLK, OURS, Outcome, people_named
from benchmarks.attacks.propagation import Board, Claims, board
from benchmarks.attacks.world import World, numbered_values

Ints = NDArray[np.int64]


class Arena:
    """Records are numbered 0 to R - 1, register rows 0 to Q - 1, and people held ("nodes") 0 to N - 1."""

    def __init__(self, world: World) -> None:
        self.world = world
        people, self.node_of = np.unique(world.person_of, return_inverse=True)
        self.nodes = len(people)
        at = np.searchsorted(world.registered, people)
        found = world.registered[np.minimum(at, len(world.registered) - 1)] == people
        self.row_of_node: Ints = np.where(found, at, -1)
        """(N,) truth: each person's row in the register, -1 if there is none."""

    @cached_property
    def held(self) -> Held:
        """What the matcher holds under our scheme."""
        return hold(self.world.batch, self.world.scheme)

    @cached_property
    def values(self) -> Ints:
        """(Q, P) the register's blocking values as numbers, -1 where missing."""
        return numbered_values(self.world.scheme.passes, self.world)[1]

    @cached_property
    def board(self) -> Board:
        """Block tokens against blocking values."""
        return board(self.held.blocks, self.node_of, self.values)

    def bits(self, encoding: str, records: Ints) -> NDArray[np.uint8]:
        """(n, b) the encodings of records (n,), 2 where a bit is missing."""
        if encoding == OURS:
            return bits_of(self.held, records, self.world.scheme)
        columns = {name: [column[r] for r in records] for name, column in self.world.columns.items()}
        if encoding == CLK:
            return clk(columns, LINKAGE_KEY)
        return minhash(columns, self.world.scheme, LINKAGE_KEY)

    def register_bits(self, encoding: str, key: bytes) -> NDArray[np.uint8]:
        """(Q, b) the register encoded globally under `key`, 2 where a bit is missing."""
        if encoding == CLK:
            return clk(self.world.known_columns, key)
        return minhash(self.world.known_columns, self.world.scheme, key)

    def seeds(self, count: int, seed: int) -> Claims:
        """`count` people who are held and registered, drawn at random."""
        shared = np.flatnonzero(self.row_of_node >= 0)
        chosen = np.random.default_rng([seed, 2]).permutation(shared)[:count]
        return Claims(chosen, self.row_of_node[chosen])

    def outcome_of_people(
        self,
        attack: str,
        encoding: str,
        setting: str,
        claims: Claims,
        seconds: float,
        *,
        beyond: Claims | None = None,
        among: Ints | None = None,
        measures: dict[str, float] | None = None,
    ) -> Outcome:
        """Count claims, without those on people known `beyond`hand, and `among` some people if not all shared ones."""
        candidates = self.row_of_node >= 0
        if among is not None:
            candidates &= np.isin(np.arange(self.nodes), among)
        known = beyond.node if beyond else np.empty(0, np.int64)
        candidates[known] = False
        new = ~np.isin(claims.node, known)
        right = self.row_of_node[claims.node[new]] == claims.row[new]
        counted = "people both held and registered" + (", beyond the known" if beyond else "")
        counted += ", a sample" if among is not None else ""
        return Outcome(
            attack, encoding, self.nodes, setting, int(right.sum()), int(new.sum()), int(candidates.sum()), counted,
            seconds, measures or {},
        )  # fmt: skip

    def claims(self, records: Ints, rows: Ints, points: NDArray[np.floating]) -> Claims:
        """Claims on people from claims on some of their records."""
        return Claims(*people_named(self.node_of[records], rows, points.astype(np.float64)))
