"""Migrations, the written schema and the named queries agree."""

import re
from pathlib import Path

import apsw
import pytest

import matcher.store
from matcher.errors import StoreError
from matcher.store.connection import connect
from matcher.store.migration import migrate, migrations
from matcher.store.queries import QUERIES, load_queries
from matcher.store.sqlite import SqliteStore
from matcher.store.sums import sum_path

_HERE = Path(matcher.store.__file__).parent


def test_a_newer_schema_is_refused(path: Path) -> None:
    SqliteStore(path).close()
    sum_path(path).unlink()
    connect(path, None).pragma("user_version", len(migrations()) + 1)
    with pytest.raises(StoreError, match="start the newer matcher"):
        SqliteStore(path)


def _schema(connection: apsw.Connection) -> list[tuple[object, ...]]:
    found = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").fetchall()
    return [(*row[:3], re.sub(r"\s*([,()])\s*", r"\1", " ".join(str(row[3]).split()))) for row in found]


def test_the_schema_is_what_the_migrations_add_up_to() -> None:
    migrated, written = apsw.Connection(":memory:"), apsw.Connection(":memory:")
    migrate(migrated)
    written.execute((_HERE / "schema.sql").read_text()).fetchall()
    assert _schema(migrated) == _schema(written)
    assert migrated.pragma("user_version") == len(migrations()) >= 1
    migrate(migrated)


def test_a_half_made_database_is_finished(path: Path) -> None:
    apsw.Connection(str(path)).pragma("journal_mode", "wal")
    store = SqliteStore(path)
    assert store.committed_through == 0
    store.close()


def test_every_query_fits_the_schema_and_is_used() -> None:
    connection = apsw.Connection(":memory:")
    migrate(connection)
    for statement in QUERIES.values():
        bindings = len(set(re.findall(r"\?\d", statement))) or statement.count("?")
        connection.execute(f"EXPLAIN {statement}", (None,) * bindings).fetchall()
    source = "".join(file.read_text() for file in _HERE.glob("*.py"))
    used = set(re.findall(r'(?:SQL\[|self\._value\(|rows\()"(\w+)"', source))
    assert used == set(QUERIES)


def test_a_query_name_stands_once(tmp_path: Path) -> None:
    file = tmp_path / "queries.sql"
    file.write_text("-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;\n")
    with pytest.raises(ValueError, match="stands twice"):
        load_queries(file)
