"""Seed propagation on block tokens; see `propagation` for the method, its source and its cost.

Only ours has block tokens. What the same known people give away under a global key is `known_pairs`.
"""

import time

from benchmarks.attacks.arena import Arena
from benchmarks.attacks.outcome import OURS, Outcome
from benchmarks.attacks.propagation import propagate

SEEDS = (20, 200, 1000, 10_000)


def run(arena: Arena, seed: int, setting: str) -> list[Outcome]:
    """For each number of known people, accepting on one and on two known tokens."""
    outcomes = []
    for count in (each for each in SEEDS if each <= arena.nodes // 5):
        known = arena.seeds(count, seed)
        for accept_on in (1, 2):
            started = time.perf_counter()
            claims = propagate(arena.board, known, accept_on=accept_on)
            seconds = time.perf_counter() - started
            described = f"{setting}, {count} known, accept on {accept_on}"
            outcomes.append(arena.outcome_of_people("seed propagation", OURS, described, claims, seconds, beyond=known))
    return outcomes
