"""A lock that is given in the order in which it is asked for, so that whoever takes it again and again keeps nobody
out, as with Python's own. What is short and urgent may go ahead of what is long, a few times in a row."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from types import TracebackType

_AHEAD = 8
"""Turns given in a row ahead of those who did not ask so."""


class Turns:
    """To be held by `with`, or by `with turns.ahead()`. Whoever holds it must not ask for it again."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._held = False
        self._ahead = 0
        """Turns given ahead since one was not."""
        self._urgent: deque[Lock] = deque()
        self._others: deque[Lock] = deque()
        """Who waits: each for a lock of its own, which is released when its turn has come."""

    @property
    def waiting(self) -> int:
        """How many wait for it."""
        with self._guard:
            return len(self._urgent) + len(self._others)

    def __enter__(self) -> None:
        self._take(self._others)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pass_on()

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """Hold it before those who did not ask so, but for the one of them who has let enough go ahead."""
        self._take(self._urgent)
        try:
            yield
        finally:
            self._pass_on()

    def _take(self, queue: deque[Lock]) -> None:
        mine = Lock()
        with self._guard:
            if not self._held:
                self._held = True
                return
            mine.acquire()
            queue.append(mine)
        try:
            mine.acquire()
        except BaseException:  # a signal's: whoever does not wait any more must not be given it
            with self._guard:
                given = mine not in queue
                if not given:
                    queue.remove(mine)
            if given:
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        with self._guard:
            in_turn = self._others and (not self._urgent or self._ahead >= _AHEAD)
            self._ahead = 0 if in_turn or not self._urgent else self._ahead + 1
            if queue := self._others if in_turn else self._urgent:
                queue.popleft().release()
            else:
                self._held = False
