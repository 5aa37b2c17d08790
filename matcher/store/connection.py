"""How the SQLite files are opened, locked and checked, and what SQLite's errors mean to an operator."""

import fcntl
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from matcher.errors import NothingChangedError, StoreError, StoreFullError
from matcher.store.encryption import ENCRYPTED, prove_key, unlock
from matcher.store.migration import migrate, schema_version
from matcher.store.pages import CHECKED, give_checksums
from matcher.store.queries import QUERIES as SQL
from matcher.store.sums import drop_sum

_log = logging.getLogger(__name__)
APPLICATION_ID = 0x46464D44
"""`FFMD` in the header: this file is a matcher's database."""
BUSY_MS = 5_000
_CHECKPOINT_WAIT_MS = 50
_LOG_BYTES = 16 << 20
_CACHE_KIB = 64 << 10
_ID_BYTES = 16


@contextmanager
def translated() -> Iterator[None]:
    """Turn SQLite's errors into ours. Their texts are left out: the cause stays chained for a debugger."""
    try:
        yield
    except apsw.FullError as error:
        raise StoreFullError("the disk has no room for the database") from error
    except apsw.IOError as error:
        if getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_DATA:
            raise StoreError("the database is damaged: stop the matcher and restore a backup") from error
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
    """Descriptor that holds PATH.lock until it is closed; `NothingChangedError` if another store holds it."""
    try:
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{path.parent} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise NothingChangedError(f"{path} is open in another matcher: stop that one first") from error
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


def connect(path: Path, key: bytes | None, flags: int = apsw.SQLITE_OPEN_READWRITE) -> apsw.Connection:
    """A connection that proves every page it reads, and with a key decrypts it; every connection to a database is made
    here."""
    connection = apsw.Connection(str(path), flags=flags, vfs=CHECKED if key is None else ENCRYPTED)
    if key is not None:
        unlock(connection, key)
    return connection


def open_writer(path: Path, key: bytes | None, *, proved: bool = False) -> apsw.Connection:
    """The one connection that writes. `StoreError` if the database is none of ours, damaged, or of another key; where
    its sum `proved` it sound, its pages are not proved again. The sum is taken away once the database is accepted."""
    prove_key(path, key)
    connection = connect(path, key)
    try:
        connection.set_busy_timeout(BUSY_MS)
        connection.pragma("secure_delete", True)
        connection.pragma("temp_store", "memory")  # or tokens could reach a temporary file
        if not _is_new(connection):
            check_database(connection, path, pages=not proved)
        drop_sum(path)  # before anything is written, the change of the journal too
        connection.pragma("page_size", 4096)  # `frame.guard` is one page
        if key is None:  # an encrypted page proves itself
            give_checksums(connection)
        if connection.pragma("journal_mode", "wal") != "wal":
            raise StoreError(f"{path} lies on a file system without shared memory: use a local disk")
        connection.pragma("synchronous", "full")
        connection.pragma("foreign_keys", True)
        connection.pragma("journal_size_limit", _LOG_BYTES)
        connection.pragma("cache_size", -_CACHE_KIB)
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path, key: bytes | None) -> apsw.Connection:
    """A connection that only reads, and never waits for the writer."""
    connection = connect(path, key)
    connection.set_busy_timeout(BUSY_MS)
    connection.pragma("query_only", True)
    return connection


def check_database(connection: apsw.Connection, path: Path, *, pages: bool = True, thorough: bool = False) -> None:
    """`StoreError` if a database is none of ours, or a page of it or its structure is damaged; `thorough`: indices and
    rules too."""
    if connection.pragma("application_id") != APPLICATION_ID:
        raise StoreError(f"{path} is not a matcher's database: correct the path in the configuration")
    if pages and connection.pragma("integrity_check" if thorough else "quick_check", 1) != "ok":
        raise StoreError(f"{path} is damaged: keep a copy and restore a backup")


def cut_log(writer: apsw.Connection) -> bool:
    """Copy the log into the database and cut it to nothing, since older copies of erased bytes stand in it; whether
    that could be done."""
    writer.set_busy_timeout(_CHECKPOINT_WAIT_MS)
    try:
        writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.Error as error:  # the transaction is durable all the same
        _log.warning("erased bytes stay in the log until the next commit (%s)", type(error).__name__)
        return False
    finally:
        writer.set_busy_timeout(BUSY_MS)
    return True


def prepare(writer: apsw.Connection) -> None:
    """Bring a database to the newest schema, and make it ours if it is new. The caller holds the transaction."""
    migrate(writer)
    writer.pragma("application_id", APPLICATION_ID)
    if writer.execute(SQL["database_id"]).get is None:
        writer.execute(SQL["create_state"], (secrets.token_bytes(_ID_BYTES),))


def _is_new(connection: apsw.Connection) -> bool:
    if connection.pragma("application_id") or schema_version(connection):
        return False
    return bool(connection.execute("SELECT count(*) FROM sqlite_schema").get == 0)
