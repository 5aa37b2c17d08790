"""Writes what matching changed into SQLite. The caller holds the transaction and has checked the outcome."""

from itertools import groupby
from operator import attrgetter

import apsw
import numpy as np

from matcher.model import AlertKind, MatchOutcome, Patch
from matcher.store.lookup import Lookup
from matcher.store.packed import add_links, drop_links
from matcher.store.queries import QUERIES as SQL
from matcher.store.rows import leave_alerts, write_alerts, write_closure


def needs_lookup(outcome: MatchOutcome) -> bool:
    """Whether an outcome takes back what is stored of some record or person."""
    return bool(outcome.unlinked or outcome.gone or outcome.closures)


def write_outcome(writer: apsw.Connection, lookup: Lookup | None, outcome: MatchOutcome) -> None:
    """All of it, in the order `Store.commit_matching` promises; `ValueError` if it does not fit what is stored.

    `lookup` is brought up to date; it must be there if the outcome `needs_lookup`."""
    _check_there(lookup, outcome)
    _patch(writer, outcome.patches)
    for frame_id, numbers in outcome.record_numbers.items():
        writer.execute(SQL["set_numbers"], (int(frame_id), np.ascontiguousarray(numbers, "<i8").tobytes()))
        if writer.changes() != 1:
            raise ValueError("only a RECORDS frame that is not emptied has record numbers")
    emptied = [(int(frame_id),) for frame_id in outcome.emptied]
    writer.executemany(SQL["empty_frame"], emptied)
    writer.executemany(SQL["drop_numbers"], emptied)
    if lookup:
        _unlink(writer, lookup, outcome.unlinked)
    row = add_links(writer, outcome.links)
    if lookup:
        lookup.add_links(row, outcome.links)
    writer.executemany(
        SQL["set_answer"],
        ((int(a.left), int(a.right), int(a.resolution), a.reviewer, int(a.expires_at)) for a in outcome.answers),
    )
    write_alerts(writer, outcome.alerts)
    if lookup:
        lookup.add_alerts(outcome.alerts)
    for alert in outcome.alerts:
        if alert.kind is AlertKind.MERGED:
            writer.execute(SQL["move_cases"], (alert.person_id, alert.surviving_person_id))
        elif alert.kind is AlertKind.ESCALATION:
            writer.execute(SQL["set_escalated"], (alert.person_id,))
    if lookup:
        for closure in outcome.closures:
            write_closure(writer, lookup, closure)
    writer.executemany(SQL["drop_notices"], outcome.reused)
    writer.executemany(SQL["add_contact"], ((int(record), int(day)) for record, day in outcome.contacts))
    if outcome.contacts_from is not None:
        writer.execute(SQL["drop_contacts_before"], (int(outcome.contacts_from),))
    if lookup:
        _forget(writer, lookup, outcome.gone)
    writer.execute(SQL["advance"], (int(outcome.matched_through), int(outcome.next_record), int(outcome.today)))


def _check_there(lookup: Lookup | None, outcome: MatchOutcome) -> None:
    if lookup is None and needs_lookup(outcome):
        raise ValueError("what an outcome takes back cannot be found")


def _patch(writer: apsw.Connection, patches: list[Patch]) -> None:
    for frame_id, of_frame in groupby(patches, attrgetter("frame_id")):
        # opened once for all of them: the way to a place in a large frame is long the first time only
        with writer.blob_open("main", "frame", "payload", int(frame_id), True) as blob:
            for _, position, data in of_frame:
                if position < 0 or position + len(data) > blob.length():
                    raise ValueError("a patch reaches over the end of its frame")
                blob.seek(int(position))
                blob.write(data)


def _unlink(writer: apsw.Connection, lookup: Lookup, records: list[int]) -> None:
    if records:
        drop_links(writer, lookup.take_links(records))


def _forget(writer: apsw.Connection, lookup: Lookup, records: list[int]) -> None:
    # last, so that nothing this outcome raised about a record outlives it
    if records:
        _unlink(writer, lookup, records)
        leave_alerts(writer, lookup, records)
        named = [(int(record),) for record in records]
        for statement in (SQL["drop_answers"], SQL["drop_closure"], SQL["drop_contacts"]):
            writer.executemany(statement, named)
