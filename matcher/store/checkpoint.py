"""Copies the write-ahead log into the database beside whoever writes. SQLite has the writer do it at the end of a
commit; there it took as long as the commit itself, in which nobody else could write.

How long the log is tells what matching wrote: without large frames a copy begins on a beat (`matcher.beat`).
"""

import logging
from collections.abc import Callable
from threading import Event, Lock, Thread

import apsw

from matcher.beat import Beat

log = logging.getLogger(__name__)
_PAGES = 250
"""Pages from which a log is copied: fewer than a feed's frame has."""
_LARGE_PAGES = 500
"""From so many it is copied at once: frames are coming in."""
_MOST_PAGES = 4000
"""From so many the writer copies it after all. A log begins anew only when all of it is copied and nobody reads it,
which a copy beside a busy writer never comes to. Less than `matcher.store.connection` lets a log keep."""


class Checkpoints:
    """Copies what `writer` commits, through a connection of their own that `connect` opens, until they are closed.
    `copying` is held meanwhile."""

    def __init__(self, writer: apsw.Connection, connect: Callable[[], apsw.Connection], beat: Beat) -> None:
        self.copying = Lock()
        self._connect = connect
        self._beat = beat
        self._connection = self._opened()
        self._due = Event()
        self._pages = 0
        """Of the log after the last commit."""
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

    def forget(self) -> None:
        """Open the connection anew: it keeps the last page that it copied, as that was then."""
        with self.copying:
            self._connection.close()
            self._connection = self._opened()

    def _opened(self) -> apsw.Connection:
        connection = self._connect()
        connection.pragma("synchronous", "full")
        return connection

    def _committed(self, writer: apsw.Connection, _: str, pages: int) -> int:
        self._pages = pages
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
            if self._pages < _LARGE_PAGES:
                self._beat.begin()
            self._copy()

    def _copy(self, writer: apsw.Connection | None = None) -> None:
        with self.copying:
            try:
                (writer or self._connection).wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            except apsw.Error as error:  # what was committed is durable all the same
                log.warning("the log is copied into the database with a later commit (%s)", type(error).__name__)
