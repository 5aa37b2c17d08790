"""Sources: header mapping with its hints, broken rows, groups of rows, CSV and Parquet alike, and no value escapes."""

import csv
import io
import random
import traceback
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matcher.agency import sources
from matcher.agency.identity import SOURCE_COLUMNS, Problem, RawBatch
from matcher.agency.normalise import NO_REF
from matcher.agency.sources import columns_of, read
from matcher.errors import InputFileError
from matcher.scheme import GENERIC_PERSON_V1, UK_PERSON_V1

CANARY = "Zyxwvut"


def csv_file(folder: Path, text: str | bytes, name: str = "people.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rows_of(batches: list[RawBatch], *names: str) -> list[tuple[int, ...] | tuple[int | str, ...]]:
    return [
        (row, *values)
        for batch in batches
        for row, *values in zip(batch.rows, *(batch.columns[name] for name in names), strict=True)
    ]


def problems_of(batches: list[RawBatch]) -> list[Problem]:
    return [problem for batch in batches for problem in batch.problems]


def failure(path: Path, column_map: Mapping[str, str] | None = None, *, with_agency: bool = False) -> str:
    with pytest.raises(InputFileError) as caught:
        list(read(path, UK_PERSON_V1, column_map, with_agency=with_agency))
    shown = "".join(traceback.format_exception(caught.value))
    assert CANARY not in shown
    return str(caught.value)


# -- header -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "canonical"),
    [
        ("forename", "forename"),
        ("Given Name", "forename"),
        ("FIRST_NAME", "forename"),
        ("surname", "surname"),
        ("Last-Name", "surname"),
        ("family name", "surname"),
        ("Date of Birth", "dob"),
        ("birth_date", "dob"),
        ("Gender", "sex"),
        ("Post Code", "postcode"),
        ("ZIP", "postcode"),
        ("NHS No", "identifier"),
        ("nhs_number", "identifier"),
        ("NHS Number", "identifier"),
        ("Contact Date", "observed_day"),
        ("Restricted", "restricted"),
        ("NOTE", "note"),
    ],
)
def test_headers_by_name_and_synonym(tmp_path: Path, header: str, canonical: str) -> None:
    path = csv_file(tmp_path, f"Person ID,{header}\n1,x\n")
    assert columns_of(path, UK_PERSON_V1).mapping == {"record_ref": "Person ID", canonical: header}
    assert rows_of(list(read(path, UK_PERSON_V1)), "record_ref", canonical) == [(2, "1", "x")]


def test_an_identifier_goes_by_the_schemes_name(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "id,nhs_number,identifier\n")
    assert columns_of(path, UK_PERSON_V1).mapping["identifier"] == "nhs_number"
    assert columns_of(path, GENERIC_PERSON_V1).mapping["identifier"] == "identifier"


def test_a_columns_own_name_wins_over_a_synonym(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "id,first_name,Forename,record_ref\n")
    found = columns_of(path, UK_PERSON_V1)
    assert found.mapping == {"record_ref": "record_ref", "forename": "Forename"}
    assert found.ignored == ("id", "first_name")
    assert found.suggestions == {}


def test_the_column_map_wins(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "id,forename,other,no\n1,a,b,c\n")
    found = columns_of(path, UK_PERSON_V1, {"forename": "other", "nhs_number": "no"})
    assert found.mapping == {"record_ref": "id", "forename": "other", "identifier": "no"}
    assert found.ignored == ("forename",)


def test_a_resembling_header_is_suggested(tmp_path: Path) -> None:
    found = columns_of(csv_file(tmp_path, "id,surnme,ward,notes\n"), UK_PERSON_V1)
    assert found.suggestions == {"surnme": "surname", "notes": "note"}
    assert found.warnings()[0] == "column 'surnme' is ignored; did you mean 'surname'?"
    assert found.ignored == ("surnme", "ward", "notes")


@pytest.mark.parametrize(
    ("header", "column_map", "parts"),
    [
        ("recrod_ref,surname", None, ["no column record_ref", "did you mean 'recrod_ref'?"]),
        ("surname,forename", None, ["no column record_ref"]),
        ("id,surname,Birht", {"dob": "Birth"}, ["no header 'Birth'", "dob", "did you mean 'Birht'?"]),
        ("id,surname", {"sirname": "surname"}, ["no column 'sirname'", "did you mean 'surname'?"]),
        ("id,surname", {"surname": "surname", "forename": "surname"}, ["two columns", "one header"]),
        ("id,surname,surname", None, ["two columns", "surname"]),
        ("", None, ["empty"]),
        (",,", None, ["names no columns"]),
    ],
)
def test_wrong_headers(tmp_path: Path, header: str, column_map: dict[str, str] | None, parts: list[str]) -> None:
    message = failure(csv_file(tmp_path, f"{header}\n1,{CANARY}\n"), column_map)
    assert message.startswith(("people.csv: ", "column map: "))
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    "header",
    [
        "restriced", "RESTRIKTED", "retsricted", "restrícted", "rstrctd", "Restr.", "restr_flag", "restriction",
        "IsRestr", "RestrFlag",
        "Restricted (Y/N)", "is_record_restricted", "recordIsRestricted", "access restricton", "unrestricted",
        "sensitve", "Sensitivity", "confidental", "Confidentiality", "senstive_flag",
    ],
)  # fmt: skip
def test_a_header_that_may_be_restricted_refuses_the_file(tmp_path: Path, header: str) -> None:
    path = csv_file(tmp_path, f"id,surname,{header}\n1,{CANARY},yes\n")
    assert failure(path) == f"people.csv: column '{header}' may say which records are restricted"
    found = columns_of(path, UK_PERSON_V1)
    assert (found.doubtful, found.warnings()) == ((header,), [])
    assert rows_of(list(read(path, UK_PERSON_V1, doubtful=True)), "restricted") == [(2, "")]
    assert rows_of(list(read(path, UK_PERSON_V1, {"restricted": header})), "restricted") == [(2, "yes")]
    assert rows_of(list(read(path, UK_PERSON_V1, {"restricted": "surname"})), "restricted") == [(2, CANARY)]
    assert rows_of(list(read(path, UK_PERSON_V1, {"note": header})), "restricted", "note") == [(2, "", "yes")]
    [batch] = read(path, UK_PERSON_V1, further=[header])
    assert batch.further == {header: ["yes"]}
    own = csv_file(tmp_path, f"id,surname,{header},Restricted?\n1,{CANARY},yes,no\n")
    assert rows_of(list(read(own, UK_PERSON_V1)), "restricted") == [(2, "no")]


def test_of_two_names_of_restricted_none_is_overlooked(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "id,sensitive,confidential\n1,no,yes\n")
    assert "column 'confidential' may say" in failure(path)
    assert rows_of(list(read(path, UK_PERSON_V1, {"restricted": "confidential"})), "restricted") == [(2, "yes")]


def test_headers_that_say_something_else_do_not_refuse_the_file(tmp_path: Path) -> None:
    others = """District,home_district,district code,registered,Registration Date,prescription,restraint used,residence,
        arrested,retired,confidence,confirmed,conviction,incident_id,positive,sentence,consent,description,jurisdiction"""
    path = csv_file(tmp_path, f"id,{' '.join(others.split())}\n")
    assert columns_of(path, UK_PERSON_V1).doubtful == ()
    assert list(read(path, UK_PERSON_V1)) == []


@pytest.mark.parametrize("column_map", [None, {"dob": "Birth"}])
def test_a_file_without_a_header_shows_no_data(tmp_path: Path, column_map: dict[str, str] | None) -> None:
    path = csv_file(tmp_path, f"17,{CANARY},1985-03-07\n18,{CANARY},1985-03-08\n")
    assert "is the header missing?" in failure(path, column_map)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    assert "cannot be read" in failure(tmp_path / "absent.csv")
    assert "cannot be read" in failure(tmp_path / "absent.parquet")
    assert "must end in" in failure(csv_file(tmp_path, "id\n1\n", "people.xlsx"))
    assert "empty" in failure(csv_file(tmp_path, b""))
    assert "UTF-16" in failure(csv_file(tmp_path, f"id,surname\n1,{CANARY}\n".encode("utf-16")))
    assert "not UTF-8" in failure(csv_file(tmp_path, b"id,pr\xe9nom\n"))
    assert "quotation marks" in failure(csv_file(tmp_path, f'id,"surname\n1,{CANARY}\n'))
    assert "not a Parquet file" in failure(csv_file(tmp_path, f"id\n{CANARY}\n", "people.parquet"))


def test_a_header_alone_gives_no_rows(tmp_path: Path) -> None:
    assert list(read(csv_file(tmp_path, "id,surname\n"), UK_PERSON_V1)) == []


# -- rows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_byte_order_mark_and_line_ends(tmp_path: Path, mark: str, start: str, end: str) -> None:
    path = csv_file(
        tmp_path, start + end.join(mark.join(row) for row in (["id", "surname"], ["1", " Žofia "], ["2", ""]))
    )
    batches = list(read(path, UK_PERSON_V1))
    assert rows_of(batches, "record_ref", "surname") == [(2, "1", "Žofia"), (3, "2", "")]
    assert problems_of(batches) == []
    assert set(batches[0].columns) == set(SOURCE_COLUMNS)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"2,Zyxwvut", sources.WRONG_COUNT),
        (b"2,Zyxwvut,x,y", sources.WRONG_COUNT),
        (b"2,Zyx\0wvut,x", sources.NUL_BYTE),
        (b"2,Zyxwvut\xe9,x", sources.NOT_UTF8),
        (b'2,"Zyxwvut"q,x', sources.BAD_QUOTES),
        (b'2,"Zyxwvut,x', sources.BAD_QUOTES),
        (b"2,Zyxwvut" + b"t" * 70_000 + b",x", sources.OVERLONG),
        (b'2,"Zyxwvut' + b"t" * 200_000 + b'",x', sources.OVERLONG),
    ],
)
def test_a_broken_row_is_named_and_the_rest_goes_on(tmp_path: Path, row: bytes, reason: str) -> None:
    path = csv_file(tmp_path, b"\n".join([b"id,surname,forename", b"1,a,b", row, b"3,c,d", b'4,"e",f', b""]))
    batches = list(read(path, UK_PERSON_V1))
    assert rows_of(batches, "record_ref", "surname") == [(2, "1", "a"), (4, "3", "c"), (5, "4", "e")]
    assert problems_of(batches) == [Problem(3, "", reason, fatal=True)]


def test_an_unbalanced_quote_costs_its_row_only(tmp_path: Path) -> None:
    lines = [f"{number},x,y" for number in range(20_000)]
    lines[5] = '5,"x,y'
    path = csv_file(tmp_path, "\n".join(["id,surname,forename", *lines]))
    batches = list(read(path, UK_PERSON_V1))
    assert [row for batch in batches for row in batch.rows] == [row for row in range(2, 20_002) if row != 7]
    assert problems_of(batches) == [Problem(7, "", sources.OVERLONG, fatal=True)]


def test_quoted_line_breaks_and_empty_lines_count_as_a_spreadsheet_does(tmp_path: Path) -> None:
    path = csv_file(tmp_path, 'id,address\n1,"a\nb\r\nc"\n\n , \n2,d\n')
    assert rows_of(list(read(path, UK_PERSON_V1)), "record_ref", "address") == [(2, "1", "a\nb\r\nc"), (5, "2", "d")]


def test_rows_of_one_record_stay_together(tmp_path: Path) -> None:
    refs = ["a", "b", "b", "b", "b", "c", "d"]
    path = csv_file(tmp_path, "id\n" + "\n".join(refs))
    batches = list(read(path, UK_PERSON_V1, batch_rows=2))
    assert [batch.columns["record_ref"] for batch in batches] == [["a", "b", "b", "b", "b"], ["c", "d"]]


def test_a_reference_that_comes_again(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "id\na\nb\na\na\nc\n\nc\nb\n")
    batches = list(read(path, UK_PERSON_V1, batch_rows=1))
    assert [row for batch in batches for row in batch.rows] == [2, 3, 6, 8]
    assert problems_of(batches) == [Problem(row, "record_ref", sources.AGAIN, fatal=True) for row in (4, 5, 9)]


def test_rows_that_are_no_variants_may_come_in_any_order(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "id\na\nb\na\n\n" + "c\n" * (sources.MOST_VARIANTS + 1) + 'b\n""\n')
    batches = list(read(path, UK_PERSON_V1, batch_rows=3, variants=False))
    refs = ["a", "b", "a", *["c"] * (sources.MOST_VARIANTS + 1), "b"]
    assert [ref for batch in batches for ref in batch.columns["record_ref"]] == refs
    assert max(len(batch.rows) for batch in batches) == 3
    assert problems_of(batches) == []


def test_a_missing_reference(tmp_path: Path) -> None:
    batches = list(read(csv_file(tmp_path, "id,surname\n,x\n1,y\n"), UK_PERSON_V1))
    assert problems_of(batches) == [Problem(2, "record_ref", NO_REF, fatal=True)]
    assert rows_of(batches, "surname") == [(3, "y")]


def test_too_many_rows_of_one_record(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "id\n" + "a\n" * (sources.MOST_VARIANTS + 2))
    batches = list(read(path, UK_PERSON_V1, batch_rows=10))
    assert sum(len(batch.rows) for batch in batches) == sources.MOST_VARIANTS
    assert {problem.reason for problem in problems_of(batches)} == {sources.TOO_MANY}


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(b"a,x,no\na,\xe9,yes\n", id="a byte that is not UTF-8"),
        pytest.param(b"a,x,no\na,\0,perhaps\n", id="a NUL byte"),
        pytest.param(b"a,x,no\n" * 4 + b"a,x,1\n", id="too many rows"),
        pytest.param(b"a,x,\nb,x,no\na,x,yes\n", id="further down"),
    ],
)
def test_a_row_left_out_still_makes_its_record_restricted(tmp_path: Path, rows: bytes) -> None:
    path = csv_file(tmp_path, b"id,surname,restricted\n0,x,no\n" + rows + b"c,x,no\n")
    batches = list(read(path, UK_PERSON_V1, batch_rows=1))
    assert len(problems_of(batches)) == 1
    assert {ref: restricted == "yes" for _, ref, restricted in rows_of(batches, "record_ref", "restricted")} == {
        ref: ref == "a" for _, ref in rows_of(batches, "record_ref")
    }


def test_batches_of_problems_are_bounded(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "id,surname\na,x\n" + "broken\n" * 100)
    batches = list(read(path, UK_PERSON_V1, batch_rows=10))
    assert max(len(batch.problems) for batch in batches) == 10
    assert len(problems_of(batches)) == 100
    assert [batch.rows for batch in batches if batch.rows] == [[2]]


def test_agencies_are_read_only_on_request(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "agency,id\np,1\nq,1\np,1\n")
    assert columns_of(path, UK_PERSON_V1).ignored == ("agency",)
    assert rows_of(list(read(path, UK_PERSON_V1)), "agency", "record_ref") == [(2, "", "1"), (3, "", "1"), (4, "", "1")]
    batches = list(read(path, UK_PERSON_V1, with_agency=True))
    assert rows_of(batches, "agency", "record_ref") == [(2, "p", "1"), (3, "q", "1")]
    assert problems_of(batches) == [Problem(4, "record_ref", sources.AGAIN, fatal=True)]


def test_a_file_without_an_agency_column_is_that_of_the_agency_it_is_named_after(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "id,surname\n1,a\nbroken\n2,b\n")
    batches = list(read(path, UK_PERSON_V1, with_agency=True))
    assert rows_of(batches, "agency", "record_ref") == [(2, path.stem, "1"), (4, path.stem, "2")]
    assert rows_of(list(read(path, UK_PERSON_V1)), "agency") == [(2, ""), (4, "")]
    mistyped = csv_file(tmp_path, "id,surname,agancy\n")
    assert failure(mistyped, with_agency=True).endswith("no column agency; did you mean 'agancy'?")
    assert columns_of(mistyped, UK_PERSON_V1).ignored == ("agancy",)


# -- Parquet ----------------------------------------------------------------------------------------------------


def test_parquet_values_become_the_same_text(tmp_path: Path) -> None:
    path = tmp_path / "people.parquet"
    table = pa.table(
        {
            "id": pa.array([1, 2, 3]),
            " Last Name ": pa.array([" a", None, "c"]).dictionary_encode(),
            "dob": pa.array([date(1985, 3, 7), None, date(1990, 1, 2)]),
            "nhs_number": pa.array([9434765919.0, None, 1.5]),
            "observed": pa.array([datetime(2024, 1, 1, 9), None, None]),
            "restricted": pa.array([True, False, None]),
            "unused": pa.array([[1], [], None]),
        }
    )
    pq.write_table(table, path)
    batches = list(read(path, UK_PERSON_V1))
    names = ("record_ref", "surname", "dob", "identifier", "observed_day", "restricted")
    assert rows_of(batches, *names) == [
        (2, "1", "a", "1985-03-07", "9434765919", "2024-01-01 09:00:00.000000", "true"),
        (3, "2", "", "", "", "", "false"),
        (4, "3", "c", "1990-01-02", "1.5", "", ""),
    ]
    assert columns_of(path, UK_PERSON_V1).ignored == ("unused",)


def test_a_parquet_column_of_lists_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "people.parquet"
    pq.write_table(pa.table({"id": ["1"], "surname": [[CANARY]]}), path)
    assert "neither text" in failure(path)
    pq.write_table(pa.table({"id": ["1"], "surname": pa.array([CANARY.encode() + b"\xff"])}), path)
    assert "neither text" in failure(path)


def test_csv_and_parquet_read_alike_in_groups(tmp_path: Path) -> None:
    rng = random.Random(5)
    refs = [str(rng.randrange(30)) for _ in range(3000)]
    pq.write_table(pa.table({"id": refs, "surname": refs}), tmp_path / "p.parquet")
    text = "id,surname\n" + "".join(f"{ref},{ref}\n" for ref in refs)
    expected = list(read(csv_file(tmp_path, text), UK_PERSON_V1, batch_rows=7))
    found = list(read(tmp_path / "p.parquet", UK_PERSON_V1, batch_rows=7))
    assert [batch.rows for batch in found] == [batch.rows for batch in expected]
    assert problems_of(found) == problems_of(expected)


# -- anything ---------------------------------------------------------------------------------------------------


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200) | st.text('ab1,"\n\r\0\ud800é', max_size=80).map(lambda t: t.encode(errors="surrogatepass"))
)
def test_no_bytes_raise_and_each_row_is_told_of_once(tmp_path: Path, body: bytes) -> None:
    batches = list(read(csv_file(tmp_path, b"id,surname\n" + body), UK_PERSON_V1, batch_rows=3))
    rows = [row for batch in batches for row in batch.rows]
    told = rows + [problem.row for problem in problems_of(batches)]
    assert len(told) == len(set(told))
    assert rows == sorted(rows)
    assert all(row > 1 for row in told)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.integers(0, 9).map(str), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
        )
    )
)
def test_what_a_csv_writer_writes_is_read(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    rows = [(f"{number}-{ref}", text) for number, (ref, text) in enumerate(rows)]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("id", "surname"), *rows])
    batches = list(read(csv_file(tmp_path, text.getvalue()), UK_PERSON_V1))
    assert problems_of(batches) == []
    assert [found[1:] for found in rows_of(batches, "record_ref", "surname")] == [(a, b.strip()) for a, b in rows]


# -- further columns -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_further_columns_are_read_as_they_stand(tmp_path: Path, suffix: str) -> None:
    path = csv_file(tmp_path, "id,person,sex,note\n1, P7 ,F,x\n2,,M,y\n")
    if suffix == "parquet":
        path = tmp_path / "people.parquet"
        columns = {"id": ["1", "2"], "person": [" P7 ", None], "sex": ["F", "M"], "note": ["x", "y"]}
        pq.write_table(pa.table(columns), path)
    [batch] = read(path, UK_PERSON_V1, further=["person", "sex"])
    assert batch.further == {"person": ["P7", ""], "sex": ["F", "M"]}
    assert rows_of([batch], "record_ref", "sex", "note") == [(2, "1", "F", "x"), (3, "2", "M", "y")]


def test_a_further_column_that_is_not_there(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "id,persons\n1,7\n")
    with pytest.raises(InputFileError, match=r"people\.csv: no column 'person'; did you mean 'persons'\?"):
        read(path, UK_PERSON_V1, further=["person"])
