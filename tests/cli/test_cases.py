"""`matcher cases`, as a coordinator at a prompt meets it: from the alert to the last confirmed removal."""

import json
import re
import time
from pathlib import Path

from tests.service.servers import Deployed, people

from .test_commands import deployed, done, refused, run, send  # noqa: F401


def alerted(deployed: Deployed, folder: Path) -> str:  # noqa: F811
    """A person becomes known to two agencies; its name, as `alerts watch` shows it."""
    send(deployed, "police", people([0]))
    send(deployed, "clinic", people([0]))
    shown = done("alerts", "watch", "--no-follow", "--config", folder / "hub.toml")
    found = re.search(r"KNOWN_TO_TWO person ([0-9a-f]{32}) ", shown)
    assert found
    return found[1]


def test_a_case_from_the_alert_to_its_end(deployed: Deployed, tmp_path: Path) -> None:  # noqa: F811
    config = ("--config", tmp_path / "hub.toml")
    person_id = alerted(deployed, tmp_path)
    case_id = done("cases", "open", *config, person_id).strip()
    assert done("cases", "open", *config, person_id).strip() == case_id
    today = time.strftime("%Y-%m-%d", time.gmtime())
    assert done("cases", "list", *config) == f"{case_id} OPEN opened {today}\n"
    alone = refused("cases", "decide", *config, case_id, "--decision", "plan", "--present", "police")
    assert "GREEN_AND_BLUE_REQUIRED" in alone
    assert "advice: A decision needs a health and a police participant" in alone
    unknown = refused("cases", "decide", *config, case_id, "--decision", "plan", "--present", "polcie")
    assert "--present number 1 is no configured agency\n" in unknown
    both = ("--present", "police", "--present", "clinic")
    assert done("cases", "decide", *config, case_id, "--decision", "plan", *both) == "recorded\n"
    assert done("cases", "show", *config, case_id).splitlines() == [
        f"PLANNED opened {today}",
        f"person {person_id}, 1 decisions, reviewed {today}",
    ]
    shown = done("cases", "close", *config, case_id)
    assert shown == "closed; `matcher cases show` names the agencies that have yet to confirm the removal\n"
    deployed.settle()
    again = done("cases", "close", *config, case_id)
    assert again == f"was closed before: CLOSING opened {today} closed {today} awaiting removal by clinic, police\n"
    [line] = done("cases", "list", *config).splitlines()
    assert line == f"{case_id} CLOSING opened {today} closed {today} awaiting removal by clinic, police"
    assert done("cases", "show", *config, case_id).splitlines()[1:] == [
        "clinic has not confirmed the removal",
        "police has not confirmed the removal",
    ]
    status = ("status", "--config", tmp_path / "ops.toml")
    assert json.loads(done(*status))["removals_overdue"] == {"value": "0", "at_most": False}

    store = deployed.server.matching.store
    for table in ("'case'", "notice"):  # as if it had been closed a month ago
        store._writer.execute(f"UPDATE {table} SET closed_at = closed_at - 31 * 86400")
    assert "OVERDUE, awaiting removal by clinic, police" in done("cases", "list", *config)
    assert json.loads(done(*status))["removals_overdue"] == {"value": "7", "at_most": True}

    for agency in ("police", "clinic"):
        store.confirm_removals(agency, [each.notice_id for each in store.notices_after(agency, 0, 9)])
    assert run("cases", "list", *config).stderr == "none\n"
    assert done("cases", "list", "--all", *config).startswith(f"{case_id} CLOSED opened {today} closed ")


def test_what_is_not_there_is_refused_with_advice(deployed: Deployed, tmp_path: Path) -> None:  # noqa: F811
    config = ("--config", tmp_path / "hub.toml")
    for command in (("open",), ("close",), ("show",)):
        assert "NOT_FOUND" in refused("cases", *command, *config, bytes(16).hex())
        for wrong in ("POL-1", "ab"):
            assert "_ID': must be 32 hex digits: " in run("cases", *command, *config, wrong).stderr
    assert done("cases", "list", *config) == ""


def test_an_alert_that_a_closure_deleted_is_not_explained_by_the_next(deployed: Deployed, tmp_path: Path) -> None:  # noqa: F811
    for agency in ("police", "clinic"):
        send(deployed, agency, people([0, 1]))
    config = ("--config", tmp_path / "hub.toml")
    first = deployed.alerts()[0].person_id.hex()
    done("cases", "close", *config, done("cases", "open", *config, first).strip())
    deployed.settle()
    assert "there is no alert 1 in the log" in refused("alerts", "explain", *config, "1")
    assert "REF-1" in done("alerts", "explain", *config, "2")
