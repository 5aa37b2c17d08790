"""Planted unmatched records reach nobody; what the search is to find, it finds."""

import json
from pathlib import Path

from benchmarks.canaries import KINDS, planted, run


def test_nothing_of_an_unmatched_record_reaches_anyone(tmp_path: Path) -> None:
    outcome = run(300, 2, tmp_path / "figures.json")
    assert outcome.canaries_found == dict.fromkeys(KINDS, 0)
    assert outcome.canaries_audited == dict.fromkeys(KINDS, 0)
    assert outcome.canaries == outcome.canaries_sent_found == 300
    assert outcome.told_records == 2 * outcome.people_told_of == 120
    assert outcome.told_found == {"aliases": 120, "sealed": 120}
    assert outcome.notices_found == 40
    assert outcome.calls > 200
    assert json.loads((tmp_path / "figures.json").read_text())["canaries_found"] == outcome.canaries_found


def test_canaries_are_namesakes_household_and_strangers_with_numbers_of_their_own() -> None:
    records = planted(300, 2)
    canaries, told = records[~records["told"]], records[records["told"]]
    assert (len(canaries), len(told)) == (300, 120)
    assert canaries["nhs_number"].is_unique
    assert not set(canaries["nhs_number"]) & set(told["nhs_number"])
    assert told.groupby("nhs_number")["agency"].nunique().eq(2).all()
    same = [*told[["forename", "surname", "dob", "postcode", "address"]].drop_duplicates().itertuples(index=False)]
    namesakes = [
        each in same for each in canaries[["forename", "surname", "dob", "postcode", "address"]].itertuples(index=False)
    ]
    homes = set(zip(told["postcode"], told["address"], strict=True))
    household = [each in homes for each in zip(canaries["postcode"], canaries["address"], strict=True)]
    assert sum(namesakes) >= 100
    assert sum(household) >= 200
