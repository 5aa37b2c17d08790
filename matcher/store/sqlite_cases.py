"""The part of the SQLite store that is about cases and removal notices."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Any

import apsw

from matcher.errors import NotFoundError
from matcher.model import DAY_SECONDS, Case, FrameKind, RemovalNotice
from matcher.store.checks import check_decision
from matcher.store.queries import QUERIES as SQL
from matcher.store.rows import MOST, read_case


class SqliteCases(ABC):
    """See `matcher.store.base.Store`."""

    @abstractmethod
    def _writing(self, *, erases: bool = False, ahead: bool = True) -> AbstractContextManager[apsw.Connection]: ...

    @abstractmethod
    def _reading(self) -> AbstractContextManager[apsw.Connection]: ...

    @abstractmethod
    def _rows(self, query: str, *bindings: str | int) -> list[tuple[Any, ...]]: ...

    @abstractmethod
    def _value(self, query: str, *bindings: str | int) -> Any: ...

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

    def record_decision(self, case_id: bytes, decision_id: str, sectors: frozenset[str], now: int) -> None:
        """See `Store`."""
        with self._writing() as writer:
            check_decision(read_case(writer, case_id), sectors)
            writer.execute(SQL["add_decision"], (case_id, decision_id))
            if writer.changes():
                writer.execute(SQL["set_reviewed"], (case_id, now // DAY_SECONDS))

    def close_case(self, case_id: bytes, epoch: int, payload: bytes, now: int) -> None:
        """See `Store`."""
        with self._writing() as writer:
            if not read_case(writer, case_id).closed_at:
                writer.execute(SQL["set_case_closed"], (case_id, now))
                writer.execute(SQL["append_frame"], ("", FrameKind.CLOSURE, epoch, now, payload, 0))

    def reviews(self) -> dict[bytes, int]:
        """See `Store`."""
        return dict(self._rows("reviews"))

    def case(self, case_id: bytes) -> Case:
        """See `Store`."""
        with self._reading() as reader:
            return read_case(reader, case_id)

    def cases_after(self, case_id: bytes, limit: int) -> list[Case]:
        """See `Store`."""
        with self._reading() as reader:
            named: list[tuple[Any, ...]] = reader.execute(SQL["cases_after"], (case_id, max(limit, 0))).fetchall()
            return [read_case(reader, found) for (found,) in named]

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
        return int(self._value("notice_count", MOST))

    def removals_overdue(self, closed_before: int) -> int:
        """See `Store`."""
        return int(self._value("notice_count", closed_before))
