"""Rows of the SQLite store to nouns and back. The caller holds the transaction."""

import json
from collections.abc import Sequence
from typing import Any

import apsw

from matcher.errors import NotFoundError
from matcher.model import Alert, AlertKind, AlertMember, Case, Closure, ConfidenceBand, Frame, FrameKind
from matcher.store.checks import state_of
from matcher.store.queries import QUERIES as SQL

MOST = 2**63 - 1
"""The largest integer SQLite stores."""


def frame_of(row: Sequence[Any]) -> Frame:
    """A frame from the columns every frame query begins with."""
    frame_id, agency, kind, epoch, payload, committed_at = row
    return Frame(frame_id, agency, FrameKind(kind), epoch, payload, committed_at)


def write_alert(writer: apsw.Connection, alert: Alert) -> None:
    """Append an alert; its members' bytes go into one guarded blob, where they can be overwritten in place."""
    writer.execute(
        SQL["add_alert"],
        (
            alert.sequence,
            alert.alert_id,
            int(alert.kind),
            alert.person_id,
            json.dumps(alert.agencies),
            int(alert.confidence),
            int(alert.health_present),
            int(alert.police_present),
            alert.surviving_person_id,
            alert.rule_version,
            int(alert.raised_at),
            b"".join(m.alias + m.encapsulation + m.sealed for m in alert.members),
        ),
    )
    start = 0
    for position, member in enumerate(alert.members):
        sizes = (len(member.alias), len(member.encapsulation), len(member.sealed))
        numbers = (int(member.observed_day), int(member.epoch), start, *sizes)
        named = (int(member.record), member.agency, member.sector)
        writer.execute(SQL["add_member"], (alert.sequence, position, *named, *numbers))
        start += sum(sizes)


def erase_members(writer: apsw.Connection, record: int) -> None:
    """Overwrite and forget a record's part in every alert."""
    spans: list[tuple[Any, ...]] = writer.execute(SQL["member_spans"], (record,)).fetchall()
    for sequence, start, size in spans:
        with writer.blob_open("main", "alert", "secrets", sequence, True) as blob:
            blob.seek(start)
            blob.write(bytes(size))
    writer.execute(SQL["drop_members"], (record,))


def write_closure(writer: apsw.Connection, closure: Closure) -> None:
    """Apply a closure; `ValueError` if its case does not await one or a notice_id is repeated."""
    writer.execute(SQL["forget_person"], (closure.case_id,))
    if writer.changes() != 1:
        raise ValueError("a closure names a case that does not await it")
    writer.execute(SQL["drop_decisions"], (closure.case_id,))
    sequences = writer.execute(SQL["alerts_of_person"], (closure.person_id,)).fetchall()
    writer.executemany(SQL["purge_members"], sequences)
    writer.executemany(SQL["purge_alert"], sequences)
    for record, day, frame_id in closure.records:
        erase_members(writer, int(record))
        writer.execute(SQL["set_closure"], (int(record), int(day), int(frame_id)))
    try:
        for notice in closure.notices:
            named = (notice.notice_id, closure.case_id, notice.agency)
            writer.execute(SQL["add_notice"], (*named, int(notice.closed_at), notice.alias))
    except apsw.ConstraintError as error:
        raise ValueError("a notice_id is in use already") from error


def read_case(reader: apsw.Connection, case_id: bytes) -> Case:
    """One case. `NotFoundError`."""
    row = reader.execute(SQL["case"], (case_id,)).get
    if row is None:
        raise NotFoundError("there is no such case")
    person_id, opened_at, closed_at, decisions = row
    agencies: list[tuple[Any, ...]] = reader.execute(SQL["awaiting_removal"], (case_id,)).fetchall()
    awaiting = tuple(agency for (agency,) in agencies)
    state = state_of(person_id, decisions, bool(awaiting), closed_at)
    return Case(case_id, state, person_id, decisions, awaiting, opened_at, closed_at)


def read_alerts(reader: apsw.Connection, sequence: int, limit: int) -> list[Alert]:
    """At most `limit` alerts after a sequence, in order."""
    rows = reader.execute(SQL["alerts_after"], (min(sequence, MOST), max(limit, 0))).fetchall()
    return [_alert_of(row, reader.execute(SQL["members"], row[:1]).fetchall()) for row in rows]


def _alert_of(row: Sequence[Any], members: list[tuple[Any, ...]]) -> Alert:
    sequence, alert_id, kind, person_id, agencies, confidence, health, police, surviving, rule, raised_at, secrets = row
    return Alert(
        sequence=sequence,
        alert_id=alert_id,
        kind=AlertKind(kind),
        person_id=person_id,
        agencies=tuple(json.loads(agencies)),
        members=tuple(_member_of(member, secrets) for member in members),
        confidence=ConfidenceBand(confidence),
        health_present=bool(health),
        police_present=bool(police),
        surviving_person_id=surviving,
        rule_version=rule,
        raised_at=raised_at,
    )


def _member_of(row: Sequence[Any], secrets: bytes) -> AlertMember:
    record, agency, sector, observed_day, epoch, start, alias_size, encapsulation_size, sealed_size = row
    encapsulation_start = start + alias_size
    sealed_start = encapsulation_start + encapsulation_size
    return AlertMember(
        record=record,
        agency=agency,
        sector=sector,
        alias=secrets[start:encapsulation_start],
        encapsulation=secrets[encapsulation_start:sealed_start],
        sealed=secrets[sealed_start : sealed_start + sealed_size],
        observed_day=observed_day,
        epoch=epoch,
    )
