"""What peers are given, how their answers are measured, and what the command takes."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import benchmarks.quality
from benchmarks import contenders
from benchmarks.__main__ import CONTENDERS, DATA, main
from benchmarks.contenders import Answer, persons_at
from benchmarks.datasets import Dataset, febrl, population
from benchmarks.peers import clk_peer, environments, recordlinkage_peer, records
from benchmarks.peers.scored import Scored, best_of


@pytest.fixture(scope="module")
def small() -> Dataset:
    return population(600, 7, 1.0)


def test_a_population_is_a_data_set(small):
    assert len(small.records) == len(small.person) == len(small.groups) == 600
    assert not small.records.duplicated(["agency", "record_ref"]).any()
    assert set(small.groups["sex"]) <= {"F", "M", "unknown"}
    assert small.groups["age band"].str.fullmatch(r"\d+-\d+").all()


@pytest.mark.parametrize(("name", "agencies", "pairs"), [("febrl1", 2, 500), ("febrl2", 6, 1934), ("febrl4", 2, 5000)])
def test_all_pairs_of_febrl_cross_agencies(name, agencies, pairs):
    dataset = febrl(name)
    assert dataset.records["agency"].nunique() == agencies
    assert not pd.DataFrame({"person": dataset.person, "agency": dataset.records["agency"]}).duplicated().any()
    held = dataset.person.value_counts()
    assert int((held * (held - 1) // 2).sum()) == pairs
    assert (dataset.records["identifier"] == "").all()


def test_peers_get_what_an_agency_would_tokenise(small):
    frame = records.clean(small)
    assert frame["postcode"].dropna().str.fullmatch("[A-Z0-9]+").all()
    assert frame["forename"].dropna().str.fullmatch("[A-Z]+").all()
    assert not (frame == "").any().any()
    assert len(records.block_columns(frame)) == len(small.scheme.passes) + 3


def test_recordlinkage_finds_most_and_never_inside_an_agency(small):
    frame = records.clean(small)
    found = recordlinkage_peer.link(frame)
    agency, person = frame["agency"].to_numpy(), small.person.to_numpy()
    assert (found.left < found.right).all()
    assert (agency[found.left] != agency[found.right]).all()
    assert ((found.score >= 0) & (found.score <= 1)).all()
    taken = found.score >= recordlinkage_peer.DEFAULT
    assert (person[found.left] == person[found.right])[taken].mean() > 0.9


def test_the_best_score_of_a_pair_counts():
    found = best_of(np.array([1, 0, 2]), np.array([0, 1, 0]), np.array([0.5, 0.7, 0.1]))
    assert list(zip(found.left, found.right, found.score, strict=True)) == [(0, 1, 0.7), (0, 2, 0.1)]


def test_persons_are_connected_components():
    scored = Scored(np.array([0, 1, 3]), np.array([1, 2, 4]), np.array([0.9, 0.8, 0.2]))
    first, second = persons_at(scored, 0.5, 5), persons_at(scored, 0.1, 5)
    assert first[0] == first[1] == first[2] != first[3] != first[4]
    assert second[3] == second[4]


@pytest.mark.parametrize("name", ["clk", "splink"])
def test_environments_are_pinned_with_hashes(name):
    lock = (environments.HERE / f"requirements-{name}.lock").read_text()
    for part in re.split(r"\n(?=\S)", lock.strip()):
        assert re.match(r"[a-z0-9-]+==\S+", part)
        assert "--hash=sha256:" in part
    assert (environments.HERE / f"{name}_child.py").is_file()


def test_a_clk_schema_names_the_columns_it_is_given():
    made = clk_peer.schema([("name", 2, False, 200), ("birth_date", 2, True, 200)])
    assert [feature["identifier"] for feature in made["features"]] == ["name", "birth_date"]
    json.dumps(made)


def answer(dataset: Dataset) -> Answer:
    """Finds the first half of the true pairs with certainty and the rest with doubt."""
    person, agency = dataset.person.to_numpy(), dataset.records["agency"].to_numpy(str)
    pairs = benchmarks.quality.measures.pairs_of_persons(person, agency)
    score = np.where(np.arange(len(pairs)) < len(pairs) // 2, 0.9, 0.4)
    return Answer(Scored(pairs[:, 0], pairs[:, 1], score), 0.5, 1.0, probability=score)


def test_figures_of_an_answer(small):
    figures = benchmarks.quality.measured(answer(small), small)
    assert figures["default"]["precision"] == 1
    assert figures["default"]["recall"] == pytest.approx(0.5, abs=0.01)
    assert figures["best"]["f1"] == figures["best"]["known_to_two"]["recall"] == figures["recall_at_any_threshold"] == 1
    assert figures["calibration"]["observed"] == [1, 1]
    assert set(figures["by_sex"]) >= {"F", "M"}
    assert "council / fire" in figures["by_agencies"]
    json.dumps(figures, allow_nan=False)


def test_the_command(tmp_path, monkeypatch):
    def fails(_):
        raise RuntimeError("clk failed:\nno such thing")

    monkeypatch.setattr(contenders, "CONTENDERS", {"ours": answer, "nhs-mps": lambda _: None, "clk": fails})
    chosen = ["--data", "population", "--records", "300", "--seed", "4", "--seed", "5", "--error-rate", "2"]
    peers = [word for peer in ("clk", "ours", "nhs-mps") for word in ("--peer", peer)]
    options = [*chosen, *peers, "--json", str(tmp_path / "figures.json")]
    result = CliRunner().invoke(main, ["quality", *options], catch_exceptions=False)
    assert result.exit_code == 0
    assert "its rules need a field" in result.output
    assert "clk           no such thing" in result.output
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [each["data"] for each in figures["results"]] == [
        f"population 300 seed {seed} error rate 2" for seed in (4, 5)
    ]
    assert figures["seeds"] == [4, 5]
    assert {"commit", "cores", "versions", "peers"} <= set(figures)


@pytest.mark.parametrize("wrong", [["--data", "febrl9"], ["--peer", "nobody"], ["--error-rate", "often"]])
def test_what_the_command_refuses(wrong):
    assert CliRunner().invoke(main, ["quality", *wrong]).exit_code == 2


def test_names_that_the_command_takes():
    assert set(CONTENDERS) == set(contenders.CONTENDERS)
    assert DATA[-2:] == ("town", "town-number")
