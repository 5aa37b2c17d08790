"""The store on disk. One connection writes and one reads, each behind its own lock: readers never wait for the disk. A
third one copies the log into the database."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import numpy as np

from matcher.beat import Beat
from matcher.errors import (
    AcknowledgeAheadError,
    NotFoundError,
    OffsetCommittedError,
    OffsetGapError,
    RequestReusedError,
    StoreError,
)
from matcher.model import (
    NO_AGENCY_S_INPUT,
    Alert,
    Answer,
    ClosedRecord,
    Frame,
    FrameKind,
    Links,
    MatchOutcome,
    Resolution,
)
from matcher.store.base import FeedState, MatchedFrame, Tellings
from matcher.store.checkpoint import Checkpoints
from matcher.store.checks import check_outcome
from matcher.store.connection import connect, cut_log, lock, make_private, open_reader, open_writer, prepare, translated
from matcher.store.lookup import Lookups
from matcher.store.outcome import needs_lookup, write_outcome
from matcher.store.packed import read_links
from matcher.store.queries import QUERIES as SQL
from matcher.store.rows import frame_of, read_alerts, set_parked, tellings_of
from matcher.store.sqlite_cases import SqliteCases
from matcher.store.sums import prove, write_sum
from matcher.store.tally import Tally
from matcher.turns import Turns

_log = logging.getLogger(__name__)
_TELLINGS = 10_000  # a read in hand holds up the others
_SHORT_BYTES = 1 << 16
"""What is no longer is written ahead of large frames: some dozens of records."""
_FRESH = 16
"""Frames kept so: more than wait for matching before feeds are slowed down."""


class SqliteStore(SqliteCases):
    """See `matcher.store.base.Store`. A second store on the same path, in any process, is refused (`StoreError`)."""

    def __init__(self, path: Path, key: bytes | None = None) -> None:
        """Open or create the database, encrypted with the key (32 bytes) if one is given; this reads all of it, to
        prove it sound."""
        self._path = path
        self.beat = Beat()
        """The matcher's, on which copying the log begins too."""
        self._write_lock = Turns()
        self._read_lock = threading.Lock()
        self._descriptor = lock(path)
        self._erased_in_log = True  # of a run that was killed, perhaps
        self._erased_in_caches = False
        self._lookups = Lookups(self._rows, self._write_lock)
        self._fresh: dict[int, Frame] = {}
        """Frames just appended, by number, so that matching need not read them back. None stays behind its turn."""
        with ExitStack() as undo:
            undo.callback(os.close, self._descriptor)
            proved = prove(path)
            self._tally = Tally(path)
            undo.callback(self._tally.close)
            make_private(path)
            with translated():
                self._writer = open_writer(path, key, proved=proved)
            undo.callback(self._writer.close)
            with translated():
                self._reader = open_reader(path, key)
            undo.callback(self._reader.close)
            undo.callback(
                self._writer.config, apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1
            )  # what is refused stays as it is
            with translated():
                self._checkpoints = Checkpoints(self._writer, partial(connect, path, key), self.beat)
            undo.callback(self._checkpoints.close)
            with self._writing() as writer:
                prepare(writer)
                self._tally.prove(writer.execute(SQL["transactions"]).get)
            self._database_id: bytes = self._value("database_id")
            # kept, since every call asks for them
            self._next_record = int(self._value("next_record"))
            self._committed_through = int(self._value("committed_through"))
            self._last_sequence = int(self._value("last_sequence"))
            undo.pop_all()

    # -- identity of the database --------------------------------------------------------------------------------

    @property
    def database_id(self) -> bytes:
        """See `Store`."""
        return self._database_id

    def bind(self, setting: str, value: str) -> None:
        """See `Store`."""
        with self._writing() as writer:
            writer.execute(SQL["bind"], (setting, value))
            if writer.execute(SQL["bound_value"], (setting,)).get != value:
                raise StoreError(f"the database was made with another {setting}: correct the configuration")

    def close(self) -> None:
        """See `Store`."""
        self._lookups.close()
        with self._write_lock, self._read_lock, translated():
            self._fresh.clear()
            descriptor, self._descriptor = self._descriptor, -1
            if descriptor < 0:
                return
            try:
                self._checkpoints.close()
                self._reader.close()
                self._writer.close()
                self._tally.close()
                if not self._path.with_name(self._path.name + "-wal").exists():  # or a backup is reading
                    write_sum(self._path)
            except OSError as error:
                _log.warning("the database is closed without a sum (%s)", error.strerror)
            finally:
                os.close(descriptor)

    # -- input ---------------------------------------------------------------------------------------------------

    def next_offset(self, agency: str, feed_id: str) -> int:
        """See `Store`."""
        return int(self._value("next_offset", agency, feed_id) or 0)

    def append(
        self, agency: str, feed_id: str, first_offset: int, count: int, epoch: int, payload: bytes, now: int,
        backfill: bool = False,
    ) -> int:  # fmt: skip
        """See `Store`."""
        if count < 1:
            raise ValueError("a frame holds at least one record")
        with self._writing(ahead=False) as writer:
            expected = writer.execute(SQL["next_offset"], (agency, feed_id)).get or 0
            if first_offset < expected:
                raise OffsetCommittedError(expected)
            if first_offset > expected:
                raise OffsetGapError(expected)
            writer.execute(SQL["append_frame"], (agency, FrameKind.RECORDS, epoch, now, payload, int(backfill)))
            frame_id = writer.last_insert_rowid()
            writer.execute(SQL["set_next_offset"], (agency, feed_id, expected + count))
            writer.execute(SQL["agency_sent"], (agency, now))
        if len(self._fresh) < _FRESH:
            self._fresh[frame_id] = Frame(frame_id, agency, FrameKind.RECORDS, epoch, payload, now, backfill)
        return int(expected + count)

    def submit(
        self, agency: str, request_id: str, kind: FrameKind, epoch: int, payload: bytes, content: bytes, now: int
    ) -> None:
        """See `Store`."""
        with self._writing(ahead=len(payload) <= _SHORT_BYTES) as writer:
            before = writer.execute(SQL["request_content"], (agency, request_id)).get
            if before is None:
                writer.execute(SQL["add_request"], (agency, request_id, content))
                writer.execute(SQL["append_frame"], (agency, kind, epoch, now, payload, 0))
                if kind not in NO_AGENCY_S_INPUT:
                    writer.execute(SQL["agency_sent"], (agency, now))
            elif before != content:
                raise RequestReusedError("the request_id was used for another request")

    # -- matching ------------------------------------------------------------------------------------------------

    @property
    def committed_through(self) -> int:
        """See `Store`."""
        return self._committed_through

    @property
    def matched_through(self) -> int:
        """See `Store`."""
        return int(self._value("matched_through"))

    @property
    def next_record(self) -> int:
        """See `Store`."""
        return self._next_record

    @property
    def today(self) -> int:
        """See `Store`."""
        return int(self._value("today"))

    def frames_after(self, frame_id: int, limit: int) -> list[Frame]:
        """See `Store`."""
        self._drop_fresh(frame_id)
        if limit == 1 and (fresh := self._fresh.pop(frame_id + 1, None)):
            return [fresh]
        return [frame_of(row) for row in self._rows("frames_after", frame_id, max(limit, 0))]

    def commit_matching(self, outcome: MatchOutcome) -> None:
        """See `Store`."""
        erases = bool(outcome.gone or outcome.patches or outcome.emptied or outcome.closures)
        if needs_lookup(outcome):
            self._lookups.complete()
        with self._writing(erases=erases) as writer:
            lookup = self._lookups.take()
            check_outcome(
                outcome,
                writer.execute(SQL["committed_through"]).get,
                writer.execute(SQL["matched_through"]).get,
                writer.execute(SQL["last_sequence"]).get,
            )
            write_outcome(writer, lookup, outcome)
        self._lookups.give_back(lookup)
        self._drop_fresh(outcome.matched_through)

    def _drop_fresh(self, through: int) -> None:
        for number in [number for number in list(self._fresh) if number <= through]:
            self._fresh.pop(number, None)

    def prepare_erasing(self) -> None:
        """See `Store`."""
        self._lookups.prepare()

    def matched_frames(self) -> Iterator[MatchedFrame]:
        """See `Store`. Frames are read one at a time, so that others can read in between."""
        frame_id = 0
        while rows := self._rows("matched_frame_after", frame_id):
            *columns, numbers = rows[0]
            frame = frame_of(columns)
            yield MatchedFrame(frame, np.frombuffer(numbers, "<i8").astype(np.int64))
            frame_id = frame.frame_id

    def epochs(self) -> dict[int, list[int]]:
        """See `Store`."""
        found: dict[int, list[int]] = {}
        for epoch, frame_id in self._rows("record_frames"):
            found.setdefault(epoch, []).append(frame_id)
        return found

    def read_payload(self, frame_id: int, position: int, size: int) -> bytes:
        """See `Store`."""
        with self._reading() as reader:
            stored = reader.execute(SQL["payload_size"], (frame_id,)).get
            if stored is None or position < 0 or size < 0 or position + size > stored:
                raise StoreError("a stored frame has no such part")
            if size == 0:
                return b""
            with reader.blob_open("main", "frame", "payload", frame_id, False) as blob:
                blob.seek(position)
                part = blob.read(size)
        return part

    def links(self) -> Links:
        """See `Store`. Other readers wait meanwhile."""
        with self._reading() as reader:
            return read_links(reader)

    def answers(self) -> list[Answer]:
        """See `Store`."""
        return [
            Answer(left, right, Resolution(resolution), reviewer, expires_at)
            for left, right, resolution, reviewer, expires_at in self._rows("answers")
        ]

    def closed_records(self) -> list[ClosedRecord]:
        """See `Store`."""
        return [ClosedRecord(*row) for row in self._rows("closures")]

    def contacts(self, record: int) -> list[int]:
        """See `Store`."""
        return [day for (day,) in self._rows("contacts", record)]

    # -- alerts --------------------------------------------------------------------------------------------------

    @property
    def last_sequence(self) -> int:
        """See `Store`."""
        return self._last_sequence

    def alerts_after(self, sequence: int, limit: int) -> list[Alert]:
        """See `Store`."""
        with self._reading() as reader:
            return read_alerts(reader, sequence, limit)

    def tellings(self) -> Iterator[Tellings]:
        """See `Store`. They are read some thousands at a time, so that others can read in between."""
        sequence = 0
        while (row := self._rows("tellings_after", sequence, _TELLINGS)[0])[0] is not None:
            sequence, *columns = row
            yield tellings_of(columns)

    def alert(self, alert_id: bytes) -> Alert:
        """See `Store`."""
        with self._reading() as reader:
            if (sequence := reader.execute(SQL["alert_sequence"], (alert_id,)).get) is None:
                raise NotFoundError("there is no such alert")
            return read_alerts(reader, sequence - 1, 1)[0]

    def mark(self, consumer: str) -> int:
        """See `Store`."""
        return int(self._value("mark", consumer) or 0)

    def acknowledge(self, consumer: str, through_sequence: int) -> int:
        """See `Store`."""
        with self._writing() as writer:
            if through_sequence > (last := writer.execute(SQL["last_sequence"]).get):
                raise AcknowledgeAheadError(f"the log reaches sequence {last}")
            mark = max(writer.execute(SQL["mark"], (consumer,)).get or 0, through_sequence)
            writer.execute(SQL["set_mark"], (consumer, mark))
        return mark

    def park(self, consumer: str, sequence: int, parked: bool) -> None:
        """See `Store`."""
        with self._writing() as writer:
            set_parked(writer, consumer, sequence, parked)

    def parked_after(self, consumer: str, sequence: int, limit: int) -> list[Alert]:
        """See `Store`."""
        with self._reading() as reader:
            return read_alerts(reader, sequence, limit, parked_by=consumer)

    # -- operation -----------------------------------------------------------------------------------------------

    def drop_caches(self) -> None:
        """See `Store`. The reader learns with its next read which of its pages are no more; outside a transaction even
        the pages it began with are let go."""
        if not self._erased_in_caches:
            return
        self._erased_in_caches = False
        self._value("matched_through")
        for turn, connection in ((self._read_lock, self._reader), (self._write_lock.ahead(), self._writer)):
            with turn, translated():
                connection.release_memory()
        with translated():
            self._checkpoints.forget()
        with self._writing() as writer:  # the tops of the tables, or the next call would take longer for reading them
            writer.execute(SQL["request_content"], ("", ""))
            writer.execute(SQL["next_offset"], ("", ""))
        self._value("next_offset", "", "")

    def feed_states(self) -> list[FeedState]:
        """See `Store`."""
        return [FeedState(agency, last) for agency, last in self._rows("agencies")]

    # -- transactions --------------------------------------------------------------------------------------------

    @contextmanager
    def _writing(self, *, erases: bool = False, ahead: bool = True) -> Iterator[apsw.Connection]:
        """`ahead`: before large frames that wait, see `Turns`."""
        with self._write_lock.ahead() if ahead else self._write_lock, translated():
            self._writer.execute("BEGIN IMMEDIATE")
            before, counted = self._writer.total_changes(), None
            try:
                yield self._writer
                if self._writer.total_changes() != before:
                    counted = self._writer.execute(SQL["count_transaction"]).get
                self._writer.execute("COMMIT")
            except BaseException:
                with suppress(apsw.Error):  # a full disk has rolled it back already
                    self._writer.execute("ROLLBACK")
                raise
            if counted:
                transactions, self._next_record, self._committed_through, self._last_sequence = counted
                self._tally.note(transactions)
            self._erased_in_log |= erases
            self._erased_in_caches |= erases
            if self._erased_in_log:
                with self._checkpoints.copying:
                    self._erased_in_log = not cut_log(self._writer)

    @contextmanager
    def _reading(self) -> Iterator[apsw.Connection]:
        with self._read_lock, translated():
            self._reader.execute("BEGIN")
            try:
                yield self._reader
            finally:
                if self._reader.in_transaction:  # not after a damaged page was read
                    self._reader.execute("COMMIT")

    def _rows(self, query: str, *bindings: str | int) -> list[tuple[Any, ...]]:
        with self._reading() as reader:
            return reader.execute(SQL[query], bindings).fetchall()

    def _value(self, query: str, *bindings: str | int) -> Any:
        rows = self._rows(query, *bindings)
        return rows[0][0] if rows else None
