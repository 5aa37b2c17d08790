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
"""Longer than matching of one record takes on a machine that has nothing else to do, erasing what it replaces
included."""
_LEAVING_SECONDS = 0.0005
"""What a reply takes to be on its way, mostly."""
_BLUR_SECONDS = 0.001
"""A reply that need not wait leaves so much later at most, drawn at random: caches that matching has used make a later
call a little slower or faster."""


def to_beat() -> float:
    """Seconds until the next beat."""
    return BEAT_SECONDS - time.monotonic() % BEAT_SECONDS


def to_quiet() -> float:
    """Seconds until a reply may leave: what began on the last beat is over, and it is gone before the next one."""
    return quiet_from(time.monotonic() % BEAT_SECONDS, random.SystemRandom().random())


def quiet_from(passed: float, late: float) -> float:
    """As `to_quiet`, so many seconds after a beat. Replies that wait leave together; any other leaves later by a share
    (`late`, 0 to 1) of the blur."""
    last = BEAT_SECONDS - _LEAVING_SECONDS
    if passed > last:
        passed -= BEAT_SECONDS
    if passed < _BUSY_SECONDS:
        return _BUSY_SECONDS - passed
    return late * min(_BLUR_SECONDS, last - passed)
