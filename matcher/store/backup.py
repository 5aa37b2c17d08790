"""Backups: a copy of the database as it was at one moment, with its sum beside it, taken while the matcher serves."""

import os
import shutil
from contextlib import closing
from pathlib import Path

import apsw

from matcher.errors import NothingChangedError, StoreError
from matcher.store.connection import APPLICATION_ID, check_database, connect, lock, make_private, translated
from matcher.store.encryption import prove_key
from matcher.store.pages import give_checksums
from matcher.store.sums import discard, prove, put, sum_path, write_sum
from matcher.store.tally import tally_path


def back_up(database: Path, out: Path, key: bytes | None = None) -> None:
    """Write `out` and its sum, under the database's key. `StoreError` if `out` is there, the database is not, the key
    is not its, or the copy is not sound; then nothing is left behind."""
    if out.exists() or sum_path(out).exists():
        raise NothingChangedError(f"{out} is there already: choose another name")
    if not database.exists():
        raise NothingChangedError(f"{database} is not there: correct the path in the configuration")
    prove_key(database, key)
    make_private(out)
    try:
        with translated(), closing(connect(out, key)) as copy:
            if key is None:
                give_checksums(copy)
            copy.pragma("application_id", APPLICATION_ID)  # writes the first page: from now on checksums are made
            with closing(connect(database, key)) as source:
                source.pragma("query_only", True)
                with copy.backup("main", source, "main") as pages:
                    pages.step(-1)  # in one step, so that it is of one moment
            check_database(copy, out, thorough=True)
            copy.pragma("journal_mode", "delete")  # one file, with nothing beside it but its sum
        with out.open("rb") as file:
            os.fsync(file.fileno())
        write_sum(out)
    except BaseException:
        discard(out)
        raise


def restore(backup: Path, database: Path, key: bytes | None = None) -> None:
    """Put a backup where the database is to be. `StoreError` if one is there, a matcher runs, the key is not the
    backup's, or the backup is not what was written: then nothing is changed."""
    descriptor = lock(database)
    try:
        beside = [database.with_name(database.name + end) for end in ("", "-wal", "-shm", "-journal")]
        if there := [each.name for each in beside if each.exists()]:
            raise NothingChangedError(f"{', '.join(there)} stands in {database.parent}: move it aside first")
        if not prove(backup):
            raise StoreError(f"{sum_path(backup).name} is missing: a backup is not restored without its sum")
        prove_key(backup, key)
        with translated(), closing(connect(backup, key, apsw.SQLITE_OPEN_READONLY)) as connection:
            check_database(connection, backup, thorough=True)
        partial = database.with_name(database.name + ".restoring")
        try:
            make_private(partial)
            with backup.open("rb") as source, partial.open("r+b") as target:
                shutil.copyfileobj(source, target)
                target.truncate()
                target.flush()
                os.fsync(target.fileno())
            write_sum(partial)
            if sum_path(partial).read_bytes() != sum_path(backup).read_bytes():
                raise StoreError(f"{backup} was not copied as it is: is the disk failing?")
            tally_path(database).unlink(missing_ok=True)  # it is of the database that was lost
            put(partial, database)
        finally:
            discard(partial)
    finally:
        os.close(descriptor)
