"""From a few claims, many of them wrong, to nearly everyone: learn from the surest, name all, begin again.

The self-training that Vidanage, Christen, Ranbaduge and Schnell 2020 ("A graph matching attack on
privacy-preserving record linkage") leave as the step after their attack. It needs an encoding with one key; where
what a value does to the bits differs from record to record, nothing is learnt and the claims stay as bad as they
were. Cost: for each round the records times the register.
"""

from collections import Counter

import numpy as np

from benchmarks.attacks.arena import Arena
from benchmarks.attacks.encoders import CLK_FIELDS
from benchmarks.attacks.known_pairs import Learner, features
from benchmarks.attacks.matching import Floats, Ints, Nearest, nearest
from benchmarks.attacks.propagation import Claims

RECORDS = 2500
"""Records that are learnt from and named."""
LEAST_LEAD = 0.02
_COARSE = 5000
_COARSE_ROUNDS = 3
_COMMON = 350
_TAUGHT = (400, 800, 1200)


def complete_records(arena: Arena, seed: int, most: int) -> Ints:
    """At most `most` records with all fields of a CLK, drawn at random; the presence masks show which they are."""
    names = [field.name for field in arena.world.scheme.encoded]
    has = arena.held.has_field[:, [names.index(field) for field in CLK_FIELDS]].all(axis=1)
    return np.random.default_rng([seed, 4]).permutation(np.flatnonzero(has))[:most]


def refined(arena: Arena, bits: Floats, first: Nearest, count: int) -> Nearest:
    """Better claims on the first `count` of the records whose centred bits (n, b) these are, from `first` ones.

    In the first rounds all claims teach a few hundred frequent names: wrong claims cancel out where they are as good as
    random, and do no harm where they name someone alike. Then the surest teach all names.
    """
    sets = features(arena)
    often = Counter(each for row in sets for each in row)
    common = {name for name, _ in often.most_common(_COMMON)}
    coarse = [[each for each in row if each in common] for row in sets]
    found, seen = first, bits[: len(first.row)][:_COARSE]
    for _ in range(_COARSE_ROUNDS):
        found = nearest(seen, Learner(coarse, found.row[: len(seen)], seen, ridge=30.0).predicted())
    found, bits = Nearest(found.row[:count], found.likeness[:count], found.lead[:count]), bits[:count]
    for taught in _TAUGHT:
        surest = np.argsort(-found.lead)[: min(taught, len(bits) // 2)]
        found = nearest(bits, Learner(sets, found.row[surest], bits[surest]).predicted())
    return found


def claimed(arena: Arena, records: Ints, found: Nearest) -> Claims:
    """The claims that are clear enough, on people."""
    sure = found.lead > LEAST_LEAD
    return arena.claims(records[sure], found.row[sure], found.likeness[sure])
