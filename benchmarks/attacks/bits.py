"""Bit frequency: is a bit more often 1 than 0, and does one value look alike in two blocks?

Follows Kuzu, Kantarcioglu, Durham and Malin 2011 ("A constraint satisfaction cryptanalysis of Bloom filters in
private record linkage", its frequencies of bits against frequencies of values). What is random gives each bit a
mean of 0.5 over blocks, and half of the bits of two encodings of one value in two blocks alike. Nobody is named;
`patterns` does that.

`worst_sigma`: how far the mean of the worst bit is from 0.5, in standard deviations; of b bits the worst is
expected near sqrt(2 log b). `agreement`: of the bits of equal values, in two blocks drawn at random, how many
agree. One row a block is counted, since rows of a block share its pad. Cost: one pass over the bits.
"""

import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.attacks.arena import Arena
from benchmarks.attacks.matching import Ints
from benchmarks.attacks.outcome import ENCODINGS, OURS, Outcome

_RECORDS = 20_000


def run(arena: Arena, seed: int, setting: str) -> list[Outcome]:
    """On each encoding; the outcome is in the measures."""
    outcomes = []
    everyone = np.random.default_rng([seed, 5]).permutation(len(arena.node_of))[:_RECORDS]
    for encoding in ENCODINGS:
        started = time.perf_counter()
        bits = arena.bits(encoding, everyone)
        worst = worst_bit(arena, bits, everyone) if encoding == OURS else worst_mean(bits)
        measures = {"worst_sigma": round(worst, 2)}
        if encoding == OURS:
            agreement, sigma = agreement_across_blocks(arena, seed)
            measures |= {"agreement": round(agreement, 5), "agreement_sigma": round(sigma, 2)}
        seconds = time.perf_counter() - started
        outcomes.append(
            Outcome("bit frequency", encoding, arena.nodes, setting, 0, 0, 0, "nobody is named", seconds, measures)
        )
    return outcomes


def worst_mean(bits: NDArray[np.uint8]) -> float:
    """Of bits (n, b), 2 where missing: how far the worst column's mean is from 0.5, in standard deviations."""
    present = (bits != 2).sum(axis=0)
    ones = (bits == 1).sum(axis=0)
    counted = present > 0
    return float((np.abs(ones - present / 2)[counted] / (np.sqrt(present[counted]) / 2)).max())


def worst_bit(arena: Arena, bits: NDArray[np.uint8], records: Ints) -> float:
    """The same for ours, from one row of each block."""
    passes = arena.held.blocks.shape[1]
    width = bits.shape[1] // passes
    worst = 0.0
    for p in range(passes):
        blocks, first = np.unique(arena.held.blocks[records, p], return_index=True)
        worst = max(worst, worst_mean(bits[first[blocks >= 0], p * width : (p + 1) * width]))
    return worst


def agreement_across_blocks(arena: Arena, seed: int) -> tuple[float, float]:
    """Share of bits of equal field values that agree in two different blocks of one pass, and how far that is from
    0.5 in standard deviations."""
    rng = np.random.default_rng([seed, 6])
    agreeing = compared = 0
    at = 0
    for field in arena.world.scheme.encoded:
        column = np.array(arena.world.columns[field.name])
        _, value = np.unique(column, return_inverse=True)
        rows = np.flatnonzero(column != "")
        rows = rows[np.argsort(value[rows], kind="stable")][: 2 * _RECORDS]
        left, right = rows[:-1], rows[1:]
        alike = value[left] == value[right]
        left, right = left[alike], right[alike]
        p = rng.integers(0, arena.held.blocks.shape[1], len(left))
        mine, other = arena.held.blocks[left, p], arena.held.blocks[right, p]
        apart = (mine >= 0) & (other >= 0) & (mine != other)
        _, once = np.unique(np.minimum(mine, other)[apart], return_index=True)
        left, right, p = left[apart][once], right[apart][once], p[apart][once]
        span = slice(at // 8, (at + field.bits) // 8)
        differing = np.bitwise_count(arena.held.encodings[left, p, span] ^ arena.held.encodings[right, p, span])
        compared += len(left) * field.bits
        agreeing += len(left) * field.bits - int(differing.sum(dtype=np.int64))
        at += field.bits
    return agreeing / compared, float(abs(agreeing - compared / 2) / (np.sqrt(compared) / 2))
