"""A short run of the crash harness, and that its checker sees what it is there to see."""

import json
from pathlib import Path

import pytest

from benchmarks.crash import run
from benchmarks.crash_checker import Findings, Log, check_received

SEED = 17
"""Of the first cycle's kills: the matcher, a feed and a coordinator, one each."""


def test_kills_and_a_wrong_clock_lose_and_invent_nothing(tmp_path: Path) -> None:
    outcome = run(1, SEED, tmp_path / "run", tmp_path / "figures.json")
    assert outcome.kills == {"matcher": 2, "feed": 1, "coordinator": 1}
    assert outcome.jumps == 3
    assert outcome.found == Findings()
    assert outcome.records == 60
    assert outcome.alerts > 5
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert (figures["cycles"], set(figures["found"].values())) == (1, {0})


def line(sequence: int, person: str = "p", kind: str = "KNOWN_TO_TWO") -> dict[str, object]:
    """An alert as the coordinator writes it down."""
    return {"sequence": sequence, "alert_id": f"a{sequence}", "person_id": person, "kind": kind}


@pytest.mark.parametrize(
    ("received", "wrong", "differ"),
    [
        ([line(1), line(2, "q"), line(3, "p", "WITHDRAWN")], 0, 0),
        ([line(1), line(2, "q"), line(2, "q"), line(3, "p", "WITHDRAWN")], 0, 0),
        ([line(1), line(3, "p", "WITHDRAWN")], 1, 1),
        ([line(1), line(2, "q")], 1, 1),
        ([line(1), line(2, "q") | {"alert_id": "other"}, line(3, "p", "WITHDRAWN")], 1, 0),
        ([line(2, "q"), line(1), line(3, "p", "WITHDRAWN")], 1, 0),
        ([], 3, 1),
    ],
)
def test_the_checker_sees_what_a_coordinator_missed(
    tmp_path: Path, received: list[dict[str, object]], wrong: int, differ: int
) -> None:
    file, findings = tmp_path / "received.jsonl", Findings()
    file.write_text("".join(json.dumps(each) + "\n" for each in received))
    check_received(file, Log(["a1", "a2", "a3"], {"q"}), findings)
    assert (findings.received_wrong, findings.told_differ) == (wrong, differ)
    assert findings.total() == wrong + differ
