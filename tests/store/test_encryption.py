"""Encryption at rest: stolen files hold no token, a wrong key is refused with a reason, and keys can be changed."""

import gzip
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from types import SimpleNamespace

import apsw
import numpy as np
import pytest

from benchmarks.traces import Traces
from matcher.errors import DatabaseKeyError, StoreError
from matcher.model import FrameKind, MatchOutcome
from matcher.store.backup import back_up, restore
from matcher.store.connection import connect
from matcher.store.encryption import is_plain, opens_with, unlock, uri
from matcher.store.rekey import rekey
from matcher.store.sqlite import SqliteStore
from matcher.store.sums import sum_path

from ..factory import DATABASE_KEY
from .build import Everything, alert, batch, bytes_on_disk, closure, fill
from .golden_life import FOLDER

OTHER_KEY = bytes(range(100, 132))
_CASE = bytes(16)
_PAGE = 4096


def lived(path: Path, key: bytes | None) -> SqliteStore:
    """A store with frames (`fill`), a removal notice and a payload of text, part of it still in the log."""
    store = SqliteStore(path, key)
    fill(store, 3, records=40)
    numbers = {1: np.arange(40), 2: np.arange(40, 80)}
    store.commit_matching(MatchOutcome(2, next_record=80, record_numbers=numbers, alerts=[alert(1, 0, 1)]))
    store.open_case(_CASE, alert(1).person_id, 5)
    store.close_case(_CASE, 7, b"closing", 6)
    closed = closure(_CASE, alert(1).person_id, 4, (0, "a"), (1, "b"))
    store.commit_matching(MatchOutcome(4, closures=[closed]))
    store.submit("b", "request", FrameKind.REMOVALS, 7, b"a payload in words" * 9, b"digest", 7)
    return store


def secrets() -> Traces:
    """Tokens, encodings, aliases and seals of every record of `lived`, and the aliases of its notices."""
    batches = [batch(40, seed=seed) for seed in range(3)]
    found = [each.block_tokens.reshape(-1, 16) for each in batches]
    found += [each.aliases for each in batches] + [each.sealed[:, :16] for each in batches]
    found += [np.tile(each.encodings.reshape(-1, 8), 2) for each in batches]
    found += [np.frombuffer(Random(record).randbytes(16), np.uint8).reshape(1, 16) for record in (0, 1)]
    return Traces(np.concatenate(found))


@pytest.fixture
def frozen(tmp_path: Path) -> Iterator[Path]:
    """An encrypted database that was stopped."""
    path = tmp_path / "matcher.db"
    lived(path, DATABASE_KEY).close()
    yield path


@pytest.fixture
def left(path: Path) -> Iterator[tuple[Path, Everything]]:
    """What a kill left of an encrypted database, its log not yet copied into it; and what it tells."""
    store = lived(path, DATABASE_KEY)
    (folder := path.with_name("left")).mkdir()
    names = [path.with_name(path.name + end) for end in ("", "-wal", ".tally")]
    # in a child: closing a file here would drop SQLite's locks
    subprocess.run(["cp", *names, folder], check=True)
    expected = Everything.of(store, _CASE)
    store.close()
    yield folder / path.name, expected


# -- what is stolen --------------------------------------------------------------------------------------------------


def test_no_file_of_an_encrypted_database_or_backup_holds_a_secret(path: Path, key: bytes | None) -> None:
    traces, plain, backup = secrets(), key is None, path.with_name("backup")
    store = lived(path, key)
    disks = [bytes_on_disk(path)]  # with the log and its index
    assert {each.suffix for each in path.parent.iterdir()} == {".db", ".db-wal", ".db-shm", ".tally", ".lock"}
    store.close()
    disks.append(bytes_on_disk(path))
    back_up(path, backup, key)
    disks.append(backup.read_bytes())
    backup.unlink()
    for disk in disks:  # the same search finds each of them where nothing is encrypted
        assert len(traces.found(disk)) == (3 * 40 * 8 + 2 if plain else 0)
        assert (b"payload in words" in disk, b"CREATE TABLE" in disk, b"request" in disk) == (plain, plain, plain)
    rekey(path, key, OTHER_KEY)
    disks.append(bytes_on_disk(path))
    assert not traces.found(disks[-1])
    for used in (DATABASE_KEY, OTHER_KEY):
        assert not Traces(np.frombuffer(used, np.uint8).reshape(1, 32)).found(b"".join(disks))


def test_the_same_page_is_never_written_the_same_twice(frozen: Path) -> None:
    copies = []
    for n in range(2):
        back_up(frozen, copy := frozen.with_name(f"backup{n}"), DATABASE_KEY)
        copies.append(copy.read_bytes())
    pages = [{content[at : at + _PAGE] for at in range(0, len(content), _PAGE)} for content in copies]
    assert len(pages[0]) == len(copies[0]) // _PAGE > 30
    assert not pages[0] & pages[1]


# -- wrong keys ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made_with", "given", "said"),
    [
        (DATABASE_KEY, OTHER_KEY, "is encrypted with another key than the configured one: configure its own"),
        (DATABASE_KEY, None, "is encrypted, and no key is configured"),
        (None, OTHER_KEY, "is not encrypted, and a key is configured: encrypt it with `matcher rekey`"),
    ],
)
def test_a_wrong_key_is_refused_by_everything_and_changes_nothing(
    made_with: bytes | None, given: bytes | None, said: str, path: Path
) -> None:
    lived(path, made_with).close()
    backup, target = path.with_name("backup"), path.with_name("target.db")
    back_up(path, backup, made_with)
    before = bytes_on_disk(path)
    with pytest.raises(DatabaseKeyError, match=said):
        SqliteStore(path, given)
    with pytest.raises(DatabaseKeyError, match=said):
        back_up(path, path.with_name("other"), given)
    with pytest.raises(DatabaseKeyError, match=said):
        restore(backup, target, given)
    with pytest.raises(DatabaseKeyError, match=said):
        rekey(path, given, bytes(32))
    path.with_name("target.db.lock").unlink()
    assert bytes_on_disk(path) == before
    SqliteStore(path, made_with).close()


def test_no_refusal_or_log_holds_the_key(frozen: Path, tmp_path: Path) -> None:
    """In a process of its own, so that what SQLite itself might print is seen too."""
    script = (
        "import logging, pathlib, sys, traceback; from matcher.store.sqlite import SqliteStore\n"
        "from matcher.store.encryption import prove_key; import matcher.store.connection as c\n"
        "logging.basicConfig(level=0)\n"
        "path, right, wrong = pathlib.Path(sys.argv[1]), *map(bytes.fromhex, sys.argv[2:])\n"
        "store = SqliteStore(path, right); print(vars(store), store._writer, store._reader); store.close()\n"
        "for check in (prove_key, lambda *_: None):\n"  # once past the check value, so that the cipher itself refuses
        "    c.prove_key = check\n"
        "    try: SqliteStore(path, wrong)\n"
        "    except Exception: traceback.print_exc()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, frozen, DATABASE_KEY.hex(), OTHER_KEY.hex()], capture_output=True, check=True
    )
    printed = ran.stdout + ran.stderr
    assert b"DatabaseKeyError" in printed
    assert b"NotADBError" in printed
    for used in (DATABASE_KEY, OTHER_KEY):
        assert not Traces(np.frombuffer(used, np.uint8).reshape(1, 32)).found(printed)


def test_what_fails_while_the_key_is_changed_does_not_hold_it(frozen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = uri(frozen.with_name("missing") / "out", OTHER_KEY)
    assert OTHER_KEY.hex() in name
    with (
        closing(connect(frozen, DATABASE_KEY, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI)) as source,
        pytest.raises(apsw.CantOpenError, match=OTHER_KEY.hex()),
    ):
        source.execute("VACUUM INTO ?", (name,)).fetchall()
    monkeypatch.setattr("matcher.store.rekey.uri", lambda *_: name)
    with pytest.raises(StoreError, match="CantOpenError") as raised:
        rekey(frozen, DATABASE_KEY, OTHER_KEY)
    assert isinstance(raised.value.__cause__, apsw.CantOpenError)
    assert OTHER_KEY.hex() not in "".join(traceback.format_exception(raised.value))


def test_a_sqlite_that_does_not_encrypt_is_not_used(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ignoring = SimpleNamespace(pragma=lambda *_: None)  # what SQLite does with a statement that it does not know
    with pytest.raises(StoreError, match="does not encrypt"):
        unlock(ignoring, DATABASE_KEY)
    monkeypatch.setattr("matcher.store.connection.ENCRYPTED", "unix")
    with pytest.raises(StoreError) as raised:
        SqliteStore(path, DATABASE_KEY)
    assert DATABASE_KEY.hex() not in "".join(traceback.format_exception(raised.value))
    assert path.read_bytes() == b""


# -- damage that a changed byte is not -------------------------------------------------------------------------------


def test_a_page_of_zeros_or_in_another_s_place_is_refused(frozen: Path) -> None:
    content, zeros = frozen.read_bytes(), bytes(_PAGE)
    pages = [content[at : at + _PAGE] for at in range(0, len(content), _PAGE)]
    store = SqliteStore(frozen, DATABASE_KEY)
    expected, free = Everything.of(store, _CASE), store._writer.pragma("freelist_count")
    store.close()
    unnoticed = 0
    for n in range(len(pages)):
        other = (n + 1) % len(pages)
        swapped = list(pages)
        swapped[n], swapped[other] = pages[other], pages[n]
        for damaged in ([*pages[:n], zeros, *pages[n + 1 :]], swapped):
            sum_path(frozen).unlink(missing_ok=True)
            frozen.write_bytes(b"".join(damaged))
            try:
                store = SqliteStore(frozen, DATABASE_KEY)
            except StoreError:
                continue
            assert Everything.of(store, _CASE) == expected
            store.close()
            unnoticed += 1
    assert unnoticed <= 2 * free
    assert len(pages) > 30


def test_every_byte_of_the_header_that_is_not_encrypted_is_refused_or_says_nothing(
    left: tuple[Path, Everything],
) -> None:
    path, expected = left
    files = {each: each.read_bytes() for each in path.parent.iterdir()}
    assert len(files) == 3
    served = set()
    for at in range(24):
        for value in {0, 1, 2, 3, files[path][at] ^ 0x80} - {files[path][at]}:
            for each in path.parent.iterdir():
                each.unlink()
            for each, content in files.items():
                each.write_bytes(content)
            path.write_bytes(files[path][:at] + bytes([value]) + files[path][at + 1 :])
            try:
                store = SqliteStore(path, DATABASE_KEY)
            except StoreError:
                continue
            assert Everything.of(store, _CASE) == expected
            store.close()
            served.add(at)
    assert served <= set(range(16, 24))  # the layout, which stands in the log's first page as well


# -- changing the key ------------------------------------------------------------------------------------------------


def test_a_database_is_encrypted_and_its_key_changed(path: Path) -> None:
    store = lived(path, None)
    expected = Everything.of(store, _CASE)
    store.close()
    for old, new in ((None, DATABASE_KEY), (DATABASE_KEY, OTHER_KEY)):
        rekey(path, old, new)
        assert sum_path(path).exists()
        assert {each.name for each in path.parent.iterdir()} == {
            *("matcher.db", "matcher.db.sum", "matcher.db.tally", "matcher.db.lock")
        }
        assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}
        with pytest.raises(StoreError, match=r"another key|is encrypted"):
            SqliteStore(path, old)
        store = SqliteStore(path, new)
        assert Everything.of(store, _CASE) == expected
        store.close()


def test_what_a_kill_left_in_the_log_is_under_the_new_key_too(left: tuple[Path, Everything]) -> None:
    path, expected = left
    assert path.with_name("matcher.db-wal").stat().st_size
    rekey(path, DATABASE_KEY, OTHER_KEY)
    store = SqliteStore(path, OTHER_KEY)
    assert Everything.of(store, _CASE) == expected
    store.close()


@pytest.mark.parametrize("version", [1, 2])
def test_a_database_of_an_older_schema_is_encrypted_and_goes_on(version: int, path: Path) -> None:
    content = gzip.decompress((FOLDER / f"schema_{version}.db.gz").read_bytes())
    plain = path.with_name("plain.db")
    plain.write_bytes(content)
    path.write_bytes(content)
    rekey(path, None, DATABASE_KEY)
    told = []
    for store in (SqliteStore(plain), SqliteStore(path, DATABASE_KEY)):
        told.append(Everything.of(store))
        store.close()
    assert told[0] == told[1]


def test_a_key_is_not_changed_while_the_database_is_in_use_or_damaged(frozen: Path) -> None:
    store = SqliteStore(frozen, DATABASE_KEY)
    with pytest.raises(StoreError, match="is open in another matcher"):
        rekey(frozen, DATABASE_KEY, OTHER_KEY)
    store.close()
    with closing(connect(frozen, DATABASE_KEY)) as reading:  # as a backup does
        reading.execute("BEGIN")
        assert reading.execute("SELECT count(*) FROM frame").get
        with pytest.raises(StoreError, match="another program holds the database"):
            rekey(frozen, DATABASE_KEY, OTHER_KEY)
    content = frozen.read_bytes()
    sum_path(frozen).unlink(missing_ok=True)
    frozen.write_bytes(content[: 9 * _PAGE] + bytes(_PAGE) + content[10 * _PAGE :])
    with pytest.raises(StoreError, match="damaged"):
        rekey(frozen, DATABASE_KEY, OTHER_KEY)
    with pytest.raises(StoreError, match="is not there"):
        rekey(frozen.with_name("other.db"), None, OTHER_KEY)
    assert [each.name for each in frozen.parent.iterdir() if "rekeying" in each.name] == []
    frozen.write_bytes(content)
    SqliteStore(frozen, DATABASE_KEY).close()


@pytest.mark.parametrize("old", [None, DATABASE_KEY], ids=["plain", "encrypted"])
def test_a_kill_while_the_key_is_changed_leaves_the_old_key_or_the_new_one(old: bytes | None, path: Path) -> None:
    """A process ends itself with SIGKILL at each of the things it does to files, until it comes to the end."""
    script = (
        "import os, pathlib, signal, sys; from matcher.store.rekey import rekey\n"
        "path, old, new = pathlib.Path(sys.argv[1]), *map(bytes.fromhex, sys.argv[2:4])\n"
        "left = int(sys.argv[4])\n"
        "def step(event, _):\n"
        "    global left\n"
        "    if event in ('open', 'os.rename', 'os.remove'):\n"
        "        left -= 1\n"
        "        if left == 0: os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(step)\n"
        "sync = os.fsync\n"
        "os.fsync = lambda file: (step('open', ()), sync(file))\n"
        "rekey(path, old or None, new)\n"
    )
    store = lived(path, old)
    expected = Everything.of(store, _CASE)
    store.close()
    files = {each.name: each.read_bytes() for each in path.parent.iterdir()}
    found = []
    for step in range(1, 100):
        for each in path.parent.iterdir():
            each.unlink()
        for name, content in files.items():
            (path.parent / name).write_bytes(content)
        keys = [(old or b"").hex(), OTHER_KEY.hex()]
        ended = subprocess.run([sys.executable, "-c", script, path, *keys, str(step)], check=False).returncode
        changed = opens_with(path, OTHER_KEY)
        assert changed or (is_plain(path) if old is None else opens_with(path, old))
        store = SqliteStore(path, OTHER_KEY if changed else old)
        assert Everything.of(store, _CASE) == expected
        store.close()
        if not changed:  # and it can be tried again
            rekey(path, old, OTHER_KEY)
            SqliteStore(path, OTHER_KEY).close()
        found.append(changed)
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
    assert found == sorted(found)
    assert len(found) > 20
    assert {False, True} == set(found[:-1])


def test_a_kill_at_any_time_while_the_key_is_changed_is_harmless(path: Path) -> None:
    store = SqliteStore(path, DATABASE_KEY)
    for n in range(20):
        store.append("a", "f", n, 1, 7, os.urandom(500_000), 1)
    store.close()
    script = (
        "import pathlib, sys; from matcher.store.rekey import rekey\n"
        "print(flush=True); rekey(pathlib.Path(sys.argv[1]), *map(bytes.fromhex, sys.argv[2:]))\n"
    )
    keys, chosen, ends = [DATABASE_KEY, OTHER_KEY], Random(1), set()
    for _ in range(12):
        command = [sys.executable, "-c", script, path, *(each.hex() for each in keys)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.readline()
            try:
                process.wait(chosen.uniform(0, 0.15))
            except subprocess.TimeoutExpired:
                process.kill()
        changed = opens_with(path, keys[1])
        ends.add((process.returncode, changed))
        keys = keys[::-1] if changed else keys
        store = SqliteStore(path, keys[0])
        assert store.next_offset("a", "f") == len(store.frames_after(0, 99)) == 20
        store.close()
    assert (-signal.SIGKILL, False) in ends
