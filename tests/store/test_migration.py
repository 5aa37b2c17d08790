"""A restart inside a migration: whatever fails, or whenever the process is killed or the power goes, while a database
of an older schema is opened, it is then of the old schema or the new one, whole, and opens as if nothing had been."""

import gzip
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from matcher.errors import StoreError, StoreFullError
from matcher.store.connection import connect
from matcher.store.migration import migrations, schema_version
from matcher.store.rekey import rekey
from matcher.store.sqlite import SqliteStore
from matcher.store.sums import prove, sum_path, write_sum

from ..factory import DATABASE_KEY
from .faulty import Disk, faulty
from .golden_life import FOLDER

_NEWEST = len(migrations())
_PLAIN = [pytest.param(version, None, 0, id=f"{version}") for version in range(1, _NEWEST + 1)]
_LARGE = [pytest.param(2, None, 1_000, id="2-large")]  # more than a page cache holds, and written anew with checksums
_ENCRYPTED = [pytest.param(version, DATABASE_KEY, 0, id=f"{version}-encrypted") for version in range(5, _NEWEST + 1)]
every_version = pytest.mark.parametrize(("version", "key", "requests"), _PLAIN + _LARGE + _ENCRYPTED)
_FEW, _SAMPLES = 40, 12


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is synced is counted by the shim; the machine's own disk need not be waited for."""
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def old(version: int, key: bytes | None, requests: int, path: Path) -> Path:
    """A database of an older schema as its matcher closed it, its sum beside it."""
    path.write_bytes(gzip.decompress((FOLDER / f"schema_{version}.db.gz").read_bytes()))
    if requests:
        with closing(apsw.Connection(str(path))) as connection, connection:
            rows = (("police", f"{number}", bytes(3_000)) for number in range(requests))
            connection.executemany("INSERT INTO request VALUES (?, ?, ?)", rows)
    write_sum(path)
    if key is not None:
        rekey(path, None, key)
    return path


def content(path: Path, key: bytes | None) -> dict[str, object]:
    """The schema and every row of a database, but for the count of transactions, which every start adds to."""
    with closing(connect(path, key)) as connection:
        tables = connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()
        found = {"version": schema_version(connection), "schema": tables}
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            columns = [column for _, column, *_ in connection.execute(f'PRAGMA table_info("{name}")').fetchall()]
            kept = ", ".join(f'"{column}"' for column in columns if column != "transactions")
            found[name] = connection.execute(f'SELECT {kept} FROM "{name}"').fetchall()
    return found


class Opening:
    """A database that is opened and closed again and again, disturbed at one point after the other."""

    def __init__(self, old: Path, key: bytes | None) -> None:
        self._old, self._key = old, key
        self._before = content(old, key)
        disk, path = Disk(), self._copy("undisturbed")
        with faulty(disk):
            self.run(path)
        self._count = disk.done
        self._after = content(path, key)

    def run(self, path: Path) -> None:
        """Open and close a database."""
        SqliteStore(path, self._key).close()

    def disturbed(self) -> Iterator[tuple[int, Path]]:
        """Each write, sync, cut and removal, from 1 on, and a database as it was before; afterwards it is proved. Where
        there are many, all of the migration and the end and some of what writes the pages anew."""
        long = max(self._count - (_FEW if self._count < 1_000 else 1), 0)
        for point in [*range(1, long + 1, long // _SAMPLES + 1), *range(long + 1, self._count + 1)]:
            path = self._copy(str(point))
            yield point, path
            self._prove(path)
            shutil.rmtree(path.parent)

    def _copy(self, name: str) -> Path:
        folder = self._old.parent / name
        folder.mkdir()
        for file in (self._old, sum_path(self._old)):
            shutil.copy(file, folder)
        return folder / self._old.name

    def _prove(self, path: Path) -> None:
        """What is left is of the old schema or the new one, opens whole and goes on."""
        shutil.copytree(path.parent, aside := path.parent / "aside")
        assert content(aside / path.name, self._key) in (self._before, self._after)
        self.run(path)
        assert prove(path)
        assert content(path, self._key) == self._after
        store = SqliteStore(path, self._key)
        store.append("police", "after", 0, 1, 7, b"payload", 1)
        store.close()


@every_version
def test_a_write_that_fails_while_a_database_is_opened(old: Path, key: bytes | None) -> None:
    opening, failed = Opening(old, key), 0
    for point, path in opening.disturbed():
        with faulty(Disk(fails_at=point)):
            try:
                opening.run(path)
            except (StoreError, StoreFullError):
                failed += 1
    assert failed > 3


@every_version
def test_a_kill_while_a_database_is_opened(old: Path, key: bytes | None) -> None:
    opening, killed = Opening(old, key), 0
    for point, path in opening.disturbed():
        process = os.fork()
        if not process:
            try:
                with faulty(Disk(fails_at=point, kills=True)):
                    opening.run(path)
            finally:
                os._exit(1)
        _, status = os.waitpid(process, 0)
        assert os.WIFSIGNALED(status), "the process ended by itself"
        killed += 1
    assert killed > 5


@every_version
def test_a_power_cut_while_a_database_is_opened(old: Path, key: bytes | None) -> None:
    opening, failed = Opening(old, key), 0
    for point, path in opening.disturbed():
        disk = Disk(fails_at=point, for_good=True)
        with faulty(disk):
            try:
                opening.run(path)
            except (StoreError, StoreFullError):
                failed += 1
            left = disk.crash(path, path.parent / "after", point)
        for file in path.parent.glob(f"{path.name}*"):
            if file != sum_path(path):  # it is taken away, durably, before anything is written
                file.unlink()
        for file in left.parent.iterdir():
            file.rename(path.with_name(file.name))
        left.parent.rmdir()
    assert failed > 3
