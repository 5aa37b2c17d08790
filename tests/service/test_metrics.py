"""What the metrics tell, from starting to stopping, and that nobody can be told apart by them."""

import json
import logging
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from matcher.cli.common import JsonLines
from matcher.errors import ConfigError, StoreError
from matcher.service.metrics import State
from matcher.store.sqlite import SqliteStore
from matcher.v1 import alert_service_pb2 as alert_pb
from matcher.v1 import feed_service_pb2 as feed_pb
from tests.service.servers import Deployed, batch, people, wait_until


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    with Deployed(tmp_path, metrics="127.0.0.1:0") as made:
        yield made


def told(address: str) -> dict[str, float]:
    """Every figure of the matcher's own, by name and labels."""
    with urllib.request.urlopen(f"http://{address}/metrics") as answer:
        text = answer.read().decode()
    found = re.findall(r"^(matcher\S*) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found if "_created" not in name}


def submit(deployed: Deployed, agency: str, count: int) -> None:
    request = feed_pb.SubmitRecordsRequest(request_id=f"s{count}", batch=batch(agency, people(range(count))))
    deployed.feed(agency).SubmitRecords(request)


def test_figures_are_blurred_and_none_is_of_an_agency_s_matches(deployed: Deployed) -> None:
    for agency, count in (("police", 23), ("clinic", 3)):
        submit(deployed, agency, count)
    with pytest.raises(grpc.RpcError):
        deployed.feed("police").SubmitRecords(feed_pb.SubmitRecordsRequest(request_id="no batch"))
    deployed.settle()
    figures = told(deployed.server.metrics.address)
    today = time.time() // 86400 * 86400
    assert {name: value for name, value in figures.items() if "agency" in name} == {
        f'matcher_agency_last_input_timestamp_seconds{{agency="{agency}"}}': today for agency in ("clinic", "police")
    }
    assert (figures["matcher_records"], figures["matcher_alerts"], figures["matcher_frames_waiting"]) == (25, 7, 0)
    assert figures["matcher_records_of_previous_epoch"] == 0
    calls = {name: value for name, value in figures.items() if name.startswith("matcher_calls")}
    assert calls['matcher_calls_total{outcome="OK",service="matcher.v1.FeedService"}'] == 7
    assert len(calls) == 2
    assert set(calls.values()) == {7}
    assert figures['matcher_state{matcher_state="serving"}'] == 1
    assert sum(value for name, value in figures.items() if name.startswith("matcher_state")) == 1


def test_a_stream_that_its_client_leaves_is_counted(deployed: Deployed) -> None:
    stream = deployed.alert.WatchAlerts(alert_pb.WatchAlertsRequest(consumer="desk"))
    next(stream)
    stream.cancel()
    name = 'matcher_calls_total{outcome="%s",service="matcher.v1.AlertService"}'
    wait_until(lambda: {name % each for each in ("CANCELLED", "OK")} & told(deployed.server.metrics.address).keys())


def test_starting_failing_and_stopping_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[set[str]] = []
    made = Deployed(tmp_path, metrics="127.0.0.1:0")
    address = made.server.metrics.address

    def look() -> None:
        figures = told(address)
        states.append({name for name, value in figures.items() if name.startswith("matcher_state") and value})

    look()
    with made:
        look()
        right = made.server.matching.pipeline.match_next

        def wrong(*, singly: bool = False) -> bool:
            raise StoreError("the disk failed")

        monkeypatch.setattr(made.server.matching.pipeline, "match_next", wrong)
        submit(made, "police", 3)
        wait_until(lambda: not made.server.matching.working)
        look()
        assert told(address)["matcher_matching_failures_total"] == 1
        monkeypatch.setattr(made.server.matching.pipeline, "match_next", right)
        wait_until(lambda: made.server.matching.working)
        look()
    assert states == [
        {f'matcher_state{{matcher_state="{state}"}}'}
        for state in (State.STARTING, State.SERVING, State.FAILING, State.SERVING)
    ]
    with pytest.raises(urllib.error.URLError):
        told(address)


def test_matching_that_works_again_says_so_while_frames_go_on_coming(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    matching = deployed.server.matching
    right = matching.pipeline.match_next

    def wrong(*, singly: bool = False) -> bool:
        raise StoreError("the disk failed")

    def busy(*, singly: bool = False) -> bool:
        return right(singly=singly) or not time.sleep(0.01)

    monkeypatch.setattr(matching.pipeline, "match_next", wrong)
    submit(deployed, "police", 3)
    wait_until(lambda: not matching.working)
    monkeypatch.setattr(matching.pipeline, "match_next", busy)
    wait_until(lambda: matching.working)
    monkeypatch.setattr(matching.pipeline, "match_next", right)


def test_a_database_that_cannot_be_read_still_has_its_state_told(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: SqliteStore) -> list[object]:
        raise StoreError("the database is damaged")

    monkeypatch.setattr(SqliteStore, "feed_states", broken)
    figures = told(deployed.server.metrics.address)
    assert figures['matcher_state{matcher_state="serving"}'] == 1
    assert "matcher_records" not in figures


def test_an_address_in_use_is_refused_and_nothing_stays_open(deployed: Deployed, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    with pytest.raises(ConfigError, match="cannot be listened on"):
        Deployed(tmp_path / "second", metrics=deployed.server.metrics.address)
    with Deployed(tmp_path / "second") as second:
        second.settle()


def test_a_log_line_is_one_json_object_without_a_traceback() -> None:
    try:
        raise ValueError("Quixotterby")
    except ValueError as error:
        about = (type(error), error, error.__traceback__)
        record = logging.LogRecord("matcher", logging.ERROR, __file__, 1, 'said "%s"\nso', ("it",), about)
    line = JsonLines().format(record)
    assert "\n" not in line
    said = json.loads(line)
    assert (said["level"], said["logger"], said["message"]) == ("ERROR", "matcher", 'said "it"\nso')
    assert said["time"].endswith("+00:00")
    assert "Quixotterby" not in line
