"""Changes the key a database is encrypted with, and encrypts one that is not."""

import os
from contextlib import closing
from pathlib import Path

import apsw

from matcher.errors import NothingChangedError
from matcher.store.connection import check_database, connect, lock, make_private, translated
from matcher.store.encryption import prove_key, uri
from matcher.store.sums import discard, drop_sum, prove, put, write_sum


def rekey(database: Path, old: bytes | None, new: bytes) -> None:
    """Write a database anew under the key `new`; `old` is the key it has now, None if it is not encrypted.

    Needs as much free disk as the database takes. A kill leaves the database under the old key or under the new one,
    whole. `StoreError` if it is not there, in use, damaged, or of another key: then it stays as it is.
    """
    if not database.exists():
        raise NothingChangedError(f"{database} is not there: correct the path in the configuration")
    descriptor = lock(database)
    partial = database.with_name(database.name + ".rekeying")
    try:
        discard(partial)  # of a run that was killed
        prove(database)
        prove_key(database, old)
        make_private(partial)
        with translated(), closing(connect(database, old, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI)) as source:
            check_database(source, database, pages=False)
            drop_sum(database)
            source.pragma("journal_mode", "delete")  # copies the log in and ends it; refused while a backup reads
            _copy(source, uri(partial, new))
        with translated(), closing(connect(partial, new)) as copy:
            check_database(copy, partial, thorough=True)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        write_sum(partial)
        put(partial, database)
    finally:
        discard(partial)
        os.close(descriptor)


def _copy(source: apsw.Connection, out: str) -> None:
    try:
        source.execute("VACUUM INTO ?", (out,)).fetchall()
    except apsw.Error as error:
        error.args = ()  # its text may hold the name it was given, and that the key
        raise
