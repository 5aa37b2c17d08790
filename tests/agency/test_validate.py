"""Validation: counts, near duplicates and their cap, and that the report shows places but no value."""

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from matcher.agency import dates, normalise, sources, validate
from matcher.agency.identity import Problem
from matcher.agency.keys import AliasKey, LinkageKeys
from matcher.agency.tokeniser import Tokeniser
from matcher.agency.validate import Report, render
from matcher.errors import InputFileError
from matcher.scheme import UK_PERSON_V1

HEADER = "id,forename,surname,dob,sex,postcode,nhs_number,seen,restricted"


def report_of(folder: Path, *lines: str, header: str = HEADER) -> Report:
    path = folder / "people.csv"
    path.write_text("\n".join([header, *lines]), encoding="utf-8")
    return validate.validate(path, UK_PERSON_V1)


def shown(report: Report) -> str:
    text = io.StringIO()
    Console(width=160, file=text).print(render(report))
    return text.getvalue()


def person(ref: str, forename: str, surname: str, dob: str, postcode: str = "M1 1AE") -> str:
    return f"{ref},{forename},{surname},{dob},F,{postcode},,,"


def test_a_header_that_may_be_restricted_is_shown_and_the_file_is_read(tmp_path: Path) -> None:
    report = report_of(tmp_path, "1,Jones,yes", header="id,surname,restriced")
    assert report.records == 1
    text = shown(report)
    assert "column 'restriced' is not read and may say which records are restricted: no such file is sent" in text
    assert "did you mean" not in text


def test_counts(tmp_path: Path) -> None:
    report = report_of(
        tmp_path,
        "1,Ann,Unknown,01/01/1985,F,M1 1AE,9434765919,,no",
        "1,Anne,Jones,1985,F,,9434765918,,",
        "broken",
        "2,Bob,Brown,1900-01-01,Q,MI 1AE,,,",
        ",Bob,Brown,,,,,,",
        "1,Bob,Brown,,,,,,",
        "",
        header=HEADER.replace("seen", "ward"),
    )
    assert (report.rows, report.usable, report.records) == (6, 3, 2)
    assert report.left_out == {sources.WRONG_COUNT: 1, normalise.NO_REF: 1, sources.AGAIN: 1}
    assert {name: column.present for name, column in report.columns.items()} == {
        "record_ref": 3,
        "forename": 3,
        "surname": 2,
        "dob": 2,
        "sex": 2,
        "postcode": 2,
        "identifier": 1,
        "restricted": 1,
    }
    assert report.columns["surname"].reasons == {normalise.PLACEHOLDER: 1}
    assert report.columns["dob"].reasons == {dates.DEFAULT: 2}
    assert report.columns["sex"].reasons == {normalise.UNKNOWN_CODE: 1}
    assert report.columns["postcode"].reasons == {normalise.REPAIRED_POSTCODE: 1}
    assert report.columns["identifier"].reasons == {normalise.BAD_IDENTIFIER: 1}
    assert report.problem_count == 9
    assert report.problems[0] == Problem(2, "surname", normalise.PLACEHOLDER)
    assert report.source.ignored == ("ward",)


def test_rows_in_no_block_and_headers_not_read_are_told_of(tmp_path: Path) -> None:
    report = report_of(tmp_path, "1,Ann Lee,", "2,Bob Ray,", header="id,name,[red]age")
    assert (report.usable, report.unblocked) == (2, 2)
    text = shown(report)
    assert "in no block and compared with nothing: 2\n" in text
    assert "headers not read: name, [red]age" in text
    assert "Ann" not in text
    lines = [
        person("1", "Ann", "Lee", "07/03/1985"),
        person("2", "", "Lee", ""),
        "3,,,,,,9434765919,,",
        "4,Ann,Lee,,,,,,",
    ]
    report = report_of(tmp_path, *lines)
    keys = LinkageKeys(bytes(32), UK_PERSON_V1, 1)
    tokeniser = Tokeniser(UK_PERSON_V1, keys, AliasKey(bytes(32), "police"), "police", bytes(range(1, 33)))
    [raw] = sources.read(tmp_path / "people.csv", UK_PERSON_V1)
    masks = tokeniser.tokenise(normalise.normalise(raw, UK_PERSON_V1)).pass_masks
    assert report.unblocked == (masks == 0).sum() > 0
    assert "headers not read: seen\n" in shown(report)


def test_only_the_first_problems_are_listed(tmp_path: Path) -> None:
    report = report_of(tmp_path, *(f"{number},Test,Jones,,,,,," for number in range(50)))
    assert report.problem_count == 50
    assert [problem.row for problem in report.problems] == list(range(2, 22))


@pytest.mark.parametrize(
    ("second", "near"),
    [
        (person("2", "Katherine", "Thompson", "07/03/1985"), True),
        (person("2", "Katharine", "Thompson", "07/03/1985"), True),
        (person("2", "Katherine", "Thomson", "07/03/1985", "LS1 4AP"), True),
        (person("2", "Thompson", "Katherine", "07/03/1985"), True),
        (person("2", "Katherine", "Thompson", "03/07/1985"), True),
        (person("2", "Katherine", "Tompson", "07/03/1985", ""), True),
        (person("2", "Katherine", "Thompson", "19/11/1961"), False),
        (person("2", "Oliver", "Thompson", "07/03/1985"), False),
        (person("2", "", "Thompson", "07/03/1985"), False),
        (person("1", "Katherine", "Thompson", "07/03/1985"), False),
    ],
)
def test_near_duplicates(tmp_path: Path, second: str, near: bool) -> None:
    first = person("1", "Katherine", "Thompson", "07/03/1985")
    report = report_of(tmp_path, first, second, person("3", "Zadie", "Quill", "01/02/1999", "EH1 1YZ"))
    assert report.near_duplicates == near
    assert [pair[:2] for pair in report.near_duplicate_rows] == ([(2, 3)] if near else [])
    assert all(validate._NEAR <= pair[2] <= 1 for pair in report.near_duplicate_rows)
    assert not report.pairs_capped


def test_near_duplicates_are_found_by_neighbouring_surnames(tmp_path: Path) -> None:
    # neither the whole date of birth nor the forename's initial agree
    report = report_of(
        tmp_path,
        person("1", "Katherine", "Thompson", "07/03/1985", "EH1 1YZ"),
        person("2", "Catherine", "Thompsonn", "08/03/1985", "EH1 1YZ"),
    )
    assert report.pairs_compared == 1


def test_the_best_near_duplicates_are_listed_and_all_counted(tmp_path: Path) -> None:
    rows = [person(str(number), "Katherine", "Thompson", "07/03/1985") for number in range(20)]
    report = report_of(tmp_path, *rows, person("x", "Katharine", "Thompson", "07/03/1985"))
    assert report.near_duplicates == report.pairs_compared == 21 * 20 // 2
    assert len(report.near_duplicate_rows) == validate.MAX_NEAR_DUPLICATES
    assert {pair[2] for pair in report.near_duplicate_rows} == {1.0}


def test_groups_too_large_are_left_out_visibly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate, "MAX_PAIRS", 30)
    rows = [person(str(number), "Katherine", "Thompson", "07/03/1985") for number in range(20)]
    twice = [person(ref, "Oliver", "Quill", "08/02/1999", "EH1 1YZ") for ref in ("x", "y")]
    report = report_of(tmp_path, *rows, *twice)
    assert report.pairs_capped
    assert [pair[:2] for pair in report.near_duplicate_rows] == [(22, 23)]
    assert "too large" in shown(report)


def test_what_the_cap_affords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate, "MAX_PAIRS", 10)
    sizes = np.array([5, 2, 9, 1])
    assert validate._affordable(sizes.copy(), by_neighbours=False).tolist() == [False, True, False, True]
    assert validate._affordable(np.array([], np.int64), by_neighbours=True).tolist() == []


@pytest.mark.parametrize("lines", [[], ["1,,,,,,,,"], [person("1", "Ann", "Lee", "1985")], ["broken"]])
def test_small_files(tmp_path: Path, lines: list[str]) -> None:
    report = report_of(tmp_path, *lines)
    assert report.rows == len(lines)
    assert report.near_duplicates == 0
    assert "rows" in shown(report)


def test_chunks_do_not_change_the_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [person(str(number), "Kath" + "a" * (number % 3), "Lee", "07/03/1985") for number in range(30)]
    whole = report_of(tmp_path, *rows)
    monkeypatch.setattr(validate, "_CHUNK", 7)
    assert report_of(tmp_path, *rows) == whole


def test_the_report_shows_no_value(tmp_path: Path) -> None:
    report = report_of(
        tmp_path,
        "ref-Qqcanary,Qqcanary,Qqcanary,Qqcanary,Qqcanary,Qqcanary,Qqcanary,Qqcanary,Qqcanary",
        "ref-Qqcanarx,Qqcanary,Qqcanary,07/03/1985,F,M1 1AE,,,",
        "ref-Qqcanarz,Qqcanary,Qqcanary,07/03/1985,F,M1 1AE,,,",
        "Qqcanary",
        header=HEADER.replace("seen", "[red]observd_day"),
    )
    text = shown(report)
    assert report.near_duplicates == 1
    for value in ("canar", "M1 1AE", "M11AE", "1985"):
        assert value.casefold() not in text.casefold()
        assert value.casefold() not in repr(report).casefold()
    assert "did you mean 'observed_day'?" in text


def test_wrong_files_are_refused_as_when_sending(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="no column record_ref"):
        report_of(tmp_path, header="forename,surname")
