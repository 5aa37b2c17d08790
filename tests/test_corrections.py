"""A record sent again: of the same person it is a correction, of somebody else a new record, to which nothing goes over
that was found, told or decided about the one before."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.model import AlertKind, Resolution
from matcher.pipeline import Pipeline

from .factory import AGENCIES, ANNA, BORIS, EPOCH, TODAY, VAGUE_ANNA, Human, Sighting, scorer
from .world import World

TWO, FURTHER, ESCALATION, NO_LONGER, WITHDRAWN, MERGED = AlertKind
POLICE, HOSPITAL, COUNCIL = ("police", "p"), ("hospital", "h"), ("council", "c")


@pytest.fixture
def known() -> World:
    """Anna is known to the hospital, first, and to the police, and the coordinator was told."""
    world = World()
    world.send("hospital", Sighting("h", ANNA))
    world.send("police", Sighting("p", ANNA))
    assert kinds(world) == [TWO]
    return world


def kinds(world: World) -> list[AlertKind]:
    """Kinds of the alerts since the last call."""
    return [alert.kind for alert in world.new_alerts()]


def notices(world: World) -> list[str]:
    return [agency.name for agency in AGENCIES for _ in world.store.notices_after(agency.name, 0, 9)]


@pytest.mark.parametrize(
    "corrected",
    [replace(ANNA, address="1 NEW STREET", postcode="M139PL"), replace(ANNA, surname="JONES"), VAGUE_ANNA],
    ids=["moved", "another surname", "less"],
)
def test_a_correction_keeps_the_person_its_contacts_and_what_a_reviewer_said(known: World, corrected: Human) -> None:
    record, person_id = known.record(HOSPITAL), known.person_id(HOSPITAL)
    known.meet("hospital", "h", day=TODAY - 5)
    known.answer(HOSPITAL, POLICE, Resolution.SAME_PERSON)
    known.send("hospital", Sighting("h", corrected))
    known.settle()
    assert (known.record(HOSPITAL), known.person_id(HOSPITAL)) == (record, person_id)
    assert TODAY - 5 in known.store.contacts(record)
    assert len(known.store.answers()) == 1
    assert kinds(known) == []


def test_a_case_its_decisions_and_its_closure_do_not_go_over_to_somebody_else(known: World) -> None:
    anna, case = known.person_id(HOSPITAL), known.open_case(POLICE)
    known.decide(case, "plan")
    known.send("council", Sighting("c", BORIS))
    known.send("hospital", Sighting("h", BORIS))
    alerts = known.new_alerts()
    assert [(alert.kind, alert.person_id == anna) for alert in alerts] == [(TWO, False), (WITHDRAWN, True)]
    assert alerts[0].person_id == known.person_id(COUNCIL)
    for name, ref in (COUNCIL, HOSPITAL, COUNCIL):
        known.sleep(days=1)
        known.meet(name, ref)
    assert kinds(known) == []
    known.close_case(case)
    known.settle()
    assert notices(known) == []
    assert known.told() == {frozenset({HOSPITAL, COUNCIL}): frozenset({"hospital", "council"})}


def test_a_case_goes_on_with_those_who_are_left(known: World) -> None:
    known.send("council", Sighting("c", ANNA))
    case = known.open_case(POLICE)
    assert kinds(known) == [FURTHER]
    known.send("hospital", Sighting("h", BORIS))
    (merged,) = [alert for alert in known.new_alerts() if alert.kind is MERGED]
    assert merged.surviving_person_id == known.person_id(POLICE) == known.store.case(case).person_id
    known.close_case(case)
    known.settle()
    assert sorted(notices(known)) == ["council", "police"]


def test_after_a_closure_somebody_else_under_the_same_reference_is_told_of(known: World) -> None:
    case = known.open_case(POLICE)
    known.close_case(case)
    known.send("council", Sighting("c", BORIS))
    assert kinds(known) == []
    known.send("hospital", Sighting("h", BORIS))
    assert known.news()[-1].members == {HOSPITAL, COUNCIL}


@pytest.mark.parametrize("resolution", Resolution)
def test_an_answer_does_not_outlive_the_one_it_was_about(resolution: Resolution) -> None:
    world = World()
    world.send("hospital", Sighting("h", ANNA))
    world.send("police", Sighting("p", VAGUE_ANNA))
    world.settle()
    world.answer(HOSPITAL, POLICE, resolution)
    world.send("police", Sighting("p", BORIS))
    world.send("council", Sighting("c", BORIS))
    world.settle()
    assert world.persons() == {frozenset({POLICE, COUNCIL})}
    assert world.store.answers() == []
    world.send("police", Sighting("p", ANNA))  # and back
    world.settle()
    assert world.persons() == {frozenset({POLICE, HOSPITAL})}


def test_one_batch_may_bring_new_records_corrections_and_somebody_else(known: World) -> None:
    known.send("hospital", Sighting("h2", BORIS))
    known.settle()
    before = {ref: known.record(("hospital", ref)) for ref in ("h", "h2")}
    moved = replace(BORIS, address="1 NEW STREET")
    known.send("hospital", Sighting("n", VAGUE_ANNA), Sighting("h", BORIS), Sighting("h2", moved))
    known.settle()
    after = {ref: known.record(("hospital", ref)) for ref in ("h", "h2", "n")}
    assert (after["h2"], after["n"], after["h"]) == (before["h2"], 3, 4)
    memory = known.memory()
    known.pipeline.rebuild()
    assert known.memory() == memory


def test_frames_matched_together_may_bring_a_record_and_then_somebody_else_and_back() -> None:
    world = World()
    world.send("council", Sighting("c", ANNA))
    for human in (ANNA, BORIS, ANNA, BORIS):
        world.send("hospital", Sighting("h", human))
    world.settle()
    assert world.persons() == set()
    assert kinds(world) == []
    world.send("police", Sighting("p", BORIS))
    world.settle()
    assert world.persons() == {frozenset({HOSPITAL, POLICE})}
    memory = world.memory()
    world.pipeline.rebuild()
    assert world.memory() == memory


def test_no_byte_is_left_of_the_one_before(known: World) -> None:
    frame = known.store.frames_after(0, 1)[0]
    assert frame.agency == "hospital"
    known.send("hospital", Sighting("h", BORIS))
    known.settle()
    assert known.store.frames_after(0, 1)[0].payload == b""


def test_under_another_key_nobody_can_tell_and_it_is_the_same(known: World) -> None:
    record = known.record(HOSPITAL)
    known.epoch += 1
    known.send("hospital", Sighting("h", BORIS))
    known.settle()
    assert known.record(HOSPITAL) == record


def test_a_record_that_shares_blocks_with_nobody_stays_itself(known: World) -> None:
    nobody = Human("X", "", "", "", "", "")
    known.send("hospital", Sighting("n", nobody))
    known.settle()
    record = known.record(("hospital", "n"))
    for human in (nobody, ANNA, nobody):
        known.send("hospital", Sighting("n", human))
        known.settle()
        assert known.record(("hospital", "n")) == record


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["police", "hospital", "council"]),
            st.sampled_from("xy"),
            st.sampled_from([ANNA, VAGUE_ANNA, BORIS]),
            st.sampled_from([TODAY - 30, TODAY - 5, TODAY, -1]),
            st.sampled_from(["", "", "settle", "meet", "another key"]),
        ),
        max_size=14,
    )
)
def test_memory_is_what_is_made_of_the_store_whatever_is_matched_together(
    sent: list[tuple[str, str, Human, int, str]],
) -> None:
    world = World()
    for agency, ref, human, day, then in sent:
        world.send(agency, Sighting(ref, human, day=day))
        if then == "settle":
            world.settle()
        elif then == "meet":
            world.meet(agency, ref, day=TODAY - 10)
        elif then:
            world.epoch = EPOCH if world.epoch != EPOCH else EPOCH + 1
    memory = world.memory()
    persons = world.pipeline.persons
    assert world.pipeline.registry.holds(persons.people(persons.everyone()).records).all()
    world.pipeline.rebuild()
    assert world.memory() == memory


def test_what_is_gone_is_not_carried_over_to_another_key(known: World) -> None:
    known.send("council", Sighting("c", ANNA))
    case = known.open_case(POLICE)
    known.epoch += 1
    for human in (ANNA, BORIS):  # matched together
        known.send("hospital", Sighting("h", human))
    known.settle()
    assert known.persons() == {frozenset({POLICE, COUNCIL})}
    memory = known.memory()
    known.pipeline.rebuild()
    assert known.memory() == memory
    known.close_case(case)
    known.settle()
    assert sorted(notices(known)) == ["council", "police"]


def test_days_do_not_depend_on_what_is_matched_together() -> None:
    found = []
    for together in (False, True):
        world = World()
        for day in (TODAY - 5, TODAY, TODAY - 30):
            world.send("hospital", Sighting("h", ANNA, day=day))
            if not together:
                world.settle()
        world.settle()
        record = world.record(HOSPITAL)
        found.append((world.pipeline.registry.day(record), world.store.contacts(record)))
    assert found[0] == found[1] == (TODAY - 5, [TODAY - 30, TODAY - 5])


def test_full_blocks_hide_neither_a_correction_nor_somebody_else(known: World) -> None:
    options = replace(known.pipeline.settings, block_cap=2)
    known.pipeline = Pipeline(known.store, scorer(), options, known._now)
    crowd = [Sighting(f"p{i}", replace(ANNA, address=f"{i} X STREET", postcode="M139PL")) for i in range(3)]
    known.send("police", *crowd)
    known.send("council", Sighting("c", replace(ANNA, address="99 UNIQUE ROAD", postcode="SE15QQ")))
    known.settle()
    record = known.record(COUNCIL)
    known.send("council", Sighting("c", replace(ANNA, address="1 NEW LANE", postcode="BS14DJ")))
    known.settle()
    assert known.record(COUNCIL) == record
    known.send("council", Sighting("c", BORIS))
    known.settle()
    assert known.record(COUNCIL) != record


def test_a_notice_that_waits_is_not_about_somebody_else(known: World) -> None:
    case = known.open_case(POLICE)
    known.close_case(case)
    known.settle()
    assert notices(known) == ["police", "hospital"]
    known.send("hospital", Sighting("h", ANNA))
    known.settle()
    assert notices(known) == ["police", "hospital"]
    known.send("hospital", Sighting("h", BORIS))
    known.settle()
    assert notices(known) == ["police"]
    assert known.store.case(case).awaiting_removal == ("police",)


def test_a_variant_that_is_the_same_person_is_enough(known: World) -> None:
    record = known.record(HOSPITAL)
    known.send("hospital", Sighting("h", BORIS, variants=(ANNA,)))
    known.settle()
    assert known.record(HOSPITAL) == record
    known.send("hospital", Sighting("h", BORIS))
    known.settle()
    assert known.record(HOSPITAL) == record
