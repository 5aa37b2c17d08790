"""What was committed, noted beside the database: `FILE.tally` holds the number of transactions that were.

The end of a write-ahead log that was cut or damaged looks to SQLite as if it had never been written. A database that
holds fewer transactions than its tally has lost some, and is refused. The tally is written after the commit and never
waited for: a kill leaves it exact, and a power cut leaves it behind the database, never ahead.
"""

import os
from contextlib import suppress
from pathlib import Path

from matcher.errors import StoreError

_BYTES = 8


def tally_path(path: Path) -> Path:
    """Where a database's tally stands."""
    return path.with_name(path.name + ".tally")


class Tally:
    """The tally of an open database."""

    def __init__(self, path: Path) -> None:
        """Open or create it."""
        self._path = path
        try:
            self._descriptor = os.open(tally_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"{tally_path(path)} cannot be opened: {error.strerror}") from error

    def prove(self, transactions: int) -> None:
        """`StoreError` if the database holds fewer transactions than were committed."""
        noted = int.from_bytes(os.pread(self._descriptor, _BYTES, 0), "little")
        if transactions < noted:
            raise StoreError(
                f"{self._path} is damaged: {noted - transactions} transactions that were committed are missing from it;"
                " restore a backup"
            )

    def note(self, transactions: int) -> None:
        """So many are committed. A disk without room for it leaves it behind, as a power cut would."""
        with suppress(OSError):
            os.pwrite(self._descriptor, transactions.to_bytes(_BYTES, "little"), 0)

    def close(self) -> None:
        """Release the file."""
        os.close(self._descriptor)
