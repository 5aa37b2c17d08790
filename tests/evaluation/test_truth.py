import csv
from datetime import date
from pathlib import Path

import pytest

from matcher.errors import InputFileError
from matcher.evaluation.truth import TruthReader
from matcher.scheme import UK_PERSON_V1

TODAY = date(2026, 7, 1)


def truth_of(path: Path, text: str, *, column: str = "person", groups: tuple[str, ...] = ()) -> TruthReader:
    path.write_text(text)
    reader = TruthReader.of(UK_PERSON_V1, column, groups, TODAY)
    for _ in reader.read([path]):
        pass
    return reader


def test_each_record_has_its_person_and_its_groups(tmp_path):
    text = (
        "record_ref,agency,dob,sex,person,origin\n"
        "1,a,2009-01-01,male,P1,x\n"
        "1,b,1996,F,P2,y\n"
        "1,b,1950-02-02,M,P2,z\n"  # a variant: the first row of a record counts
        "2,b,,,P1,\n"
        "3,b,1955-05-05,9,P3,x\n"
    )
    truth = truth_of(tmp_path / "p.csv", text, groups=("origin",)).truth(
        [("a", "1"), ("b", "3"), ("b", "2"), ("b", "1")]
    )
    assert truth.agency.tolist() == ["a", "b", "b", "b"]
    assert len({*truth.person.tolist()}) == 3
    assert truth.person[0] == truth.person[2]
    assert {name: label.tolist() for name, label in truth.groups.items()} == {
        "sex": ["M", "X", "", "F"],
        "age band": ["0 to 17", "65 and over", "", "30 to 44"],
        "origin": ["x", "x", "", "y"],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("record_ref,agency,persons\n1,a,7\n", "p.csv: no column 'person'; did you mean 'persons'?"),
        ("record_ref,agency,person\n1,a,7\n\n2,a,\n", "p.csv row 4: column 'person' is empty; every record needs"),
        ("record_ref,agency,person\n1,a,7\n1,a,8\n", "p.csv row 3: another row of this record names another true"),
    ],
)
def test_a_truth_that_is_not_there(tmp_path, text, message):
    with pytest.raises(InputFileError) as refused:
        truth_of(tmp_path / "p.csv", text)
    assert message in str(refused.value)


def test_the_truth_is_not_taken_for_the_reference(tmp_path):
    text = "person_id,agency,urn\n7,a,1\n"
    with pytest.raises(InputFileError, match="'person_id' is read as record_ref and cannot be the truth as well"):
        truth_of(tmp_path / "p.csv", text, column="person_id")


def test_what_is_linked_is_what_the_file_holds(tmp_path, people, linked):
    found, truth = linked
    with people.open() as file:
        rows = {(row["agency"], row["record_ref"]): row for row in csv.DictReader(file)}
    assert set(found.references) == set(rows)
    by_person: dict[str, set[int]] = {}
    for number, reference in enumerate(found.references):
        by_person.setdefault(rows[reference]["person"], set()).add(int(truth.person[number]))
        assert truth.groups["origin"][number] == rows[reference]["origin"]
    assert all(len(each) == 1 for each in by_person.values())
    assert len(by_person) == len(set(truth.person.tolist()))
