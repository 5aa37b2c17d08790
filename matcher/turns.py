"""A lock that is given in the order in which it is asked for: who takes it again and again cannot keep others out, as
with Python's own."""

from collections import deque
from threading import Lock
from types import TracebackType


class Turns:
    """To be held by `with`; whoever holds it must not ask for it again."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._queue: deque[Lock] = deque()
        """Who holds it, then those who wait, each for a lock of its own to be released."""

    def __enter__(self) -> None:
        mine = Lock()
        with self._guard:
            self._queue.append(mine)
            if len(self._queue) == 1:
                return
            mine.acquire()
        mine.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._guard:
            self._queue.popleft()
            if self._queue:
                self._queue[0].release()
