"""Every write and sync that can fail, fails once; and a power cut at every one of them loses nothing acknowledged."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from matcher.errors import StoreError, StoreFullError
from matcher.model import Contact, FrameKind, MatchOutcome, Patch
from matcher.store.base import Store
from matcher.store.memory import MemoryStore
from matcher.store.sqlite import SqliteStore

from .build import Everything, alert, answer, closure, fill, links
from .faulty import Disk, faulty

_CASE = bytes(16)
Step = Callable[[Store], object]
STEPS: list[Step] = [
    lambda store: fill(store, 1, records=3),
    lambda store: store.submit("b", "r", FrameKind.CONTACTS, 7, b"contact" * 900, b"digest", 5),
    lambda store: store.commit_matching(
        MatchOutcome(
            1,
            next_record=3,
            record_numbers={1: np.array([0, 1, 2])},
            links=links((0, 1, 2.5), (1, 2, 1.0)),
            answers=[answer(0, 2)],
            alerts=[alert(1, 0, 1)],
            patches=[Patch(1, 0, b"patched")],
            contacts=[Contact(1, 3)],
            today=4,
        )
    ),
    lambda store: store.open_case(_CASE, alert(1).person_id, 7),
    lambda store: store.record_decision(_CASE, "d", frozenset({"health", "police"}), 8),
    lambda store: store.close_case(_CASE, 7, b"closing", 9),
    lambda store: store.commit_matching(
        MatchOutcome(3, emptied=[2], closures=[closure(_CASE, alert(1).person_id, 3, (0, "a"), (1, "b"))], gone=[2])
    ),
    lambda store: store.acknowledge("desk", 1),
    lambda store: store.confirm_removals("a", [b"notice  " + bytes(8)]),
]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is synced is counted by the shim; the machine's own disk need not be waited for."""
    monkeypatch.setattr("os.fsync", lambda _: None)


def states() -> list[Everything]:
    """What a store tells before the first step and after each."""
    truth = MemoryStore()
    found = [Everything.of(truth, _CASE)]
    for step in STEPS:
        step(truth)
        found.append(Everything.of(truth, _CASE))
    return found


def points(folder: Path, key: bytes | None = None) -> int:
    """How many writes and syncs all steps take."""
    disk = Disk()
    with faulty(disk):
        store = SqliteStore(folder / "matcher.db", key)
        before = disk.done
        for step in STEPS:
            step(store)
        taken = disk.done - before
        store.close()
    return taken


def test_a_disk_that_fails_once_loses_nothing_and_the_step_can_be_taken_again(tmp_path: Path) -> None:
    expected, failed = states(), 0
    (tmp_path / "count").mkdir()
    count = points(tmp_path / "count")
    assert count > 60
    for point in range(1, count + 1):
        folder = tmp_path / str(point)
        folder.mkdir()
        disk = Disk()
        with faulty(disk):
            store = SqliteStore(folder / "matcher.db")
            disk.fails_at = disk.done + point
            for number, step in enumerate(STEPS):
                try:
                    step(store)
                except (StoreError, StoreFullError):
                    failed += 1
                    assert Everything.of(store, _CASE) == expected[number]
                    step(store)
                assert Everything.of(store, _CASE) == expected[number + 1]
            store.close()
        store = SqliteStore(folder / "matcher.db")
        assert Everything.of(store, _CASE) == expected[-1]
        store.close()
    assert failed > count / 3  # the others failed while a log was copied, which is done again later


@pytest.mark.parametrize("copied_beside", [False, True])
def test_a_power_cut_at_any_write_loses_nothing_acknowledged(
    tmp_path: Path, key: bytes | None, copied_beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`copied_beside`: a thread copies the log after every commit, as it else does after a feed's frame."""
    if copied_beside:
        monkeypatch.setattr("matcher.store.checkpoint._PAGES", 1)
        monkeypatch.setattr("matcher.beat.Beat.begin", lambda self: None)
    expected = states()
    (tmp_path / "count").mkdir()
    for point in range(1, points(tmp_path / "count", key) + 1):
        folder = tmp_path / str(point)
        folder.mkdir()
        disk = Disk(for_good=True)
        acknowledged = 0
        with faulty(disk):
            store = SqliteStore(folder / "matcher.db", key)
            disk.fails_at = disk.done + point
            try:
                for step in STEPS:
                    step(store)
                    acknowledged += 1
            except (StoreError, StoreFullError):
                pass
            left = disk.crash(folder / "matcher.db", folder / "after", point)
            disk.fails_at = 0
            store.close()
        store = SqliteStore(left, key)
        # a step in hand at the cut may be there whole; nothing else may be
        assert Everything.of(store, _CASE) in expected[acknowledged : acknowledged + 2]
        store.close()
