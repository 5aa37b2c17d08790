import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.agency.elements import elements
from matcher.scheme import Kind

CASES = [
    (Kind.NAME, "BO", {"_B", "BO", "O_", "i:B", "s:BO"}),
    (Kind.NAME, "A BO", {"_A", "A_", "i:A", "s:A", "_B", "BO", "O_", "i:B", "s:BO"}),
    (Kind.FORENAME, "ZED", {"_Z", "ZE", "ED", "D_", "i:Z", "s:ZED"}),
    (Kind.FORENAME, "BOB", {"_B", "BO", "OB", "B_", "i:B", "s:BOB", "r0:ROBERT", "r1:ROBERT", "r2:ROBERT"}),
    (Kind.YEAR, "1985", {"_985", "1_85", "19_5", "198_"}),
    (Kind.MONTH_DAY, "03-07", {"m:03", "u:03", "d:07", "u:07", "md:0307", "ud:0307"}),
    (Kind.MONTH_DAY, "07-03", {"m:07", "u:07", "d:03", "u:03", "md:0703", "ud:0307"}),
    (Kind.MONTH_DAY, "03-", {"m:03", "u:03"}),
    (Kind.MONTH_DAY, "-07", {"d:07", "u:07"}),
    (Kind.CATEGORY, "F", {"F"}),
    (Kind.POSTCODE, "2600", {"_2", "26", "60", "00", "0_"}),
    (Kind.TEXT, "1 A ST", {"_1", "1_", "w:1", "_A", "A_", "w:A", "_S", "ST", "T_", "w:ST"}),
    (Kind.IDENTIFIER, "AB1", {"0:A", "1:B", "2:1", "whole:AB1"}),
]


@pytest.mark.parametrize(("kind", "value", "expected"), CASES)
def test_elements_are_those_of_the_scheme(kind, value, expected):
    assert elements(kind, value) == expected


@pytest.mark.parametrize(
    ("postcode", "district", "area"), [("YO16GJ", "YO1", "YO"), ("SW1A1AA", "SW1A", "SW"), ("M11AE", "M1", "M")]
)
def test_a_postcode_has_its_levels(postcode, district, area):
    levels = {f"unit:{postcode}", f"sector:{postcode[:-2]}", f"district:{district}", f"area:{area}"}
    assert levels == {each for each in elements(Kind.POSTCODE, postcode) if ":" in each}


@given(
    st.sampled_from([kind for kind in Kind if kind is not Kind.BLOCK]),
    st.text("ABC0123456789", min_size=4, max_size=10),
)
def test_a_value_always_has_elements(kind, value):
    assert elements(kind, value)
    assert all(element.isascii() for element in elements(kind, value))


def test_a_short_form_shares_more_with_its_forename_than_with_another():
    bob, robert, william = (elements(Kind.FORENAME, name) for name in ("BOB", "ROBERT", "WILLIAM"))
    assert len(bob & robert) >= 3 > len(bob & william)


def test_a_form_of_two_forenames_has_both():
    assert {"r0:CHRISTINE", "r0:CHRISTOPHER"} <= elements(Kind.FORENAME, "CHRIS")
