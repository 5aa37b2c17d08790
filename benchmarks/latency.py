"""How long until a record is acknowledged, and until the coordinator has its alert: idle, and while feeds pour in?

One matcher process that holds `records`; the feeds, the calls and the coordinator each in a process of their own, on
the same cores. Of people known to exactly two agencies one record each is kept back; they are submitted one by one,
open loop: at times drawn beforehand, whether or not the last one was answered, so that a stall is counted against every
call it held up. They are drawn, since calls a fixed time apart would come at few moments of the matcher's beat. An
alert is timed from there as well, to when the coordinator's client yields it: the commit, which no agency sees, lies in
between. Beside it stands what the disk itself takes to sync four kilobytes, since no acknowledgement comes before one.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.deployment import Deployment
from benchmarks.machine import machine, report
from benchmarks.population import Population, generate
from benchmarks.sending import Sender, part
from benchmarks.throughput import pour, write_batches
from matcher.agency.client import FeedClient
from matcher.config import CoordinatorConfig
from matcher.coordinator.client import AlertClient
from matcher.coordinator.opening import Opener
from matcher.rpc import open_channel
from matcher.v1.records_pb2 import RecordBatch
from matcher.wire import batch_message

_PER_SECOND = 40
_SUBMITTERS = 16
_PATIENCE = 3.0
"""Seconds without a new alert after which no more are waited for."""
_SYNCS = 500
_LOOK_SECONDS = 0.05
Record = tuple[str, str]
"""Agency and record reference."""


class _Call(NamedTuple):
    """What was submitted, when that was due, when its reply came, and when the coordinator had its alert, None if it
    never did; by this machine's clock."""

    record: Record
    due: float
    reply: float
    alert: float | None = None

    def alerted(self, seen: dict[Record, float]) -> "_Call":
        """With the alert."""
        return self._replace(alert=seen.get(self.record))


def run(records: int, calls: int, seed: int, json_path: Path | None) -> None:
    """Measure, print, and write the figures."""
    folder = Path(tempfile.mkdtemp(prefix="latency-"))
    try:
        figures = _measure(records, calls, seed, folder)
    finally:
        shutil.rmtree(folder)
    report(figures, json_path)


def _measure(records: int, calls: int, seed: int, folder: Path) -> dict[str, Any]:
    everyone = generate(2 * records, seed).records
    early = records + 2 * calls
    kept = _kept_back(everyone, early, 2 * calls, seed)
    parts = {"held": everyone.iloc[:early].drop(kept.index), "poured": everyone.iloc[early:]}
    with (
        Deployment(folder, population=records) as deployment,
        ProcessPoolExecutor(1, get_context("spawn")) as feeds,
    ):
        deployment.set_up()
        deployment.start()
        configs = {agency.name: deployment.agency_config(agency.name) for agency in deployment.agencies}
        for name, part_of_all in parts.items():
            (folder / name).mkdir()
            feeds.submit(write_batches, Population(part_of_all), configs, folder / name).result()
        feeds.submit(pour, folder / "held", configs).result()
        deployment.wait_until_matched()
        submissions = _submissions(deployment, kept)
        watch = ("alerts", "watch", "--config", deployment.coordinator_config, "--no-follow")
        deployment.command(*watch, "--out", folder / "read.jsonl")  # so that only new alerts are left to read
        coordinator = get_context("spawn").Process(
            target=_watch, args=(deployment.coordinator_config, folder / "seen"), daemon=True
        )
        coordinator.start()
        _wait_for(folder / "seen")
        answers = [_submit(deployment, submissions[:calls], folder / "seen")]
        pouring = feeds.submit(pour, folder / "poured", configs)
        answers.append(_submit(deployment, submissions[calls:], folder / "seen"))
        ended = pouring.result()
        coordinator.terminate()
        coordinator.join()
        seen = _seen(folder / "seen")
        idle, loaded = ([call.alerted(seen) for call in some] for some in answers)
        syncs = _syncs(folder)
    return {
        "records_held": len(parts["held"]),
        "seed": seed,
        "calls": calls,
        "calls_per_second": _PER_SECOND,
        "idle": _summary(idle),
        "loaded": _summary([call for call in loaded if call.due < ended]),
        "disk_sync_milliseconds": syncs,
        **machine(),
    }


def _kept_back(everyone: pd.DataFrame, early: int, count: int, seed: int) -> pd.DataFrame:
    """One record each of `count` people known to two agencies and to no more, both among the first `early` records:
    nothing but this one will be missing for an alert."""
    by_person = everyone.groupby("person")["agency"].agg(["size", "nunique"])
    in_time = everyone.iloc[:early].groupby("person").size().reindex(by_person.index, fill_value=0)
    two = (by_person["size"] == 2) & (by_person["nunique"] == 2) & (in_time == 2)
    chosen = np.random.default_rng(seed).choice(by_person.index[two].to_numpy(), count, replace=False)
    last = everyone[everyone["person"].isin(chosen)].drop_duplicates("person", keep="last")
    return last.sample(frac=1, random_state=seed)


def _submissions(deployment: Deployment, kept: pd.DataFrame) -> list[tuple[Record, RecordBatch]]:
    """Each record with the batch that submits it, in order."""
    found: dict[Any, tuple[Record, RecordBatch]] = {}
    for agency, mine in kept.groupby("agency"):
        sender = Sender(deployment, str(agency))
        tokens = sender.tokens(mine)
        sender.channel.close()
        for i, (row, reference) in enumerate(zip(mine.index, mine["record_ref"], strict=True)):
            message = batch_message(part(tokens, i, i + 1), sender.scheme)
            found[row] = ((str(agency), reference), message)
    return [found[row] for row in kept.index]


def _watch(coordinator_config: Path, path: Path) -> None:
    """Write down when the coordinator has each record, until ended."""
    config = CoordinatorConfig.load(coordinator_config)
    channel = open_channel(config.matcher, config.tls)
    opener = Opener.load(config.private_key)
    with AlertClient(channel, config.consumer, opener, config.scheme) as client, path.open("w") as file:
        for alerts in client.batches():
            now = time.monotonic()
            file.writelines(
                f"{each.member.agency}\t{each.reference.reference}\t{now}\n"
                for alert in alerts
                for each in alert.members
                if each.reference is not None
            )
            file.flush()


def _wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(_LOOK_SECONDS)


def _seen(path: Path) -> dict[Record, float]:
    """When the coordinator first had each record."""
    seen: dict[Record, float] = {}
    with path.open() as file:
        for line in file:
            agency, reference, when = line.split("\t")
            seen.setdefault((agency, reference), float(when))
    return seen


def _submit(deployment: Deployment, submissions: list[tuple[Record, RecordBatch]], seen: Path) -> list[_Call]:
    """Submit at fixed times, and wait for the answers, and until the coordinator has read all."""
    senders: dict[str, FeedClient] = {}
    for agency, _ in {record for record, _ in submissions}:
        if agency not in senders:
            sender = Sender(deployment, agency)
            senders[agency] = FeedClient(sender.channel)
            senders[agency].check_name(agency)  # an integration's connection is open
    moments = (np.arange(len(submissions)) + np.random.default_rng(len(submissions)).random(len(submissions))).tolist()
    began = time.monotonic()
    answered: list[_Call] = []

    def submit(number: int, record: Record, batch: RecordBatch) -> None:
        due = began + moments[number] / _PER_SECOND
        time.sleep(max(due - time.monotonic(), 0.0))
        senders[record[0]].submit(f"{record[1]}-{number}", batch)
        answered.append(_Call(record, due, time.monotonic()))

    with ThreadPoolExecutor(_SUBMITTERS) as callers:
        list(callers.map(lambda each: submit(each[0], *each[1]), enumerate(submissions)))
    deployment.wait_until_matched()
    size = -1
    while (written := seen.stat().st_size) > size:  # the coordinator may be behind
        size = written
        time.sleep(_PATIENCE)
    for client in senders.values():
        client.__exit__(None, None, None)
    return answered


def _summary(calls: list[_Call]) -> dict[str, Any]:
    """How many they were, and percentiles of the times from when a call was due, to its answer and to its alert."""
    alerted = [call.alert - call.due for call in calls if call.alert is not None]
    return {
        "calls": len(calls),
        "acknowledged_milliseconds": _percentiles([call.reply - call.due for call in calls]),
        "alerted_milliseconds": _percentiles(alerted),
        "alerted_share": round(len(alerted) / max(len(calls), 1), 4),
    }


def _syncs(folder: Path) -> dict[str, float]:
    """What the disk takes to sync a page at the end of a file."""

    def syncs() -> Iterator[float]:
        with (folder / "synced").open("wb", buffering=0) as file:
            for _ in range(_SYNCS):
                began = time.perf_counter()
                file.write(bytes(4096))
                os.fsync(file.fileno())
                yield time.perf_counter() - began

    return _percentiles(list(syncs()))


def _percentiles(seconds: list[float]) -> dict[str, float]:
    if not seconds:
        return {}
    return {f"p{at:g}": round(float(np.percentile(seconds, at)) * 1000, 2) for at in (50, 99, 99.9)}
