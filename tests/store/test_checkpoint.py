"""The log is copied into the database beside whoever writes."""

import logging
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from matcher.model import MatchOutcome, Patch
from matcher.store import checkpoint
from matcher.store.sqlite import SqliteStore

from .faulty import Disk, faulty

_SIZE = 2 << 20
"""Of a payload: more than a log holds before it is copied."""


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def _append(store: SqliteStore, offset: int) -> bytes:
    payload = os.urandom(_SIZE)
    store.append("a", "f", offset, 1, 7, payload, 1)
    return payload


def test_what_is_committed_is_copied_into_the_database_meanwhile(tmp_path: Path, key: bytes | None) -> None:
    path = tmp_path / "matcher.db"
    store = SqliteStore(path, key)
    payloads = [_append(store, number) for number in range(2)]
    _until(lambda: path.stat().st_size > 2 * _SIZE)
    assert [frame.payload for frame in store.frames_after(0, 2)] == payloads
    store.close()


def test_a_log_does_not_grow_for_ever_though_nobody_copies_it(
    tmp_path: Path, key: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "matcher.db"
    store = SqliteStore(path, key)
    monkeypatch.setattr(store._checkpoints, "_due", type("Never", (), {"set": lambda _: None})())
    for number in range(30):
        _append(store, number)
    assert path.with_name("matcher.db-wal").stat().st_size < 1.3 * checkpoint._MOST_PAGES * 4096
    monkeypatch.undo()
    store.close()


def test_what_is_erased_leaves_the_log_whoever_copies_it(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SqliteStore(path)
    with caplog.at_level(logging.WARNING):
        for number in range(10):
            secret = _append(store, number)
            store.commit_matching(MatchOutcome(number + 1, patches=[Patch(number + 1, 0, bytes(_SIZE))]))
            assert path.with_name("matcher.db-wal").stat().st_size == 0
            disk = subprocess.run(["cat", *path.parent.glob("matcher.db*")], capture_output=True, check=True).stdout
            assert secret[:16] not in disk
    assert not caplog.messages
    store.close()


def test_a_disk_that_fails_while_the_log_is_copied_costs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk, path = Disk(), tmp_path / "matcher.db"
    with faulty(disk):
        store = SqliteStore(path)
        copied = store._checkpoints._copy

        def fail() -> None:
            disk.fails_at, disk.for_good = disk.done + 1, True
            copied()
            disk.fails_at = 0

        store._checkpoints._copy = fail  # type: ignore[method-assign]
        with caplog.at_level(logging.WARNING):
            payloads = [_append(store, 0)]
            _until(lambda: "is copied into the database with a later commit (IOError)" in caplog.text)
        store._checkpoints._copy = copied  # type: ignore[method-assign]
        _until(lambda: not disk.fails_at)
        payloads.append(_append(store, 1))
        _until(lambda: path.stat().st_size > 2 * _SIZE)
        assert [frame.payload for frame in store.frames_after(0, 2)] == payloads
        store.close()
