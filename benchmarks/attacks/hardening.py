"""Hardening against seed propagation: what each remedy takes from the attacker, and from recall.

The price is pairs completeness: the share of pairs of records of one person that share a block. Remedies: leaving
out a pass; other passes; leaving out tokens at random; dummies, records of no person whose tokens are those of
others. Attacked as in `seeds`, accepting on one known token. Blocking values stand for their tokens here, since
they are equal or not alike.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.attacks.arena import Arena
from benchmarks.attacks.matching import Ints, joined
from benchmarks.attacks.outcome import OURS, Outcome
from benchmarks.attacks.propagation import Claims, board, propagate
from benchmarks.attacks.world import numbered_values
from matcher.scheme import GENERIC_PERSON_V1, Pass

SEEDS = 1000
_COMMON_SURNAMES = 100
_DROPPED = 0.2
_DUMMIES = (0.1, 0.3)
_SOUNDS = "unordered(soundex(forename),soundex(surname))"
_RARE = Pass("rare full-name", ("forename", "surname"))
"""Left out where the surname is one of the 100 commonest, which are public."""
_FINEST = (
    _RARE,
    Pass("birth-date surname-sound", ("year", "month", "day", "soundex(surname)")),
    Pass("birth-date forename-start", ("year", "month", "day", "start(forename)")),
    Pass("postcode name-sounds", ("postcode", _SOUNDS)),
    Pass("identifier", ("nhs_number",)),
)


def run(arena: Arena, seed: int, setting: str) -> list[Outcome]:
    """Each remedy by itself, against the shipped passes; `completeness` is the share of true pairs still found."""
    outcomes = []
    pairs = _true_pairs(arena)
    known = arena.seeds(min(SEEDS, arena.nodes // 5), seed)
    for name, held, values, node_of in _remedies(arena, seed):
        started = time.perf_counter()
        claims = propagate(board(held, node_of, values), known, accept_on=1)
        real = claims.node < arena.nodes
        outcome = arena.outcome_of_people(
            "hardening",
            OURS,
            f"{setting}, {len(known.node)} known, accept on 1, {name}",
            Claims(claims.node[real], claims.row[real]),
            time.perf_counter() - started,
            beyond=known,
            measures={
                "completeness": round(float(_share_blocks(held, *pairs).mean()), 4),
                "largest_block": int(np.unique(held[held >= 0], return_counts=True)[1].max()),
                "claims_on_dummies": int((~real).sum()),
            },
        )
        outcomes.append(replace(outcome, claimed=outcome.claimed + int((~real).sum())))
    return outcomes


def _remedies(arena: Arena, seed: int) -> Iterator[tuple[str, Ints, Ints, Ints]]:
    rng = np.random.default_rng([seed, 8])
    passes = arena.world.scheme.passes
    held, values = _apart(*numbered_values(passes, arena.world))
    nodes = arena.node_of
    yield "as shipped", held, values, nodes
    for p, each in enumerate(passes):
        yield f"without {each.name}", np.delete(held, p, axis=1), np.delete(values, p, axis=1), nodes
    for p, each in enumerate(passes):
        yield f"alone {each.name}", held[:, [p]], values[:, [p]], nodes
    yield f"{_DROPPED:.0%} of tokens dropped", np.where(rng.random(held.shape) < _DROPPED, -1, held), values, nodes
    for share in _DUMMIES:
        count = round(share * len(held))
        drawn = np.stack([rng.permutation(column)[:count] for column in held.T], axis=1)
        others = np.arange(arena.nodes, arena.nodes + count)
        yield f"{share:.0%} dummies", np.concatenate([held, drawn]), values, np.concatenate([nodes, others])
    generic = (*GENERIC_PERSON_V1.passes[:-1], passes[-1])  # but for the identifier's name the same for all
    yield "generic passes", *_apart(*numbered_values(generic, arena.world)), nodes
    yield "finest passes", *_apart(*_without_common(arena, _FINEST)), nodes


def _without_common(arena: Arena, passes: tuple[Pass, ...]) -> tuple[Ints, Ints]:
    held, values = numbered_values(passes, arena.world)
    surnames, known = arena.world.columns["surname"], arena.world.known_columns["surname"]
    common = {name for name, _ in Counter(known).most_common(_COMMON_SURNAMES)}
    for column, names in ((held, surnames), (values, known)):
        column[[name in common for name in names], passes.index(_RARE)] = -1
    return held, values


def _apart(held: Ints, values: Ints) -> tuple[Ints, Ints]:
    """Numbers that differ from pass to pass, so that blocks can be counted together."""
    span = int(max(held.max(), values.max())) + 1
    shift = np.arange(held.shape[1]) * span
    return np.where(held < 0, -1, held + shift), np.where(values < 0, -1, values + shift)


def _true_pairs(arena: Arena) -> tuple[Ints, Ints]:
    left, right = joined(arena.node_of, arena.node_of)
    return left[left < right], right[left < right]


def _share_blocks(held: Ints, left: Ints, right: Ints) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = ((held[left] == held[right]) & (held[left] >= 0)).any(axis=1)
    return found
