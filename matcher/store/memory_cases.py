"""Cases and removal notices of the memory store. Its lock guards them."""

from dataclasses import dataclass, field, replace
from itertools import islice

from matcher.errors import NotFoundError
from matcher.model import DAY_SECONDS, AlertKind, Case, Closure, MatchOutcome, RemovalNotice
from matcher.store.checks import check_decision, state_of


@dataclass(slots=True)
class _Row:
    """A case as it is stored."""

    person_id: bytes
    opened_at: int
    reviewed_day: int
    closed_at: int = 0
    escalated: bool = False
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

    def open(self, case_id: bytes, person_id: bytes, now: int, today: int) -> bytes:
        """See `Store.open_case`; `today`: the store's."""
        there = [
            (row.closed_at, row.opened_at, found) for found, row in self._rows.items() if row.person_id == person_id
        ]
        if not there:
            if case_id in self._rows:
                raise ValueError("a case_id is in use already")
            self._rows[case_id] = _Row(person_id, now, max(now // DAY_SECONDS, today))
            return case_id
        closed_at, _, found = min(there)  # open ones come first
        if closed_at:
            raise NotFoundError("the person's case is being closed")
        return found

    def decide(self, case_id: bytes, decision_id: str, sectors: frozenset[str], now: int, today: int) -> None:
        """See `Store.record_decision`; `today`: the store's."""
        check_decision(self.get(case_id), sectors)
        row = self._rows[case_id]
        if decision_id not in row.decisions:
            row.decisions.add(decision_id)
            row.reviewed_day, row.escalated = max(now // DAY_SECONDS, today), False

    def close(self, case_id: bytes, now: int) -> bool:
        """Close a case; False if it was closed before. `NotFoundError`."""
        if self.get(case_id).closed_at:
            return False
        self._rows[case_id].closed_at = now
        return True

    def reviews(self) -> dict[bytes, int]:
        """See `Store.reviews`."""
        found: dict[bytes, int] = {}
        for row in self._rows.values():
            if not row.closed_at and not row.escalated:
                found[row.person_id] = max(row.reviewed_day, found.get(row.person_id, row.reviewed_day))
        return found

    def get(self, case_id: bytes) -> Case:
        """See `Store.case`."""
        row = self._rows.get(case_id)
        if row is None:
            raise NotFoundError("there is no such case")
        awaiting = tuple(sorted({notice.agency for of, notice in self._notices if of == case_id}))
        decisions = len(row.decisions)
        state = state_of(row.person_id, decisions, bool(awaiting), row.closed_at)
        times = (row.opened_at, row.closed_at, row.reviewed_day)
        return Case(case_id, state, row.person_id, decisions, awaiting, *times, row.escalated)

    def after(self, case_id: bytes, limit: int) -> list[Case]:
        """See `Store.cases_after`."""
        found = sorted(each for each in self._rows if each > case_id)
        return [self.get(each) for each in found[: max(limit, 0)]]

    def overdue(self, closed_before: int) -> int:
        """See `Store.removals_overdue`."""
        return sum(notice.closed_at < closed_before for _, notice in self._notices)

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

    def follow(self, outcome: MatchOutcome) -> None:
        """Move cases to the person that MERGED alerts name as the survivor, note with them each ESCALATION, and drop
        notices about references that are somebody else's now."""
        reused = set(outcome.reused)
        self._notices = [each for each in self._notices if (each[1].agency, each[1].alias) not in reused]
        for alert in outcome.alerts:
            for row in self._rows.values():
                if row.person_id == alert.person_id:
                    if alert.kind is AlertKind.MERGED:
                        row.person_id = alert.surviving_person_id
                    elif alert.kind is AlertKind.ESCALATION and not row.closed_at:
                        row.escalated = True

    def apply(self, closure: Closure) -> None:
        """Forget the case's person and decisions, and keep the notices."""
        row = self._rows[closure.case_id]
        row.person_id = b""
        row.decisions.clear()
        for notice in closure.notices:
            self._notices_given += 1
            self._notices.append((closure.case_id, replace(notice, number=self._notices_given)))
