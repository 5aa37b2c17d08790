"""Child processes of the store tests: `python children.py NAME PATH`; each prints what was acknowledged."""

import os
import resource
import sys
from pathlib import Path

from matcher.errors import StoreError, StoreFullError
from matcher.store.sqlite import SqliteStore

PAYLOAD_BYTES = 60_000


def payload_of(offset: int) -> bytes:
    """What is appended at an offset."""
    return (b"%08d" % offset) * (PAYLOAD_BYTES // 8)


def append_for_ever(path: Path) -> None:
    """Append records one by one and print each next offset once it is acknowledged."""
    store = SqliteStore(path)
    while True:
        offset = store.next_offset("a", "f")
        print(store.append("a", "f", offset, 1, 7, payload_of(offset), 1), flush=True)


def fill_the_disk(path: Path) -> None:
    """Append until no file may grow, then allow it again and append once more."""
    store = SqliteStore(path)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
    offset = 0
    for _ in range(100):
        try:
            offset = store.append("a", "f", offset, 1, 7, payload_of(offset), 1)
        except StoreFullError:
            break
    print(offset, flush=True)
    try:
        store.append("a", "f", offset, 1, 7, payload_of(offset), 1)
    except StoreFullError:
        print("full", flush=True)
    print(len(store.frames_after(0, 1000)), flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    print(store.append("a", "f", offset, 1, 7, payload_of(offset), 1), flush=True)
    os._exit(0)  # without closing, as if killed


def open_second(path: Path) -> None:
    """Open a database that another process holds."""
    try:
        SqliteStore(path)
    except StoreError as error:
        print(error, flush=True)


if __name__ == "__main__":
    {child.__name__: child for child in (append_for_ever, fill_the_disk, open_second)}[sys.argv[1]](Path(sys.argv[2]))
