"""What does kill -9 lose? The matcher, its feeds and a coordinator are killed at random moments, in real processes on a
real database; after each cycle a checker compares what is there with an oracle that was never disturbed."""

import random
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Thread
from typing import Any

import click

from benchmarks.crash_checker import Findings, Oracle, check_received, check_store, left_behind, read_lines
from benchmarks.crash_feed import DONE, Plan
from benchmarks.deployment import Deployment
from benchmarks.machine import machine, report
from benchmarks.population import Agency, generate, write_csvs
from matcher.agency.keys import load_alias_key
from matcher.agency.push import ClearTextSource, write_token_file
from matcher.config import AgencyConfig, ServerConfig

AGENCIES = (
    Agency("north", "police", 1.0, 0.5, 0.99, 0.95, 0.99, 0.5),
    Agency("south", "health", 1.0, 0.9, 0.99, 0.95, 0.99, 0.5),
    Agency("west", "council", 1.0, 0.5, 0.99, 0.95, 0.99, 0.5),
)
_RECORDS = 60
"""Of all agencies, in a cycle."""
_LEAST_POPULATION = 1000
_BATCH = 5
_KNOWN_SHARE = 0.6
_WINDOW = 4.0
"""Seconds in which a cycle's kills fall: about as long as its feeds take."""
_PATIENCE = 120.0
_VICTIMS = ("matcher", "matcher", "feed", "coordinator")


@dataclass(slots=True)
class Outcome:
    """What a run did and found."""

    cycles: int = 0
    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("matcher", "feed", "coordinator"), 0))
    records: int = 0
    alerts: int = 0
    found: Findings = field(default_factory=Findings)


class Feed:
    """One agency's input of a cycle: a process that is started again until it is done, and what it acknowledged."""

    def __init__(self, config: Path, plan: Path) -> None:
        self._command = [sys.executable, "-m", "benchmarks.crash_feed", str(config), str(plan)]
        self.acknowledged = 0
        self.done = False
        self.start()

    def start(self) -> None:
        """Start the process."""
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._reader = Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()

    def wait(self) -> None:
        """Return once everything is acknowledged."""
        until = time.monotonic() + _PATIENCE
        while not self.done:
            self.process.wait(max(until - time.monotonic(), 0.1))
            self._reader.join()
            if not self.done:
                self.start()
        self.process.wait(max(until - time.monotonic(), 0.1))
        self._reader.join()

    def kill(self) -> None:
        """End the process as a crash would."""
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None  # noqa: S101
        with process.stdout as lines:
            for line in lines:
                if not line.endswith("\n"):  # it was killed while it said so
                    break
                if line.strip() == DONE:
                    self.done = True
                else:
                    self.acknowledged = max(self.acknowledged, int(line))


class Harness:
    """Runs cycles in a folder."""

    def __init__(self, deployment: Deployment, cycles: int, seed: int) -> None:
        self.outcome = Outcome()
        self._deployment = deployment
        self._random = random.Random(seed)
        self._received = deployment.folder / "received.jsonl"
        self._parts = _split(deployment.folder, cycles, seed)
        self._feed_ids: dict[str, str] = {}
        self._feeds: dict[str, Feed] = {}
        deployment.set_up()
        deployment.start()
        text = deployment.server_config.read_text()
        deployment.server_config.write_text(text.replace("127.0.0.1:0", deployment.address))
        self._config = ServerConfig.load(deployment.server_config)
        self._day = int(time.time()) // 86400
        self._oracle = Oracle(self._config, self._day)
        self._keys = {
            each.name: load_alias_key(deployment.folder / f"{each.name}.alias.key", each.name) for each in AGENCIES
        }
        self._sent: dict[str, list[str]] = {each.name: [] for each in AGENCIES}
        self._watch()

    def cycle(self, number: int) -> None:
        """Send a part of everybody's input, kill at random moments, let everything come to rest, kill, and check."""
        plans = {agency: self._plan(agency, number) for agency in self._keys}
        self._feeds = {
            agency: Feed(self._deployment.agency_config(agency), self._deployment.folder / f"{plan.request}.json")
            for agency, plan in plans.items()
        }
        moments = sorted(self._random.uniform(0, _WINDOW) for _ in range(self._random.randint(1, 3)))
        began = time.monotonic()
        for moment in moments:
            time.sleep(max(began + moment - time.monotonic(), 0))
            self._kill(self._random.choice(_VICTIMS))
        for feed in self._feeds.values():
            feed.wait()
        self._deployment.wait_until_matched(_PATIENCE)
        for agency, plan in plans.items():
            self._oracle.take(agency, plan, self._keys[agency])
            self.outcome.records += self._feeds[agency].acknowledged
        self._deployment.kill()
        self.outcome.kills["matcher"] += 1
        with left_behind(self._config) as store:
            log = check_store(store, self._oracle, self._config, self.outcome.found)
        self._deployment.start()
        self._await_alerts(len(log.alert_ids))
        check_received(self._received, log, self.outcome.found)
        self.outcome.cycles, self.outcome.alerts = number + 1, len(log.alert_ids)

    def stop(self) -> None:
        """End the coordinator."""
        with self._coordinator:  # closes its pipe
            self._coordinator.kill()

    def _kill(self, victim: str) -> None:
        self.outcome.kills[victim] += 1
        if victim == "coordinator":
            self.stop()
            self._watch()
        elif victim == "feed":
            self._random.choice(sorted(self._feeds.items()))[1].kill()
        else:
            said = {agency: feed.acknowledged for agency, feed in self._feeds.items()}
            self._deployment.kill()
            with left_behind(self._config) as store:
                for agency, offset in said.items():
                    stored = store.next_offset(agency, self._feed_ids[agency])
                    self.outcome.found.acknowledged_lost += stored < offset
            self._deployment.start()

    def _watch(self) -> None:
        self._coordinator = self._deployment.spawn(
            "alerts", "watch", "--config", self._deployment.coordinator_config, "--out", self._received
        )

    def _await_alerts(self, last: int) -> None:
        """Return when the coordinator wrote down the last alert, or did not in time: the checker will tell."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            if max((line["sequence"] for line in read_lines(self._received)), default=0) >= last:
                return
            time.sleep(0.2)

    def _plan(self, agency: str, number: int) -> Plan:
        """What an agency sends in a cycle: a part of its file, and removals and contacts of records sent before."""
        folder = self._deployment.folder
        config = replace(AgencyConfig.load(self._deployment.agency_config(agency)), batch_records=_BATCH)
        request = f"{agency}-{number}"
        source = ClearTextSource(self._parts[agency][number], config)
        self._feed_ids[agency] = source.header.feed_id
        write_token_file(source, folder / f"{request}.tokens", lambda _: None)
        before = self._sent[agency]
        chosen = self._random.sample(before, min(len(before), 4))
        plan = Plan(str(folder / f"{request}.tokens"), request, removed=chosen[:1], met=chosen[1:], day=self._day)
        plan.write(folder / f"{request}.json")
        self._sent[agency] = [each for each in before if each not in plan.removed]
        lines = self._parts[agency][number].read_text().splitlines()[1:]
        self._sent[agency] += dict.fromkeys(line.split(",", 1)[0] for line in lines)
        return plan


def _split(folder: Path, cycles: int, seed: int) -> dict[str, list[Path]]:
    """Every agency's synthetic records in as many files as there are cycles."""
    population = generate(_RECORDS * cycles, seed, agencies=AGENCIES, known_share=_KNOWN_SHARE)
    parts: dict[str, list[Path]] = {}
    for agency, file in write_csvs(population, folder / "agencies").items():
        header, *lines = file.read_text().splitlines(keepends=True)
        parts[agency] = [folder / f"{agency}-{number}.csv" for number in range(cycles)]
        for number, part in enumerate(parts[agency]):
            part.write_text(header + "".join(lines[number::cycles]))
    return parts


def run(cycles: int, seed: int, folder: Path, json_path: Path | None) -> Outcome:
    """Run cycles in a folder, which is made anew; what they found."""
    shutil.rmtree(folder, ignore_errors=True)
    began = time.monotonic()
    with Deployment(folder, agencies=AGENCIES, population=max(_RECORDS * cycles, _LEAST_POPULATION)) as deployment:
        harness = Harness(deployment, cycles, seed)
        try:
            for number in range(cycles):
                harness.cycle(number)
                click.echo(f"cycle {number + 1}: {harness.outcome.found.total()} differences so far", err=True)
        finally:
            harness.stop()
    outcome = harness.outcome
    figures: dict[str, Any] = {"seed": seed, **asdict(outcome), "seconds": round(time.monotonic() - began, 1)}
    report(figures | machine(), json_path)
    return outcome
