"""Normalisation: each rule by table, then that no text raises, that rules settle, and that no value escapes."""

from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.agency import dates
from matcher.agency import normalise as module
from matcher.agency.identity import SOURCE_COLUMNS, NormalisedBatch, Problem, RawBatch
from matcher.agency.normalise import normalise
from matcher.scheme import GENERIC_PERSON_V1, UK_PERSON_V1, LinkageScheme

TODAY = date(2025, 11, 23)
REASONS = {
    value
    for source in (module, dates)
    for name, value in vars(source).items()
    if name.isupper() and not name.startswith("_") and isinstance(value, str)
}


def batch(**columns: list[str]) -> RawBatch:
    size = len(next(iter(columns.values())))
    refs = [f"ref-{number}" for number in range(size)]
    return RawBatch(
        rows=list(range(2, size + 2)),
        columns={name: [""] * size for name in SOURCE_COLUMNS} | {"record_ref": refs} | columns,
    )


def one(scheme: LinkageScheme = UK_PERSON_V1, **values: str) -> tuple[NormalisedBatch, list[tuple[str, str]]]:
    result = normalise(batch(**{name: [value] for name, value in values.items()}), scheme, today=TODAY)
    return result, [(problem.column, problem.reason) for problem in result.problems]


@pytest.mark.parametrize(
    ("text", "forename", "surname"),
    [
        ("Ann", "ANN", "ANN"),
        ("  anne-marie ", "ANNE MARIE", "ANNE MARIE"),
        ("O'Brien", "OBRIEN", "OBRIEN"),
        ("O’Brien", "OBRIEN", "OBRIEN"),
        ("Žofia", "ZOFIA", "ZOFIA"),
        ("Zofia\u0301", "ZOFIA", "ZOFIA"),
        ("Weiß", "WEISS", "WEISS"),
        ("Иван", "IVAN", "IVAN"),
        ("Иван Чайковский", "IVAN CHAYKOVSKIY", "IVAN CHAYKOVSKIY"),
        ("Mr. Bob", "BOB", "BOB"),
        ("Smith (Mrs)", "SMITH", "SMITH"),
        ("Sir Bob", "BOB", "SIR BOB"),
        ("Lord", "LORD", "LORD"),
        ("Smith Jr.", "SMITH", "SMITH"),
        ("Smith, III", "SMITH", "SMITH"),
        ("van der Berg", "VAN DER BERG", "VAN DER BERG"),
        ("D'Angelo-Smith/Jones", "DANGELO SMITH JONES", "DANGELO SMITH JONES"),
        ("Sm1th2", "SMTH", "SMTH"),
        ("A\tB\u00a0 C", "A B C", "A B C"),
    ],
)
def test_names(text: str, forename: str, surname: str) -> None:
    assert module.forename(text) == (forename, "")
    assert module.surname(text) == (surname, "")


@pytest.mark.parametrize(
    "text",
    ["Unknown", "NOT KNOWN", "n/a", "N.A.", "none", "Test", "XXX", "xx", "Zzzz", "x x x", "Mr", "Mr Unknown", "Test1"],
)
def test_placeholder_names_are_missing(text: str) -> None:
    assert module.forename(text) == module.surname(text) == ("", module.PLACEHOLDER)


@pytest.mark.parametrize("text", ["Baby of Jane", "BABY BOY", "Twin 1", "twin II", "Infant", "B/O Jane", "Male infant"])
def test_unnamed_babies_have_no_forename(text: str) -> None:
    assert module.forename(text) == ("", module.BABY)


@pytest.mark.parametrize("text", ["123", "--", "?", "'"])
def test_names_without_a_letter(text: str) -> None:
    assert module.forename(text) == ("", module.NO_LETTERS)


def test_a_long_name_is_cut_and_flagged() -> None:
    name, reason = module.surname("Ab" * 400)
    assert len(name) == 100
    assert reason == module.TOO_LONG


@pytest.mark.parametrize(
    ("text", "uk", "generic"),
    [
        ("M", "M", "M"),
        ("male", "M", "M"),
        ("Man", "M", "M"),
        ("boy", "M", "M"),
        ("1", "M", "M"),
        ("F", "F", "F"),
        ("Female", "F", "F"),
        ("2", "F", "F"),
        ("Female (including trans woman)", "F", "F"),
        ("Non-Binary", "X", "X"),
        ("other", "X", "X"),
        ("indeterminate", "X", "X"),
        ("0", "", ""),
        ("Not known", "", ""),
        ("unknown", "", ""),
        ("9", "X", ""),
        ("X", "", "X"),
    ],
)
def test_sex(text: str, uk: str, generic: str) -> None:
    assert module.sex_uk(text) == (uk, "")
    assert module.sex_generic(text) == (generic, "")


def test_an_unknown_sex_code_is_flagged() -> None:
    assert module.sex_uk("Q") == module.sex_generic("7") == ("", module.UNKNOWN_CODE)


@pytest.mark.parametrize(
    ("text", "value", "reason"),
    [
        ("sw1a 1aa", "SW1A1AA", ""),
        ("M1 1AE", "M11AE", ""),
        ("M60-1NW", "M601NW", ""),
        ("CR2 6XH", "CR26XH", ""),
        ("DN55 1PT", "DN551PT", ""),
        ("W1A 1HQ", "W1A1HQ", ""),
        ("GIR 0AA", "GIR0AA", ""),
        ("zz99 3vz", "", module.SHARED_POSTCODE),
        ("ZZ99 3WZ", "", module.SHARED_POSTCODE),
        ("ZZ99 3CZ", "", module.SHARED_POSTCODE),
        ("M6O 1NW", "M601NW", module.REPAIRED_POSTCODE),
        ("MI 1AE", "M11AE", module.REPAIRED_POSTCODE),
        ("0X1 2JD", "OX12JD", module.REPAIRED_POSTCODE),
        ("SW1A 1A", "SW1A1A", module.DOUBTFUL_POSTCODE),
        ("QQ1 1AA", "QQ11AA", module.DOUBTFUL_POSTCODE),
        ("SW1A 1AA 9", "SW1A1AA9", module.DOUBTFUL_POSTCODE),
        ("M1", "", module.NOT_POSTCODE),
        ("12345", "", module.NOT_POSTCODE),
        ("Manchester", "", module.NOT_POSTCODE),
        ("SW1A 1AA 99", "", module.NOT_POSTCODE),
        ("unknown", "", module.PLACEHOLDER),
        ("N/A", "", module.PLACEHOLDER),
        ("-", "", module.PLACEHOLDER),
    ],
)
def test_uk_postcode(text: str, value: str, reason: str) -> None:
    assert module.postcode_uk(text) == (value, reason)


@pytest.mark.parametrize(
    ("text", "value", "reason"),
    [
        ("75008", "75008", ""),
        ("k1a 0b1", "K1A0B1", ""),
        ("00000", "", module.PLACEHOLDER),
        ("99999", "", module.PLACEHOLDER),
        ("none", "", module.PLACEHOLDER),
        ("A1" * 10, "A1" * 8, module.TOO_LONG),
    ],
)
def test_generic_postcode(text: str, value: str, reason: str) -> None:
    assert module.postcode_generic(text) == (value, reason)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12 High Street", "12 HIGH ST"),
        ("12, High St.", "12 HIGH ST"),
        ("Apartment 2a, St. John's Road", "FLAT 2A ST JOHNS RD"),
        ("FLAT 2A; Saint Johns Rd", "FLAT 2A ST JOHNS RD"),
        ("1 Rose Cottages\nThe Crescent", "1 ROSE COTT THE CRES"),
        ("5 Łódź Avenue", "5 LODZ AVE"),
    ],
)
def test_address(text: str, value: str) -> None:
    assert module.address(text) == (value, "")


@pytest.mark.parametrize("text", ["NFA", "No fixed abode", "n.f.a.", "unknown", "...", "Homeless"])
def test_shared_addresses_are_missing(text: str) -> None:
    assert module.address(text) == ("", module.PLACEHOLDER)


@pytest.mark.parametrize("text", ["9434765919", "943 476 5919", "943-476-5919", "NHS 943 476 5919", "9434765919.0"])
def test_nhs_number(text: str) -> None:
    assert module.nhs_number(text) == ("9434765919", "")


@pytest.mark.parametrize("text", ["9434765918", "943476591", "0000000000", "1111111111", "1234567881", "A434765919"])
def test_wrong_nhs_number(text: str) -> None:
    assert module.nhs_number(text) == ("", module.BAD_IDENTIFIER)


@pytest.mark.parametrize(
    ("text", "value", "reason"),
    [
        ("ab-12 3", "AB123", ""),
        ("000", "", module.PLACEHOLDER),
        ("none", "", module.PLACEHOLDER),
        ("A1" * 40, "", module.BAD_IDENTIFIER),
    ],
)
def test_generic_identifier(text: str, value: str, reason: str) -> None:
    assert module.identifier_generic(text) == (value, reason)


@pytest.mark.parametrize(
    ("text", "expected", "flagged"),
    [
        ("", False, False),
        ("no", False, False),
        ("0", False, False),
        ("FALSE", False, False),
        ("1", True, False),
        ("True", True, False),
        ("y", True, False),
        ("perhaps", True, True),
    ],
)
def test_restricted(text: str, expected: bool, flagged: bool) -> None:
    result, problems = one(restricted=text)
    assert result.restricted == [expected]
    assert problems == ([("restricted", module.NOT_YES_NO)] if flagged else [])


@pytest.mark.parametrize(
    ("text", "note", "flagged"),
    [
        ("call first", "call first", False),
        ("a\nb\x1b[31m", "a b [31m", False),
        ("x" * 24, "x" * 24, False),
        ("x" * 23 + "é", "x" * 23, True),
        ("é" * 13, "é" * 12, True),
    ],
)
def test_note(text: str, note: str, flagged: bool) -> None:
    result, problems = one(note=text)
    assert result.note == [note]
    assert problems == ([("note", module.CUT_NOTE)] if flagged else [])


def test_dates_reach_their_columns() -> None:
    result, problems = one(dob="07/03/1985", observed_day="2024-01-01")
    assert (result.year, result.month, result.day) == (["1985"], ["03"], ["07"])
    assert result.observed_day == [19723]
    assert problems == []
    result, problems = one(dob="01/01/1985", observed_day="24/11/2025")
    assert (result.year, result.month, result.day, result.observed_day) == (["1985"], [""], [""], [-1])
    assert problems == [("dob", dates.DEFAULT), ("observed_day", dates.FUTURE)]


def test_a_row_without_a_usable_reference_is_left_out() -> None:
    refs = ["a", "", "b" * 65, "é" * 33, "c\x1bd", "é" * 32]
    result = normalise(batch(record_ref=refs, forename=list("ABCDEF")), GENERIC_PERSON_V1, today=TODAY)
    assert (result.rows, result.record_ref, result.forename) == ([2, 7], ["a", "é" * 32], ["A", "F"])
    assert len(result) == len(result.surname) == len(result.restricted) == 2
    assert result.problems == [
        Problem(3, "record_ref", module.NO_REF, fatal=True),
        Problem(4, "record_ref", module.LONG_REF, fatal=True),
        Problem(5, "record_ref", module.LONG_REF, fatal=True),
        Problem(6, "record_ref", module.BAD_REF, fatal=True),
    ]


def test_problems_of_the_source_are_kept_and_every_row_is_named() -> None:
    raw = batch(forename=["Test", "Ann", "Test"])
    raw.problems.append(Problem(9, "", "broken", fatal=True))
    result = normalise(raw, UK_PERSON_V1, today=TODAY)
    assert [(problem.row, problem.column) for problem in result.problems] == [
        (9, ""),
        (2, "forename"),
        (4, "forename"),
    ]
    assert len(raw.problems) == 1


def test_an_empty_batch() -> None:
    assert len(normalise(batch(forename=[]), UK_PERSON_V1)) == 0


SETTLING = [
    module.forename,
    module.surname,
    module.postcode_generic,
    module.address,
    module.nhs_number,
    module.identifier_generic,
    module.sex_generic,
]
TEXT = st.text() | st.text("abzMRXjr019-'./ \u00e9\u0130", max_size=130)


@given(TEXT)
@pytest.mark.parametrize("rule", SETTLING)
def test_a_canonical_value_is_its_own_canonical_value(rule: Callable[[str], tuple[str, str]], text: str) -> None:
    value, _ = rule(text)
    if value:
        assert rule(value) == (value, "")


@given(TEXT)
def test_uk_postcodes_settle(text: str) -> None:
    value, _ = module.postcode_uk(text)
    if value:
        assert module.postcode_uk(value)[0] == value


@given(st.dictionaries(st.sampled_from(SOURCE_COLUMNS), st.text(st.characters(), max_size=300), min_size=1))
@pytest.mark.parametrize("scheme", [UK_PERSON_V1, GENERIC_PERSON_V1])
def test_no_text_raises_and_formats_hold(scheme: LinkageScheme, values: dict[str, str]) -> None:
    result = normalise(batch(**{name: [text.strip()] for name, text in values.items()}), scheme, today=TODAY)
    for name in ("forename", "surname"):
        for value in getattr(result, name):
            assert value == " ".join(value.split())
            assert all("A" <= letter <= "Z" or letter == " " for letter in value)
    for name in ("postcode", "identifier"):
        assert all(value == "" or (value.isalnum() and value.isascii()) for value in getattr(result, name))
    assert all(sex in {"", "F", "M", "X"} for sex in result.sex)
    assert all(len(note.encode()) <= module.NOTE_MAX_BYTES for note in result.note)
    assert {problem.reason for problem in result.problems} <= REASONS
    assert all(problem.column in SOURCE_COLUMNS for problem in result.problems)


def test_lone_surrogates_do_not_raise() -> None:
    text = "\ud800"
    result = normalise(batch(**{name: [text] for name in SOURCE_COLUMNS if name != "record_ref"}), UK_PERSON_V1)
    assert len(result) == 1
    assert normalise(batch(record_ref=[text]), UK_PERSON_V1).problems[0].fatal


def test_batches_show_no_value() -> None:
    raw = batch(surname=["Canarian"])
    assert "anarian" not in repr(raw)
    assert "ANARIAN" not in repr(normalise(raw, UK_PERSON_V1))
