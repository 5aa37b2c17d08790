"""What do a record's time, memory, disk and a start cost as more records are held? `throughput`, size by size."""

from pathlib import Path
from typing import Any

import click

from benchmarks.machine import machine, write
from benchmarks.throughput import measured

_SHOWN = {
    "records": "records",
    "append_and_match_records_per_second": "records/s",
    "server_cpu_microseconds_per_record": "matcher us",
    "client_cpu_microseconds_per_record": "client us",
    "resident_bytes_per_record": "memory B",
    "stored_bytes_per_record": "disk B",
    "all_served_seconds_after_kill": "start s",
    "candidates_per_record": "candidates",
    "known_to_two_precision": "precision",
    "known_to_two_recall": "recall",
}


def run(sizes: tuple[int, ...], seed: int, json_path: Path | None) -> None:
    """Measure each size in a run of its own, print a line of each, and write the figures."""
    click.echo("  ".join(f"{title:>10}" for title in _SHOWN.values()))
    results: list[dict[str, Any]] = []
    for records in sizes:
        results.append(measured(records, seed))
        click.echo("  ".join(f"{results[-1][name]:>10}" for name in _SHOWN))
    write({**machine(), "results": results}, json_path)
