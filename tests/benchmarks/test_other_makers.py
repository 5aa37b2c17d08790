"""How files of other makers become records. What fetches them stands in an environment of its own, not here."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import datasets
from benchmarks.quality import _datasets

FIELDS = ["agency", "forename", "surname", "dob", "sex", "postcode", "address"]


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], None]], list[tuple]]:
    """Lets a function write what the child would; what the child was asked."""
    asked: list[tuple] = []

    def by(write: Callable[[Path], None]) -> list[tuple]:
        def child(name: str, folder: str, *rest: object) -> None:
            asked.append((name, *rest))
            write(Path(folder))

        monkeypatch.setattr(datasets, "_child", child)
        return asked

    return by


def test_a_german_name_of_two_parts_and_a_second_record(fetched):
    def write(folder: Path) -> None:
        (folder / "RLdata500.tsv").write_text(
            "fname_c1\tfname_c2\tlname_c1\tlname_c2\tby\tbm\tbd\n"
            "HANS\tPETER\tNA\tNA\t1949\t7\t22\nULLA\tNA\tJUNG\tNA\t28\t12\t3\nULLA\tNA\tJUNK\tNA\t1928\t12\t3\n"
        )
        (folder / "identity.RLdata500.tsv").write_text("x\n7\n3\n3\n")

    asked = fetched(write)
    (made,) = _datasets(["rldata500"], 0, [1], [1.0])
    assert asked == [("rldata",)]
    assert made.records[FIELDS].to_numpy().tolist() == [
        ["turn-0", "HANS PETER", "", "1949-07-22", "", "", ""],
        ["turn-0", "ULLA", "JUNG", "0028-12-03", "", "", ""],
        ["turn-1", "ULLA", "JUNK", "1928-12-03", "", "", ""],
    ]
    assert made.person.tolist() == [0, 1, 1]


def test_of_a_domain_only_people_are_taken_and_each_record_of_one_is_of_another_agency(fetched):
    def write(folder: Path) -> None:
        pd.DataFrame(
            {
                "record_id": ["R-1", "R-2", "R-3", "R-4"], "master_id": ["E2", "E1", "E1", "E9"],
                "entity_type": ["patient", "patient", "patient", "provider"],
                "pat_first_name": ["Ann", "Bo", None, None], "pat_last_name": ["Poe", "Lee", "Lee", None],
                "birth_date": ["1999-05-17", None, "17/05/1999", None],
                "gender_code": ["F", "undisclosed", None, None], "zip_code": ["10039", None, "10031", None],
                "address_line1": ["4 Elm Pl", None, "5 Elm Pl", None], "city": ["Bari", "Bari", None, None],
            }
        ).to_parquet(folder / "records.parquet")  # fmt: skip

    asked = fetched(write)
    made = list(_datasets(["dupehell-healthcare-light"], 0, [3, 4], [1.0]))
    assert asked == [("dupehell", "healthcare", "light", 20_000, seed) for seed in (3, 4)]
    assert [each.name for each in made] == [f"dupehell-healthcare-light seed {seed}" for seed in (3, 4)]
    assert made[0].records[FIELDS].to_numpy().tolist() == [
        ["turn-0", "Ann", "Poe", "1999-05-17", "F", "10039", "4 Elm Pl Bari"],
        ["turn-0", "Bo", "Lee", "", "", "", "Bari"],
        ["turn-1", "", "Lee", "17/05/1999", "", "10031", "5 Elm Pl"],
    ]
    assert made[0].person.tolist() == [0, 1, 1]
