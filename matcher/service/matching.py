"""The one thread that matches: makes memory from the store, then wakes when a frame is committed or time passes, and
wakes those who wait for alerts."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from threading import Condition, Event, Thread
from time import monotonic

from matcher.beat import Beat
from matcher.errors import MatcherError, for_log
from matcher.pipeline import Pipeline
from matcher.store.base import Store

log = logging.getLogger(__name__)
_IDLE_SECONDS = 0.5
_RETRY_SECONDS = 2.0
_ROOM_SECONDS = 10.0
MOST_WAITING = 2
"""Frames that wait for matching before feeds are slowed down: well under a second's work, so that an alert is never
later than that behind its record."""


class Matching:
    """Runs a pipeline until stopped. While it cannot commit, such as on a full disk, it tries again and again.

    `make` makes the pipeline, which takes as long as there are records. `report` is told when matching works (True) and
    when it does not any more (False); `working` is the last it was told.
    """

    def __init__(
        self, store: Store, beat: Beat, make: Callable[[], Pipeline],
        report: Callable[[bool], None] = lambda working: None,
    ) -> None:  # fmt: skip
        self.store, self.beat = store, beat
        self.working = False
        self._make = make
        self._made: Future[Pipeline] = Future()
        self._report = report
        self._committed = Event()
        self._last_frames: dict[str, int] = {}
        """By agency: a frame behind which none of it was appended."""
        self._singly = 0
        """Frames that are to be matched one by one, so that the log can name the one that fails."""
        self._at = ""
        """Where matching is, for the log, while one frame is matched alone."""
        self._stopping = Event()
        self._changed = Condition()
        self._thread = Thread(target=self._run, name="matching", daemon=True)

    def start(self) -> None:
        """Start matching."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the frame in hand and end; those who wait for alerts are woken."""
        self._stopping.set()
        self._committed.set()
        self._thread.join()
        self._notify()
        if self._made.done() and not self._made.exception():
            self.pipeline.close()

    @property
    def pipeline(self) -> Pipeline:
        """What matches, once it is made: callers wait. What its making raised is raised here."""
        return self._made.result()

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    def committed(self, agency: str | None = None) -> None:
        """Say that a frame was committed, of a feed of an agency if one is given."""
        if agency is not None:
            self._last_frames[agency] = self.store.committed_through
        self._committed.set()

    def wait_for_alert(self, after_sequence: int, seconds: float) -> None:
        """Return when the log goes beyond a sequence, when the time is over, or when matching stops."""
        until = monotonic() + seconds
        with self._changed:
            while self.store.last_sequence <= after_sequence and not self.stopping:
                left = until - monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return

    def wait_for_room(self, agency: str) -> None:
        """Slow down an agency that feeds faster than matching goes: return when few frames wait, or none of its own. It
        never stops a feed: after some seconds it returns all the same, and at once while memory is made or matching
        does not work."""
        until = monotonic() + _ROOM_SECONDS
        with self._changed:
            while self.working and self._is_behind(agency) and not self.stopping:
                left = until - monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return

    def _is_behind(self, agency: str) -> bool:
        waiting = self.pipeline.frames_waiting
        return waiting > MOST_WAITING and self._last_frames.get(agency, 0) > self.store.committed_through - waiting

    def pause(self, seconds: float) -> None:
        """Return when the time is over or matching stops, whatever else happens."""
        self._stopping.wait(seconds)

    def _run(self) -> None:
        try:
            made = self._make()
        except Exception as error:
            self._made.set_exception(error)
            return
        self._set_working(True)
        self._made.set_result(made)
        while not self._stopping.is_set():
            self._committed.clear()
            try:
                while not self._stopping.is_set() and self._match_next():
                    self._set_working(True)
                    self._notify()
                if self.pipeline.index.is_worn:
                    log.info("most rows in memory are of records sent again or removed: it is made anew")
                    self.pipeline.rebuild()
                self._set_working(True)
                self._committed.wait(_IDLE_SECONDS)
                self.beat.begin()
                self.store.drop_caches()  # on a beat of its own: matching that erased has taken long enough of the last
            except Exception as error:
                self._recover(error)

    def _match_next(self) -> bool:
        self._at = f" at frame {self.pipeline.matched_through + 1}" if self._singly else ""
        done = self.pipeline.match_next(singly=self._singly > 0)
        self._singly, self._at = max(self._singly - 1, 0), ""
        return done or self.pipeline.pass_time()

    def _recover(self, error: Exception) -> None:
        """Make memory anew from the store, however often it takes: it is ahead of what was committed."""
        self._set_working(False)
        while True:
            at = "" if isinstance(error, MatcherError) else self._at
            log.error("matching failed (%s%s); memory is made anew from the store", for_log(error), at)
            self._at = ""
            if self._stopping.wait(_RETRY_SECONDS):
                return
            try:
                self.pipeline.rebuild()
                self._singly = self.pipeline.frames_waiting
                return
            except Exception as again:
                error = again

    def _set_working(self, working: bool) -> None:
        if working != self.working:
            self.working = working
            self._report(working)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()
