"""While memory is made from the database, feeds are served and all else waits; a database that memory cannot be made of
is not served."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from benchmarks.deployment import matcher
from matcher.blocking import index
from matcher.errors import StoreError
from matcher.pipeline import Pipeline
from matcher.service import server as service
from matcher.store.connection import connect
from matcher.v1 import alert_service_pb2 as alert_pb
from matcher.v1 import feed_service_pb2 as feed_pb
from matcher.v1 import status_service_pb2 as status_pb
from tests.factory import DATABASE_KEY
from tests.service.servers import Deployed, batch, people, wait_until

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


def submit(deployed: Deployed, agency: str, count: int) -> None:
    deployed.feed(agency).SubmitRecords(
        feed_pb.SubmitRecordsRequest(request_id=f"s{count}", batch=batch(agency, people(range(count))))
    )


def test_feeds_are_served_while_memory_is_made_and_alerts_once_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_be_made = Event()

    def slowly(*arguments: Any, **named: Any) -> Pipeline:
        may_be_made.wait(60)
        return Pipeline(*arguments, **named)

    monkeypatch.setattr(service, "Pipeline", slowly)
    deployed = Deployed(tmp_path)
    deployed.server.start()
    try:
        health = HealthStub(deployed.channel("operator-ops"))

        def states() -> list[int]:
            names = ("", "matcher.v1.FeedService")
            return [health.Check(HealthCheckRequest(service=name)).status for name in names]

        with ThreadPoolExecutor(2) as others:
            asked = others.submit(deployed.status.GetStatus, status_pb.GetStatusRequest())
            watch = deployed.alert.WatchAlerts(alert_pb.WatchAlertsRequest(consumer="desk", after_sequence=0))
            told = others.submit(next, watch)
            for agency in ("police", "clinic"):
                submit(deployed, agency, 5)
            assert deployed.frames() == 2
            assert states() == [NOT_SERVING, SERVING]
            assert not asked.done()
            may_be_made.set()
            deployed.server.complete()
            assert asked.result(60).version
            assert states() == [SERVING, SERVING]
            wait_until(lambda: deployed.server.matching.store.last_sequence == 5)
            told.result(60)
            watch.cancel()
    finally:
        may_be_made.set()
        deployed.__exit__()


def test_who_waits_for_memory_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: Any, **__: Any) -> Pipeline:
        raise StoreError("the database is damaged")

    monkeypatch.setattr(service, "Pipeline", damaged)
    deployed = Deployed(tmp_path)
    deployed.server.start()
    try:
        with pytest.raises(StoreError, match="damaged"):
            deployed.server.complete()
        with pytest.raises(grpc.RpcError) as refused:
            deployed.status.GetStatus(status_pb.GetStatusRequest())
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    finally:
        deployed.__exit__()


def test_memory_is_made_anew_once_most_rows_are_of_records_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_WORN_ROWS", 3)
    with Deployed(tmp_path) as deployed:
        submit(deployed, "clinic", 3)
        for number in range(4):
            deployed.feed("police").SubmitRecords(
                feed_pb.SubmitRecordsRequest(request_id=f"again{number}", batch=batch("police", people(range(3))))
            )
            deployed.settle()
        pipeline = deployed.server.matching.pipeline
        wait_until(lambda: pipeline.index.row_count == 6)
        assert pipeline.index.removed_count == 0
        assert len(deployed.alerts()) == 3


def test_a_matcher_that_cannot_make_its_memory_ends(tmp_path: Path) -> None:
    with Deployed(tmp_path) as deployed:
        for agency in ("police", "clinic"):
            submit(deployed, agency, 5)
        deployed.settle()
    database = deployed.config.database
    database.with_name(database.name + ".sum").unlink()
    with closing(connect(database, DATABASE_KEY)) as writer:  # what no checksum and no check of the structure sees
        writer.execute("UPDATE numbering SET numbers = x'00'")
    command = matcher("serve", "--config", tmp_path / "matcher.toml")
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode
    assert "serving on" in run.stdout
    assert "all is served" not in run.stderr
    assert "stopped" in run.stderr
