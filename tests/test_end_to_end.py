"""Febrl 4, the benchmark data of record linkage, through real processes: two agencies, a matcher, a coordinator."""

import json
import re
from itertools import product
from pathlib import Path

import pandas as pd

from benchmarks.demo import latest_by_person
from benchmarks.deployment import Deployment
from benchmarks.febrl import febrl4, person_of
from benchmarks.population import Agency
from matcher.agency.client import FeedClient
from matcher.agency.push import ClearTextSource
from matcher.config import AgencyConfig
from matcher.rpc import open_channel

SCHEME = "generic-person-v1"
AGENCIES = (
    Agency("north", "police", 0.5, 0.0, 1.0, 1.0, 0.0, 1.0),
    Agency("south", "health", 0.5, 0.0, 1.0, 1.0, 0.0, 1.0),
)
RECORDS = 5000
LEAST_PRECISION, LEAST_RECALL = 0.995, 0.84
"""The service asks for a match probability of 0.95 and expects households and twins, of which Febrl has none: what it
tells is right, and it leaves more to the reviewer than `matcher link`, which adapts to its files."""


def febrl() -> dict[str, pd.DataFrame]:
    """Both files, by agency."""
    return dict(zip(("north", "south"), febrl4(with_number=False).values(), strict=True))


def test_febrl4_is_linked_and_told_to_the_coordinator(tmp_path: Path) -> None:
    truth = {frame: set(held["record_ref"]) for frame, held in febrl().items()}
    with Deployment(tmp_path / "run", SCHEME, AGENCIES, 2 * RECORDS) as deployment:
        deployment.set_up()
        deployment.start()
        pushes = {}
        for agency, held in febrl().items():
            file = tmp_path / f"{agency}.csv"
            held.to_csv(file, index=False)
            pushes[agency] = ("feed", "push", file, "--config", deployment.agency_config(agency))
            assert deployment.command(*pushes[agency]) == f"{RECORDS} records committed\n"
            assert next_offset(deployment, agency, file) == RECORDS
        deployment.wait_until_matched(60)
        status = deployment.status()
        assert status.records.value == 2 * RECORDS
        # sent again, nothing is stored again
        for command in pushes.values():
            assert f"nothing sent: all {RECORDS} records " in deployment.command(*command)
        assert deployment.status() == status
        out = tmp_path / "alerts.jsonl"
        watch = ("alerts", "watch", "--no-follow", "--config", deployment.coordinator_config, "--out", out)
        deployment.command(*watch)
        deployment.command(*watch)
        deployment.stop()
        log = (deployment.folder / "matcher.log").read_text()
    alerts = [json.loads(line) for line in out.read_text().splitlines()]
    assert [alert["sequence"] for alert in alerts] == list(range(1, len(alerts) + 1))
    told = set[tuple[str, str]]()
    for alert in latest_by_person(alerts).values():
        by_agency: dict[str, list[str]] = {"north": [], "south": []}
        for member in alert["members"]:
            assert member["reference"] in truth[member["agency"]]
            by_agency[member["agency"]].append(member["reference"])
        told |= set(product(*by_agency.values()))
    right = sum(person_of(left) == person_of(right) for left, right in told)
    precision, recall = right / len(told), right / RECORDS
    assert precision >= LEAST_PRECISION
    assert recall >= LEAST_RECALL
    assert not re.search(r"ERROR|Traceback|rec-[0-9]", log)


def next_offset(deployment: Deployment, agency: str, file: Path) -> int:
    """How far the matcher has acknowledged the file."""
    config = AgencyConfig.load(deployment.agency_config(agency))
    with FeedClient(open_channel(config.matcher, config.tls)) as client:
        return client.next_offset(ClearTextSource(file, config).header.feed_id)
