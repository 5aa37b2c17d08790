"""What the coordinator is sent of an alert's members: alerts hold no secrets, the records' own frames do."""

from pathlib import Path

import pytest

import matcher.columns
from matcher.coordinator.opening import Opener
from matcher.errors import StoreError
from matcher.intake import Intake
from matcher.model import Disclosure
from matcher.store.sqlite import SqliteStore

from .factory import AGENCIES, ANNA, BORIS, CHLOE, COORDINATOR, EPOCH, SCHEME, TODAY, Sighting, alias
from .test_pipeline import Failing
from .world import World

OPENER = Opener(COORDINATOR.private_bytes_raw())


def told_of_anna(world: World) -> World:
    """Anna is known to the police and the hospital, in a batch with others, and the coordinator was told."""
    world.send("police", Sighting("p2", CHLOE), Sighting("p", ANNA))
    world.send("hospital", Sighting("h", ANNA, day=TODAY - 1))
    world.settle()
    return world


def disclosed(world: World) -> list[tuple[Disclosure, ...]]:
    return world.pipeline.disclosures(world.store.alerts_after(0, 99))


def references(members: tuple[Disclosure, ...]) -> list[str]:
    return [OPENER.open(member, SCHEME.digest).reference for member in members]


def test_members_come_with_what_their_agencies_sent() -> None:
    (members,) = disclosed(told_of_anna(World()))
    assert [(each.agency, each.sector, each.alias, each.observed_day, each.epoch) for each in members] == [
        ("police", "police", alias("police", "p"), TODAY, EPOCH),
        ("hospital", "health", alias("hospital", "h"), TODAY - 1, EPOCH),
    ]
    assert references(members) == ["p", "h"]


def test_nothing_of_it_stands_in_the_database_but_in_the_frames(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "matcher.db")
    (members,) = disclosed(told_of_anna(World(store)))
    store.close()
    database = (tmp_path / "matcher.db").read_bytes()
    assert {database.count(piece) for each in members for piece in (each.alias, each.sealed[:16])} == {1}


def test_a_record_sent_again_is_disclosed_with_its_newest_seal_and_the_alert_s_day() -> None:
    world = told_of_anna(World())
    (before,) = disclosed(world)
    world.send("police", Sighting("p3", BORIS), Sighting("p", ANNA, day=TODAY + 1))
    world.settle()
    after = disclosed(world)[0]
    assert after[1] == before[1]
    assert (after[0].alias, after[0].observed_day) == (before[0].alias, TODAY)
    assert after[0].sealed != before[0].sealed
    assert references(after) == ["p", "h"]
    world.pipeline.rebuild()
    assert disclosed(world)[0] == after


def test_members_that_went_after_the_alert_was_read_are_left_out() -> None:
    world = told_of_anna(World())
    alerts = world.store.alerts_after(0, 99)
    world.remove("police", "p")
    world.settle()
    assert list(map(references, world.pipeline.disclosures(alerts))) == [["h"]]
    world.send("police", Sighting("p", ANNA))  # a new record of that name
    world.settle()
    assert list(map(references, world.pipeline.disclosures(alerts))) == [["h"]]


@pytest.mark.parametrize("left", ["police", "hospital"])
def test_members_of_an_agency_that_left_the_configuration_are_left_out(
    left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = told_of_anna(World())
    monkeypatch.setattr(matcher.columns, "_STEP", 1)  # or the columns would have room for them anyway
    after = World(before.store, agencies=tuple(agency for agency in AGENCIES if agency.name != left))
    assert list(map(references, disclosed(after))) == [["h"] if left == "police" else ["p"]]


def test_memory_that_is_ahead_of_the_store_after_a_failed_commit_discloses() -> None:
    store = Failing()
    world = told_of_anna(World(store))
    store.fails = True
    world.send("police", Sighting("p", ANNA))
    with pytest.raises(StoreError):
        world.settle()
    assert list(map(references, disclosed(world))) == [["p", "h"]]


def test_memory_that_is_incomplete_discloses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = told_of_anna(World())

    def fails(*_: object, **__: object) -> None:
        raise MemoryError

    for broken in ("enter", "restore"):
        with monkeypatch.context() as patch:
            patch.setattr(Intake, broken, fails)
            world.send("police", Sighting("p", ANNA))
            with pytest.raises(MemoryError):
                world.pipeline.match_next() if broken == "enter" else world.pipeline.rebuild()
        with pytest.raises(StoreError, match="made anew"):
            disclosed(world)
        world.pipeline.rebuild()
        assert list(map(references, disclosed(world))) == [["p", "h"]]
