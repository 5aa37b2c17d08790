"""The made-up population is seeded, has the sizes and shares it promises, and hands out no truth."""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from stdnum.gb import nhs

from benchmarks.names import NICKNAMES, ORIGINS
from benchmarks.population import (
    AGENCIES,
    FILE_COLUMNS,
    LAST_DAY,
    LOOK_BACK,
    NO_FIXED_ABODE,
    Population,
    generate,
    write_csvs,
)

SIZE = 20_000


@pytest.fixture(scope="module")
def population() -> Population:
    return generate(SIZE, 1)


@pytest.fixture(scope="module")
def records(population: Population) -> pd.DataFrame:
    return population.records


@pytest.fixture(scope="module")
def clean() -> pd.DataFrame:
    return generate(SIZE, 1, error_rate=0).records


@pytest.fixture(scope="module")
def persons(clean: pd.DataFrame) -> pd.DataFrame:
    return clean.drop_duplicates("person")


def test_one_seed_makes_one_population(records: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(records, generate(SIZE, 1).records)
    assert not records["surname"].equals(generate(SIZE, 2).records["surname"])


@pytest.mark.parametrize("size", [1, 2, 57, 3001])
def test_as_many_records_as_asked_for(size: int) -> None:
    records = generate(size, 3).records
    assert len(records) == size
    assert sorted(records["person"].unique()) == list(range(records["person"].nunique()))


def test_error_rate_changes_errors_only(records: pd.DataFrame, clean: pd.DataFrame) -> None:
    same = ["record_ref", "agency", "observed_day", "person", "household", "origin", "birth_year"]
    pd.testing.assert_frame_equal(records[same], clean[same])
    doubled = generate(SIZE, 1, error_rate=2).records

    def wrong(held: pd.DataFrame) -> float:
        return float((held["surname"].str.upper() != clean["surname"].str.upper()).mean())

    assert 0.02 < wrong(records) < 0.10
    assert 1.7 < wrong(doubled) / wrong(records) < 2.3


def test_without_errors_a_persons_records_are_equal_and_complete(clean: pd.DataFrame) -> None:
    identity = [column for column in FILE_COLUMNS if column not in ("record_ref", "observed_day")]
    assert (clean.groupby("person")[identity].nunique() == 1).all(axis=None)
    assert (clean[identity] != "").all(axis=None)
    assert (clean["dob"].str[:4].astype(int) == clean["birth_year"]).all()


def test_references_are_unique_within_an_agency_and_say_nothing_of_the_person(records: pd.DataFrame) -> None:
    assert not records.duplicated(["agency", "record_ref"]).any()
    assert records["record_ref"].str.fullmatch(r"[A-Z]{3}-\d{6}").all()
    police = records[records["agency"] == "police"]
    assert abs(police["record_ref"].rank().corr(police["person"])) < 0.05


def test_people_are_known_to_one_agency_or_several(records: pd.DataFrame) -> None:
    known = records.groupby("person")["agency"].nunique()
    assert 0.25 < (known >= 2).mean() < 0.35
    assert 0 < (known >= 5).mean() < 0.05
    assert 0.01 < records.duplicated(["person", "agency"]).mean() < 0.03
    assert set(records["agency"]) == {agency.name for agency in AGENCIES}


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_known_share_is_kept(share: float) -> None:
    known = generate(5000, 4, known_share=share).records.groupby("person")["agency"].nunique()
    assert abs((known >= 2).mean() - share) < 0.03


def test_nhs_numbers_are_valid_and_as_rare_as_the_agency_says(records: pd.DataFrame, persons: pd.DataFrame) -> None:
    assert all(nhs.is_valid(number) for number in persons["nhs_number"])
    assert persons["nhs_number"].is_unique
    held = records["nhs_number"] != ""
    assert records["nhs_number"][held].isin(persons["nhs_number"]).all()
    shares = held.groupby(records["agency"]).mean()
    for agency in AGENCIES:
        assert shares[agency.name] == pytest.approx(agency.nhs_number, abs=0.04)


def test_dates_are_whole_partial_or_missing_and_possible(records: pd.DataFrame) -> None:
    dobs = records["dob"]
    assert dobs.str.fullmatch(r"(\d{4}(-\d\d(-\d\d)?)?)?").all()
    assert {0, 4, 7, 10} == set(dobs.str.len())
    whole = pd.to_datetime(dobs[dobs.str.len() == 10], format="%Y-%m-%d")
    last = pd.Timestamp(LAST_DAY, unit="D")
    assert whole.max() <= last
    observed = pd.to_datetime(records["observed_day"], format="%Y-%m-%d")
    assert observed.max() == last
    assert observed.min() == last - pd.Timedelta(days=LOOK_BACK - 1)


def test_twins_share_a_home_and_a_birthday(persons: pd.DataFrame) -> None:
    homes = persons[persons.groupby("household")["person"].transform("size") <= 7]
    twins = homes[homes.duplicated(["household", "dob"], keep=False)]
    assert 0.005 < len(twins) / len(persons) < 0.02
    pairs = twins.groupby("household")[["forename", "sex"]].agg(list)
    assert any(
        len(set(sexes)) == 1 and sum(a != b for a, b in zip(*names, strict=False)) == 1
        for names, sexes in pairs.itertuples(index=False)
        if len(names) == 2
    )


def test_households_share_address_and_mostly_surname(persons: pd.DataFrame) -> None:
    homes = persons.groupby("household")
    assert (homes["address"].nunique() == 1).all()
    assert (homes["postcode"].nunique() == 1).all()
    several = homes.filter(lambda home: 2 <= len(home) <= 6).groupby("household")["surname"]
    assert 0.4 < (several.nunique() == 1).mean() < 0.95
    father_and_son = persons[persons.duplicated(["household", "forename", "surname"], keep=False)]
    assert len(father_and_son) > 0


def test_some_people_have_no_home(persons: pd.DataFrame) -> None:
    homeless = persons["postcode"] == NO_FIXED_ABODE
    assert 0.01 < homeless.mean() < 0.06
    assert (persons["address"][homeless] == "No fixed abode").all()


def test_postcodes_have_the_uk_form(clean: pd.DataFrame) -> None:
    ordinary = clean["postcode"][clean["postcode"] != NO_FIXED_ABODE]
    assert ordinary.str.fullmatch(r"[A-Z]{1,2}\d{1,2} \d[ABD-HJLNP-UW-Z]{2}").all()


def test_names_are_skewed_and_of_every_origin(persons: pd.DataFrame) -> None:
    top = persons["surname"].value_counts(normalize=True)
    assert 0.004 < top.iloc[0] < 0.02
    assert (top < 0.0002).sum() > 1000
    assert set(persons["origin"]) == set(ORIGINS)
    assert sum(text.count("/") + 1 for text in NICKNAMES) > 140


def test_another_set_of_agencies() -> None:
    two = [replace(AGENCIES[0], name="north"), replace(AGENCIES[3], name="south", share=0.9)]
    records = generate(500, 5, agencies=two).records
    assert set(records["agency"]) == {"north", "south"}
    assert (generate(50, 5, agencies=two[:1]).records["agency"] == "north").all()


def test_files_carry_no_truth_and_their_agencys_dates(population: Population, tmp_path: Path) -> None:
    paths = write_csvs(population, tmp_path / "files")
    assert set(paths) == {*(agency.name for agency in AGENCIES), "truth"}
    forms = {"%Y-%m-%d": r"\d{4}-\d\d-\d\d", "%d/%m/%Y": r"\d\d/\d\d/\d{4}", "%d %b %Y": r"\d\d [A-Z][a-z]{2} \d{4}"}
    read = {name: pd.read_csv(path, dtype=str, keep_default_na=False) for name, path in paths.items()}
    for agency in AGENCIES:
        table = read[agency.name]
        assert list(table.columns) == FILE_COLUMNS
        assert table["observed_day"].str.fullmatch(forms[agency.date_format]).all()
        whole = table["dob"][table["dob"].str.len() > 8]
        assert whole.str.fullmatch(forms[agency.date_format]).all()
        partial = set(table["dob"]) - set(whole) - {""}
        assert all(re.fullmatch(r"\d{4}|\d{4}-\d\d|\d\d/\d{4}|[A-Z][a-z]{2} \d{4}", date) for date in partial)
    truth = read["truth"].astype({"person": int})
    expected = population.records[["record_ref", "agency", "person"]]
    pd.testing.assert_frame_equal(truth, expected)
    assert sum(len(read[agency.name]) for agency in AGENCIES) == len(truth)
