"""Brings a database to the newest schema. `PRAGMA user_version` counts the migrations applied."""

from pathlib import Path

import apsw

from matcher.errors import StoreError
from matcher.store.packed import PackLinks

_FOLDER = Path(__file__).with_name("migrations")


def migrations() -> list[str]:
    """The scripts in order; number n brings a database from version n - 1 to n."""
    files = sorted(_FOLDER.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    if [int(file.name[:4]) for file in files] != list(range(1, len(files) + 1)):
        raise StoreError("the installation is damaged: its schema migrations do not count from 1; install it again")
    return [file.read_text() for file in files]


def schema_version(connection: apsw.Connection) -> int:
    """Migrations this database has had."""
    return int(connection.pragma("user_version"))


def migrate(connection: apsw.Connection) -> None:
    """Apply what is missing; the caller holds the transaction. `StoreError` if the database is newer than this code."""
    scripts = migrations()
    version = schema_version(connection)
    if version > len(scripts):
        raise StoreError(
            f"the database has schema version {version} and this matcher knows {len(scripts)}: start the newer matcher"
        )
    connection.create_aggregate_function("pack_links", PackLinks, 3)
    for script in scripts[version:]:
        for _ in connection.execute(script):
            pass
    connection.pragma("user_version", len(scripts))
