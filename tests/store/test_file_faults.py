"""Backups, restores and changes of the key that are killed, or fail, at any of the things they do to files: the
database stays as it is, and what counts as a backup or as the restored database is whole."""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from matcher.errors import StoreError
from matcher.store.backup import back_up, restore
from matcher.store.encryption import opens_with
from matcher.store.rekey import rekey
from matcher.store.sqlite import SqliteStore
from matcher.store.sums import sum_path

from .build import Everything
from .test_damage import lived

_CASE = bytes(16)
_OTHER = bytes(range(2, 34))
_STEPS = ("open", "os.rename", "os.remove", "os.chmod")


def disturbed(action: Callable[[], object], step: int, *, kills: bool) -> int:
    """Run something in a process of its own that ends, or for which a thing fails, when it turns to files for the
    `step`th time; 0 once there are no more steps."""
    process = os.fork()
    if process:
        _, status = os.waitpid(process, 0)
        return os.waitstatus_to_exitcode(status)
    left = step

    def count(event: str, _: object) -> None:
        nonlocal left
        if event in _STEPS:
            left -= 1
            if left == 0 and kills:
                os.kill(os.getpid(), signal.SIGKILL)
            if left == 0:
                raise OSError(28, "No space left on device")

    def sync(_: int) -> None:
        count("open", None)

    try:
        os.fsync = sync
        sys.addaudithook(count)
        action()
        os._exit(0 if left > 0 else 2)  # what failed may have been overcome
    except (OSError, StoreError):
        os._exit(1)
    finally:
        os._exit(3)


@pytest.fixture
def stopped(path: Path, key: bytes | None) -> Iterator[Everything]:
    """What a stopped matcher's database holds."""
    store = lived(path, key)
    expected = Everything.of(store, _CASE)
    store.close()
    yield expected
    assert held(path, key) == expected


def held(path: Path, key: bytes | None) -> Everything:
    """What a database holds."""
    store = SqliteStore(path, key)
    try:
        return Everything.of(store, _CASE)
    finally:
        store.close()


@pytest.mark.parametrize("kills", [True, False], ids=["killed", "failing"])
def test_a_restore_leaves_no_database_or_a_whole_one(
    stopped: Everything, path: Path, key: bytes | None, kills: bool
) -> None:
    back_up(path, backup := path.with_name("backup"), key)
    found, step, ended = [], 0, -1
    while ended:
        step += 1
        target = path.parent / f"{step}" / "matcher.db"
        target.parent.mkdir()
        ended = disturbed(lambda to=target: restore(backup, to, key), step, kills=kills)
        found.append(there := target.exists())
        if not there:
            restore(backup, target, key)
        assert held(target, key) == stopped
        assert ended in (0, -signal.SIGKILL if kills else 1, 2)
    assert set(found[:-1]) == {False, True}
    assert len(found) > 10


def test_a_change_of_the_key_that_fails_leaves_the_old_key_or_the_new_one(
    stopped: Everything, path: Path, key: bytes | None
) -> None:
    """`test_encryption.py` has it killed."""
    found, step, ended = [], 0, -1
    while ended:
        step += 1
        shutil.copytree(path.parent, folder := path.parent.parent / f"{step}")
        database = folder / path.name
        ended = disturbed(lambda of=database: rekey(of, key, _OTHER), step, kills=False)
        found.append(changed := opens_with(database, _OTHER))
        assert held(database, _OTHER if changed else key) == stopped
        assert ended in (0, 1, 2)
        shutil.rmtree(folder)
    assert set(found[:-1]) == {False, True}
    assert len(found) > 10


@pytest.mark.parametrize("kills", [True, False], ids=["killed", "failing"])
def test_a_backup_counts_once_it_is_whole(stopped: Everything, path: Path, key: bytes | None, kills: bool) -> None:
    counted, step, ended = [], 0, -1
    while ended:
        step += 1
        out, target = path.with_name(f"backup{step}"), path.with_name(f"{step}.db")
        ended = disturbed(lambda to=out: back_up(path, to, key), step, kills=kills)
        counted.append(sum_path(out).exists())
        if counted[-1]:
            restore(out, target, key)
            assert held(target, key) == stopped
        elif out.exists():
            with pytest.raises(StoreError, match="without its sum"):
                restore(out, target, key)
        assert ended in (0, -signal.SIGKILL if kills else 1, 2)
    assert set(counted) == {False, True}
    assert len(counted) > 5


@pytest.mark.parametrize("kills", [True, False], ids=["killed", "failing"])
def test_opening_and_closing_leaves_the_database_sound(
    stopped: Everything, path: Path, key: bytes | None, kills: bool
) -> None:
    summed, step, ended = [], 0, -1
    while ended:
        step += 1
        ended = disturbed(lambda: SqliteStore(path, key).close(), step, kills=kills)
        summed.append(sum_path(path).exists())
        assert held(path, key) == stopped
        assert ended in (0, -signal.SIGKILL if kills else 1, 2)
    assert set(summed) == {False, True}
    assert len(summed) > 5
