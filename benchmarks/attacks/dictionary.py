"""Dictionary attack: encode everyone in the register, and look for the result among what is stored.

Follows Vatsalan, Christen and Verykios 2013 ("A taxonomy of privacy-preserving record linkage techniques",
dictionary attacks). Run with the linkage key (the matcher together with one agency) and without it. Ours: a person
is named by the register row that shares most block tokens with it, two at least. Global: by the nearest encoding,
if it is 0.05 nearer than the second. Cost: one encoding of the register, and a comparison of a sample with all of
it.
"""

import time

import numpy as np

from benchmarks.attacks.arena import Arena
from benchmarks.attacks.held import LINKAGE_KEY, OTHER_KEY, hold, numbered
from benchmarks.attacks.known_pairs import centred, sample_of_records
from benchmarks.attacks.matching import alone_on_top, in_parts, joined, nearest
from benchmarks.attacks.outcome import ENCODINGS, OURS, Outcome
from benchmarks.attacks.propagation import Claims

_LEAD = 0.05


def run(arena: Arena, seed: int, setting: str) -> list[Outcome]:
    """On each encoding, with the linkage key and with another."""
    outcomes = []
    for encoding in ENCODINGS:
        for key, described in ((LINKAGE_KEY, "with the linkage key"), (OTHER_KEY, "without the linkage key")):
            started = time.perf_counter()
            if encoding == OURS:
                claims, among = _by_tokens(arena, key), None
            else:
                records, among = sample_of_records(arena, seed)
                found = nearest(
                    centred(arena.bits(encoding, records)), in_parts(centred(arena.register_bits(encoding, key)))
                )
                sure = found.lead > _LEAD
                claims = arena.claims(records[sure], found.row[sure], found.lead[sure])
            seconds = time.perf_counter() - started
            outcomes.append(
                arena.outcome_of_people("dictionary", encoding, f"{setting}, {described}", claims, seconds, among=among)
            )
    return outcomes


def _by_tokens(arena: Arena, key: bytes) -> Claims:
    made = hold(arena.world.register, arena.world.scheme, key)
    both = numbered(np.concatenate([arena.held.tokens, made.tokens]))
    stored, looked_up = both[: len(arena.node_of)], both[len(arena.node_of) :]
    rows = len(looked_up)
    keys = []
    for p in range(stored.shape[1]):
        pairs = np.unique(np.stack([arena.node_of, stored[:, p]]), axis=1)
        left, right = joined(pairs[1], looked_up[:, p])
        keys.append(np.unique(pairs[0][left] * rows + right))
    pair, points = np.unique(np.concatenate(keys), return_counts=True)
    node, row = np.divmod(pair, rows)
    best = alone_on_top(node, points) & (points >= 2)
    return Claims(node[best], row[best])
