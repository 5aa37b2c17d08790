"""Copies the write-ahead log into the database beside whoever writes. SQLite has the writer do it at the end of a
commit; there it took as long as the commit itself, in which nobody else could write."""

import logging
from threading import Event, Lock, Thread

import apsw

log = logging.getLogger(__name__)
_PAGES = 250
"""Pages of a log that are copied: fewer than a feed's frame has."""
_MOST_PAGES = 4000
"""Of a log that grew so long the writer copies it after all: else it might never begin anew, nor end."""


class Checkpoints:
    """Copies what `writer` commits, through a connection of their own, until they are closed. `copying` is held
    meanwhile."""

    def __init__(self, writer: apsw.Connection, connection: apsw.Connection) -> None:
        self.copying = Lock()
        self._connection = connection
        connection.pragma("synchronous", "full")
        self._due = Event()
        self._ending = False
        writer.set_wal_hook(self._committed)
        self._thread = Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish the copy in hand, and close the connection."""
        self._ending = True
        self._due.set()
        self._thread.join()
        self._connection.close()

    def _committed(self, writer: apsw.Connection, _: str, pages: int) -> int:
        if pages >= _MOST_PAGES:
            self._copy(writer)
        elif pages >= _PAGES:
            self._due.set()
        return apsw.SQLITE_OK

    def _run(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            if self._ending:
                return
            self._copy(self._connection)

    def _copy(self, connection: apsw.Connection) -> None:
        with self.copying:
            try:
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            except apsw.Error as error:  # what was committed is durable all the same
                log.warning("the log is copied into the database with a later commit (%s)", type(error).__name__)
