"""What `throughput`, `scale` and `latency` measure comes from whole runs, small ones here; how fast is not asked."""

import json
from pathlib import Path

from benchmarks import latency, scale
from benchmarks.throughput import _slowest


def test_a_whole_run_has_its_quality_and_its_candidates_beside_it(tmp_path: Path) -> None:
    scale.run((800,), 3, tmp_path / "figures.json")
    (found,) = json.loads((tmp_path / "figures.json").read_text())["results"]
    assert found["records"] == 800
    assert found["known_to_two_precision"] > 0.9
    assert found["known_to_two_recall"] > 0.7
    assert found["alerts"] >= found["persons_told"] > 0
    assert found["append_and_match_records_per_second"] > 0
    assert found["sent_bytes_per_record"] > 500
    assert 0 < found["feeds_served_seconds_after_kill"] <= found["all_served_seconds_after_kill"]
    assert found["candidates_per_record"] > 0


def test_records_held_back_are_submitted_and_seen_in_alerts_idle_and_under_load(tmp_path: Path) -> None:
    latency.run(2000, 20, 3, tmp_path / "figures.json")
    found = json.loads((tmp_path / "figures.json").read_text())
    assert (found["records_held"], found["calls"]) == (2000, 20)
    assert (found["idle"]["calls"], found["idle"]["alerted_share"] > 0.5) == (20, True)
    for state in ("idle", "loaded") if found["loaded"]["calls"] else ("idle",):  # feeds of so few may end before
        acknowledged, alerted = found[state]["acknowledged_milliseconds"], found[state]["alerted_milliseconds"]
        assert 0 < acknowledged["p50"] <= acknowledged["p99"]
        assert 0 < alerted["p50"] <= alerted["p99"]
    assert found["disk_sync_milliseconds"]["p50"] > 0


def test_the_slowest_window_is_found_wherever_it_begins() -> None:
    steady, after_a_gap = [(t / 10, 1) for t in range(200)], [(25 + t / 10, 1) for t in range(150)]
    assert _slowest(after_a_gap + steady, 40.0) == 5
    assert _slowest(steady, 20.0) == 10
    assert _slowest([(0.1, 5), (1.0, 5)], 2.0) == 5
