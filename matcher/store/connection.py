"""How the SQLite files are opened, locked and checked, and what SQLite's errors mean to an operator."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from matcher.errors import StoreError, StoreFullError
from matcher.store.migration import schema_version

APPLICATION_ID = 0x46464D44
"""`FFMD` in the header: this file is a matcher's database."""
BUSY_MS = 5_000
_CHECKPOINT_PAGES = 1_000  # ten large frames; more is no faster, and makes the append that copies them wait longer
_LOG_BYTES = 16 << 20
_CACHE_KIB = 64 << 10


@contextmanager
def translated() -> Iterator[None]:
    """Turn SQLite's errors into ours. Their texts are left out: the cause stays chained for a debugger."""
    try:
        yield
    except apsw.FullError as error:
        raise StoreFullError("the disk has no room for the database") from error
    except apsw.IOError as error:
        # SQLite calls only ENOSPC in a data file full; a quota, a file size limit or the shared index come as these
        if getattr(error, "extendedresult", 0) in (apsw.SQLITE_IOERR_WRITE, apsw.SQLITE_IOERR_SHMSIZE):
            raise StoreFullError("the database cannot grow") from error
        raise StoreError("the disk failed: see the system log, then restore a backup") from error
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise StoreError("the database is damaged: stop the matcher and restore a backup") from error
    except apsw.ConnectionClosedError as error:
        raise StoreError("the database is closed") from error
    except (apsw.BusyError, apsw.LockedError) as error:
        raise StoreError("another program holds the database: close it, then try again") from error
    except apsw.Error as error:
        raise StoreError(f"the database refused ({type(error).__name__})") from error


def lock(path: Path) -> int:
    """Descriptor that holds PATH.lock until it is closed; `StoreError` if another store holds it."""
    try:
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{path.parent} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StoreError(f"{path} is open in another matcher: stop that one first") from error
    return descriptor


def make_private(path: Path) -> None:
    """Create the file if need be, and let only its owner read it; SQLite gives its log the same mode."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error.strerror}") from error
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def open_writer(path: Path) -> apsw.Connection:
    """The one connection that writes, of a database proved sound. `StoreError` if it is none of ours or damaged."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.set_busy_timeout(BUSY_MS)
        connection.pragma("secure_delete", True)
        connection.pragma("temp_store", "memory")  # or tokens could reach a temporary file
        _check(connection, path)
        connection.pragma("page_size", 4096)  # `frame.guard` is one page
        if connection.pragma("journal_mode", "wal") != "wal":
            raise StoreError(f"{path} lies on a file system without shared memory: use a local disk")
        connection.pragma("synchronous", "full")
        connection.pragma("foreign_keys", True)
        connection.pragma("journal_size_limit", _LOG_BYTES)
        connection.pragma("cache_size", -_CACHE_KIB)
        connection.wal_autocheckpoint(_CHECKPOINT_PAGES)
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> apsw.Connection:
    """A connection that only reads, and never waits for the writer."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(BUSY_MS)
    connection.pragma("query_only", True)
    return connection


def _check(connection: apsw.Connection, path: Path) -> None:
    application = connection.pragma("application_id")
    fresh = application == 0 and schema_version(connection) == 0
    if fresh and connection.execute("SELECT count(*) FROM sqlite_schema").get == 0:
        return
    if application != APPLICATION_ID:
        raise StoreError(f"{path} is not a matcher's database: correct the path in the configuration")
    if connection.pragma("quick_check", 1) != "ok":
        raise StoreError(f"{path} is damaged: keep a copy and restore a backup")
