"""Seed propagation over block tokens: who else falls once some people are known?

Follows Narayanan and Shmatikov 2009 ("De-anonymizing social networks", section 5.2), with shared blocks as edges: a
known person's tokens are known as blocking values; whoever else has those values in the attacker's register can be
looked up.

The attacker knows the treaty, a register of the population, which records belong to a few people, and, as the
matcher does, which records are of one person (here: without any mistake). Cost: a join of known tokens with the
register's values a round, ten to thirty rounds.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.attacks.matching import alone_on_top, joined

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Board:
    """Tokens as the matcher holds them, and the register's blocking values, all as numbers.

    `node`, `token`: each person's tokens, (n,) a pass. `values`: (Q, P) of the register, -1 where missing.
    """

    nodes: int
    node: tuple[Ints, ...]
    token: tuple[Ints, ...]
    values: Ints


@dataclass(frozen=True, slots=True)
class Claims:
    """(n,) each: this person held is this row of the register."""

    node: Ints
    row: Ints


def board(tokens: Ints, node_of: Ints, values: Ints) -> Board:
    """Tokens (R, P) of records, -1 where missing, whose persons held are `node_of` (R,)."""
    found = []
    for p in range(tokens.shape[1]):
        present = tokens[:, p] >= 0
        _, dense = np.unique(tokens[present, p], return_inverse=True)
        found.append(np.unique(np.stack([node_of[present], dense]), axis=1))
    return Board(
        int(node_of.max(initial=-1)) + 1, tuple(each[0] for each in found), tuple(each[1] for each in found), values
    )


Evidence = Callable[[Ints, Ints, Ints], Ints]
"""Further points (n,) for pairs (n,) of a person held and a register row, given the row (N,) of each person or -1."""


def propagate(
    game: Board, seeds: Claims, *, accept_on: int, rounds: int = 40, evidence: Evidence | None = None
) -> Claims:
    """The seeds and everyone claimed from them.

    A pair of a person held and a register row scores one for each pass in which a known token agrees, and loses one for
    each in which the person's known tokens all disagree. It is accepted with `accept_on` points or more if for
    both sides it is better than every other pair.
    """
    row_of = np.full(game.nodes, -1, np.int64)
    row_of[seeds.node] = seeds.row
    taken = np.zeros(len(game.values), bool)
    taken[seeds.row] = True
    for _ in range(rounds):
        node, row, points = _scored(game, row_of, taken)
        if evidence and len(node):
            points = points + evidence(node, row, row_of)
        node, row = _accepted(node, row, points, accept_on)
        if not len(node):
            break
        row_of[node] = row
        taken[row] = True
    node = np.flatnonzero(row_of >= 0)
    return Claims(node, row_of[node])


def _scored(game: Board, row_of: Ints, taken: NDArray[np.bool_]) -> tuple[Ints, Ints, Ints]:
    """Node, row and points of each pair of one not claimed and one not taken that share a known token."""
    rows = len(game.values)
    known = np.zeros((game.nodes, len(game.node)), bool)
    keys = []
    for p, (node, token) in enumerate(zip(game.node, game.token, strict=True)):
        value_of = _value_of_token(node, token, row_of, game.values[:, p])
        free = (row_of[node] < 0) & (value_of[token] >= 0)
        behind = node[free]
        known[behind, p] = True
        left, right = joined(value_of[token[free]], np.where(taken, -1, game.values[:, p]))
        keys.append(np.unique(behind[left] * rows + right))
    pairs, agree = np.unique(np.concatenate(keys), return_counts=True)
    node, row = np.divmod(pairs, rows)
    comparable = np.zeros(len(pairs), np.int64)
    for p in range(len(game.node)):
        comparable += known[node, p] & (game.values[row, p] >= 0)
    return node, row, 2 * agree - comparable


def _value_of_token(node: Ints, token: Ints, row_of: Ints, values: Ints) -> Ints:
    """The value most claimed people behind a token have, -1 where none is claimed or two are as frequent."""
    value_of = np.full(int(token.max(initial=-1)) + 1, -1, np.int64)
    claimed = row_of[node] >= 0
    token, value = token[claimed], values[row_of[node[claimed]]]
    token, value = token[value >= 0], value[value >= 0]
    span = int(values.max(initial=0)) + 1
    pairs, votes = np.unique(token * span + value, return_counts=True)
    token, value = np.divmod(pairs, span)
    order = np.lexsort((-votes, token))
    token, value, votes = token[order], value[order], votes[order]
    first = np.flatnonzero(np.diff(token, prepend=-1))
    second = np.minimum(first + 1, max(len(token) - 1, 0))
    tie = (second != first) & (token[second] == token[first]) & (votes[second] == votes[first])
    value_of[token[first]] = np.where(tie, -1, value[first])
    return value_of


def _accepted(node: Ints, row: Ints, points: Ints, accept_on: int) -> tuple[Ints, Ints]:
    """The pairs with enough points that beat every other pair of either side."""
    if not len(node):
        return node, row
    best = alone_on_top(node, points) & alone_on_top(row, points) & (points >= accept_on)
    return node[best], row[best]
