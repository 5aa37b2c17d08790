"""What only the store on disk promises: durability, erasure down to the bytes, and refusing what it cannot use."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import apsw
import numpy as np
import pytest

import matcher.store
from matcher.errors import StoreError, StoreFullError
from matcher.model import FrameKind, MatchOutcome, Patch
from matcher.store.queries import QUERIES
from matcher.store.sqlite import SqliteStore
from matcher.store.sums import sum_path

from .build import Everything, alert, answer, fill, links
from .children import payload_of

_HERE = Path(matcher.store.__file__).parent


def _child(name: str, path: Path) -> "subprocess.Popen[str]":
    """A process of `children.py`, run as a file since the package's name depends on how pytest was started."""
    script = Path(__file__).with_name("children.py")
    environment = os.environ | {"PYTHONPATH": str(_HERE.parent.parent)}
    return subprocess.Popen(
        [sys.executable, str(script), name, str(path)], stdout=subprocess.PIPE, text=True, env=environment
    )


# -- durability ------------------------------------------------------------------------------------------------------


def test_everything_survives_closing_and_opening(path: Path) -> None:
    store = SqliteStore(path)
    fill(store, 4)
    store.submit("a", "r", FrameKind.CONTACTS, 7, b"x", b"digest", 1)
    store.bind("scheme", "one")
    outcome = MatchOutcome(
        3,
        next_record=6,
        record_numbers={1: np.array([0, 1]), 2: np.array([2, 3])},
        links=links((0, 1, 2.5), (1, 3, -1.0)),
        answers=[answer(0, 3)],
        alerts=[alert(1, 0, 1), alert(2)],
        emptied=[2],
    )
    store.commit_matching(outcome)
    store.acknowledge("c", 1)
    before, name = Everything.of(store), store.database_id
    store.close()
    store = SqliteStore(path)
    assert (Everything.of(store), store.database_id, store.mark("c")) == (before, name, 1)
    store.submit("a", "r", FrameKind.CONTACTS, 7, b"x", b"digest", 1)
    assert store.committed_through == 5
    with pytest.raises(StoreError, match="scheme"):
        store.bind("scheme", "two")
    store.close()


def test_what_was_acknowledged_survives_kill_9(path: Path) -> None:
    acknowledged = 0
    for _ in range(3):
        child = _child("append_for_ever", path)
        assert child.stdout is not None
        for _ in range(15):
            acknowledged = int(child.stdout.readline())
        child.kill()
        rest = child.stdout.read().split("\n")[:-1]  # the last line may be cut short
        child.stdout.close()
        child.wait()
        acknowledged = int(rest[-1]) if rest else acknowledged
        store = SqliteStore(path)
        assert store.next_offset("a", "f") in (acknowledged, acknowledged + 1)
        frames = store.frames_after(0, 10_000)
        assert [f.payload for f in frames] == [payload_of(offset) for offset in range(len(frames))]
        assert len(frames) == store.next_offset("a", "f")
        store.close()
    assert acknowledged >= 45


def test_a_full_disk_loses_nothing_acknowledged_and_ends_when_there_is_room(path: Path) -> None:
    child = _child("fill_the_disk", path)
    said = child.communicate()[0].split()
    acknowledged = int(said[0])
    assert (child.returncode, acknowledged > 5) == (0, True)
    assert said[1:] == ["full", str(acknowledged), str(acknowledged + 1)]
    store = SqliteStore(path)
    frames = store.frames_after(0, 1000)
    assert [f.payload for f in frames] == [payload_of(offset) for offset in range(acknowledged + 1)]
    store.close()


def test_a_full_disk_rolls_an_outcome_back_whole(path: Path) -> None:
    store = SqliteStore(path)
    payload = fill(store, 1, records=50)[0]
    before = Everything.of(store)
    pages = store._writer.pragma("page_count")
    store._writer.pragma("max_page_count", pages)
    outcome = MatchOutcome(
        1,
        record_numbers={1: np.arange(50)},
        links=links(*((left, left + 1, 1.0) for left in range(20_000))),
        alerts=[alert(1, 1)],
        patches=[Patch(1, 0, bytes(len(payload)))],
    )
    with pytest.raises(StoreFullError):
        store.commit_matching(outcome)
    with pytest.raises(StoreFullError):
        store.append("a", "f", 50, 1, 7, bytes(200_000), 1)
    assert Everything.of(store) == before
    store._writer.pragma("max_page_count", 1_000_000)
    store.commit_matching(outcome)
    assert (store.append("a", "f", 50, 1, 7, bytes(200_000), 1), store.matched_through) == (51, 1)
    store.close()


def test_dropped_links_are_overwritten_and_a_row_goes_with_its_last(path: Path) -> None:
    store = SqliteStore(path)
    store.commit_matching(MatchOutcome(0, links=links((0, 1, 1.0), (2, 3, 1.0), (3, 4, 1.0))))
    store.commit_matching(MatchOutcome(0, links=links((5, 6, 1.0))))
    for gone, left in (([3], [[True, False, False], [True]]), ([1], [[True]]), ([5], [])):
        store.commit_matching(MatchOutcome(0, gone=gone))
        rows = [packed for (packed,) in store._reader.execute("SELECT pairs FROM links ORDER BY id")]
        assert [[row[at : at + 20] != bytes(20) for at in range(0, len(row), 20)] for row in rows] == left
    store.close()


# -- files -----------------------------------------------------------------------------------------------------------


def test_only_the_owner_may_read_the_files(path: Path) -> None:
    before = os.umask(0)
    try:
        store = SqliteStore(path)
        fill(store)
        assert {f.name: oct(f.stat().st_mode & 0o777) for f in path.parent.iterdir()} == dict.fromkeys(
            ("matcher.db", "matcher.db-wal", "matcher.db-shm", "matcher.db.lock", "matcher.db.tally"), "0o600"
        )
        store.close()
        path.chmod(0o644)
        SqliteStore(path).close()
        assert path.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


def test_readers_do_not_wait_for_a_writer(path: Path) -> None:
    store = SqliteStore(path)
    store.commit_matching(MatchOutcome(0, alerts=[alert(1, 1)]))
    with store._writing() as writer:
        writer.execute("UPDATE alert SET members = '[]'")
        assert store.alerts_after(0, 1) == [alert(1, 1)]
        writer.execute("INSERT INTO binding VALUES ('x', 'y')")
    assert store.alerts_after(0, 1)[0].members == ()
    store.close()


def test_an_answer_is_made_of_one_moment(path: Path) -> None:
    store = SqliteStore(path)
    with store._reading() as reader:
        assert reader.execute(QUERIES["last_sequence"]).get == 0
        store.commit_matching(MatchOutcome(0, alerts=[alert(1, 1)]))
        assert reader.execute(QUERIES["last_sequence"]).get == 0
    assert store.last_sequence == 1
    store.close()


def test_a_second_store_on_the_same_file_is_refused(path: Path) -> None:
    store = SqliteStore(path)
    with pytest.raises(StoreError, match="another matcher"):
        SqliteStore(path)
    assert "another matcher" in _child("open_second", path).communicate()[0]
    store.close()
    SqliteStore(path).close()


def test_a_folder_that_is_not_there_is_refused(path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        SqliteStore(path / "deeper.db")


def _garble(path: Path, at: int, size: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xa5" * size)


def _other_application(path: Path) -> None:
    path.unlink()
    apsw.Connection(str(path)).execute("CREATE TABLE t (x); PRAGMA application_id = 7").fetchall()


@pytest.mark.parametrize("with_sum", [True, False])
@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda path: _garble(path, 0, 16), "restore a backup"),
        (lambda path: _garble(path, 0, 4096), "restore a backup"),
        (lambda path: _garble(path, 4096 * 20, 4096), "restore a backup"),
        (lambda path: os.truncate(path, 4096 * 30), "restore a backup"),
        (lambda path: path.write_text("surname,forename\n" * 500), "restore a backup"),
        (_other_application, "not a matcher's database"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused_and_left_alone(
    path: Path, harm: Callable[[Path], None], message: str, with_sum: bool
) -> None:
    store = SqliteStore(path)
    fill(store, 40, records=20)
    store.commit_matching(MatchOutcome(40, links=links(*((n, n + 1, 1.0) for n in range(5000)))))
    store.close()
    harm(path)
    if not with_sum:
        sum_path(path).unlink()
    before = path.read_bytes()
    for _ in range(2):  # and the lock is released again
        with pytest.raises(StoreError, match="restore a backup" if with_sum else message):
            SqliteStore(path)
    assert path.read_bytes() == before


def test_damage_found_while_running_is_told(path: Path) -> None:
    store = SqliteStore(path)
    fill(store, 40, records=20)
    store.close()
    store = SqliteStore(path)
    script = "import sys; f = open(sys.argv[1], 'r+b'); f.seek(4096); f.write(bytes([165]) * int(sys.argv[2]))"
    subprocess.run([sys.executable, "-c", script, path, str(path.stat().st_size - 4096)], check=True)
    with pytest.raises(StoreError, match="restore a backup"):
        store.frames_after(0, 100)
    store.close()
