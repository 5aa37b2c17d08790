import json
from pathlib import Path

import pytest

from tests.cli.test_commands import done, refused, run
from tests.factory import model
from tests.service.servers import person


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two agencies' files: persons 8 to 11 are known to both, and 11's truth says otherwise."""
    model().save(tmp_path / "model.json")
    made = []
    names = ["forename", "surname", "dob", "sex", "postcode", "address", "identifier"]
    for agency, numbers in (("police", range(12)), ("clinic", range(8, 20))):
        header = ["record_ref", "agency", *names[:-1], "nhs_number", "person", "origin"]
        lines = [",".join(header)]
        for n in numbers:
            true = n if (agency, n) != ("clinic", 11) else 99
            cells = [f'"{person(n)[name]}"' for name in names]
            lines.append(",".join([f"{agency}-{n}", agency, *cells, f"P{true}", "xy"[n % 2]]))
        made.append(tmp_path / f"{agency}.csv")
        made[-1].write_text("\n".join(lines) + "\n")
    return made


def test_evaluate_shows_figures_and_writes_both_files(files: list[Path], tmp_path: Path) -> None:
    html, figures = tmp_path / "report.html", tmp_path / "figures.json"
    options = ("--truth", "person", "--group", "origin", "--model", tmp_path / "model.json")
    text = done("evaluate", *files, *options, "--html", html, "--json", figures)
    assert "24 records of 2 agencies, 21 true persons" in text
    assert "pairs across agencies               0.7500    1.0000    0.8571" in text
    assert "persons known to two or more        0.7500    1.0000    0.8571" in text
    told = json.loads(figures.read_text())
    assert told["pairs"]["false_positives"] == 1
    assert told["by_group"]["origin"]["x"]["false_positives"] == 0
    assert told["by_group"]["origin"]["y"]["false_positives"] == 1
    page = html.read_text()
    assert "police-11" in page
    assert person(11)["surname"] not in page


def test_evaluate_without_a_truth_says_what_to_do(files: list[Path], tmp_path: Path) -> None:
    shown = refused("evaluate", *files, "--truth", "persn")
    assert (
        "no column 'persn'; did you mean 'person'?\nadvice: Name a column as it stands in the file's header." in shown
    )
    assert "is read as surname and cannot be the truth" in refused("evaluate", *files, "--truth", "surname")
    assert "stands in two places" in refused(
        "evaluate", files[0], files[0], "--truth", "person", "--model", tmp_path / "model.json"
    )
    assert run("evaluate", *files).exit_code == 2


def test_evaluate_names_rows_it_leaves_out(files: list[Path], tmp_path: Path) -> None:
    with files[0].open("a") as file:
        file.write("short,row\n")
    result = run("evaluate", *files, "--truth", "person", "--model", tmp_path / "model.json")
    assert result.exit_code == 0, result.output
    assert "police.csv row 14 : not as many columns as the header (left out)" in result.stderr
