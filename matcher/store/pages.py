"""Checksums of pages: every page of a database ends in one, written with the page and proved whenever it is read.

SQLite's own shim does it (https://sqlite.org/cksumvfs.html), which `apsw` brings along. A page whose bytes changed on
disk is an error to whoever reads it, in the database and in its log. Pages of an encrypted database need none.
"""

import ctypes

import apsw
import apsw.sqlite_extra

CHECKED = "cksmvfs"
"""Name of the file layer that proves pages."""
_RESERVED = 8


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


def give_checksums(connection: apsw.Connection) -> None:
    """Have a database's pages end in a checksum from now on; one made without is written anew, as large as it is."""
    if _reserve(connection, -1) == _RESERVED:
        return
    connection.pragma("journal_mode", "delete")  # in the log a page's layout cannot change
    _reserve(connection, _RESERVED)
    if connection.pragma("page_count"):
        # the first page says that pages have checksums, so none may reach the disk before it: all wait in memory
        connection.pragma("cache_spill", False)
        connection.execute("VACUUM").fetchall()
        connection.pragma("cache_spill", True)


def _reserve(connection: apsw.Connection, wanted: int) -> int:
    """Bytes at the end of a page that SQLite leaves alone; that many are left from now on unless it is -1."""
    count = ctypes.c_int(wanted)
    connection.file_control("main", apsw.SQLITE_FCNTL_RESERVE_BYTES, ctypes.addressof(count))
    return count.value


check_pages()
