"""What a classifier that is taught with the truth finds, in a small whole run."""

import json

import numpy as np
from click.testing import CliRunner

from benchmarks import ceiling
from benchmarks.__main__ import main
from benchmarks.datasets import population


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(ceiling, "TEACHERS", (101,))
    path = tmp_path / "figures.json"
    options = ["--records", "2500", "--seed", "5", "--json", str(path)]
    result = CliRunner().invoke(main, ["ceiling", *options], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.output.count("known to two") == 1
    figures = json.loads(path.read_text())
    ours, *taught = figures["results"]
    assert ours["threshold"] is None
    assert ours["f1"] > 0.93
    assert [each["threshold"] for each in taught] == 2 * list(ceiling.THRESHOLDS)
    for who in (taught[:5], taught[5:]):
        assert [each["recall"] for each in who] == sorted((each["recall"] for each in who), reverse=True)
        assert max(each["f1"] for each in who) > 0.93
    assert figures["teachers"] == [101]
    assert "commit" in figures


def test_what_is_compared_is_each_pair_once_and_in_clear_text_nan_where_either_lacks_it():
    compared = ceiling._compare(population(600, 5, 1.0))
    left, right = compared.pairs.T
    assert (left < right).all()
    assert len(np.unique(compared.pairs, axis=0)) == len(compared.pairs)
    assert compared.is_match.any()
    assert not compared.is_match.all()
    clear = ceiling._clear(compared)
    assert len(clear) == len(compared.pairs)
    sex = compared.dataset.records["sex"].to_numpy(str)
    lacks = (sex[left] == "") | (sex[right] == "")
    column = 8 * 5  # behind eight texts of five comparisons each
    assert lacks.any()
    assert (np.isnan(clear[:, column]) == lacks).all()
    assert (clear[~lacks, column] == (sex[left] == sex[right])[~lacks]).all()
