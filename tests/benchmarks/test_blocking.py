"""What passes find and cost, counted fast, is what plain Python counts pair by pair."""

import json
from collections import Counter
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import blocking
from benchmarks.__main__ import main
from benchmarks.blocking import Blocks, blocking_values, blocks_of, measure
from benchmarks.population import generate
from matcher.agency.identity import SOURCE_COLUMNS, RawBatch
from matcher.agency.normalise import normalise
from matcher.agency.tokeniser import canonical_columns
from matcher.scheme import UK_PERSON_V1

CLOSE = 0.0001
"""Figures have four digits."""


def close(value: float) -> object:
    return pytest.approx(value, abs=CLOSE)


def check(figures, values, agency, person):
    """Compare with brute force. `values`: for each pass the block of each record, any falsy value where it has none."""
    records = len(agency)
    across = [(i, j) for i, j in combinations(range(records), 2) if agency[i] != agency[j]]
    passes_of = {(i, j): {p for p, of in enumerate(values) if of[i] and of[i] == of[j]} for i, j in across}
    true = [pair for pair in across if person[pair[0]] == person[pair[1]]]
    share = max(len(true), 1)
    assert (figures.records, figures.true_pairs) == (records, len(true))
    assert figures.candidates == close(sum(map(bool, passes_of.values())) / records)
    assert figures.completeness == close(sum(bool(passes_of[pair]) for pair in true) / share if true else 1)
    largest = [max(Counter(filter(None, of)).values(), default=0) for of in values]
    assert figures.largest_block == max(largest)
    for p, each in enumerate(figures.passes):
        assert each.present == close(sum(map(bool, values[p])) / records)
        assert each.completeness == close(sum(p in passes_of[pair] for pair in true) / share if true else 1)
        assert each.lost_without == close(sum(passes_of[pair] == {p} for pair in true) / share)
        assert each.candidates == close(sum(p in found for found in passes_of.values()) / records)
        assert each.candidates_only_here == close(sum(found == {p} for found in passes_of.values()) / records)
        assert each.largest_block == largest[p]


@st.composite
def small_blocks(draw):
    records, passes = draw(st.integers(1, 30)), draw(st.integers(1, 4))
    row = st.lists(st.integers(-1, 4), min_size=records, max_size=records)
    codes = np.array(draw(st.lists(row, min_size=passes, max_size=passes)), np.int32)
    agency, person = (
        draw(st.lists(st.integers(0, 2), min_size=records, max_size=records)),
        draw(st.lists(st.integers(0, 8), min_size=records, max_size=records)),
    )
    names = tuple(map(str, range(passes)))
    return Blocks(names, codes, np.array(agency, np.int32), np.array(person, np.int64))


@given(small_blocks(), st.sampled_from([1, 7, 1000]))
def test_counts_are_those_of_brute_force(blocks, at_once):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocking, "_PAIRS_AT_ONCE", at_once)
        figures = measure(blocks, "made up", "none")
    check(figures, (blocks.codes + 1).tolist(), blocks.agency.tolist(), blocks.person.tolist())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_blocks_are_those_that_tokens_make(seed):
    records = generate(60, seed, error_rate=2).records.rename(columns={"nhs_number": "identifier"})
    # every pass shall have a block of several records
    records = pd.concat([records, records.head(8).assign(agency="twelfth")], ignore_index=True)
    person = records["person"].to_numpy(np.int64)
    figures = measure(blocks_of(records, person, UK_PERSON_V1), "small", UK_PERSON_V1.name)
    source = {name: list(records.get(name, [""] * len(records))) for name in SOURCE_COLUMNS}
    columns = canonical_columns(normalise(RawBatch(list(range(len(records))), source), UK_PERSON_V1), UK_PERSON_V1)
    values = [blocking_values(each, columns) for each in UK_PERSON_V1.passes]
    check(figures, values, records["agency"].tolist(), person.tolist())
    assert figures.completeness > 0.5


def test_rows_without_a_reference_are_left_out():
    records = generate(50, 1).records
    records.loc[3, "record_ref"] = ""
    blocks = blocks_of(records, records["person"].to_numpy(np.int64), UK_PERSON_V1)
    assert blocks.codes.shape == (len(UK_PERSON_V1.passes), 49)
    assert blocks.person.tolist() == records["person"].drop(3).tolist()


def test_command(tmp_path):
    path = tmp_path / "figures" / "blocking.json"
    arguments = [
        "blocking",
        "--records",
        "2000",
        "--seed",
        "1",
        "--seed",
        "2",
        "--error-rate",
        "2",
        "--json",
        str(path),
    ]
    answer = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert answer.exit_code == 0
    written = json.loads(path.read_text())
    assert written["commit"] and written["cores"]
    data = [each["data"] for each in written["results"]]
    assert data == ["population 2000 seed 1 error rate 2", "population 2000 seed 2 error rate 2"]
    for each in written["results"]:
        assert each["records"] == 2000
        assert 0.8 < each["completeness"] <= 1
        assert [one["name"] for one in each["passes"]] == [one.name for one in UK_PERSON_V1.passes]
        assert all(one["name"] in answer.output for one in each["passes"])
        assert each["candidates"] <= sum(one["candidates"] for one in each["passes"])
