"""Erasure reaches the bytes: neither the database nor its log holds what was erased, nor loses what was not."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import apsw
import numpy as np
import pytest

from matcher.frame import Layout, pack_records
from matcher.model import FrameKind, MatchOutcome, Patch
from matcher.store.sqlite import SqliteStore

from .build import batch, bytes_on_disk


def _pieces(octets: bytes) -> list[bytes]:
    """What must not be found once it is erased: pieces of 8 bytes that are not there by chance."""
    pieces = [octets[at : at + 8] for at in range(0, len(octets) - 7, 8)]
    return [piece for piece in pieces if piece.count(0) < 3]


def _secrets(payload: bytes, record: int, rows: range) -> list[bytes]:
    """Pieces of one record."""
    spans = Layout.of(payload).record_spans(record, rows)
    return [piece for span in spans for piece in _pieces(payload[span])]


def _erasure(payload: bytes, frame_id: int, record: int, rows: range) -> list[Patch]:
    spans = Layout.of(payload).record_spans(record, rows)
    return [Patch(frame_id, span.start, bytes(span.stop - span.start)) for span in spans]


def test_no_byte_of_what_is_erased_stays_in_the_files(path: Path) -> None:
    store = SqliteStore(path)
    payloads = [pack_records(batch(20, 2, seed)) for seed in range(3)]
    for n, payload in enumerate(payloads):
        store.append("a", "f", n * 20, 20, 7, payload, 1)
    store.submit("a", "r", FrameKind.REMOVALS, 7, removal := os.urandom(64), b"digest", 1)
    erased = [piece for record in (3, 19) for piece in _secrets(payloads[0], record, range(2 * record, 2 * record + 2))]
    erased += _pieces(payloads[1][24:])
    erased += [removal[:8], removal[-8:]]
    kept = [piece for record in (2, 18) for piece in _secrets(payloads[0], record, range(2 * record, 2 * record + 2))]
    kept += _pieces(payloads[2][24:])
    disk = bytes_on_disk(path)
    assert all(piece in disk for piece in erased + kept)
    patches = [
        patch for record in (3, 19) for patch in _erasure(payloads[0], 1, record, range(record * 2, record * 2 + 2))
    ]
    store.commit_matching(MatchOutcome(4, patches=patches, emptied=[2, 4]))
    disk = bytes_on_disk(path)
    assert [piece for piece in erased if piece in disk] == []
    assert path.with_name("matcher.db-wal").stat().st_size == 0
    store.close()
    disk = bytes_on_disk(path)
    assert all(piece in disk for piece in kept)


def test_small_frames_leave_no_copies_when_their_neighbours_go(path: Path) -> None:
    # rows small enough to share a page are copied when it is balanced: what `frame.guard` is for
    store = SqliteStore(path)
    generator = np.random.default_rng(5)
    store._writer.pragma("synchronous", "off")
    marks = [b"<%06d>" % n for n in range(600)]
    for n, mark in enumerate(marks):
        store.append("a", "f", n, 1, 7, mark * int(generator.integers(3, 400)), 1)
    order = generator.permutation(600).tolist()
    store.commit_matching(MatchOutcome(600, emptied=[n + 1 for n in order[:300]]))
    sizes = {frame.frame_id: len(frame.payload) for frame in store.frames_after(0, 1000)}
    patches = [Patch(n + 1, 0, bytes(sizes[n + 1])) for n in order[300:500]]
    store.commit_matching(MatchOutcome(600, patches=patches))
    disk = bytes_on_disk(path)
    assert sorted({int(found) for found in re.findall(rb"<(\d{6})>", disk)}) == sorted(order[500:])
    leaves = "SELECT pageno FROM dbstat WHERE name = 'frame' AND pagetype = 'leaf'"
    pages = [number for (number,) in store._writer.execute(leaves).fetchall()]
    database = subprocess.run(["cat", path], capture_output=True, check=True).stdout
    shared = b"".join(database[4096 * (page - 1) : 4096 * page] for page in pages)
    assert len(shared) > 4096
    assert re.findall(rb"<\d{6}>", shared) == []
    store.close()


def test_a_busy_reader_delays_the_wiping_of_the_log_only_until_the_next_commit(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = SqliteStore(path)
    secret = os.urandom(4000)
    store.append("a", "f", 0, 1, 7, secret, 1)
    reader = apsw.Connection(str(path))
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM frame").get == 1
    with caplog.at_level(logging.WARNING):
        store.commit_matching(MatchOutcome(1, patches=[Patch(1, 0, bytes(4000))]))
    assert "erased bytes stay in the log" in caplog.text
    assert secret[:16] in bytes_on_disk(path)
    reader.execute("COMMIT")
    reader.close()
    store.append("a", "f", 1, 1, 7, b"x", 1)
    assert secret[:16] not in bytes_on_disk(path)
    store.close()


def test_opening_wipes_what_a_killed_run_left_in_the_log(path: Path) -> None:
    store = SqliteStore(path)
    store.append("a", "f", 0, 1, 7, b"x", 1)
    copy = path.parent / "copy"
    copy.mkdir()
    for name in ("matcher.db", "matcher.db-wal"):
        (copy / name).write_bytes(subprocess.run(["cat", path.with_name(name)], capture_output=True, check=True).stdout)
    store.close()
    assert (copy / "matcher.db-wal").stat().st_size > 0
    store = SqliteStore(copy / "matcher.db")
    assert (copy / "matcher.db-wal").stat().st_size == 0
    assert store.next_offset("a", "f") == 1
    store.close()


def test_what_was_erased_is_in_no_backup_taken_later(path: Path) -> None:
    store = SqliteStore(path)
    payload, gone = pack_records(batch(20, 2)), pack_records(batch(20, 2, 1))
    for n, each in enumerate((payload, gone)):
        store.append("a", "f", n * 20, 20, 7, each, 1)
    script = "import pathlib, sys; from matcher.store.backup import back_up; back_up(*map(pathlib.Path, sys.argv[1:]))"
    for name in ("before", "later"):
        out = path.with_name(name)
        subprocess.run([sys.executable, "-c", script, path, out], check=True)  # while the store is open
        store.commit_matching(MatchOutcome(2, patches=_erasure(payload, 1, 3, range(6, 8)), emptied=[2]))
    store.close()
    erased = _secrets(payload, 3, range(6, 8)) + _pieces(gone[24:])
    before, later = (path.with_name(name).read_bytes() for name in ("before", "later"))
    assert all(piece in before for piece in erased)
    assert [piece for piece in erased if piece in later] == []
    assert all(piece in later for piece in _secrets(payload, 2, range(4, 6)))


def test_caches_let_go_of_what_was_erased_and_of_nothing_else(path: Path, key: bytes | None) -> None:
    store = SqliteStore(path, key)
    payload = pack_records(batch(600, 2))
    store.append("a", "f", 0, 600, 7, payload, 1)
    (before,) = store.frames_after(0, 9)
    cached = [connection.status(apsw.SQLITE_DBSTATUS_CACHE_USED)[0] for connection in (store._reader, store._writer)]
    store.drop_caches()  # nothing was erased yet
    patches = _erasure(payload, 1, 3, range(6, 8))
    store.commit_matching(MatchOutcome(1, patches=patches))
    store.drop_caches()
    left = [connection.status(apsw.SQLITE_DBSTATUS_CACHE_USED)[0] for connection in (store._reader, store._writer)]
    assert max(left) < 50_000 < len(payload) < min(cached)  # a few pages, of the schema and of what every call reads
    (after,) = store.frames_after(0, 9)
    assert len(after.payload) == len(before.payload)
    assert _secrets(payload, 2, range(4, 6))[0] in after.payload
    assert _secrets(payload, 3, range(6, 8))[0] not in after.payload
    store.close()
