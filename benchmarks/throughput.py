"""How many records a second are appended, committed and matched over TLS, and how right are the persons?

One matcher process and one client process that plays all agencies, on this machine. Batches are tokenised beforehand,
into files, by a process that is gone when the clock starts: what is measured is the wire, the commit before each
acknowledgement, matching, and alerts in the log. Feeds are held back while more than two frames wait, so what is
acknowledged in a window is what is matched in it. Alerts are read from the log afterwards, so that precision and recall
are of the same run; then the matcher is killed, started, stopped and started.
"""

import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.default_model import raw_batches
from benchmarks.demo import measure
from benchmarks.deployment import Deployment
from benchmarks.machine import machine, report
from benchmarks.population import Population, generate
from matcher.agency.client import FeedClient
from matcher.agency.keys import load_alias_key, load_linkage_keys
from matcher.agency.normalise import normalise
from matcher.agency.tokeniser import Tokeniser
from matcher.config import AgencyConfig
from matcher.keyfile import read_public_key
from matcher.rpc import open_channel
from matcher.scheme import UK_PERSON_V1
from matcher.v1.records_pb2 import RecordBatch
from matcher.wire import batch_message

WINDOW_SECONDS = 10.0
_LENGTH_BYTES = 4


def run(records: int, seed: int, json_path: Path | None, *, encrypted: bool) -> None:
    """Measure, print, and write the figures."""
    report(measured(records, seed, encrypted=encrypted), json_path)


def measured(records: int, seed: int, *, encrypted: bool = True) -> dict[str, Any]:
    """Figures of one run."""
    folder = Path(tempfile.mkdtemp(prefix="throughput-"))
    try:
        return _measure(records, seed, folder, encrypted)
    finally:
        shutil.rmtree(folder)


def _measure(records: int, seed: int, folder: Path, encrypted: bool) -> dict[str, Any]:
    with Deployment(folder, population=records, encrypted=encrypted) as deployment:
        deployment.set_up()
        deployment.start()
        with ProcessPoolExecutor(1, get_context("spawn")) as beforehand:
            configs = {agency.name: deployment.agency_config(agency.name) for agency in deployment.agencies}
            truth, tokenise_seconds = beforehand.submit(_prepare, records, seed, configs, folder).result()
        acknowledged: list[tuple[float, int]] = []
        threads = [
            threading.Thread(target=feed, args=(config, read_batches(folder, agency), acknowledged))
            for agency, config in configs.items()
        ]
        server_cpu = deployment.cpu_seconds()
        client_cpu = time.process_time()
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        append_seconds = time.perf_counter() - started
        deployment.wait_until_matched()
        whole_seconds = time.perf_counter() - started
        sent = sum(count for _, count in acknowledged)
        if sent != records:
            raise RuntimeError(f"only {sent} of {records} records were acknowledged")
        server_cpu = deployment.cpu_seconds() - server_cpu
        client_cpu = time.process_time() - client_cpu
        resident = deployment.resident_bytes()
        compared = deployment.status().compared.value
        received = folder / "alerts.jsonl"
        deployment.command(
            "alerts", "watch", "--config", deployment.coordinator_config, "--out", received, "--no-follow"
        )
        stored = sum(file.stat().st_size for file in folder.glob("matcher.db*"))
        deployment.kill()
        feeds_after_kill, all_after_kill = _start(deployment)
        deployment.stop()
        feeds_after_stop, all_after_stop = _start(deployment)
    size = sum(file.stat().st_size for file in folder.glob("*.sent"))
    with received.open() as lines:
        outcome = measure(map(json.loads, lines), truth, whole_seconds)
    return {
        "records": records,
        "seed": seed,
        "encrypted": encrypted,
        "append_and_match_records_per_second": round(records / whole_seconds),
        "slowest_window_records_per_second": _slowest(acknowledged, whole_seconds),
        "window_seconds": WINDOW_SECONDS,
        "append_records_per_second": round(records / append_seconds),
        "tokenise_records_per_second": round(records / tokenise_seconds),
        "server_cpu_microseconds_per_record": round(server_cpu / records * 1e6, 1),
        "client_cpu_microseconds_per_record": round(client_cpu / records * 1e6, 1),
        "sent_bytes_per_record": round(size / records),
        "stored_bytes_per_record": round(stored / records),
        "resident_bytes_per_record": round(resident / records),
        "feeds_served_seconds_after_kill": round(feeds_after_kill, 2),
        "all_served_seconds_after_kill": round(all_after_kill, 2),
        "feeds_served_seconds_after_stop": round(feeds_after_stop, 2),
        "all_served_seconds_after_stop": round(all_after_stop, 2),
        "candidates_per_record": round(compared / records, 2),
        "alerts": outcome.alerts,
        "known_to_two_precision": round(outcome.precision, 4),
        "known_to_two_recall": round(outcome.recall, 4),
        "persons_told": outcome.persons_told,
        "persons_true": outcome.persons_true,
        **machine(),
    }


def _start(deployment: Deployment) -> tuple[float, float]:
    """Start the matcher: seconds until feeds are served, and until all is."""
    started = time.perf_counter()
    deployment.start()
    feeds = time.perf_counter() - started
    deployment.status()  # waits for memory, as alerts do
    return feeds, time.perf_counter() - started


def _tokenised(population: Population, configs: dict[str, Path]) -> Iterator[tuple[str, RecordBatch]]:
    """Agencies and their batches, ready to send. `configs`: of each agency."""
    offsets: dict[str, int] = {}
    tokenisers: dict[str, Tokeniser] = {}
    for agency, raw in raw_batches(population, UK_PERSON_V1):
        config = AgencyConfig.load(configs[agency])
        if agency not in tokenisers:
            tokenisers[agency] = Tokeniser(
                config.scheme,
                load_linkage_keys(config.linkage_key, config.scheme, config.epoch),
                load_alias_key(config.alias_key, agency),
                agency,
                read_public_key(config.coordinator_public_key),
            )
        tokens = tokenisers[agency].tokenise(normalise(raw, config.scheme))
        offset = offsets.get(agency, 0)
        yield agency, batch_message(tokens, config.scheme, offset)
        offsets[agency] = offset + tokens.record_count


def _prepare(records: int, seed: int, configs: dict[str, Path], folder: Path) -> tuple[Population, float]:
    """Write each agency's batches, each behind its length; the truth about them, and the seconds it took to tokenise
    and write them."""
    population = generate(records, seed)
    started = time.perf_counter()
    write_batches(population, configs, folder)
    seconds = time.perf_counter() - started
    return Population(population.records[["agency", "record_ref", "person"]]), seconds


def write_batches(population: Population, configs: dict[str, Path], folder: Path) -> None:
    """Tokenise a population into a file for each agency. `configs`: of each agency."""
    with ExitStack() as opened:
        files = {agency: opened.enter_context((folder / f"{agency}.sent").open("wb")) for agency in configs}
        for agency, batch in _tokenised(population, configs):
            written = batch.SerializeToString()
            files[agency].write(len(written).to_bytes(_LENGTH_BYTES, "big") + written)


def read_batches(folder: Path, agency: str) -> Iterator[RecordBatch]:
    """An agency's batches that `write_batches` wrote, in order."""
    with (folder / f"{agency}.sent").open("rb") as file:
        while length := file.read(_LENGTH_BYTES):
            yield RecordBatch.FromString(file.read(int.from_bytes(length, "big")))


def feed(
    agency_config: Path, batches: Iterable[RecordBatch], acknowledged: list[tuple[float, int]], name: str = "throughput"
) -> None:
    """Send an agency's batches to its feed of that name, and note when how many records were acknowledged."""
    config = AgencyConfig.load(agency_config)
    before = 0
    with FeedClient(open_channel(config.matcher, config.tls)) as client:
        client.next_offset(name)
        for offset in client.append(name, batches):
            acknowledged.append((time.perf_counter(), offset - before))
            before = offset


def pour(folder: Path, configs: dict[str, Path]) -> float:
    """Send the batches that `write_batches` wrote, all agencies at a time; when that was done, by this machine's clock.
    Of a folder of another name they go to feeds of that name."""
    with ThreadPoolExecutor(len(configs)) as feeders:
        list(feeders.map(lambda each: feed(each[1], read_batches(folder, each[0]), [], folder.name), configs.items()))
    return time.monotonic()


def _slowest(acknowledged: list[tuple[float, int]], seconds: float) -> int:
    """Records a second of the slowest window, wherever it begins; of the whole run if it is shorter than one."""
    length = min(WINDOW_SECONDS, seconds)
    moments, counts = map(np.array, zip(*sorted(acknowledged), strict=True))
    so_far = np.concatenate([[0], np.cumsum(counts)])
    # a window begins right behind an acknowledgement, where it holds least, and ends inside the run
    begins = moments[moments + length <= moments[-1]]
    ends = so_far[np.searchsorted(moments, begins + length, "right")]
    held = ends - so_far[np.searchsorted(moments, begins, "right")]
    return round(float(held.min(initial=so_far[-1])) / length)
