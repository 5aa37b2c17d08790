"""Reading ahead: what is read next is read while the last is worked on."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import TypeVar

_T = TypeVar("_T")
_ITEMS = 2


def ahead(thread: Executor, items: Iterator[_T]) -> Iterator[_T]:
    """The items, none of them None, of which two are fetched before they are asked for. `thread` runs one thing at a
    time."""
    waiting = deque(thread.submit(next, items, None) for _ in range(_ITEMS))
    while (item := waiting.popleft().result()) is not None:
        waiting.append(thread.submit(next, items, None))
        yield item
