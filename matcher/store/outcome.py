"""Writes what matching changed into SQLite. The caller holds the transaction and has checked the outcome."""

from collections.abc import Iterable

import apsw
import numpy as np

from matcher.model import AlertKind, Links, MatchOutcome, Patch
from matcher.store.queries import QUERIES as SQL
from matcher.store.rows import erase_members, write_alert, write_closure


def write_outcome(writer: apsw.Connection, outcome: MatchOutcome) -> None:
    """All of it, in the order `Store.commit_matching` promises; `ValueError` if it does not fit what is stored."""
    _patch(writer, outcome.patches)
    for frame_id, numbers in outcome.record_numbers.items():
        writer.execute(SQL["set_numbers"], (int(frame_id), np.ascontiguousarray(numbers, "<i8").tobytes()))
        if writer.changes() != 1:
            raise ValueError("only a RECORDS frame that is not emptied has record numbers")
    emptied = [(int(frame_id),) for frame_id in outcome.emptied]
    writer.executemany(SQL["empty_frame"], emptied)
    writer.executemany(SQL["drop_numbers"], emptied)
    writer.executemany(SQL["unlink"], [(int(record),) for record in outcome.unlinked])
    writer.executemany(SQL["add_link"], _pairs(outcome.links))
    writer.executemany(
        SQL["set_answer"],
        ((int(a.left), int(a.right), int(a.resolution), a.reviewer, int(a.expires_at)) for a in outcome.answers),
    )
    try:
        for alert in outcome.alerts:
            write_alert(writer, alert)
    except apsw.ConstraintError as error:
        raise ValueError("an alert_id stands in the log already") from error
    for alert in outcome.alerts:
        if alert.kind is AlertKind.MERGED:
            writer.execute(SQL["move_cases"], (alert.person_id, alert.surviving_person_id))
    for closure in outcome.closures:
        write_closure(writer, closure)
    _forget(writer, [int(record) for record in outcome.gone])
    writer.execute(SQL["advance"], (int(outcome.matched_through), int(outcome.next_record)))


def _patch(writer: apsw.Connection, patches: list[Patch]) -> None:
    for frame_id, position, data in patches:
        stored = writer.execute(SQL["payload_size"], (int(frame_id),)).get
        if position < 0 or position + len(data) > stored:
            raise ValueError("a patch reaches over the end of its frame")
        if data:
            with writer.blob_open("main", "frame", "payload", int(frame_id), True) as blob:
                blob.seek(int(position))
                blob.write(data)


def _pairs(links: Links) -> Iterable[tuple[int, int, float]]:
    return zip(links.left.tolist(), links.right.tolist(), links.weight.tolist(), strict=True)


def _forget(writer: apsw.Connection, records: list[int]) -> None:
    # last, so that nothing this outcome raised about a record outlives it
    for record in records:
        writer.execute(SQL["unlink"], (record,))
        writer.execute(SQL["drop_answers"], (record,))
        writer.execute(SQL["drop_closure"], (record,))
        erase_members(writer, record)
