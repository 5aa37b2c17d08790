import pytest

from matcher.blocking.common_names import COMMON_NAMES
from matcher.blocking.passes import Columns, Parts
from matcher.scheme import SCHEMES

COLUMNS = {
    "forename": ["ANNA", "SMITH", ""],
    "surname": ["SMITH JONES", "ANNA", "SMITH"],
    "year": ["1985", "1985", "1985"],
    "postcode": ["YO16GJ", "", "2600"],
    "address": ["FLAT 2 14 HIGH ST", "HIGH ST", "14"],
}


def made(part: str, columns: Columns) -> list[str]:
    """A part of every row, '' where missing."""
    coded = Parts(columns)[part]
    return [coded.values[code] if code >= 0 else "" for code in coded.codes.tolist()]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("forename", ["ANNA", "SMITH", ""]),
        ("soundex(surname)", ["S530", "A500", "S530"]),
        ("initial(forename)", ["A", "S", ""]),
        ("start(surname)", ["SMI", "ANN", "SMI"]),
        ("district(postcode)", ["YO1", "", "2"]),
        ("number(address)", ["14", "", "14"]),
        ("street(address)", ["HIG", "", ""]),
        ("unordered(soundex(forename),soundex(surname))", ["A500+S530", "A500+S530", ""]),
        ("rare(forename,surname)", ["", "", ""]),
    ],
)
def test_parts_are_those_of_the_scheme(part, expected):
    assert made(part, COLUMNS) == expected


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=list(SCHEMES))
def test_no_pass_rests_on_one_attribute_alone_but_the_identifier(scheme):
    birth_date = {"year", "month", "day"}
    for each in scheme.passes:
        attributes = {"birth" if part in birth_date else part for part in each.parts}
        of_two = any("," in part for part in each.parts)
        assert each.parts == (scheme.identifier_column,) or len(attributes) + of_two >= 2


@pytest.mark.parametrize(
    ("forename", "surname", "expected"),
    [
        ("ANNA", "SMITH", ""),
        ("ANNA", "SMITH JONES", ""),
        ("ANNA", "QUILLBY", "ANNA+QUILLBY"),
        ("QUILLBY", "ANNA", "ANNA+QUILLBY"),
        ("XANTHE", "SMITH", "SMITH+XANTHE"),
        ("A", "QUILLBY", ""),
        ("ANNA", "Q", ""),
        ("", "QUILLBY", ""),
    ],
)
def test_a_rare_name_is_a_block_a_common_one_is_none(forename, surname, expected):
    assert made("rare(forename,surname)", {"forename": [forename], "surname": [surname]}) == [expected]


def test_common_names_are_canonical_words():
    assert all(name.isascii() and name.isalpha() and name.isupper() for name in COMMON_NAMES)
