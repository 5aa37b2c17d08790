"""Rows of the SQLite store to nouns and back. The caller holds the transaction."""

import json
from collections.abc import Collection, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import apsw

from matcher.errors import NotFoundError
from matcher.model import ALERT_KINDS, CONFIDENCE_BANDS, Alert, AlertMember, Case, Closure, Frame, FrameKind
from matcher.store.base import Tellings
from matcher.store.checks import state_of
from matcher.store.lookup import Lookup
from matcher.store.queries import QUERIES as SQL

MOST = 2**63 - 1
"""The largest integer SQLite stores."""
_MEMBERS = 5
"""Place of the members in a row of an alert."""
_TOGETHER = 32
"""Alerts written by one statement: each one gives Python's lock away, and waits for it behind all the calls."""
_INSERT, _VALUES = SQL["add_alert"].removesuffix(";").split("VALUES")
_ADD_TOGETHER = f"{_INSERT}VALUES{','.join([_VALUES] * _TOGETHER)}"
_KEPT = 4096
"""Texts of agencies remembered: few agencies are known of one person, so the same ones come again and again."""


def frame_of(row: Sequence[Any]) -> Frame:
    """A frame from the columns every frame query begins with."""
    frame_id, agency, kind, epoch, payload, committed_at, backfill = row
    return Frame(frame_id, agency, FrameKind(kind), epoch, payload, committed_at, bool(backfill))


def write_alerts(writer: apsw.Connection, alerts: Sequence[Alert]) -> None:
    """Append alerts. `ValueError` if an alert_id is repeated."""
    rows = list(map(_row_of, alerts))
    together = len(rows) // _TOGETHER * _TOGETHER
    try:
        for at in range(0, together, _TOGETHER):
            writer.execute(_ADD_TOGETHER, tuple(chain.from_iterable(rows[at : at + _TOGETHER])))
        writer.executemany(SQL["add_alert"], rows[together:])
    except apsw.ConstraintError as error:
        raise ValueError("an alert_id stands in the log already") from error


def leave_alerts(writer: apsw.Connection, lookup: Lookup, records: Collection[int]) -> None:
    """Take records out of every alert."""
    writer.executemany(SQL["leave_alert"], lookup.take_memberships(records))


def write_closure(writer: apsw.Connection, lookup: Lookup, closure: Closure) -> None:
    """Apply a closure; `ValueError` if its case does not await one or a notice_id is repeated."""
    writer.execute(SQL["forget_person"], (closure.case_id,))
    if writer.changes() != 1:
        raise ValueError("a closure names a case that does not await it")
    writer.execute(SQL["drop_decisions"], (closure.case_id,))
    sequences, merges = _alerts_of(writer, lookup, closure.person_id)
    writer.executemany(SQL["end_merge"], [(sequence,) for sequence in merges])
    writer.executemany(SQL["unpark_purged"], [(sequence,) for sequence in sequences])
    writer.executemany(SQL["purge_alert"], [(sequence,) for sequence in sequences])
    lookup.take_alerts(sequences, merges)
    leave_alerts(writer, lookup, [int(closed.record) for closed in closure.records])
    for record, day, frame_id in closure.records:
        writer.execute(SQL["set_closure"], (int(record), int(day), int(frame_id)))
    try:
        for notice in closure.notices:
            named = (notice.notice_id, closure.case_id, notice.agency)
            writer.execute(SQL["add_notice"], (*named, int(notice.closed_at), notice.alias))
    except apsw.ConstraintError as error:
        raise ValueError("a notice_id is in use already") from error


def _alerts_of(reader: apsw.Connection, lookup: Lookup, person_id: bytes) -> tuple[list[int], list[int]]:
    """Sequences of a person's alerts, with those of persons whose last alert says that they were merged into it; and of
    alerts about others that were merged into one of these, once."""

    def of(person_id: bytes) -> list[int]:
        return [n for n in lookup.alerts_of(person_id) if reader.execute(SQL["alert_person"], (n,)).get[0] == person_id]

    found: dict[bytes, list[int]] = {}
    merges: list[int] = []
    named = [person_id]
    while named:
        name = named.pop()
        found[name] = of(name)
        for sequence in lookup.merges_into(name):
            merged, survivor = reader.execute(SQL["alert_person"], (sequence,)).get
            if survivor == name and of(merged)[-1] == sequence:
                named += [] if merged in found else [merged]
            elif survivor == name:
                merges.append(sequence)
    purged = {sequence for sequences in found.values() for sequence in sequences}
    return sorted(purged), [sequence for sequence in merges if sequence not in purged]


def set_parked(writer: apsw.Connection, consumer: str, sequence: int, parked: bool) -> None:
    """Put an alert aside, or take it back. `NotFoundError` if there is none to put aside."""
    where = (consumer, min(sequence, MOST))
    writer.execute(SQL["park"] if parked else SQL["unpark"], where)
    if parked and not writer.execute(SQL["is_parked"], where).get:
        raise NotFoundError("there is no such alert")


def read_case(reader: apsw.Connection, case_id: bytes) -> Case:
    """One case. `NotFoundError`."""
    row = reader.execute(SQL["case"], (case_id,)).get
    if row is None:
        raise NotFoundError("there is no such case")
    person_id, opened_at, closed_at, reviewed_day, escalated, decisions = row
    agencies: list[tuple[Any, ...]] = reader.execute(SQL["awaiting_removal"], (case_id,)).fetchall()
    awaiting = tuple(agency for (agency,) in agencies)
    state = state_of(person_id, decisions, bool(awaiting), closed_at)
    return Case(case_id, state, person_id, decisions, awaiting, opened_at, closed_at, reviewed_day, bool(escalated))


def read_alerts(reader: apsw.Connection, sequence: int, limit: int, parked_by: str | None = None) -> list[Alert]:
    """At most `limit` alerts after a sequence, in order; with `parked_by`, only those a consumer put aside."""
    page = (min(sequence, MOST), max(limit, 0))
    if parked_by is None:
        rows: list[tuple[Any, ...]] = reader.execute(SQL["alerts_after"], page).fetchall()
    else:
        rows = reader.execute(SQL["parked_after"], (parked_by, *page)).fetchall()
    members = json.loads(f"[{','.join(row[_MEMBERS] for row in rows)}]")  # in one go: there are few a row
    return list(map(_alert_of, rows, members))


def tellings_of(columns: Sequence[str]) -> Tellings:
    """What some alerts told, from the columns of `tellings_after`: SQLite gathers them while other threads run, and
    Python reads each in one go."""
    kinds, person_ids, agencies, surviving, raised_at = map(json.loads, columns)
    return Tellings(
        tuple(kinds),
        tuple(map(bytes.fromhex, person_ids)),
        tuple(map(_agencies_of, agencies)),
        tuple(map(bytes.fromhex, surviving)),
        tuple(raised_at),
    )


def _alert_of(row: Sequence[Any], members: list[list[Any]]) -> Alert:
    sequence, alert_id, kind, person_id, agencies, _, confidence, health, police, *rest = row
    surviving, rule, raised_at, backfill = rest
    return Alert(
        sequence=sequence,
        alert_id=alert_id,
        kind=ALERT_KINDS[kind],
        person_id=person_id,
        agencies=_agencies_of(agencies),
        members=tuple(map(AlertMember._make, members)),
        confidence=CONFIDENCE_BANDS[confidence],
        health_present=bool(health),
        police_present=bool(police),
        surviving_person_id=surviving,
        rule_version=rule,
        raised_at=raised_at,
        backfill=bool(backfill),
    )


def _row_of(alert: Alert) -> tuple[Any, ...]:
    return (
        int(alert.sequence),
        alert.alert_id,
        int(alert.kind),
        alert.person_id,
        _json(alert.agencies),
        "[" + ",".join([f"[{record:d},{_json(agency)},{day:d}]" for record, agency, day in alert.members]) + "]",
        int(alert.confidence),
        int(alert.health_present),
        int(alert.police_present),
        alert.surviving_person_id,
        alert.rule_version,
        int(alert.raised_at),
        int(alert.backfill),
    )


@lru_cache(_KEPT)
def _json(names: str | tuple[str, ...]) -> str:
    return json.dumps(names)


@lru_cache(_KEPT)
def _agencies_of(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))
