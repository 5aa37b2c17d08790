"""Reading ahead: what is read next is read while the last is worked on."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

_T = TypeVar("_T")
_ITEMS = 2


def ahead(thread: Executor, items: Iterator[_T]) -> Iterator[_T]:
    """The items, none of them None, of which two are fetched before they are asked for, the first ones at once.
    `thread` runs one thing at a time."""
    return _fetched(thread, items, deque(thread.submit(next, items, None) for _ in range(_ITEMS)))


def _fetched(thread: Executor, items: Iterator[_T], waiting: deque[Future[_T | None]]) -> Iterator[_T]:
    while (item := waiting.popleft().result()) is not None:
        waiting.append(thread.submit(next, items, None))
        yield item
