"""Backups taken while others write, restored, and refused when a single byte of them is not what was written."""

import hashlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from matcher.errors import StoreError
from matcher.model import MatchOutcome
from matcher.store.backup import back_up, restore
from matcher.store.sqlite import SqliteStore
from matcher.store.sums import sum_path

from ..factory import ANNA, BORIS, CHLOE, Sighting
from ..world import World
from .build import Everything, alert, answer, fill, links

_PAGE = 4096


@pytest.fixture
def filled(path: Path, key: bytes | None) -> Iterator[SqliteStore]:
    """A store with something in every table that matching fills."""
    store = SqliteStore(path, key)
    fill(store, 3)
    outcome = MatchOutcome(
        2,
        record_numbers={1: np.array([0, 1])},
        links=links((0, 1, 2.5)),
        answers=[answer(0, 1)],
        alerts=[alert(1, 0, 1)],
    )
    store.commit_matching(outcome)
    store.open_case(bytes(16), alert(1).person_id, 5)
    yield store
    store.close()


def in_a_child(database: Path, out: Path, key: bytes | None = None) -> None:
    """Back up from a process of its own, as the command does: closing a file here would drop SQLite's locks."""
    script = (
        "import sys, pathlib; from matcher.store.backup import back_up\n"
        "back_up(*map(pathlib.Path, sys.argv[1:3]), bytes.fromhex(sys.argv[3]) or None)"
    )
    subprocess.run([sys.executable, "-c", script, database, out, (key or b"").hex()], check=True)


def test_a_backup_is_the_database_of_one_moment_though_others_write(
    filled: SqliteStore, tmp_path: Path, key: bytes | None
) -> None:
    stop = threading.Event()

    def append() -> None:
        while not stop.is_set():
            fill(filled, 1, records=3, agency="b")

    writer = threading.Thread(target=append)
    writer.start()
    try:
        for n in range(3):
            before = filled.committed_through
            in_a_child(tmp_path / "matcher.db", tmp_path / f"backup{n}", key)
            after = filled.committed_through
            restored = tmp_path / f"restored{n}" / "matcher.db"
            restored.parent.mkdir()
            restore(tmp_path / f"backup{n}", restored, key)
            store = SqliteStore(restored, key)
            assert before <= store.committed_through <= after
            assert store.next_offset("b", "f") == 3 * (store.committed_through - 3)
            assert (store.database_id, store.alerts_after(0, 9)) == (filled.database_id, filled.alerts_after(0, 9))
            store.close()
    finally:
        stop.set()
        writer.join()


def test_a_backup_larger_than_the_cache_has_sound_pages(filled: SqliteStore, tmp_path: Path, key: bytes | None) -> None:
    fill(filled, 80, records=400)  # most of it still in the log, where pages have no checksum yet
    in_a_child(tmp_path / "matcher.db", tmp_path / "backup", key)
    assert (tmp_path / "backup").stat().st_size > 2_500_000
    restored = tmp_path / "restored" / "matcher.db"
    restored.parent.mkdir()
    restore(tmp_path / "backup", restored, key)
    store = SqliteStore(restored, key)
    assert Everything.of(store, bytes(16)) == Everything.of(filled, bytes(16))
    store.close()


def test_a_backup_of_a_stopped_matcher_is_everything_and_private(
    filled: SqliteStore, tmp_path: Path, key: bytes | None
) -> None:
    expected = Everything.of(filled, bytes(16))
    filled.close()
    out, restored = tmp_path / "backup", tmp_path / "elsewhere.db"
    back_up(tmp_path / "matcher.db", out, key)
    assert {each.stat().st_mode & 0o777 for each in (out, sum_path(out))} == {0o600}
    restore(out, restored, key)
    assert {each.name for each in tmp_path.iterdir()} == {
        *("matcher.db", "matcher.db.lock", "matcher.db.sum", "matcher.db.tally", "backup", "backup.sum"),
        *("elsewhere.db", "elsewhere.db.lock", "elsewhere.db.sum"),
    }
    assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}
    store = SqliteStore(restored, key)
    assert Everything.of(store, bytes(16)) == expected
    store.close()


def damages(content: bytes) -> Iterator[bytes]:
    """The content with one byte of each page changed, one page zeroed, or cut at each page."""
    generator = np.random.default_rng(7)
    for start in range(0, len(content), _PAGE):
        at = start + int(generator.integers(_PAGE))
        yield content[:at] + bytes([content[at] ^ int(generator.integers(1, 256))]) + content[at + 1 :]
        yield content[:start]
    yield content[:-1]
    yield content + b"\0"


def test_every_damage_to_a_file_at_rest_is_refused(filled: SqliteStore, tmp_path: Path, key: bytes | None) -> None:
    database, out, target = tmp_path / "matcher.db", tmp_path / "backup", tmp_path / "target.db"
    filled.close()
    back_up(database, out, key)
    refusals: list[tuple[Path, Callable[[], object]]] = [
        (database, lambda: SqliteStore(database, key)),
        (out, lambda: restore(out, target, key)),
    ]
    for file, use in refusals:
        content = file.read_bytes()
        for damaged in damages(content):
            file.write_bytes(damaged)
            with pytest.raises(StoreError, match=r"is damaged.*restore a backup"):
                use()
            assert file.read_bytes() == damaged
        assert len(content) > 30 * _PAGE
        file.write_bytes(content)
        assert not target.exists()
    restore(out, target, key)
    SqliteStore(database, key).close()


def test_a_database_that_lost_its_file_is_not_begun_anew(filled: SqliteStore, path: Path, key: bytes | None) -> None:
    filled.close()
    path.unlink()
    with pytest.raises(StoreError, match="is damaged"):
        SqliteStore(path, key)
    assert not path.exists()


def test_a_sum_stands_only_while_the_file_is_at_rest(path: Path) -> None:
    store = SqliteStore(path)
    assert not sum_path(path).exists()
    store.close()
    assert sum_path(path).exists()
    store = SqliteStore(path)
    assert not sum_path(path).exists()
    store.close()


def test_a_sum_is_what_sha256sum_says_and_one_of_before_still_counts(path: Path) -> None:
    SqliteStore(path).close()
    content = path.read_bytes()
    assert sum_path(path).read_text() == hashlib.sha256(content).hexdigest() + "\n"
    for data, sound in ((content, True), (content + b"x", False)):
        sum_path(path).write_bytes(hashlib.blake2b(data, digest_size=32).digest())
        if sound:
            SqliteStore(path).close()
        else:
            with pytest.raises(StoreError, match="is damaged"):
                SqliteStore(path)


def test_a_disk_without_room_for_a_sum_still_closes(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    store = SqliteStore(path)
    monkeypatch.setattr("matcher.store.sqlite.write_sum", full)
    store.close()
    assert "closed without a sum (No space left on device)" in caplog.text
    SqliteStore(path).close()


def test_what_must_not_be_overwritten_or_trusted_is_refused(
    filled: SqliteStore, tmp_path: Path, key: bytes | None
) -> None:
    database, out = tmp_path / "matcher.db", tmp_path / "backup"
    with pytest.raises(StoreError, match="is open in another matcher"):
        restore(out, database, key)
    filled.close()
    back_up(database, out, key)
    with pytest.raises(StoreError, match="is there already"):
        back_up(database, out, key)
    with pytest.raises(StoreError, match="is not there"):
        back_up(tmp_path / "nothing.db", tmp_path / "other")
    with pytest.raises(StoreError, match="move it aside first"):
        restore(out, database)
    for end in ("-wal", "-shm", "-journal"):  # of a database that was lost: it would be played into this one
        left = tmp_path / f"new.db{end}"
        left.touch()
        with pytest.raises(StoreError, match="move it aside first"):
            restore(out, tmp_path / "new.db", key)
        left.unlink()
    sum_path(out).unlink()
    with pytest.raises(StoreError, match="not restored without its sum"):
        restore(out, tmp_path / "new.db")
    (tmp_path / "foreign").write_text("surname,forename\n" * 500)
    with pytest.raises(StoreError, match="restore a backup"):
        back_up(tmp_path / "foreign", tmp_path / "other")
    assert not {"other", "other.sum", "new.db", "new.db.restoring"} & {each.name for each in tmp_path.iterdir()}


def test_feeds_sent_again_after_a_restore_lead_to_the_same_alerts_and_no_others(tmp_path: Path) -> None:
    def early(world: World) -> None:
        world.send("police", Sighting("p", ANNA), Sighting("p2", BORIS))
        world.send("hospital", Sighting("h", ANNA))

    def late(world: World) -> None:
        world.send("hospital", Sighting("h2", BORIS))
        world.send("council", Sighting("c", ANNA), Sighting("c2", CHLOE))
        world.remove("police", "p2")
        world.send("housing", Sighting("o2", CHLOE))

    undisturbed = World()
    early(undisturbed)
    undisturbed.settle()
    late(undisturbed)
    database, out = tmp_path / "matcher.db", tmp_path / "backup"
    store = SqliteStore(database)
    world = World(store)
    early(world)
    world.settle()
    in_a_child(database, out)
    late(world)
    world.settle()
    store.close()
    for lost in tmp_path.glob("matcher.db*"):
        lost.unlink()
    restore(out, database)
    store = SqliteStore(database)
    again = World(store)
    again._names = world._names
    late(again)  # agencies resume at the backup's offsets; what it held already they do not send
    assert again.news() == undisturbed.news()
    assert (again.persons(), again.told()) == (undisturbed.persons(), undisturbed.told())
    store.close()
