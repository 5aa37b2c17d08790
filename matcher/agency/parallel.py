"""Work on the chunks of a file in several processes. Results come in the chunks' order, and never are more chunks held
than `held(jobs)`, so memory does not grow with the file.

Processes and not threads, since most of the work holds Python's lock. They are started afresh (no fork: gRPC has
threads), and what the work needs, keys among it, reaches them through a pipe: never as an argument, in the environment
or on disk. They end with the iteration, and when their parent does.
"""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import chain
from multiprocessing import get_context, parent_process, resource_tracker
from threading import Thread
from typing import Any, TypeVar

from matcher.agency.identity import RawBatch
from matcher.errors import WorkerError

_R = TypeVar("_R")
LEAST_ROWS = 20_000
"""Of a file with fewer, this process alone has done the work before others have started."""
_HELD_EACH = 2
"""One in hand and one ready, so that no process waits for the reader."""


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def held(jobs: int) -> int:
    """Chunks that may be waiting, in hand or done and not yet taken."""
    return _HELD_EACH * jobs


def in_order(work: Callable[[RawBatch], _R], chunks: Iterable[RawBatch], jobs: int) -> Iterator[_R]:
    """What `work`, which must be picklable, makes of each chunk. It runs in `jobs` processes, or here if that is one or
    the file is small. `WorkerError` if a process ends before its work; else what `work` raises."""
    chunks = iter(chunks)
    begun: list[RawBatch] = []
    rows = 0
    for chunk in chunks if jobs > 1 else ():
        begun.append(chunk)
        rows += len(chunk.rows)
        if rows >= LEAST_ROWS:
            break
    else:
        yield from map(work, chain(begun, chunks))
        return
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _start, (work,))
    waiting: deque[Future[_R]] = deque()
    try:
        for chunk in chain(_taken(begun), chunks):
            with _uninterrupted():
                waiting.append(pool.submit(_do, chunk))
            if len(waiting) == held(jobs):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise WorkerError("a process ended before its part of the file was tokenised") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _taken(begun: list[RawBatch]) -> Iterator[RawBatch]:
    begun.reverse()
    while begun:
        yield begun.pop()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Processes started meanwhile are not interrupted from the keyboard: who started them is, and ends them."""
    resource_tracker.ensure_running()  # it would lift the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# -- in the other process ---------------------------------------------------------------------------------------------

_work: Callable[[RawBatch], Any]


def _start(work: Callable[[RawBatch], Any]) -> None:
    global _work  # noqa: PLW0603
    _work = work
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent:
        parent.join()
    os._exit(1)


def _do(chunk: RawBatch) -> Any:
    return _work(chunk)
