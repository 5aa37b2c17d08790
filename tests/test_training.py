"""What `matcher/training.py` learns from: records still held, of the agencies that are asked for."""

import numpy as np
import pytest

from matcher.errors import TrainingError
from matcher.scoring.calibration import Calibration
from matcher.scoring.model import MatchModel
from matcher.training import Adapted, Evidence, train

from .factory import ANNA, BORIS, CHLOE, SCHEME, Human, Sighting, model, tokens
from .world import World

BLOCK_CAP = 1000
PEOPLE = (Sighting("1", ANNA), Sighting("2", BORIS, variants=(ANNA,)), Sighting("3", CHLOE))


def evidence(*parts: tuple[str, list[bool]]) -> Evidence:
    """Of agencies that were each sent `PEOPLE`, and hold some of them."""
    made = Evidence(SCHEME, BLOCK_CAP)
    for agency, held in parts:
        made.add(agency, tokens(agency, *PEOPLE), np.array(held))
    return made


def test_pairs_are_those_across_agencies() -> None:
    made = evidence(("police", [True] * 3), ("police", [True] * 3), ("council", [True] * 3), ("housing", [True] * 3))
    assert made.records == 12
    assert made.all_pairs == 6 * 3 + 6 * 3 + 3 * 3


def test_records_gone_are_neither_counted_nor_compared() -> None:
    whole = evidence(("police", [True, True, True]), ("council", [True, True, True])).adapt(model())
    part = evidence(("police", [True, False, True]), ("council", [True, True, False])).adapt(model())
    assert isinstance(whole, Adapted)
    assert isinstance(part, Adapted)
    # Anna meets herself, and the variant of Boris that goes by her name; the others meet themselves
    assert (whole.records, whole.candidates) == (6, 6)
    assert (part.records, part.candidates) == (4, 2)


def test_nothing_to_compare_is_no_evidence() -> None:
    assert evidence().adapt(model()) is None
    assert evidence(("police", [True] * 3)).adapt(model()) is None
    assert evidence(("police", [False] * 3), ("council", [True] * 3)).adapt(model()) is None


def test_two_records_of_an_agency_are_partners_of_one_only_if_they_are_of_one_person() -> None:
    made = evidence(("police", [True, False, True]), ("council", [True, False, True]), ("police", [True, False, False]))
    adapted = made.adapt(model())
    assert adapted is not None
    # Anna is the police's 0 and 6, and the council's 3; Chloe is 2 and 5
    left, right = np.array([0, 3, 2]), np.array([3, 6, 5])
    one = made.partners(adapted, least=5.0).added(left, right)
    two = made.partners(adapted, least=1000.0).added(left, right)
    assert (two[:2] < one[:2] - 5).all()
    assert two[2] == pytest.approx(one[2], abs=0.1)


def world(count: int) -> World:
    """Two agencies that hold the same people, and a third that holds them and is not asked for."""
    made = World()
    people = [
        Sighting(str(n), Human(f"{chr(65 + n % 26)}N{chr(65 + n // 26)}", "SMITH", f"{1950 + n % 50}-0{1 + n % 9}-12"))
        for n in range(count)
    ]
    for agency in ("police", "hospital", "council"):
        made.send(agency, *people)
    made.settle()
    return made


def calibration() -> Calibration:
    return Calibration(SCHEME, 5000, tuple(np.full(field.bits + 1, 100) for field in SCHEME.encoded))


def test_only_the_agencies_asked_for_are_learnt_from_and_what_is_gone_is_not() -> None:
    made = world(150)
    made.remove("police", "0", "1")
    made.settle()
    base = MatchModel.shipped(SCHEME)
    found = train(made.store, {"police", "hospital"}, [calibration()], base, BLOCK_CAP)
    assert (found.records, found.agencies) == (298, 2)
    assert 140 <= found.matches <= 148
    assert found.population == pytest.approx(148 * 150 / found.matches, abs=1)
    assert found.model.provenance["records"] == "298"
    assert found.model.provenance["base_model"] == base.digest


def test_too_few_matches_are_refused() -> None:
    base = MatchModel.shipped(SCHEME)
    with pytest.raises(TrainingError, match=r"candidate pairs across agencies, of which about \d\d seem matches"):
        train(world(60).store, {"police", "hospital"}, [calibration()], base, BLOCK_CAP)
    with pytest.raises(TrainingError, match="0 candidate pairs"):
        train(world(60).store, {"police"}, [calibration()], base, BLOCK_CAP)
