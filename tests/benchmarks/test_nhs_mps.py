"""The NHS Master Person Service's rules, case by case, as its handbook words them."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.peers import nhs_mps

COLUMNS = ["agency", "forename", "surname", "year", "month", "day", "sex", "postcode", "identifier"]
ANNA = ("ed", "ANNA", "SMITH", "1980", "06", "12", "F", "LS17AA", "9434765919")


def frame(*rows: tuple[str | None, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS, dtype=object)


def other(**changes: str | None) -> tuple[str | None, ...]:
    """Anna as the police hold her, with changes."""
    return tuple((dict(zip(COLUMNS, ANNA, strict=True)) | {"agency": "police"} | changes).values())


def score(*rows: tuple[str | None, ...]) -> dict[tuple[int, int], float]:
    found = nhs_mps.link(frame(*rows))
    return dict(zip(zip(found.left.tolist(), found.right.tolist(), strict=True), found.score.tolist(), strict=True))


@pytest.mark.parametrize(
    ("changes", "agrees"),
    [
        ({}, True),
        ({"year": "1975"}, True),
        ({"month": "01"}, True),
        ({"month": "01", "year": "1975"}, False),
        ({"month": "12", "day": "06"}, True),
        ({"month": "12", "day": "06", "year": "1975"}, True),
        ({"day": "21"}, True),
        ({"day": "21", "year": "1975"}, True),
        ({"year": "1908", "month": "06", "day": "11"}, True),
        ({"year": "1908", "month": "01", "day": "12"}, True),
        ({"day": None, "month": None}, False),
    ],
)
def test_partial_dates(changes, agrees):
    one, two = frame(ANNA), frame(other(**changes))
    assert nhs_mps.partial_date(one, two).tolist() == [agrees]


@pytest.mark.parametrize(
    ("changes", "points"),
    [
        ({}, 100),
        ({"year": "1975"}, 66),
        ({"day": "13"}, 66),
        ({"month": "07"}, 66),
        ({"month": "12", "day": "06"}, 66),
        ({"month": "07", "day": "13"}, 33),
        ({"year": "1975", "day": "13"}, 0),
    ],
)
def test_points_of_dates(changes, points):
    one, two = nhs_mps.prepared(frame(ANNA)), nhs_mps.prepared(frame(other(**changes)))
    assert nhs_mps.date_score(one, two).tolist() == [points]


def test_points_of_gender():
    one, two = pd.Series(["F", "F", "F", "X", None]), pd.Series(["F", "M", "X", "X", "F"])
    np.testing.assert_equal(nhs_mps.gender_score(one, two), [100, 0, 50, 100, np.nan])


def test_points_of_postcodes():
    one, two = pd.Series(["LS17AA", "LS1", "LS17AB", None]), pd.Series(["LS17AA", "LS17AA", "LS17AA", "LS17AA"])
    np.testing.assert_allclose(nhs_mps.postcode_score(one, two), [100, 50, 0, np.nan])


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"surname": "JONES", "forename": "ZOE", "sex": None}, True),  # number and date say enough
        ({"day": "13", "forename": "ADA", "surname": "SMITHERS", "sex": None}, True),
        ({"day": "13", "forename": "ZOE", "sex": None}, False),
        ({"day": "13", "forename": None, "sex": None}, True),  # without names the outward postcode
        ({"day": "13", "forename": None, "sex": None, "postcode": "YO17AA"}, False),
        ({"day": "13", "month": "01", "sex": None}, False),
    ],
)
def test_cross_check(changes, found):
    assert score(ANNA, other(**changes)) == ({(0, 1): 100.0} if found else {})


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, True),
        ({"forename": "ANNE", "surname": "SMYTHE"}, True),  # by their sound
        ({"postcode": None}, True),  # whoever has no postcode does not ask for one
        ({"postcode": None, "month": None, "day": None}, True),  # a part of a date is asked for as it is
        ({"postcode": "LS17AB", "surname": "ZHOU"}, False),
    ],
)
def test_alphanumeric_trace(changes, found):
    asked = other(identifier=None, **changes)
    assert score(ANNA, asked) == ({(0, 1): 100.0} if found else {})


def test_the_alphanumeric_trace_wants_one_candidate():
    twice = (other(identifier=None), other(identifier=None))
    # each of the two finds Anna, who has one record at hers; Anna herself finds neither
    assert score(ANNA, *twice) == {(0, 1): 100.0, (0, 2): 100.0}
    bare = other(identifier=None, forename=None, postcode=None)
    assert score(ANNA, ("ed", "ZOE", *ANNA[2:8], None), bare) == {}


def test_the_algorithmic_trace_takes_the_mean():
    married = other(identifier=None, surname="JONES")
    expected = (100 + 100 * nhs_mps.JaroWinkler.similarity("SMITH", "JONES") + 100 + 100 + 100) / 5
    assert score(ANNA, married) == {(0, 1): pytest.approx(expected)}


def test_the_algorithmic_trace_refuses_a_tie():
    near, elsewhere = ("ed", "ANNE", *ANNA[2:8], None), other(identifier=None, surname="JONES")
    close = other(identifier=None, surname="JONAS")
    assert score(ANNA, near, elsewhere, close) == {}
    far = ("ed", "BERYL", "OKAFOR", *ANNA[3:8], None)
    assert (0, 2) in score(ANNA, far, elsewhere)


def test_one_agency_is_not_looked_up_in_itself():
    assert score(ANNA, ANNA) == {}
