"""Damage after a kill, when no sum of the file stands beside it: no changed byte, missing page or cut log is served."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from matcher.errors import StoreError
from matcher.model import MatchOutcome
from matcher.store.sqlite import SqliteStore
from matcher.store.sums import sum_path
from matcher.store.tally import tally_path

from .build import Everything, alert, answer, fill, links

_PAGE = 4096
_CASE = bytes(16)


def lived(path: Path, key: bytes | None) -> SqliteStore:
    """A store with something in every table, and pages that were freed."""
    store = SqliteStore(path, key)
    fill(store, 4, records=40)
    store.commit_matching(
        MatchOutcome(
            4,
            next_record=80,
            record_numbers={1: np.arange(40), 2: np.arange(40, 80)},
            links=links(*((n, n + 1, 2.5) for n in range(60))),
            answers=[answer(0, 1)],
            alerts=[alert(1, 0, 1)],
            emptied=[3],
        )
    )
    store.open_case(_CASE, alert(1).person_id, 5)
    store.acknowledge("desk", 1)
    return store


@pytest.fixture
def left(tmp_path: Path, key: bytes | None) -> Iterator[Path]:
    """What a kill left: the database, its log and its tally, without a sum."""
    folder = tmp_path / "left"
    folder.mkdir()
    store = lived(tmp_path / "matcher.db", key)
    fill(store, 4, records=40, agency="b")
    for name in ("matcher.db", "matcher.db-wal", "matcher.db.tally"):
        shutil.copy(tmp_path / name, folder)
    store.close()
    return folder / "matcher.db"


def served(path: Path, key: bytes | None, expected: Everything) -> bool:
    """Whether a database is served; if so it must tell the truth, else a person must be told."""
    try:
        store = SqliteStore(path, key)
    except StoreError as refused:
        assert "restore a backup" in str(refused) or "not a matcher's database" in str(refused)
        return False
    try:
        assert Everything.of(store, _CASE) == expected
        assert store.mark("desk") == 1
    except StoreError as detected:
        assert "restore a backup" in str(detected)
        return False
    finally:
        store.close()
    return True


def damages(content: bytes, size: int, start: int = 0) -> Iterator[bytes]:
    """The content with one byte of each part changed, early, late and in between; and cut at each part."""
    generator = np.random.default_rng(7)
    for begin in range(start, len(content), size):
        for at in (begin, begin + int(generator.integers(size)), begin + size - 1):
            yield content[:at] + bytes([content[at] ^ int(generator.integers(1, 256))]) + content[at + 1 :]
        yield content[:begin]


def test_no_changed_or_missing_page_of_the_database_is_served(tmp_path: Path, key: bytes | None) -> None:
    path = tmp_path / "matcher.db"
    store = lived(path, key)
    expected = Everything.of(store, _CASE)
    store.close()
    sum_path(path).unlink()
    content, tally, unnoticed = path.read_bytes(), tally_path(path).read_bytes(), 0
    for damaged in damages(content, _PAGE):
        for file in tmp_path.iterdir():
            file.unlink()
        path.write_bytes(damaged)
        tally_path(path).write_bytes(tally)
        unnoticed += served(path, key, expected)
    # what stood in pages that were freed is nobody's any more: only there is damage without effect
    path.write_bytes(content)
    free = SqliteStore(path, key)._writer.pragma("freelist_count")
    assert unnoticed <= 3 * free
    assert len(content) > 30 * _PAGE


def test_no_damage_to_a_log_loses_what_was_acknowledged(left: Path, key: bytes | None) -> None:
    names = [left.with_name(left.name + end) for end in ("", "-wal", ".tally")]
    kept = {name: name.read_bytes() for name in names}
    log = names[1]
    store = SqliteStore(left, key)
    expected = Everything.of(store, _CASE)
    store.close()
    count = 0
    for damaged in damages(kept[log], _PAGE + 24, 32):
        for file in left.parent.iterdir():
            file.unlink()
        for name, content in kept.items():
            name.write_bytes(damaged if name == log else content)
        assert not served(left, key, expected)
        count += 1
    assert count > 100


def test_a_log_that_is_gone_and_an_older_database_are_noticed(left: Path, key: bytes | None) -> None:
    left.with_name("matcher.db-wal").unlink()
    with pytest.raises(StoreError, match="transactions that were committed are missing"):
        SqliteStore(left, key)
    left.unlink()
    with pytest.raises(StoreError, match="transactions that were committed are missing"):
        SqliteStore(left, key)


def test_a_tally_that_stayed_behind_is_no_damage(left: Path, key: bytes | None) -> None:
    tally_path(left).write_bytes((1).to_bytes(8, "little"))
    SqliteStore(left, key).close()
    tally_path(left).write_bytes(b"")
    SqliteStore(left, key).close()
    tally_path(left).unlink()
    store = SqliteStore(left, key)
    store.acknowledge("desk", 1)
    store.close()
    assert int.from_bytes(tally_path(left).read_bytes(), "little") > 1
