"""The store on disk. One connection writes and one reads, each behind its own lock: readers never wait for the disk."""

import logging
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw
import numpy as np

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
    Case,
    ClosedRecord,
    Frame,
    FrameKind,
    Links,
    MatchOutcome,
    RemovalNotice,
    Resolution,
)
from matcher.store.base import FeedState, MatchedFrame
from matcher.store.checks import check_decision, check_outcome
from matcher.store.connection import APPLICATION_ID, BUSY_MS, lock, make_private, open_reader, open_writer, translated
from matcher.store.migration import migrate
from matcher.store.outcome import write_outcome
from matcher.store.queries import QUERIES as SQL
from matcher.store.rows import MOST, frame_of, read_alerts, read_case

_log = logging.getLogger(__name__)
_LINK = np.dtype([("left", np.int64), ("right", np.int64), ("weight", np.float32)])
_CHECKPOINT_WAIT_MS = 50


class SqliteStore:
    """See `matcher.store.base.Store`. A second store on the same path, in any process, is refused (`StoreError`)."""

    def __init__(self, path: Path) -> None:
        """Open or create the database; this reads all of it once, to prove it sound."""
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._descriptor = lock(path)
        self._erased_in_log = True  # of a run that was killed, perhaps
        try:
            make_private(path)
            with translated():
                self._writer = open_writer(path)
        except BaseException:
            os.close(self._descriptor)
            raise
        try:
            with self._writing() as writer:
                _prepare(writer)
            with translated():
                self._reader = open_reader(path)
            self._database_id: bytes = self._value("database_id")
        except BaseException:
            self._writer.close()
            os.close(self._descriptor)
            raise

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
        with self._write_lock, self._read_lock, translated():
            descriptor, self._descriptor = self._descriptor, -1
            if descriptor < 0:
                return
            try:
                self._reader.close()
                self._writer.close()
            finally:
                os.close(descriptor)

    # -- input ---------------------------------------------------------------------------------------------------

    def next_offset(self, agency: str, feed_id: str) -> int:
        """See `Store`."""
        return int(self._value("next_offset", agency, feed_id) or 0)

    def append(
        self, agency: str, feed_id: str, first_offset: int, count: int, epoch: int, payload: bytes, now: int
    ) -> int:
        """See `Store`."""
        if count < 1:
            raise ValueError("a frame holds at least one record")
        with self._writing() as writer:
            expected = writer.execute(SQL["next_offset"], (agency, feed_id)).get or 0
            if first_offset < expected:
                raise OffsetCommittedError(expected)
            if first_offset > expected:
                raise OffsetGapError(expected)
            writer.execute(SQL["append_frame"], (agency, FrameKind.RECORDS, epoch, now, payload))
            writer.execute(SQL["set_next_offset"], (agency, feed_id, expected + count))
            writer.execute(SQL["agency_sent"], (agency, now))
        return int(expected + count)

    def submit(
        self,
        agency: str,
        request_id: str,
        kind: FrameKind,
        epoch: int,
        payload: bytes,
        content: bytes,
        now: int,
    ) -> None:
        """See `Store`."""
        with self._writing() as writer:
            before = writer.execute(SQL["request_content"], (agency, request_id)).get
            if before is None:
                writer.execute(SQL["add_request"], (agency, request_id, content))
                writer.execute(SQL["append_frame"], (agency, kind, epoch, now, payload))
                if kind not in NO_AGENCY_S_INPUT:
                    writer.execute(SQL["agency_sent"], (agency, now))
            elif before != content:
                raise RequestReusedError("the request_id was used for another request")

    # -- matching ------------------------------------------------------------------------------------------------

    @property
    def committed_through(self) -> int:
        """See `Store`."""
        return int(self._value("committed_through"))

    @property
    def matched_through(self) -> int:
        """See `Store`."""
        return int(self._value("matched_through"))

    @property
    def next_record(self) -> int:
        """See `Store`."""
        return int(self._value("next_record"))

    def frames_after(self, frame_id: int, limit: int) -> list[Frame]:
        """See `Store`."""
        return [frame_of(row) for row in self._rows("frames_after", frame_id, max(limit, 0))]

    def commit_matching(self, outcome: MatchOutcome) -> None:
        """See `Store`."""
        erases = bool(outcome.gone or outcome.patches or outcome.emptied or outcome.closures)
        with self._writing(erases) as writer:
            check_outcome(
                outcome,
                writer.execute(SQL["committed_through"]).get,
                writer.execute(SQL["matched_through"]).get,
                writer.execute(SQL["last_sequence"]).get,
            )
            write_outcome(writer, outcome)

    def matched_frames(self) -> Iterator[MatchedFrame]:
        """See `Store`. Frames are read one at a time, so that others can read in between."""
        frame_id = 0
        while rows := self._rows("matched_frame_after", frame_id):
            *columns, numbers = rows[0]
            frame = frame_of(columns)
            yield MatchedFrame(frame, np.frombuffer(numbers, "<i8").astype(np.int64))
            frame_id = frame.frame_id

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
            table = np.fromiter(reader.execute(SQL["links"]), _LINK)
        left, right, weight = (np.ascontiguousarray(table[name]) for name in ("left", "right", "weight"))
        return Links(left, right, weight)

    def answers(self) -> list[Answer]:
        """See `Store`."""
        return [
            Answer(left, right, Resolution(resolution), reviewer, expires_at)
            for left, right, resolution, reviewer, expires_at in self._rows("answers")
        ]

    def closed_records(self) -> list[ClosedRecord]:
        """See `Store`."""
        return [ClosedRecord(*row) for row in self._rows("closures")]

    # -- alerts --------------------------------------------------------------------------------------------------

    @property
    def last_sequence(self) -> int:
        """See `Store`."""
        return int(self._value("last_sequence"))

    def alerts_after(self, sequence: int, limit: int) -> list[Alert]:
        """See `Store`."""
        with self._reading() as reader:
            return read_alerts(reader, sequence, limit)

    def alert(self, alert_id: bytes) -> Alert:
        """See `Store`."""
        with self._reading() as reader:
            sequence = reader.execute(SQL["alert_sequence"], (alert_id,)).get
            if sequence is None:
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

    # -- cases ---------------------------------------------------------------------------------------------------

    def open_case(self, case_id: bytes, person_id: bytes, now: int) -> bytes:
        """See `Store`."""
        with self._writing() as writer:
            # open ones come first
            there: list[tuple[Any, ...]] = writer.execute(SQL["person_cases"], (person_id,)).fetchall()
            if not there:
                try:
                    writer.execute(SQL["add_case"], (case_id, person_id, now))
                except apsw.ConstraintError as error:
                    raise ValueError("a case_id is in use already") from error
                return case_id
            found, closed_at = there[0]
            if closed_at:
                raise NotFoundError("the person's case is being closed")
            return bytes(found)

    def record_decision(self, case_id: bytes, decision_id: str, sectors: frozenset[str]) -> None:
        """See `Store`."""
        with self._writing() as writer:
            check_decision(read_case(writer, case_id), sectors)
            writer.execute(SQL["add_decision"], (case_id, decision_id))

    def close_case(self, case_id: bytes, epoch: int, payload: bytes, now: int) -> None:
        """See `Store`."""
        with self._writing() as writer:
            if not read_case(writer, case_id).closed_at:
                writer.execute(SQL["set_case_closed"], (case_id, now))
                writer.execute(SQL["append_frame"], ("", FrameKind.CLOSURE, epoch, now, payload))

    def case(self, case_id: bytes) -> Case:
        """See `Store`."""
        with self._reading() as reader:
            return read_case(reader, case_id)

    def notices_after(self, agency: str, number: int, limit: int) -> list[RemovalNotice]:
        """See `Store`."""
        rows = self._rows("notices_after", agency, min(number, MOST), max(limit, 0))
        return [RemovalNotice(*row) for row in rows]

    def confirm_removals(self, agency: str, notice_ids: list[bytes]) -> None:
        """See `Store`."""
        with self._writing(erases=True) as writer:
            writer.executemany(SQL["confirm_notice"], [(agency, notice_id) for notice_id in notice_ids])

    @property
    def removals_unconfirmed(self) -> int:
        """See `Store`."""
        return int(self._value("notice_count"))

    # -- operation -----------------------------------------------------------------------------------------------

    def feed_states(self) -> list[FeedState]:
        """See `Store`."""
        return [FeedState(agency, last) for agency, last in self._rows("agencies")]

    # -- transactions --------------------------------------------------------------------------------------------

    @contextmanager
    def _writing(self, erases: bool = False) -> Iterator[apsw.Connection]:
        with self._write_lock, translated():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                with suppress(apsw.Error):  # a full disk has rolled it back already
                    self._writer.execute("ROLLBACK")
                raise
            self._erased_in_log |= erases
            if self._erased_in_log:
                self._clear_log()

    def _clear_log(self) -> None:
        """Copy the log into the database and cut it to nothing: older copies of erased bytes stand in it."""
        self._writer.set_busy_timeout(_CHECKPOINT_WAIT_MS)
        try:
            self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self._erased_in_log = False
        except apsw.Error as error:  # the transaction is durable all the same
            _log.warning("erased bytes stay in the log until the next commit (%s)", type(error).__name__)
        finally:
            self._writer.set_busy_timeout(BUSY_MS)

    @contextmanager
    def _reading(self) -> Iterator[apsw.Connection]:
        with self._read_lock, translated():
            self._reader.execute("BEGIN")
            try:
                yield self._reader
            finally:
                self._reader.execute("COMMIT")

    def _rows(self, query: str, *bindings: str | int) -> list[tuple[Any, ...]]:
        with self._reading() as reader:
            return reader.execute(SQL[query], bindings).fetchall()

    def _value(self, query: str, *bindings: str | int) -> Any:
        rows = self._rows(query, *bindings)
        return rows[0][0] if rows else None


def _prepare(writer: apsw.Connection) -> None:
    migrate(writer)
    writer.pragma("application_id", APPLICATION_ID)
    if writer.execute(SQL["database_id"]).get is None:
        writer.execute(SQL["create_state"], (secrets.token_bytes(16),))
