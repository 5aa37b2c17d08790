"""The beat that keeps replies to agencies apart from what an agency must not learn of.

Matching shares a processor, a lock and a disk with the calls: how long one works would tell what matching has to do,
and so whether others hold the person (`python -m benchmarks replies` measures it). So whatever is done about a record
after its call, matching and telling the coordinator, begins on a beat, and no reply leaves an agency's call until
that is over. A beat waits a little for the calls in hand, so that their replies leave ahead of it. What this does not
hide is in `docs/benchmarks.md`.
"""

import random
import time
from math import inf
from threading import Condition

BEAT_SECONDS = 0.015
_BUSY_SECONDS = 0.0065
"""Longer than matching of one record takes on a machine that has nothing else to do, erasing what it replaces
included."""
_PATIENCE_SECONDS = 0.004
"""For how long a beat waits for the calls in hand: most take less."""
_LEAVING_SECONDS = 0.0005
"""What a reply takes to be on its way, mostly."""
_BLUR_SECONDS = 0.001
"""A reply that need not wait leaves so much later at most, drawn at random: caches that matching has used make a later
call a little slower or faster."""


def to_beat() -> float:
    """Seconds until the next beat."""
    return BEAT_SECONDS - time.monotonic() % BEAT_SECONDS


class Beat:
    """A matcher's beat: by the clock, but that it waits a little for the calls that are in hand by then."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._taken: dict[object, float] = {}
        """When each call in hand was taken."""
        self._number = 0.0
        """Beats of the clock so far, the last one included."""
        self._begins = inf
        """When what begins on the last beat does; not known while calls hold it up."""
        self._gone = 0.0
        """When the last call that ended is gone, its reply on its way."""

    def take(self, call: object) -> None:
        """A call is in hand, until its reply may leave or it is dropped. Replies of a call that never was, such as a
        stream that waits for what comes, may leave all the same."""
        with self._changed:
            self._taken[call] = self._look()

    def drop(self, call: object) -> None:
        """A call is in hand no more, if it was."""
        with self._changed:
            self._let_go(call, self._look())

    def begin(self) -> None:
        """Return when what begins on the next beat may."""
        time.sleep(to_beat())
        with self._changed:
            while (wait := self._until_known(self._look())) > 0:
                self._changed.wait(wait)

    def leave(self, call: object) -> None:
        """Return when a reply may leave: ahead of a beat that its call holds up, or when what began on the last one is
        over. Replies that wait for that leave together; any other leaves later by a share of the blur."""
        with self._changed:
            now = self._look()
            blurred = 0.0 if self._until_quiet(call, now) else now + random.SystemRandom().random() * _BLUR_SECONDS
            while (wait := max(self._until_quiet(call, now), blurred - now)) > 0:
                self._changed.wait(wait)
                now = self._look()
            self._let_go(call, now + _LEAVING_SECONDS)

    def _let_go(self, call: object, gone: float) -> None:
        unknown = self._begins == inf
        self._gone = max(self._gone, gone)
        self._taken.pop(call, None)
        self._look()
        if unknown and self._begins < inf:
            self._changed.notify_all()

    def _until_quiet(self, call: object, now: float) -> float:
        """Seconds until a reply may leave, or to look again; 0 if it may."""
        if self._begins < inf:
            return max(self._begins + _BUSY_SECONDS - now, 0.0)
        return 0.0 if self._holds_up(self._taken.get(call, inf)) else self._until_known(now)

    def _until_known(self, now: float) -> float:
        """Seconds until the last beat begins, or to look again while it is held up; 0 or less once it has begun."""
        return (self._begins if self._begins < inf else self._number * BEAT_SECONDS + _PATIENCE_SECONDS) - now

    def _holds_up(self, taken: float) -> bool:
        return taken < self._number * BEAT_SECONDS

    def _look(self) -> float:
        """The time, by which the last beat is known, and whether it has begun. The caller holds the lock."""
        now = time.monotonic()
        if (number := now // BEAT_SECONDS) != self._number:
            self._number, self._begins = number, inf
        if self._begins == inf:
            beat = number * BEAT_SECONDS
            if not any(map(self._holds_up, self._taken.values())):
                self._begins = max(beat, self._gone)
            elif now >= beat + _PATIENCE_SECONDS:
                self._begins = max(beat + _PATIENCE_SECONDS, self._gone)
        return now
