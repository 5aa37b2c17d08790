"""Checksums of pages: every page of a database ends in one, written with the page and proved whenever it is read.

SQLite's own shim does it (https://sqlite.org/cksumvfs.html), which `apsw` brings along. A page whose bytes changed on
disk is an error to whoever reads it, in the database and in its log.
"""

import ctypes
from pathlib import Path

import apsw
import apsw.sqlite_extra

CHECKED = "cksmvfs"
"""Name of the file layer that proves pages; every connection to a database is opened with it."""
_RESERVED = 8
_RESERVED_AT = 20


def check_pages(base: str = "unix") -> None:
    """Put the file layer over another one, which stays the default for all that is no database of ours."""
    apsw.set_default_vfs(base)
    if CHECKED in apsw.vfs_names():
        apsw.unregister_vfs(CHECKED)
    connection = apsw.Connection(":memory:")
    try:
        apsw.sqlite_extra.load(connection, "cksumvfs")
    finally:
        connection.close()
        apsw.set_default_vfs(base)


def give_checksums(connection: apsw.Connection, path: Path) -> None:
    """Have a database's pages end in a checksum from now on; one made without is written anew, as large as it is."""
    with path.open("rb") as file:
        header = file.read(_RESERVED_AT + 1)
    if header[_RESERVED_AT:] == bytes([_RESERVED]):
        return
    connection.pragma("journal_mode", "delete")  # in the log a page's layout cannot change
    reserved = ctypes.c_int(_RESERVED)
    connection.file_control("main", apsw.SQLITE_FCNTL_RESERVE_BYTES, ctypes.addressof(reserved))
    if header:
        # the first page says that pages have checksums, so none may reach the disk before it: all wait in memory
        connection.pragma("cache_spill", False)
        connection.execute("VACUUM").fetchall()
        connection.pragma("cache_spill", True)


check_pages()
