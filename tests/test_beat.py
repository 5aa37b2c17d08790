"""Replies leave while nothing works that they must not show, in a time that is simulated."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Lock, Thread
from types import SimpleNamespace
from unittest import mock

from hypothesis import example, given, settings
from hypothesis import strategies as st

from matcher import beat
from matcher.beat import BEAT_SECONDS, Beat

_LITTLE = 1e-6
_BUSY, _PATIENCE = beat._BUSY_SECONDS, beat._PATIENCE_SECONDS
_LEAVING, _BLUR = beat._LEAVING_SECONDS, beat._BLUR_SECONDS


class _Actor:
    def __init__(self, world: "_World", begins: float, act: Callable[[], None]) -> None:
        self.due = begins
        self.mine = Lock()
        self.mine.acquire()
        self.ended = False

        def run() -> None:
            self.mine.acquire()
            try:
                act()
            finally:
                self.ended = True
                world.turn.release()

        self.thread = Thread(target=run, daemon=True)


@dataclass(frozen=True)
class _Ended:
    came: float
    done: float
    left: float
    taken: bool
    answered: bool


class _World:
    """Threads that run one at a time, each until it waits, in the order of what they wait for; it stands in for the
    module `time` and for a condition."""

    def __init__(self) -> None:
        self.now = 0.0
        self.turn = Lock()
        self.turn.acquire()
        self._actors: list[_Actor] = []
        self._listening: list[_Actor] = []

    def at(self, moment: float, act: Callable[[], None]) -> None:
        self._actors.append(_Actor(self, moment, act))

    def run(self) -> None:
        for actor in self._actors:
            actor.thread.start()
        while going := [actor for actor in self._actors if not actor.ended]:
            self._running = min(going, key=lambda actor: actor.due)
            self.now = max(self.now, self._running.due)
            self._running.mine.release()
            self.turn.acquire()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        me = self._running
        me.due = self.now + max(seconds, 0.0) + _LITTLE / 10  # nothing wakes too early
        self.turn.release()
        me.mine.acquire()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def wait(self, seconds: float) -> None:
        me = self._running
        self._listening.append(me)
        self.sleep(seconds)
        self._listening.remove(me)

    def notify_all(self) -> None:
        for actor in self._listening:
            actor.due = self.now


_MOMENTS = st.floats(10.0, 10.0 + 6 * BEAT_SECONDS)
_CALLS = st.lists(st.tuples(_MOMENTS, st.floats(0.0, 0.008), st.booleans(), st.booleans()), max_size=12)
"""When each comes, how long it works, whether it is taken, and whether it is answered."""
_AHEAD = 670 * BEAT_SECONDS - 0.001


@settings(max_examples=300, deadline=None)
@given(calls=_CALLS, works=st.lists(_MOMENTS, max_size=6), late=st.floats(0, 1))
@example([(_AHEAD, 0.0048, True, True), (_AHEAD, 0.008, True, True)], [_AHEAD], 0.0)  # one leaves as patience ends
@example([(_AHEAD, 0.003, True, False)], [_AHEAD], 0.0)
def test_no_reply_leaves_while_what_begins_on_a_beat_may_work(
    calls: list[tuple[float, float, bool, bool]], works: list[float], late: float
) -> None:
    world = _World()
    begun: list[float] = []
    ended: list[_Ended] = []

    def call(works: float, taken: bool, answered: bool) -> None:
        came, me = world.now, object()
        if taken:
            kept.take(me)
        world.sleep(works)
        done = world.now
        if answered:
            kept.leave(me)
        else:
            kept.drop(me)
        ended.append(_Ended(came, done, world.now, taken, answered))

    def work() -> None:
        kept.begin()
        begun.append(world.now)

    stand_in = SimpleNamespace(SystemRandom=lambda: SimpleNamespace(random=lambda: late))
    with mock.patch.multiple(beat, time=world, Condition=lambda: world, random=stand_in):
        kept = Beat()
        for came, *how in calls:
            world.at(came, partial(call, *how))
        for moment in works:
            world.at(moment, work)
        world.run()
    assert len(begun) == len(works)
    assert not kept._taken
    for moment in begun:
        on = moment - moment % BEAT_SECONDS
        waited_for = [each.left for each in ended if each.left <= on or (each.taken and each.came < on)]
        assert on <= moment <= min(max([on, *waited_for]), on + _PATIENCE) + _LEAVING + _LITTLE
        for each in ended:
            assert not each.answered or not moment - _LEAVING + _LITTLE < each.left < moment + _BUSY - _LITTLE
    for each in ended:
        waited = each.left - each.done
        assert 0 <= waited <= _PATIENCE + _LEAVING + _BUSY + _BLUR + _LITTLE
        since = each.came % BEAT_SECONDS
        came_in_quiet = since > _PATIENCE + _LEAVING + _BUSY + _LITTLE
        if each.taken and came_in_quiet and each.done - each.came + since < BEAT_SECONDS + _PATIENCE - _BLUR - _LITTLE:
            assert waited <= _BLUR + _LITTLE  # a beat that comes meanwhile waits for it
    # on one beat all begins at once
    assert len({round(moment, 5) for moment in begun}) == len({moment // BEAT_SECONDS for moment in begun})
