import pytest

from matcher.blocking.common_names import COMMON_NAMES
from matcher.blocking.passes import blocking_values
from matcher.scheme import SCHEMES, Pass

COLUMNS = {
    "forename": ["ANNA", "SMITH", ""],
    "surname": ["SMITH JONES", "ANNA", "SMITH"],
    "year": ["1985", "1985", "1985"],
    "postcode": ["YO16GJ", "", "2600"],
    "address": ["FLAT 2 14 HIGH ST", "HIGH ST", "14"],
}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("forename", "year"), [b"ANNA\x1f1985\x1f", b"SMITH\x1f1985\x1f", b""]),
        (("soundex(surname)",), [b"S530\x1f", b"A500\x1f", b"S530\x1f"]),
        (("initial(forename)",), [b"A\x1f", b"S\x1f", b""]),
        (("start(surname)",), [b"SMI\x1f", b"ANN\x1f", b"SMI\x1f"]),
        (("district(postcode)",), [b"YO1\x1f", b"", b"2\x1f"]),
        (("number(address)",), [b"14\x1f", b"", b"14\x1f"]),
        (("street(address)",), [b"HIG\x1f", b"", b""]),
        (("unordered(soundex(forename),soundex(surname))",), [b"A500+S530\x1f", b"A500+S530\x1f", b""]),
        (("rare(forename,surname)",), [b"", b"", b""]),
    ],
)
def test_blocking_values_are_those_of_the_scheme(parts, expected):
    assert blocking_values(Pass("p", parts), COLUMNS) == expected


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
        ("ANNA", "SMITH", b""),
        ("ANNA", "SMITH JONES", b""),
        ("ANNA", "QUILLBY", b"ANNA+QUILLBY\x1f"),
        ("QUILLBY", "ANNA", b"ANNA+QUILLBY\x1f"),
        ("XANTHE", "SMITH", b"SMITH+XANTHE\x1f"),
        ("A", "QUILLBY", b""),
        ("ANNA", "Q", b""),
        ("", "QUILLBY", b""),
    ],
)
def test_a_rare_name_is_a_block_a_common_one_is_none(forename, surname, expected):
    made = blocking_values(Pass("p", ("rare(forename,surname)",)), {"forename": [forename], "surname": [surname]})
    assert made == [expected]


def test_common_names_are_canonical_words():
    assert all(name.isascii() and name.isalpha() and name.isupper() for name in COMMON_NAMES)
