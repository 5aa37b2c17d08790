"""What does kill -9 lose? The matcher, its feeds and two coordinators are killed at random moments, and the matcher's
clock is set wrong, in real processes on a real database; after each cycle a checker compares what is there with an
oracle that was never disturbed."""

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

from benchmarks.clock import jump
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
_CONSUMERS = ("desk", "archive")
"""Of two coordinators, which are alike but for their marks."""
_JUMP = 20 * 3600.0
"""Seconds the matcher's clock may be wrong by: less than a day, or it would refuse contacts of today."""
_OPTIONS = "look_back_days = 3650"
"""So that no day more or less ends anything: the oracle's clock is right."""


@dataclass(slots=True)
class Outcome:
    """What a run did and found."""

    cycles: int = 0
    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("matcher", "feed", "coordinator"), 0))
    jumps: int = 0
    """Of the matcher's clock."""
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

    def __init__(self, deployment: Deployment, clock: Path, cycles: int, seed: int) -> None:
        self.outcome = Outcome()
        self._deployment = deployment
        self._random = random.Random(seed)
        self._clock = clock
        self._received = {consumer: deployment.folder / f"{consumer}.jsonl" for consumer in _CONSUMERS}
        self._coordinators: dict[str, subprocess.Popen[str]] = {}
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
        for consumer in _CONSUMERS:
            self._watch(consumer)

    def cycle(self, number: int) -> None:
        """Send a part of everybody's input, set the clock and kill at random moments, let everything come to rest, kill
        once more, and check."""
        plans = {agency: self._plan(agency, number) for agency in self._keys}
        self._feeds = {
            agency: Feed(self._deployment.agency_config(agency), self._deployment.folder / f"{plan.request}.json")
            for agency, plan in plans.items()
        }
        moments = sorted(self._random.uniform(0, _WINDOW) for _ in range(self._random.randint(1, 3)))
        began = time.monotonic()
        for moment in moments:
            time.sleep(max(began + moment - time.monotonic(), 0))
            jump(self._clock, self._random.uniform(-_JUMP, _JUMP))
            self.outcome.jumps += 1
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
        for received in self._received.values():
            check_received(received, log, self.outcome.found)
        self.outcome.cycles, self.outcome.alerts = number + 1, len(log.alert_ids)

    def stop(self) -> None:
        """End the coordinators."""
        for coordinator in self._coordinators.values():
            with coordinator:  # closes its pipe
                coordinator.kill()

    def _kill(self, victim: str) -> None:
        self.outcome.kills[victim] += 1
        if victim == "coordinator":
            consumer = self._random.choice(_CONSUMERS)
            with self._coordinators[consumer] as coordinator:
                coordinator.kill()
            self._watch(consumer)
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

    def _watch(self, consumer: str) -> None:
        config = self._deployment.folder / f"{consumer}.toml"
        text = self._deployment.coordinator_config.read_text()
        config.write_text(text.replace("[coordinator]\n", f'[coordinator]\nconsumer = "{consumer}"\n'))
        self._coordinators[consumer] = self._deployment.spawn(
            "alerts", "watch", "--config", config, "--out", self._received[consumer]
        )

    def _await_alerts(self, last: int) -> None:
        """Return when all coordinators wrote down the last alert, or did not in time: the checker will tell."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            lines = map(read_lines, self._received.values())
            if all(max((line["sequence"] for line in mine), default=0) >= last for mine in lines):
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
    clock, population = folder / "clock", max(_RECORDS * cycles, _LEAST_POPULATION)
    with Deployment(folder, agencies=AGENCIES, population=population, options=_OPTIONS, clock=clock) as deployment:
        jump(clock, 0.0)
        harness = Harness(deployment, clock, cycles, seed)
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
