"""Rows of the SQLite store to nouns and back. The caller holds the transaction."""

import json
from collections.abc import Sequence
from typing import Any

import apsw

from matcher.model import Alert, AlertKind, AlertMember, ConfidenceBand, Frame, FrameKind
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
