"""What the command measures; the peers are played by a stand-in, since their environment is not made here."""

import json
from typing import Self

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import kernel
from benchmarks.__main__ import main
from benchmarks.peers import environments
from matcher.scheme import UK_PERSON_V1
from matcher.scoring.decision import Thresholds
from matcher.scoring.model import MatchModel
from matcher.scoring.scorer import Scorer


class StandIn:
    """Compares nothing, in a second."""

    def __init__(self, name, script, held, asked):
        assert (environments.HERE / script).is_file()
        assert np.load(held).shape[1] == np.load(asked).shape[1] == UK_PERSON_V1.encoding_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        pass

    def ask(self, line):
        return {"seconds": 1.0, "versions": {line: "0"}}


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "Child", StandIn)
    options = ["--cached", "50", "--held", "200", "--pairs", "2000000", "--repeats", "2", "--seed", "3"]
    result = CliRunner().invoke(main, ["kernel", *options, "--json", str(tmp_path / "figures.json")])
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert {"commit", "cores", "versions", "seed", "bits"} <= set(figures)
    for name, held in (("in_cache", 50), ("in_cache_without_identifier", 50), ("from_memory", 200)):
        measured = figures[name]
        assert (measured["held"], measured["asked"]) == (held, 2_000_000 // held)
        assert measured["anonlink_million_pairs_per_second"] == 2.0
        assert measured["times_anonlink"] == pytest.approx(measured["ours_million_pairs_per_second"] / 2.0, rel=0.5)
        assert set(measured["peers"]) == set(kernel.PEERS)


def test_every_string_asked_for_meets_every_string_held_and_its_twin_is_a_match():
    held, asked = kernel.strings(300, 40, seed=1)
    scorer = Scorer(MatchModel.shipped(UK_PERSON_V1), 1000, Thresholds())
    links = scorer.score(kernel.rows_of(held, asked, seed=1), range(300, 340))
    assert scorer.compared == 300 * 40
    assert sorted(links.right.tolist()) == list(range(300, 340, 10))
