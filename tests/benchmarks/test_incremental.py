"""What the command measures and writes; Splink is played by a stand-in, since its environment is not made here."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.peers import postgres_peer, splink_peer
from benchmarks.peers.scored import Scored
from tests.benchmarks.test_postgres_peer import installed


def finds_nothing(frame, *, households, timeout):
    assert {"agency", "forename", "block_0"} <= set(frame.columns)
    assert households
    nothing = np.empty(0, np.int64)
    told = {"versions": {"splink": "0"}, "seconds": {"read": 1.0, "train": 6.0, "predict": 3.0}}
    return Scored(nothing, nothing, nothing.astype(float)), told


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(splink_peer, "link", finds_nothing)
    peers = ["--peer", "splink", *(["--peer", "postgres"] if installed() else [])]
    options = ["--records", "600", "--seed", "3", *peers, "--json", str(tmp_path / "figures.json")]
    result = CliRunner().invoke(main, ["peers", *options])
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "figures.json").read_text())
    ours, splink = figures["ours"], figures["splink"]
    assert (splink["records_per_second"], splink["records_per_second_without_training"]) == (60, 150)
    assert splink["times"] == pytest.approx(ours["records_per_second"] / 60, abs=0.01)
    assert splink["times_without_training"] == pytest.approx(ours["records_per_second"] / 150, abs=0.01)
    assert splink["recall"] == 0.0
    assert {"commit", "cores", "versions", "seed"} <= set(figures)
    if installed():
        # the links are the same; ours makes persons of them by rules, and leaves some out: of a hundred, a few
        assert figures["postgres"]["recall"] == pytest.approx(ours["recall"], abs=0.06)
        assert figures["postgres"]["precision"] == pytest.approx(ours["precision"], abs=0.06)


def test_without_postgresql_it_says_what_to_install_before_it_measures(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(postgres_peer, "_INSTALLED", "no/such/folder")
    result = CliRunner().invoke(main, ["peers", "--records", "600"])
    assert result.exit_code == 1
    assert "apt-get install postgresql" in result.output
