"""What an agency's own file tells of strangers."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.agency import calibration
from matcher.agency.calibration import LEAST_RECORDS, calibrate, calibrate_files
from matcher.errors import InputFileError
from matcher.scheme import SCHEMES, UK_PERSON_V1
from matcher.scoring.calibration import Calibration

SCHEME = UK_PERSON_V1
NAMES = [field.name for field in SCHEME.encoded]
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


def words(rng, count, length=9):
    """So many texts with little in common."""
    return ["".join(rng.choices(LETTERS, k=length)) for _ in range(count)]


def strangers(rows, seed=1):
    """Columns in which no two rows have a value in common but by date of birth and sex."""
    rng = random.Random(seed)
    forename, surname = words(rng, rows), words(rng, rows)
    return {
        "forename": forename,
        "surname": surname,
        "full_name": [" ".join(each) for each in zip(forename, surname, strict=True)],
        "year": [str(1940 + rng.randrange(60)) for _ in range(rows)],
        "month_day": [f"{1 + rng.randrange(12):02}-{1 + rng.randrange(28):02}" for _ in range(rows)],
        "sex": [rng.choice("FM") for _ in range(rows)],
        "postcode": words(rng, rows, 7),
        "address": [f"{a} {b}" for a, b in zip(words(rng, rows), words(rng, rows), strict=True)],
        SCHEME.identifier_column: words(rng, rows, 10),
    }


def counted(columns, pairs=500_000):
    """Counts by distance of each field, by name."""
    return dict(zip(NAMES, calibrate(columns, SCHEME, pairs).counts, strict=True))


def share_alike(counts):
    return counts[0] / counts.sum()


def test_known_rates_of_chance_agreement_are_recovered():
    """Values of each field are drawn evenly from so many, apart from all others: strangers agree in 1 of so many."""
    rng, rows = random.Random(2), 3_000
    columns = strangers(rows)
    kinds = {"forename": 25, "surname": 80, "postcode": 120, "year": 60, "sex": 2}
    for name in ("forename", "surname", "postcode"):
        values = words(rng, kinds[name])
        columns[name] = [rng.choice(values) for _ in range(rows)]
    found = counted(columns)
    for name, kinds_of in kinds.items():
        assert share_alike(found[name]) == pytest.approx(1 / kinds_of, rel=0.08), name
    # values with nothing in common differ in half the bits
    apart = found["address"]
    assert (apart * np.arange(len(apart))).sum() / apart.sum() == pytest.approx(32, abs=1.5)


def test_a_household_does_not_count_as_strangers():
    columns = strangers(200)
    for name in ("surname", "postcode", "address"):
        columns[name][1::2] = columns[name][::2]
    found = counted(columns)
    assert found["surname"].sum() > 0
    assert [found[name][0] for name in ("surname", "postcode", "address")] == [0, 0, 0]


def test_the_records_of_one_person_do_not_count_as_strangers():
    """Moved, married, or with a wrong number: whatever else differs, what is alike is not by chance."""
    for changed in (("postcode", "address"), ("surname", "full_name"), (SCHEME.identifier_column,)):
        columns = strangers(200)
        for name in set(NAMES) - set(changed):
            columns[name][1::2] = columns[name][::2]
        found = counted(columns)
        for name in ("forename", "surname", "postcode", "address", SCHEME.identifier_column):
            assert found[name][0] == 0, (changed, name)


def test_names_are_compared_among_people_born_in_one_year():
    """Where every year has a forename of its own, who was born in one year shares it."""
    columns = strangers(2_000)
    fashion = dict(zip(sorted(set(columns["year"])), words(random.Random(3), 60), strict=True))
    columns["forename"] = [fashion[year] for year in columns["year"]]
    found = counted(columns)
    assert share_alike(found["forename"]) == 1
    assert share_alike(found["surname"]) < 0.001


def test_without_years_names_are_compared_all_the_same():
    columns = strangers(500) | {"year": [""] * 500}
    columns["surname"] = ["LEE", "MARCHBANKS"] * 250
    found = counted(columns)
    assert found["year"].sum() == 0
    assert share_alike(found["surname"]) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("rows", [0, 1, 2, 99])
def test_few_rows_count_as_what_they_are(rows):
    found = calibrate(strangers(rows), SCHEME, 500_000)
    assert found.records == rows
    by_name = dict(zip(NAMES, found.counts, strict=True))
    assert all(by_name[name][0] == 0 for name in set(NAMES) - {"year", "month_day", "sex"})
    assert (sum(counts.sum() for counts in found.counts) > 0) == (rows > 1)


def test_rows_without_a_value_say_nothing():
    found = calibrate({name: [""] * 500 for name in NAMES}, SCHEME, 500_000)
    assert all(counts.sum() == 0 for counts in found.counts)


VALUES = st.sampled_from(["", "", "ANN", "BORIS", "1985", "2001", "03-07", "F", "LS14AP", "12 HIGH ST"])


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(list(SCHEMES.values())), st.data())
def test_counts_fit_the_scheme_and_add_up(scheme, data):
    names = [field.name for field in scheme.encoded]
    parts = []
    for _ in range(2):
        rows = data.draw(st.lists(st.lists(VALUES, min_size=len(names), max_size=len(names)), max_size=6))
        columns = {name: [row[f] for row in rows] for f, name in enumerate(names)}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(calibration, "_CHUNK", 1_000)
            parts.append(calibrate(columns, scheme, pairs=2_000))
    for part in parts:
        assert [counts.shape for counts in part.counts] == [(field.bits + 1,) for field in scheme.encoded]
        assert all(((counts >= 0).all() and counts.sum() <= 2_000) for counts in part.counts)
    merged = Calibration.merged(parts)
    assert merged.records == sum(part.records for part in parts)
    for together, *apart in zip(merged.counts, *(part.counts for part in parts), strict=True):
        assert (together == sum(apart)).all()


# -- files -----------------------------------------------------------------------------------------------------------


def csv_of(path, rows, header="record_ref,forename,surname,dob,postcode", repeat=1):
    rng = random.Random(4)
    lines = [header]
    for number, (forename, surname) in enumerate(zip(words(rng, rows), words(rng, rows), strict=True)):
        born = f"{1940 + number % 60}-{1 + number % 12:02}-{2 + number % 27:02}"
        lines += [f"R{number},{forename},{surname},{born},{'LS1 4AP' if number < 10 else ''}"] * repeat
    path.write_text("\n".join(lines) + "\n")
    return path


def test_files_are_counted_together_and_a_field_few_fill_is_not(tmp_path):
    files = [csv_of(tmp_path / f"{name}.csv", LEAST_RECORDS // 2) for name in "ab"]
    found = calibrate_files(files, SCHEME, {})
    assert found.records == LEAST_RECORDS
    filled = {name for name, counts in zip(NAMES, found.counts, strict=True) if counts.sum()}
    assert filled == {"forename", "surname", "full_name", "year", "month_day"}


def test_variants_make_no_more_records(tmp_path):
    file = csv_of(tmp_path / "a.csv", LEAST_RECORDS // 2, repeat=2)
    with pytest.raises(InputFileError, match="500 usable records: at least 1000"):
        calibrate_files([file], SCHEME, {})


def test_a_file_that_fills_no_field_is_refused(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("record_ref,forename\n" + "".join(f"R{number},\n" for number in range(LEAST_RECORDS)))
    with pytest.raises(InputFileError, match="no field"):
        calibrate_files([file], SCHEME, {})
