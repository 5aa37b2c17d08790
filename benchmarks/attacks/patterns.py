"""Pattern mining: which bits are set together, how often, and which clear text is as frequent?

Follows Christen, Vatsalan, Ranbaduge and Schnell 2018 ("Pattern-mining based cryptanalysis of Bloom filters for
privacy-preserving record linkage") and Vidanage, Ranbaduge, Christen and Schnell 2019 ("Efficient pattern mining
based cryptanalysis for privacy-preserving record linkage", what a pattern explains is put aside before the next is
mined). Patterns are aligned with bigrams and whole values by how often each occurs and two occur together; records
are named by the patterns they have; then the bits are learnt from the surest claims, again and again.

The attacker knows a register only. Cost: a pass over a sample's bits for each bit and pattern, then a few rounds of
learning.
"""

import time
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.attacks.arena import Arena
from benchmarks.attacks.encoders import CLK_FIELDS, incidence
from benchmarks.attacks.known_pairs import centred, features
from benchmarks.attacks.matching import Floats, Ints, Nearest, in_parts, nearest
from benchmarks.attacks.outcome import CLK, ENCODINGS, MINHASH, Outcome
from benchmarks.attacks.propagation import Claims
from benchmarks.attacks.refinement import RECORDS, claimed, complete_records, refined
from matcher.scheme import LinkageScheme

_MINED = 20_000
_GROWN = 5000
_GROWN_IN_OURS = 2000
"""Records that are mined, for repeated values and for bits that are set together; more would hardly change how often a
pattern occurs. Ours has the bits of every pass."""
_LEAST_SHARE = 0.02
_LEAST_REPEATED = 0.003
_LEAST_BITS = 8
_PATTERNS = 160
_NAMES = 400
_LEAST_PATTERNS = 10
"""Fewer are not enough to name anyone by."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Bits that are set together, and which records set them all (n,); `field` where all are of one."""

    bits: frozenset[int]
    members: NDArray[np.bool_]
    field: str = ""


def mined(bits: NDArray[np.bool_]) -> list[Pattern]:
    """Patterns of bits (n, b): from each bit grow the set that is set together, put aside what it explains, again."""
    count = len(bits)
    share = bits.mean(axis=0)
    spread = np.sqrt(share * (1 - share)) + 1e-9
    least = max(_LEAST_SHARE * count, 40)
    found: dict[frozenset[int], Pattern] = {}
    for start in range(bits.shape[1]):
        left = bits[:, start].copy()
        for each in found.values():
            if start in each.bits:
                left &= ~each.members
        while left.sum() >= least:
            pattern = _grown(bits, left, start, share, spread, least)
            if pattern is None:
                break
            found[pattern.bits] = pattern
            left &= ~pattern.members
    return list(found.values())


def _grown(
    bits: NDArray[np.bool_], left: NDArray[np.bool_], start: int, share: Floats, spread: Floats, least: float
) -> Pattern | None:
    chosen, members = [start], left
    for _ in range(_LEAST_BITS - 1):
        within = bits[members].mean(axis=0)
        closed = np.flatnonzero(within > 0.99)
        if len(chosen) >= 4 and len(closed) >= _LEAST_BITS:
            return Pattern(frozenset(closed.tolist()), bits[:, closed].sum(axis=1) == len(closed))
        lift = (within - share) / spread
        lift[chosen] = -np.inf
        chosen.append(int(lift.argmax()))
        members = members & bits[:, chosen[-1]]
        if members.sum() < least:
            return None
    return None


def repeated(bits: NDArray[np.uint8], scheme: LinkageScheme) -> list[Pattern]:
    """Patterns of one pass or of whole signatures (n, b): the bits of a field that many records have alike."""
    found, at = [], 0
    for field in scheme.encoded:
        part = np.packbits(bits[:, at : at + field.bits] == 1, axis=1)
        if field.name in CLK_FIELDS:
            alike = np.ascontiguousarray(part).view(f"V{part.shape[1]}")[:, 0]
            _, group = np.unique(alike, return_inverse=True)
            present = bits[:, at] != 2
            often = np.flatnonzero(np.bincount(group[present]) >= max(_LEAST_REPEATED * len(bits), 40))
            found += [Pattern(frozenset(), np.equal(group, each) & present, field.name) for each in often]
        at += field.bits
    return found


def aligned(held: Floats, known: Floats, allowed: NDArray[np.bool_]) -> tuple[Ints, float]:
    """For each pattern (a column of `held`, (R, m)) the name (a column of `known`, (Q, n)) it fits, -1 if none does,
    and how badly they fit on average. Start from each likely first pair, add the pair that fits best, keep the best."""
    both, other = held.T @ held / len(held), known.T @ known / len(known)
    often, expected = np.diag(both), np.diag(other)
    spread = np.sqrt(other * (1 - other) / len(held)) + 0.02 * other + 2 / len(held)
    alone = np.where(allowed, np.abs(often[:, None] - expected) / np.diag(spread), np.inf)
    best, least = np.full(len(often), -1, np.int64), np.inf
    for first in np.argsort(-often)[:6]:
        for name in np.argsort(alone[first])[:8]:
            chosen, cost = _extended(both, other, spread, alone, (int(first), int(name)))
            if cost < least:
                best, least = chosen, cost
    return best, least


def _extended(both: Floats, other: Floats, spread: Floats, alone: Floats, first: tuple[int, int]) -> tuple[Ints, float]:
    chosen = np.full(len(both), -1, np.int64)
    total = alone**2
    paid = []
    pattern, name = first
    for step in range(len(both)):
        chosen[pattern] = name
        paid.append(min(float(total[pattern, name]) / (step + 1), 25.0))
        misfit = (both[:, pattern, None] - other[name]) / spread[name]
        total = total + np.minimum(misfit**2, 25)
        free = np.where((chosen < 0)[:, None], total, np.inf)
        free[:, chosen[chosen >= 0]] = np.inf
        two = np.partition(free, 1, axis=1)[:, :2]
        open_to = np.isfinite(two).all(axis=1)
        if not open_to.any():
            break
        sure = np.full(len(two), -np.inf)
        sure[open_to] = two[open_to, 1] - two[open_to, 0] - two[open_to, 0] / (step + 2)
        pattern = int(sure.argmax())
        name = int(free[pattern].argmin())
    return chosen, float(np.mean(paid))


def run(arena: Arena, seed: int, setting: str) -> list[Outcome]:
    """On each encoding; of ours, each pass is mined by itself, since its bits mean something of their own."""
    outcomes = []
    for encoding in ENCODINGS:
        started = time.perf_counter()
        records = complete_records(arena, seed, _MINED)
        bits = arena.bits(encoding, records)
        patterns = _patterns(arena, encoding, bits)
        claims = Claims(np.empty(0, np.int64), np.empty(0, np.int64))
        if len(patterns) >= _LEAST_PATTERNS:
            shown = centred(bits[:_GROWN])
            first = _named(arena, patterns[:_PATTERNS], len(shown))
            records = records[:RECORDS]
            claims = claimed(arena, records, refined(arena, shown, first, RECORDS))
        seconds = time.perf_counter() - started
        outcomes.append(
            arena.outcome_of_people(
                "pattern mining",
                encoding,
                setting,
                claims,
                seconds,
                among=arena.node_of[records],
                measures={"patterns": len(patterns)},
            )
        )
    return outcomes


def _patterns(arena: Arena, encoding: str, bits: NDArray[np.uint8]) -> list[Pattern]:
    """All patterns, the most frequent first."""
    if encoding == MINHASH:
        found = repeated(bits, arena.world.scheme)
    elif encoding == CLK:
        found = mined(bits[:_GROWN] == 1)
    else:
        width = arena.world.scheme.encoding_bytes * 8
        parts = [bits[:, at : at + width] for at in range(0, bits.shape[1], width)]
        found = [
            each for part in parts for each in (*mined(part[:_GROWN_IN_OURS] == 1), *repeated(part, arena.world.scheme))
        ]
    return sorted(found, key=lambda each: -each.members.sum())


def _named(arena: Arena, patterns: list[Pattern], count: int) -> Nearest:
    """For the first `count` records, the register row whose names fit the patterns best."""
    sets = features(arena)
    often = Counter(each for row in sets for each in row)
    fields = {each.field for each in patterns}
    names = [name for name, _ in often.most_common() if fields == {""} or name.partition("=")[0] in fields][:_NAMES]
    known = incidence(sets, names)
    _, first = np.unique(known, axis=1, return_index=True)
    names = [names[i] for i in np.sort(first)]
    shown: Floats = known[:, np.sort(first)].astype(np.float32)
    held = np.stack([each.members for each in patterns], axis=1).astype(np.float32)
    allowed = np.array([[each.field in ("", name.partition("=")[0]) for name in names] for each in patterns])
    name, _ = aligned(held, shown, allowed)
    used = name >= 0
    chosen = shown[:, name[used]]
    mean = chosen.mean(axis=0)
    spread = np.sqrt(mean * (1 - mean)) + np.float32(1e-6)
    return nearest((held[:count, used] - mean) / spread, in_parts((chosen - mean) / spread))
