"""A matcher process that cannot write any more: it says so, keeps what it acknowledged, and goes on when it can."""

import resource
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.deployment import Deployment
from benchmarks.population import Agency, generate, write_csvs
from matcher.agency import push as pushing
from matcher.agency.client import FeedClient
from matcher.agency.push import ClearTextSource, push
from matcher.config import AgencyConfig
from matcher.errors import RemoteError
from matcher.rpc import open_channel
from tests.factory import model

AGENCIES = (
    Agency("north", "police", 0.5, 0.5, 0.99, 0.95, 0.99, 0.5),
    Agency("south", "health", 0.5, 0.9, 0.99, 0.95, 0.99, 0.5),
)
RECORDS = 600
ROOM = 400_000
"""Bytes a file of the limited process may have: enough for some batches and not for all."""
NO_LIMIT = resource.RLIM_INFINITY


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    with Deployment(tmp_path / "run", agencies=AGENCIES, population=RECORDS) as made:
        made.set_up()
        model().save(made.folder / "model.json")
        text = made.server_config.read_text()
        made.server_config.write_text(text.replace("[matcher]", '[matcher]\nmodel = "model.json"', 1))
        made.start()
        yield made


def limit(deployment: Deployment, size: int) -> None:
    """How large a file the matcher's process may write: beyond it the kernel refuses, as it does on a full disk."""
    server = deployment._server
    assert server is not None
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size, NO_LIMIT))


def push_file(deployment: Deployment, agency: str, file: Path, offsets: list[int]) -> int:
    config = replace(AgencyConfig.load(deployment.agency_config(agency)), batch_records=20)
    with FeedClient(open_channel(config.matcher, config.tls)) as client:
        return push(client, ClearTextSource(file, config), offsets.append)


def test_a_full_disk_loses_nothing_acknowledged(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "_FIRST_PAUSE", 0.01)
    population = generate(RECORDS, 7, agencies=AGENCIES)
    files = write_csvs(population, tmp_path / "files")
    count = population.records.agency.value_counts()
    limit(deployment, ROOM)
    acknowledged: list[int] = []
    with pytest.raises(RemoteError) as raised:
        push_file(deployment, "north", files["north"], acknowledged)
    assert raised.value.reason == "ERROR_REASON_STORE_FULL"
    assert 0 < acknowledged[-1] < count["north"]
    # the client sees the code too, and no path
    assert str(deployment.folder) not in str(raised.value)
    logged = (deployment.folder / "matcher.log").read_text()
    assert "refused /matcher.v1.FeedService/AppendRecords: ERROR_REASON_STORE_FULL: the " in logged
    deployment.stop()
    deployment.start()
    resumed: list[int] = []
    assert push_file(deployment, "north", files["north"], resumed) == count["north"]
    assert resumed[0] == acknowledged[-1]
    assert push_file(deployment, "south", files["south"], []) == count["south"]
    deployment.wait_until_matched(60)
    status = deployment.status()
    assert status.records.value == RECORDS
    assert status.alerts.value > 50


def test_room_made_while_it_runs_is_enough(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "_FIRST_PAUSE", 0.01)
    files = write_csvs(generate(RECORDS, 7, agencies=AGENCIES), tmp_path / "files")
    limit(deployment, ROOM)
    with pytest.raises(RemoteError) as raised:
        push_file(deployment, "north", files["north"], [])
    assert raised.value.reason == "ERROR_REASON_STORE_FULL"
    limit(deployment, NO_LIMIT)
    for agency in ("north", "south"):
        push_file(deployment, agency, files[agency], [])
    deployment.wait_until_matched(60)
    assert deployment.status().records.value == RECORDS
