"""A database of every schema there was is brought to the newest one and goes on as if it had been made today."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from matcher.model import AlertMember, FrameKind, MatchOutcome
from matcher.store.connection import APPLICATION_ID
from matcher.store.migration import migrations
from matcher.store.sqlite import SqliteStore
from matcher.store.sums import sum_path

from ..factory import ANNA, EPOCH, TODAY, Sighting
from ..world import World
from .build import bytes_on_disk
from .golden_life import FOLDER, live, scheme_of_then

_VERSIONS = range(1, len(migrations()) + 1)


@pytest.fixture(autouse=True)
def made_under_the_scheme_of_then() -> Iterator[None]:
    with scheme_of_then():
        yield


def made_by_schema(version: int, path: Path) -> apsw.Connection:
    """A new, empty database of an older schema."""
    old = apsw.Connection(str(path))
    for script in migrations()[:version]:
        old.execute(script).fetchall()
    old.pragma("user_version", version)
    old.pragma("application_id", APPLICATION_ID)
    return old


def test_every_schema_has_its_database() -> None:
    assert {each.name for each in FOLDER.iterdir()} == {f"schema_{version}.db.gz" for version in _VERSIONS}


@pytest.mark.parametrize("version", _VERSIONS)
def test_a_database_of_an_older_schema_goes_on(version: int, path: Path) -> None:
    path.write_bytes(gzip.decompress((FOLDER / f"schema_{version}.db.gz").read_bytes()))
    made_today = World()
    cases = live(made_today)
    store = SqliteStore(path)
    assert store._writer.pragma("user_version") == len(migrations())
    old = World(store)
    old._names, old._requests = made_today._names, made_today._requests
    for world in (old, made_today):
        world.sleep(10)  # the hospital's day of Anna leaves the window
        world.send("council", Sighting("c9", ANNA, day=world.today))
    assert [(alert.kind, alert.agencies) for alert in old.new_alerts()] == [
        (alert.kind, alert.agencies) for alert in made_today.new_alerts()
    ]
    assert (old.persons(), old.told(), old.queue()) == (made_today.persons(), made_today.told(), made_today.queue())
    for case_id in cases:
        one, other = store.case(case_id), made_today.store.case(case_id)
        assert (one.state, one.awaiting_removal, one.opened_at, one.closed_at, one.reviewed_day, one.escalated) == (
            *(other.state, other.awaiting_removal, other.opened_at, other.closed_at),
            *(other.reviewed_day, other.escalated),
        )
    assert (store.mark("desk"), store.removals_unconfirmed) == (1, made_today.store.removals_unconfirmed)
    before = old.memory()
    old.pipeline.rebuild()
    assert old.memory() == before
    store.close()


def test_a_large_database_made_without_checksums_is_written_anew_with_them(path: Path) -> None:
    path.write_bytes(gzip.decompress((FOLDER / "schema_2.db.gz").read_bytes()))
    old = apsw.Connection(str(path))
    requests = (("police", f"large-{n}", bytes(32)) for n in range(50_000))  # more than a page cache holds
    with old:
        old.executemany("INSERT INTO request VALUES (?, ?, ?)", requests)
    old.close()
    SqliteStore(path).close()
    assert path.stat().st_size > 2 << 20
    sum_path(path).unlink()
    store = SqliteStore(path)  # which proves every page
    store.submit("police", "large-49999", FrameKind.REMOVALS, EPOCH, b"payload", bytes(32), 1)
    assert store.committed_through == store.matched_through + 1
    store.close()


# -- alerts held copies of their members' secrets up to schema 2 -----------------------------------------------------


@pytest.mark.parametrize("version", [1, 2])
def test_what_alerts_held_of_their_members_stands_in_frames_alone_afterwards(version: int, path: Path) -> None:
    path.write_bytes(gzip.decompress((FOLDER / f"schema_{version}.db.gz").read_bytes()))
    old = apsw.Connection(str(path))
    held = b"".join(secrets for (secrets,) in old.execute("SELECT secrets FROM alert").fetchall())
    payloads = b"".join(payload for (payload,) in old.execute("SELECT payload FROM frame").fetchall())
    old.close()
    pieces = [held[at : at + 8] for at in range(0, len(held), 8)]
    assert len(held) == 2 * (16 + 80 + 112)
    disk = bytes_on_disk(path)
    assert all(disk.count(piece) > payloads.count(piece) > 0 for piece in pieces)
    store = SqliteStore(path)
    running = bytes_on_disk(path)
    (alert,) = store.alerts_after(0, 9)
    assert alert.members == (AlertMember(0, "police", TODAY), AlertMember(3, "hospital", TODAY - 90))
    store.close()
    for disk in (running, bytes_on_disk(path)):
        assert [disk.count(piece) for piece in pieces] == [payloads.count(piece) for piece in pieces]


def test_many_alerts_keep_their_members_and_lose_their_secrets(path: Path) -> None:
    old = made_by_schema(2, path)
    for sequence in range(1, 301):
        count = sequence % 4
        old.execute(
            "INSERT INTO alert VALUES (?, randomblob(16), ?, x'', '[]', 0, 0, 0, x'', '', 0, zeroblob(4096), ?, 1)",
            (sequence, sequence % 7, b"<sealed>" * 26 * count),
        )
        for position in range(count):
            place = (sequence, position, sequence - position, f"a{position}", "health", position - 1)
            old.execute("INSERT INTO alert_member VALUES (?, ?, ?, ?, ?, ?, 7, 0, 16, 80, 112)", place)
    old.close()
    assert b"<sealed>" in bytes_on_disk(path)
    store = SqliteStore(path)
    assert b"<sealed>" not in bytes_on_disk(path)
    assert [(alert.sequence, alert.members) for alert in store.alerts_after(0, 999)] == [
        (n, tuple(AlertMember(n - position, f"a{position}", position - 1) for position in range(n % 4)))
        for n in range(1, 301)
        if n % 7
    ]
    store.commit_matching(MatchOutcome(0, gone=[150]))
    assert [len(alert.members) for alert in store.alerts_after(149, 3)] == [1, 2, 0]
    store.close()


def test_many_links_are_packed_and_of_one_pair_the_last_still_counts(path: Path) -> None:
    old = made_by_schema(5, path)
    with old:
        rows = ((n % 20_000, n % 20_000 + 1, float(n)) for n in range(25_000))
        old.executemany('INSERT INTO link ("left", "right", weight) VALUES (?, ?, ?)', rows)
    old.close()
    store = SqliteStore(path)
    found = store.links()
    assert found.left.tolist() == list(range(20_000))
    assert found.right.tolist() == list(range(1, 20_001))
    assert found.weight.tolist() == [*range(20_000, 25_000), *range(5_000, 20_000)]
    store.close()
