"""How long until a record is acknowledged, and until the coordinator has its alert: idle, and while feeds pour in?

One matcher process that holds `records`, one client process. Of people known to exactly two agencies one record each is
kept back; they are submitted one by one, open loop: at fixed times, whether or not the last one was answered, so that a
stall is counted against every call it held up. An alert is timed from there as well, to when the coordinator's client
yields it: the commit, which no agency sees, lies in between. Beside it stands what the disk itself takes to sync four
kilobytes, since no acknowledgement comes before one.
"""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.deployment import Deployment
from benchmarks.machine import machine, report
from benchmarks.population import Population, generate
from benchmarks.sending import Sender, part
from benchmarks.throughput import feed, tokenised
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
Record = tuple[str, str]
"""Agency and record reference."""


class _Call(NamedTuple):
    """When a call was due, when its reply came, and when the coordinator had its alert, None if it never did."""

    due: float
    reply: float
    alert: float | None


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
    kept = _kept_back(everyone, 2 * calls, seed)
    rest = everyone.drop(kept.index)
    held, poured = rest.iloc[:records], rest.iloc[records:]
    with Deployment(folder, population=records) as deployment:
        deployment.set_up()
        deployment.start()
        _feed_all(deployment, _batches(deployment, held), "held")
        deployment.wait_until_matched()
        submissions = _submissions(deployment, kept)
        more = _batches(deployment, poured)
        watch = ("alerts", "watch", "--config", deployment.coordinator_config, "--no-follow")
        deployment.command(*watch, "--out", folder / "read.jsonl")  # so that only new alerts are left to read
        seen: dict[Record, float] = {}
        watcher = threading.Thread(target=_watch, args=(deployment, seen), daemon=True)
        watcher.start()
        idle = _submit(deployment, submissions[:calls], seen)
        ended: list[float] = []
        pouring = threading.Thread(target=_pour, args=(deployment, more, ended), daemon=True)
        pouring.start()
        loaded = [call for call in _submit(deployment, submissions[calls:], seen) if not ended or call.due < ended[0]]
        pouring.join()
        syncs = _syncs(folder)
    return {
        "records_held": len(held),
        "seed": seed,
        "calls": calls,
        "calls_per_second": _PER_SECOND,
        "idle": _summary(idle),
        "loaded": _summary(loaded),
        "disk_sync_milliseconds": syncs,
        **machine(),
    }


def _kept_back(everyone: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """One record each of `count` people known to two agencies, and to no more."""
    by_person = everyone.groupby("person")["agency"].agg(["size", "nunique"])
    people = by_person.index[(by_person["size"] == 2) & (by_person["nunique"] == 2)].to_numpy()
    chosen = np.random.default_rng(seed).choice(people, count, replace=False)
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


def _batches(deployment: Deployment, records: pd.DataFrame) -> dict[str, list[RecordBatch]]:
    """Each agency's batches, ready to send."""
    configs = {agency.name: deployment.agency_config(agency.name) for agency in deployment.agencies}
    batches: dict[str, list[RecordBatch]] = {agency: [] for agency in configs}
    for agency, batch in tokenised(Population(records), configs):
        batches[agency].append(batch)
    return batches


def _feed_all(deployment: Deployment, batches: dict[str, list[RecordBatch]], name: str) -> None:
    threads = [threading.Thread(target=feed, args=(deployment, *each, [], name)) for each in batches.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _pour(deployment: Deployment, batches: dict[str, list[RecordBatch]], ended: list[float]) -> None:
    _feed_all(deployment, batches, "poured")
    ended.append(time.monotonic())


def _watch(deployment: Deployment, seen: dict[Record, float]) -> None:
    """Note when the coordinator first has each record, until the matcher is gone."""
    config = CoordinatorConfig.load(deployment.coordinator_config)
    channel = open_channel(config.matcher, config.tls)
    opener = Opener.load(config.private_key)
    with AlertClient(channel, config.consumer, opener, config.scheme) as client:
        for alert in client.alerts():
            now = time.monotonic()
            for each in alert.members:
                if each.reference is not None:
                    seen.setdefault((each.member.agency, each.reference.reference), now)


def _submit(
    deployment: Deployment, submissions: list[tuple[Record, RecordBatch]], seen: dict[Record, float]
) -> list[_Call]:
    """Submit at fixed times, and wait for the answers and the alerts."""
    senders: dict[str, FeedClient] = {}
    for agency, _ in {record for record, _ in submissions}:
        if agency not in senders:
            sender = Sender(deployment, agency)
            senders[agency] = FeedClient(sender.channel)
    began = time.monotonic()
    answered: list[tuple[Record, float, float]] = []

    def submit(number: int, record: Record, batch: RecordBatch) -> None:
        due = began + number / _PER_SECOND
        time.sleep(max(due - time.monotonic(), 0.0))
        senders[record[0]].submit(f"{record[1]}-{number}", batch)
        answered.append((record, due, time.monotonic()))

    with ThreadPoolExecutor(_SUBMITTERS) as callers:
        list(callers.map(lambda each: submit(each[0], *each[1]), enumerate(submissions)))
    deployment.wait_until_matched()
    known = -1
    while len(seen) > known:  # the coordinator's client may be behind
        known = len(seen)
        time.sleep(_PATIENCE)
    for client in senders.values():
        client.__exit__(None, None, None)
    return [_Call(due, reply, seen.get(record)) for record, due, reply in answered]


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
