"""Nine agencies, one matcher and a coordinator as separate processes: which alerts, and how right are they?"""

import json
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.deployment import Deployment
from benchmarks.machine import machine, report
from benchmarks.population import Population, generate, write_csvs

_SHOWN_ALERTS = 5
_FEEDS_AT_A_TIME = 2
_EXPLAINED = 3
"""Records of the person explained."""
Record = tuple[str, str]
"""Agency and record reference."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How right the coordinator's picture is: persons known to two or more agencies, told against true."""

    records: int
    alerts: int
    persons_told: int
    persons_true: int
    precision: float
    """Persons told of whose records all belong to one true person."""
    recall: float
    """True persons known to two or more agencies of whom two agencies' records stand together in an alert."""
    seconds: float


def run(records: int, seed: int, folder: Path, json_path: Path | None) -> None:
    """Run the demo in a folder, which is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    started = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"[{time.monotonic() - started:5.1f} s] {text}")

    with Deployment(folder, population=records) as deployment:
        population = generate(records, seed)
        files = write_csvs(population, folder / "agencies")
        del files["truth"]
        say(
            f"{records} synthetic records of {len(deployment.agencies)} agencies (seed {seed}) in {folder / 'agencies'}"
        )
        deployment.set_up()
        say("linkage key and alias keys made, certificate authority and certificates made")
        deployment.start()
        say(f"matcher serving on {deployment.address}: mutual TLS, SQLite database on disk")
        received = folder / "alerts.jsonl"
        watch = ("alerts", "watch", "--config", deployment.coordinator_config, "--out", received)
        coordinator = deployment.spawn(*watch)
        with ThreadPoolExecutor(_FEEDS_AT_A_TIME) as feeds:
            for told in feeds.map(lambda item: _push(deployment, *item), files.items()):
                say(told)
        deployment.wait_until_matched()
        coordinator.terminate()
        coordinator.wait()
        say("all matched; the coordinator is stopped, and started again to read on to the end of the log")
        deployment.command(*watch, "--no-follow")
        # the mark moves after the alert is written down, so the last one before a stop may stand there twice
        alerts = list({alert["sequence"]: alert for alert in map(json.loads, received.open())}.values())
        say(f"the coordinator holds {len(alerts)} alerts; the first ones:")
        for alert in alerts[:_SHOWN_ALERTS]:
            click.echo("  " + _line(alert))
        latest = latest_by_person(alerts)
        explained = next((alert for alert in latest.values() if len(alert["members"]) == _EXPLAINED), alerts[0])
        say(f"why are the records of alert #{explained['sequence']} one person?")
        click.echo(
            deployment.command(
                "alerts", "explain", "--config", deployment.coordinator_config, str(explained["sequence"])
            )
        )
        outcome = measure(alerts, population, time.monotonic() - started)
    say(
        f"known to two or more agencies: {outcome.persons_told} persons told, {outcome.persons_true} true; "
        f"precision {outcome.precision:.4f}, recall {outcome.recall:.4f}"
    )
    if json_path:
        report({"seed": seed, **asdict(outcome), **machine()}, json_path)


def _push(deployment: Deployment, agency: str, file: Path) -> str:
    pushed = deployment.command("feed", "push", file, "--config", deployment.agency_config(agency))
    return f"{agency}: {pushed.strip()}"


def latest_by_person(alerts: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What the coordinator holds true after reading the log: for each person told of, its latest alert."""
    latest: dict[str, dict[str, Any]] = {}
    for alert in alerts:
        _follow(alert, latest)
    return latest


def _follow(alert: dict[str, Any], latest: dict[str, dict[str, Any]]) -> None:
    if alert["kind"] in ("NO_LONGER_IDENTIFIED", "WITHDRAWN", "MERGED"):
        latest.pop(alert["person_id"], None)
    else:
        latest[alert["person_id"]] = alert


def measure(alerts: Iterable[dict[str, Any]], population: Population, seconds: float) -> Outcome:
    """Compare what the coordinator was told with the truth."""
    truth = population.records
    keys = zip(truth["agency"], truth["record_ref"], strict=True)
    person_of: dict[Record, int] = dict(zip(keys, truth["person"].tolist(), strict=True))
    agencies_of: dict[int, set[str]] = defaultdict(set)
    for (agency, _), person in person_of.items():
        agencies_of[person].add(agency)
    true = {person for person, agencies in agencies_of.items() if len(agencies) > 1}
    right, found = 0, set[int]()
    latest: dict[str, dict[str, Any]] = {}
    read = 0
    for alert in alerts:
        _follow(alert, latest)
        read += 1
    for alert in latest.values():
        together: dict[int, set[str]] = defaultdict(set)
        for member in alert["members"]:
            together[person_of[member["agency"], member["reference"]]].add(member["agency"])
        right += len(together) == 1
        found |= {person for person, agencies in together.items() if len(agencies) > 1}
    return Outcome(
        records=len(truth),
        alerts=read,
        persons_told=len(latest),
        persons_true=len(true),
        precision=right / max(len(latest), 1),
        recall=len(found & true) / max(len(true), 1),
        seconds=round(seconds, 1),
    )


def _line(alert: dict[str, Any]) -> str:
    members = ", ".join(f"{member['agency']} {member['reference']}" for member in alert["members"])
    return f"#{alert['sequence']} {alert['kind']} ({alert['confidence']}) {members}"
