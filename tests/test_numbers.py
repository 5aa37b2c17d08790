"""Numbers of records are given once: what that costs, and what happens when there are none left."""

import time
from pathlib import Path

import grpc
import numpy as np
import pytest

from matcher.blocking import index
from matcher.blocking.names import NameTable
from matcher.columns import MOST_NUMBERS, MOST_ROWS, Column
from matcher.service import feed
from matcher.v1 import feed_service_pb2 as pb
from tests.factory import Human, Sighting
from tests.service.servers import Deployed, alias, batch, people, person, refused
from tests.world import World


def test_columns_by_record_have_room_for_many_more_records_than_there_are_rows() -> None:
    """A million records removed and sent anew each night use up 67 million numbers in 67 nights."""
    pipeline = World().pipeline
    graph = pipeline.persons._graph
    by_record = [*pipeline.registry._columns.values(), graph.head, graph._seen]
    for each in (pipeline.persons, pipeline.alerting.told):
        by_record += [column for column in vars(each).values() if isinstance(column, Column)]
    assert len(by_record) == 19
    assert {len(column._space) for column in by_record} == {MOST_NUMBERS}
    assert MOST_NUMBERS > 30 * MOST_ROWS


def test_records_sent_as_new_night_after_night_do_not_end_matching(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "MOST_ROWS", 60)
    night_s = [
        Sighting(f"p{i}", Human("ANNA", f"SMITH{chr(65 + i)}", f"1990-01-{10 + i}", "F", "LS14AB", f"{i} HIGH STREET"))
        for i in range(15)
    ]
    world = World()
    for _ in range(20):
        world.send("police", *night_s)
        world.remove("police", *[each.ref for each in night_s])
        world.settle()
        world.pipeline.rebuild()  # as it is once most rows are of records that are gone
    assert world.store.next_record == 300
    world.send("police", night_s[0])
    world.send("hospital", night_s[0])
    world.settle()
    again = World(world.store)
    assert again.pipeline.registry.held().sum() == 2
    assert len(world.store.alerts_after(0, 100)) == 1


def test_a_table_makes_no_room_for_names_that_do_not_come() -> None:
    names = np.random.default_rng(1).integers(0, 256, (5000, 16), np.uint8)
    usual, hopeful = NameTable(), NameTable()
    hopeful.expect(100_000_000)
    for table in (usual, hopeful):
        for part in np.split(names, 10):
            table.add(part)
    assert len(hopeful.slots) == len(usual.slots)
    hopeful = NameTable()
    hopeful.expect(len(names))
    hopeful.add(names[:1400])
    assert len(hopeful.slots) == 1 << (2 * len(names) - 1).bit_length()
    assert hopeful.add(names).tolist() == list(range(len(names)))


def test_records_are_refused_in_time_and_all_else_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_MOST_NUMBERED", 3)
    with Deployed(tmp_path) as deployed:
        police = deployed.feed("police")

        def append(*numbers: int, offset: int = 0) -> None:
            sent = batch("police", people(numbers), offset)
            list(police.AppendRecords(iter([pb.AppendRecordsRequest(feed_id="f", batch=sent)])))

        append(1, 2)
        deployed.settle()
        append(3, 4, offset=2)  # what was given when it was sent counts
        deployed.settle()
        before = deployed.frames()
        request = pb.SubmitRecordsRequest(request_id="a", batch=batch("police", people([5])))
        for call in (lambda: append(5, offset=4), lambda: police.SubmitRecords(request)):
            found = refused(call)
            assert (found.code, found.reason) == (
                grpc.StatusCode.FAILED_PRECONDITION,
                "ERROR_REASON_NUMBERS_USED_UP",
            )
        assert deployed.frames() == before
        one, today = alias("police", person(1)), int(time.time()) // 86400
        police.ReportContacts(
            pb.ReportContactsRequest(request_id="b", aliases=one, observed_days=today.to_bytes(4, "little"))
        )
        police.RemoveRecords(pb.RemoveRecordsRequest(request_id="c", aliases=one))
        deployed.settle()
        deployed.restart()
        assert refused(lambda: append(5, offset=4)).reason == "ERROR_REASON_NUMBERS_USED_UP"
        assert deployed.server.matching.store.next_record == 4
