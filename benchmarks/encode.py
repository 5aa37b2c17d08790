"""How many records a second does an agency tokenise: on one core beside clkhash, and on all cores?

On one core both encode the same cleaned records, in turns, so that a busy machine slows both: ours makes all fields and
passes of uk-person-v1, with aliases and sealed references; clkhash one key of 1,024 bits a record. Seconds are of the
processor. Then `matcher tokenise` makes tokens of a file, from clear text to disk, in one process and in one a core;
those seconds are of the clock.
"""

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from benchmarks.datasets import population
from benchmarks.deployment import Deployment, matcher
from benchmarks.machine import machine, report
from benchmarks.peers import clk_peer, records
from benchmarks.population import AGENCIES, FILE_COLUMNS, generate
from matcher.agency.identity import NormalisedBatch, RawBatch
from matcher.agency.keys import AliasKey, LinkageKeys
from matcher.agency.normalise import normalise
from matcher.agency.parallel import cores
from matcher.agency.tokeniser import Tokeniser
from matcher.scheme import UK_PERSON_V1

_BATCH = 2000
"""Rows, as an agency's configuration has it by default."""
_DISTINCT = 100_000
"""Records of a file that differ in more than their reference."""
_AGENCY = AGENCIES[0]
_LOOK = 0.1
"""Seconds between looks at how much memory the processes use."""


def run(held: int, file_records: int, seed: int, repeats: int, json_path: Path | None) -> None:
    """Measure, print, and write the figures. `held`: records encoded in a repeat on one core; `file_records`: of the
    file; 0 leaves it out."""
    figures = _one_core(held, seed, repeats)
    if file_records:
        figures["file"] = {"records": file_records} | _whole_file(file_records, seed)
    report(figures | machine(), json_path)


# -- one core ---------------------------------------------------------------------------------------------------------


def _one_core(held: int, seed: int, repeats: int) -> dict[str, Any]:
    dataset = population(held, seed, 1.0)
    (whole,) = dataset.batches()
    # as if one agency held them all
    parts = zip(whole.columns["agency"], whole.columns["record_ref"], strict=True)
    whole.columns["record_ref"] = ["-".join(part) for part in parts]
    raw = [_rows(whole, first, last) for first, last in pairwise([*range(0, held, _BATCH), held])]
    cleaned = [normalise(each, UK_PERSON_V1) for each in raw]
    tokeniser = _tokeniser()
    tokeniser.tokenise(cleaned[0])  # compiled before the clock starts
    ours, ours_from_raw, theirs = [], [], []
    versions: dict[str, str] = {}
    with clk_peer.Encoder(records.clean(dataset), _BATCH) as encoder:
        for _ in range(repeats):
            ours.append(_seconds(tokeniser, cleaned))
            seconds, versions = encoder.seconds()
            theirs.append(seconds)
            ours_from_raw.append(_seconds(tokeniser, raw))
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    return {
        "records": held,
        "seed": seed,
        "repeats": repeats,
        "batch_rows": _BATCH,
        "tokenise_records_per_second": round(held / median(ours)),
        "clkhash_records_per_second": round(held / median(theirs)),
        "times_clkhash": round(median(ratios), 2),
        "times_clkhash_least_and_most": [round(min(ratios), 2), round(max(ratios), 2)],
        "normalise_and_tokenise_records_per_second": round(held / median(ours_from_raw)),
        "peers": versions,
    }


def _tokeniser() -> Tokeniser:
    keys = LinkageKeys(bytes(32), UK_PERSON_V1, 1)
    coordinator = X25519PrivateKey.generate().public_key().public_bytes_raw()
    return Tokeniser(UK_PERSON_V1, keys, AliasKey(bytes(32), _AGENCY.name), _AGENCY.name, coordinator)


def _seconds(tokeniser: Tokeniser, batches: list[NormalisedBatch] | list[RawBatch]) -> float:
    """Processor time to tokenise; of raw batches, normalising counts too."""
    started = time.process_time()
    for batch in batches:
        tokeniser.tokenise(normalise(batch, UK_PERSON_V1) if isinstance(batch, RawBatch) else batch)
    return time.process_time() - started


def _rows(whole: RawBatch, first: int, last: int) -> RawBatch:
    return RawBatch(whole.rows[first:last], {name: held[first:last] for name, held in whole.columns.items()})


# -- a file -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Run:
    """A command's end."""

    seconds: float
    most_bytes: int
    """Resident memory of all its processes together, at the worst look; pages they share count for each."""


def _whole_file(file_records: int, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="encode-") as made:
        folder = Path(made)
        with Deployment(folder) as deployment:
            deployment.set_up()
            deployment.start()  # which writes the configurations
        path = folder / "people.csv"
        _write(path, file_records, seed)
        figures: dict[str, Any] = {"bytes": path.stat().st_size}
        for jobs in sorted({1, cores()}):
            out = folder / f"{jobs}.tokens"
            config = deployment.agency_config(_AGENCY.name)
            done = command(matcher("tokenise", path, "--config", config, "--out", out, "--jobs", str(jobs)))
            out.unlink()
            figures[f"{jobs}_processes"] = {
                "records_per_second": round(file_records / done.seconds),
                "seconds": round(done.seconds, 1),
                "most_memory_mib": round(done.most_bytes / 2**20),
            }
    return figures


def _write(path: Path, file_records: int, seed: int) -> None:
    """A CSV file of so many records, each with its own reference."""
    made = generate(min(file_records, _DISTINCT), seed).records[FILE_COLUMNS]
    for first in range(0, file_records, len(made)):
        part = made.head(file_records - first)
        part = part.assign(record_ref=[f"R{first + row}" for row in range(len(part))])
        part.to_csv(path, mode="a", header=first == 0, index=False)


def command(line: list[str]) -> Run:
    """Run a command to its end; `RuntimeError` with what it said if it fails."""
    started = time.perf_counter()
    most = 0
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True) as running:
        while running.poll() is None:
            most = max(most, _resident(running.pid))
            time.sleep(_LOOK)
        said = running.stderr.read().decode() if running.stderr else ""
    if running.returncode:
        raise RuntimeError(f"the command failed:\n{said}")
    return Run(time.perf_counter() - started, most)


def _resident(session: int) -> int:
    """Bytes of all processes of a session."""
    pages = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[3]) == session:
            pages += int(fields[21])
    return pages * os.sysconf("SC_PAGE_SIZE")
