"""What the coordinator is sent of an alert's members: alerts hold no secrets, the records' own frames do."""

from pathlib import Path

import pytest

import matcher.columns
from matcher.coordinator.opening import Opener
from matcher.errors import StoreError
from matcher.explanation import Explainer
from matcher.intake import Intake
from matcher.model import AlertKind, Disclosure, Resolution
from matcher.store.sqlite import SqliteStore
from matcher.wire import alert_message

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
    assert list(map(references, world.pipeline.disclosures(alerts))) == [[]]  # of the other nothing is known any more
    world.send("police", Sighting("p", ANNA))  # a new record of that name
    world.settle()
    *_, again = disclosed(world)
    assert references(again) == ["h", "p"]
    assert list(map(references, world.pipeline.disclosures(alerts))) == [[]]


def test_a_record_that_matches_nobody_any_more_is_left_out_with_all_that_its_agency_sends_later() -> None:
    world = told_of_anna(World())
    world.send("hospital", Sighting("h", BORIS))  # corrected: another person
    world.settle()
    assert world.persons() == set()
    assert not any(disclosed(world))


def test_a_record_that_becomes_restricted_is_left_out() -> None:
    world = told_of_anna(World())
    world.send("council", Sighting("c", ANNA))
    world.send("hospital", Sighting("h", ANNA, restricted=True))
    world.settle()
    assert not any(disclosed(world))


def test_members_of_a_person_that_became_another_ones_are_disclosed_as_long_as_that_is_told_of() -> None:
    world = told_of_anna(World())
    world.send("council", Sighting("c", BORIS))
    world.send("housing", Sighting("o", BORIS))
    world.settle()
    world.answer(("hospital", "h"), ("council", "c"), Resolution.SAME_PERSON)
    world.settle()
    alerts = world.store.alerts_after(0, 99)
    assert AlertKind.MERGED in {alert.kind for alert in alerts}
    assert [references(members) for members in world.pipeline.disclosures(alerts)][:2] == [["p", "h"], ["c", "o"]]
    world.remove("police", "p")
    world.remove("hospital", "h")
    world.remove("housing", "o")
    world.settle()
    assert not any(disclosed(world))


@pytest.mark.parametrize("left", ["police", "hospital"])
def test_members_of_an_agency_that_left_the_configuration_are_left_out(
    left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = told_of_anna(World())
    monkeypatch.setattr(matcher.columns, "_STEP", 1)  # or the columns would have room for them anyway
    after = World(before.store, agencies=tuple(agency for agency in AGENCIES if agency.name != left))
    assert list(map(references, disclosed(after))) == [[]]
    before.send("council", Sighting("c", ANNA))
    before.settle()
    after = World(before.store, agencies=tuple(agency for agency in AGENCIES if agency.name != left))
    after.sleep(days=1)
    after.settle()
    told = [sorted(references(members)) for members in disclosed(after)]
    gone, still = ("p", "h") if left == "police" else ("h", "p")
    assert ["c", still] in told
    assert not any(gone in each for each in told)


def test_memory_that_is_ahead_of_the_store_after_a_failed_commit_discloses() -> None:
    store = Failing()
    world = told_of_anna(World(store))
    store.fails = True
    world.send("police", Sighting("p", ANNA))
    with pytest.raises(StoreError):
        world.settle()
    assert list(map(references, disclosed(world))) == [["p", "h"]]


def test_memory_that_is_incomplete_discloses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matcher.columns, "_STEP", 1)  # or what is incomplete would have room for all records
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


def test_an_explanation_speaks_of_what_an_alert_would_name_alone() -> None:
    """Not of records that were met too long ago, nor of those that were closed with a case."""
    world = told_of_anna(World())
    world.send("housing", Sighting("o", ANNA, day=TODAY - 300))
    world.settle()
    explainer = Explainer(world.pipeline)

    def explained() -> set[str]:
        _, links = explainer.explain(world.store.alerts_after(0, 99)[-1])
        return {agency for link in links for agency in link.agencies}

    assert explained() == {"police", "hospital"}
    world.close_case(world.open_case(("police", "p")))
    world.sleep(days=5)
    for agency in ("council", "housing"):
        world.send(agency, Sighting("later", ANNA, day=world.today))
    world.settle()
    assert explained() == {"council", "housing"}


def test_what_an_alert_says_of_sectors_is_of_the_members_it_discloses() -> None:
    world = told_of_anna(World())
    world.send("council", Sighting("c", ANNA))
    world.settle()
    alert, members = world.store.alerts_after(0, 99)[-1], disclosed(world)[-1]
    assert [
        (told.health_present, told.police_present)
        for told in (
            alert_message(alert, members),
            alert_message(alert, [each for each in members if each.agency != "hospital"]),
            alert_message(alert, ()),
        )
    ] == [(True, True), (False, True), (False, False)]
