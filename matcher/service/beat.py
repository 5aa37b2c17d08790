"""The beat that keeps replies to agencies apart from what an agency must not learn of.

Matching shares a processor, a lock and a disk with the calls: how long one works would tell what matching has to do,
and so whether others hold the person (`python -m benchmarks replies` measures it). So whatever is done about a record
after its call, matching and telling the coordinator, begins on a beat, and no reply leaves an agency's call until
that is over. What this does not hide is in `docs/benchmarks.md`.
"""

import random
import time

BEAT_SECONDS = 0.015
_BUSY_SECONDS = 0.0065
"""Longer than matching of one record takes, erasing what it replaces included."""
_BLUR_SECONDS = 0.001
"""A reply leaves so much later at most, drawn at random: caches that matching has used make a later call a little
slower or faster."""


def to_beat() -> float:
    """Seconds until the next beat."""
    return BEAT_SECONDS - time.monotonic() % BEAT_SECONDS


def to_quiet() -> float:
    """Seconds until what began on the last beat is over, 0 if it is, and a little more, drawn at random."""
    late = random.SystemRandom().uniform(0, _BLUR_SECONDS)
    return max(_BUSY_SECONDS - time.monotonic() % BEAT_SECONDS, 0.0) + late
