"""`matcher keygen audit` and `matcher audit verify`, and a coordinator that says why."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agency.deployed import agency_config, coordinator_config
from tests.cli.test_commands import done, run
from tests.service.servers import Deployed


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    with Deployed(tmp_path) as made:
        agency_config(made, "police")  # and the coordinator's key
        yield made


def test_the_private_key_is_its_owners_alone_and_neither_is_shown(tmp_path: Path) -> None:
    shown = done("keygen", "audit", tmp_path / "key", tmp_path / "pub")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "pub").stat().st_mode) == 0o644
    assert all((tmp_path / name).read_text().splitlines()[1] not in shown for name in ("key", "pub"))
    (tmp_path / "key").unlink()
    assert run("keygen", "audit", tmp_path / "key", tmp_path / "pub").exit_code == 1
    assert not (tmp_path / "key").exists(), "half a pair would block the next attempt"


def test_a_log_is_proved_while_the_matcher_serves_and_a_change_is_named(deployed: Deployed) -> None:
    log, public = deployed.folder / "audit.log", deployed.folder / "audit.pub"
    config = coordinator_config(deployed)
    done("alerts", "--justification", "MARAC-7", "review", "--config", config)
    done("cases", "--justification", "MARAC-8", "list", "--config", config)
    shown = done("audit", "verify", log, "--key", public).splitlines()
    assert shown[0] == "entries 1 to 5: in order, unchanged, signed with this key"
    assert shown[1] == "none is missing up to entry 5, which is noted outside the log"
    given = [json.loads(line).get("justification") for line in log.read_text().splitlines()]
    assert given == [None, "MARAC-7", "MARAC-7", "MARAC-8", "MARAC-8"]
    assert done("audit", "verify", log, "--key", public, "--known", shown[2]).splitlines() == shown
    log.write_text(log.read_text().replace("MARAC-7", "MARAC-9", 1))
    result = run("audit", "verify", log, "--key", public)
    assert result.exit_code == 1
    assert "error: entry 2 was changed" in result.stderr
    assert "advice: The audit log is not what the matcher wrote" in result.stderr


@pytest.mark.parametrize("reason", ["", "two words", "Zoë", "x" * 65])
def test_a_justification_is_a_reference(deployed: Deployed, reason: str) -> None:
    result = run("alerts", "--justification", reason, "review", "--config", coordinator_config(deployed))
    assert result.exit_code == 2
    assert "must be 1 to 64" in result.stderr


def test_a_wrong_head_is_told(deployed: Deployed) -> None:
    log, public = deployed.folder / "audit.log", deployed.folder / "audit.pub"
    for known in ("5", "5:abc", "x:" + "0" * 64):
        assert run("audit", "verify", log, "--key", public, "--known", known).exit_code == 2
    assert run("audit", "verify", log, "--key", public, "--known", "9:" + "0" * 64).exit_code == 1
