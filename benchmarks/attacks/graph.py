"""Graph matching: who is who by nothing but how alike records are to each other?

Follows Vidanage, Christen, Ranbaduge and Schnell 2020 ("A graph matching attack on privacy-preserving record
linkage", a graph of similarities of encoded records against one of clear-text records) and, for the matching
itself, Schaefer, Armknecht and Heng 2024 ("R+R: Revisiting graph matching attacks on privacy-preserving record
linkage": nodes are embedded, the embeddings aligned without seeds). The attacker encodes a register with a key of
its own, which gives about the same similarities. Both graphs are embedded by the leading eigenvectors of their
similarities, turned to the same directions (`spectral`), and each record is named by the nearest row. What follows
depends on what can be compared: under a global key the bits are learnt from the claims (`refinement`); in ours the
surest claims are the seeds of `propagation`, on one and on two known tokens.

The attacker knows another sample of the population, `overlap` of it the same people. Cost: an eigenvalue problem of
the bits, then the sample times the register for each round; ours: a product with the sparse graph for each of some
dozen rounds.
"""

import time

import numpy as np

from benchmarks.attacks.arena import Arena
from benchmarks.attacks.encoders import CLK_FIELDS
from benchmarks.attacks.held import OTHER_KEY, Held, differing_bits, hold
from benchmarks.attacks.known_pairs import centred
from benchmarks.attacks.matching import Floats, Ints, Nearest, in_parts, joined, nearest
from benchmarks.attacks.outcome import CLK, ENCODINGS, OURS, Outcome
from benchmarks.attacks.propagation import Claims, propagate
from benchmarks.attacks.refinement import LEAST_LEAD, RECORDS, claimed, complete_records, refined
from benchmarks.attacks.spectral import independent, principal, same_directions
from matcher.scheme import LinkageScheme

_DIMENSIONS = 40
_DIRECTIONS = 20
_EMBEDDED = 12_000
_SUREST = 150
_ROUNDS = 30
_LARGEST_BLOCK = 200
_STARTS = 4
_LIKE = 0.8
"""Mean likeness of records to the rows they are named by that only right claims reach: the attacker stops there."""


def run(arena: Arena, seed: int, setting: str) -> list[Outcome]:
    """On each encoding."""
    outcomes = []
    for encoding in ENCODINGS:
        started = time.perf_counter()
        if encoding == OURS:
            claims, among = _in_blocks(arena, seed), None
        else:
            claims, among = _everywhere(arena, encoding, seed)
        seconds = time.perf_counter() - started
        outcomes.append(arena.outcome_of_people("graph matching", encoding, setting, claims, seconds, among=among))
    return outcomes


def _everywhere(arena: Arena, encoding: str, seed: int) -> tuple[Claims, Ints]:
    """Claims on a sample of people, where every two records can be compared."""
    rng = np.random.default_rng([seed, 7])
    records = complete_records(arena, seed, _EMBEDDED)
    bits = _shared_fields(arena, encoding, centred(arena.bits(encoding, records)))
    known = _shared_fields(arena, encoding, centred(arena.register_bits(encoding, OTHER_KEY)))
    mine, other = principal(bits, _DIMENSIONS), principal(known, _DIMENSIONS)
    best = refined(arena, bits, _laid_over(mine, other, rng), RECORDS)
    for _ in range(1, _STARTS):
        if best.likeness.mean() > _LIKE:
            break
        found = refined(arena, bits, _laid_over(mine, other, rng), RECORDS)
        best = max(best, found, key=lambda each: float(each.likeness.mean()))
    return claimed(arena, records[:RECORDS], best), np.unique(arena.node_of[records[:RECORDS]])


def _shared_fields(arena: Arena, encoding: str, bits: Floats) -> Floats:
    """Of a MinHash the bits of those fields that all chosen records have; a CLK is one whole."""
    fields = arena.world.scheme.encoded
    if encoding == CLK:
        return bits
    result: Floats = bits[:, np.repeat([field.name in CLK_FIELDS for field in fields], [each.bits for each in fields])]
    return result


def _in_blocks(arena: Arena, seed: int) -> Claims:
    """Claims on people, where only rows of a block can be compared: the surest, and whom they lead to."""
    rng = np.random.default_rng([seed, 7])
    scheme = arena.world.scheme
    mine = embedded(arena.held, scheme, rng)
    other = embedded(hold(arena.world.register, scheme, OTHER_KEY), scheme, rng)
    found = _laid_over(mine, other, rng)
    everyone = np.arange(len(found.row))
    sure = np.argsort(-found.lead)[:_SUREST]
    sure = sure[found.lead[sure] > LEAST_LEAD]
    seeds = _one_to_one(arena.claims(everyone[sure], found.row[sure], found.lead[sure]))
    return propagate(arena.board, seeds, accept_on=1) if len(seeds.node) else seeds


def _one_to_one(claims: Claims) -> Claims:
    _, once = np.unique(claims.row, return_index=True)
    return Claims(claims.node[once], claims.row[once])


def _laid_over(mine: Floats, other: Floats, rng: np.random.Generator) -> Nearest:
    """Name rows of one embedding by those of another; each white, (n, d)."""
    held, known = independent(mine, rng), independent(other, rng)
    left, right = same_directions(held, known)
    left, right = left[:_DIRECTIONS], right[:_DIRECTIONS]
    return nearest_in_samples(held[:, left], known[:, right])


def nearest_in_samples(left: Floats, right: Floats) -> Nearest:
    """`nearest` of many rows, in parts."""
    parts = [nearest(part, in_parts(right)) for part in in_parts(left)]
    return Nearest(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("row", "likeness", "lead")))


def embedded(held: Held, scheme: LinkageScheme, rng: np.random.Generator) -> Floats:
    """(R, d) leading eigenvectors of the graph of likeness within blocks, white."""
    left, right, weight = edges(held, scheme)
    count = len(held.blocks)
    degree = np.bincount(left, weight, count) + 1.0
    weight = (weight / np.sqrt(degree[left] * degree[right])).astype(np.float32)
    order = np.argsort(left, kind="stable")
    left, right, weight = left[order], right[order], weight[order]
    starts = np.flatnonzero(np.diff(left, prepend=-1))
    basis = np.linalg.qr(rng.normal(size=(count, _DIMENSIONS)))[0].astype(np.float32)
    for _ in range(_ROUNDS):
        # the graph, with a loop at each node so that no direction turns round at each step
        spread = basis.copy()
        spread[left[starts]] += np.add.reduceat(basis[right] * weight[:, None], starts, axis=0)
        basis = np.linalg.qr(spread - spread.mean(axis=0))[0]
    result: Floats = basis * np.float32(np.sqrt(count))
    return result


def edges(held: Held, scheme: LinkageScheme) -> tuple[Ints, Ints, Floats]:
    """Pairs of rows of a block, both ways round, and the share of their bits that agree beyond chance, 0 to 1."""
    lefts, rights, weights = [], [], []
    for p in range(held.blocks.shape[1]):
        blocks = held.blocks[:, p]
        size = np.bincount(blocks[blocks >= 0], minlength=int(blocks.max(initial=0)) + 1)
        usable = np.where((blocks >= 0) & (size[blocks] <= _LARGEST_BLOCK), blocks, -1)
        left, right = joined(usable, usable)
        left, right = left[left != right], right[left != right]
        differing = differing_bits(held.encodings[left, p], held.encodings[right, p], scheme)
        both = held.has_field[left] & held.has_field[right]
        bits = np.array([field.bits for field in scheme.encoded])
        alike = 1 - 2 * (differing * both).sum(axis=1) / np.maximum((bits * both).sum(axis=1), 1)
        lefts.append(left)
        rights.append(right)
        weights.append(np.maximum(alike, 0.01))
    return np.concatenate(lefts), np.concatenate(rights), np.concatenate(weights).astype(np.float32)
