"""Cases and removal notices of the memory store. Its lock guards them."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import islice

from matcher.errors import NotFoundError
from matcher.model import Alert, AlertKind, Case, Closure, RemovalNotice
from matcher.store.checks import check_decision, state_of


@dataclass(slots=True)
class _Row:
    """A case as it is stored."""

    person_id: bytes
    opened_at: int
    closed_at: int = 0
    decisions: set[str] = field(default_factory=set)


class MemoryCases:
    """See `matcher.store.base.Store`, section "cases"."""

    def __init__(self) -> None:
        self._rows: dict[bytes, _Row] = {}
        self._notices: list[tuple[bytes, RemovalNotice]] = []  # with their cases
        self._notices_given = 0

    @property
    def unconfirmed(self) -> int:
        """Notices not confirmed."""
        return len(self._notices)

    def open(self, case_id: bytes, person_id: bytes, now: int) -> bytes:
        """See `Store.open_case`."""
        there = [
            (row.closed_at, row.opened_at, found) for found, row in self._rows.items() if row.person_id == person_id
        ]
        if not there:
            if case_id in self._rows:
                raise ValueError("a case_id is in use already")
            self._rows[case_id] = _Row(person_id, now)
            return case_id
        closed_at, _, found = min(there)  # open ones come first
        if closed_at:
            raise NotFoundError("the person's case is being closed")
        return found

    def decide(self, case_id: bytes, decision_id: str, sectors: frozenset[str]) -> None:
        """See `Store.record_decision`."""
        check_decision(self.get(case_id), sectors)
        self._rows[case_id].decisions.add(decision_id)

    def close(self, case_id: bytes, now: int) -> bool:
        """Close a case; False if it was closed before. `NotFoundError`."""
        if self.get(case_id).closed_at:
            return False
        self._rows[case_id].closed_at = now
        return True

    def get(self, case_id: bytes) -> Case:
        """See `Store.case`."""
        row = self._rows.get(case_id)
        if row is None:
            raise NotFoundError("there is no such case")
        awaiting = tuple(sorted({notice.agency for of, notice in self._notices if of == case_id}))
        decisions = len(row.decisions)
        state = state_of(row.person_id, decisions, bool(awaiting), row.closed_at)
        return Case(case_id, state, row.person_id, decisions, awaiting, row.opened_at, row.closed_at)

    def notices_after(self, agency: str, number: int, limit: int) -> list[RemovalNotice]:
        """See `Store.notices_after`."""
        found = (notice for _, notice in self._notices if notice.agency == agency and notice.number > number)
        return list(islice(found, max(limit, 0)))

    def confirm(self, agency: str, notice_ids: list[bytes]) -> None:
        """See `Store.confirm_removals`."""
        confirmed = {(agency, notice_id) for notice_id in notice_ids}
        self._notices = [
            (of, notice) for of, notice in self._notices if (notice.agency, notice.notice_id) not in confirmed
        ]

    def check(self, closures: list[Closure]) -> None:
        """`ValueError` unless the closures can be applied."""
        seen: set[bytes] = set()
        taken = {notice.notice_id for _, notice in self._notices}
        for closure in closures:
            row = self._rows.get(closure.case_id)
            if row is None or not row.closed_at or not row.person_id or closure.case_id in seen:
                raise ValueError("a closure names a case that does not await it")
            seen.add(closure.case_id)
            for notice in closure.notices:
                if notice.notice_id in taken:
                    raise ValueError("a notice_id is in use already")
                taken.add(notice.notice_id)

    def follow(self, alerts: Iterable[Alert]) -> None:
        """Move cases to the person that MERGED alerts name as the survivor."""
        for alert in alerts:
            if alert.kind is AlertKind.MERGED:
                for row in self._rows.values():
                    if row.person_id == alert.person_id:
                        row.person_id = alert.surviving_person_id

    def apply(self, closure: Closure) -> None:
        """Forget the case's person and decisions, and keep the notices."""
        row = self._rows[closure.case_id]
        row.person_id = b""
        row.decisions.clear()
        for notice in closure.notices:
            self._notices_given += 1
            self._notices.append((closure.case_id, replace(notice, number=self._notices_given)))
