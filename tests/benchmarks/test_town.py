"""How the simulated town's files become records. What makes them stands in an environment of its own, not here."""

import sys
from importlib import import_module
from types import ModuleType
from unittest.mock import MagicMock

import pandas as pd
import pytest


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setitem(sys.modules, "pseudopeople", MagicMock())
    monkeypatch.delitem(sys.modules, "benchmarks.peers.pseudopeople_child", raising=False)
    return import_module("benchmarks.peers.pseudopeople_child")


@pytest.mark.parametrize(
    ("written", "year_first", "iso"),
    [
        ("05/06/1994", False, "1994-05-06"),
        ("12042018", False, "2018-12-04"),
        ("19191204", True, "1919-12-04"),
        ("1919120", True, ""),
        ("05/O6/1994", False, ""),
        ("", False, ""),
    ],
)
def test_dates_of_every_form_are_read_and_spoilt_ones_left_out(child, written, year_first, iso):
    assert child.iso(written, year_first=year_first) == iso


def test_a_tax_file_gives_a_mailing_address_and_neither_birth_date_nor_sex(child):
    table = pd.DataFrame(
        {
            "simulant_id": ["0_4"], "ssn": ["584-16-0130"], "first_name": ["Eric"], "middle_initial": ["R"],
            "last_name": [None], "mailing_address_street_number": ["1501"], "mailing_address_street_name": ["lake av"],
            "mailing_address_unit_number": [None], "mailing_address_city": ["Anytown"],
            "mailing_address_zipcode": ["00000"], "mailing_address_state": ["WA"],
        }
    )  # fmt: skip
    made = child.records("employers", table).iloc[0].to_dict()
    assert made == {
        "person": "0_4", "agency": "employers", "forename": "Eric R", "surname": "", "number": "584-16-0130",
        "sex": "", "dob": "", "address": "1501 lake av Anytown", "postcode": "00000", "state": "WA",
    }  # fmt: skip


def test_social_security_tells_of_a_person_once(child):
    table = pd.DataFrame(
        {
            "simulant_id": ["0_1", "0_1"], "ssn": ["1", "1"], "first_name": ["Ann", "Ann"], "middle_name": ["Eve", ""],
            "last_name": ["Poe", "Poe"], "date_of_birth": ["19191204"] * 2, "sex": ["Female", "Female"],
            "event_type": ["creation", "death"],
        }
    )  # fmt: skip
    made = child.records("social-security", table)
    assert made[["forename", "dob", "sex", "address"]].to_numpy().tolist() == [["Ann Eve", "1919-12-04", "F", ""]]
