"""The life of a person over time: aging out without any input, contacts under an open case, first loads, and days of
events apart from days of arrival."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.model import AlertKind, FrameKind, Resolution
from matcher.pipeline import Pipeline
from matcher.scoring.decision import Thresholds
from matcher.scoring.scorer import Scorer
from matcher.store.memory import MemoryStore
from matcher.store.sqlite import SqliteStore

from .factory import AGENCIES, ANNA, BORIS, CHLOE, TODAY, VAGUE_ANNA, Sighting, model
from .world import Told, World

TWO, FURTHER, ESCALATION, NO_LONGER, WITHDRAWN, MERGED = AlertKind
LOOK_BACK = 100
POLICE, HOSPITAL, COUNCIL = ("police", "p"), ("hospital", "h"), ("council", "c")


@pytest.fixture(params=["memory", "sqlite"])
def known(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A world over each store in which Anna is known to the police and the hospital, and the coordinator was told."""
    store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "matcher.db")
    world = World(store)
    world.send("police", Sighting("p", ANNA))
    world.send("hospital", Sighting("h", ANNA, day=TODAY - 10))
    assert kinds(world) == [TWO]
    yield world
    store.close()


def kinds(world: World) -> list[AlertKind]:
    """Kinds of the alerts since the last call."""
    return [alert.kind for alert in world.new_alerts()]


# -- the look-back window --------------------------------------------------------------------------------------------


def test_a_person_ages_out_without_any_input(known: World) -> None:
    person_id = known.person_id(POLICE)
    known.sleep(LOOK_BACK - 11)
    assert kinds(known) == []
    known.sleep(1)
    (alert,) = known.new_alerts()
    assert (alert.kind, alert.person_id, alert.members, alert.agencies) == (NO_LONGER, person_id, (), ())
    assert (known.told(), known.pipeline.is_told(person_id)) == ({}, True)
    known.sleep(50)
    assert kinds(known) == []
    known.meet("hospital", "h")
    assert kinds(known) == []
    known.meet("police", "p")
    assert known.news() == [Told(TWO, frozenset({POLICE, HOSPITAL}))]


def test_a_day_is_committed_once_and_only_if_nothing_else_came(known: World) -> None:
    assert not known.pipeline.pass_time()
    known.today += 1
    known.meet("police", "p")
    known.settle()
    assert not known.pipeline.pass_time()
    known.today += 1
    assert known.pipeline.pass_time()
    known.settle()
    assert not known.pipeline.pass_time()
    assert [frame.kind for frame in known.store.frames_after(0, 9)].count(FrameKind.TIME) == 1
    assert not World().pipeline.pass_time()


def test_the_first_frame_of_a_day_looks_at_everybody(known: World) -> None:
    known.send("council", Sighting("c2", BORIS))
    assert kinds(known) == []
    known.today += LOOK_BACK - 10
    known.send("council", Sighting("c2", BORIS))
    assert kinds(known) == [NO_LONGER]


def test_a_contact_on_the_day_of_aging_out_keeps_the_person_known(known: World) -> None:
    known.today += LOOK_BACK - 10
    known.meet("hospital", "h")
    assert kinds(known) == []


def test_one_agency_of_three_that_ages_out_is_not_told_of(known: World) -> None:
    known.send("council", Sighting("c", ANNA))
    assert kinds(known) == [FURTHER]
    known.sleep(LOOK_BACK - 10)
    assert kinds(known) == []
    known.remove("police", "p")
    known.remove("council", "c")
    # the heir's name is another one, since the oldest record is gone; nobody is told of it
    assert kinds(known) == [WITHDRAWN]


def test_a_day_that_began_while_the_matcher_was_down_is_made_up_for(known: World) -> None:
    known.settle()
    known.today += LOOK_BACK
    known.pipeline.rebuild()
    assert kinds(known) == []
    assert known.pipeline.pass_time()
    assert kinds(known) == [NO_LONGER]
    before = known.memory()
    known.pipeline.rebuild()
    assert known.memory() == before


def test_a_clock_that_ran_ahead_is_forgiven_and_a_small_step_back_does_not_count(known: World) -> None:
    known.sleep(LOOK_BACK)
    assert kinds(known) == [NO_LONGER]
    known.today -= 1
    assert not known.pipeline.pass_time()
    known.sleep(1 - LOOK_BACK)
    assert kinds(known) == [TWO]
    before = known.memory()
    known.pipeline.rebuild()
    assert known.memory() == before


def test_a_dormant_person_s_correction_withdraws_it(known: World) -> None:
    known.sleep(LOOK_BACK)
    assert kinds(known) == [NO_LONGER]
    known.answer(POLICE, HOSPITAL, Resolution.DIFFERENT_PEOPLE)
    assert kinds(known) == [WITHDRAWN]


def test_a_dormant_person_lives_on_in_its_heir(known: World) -> None:
    world = World()
    world.send("council", Sighting("c", VAGUE_ANNA))
    world.send("police", Sighting("p", ANNA))
    world.send("hospital", Sighting("h", ANNA))
    assert kinds(world) == [TWO]
    world.sleep(LOOK_BACK)
    assert kinds(world) == [NO_LONGER]
    world.answer(COUNCIL, POLICE, Resolution.SAME_PERSON)
    (merged,) = world.new_alerts()
    assert (merged.kind, merged.surviving_person_id) == (MERGED, world.person_id(COUNCIL))
    assert world.pipeline.is_told(world.person_id(COUNCIL))
    before = world.memory()
    world.pipeline.rebuild()
    assert world.memory() == before


@pytest.mark.parametrize("removed", ["police", "hospital"])
def test_when_an_agency_left_the_configuration_its_persons_are_withdrawn_on_the_next_day(removed: str) -> None:
    before = World()
    before.send("police", Sighting("p", ANNA), Sighting("p2", BORIS))
    before.send("hospital", Sighting("h", ANNA), Sighting("h2", BORIS))
    before.send("council", Sighting("c", ANNA))
    before.settle()
    after = World(before.store, agencies=tuple(agency for agency in AGENCIES if agency.name != removed))
    after.new_alerts()
    after.sleep(1)
    assert sorted(kinds(after)) == [TWO, WITHDRAWN, WITHDRAWN]
    memory = after.memory()
    after.pipeline.rebuild()
    assert after.memory() == memory
    after.sleep(1)
    assert kinds(after) == []


def test_who_becomes_known_by_other_settings_is_told_of_on_the_next_day() -> None:
    world = World()
    world.send("police", Sighting("p", VAGUE_ANNA), Sighting("p2", BORIS, day=TODAY - LOOK_BACK - 50))
    world.send("hospital", Sighting("h", ANNA), Sighting("h2", BORIS))
    assert kinds(world) == []
    lower = Scorer(model(), 1_000_000, Thresholds(match=0.99, possible=0.5))
    longer = replace(world.pipeline.settings, look_back_days=2 * LOOK_BACK)
    world.pipeline = Pipeline(world.store, lower, longer, world.pipeline._now)
    world.sleep(1)
    assert kinds(world) == [TWO, TWO]
    assert world.queue() == set()


def test_two_told_of_that_are_one_by_other_settings_are_merged_on_the_next_day() -> None:
    world = World()
    elsewhere = replace(VAGUE_ANNA, postcode="SE15QQ", address="98 STATION ROAD")
    for agency, ref, human in (("police", "p", ANNA), ("hospital", "h", ANNA)):
        world.send(agency, Sighting(ref, human))
    for agency, ref in (("council", "c"), ("housing", "x")):
        world.send(agency, Sighting(ref, elsewhere))
    assert kinds(world) == [TWO, TWO]
    younger, case = world.person_id(COUNCIL), world.open_case(COUNCIL)
    lower = Scorer(model(), 1_000_000, Thresholds(match=0.9, possible=0.5))
    world.pipeline = Pipeline(world.store, lower, world.pipeline.settings, world.pipeline._now)
    world.sleep(1)
    assert kinds(world) == [FURTHER, MERGED]
    assert not world.pipeline.is_told(younger)
    assert world.store.case(case).person_id == world.person_id(POLICE)
    world.close_case(case)
    world.settle()
    assert all(len(world.store.notices_after(agency.name, 0, 9)) == 1 for agency in AGENCIES)


@pytest.mark.parametrize("left", ["police", "hospital"])
def test_an_answer_about_a_record_of_an_agency_that_left_holds_nobody_together(left: str) -> None:
    before = World()
    before.send("hospital", Sighting("h", ANNA))
    before.send("police", Sighting("p", VAGUE_ANNA))
    before.answer(HOSPITAL, POLICE, Resolution.SAME_PERSON)
    assert kinds(before) == [TWO]
    case = before.open_case(HOSPITAL)
    after = World(before.store, agencies=tuple(agency for agency in AGENCIES if agency.name != left))
    after.new_alerts()
    after.send("council", Sighting("c", ANNA if left == "police" else VAGUE_ANNA))
    after.sleep(1)
    assert WITHDRAWN in kinds(after)
    after.close_case(case)
    after.send("council", Sighting("c2", BORIS))
    after.send("housing", Sighting("o2", BORIS))
    assert TWO in kinds(after)
    again = World(after.store)  # configured again, the answer counts as before
    assert again.pipeline.persons.person_of(0) is not None


# -- an open case ----------------------------------------------------------------------------------------------------


def test_contacts_of_two_agencies_under_an_open_case_escalate_once_a_review(known: World) -> None:
    case_id = known.open_case(POLICE)
    known.meet("hospital", "h")  # on the day of the review: known to the meeting
    known.sleep(1)
    known.meet("police", "p")
    known.sleep(1)
    known.meet("police", "p")
    known.meet("police", "p")
    known.sleep(1)
    assert kinds(known) == []
    known.meet("hospital", "h")
    (alert,) = known.new_alerts()
    assert (alert.kind, alert.agencies) == (ESCALATION, ("hospital", "police"))
    assert (known.store.case(case_id).escalated, known.store.reviews()) == (True, {})
    known.sleep(1)
    known.meet("police", "p")
    known.meet("hospital", "h")
    assert kinds(known) == []
    known.decide(case_id, "first")
    known.decide(case_id, "first")
    assert (known.store.case(case_id).escalated, known.store.case(case_id).reviewed_day) == (False, known.today)
    for _ in range(2):
        known.sleep(1)
        known.meet("police", "p")
        known.meet("hospital", "h")
    assert kinds(known) == [ESCALATION]


def test_contacts_of_one_agency_alone_or_without_a_case_do_not_escalate(known: World) -> None:
    for _ in range(5):
        known.sleep(1)
        known.meet("police", "p")
        known.meet("hospital", "h")
    known.open_case(POLICE)
    for _ in range(5):
        known.sleep(1)
        known.meet("police", "p")
    assert kinds(known) == []


def test_contacts_count_on_the_day_they_happened_in_whatever_order_they_arrive(known: World) -> None:
    known.open_case(POLICE)
    known.sleep(9)
    known.meet("police", "p", day=known.today)
    known.meet("police", "p", day=known.today - 5)
    known.meet("police", "p", day=TODAY)  # before the case
    known.meet("police", "p", day=known.today - 5)  # said before
    assert kinds(known) == []
    known.pipeline.rebuild()
    known.meet("hospital", "h", day=known.today - 7)
    assert kinds(known) == [ESCALATION]


def test_a_record_sent_again_with_a_later_day_is_a_contact(known: World) -> None:
    known.open_case(POLICE)
    for _ in range(2):
        known.sleep(1)
        known.send("police", Sighting("p", ANNA, day=known.today))
    assert kinds(known) == []
    known.send("hospital", Sighting("h", ANNA, day=known.today))
    assert kinds(known) == [ESCALATION]


def test_a_file_without_days_brings_nobody_back_who_was_last_met_long_ago(known: World) -> None:
    known.meet("police", "p")
    known.meet("hospital", "h")
    known.sleep(LOOK_BACK - 1)
    known.send("hospital", Sighting("h", ANNA, day=known.today))
    assert kinds(known) == []
    known.sleep(1)
    assert kinds(known) == [NO_LONGER]
    for _ in range(3):
        known.sleep(1)
        known.send("police", Sighting("p", ANNA, day=-1))
    assert kinds(known) == []


def test_a_file_that_is_sent_every_night_forgets_no_contact(known: World) -> None:
    known.meet("hospital", "h")
    known.send("hospital", Sighting("h", ANNA, day=TODAY - 10))
    known.sleep(LOOK_BACK - 5)
    assert kinds(known) == []
    known.open_case(POLICE)
    known.meet("police", "p")
    for _ in range(2):
        known.sleep(1)
        known.meet("hospital", "h")
        known.send("hospital", Sighting("h", ANNA, day=TODAY - 10))
        known.send("police", Sighting("p", ANNA, day=-1))
    known.sleep(1)
    known.meet("police", "p")
    assert kinds(known) == [ESCALATION]


def test_an_observed_day_that_was_wrong_can_be_corrected(known: World) -> None:
    known.send("hospital", Sighting("h", ANNA, day=TODAY - LOOK_BACK - 1))
    assert kinds(known) == [NO_LONGER]
    known.meet("hospital", "h", day=TODAY - 50)
    known.send("hospital", Sighting("h", ANNA, day=TODAY))
    known.send("hospital", Sighting("h", ANNA, day=TODAY - LOOK_BACK - 1))
    known.settle()
    assert known.pipeline.registry.day(known.record(HOSPITAL)) == TODAY - 50
    memory = known.memory()
    known.pipeline.rebuild()
    assert known.memory() == memory


def test_contacts_are_forgotten_with_the_look_back_window_and_with_the_record(known: World) -> None:
    for _ in range(3):
        known.sleep(1)
        known.meet("police", "p")
    known.settle()
    record = known.record(POLICE)
    assert known.store.contacts(record) == [TODAY, TODAY + 1, TODAY + 2, TODAY + 3]
    known.sleep(LOOK_BACK - 2)
    known.sleep(1)
    known.settle()
    assert known.store.contacts(record) == [TODAY + 2, TODAY + 3]
    known.remove("police", "p")
    known.settle()
    assert known.store.contacts(record) == []


def test_a_clock_that_ran_ahead_once_loses_no_contact(known: World) -> None:
    known.open_case(POLICE)
    for _ in range(2):
        known.sleep(1)
        known.meet("police", "p")
    known.sleep(4 * LOOK_BACK)
    known.sleep(-4 * LOOK_BACK)
    known.new_alerts()
    known.sleep(1)
    known.meet("hospital", "h")
    assert ESCALATION in kinds(known)


def test_a_record_beyond_the_look_back_window_is_held_and_counts_again_once_met(known: World) -> None:
    frames = [frame.payload for frame in known.store.frames_after(0, 9)]
    known.sleep(1000)
    assert [alert.kind for alert in known.new_alerts()] == [AlertKind.NO_LONGER_IDENTIFIED]
    assert [frame.payload for frame in known.store.frames_after(0, len(frames))] == frames
    known.meet("police", "p")
    known.meet("hospital", "h")
    assert [alert.kind for alert in known.new_alerts()] == [AlertKind.KNOWN_TO_TWO]


def test_a_case_closed_escalates_no_more(known: World) -> None:
    case_id = known.open_case(POLICE)
    known.close_case(case_id)
    for _ in range(4):
        known.sleep(1)
        known.meet("police", "p")
    assert kinds(known) == []
    known.meet("hospital", "h")
    assert kinds(known) == [TWO]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_neither_order_nor_batches_of_contacts_matter(data: st.DataObject) -> None:
    days = st.integers(TODAY - 5, TODAY + 10)
    met = data.draw(st.lists(st.tuples(st.sampled_from([POLICE, HOSPITAL]), days), min_size=1, max_size=8))
    worlds = [World(), World()]
    for world, contacts in zip(worlds, (met, data.draw(st.permutations(met))), strict=True):
        world.send("police", Sighting("p", ANNA, day=TODAY - 3))
        world.send("hospital", Sighting("h", ANNA, day=TODAY - 3))
        world.open_case(POLICE)
        world.sleep(10)
        for (agency, ref), day in contacts:
            world.meet(agency, ref, day=day)
            if data.draw(st.booleans()):
                world.settle()
                world.pipeline.rebuild()
        world.settle()
    one, other = (
        [
            (world.store.contacts(world.record(name)), world.pipeline.registry.day(world.record(name)))
            for name in (POLICE, HOSPITAL)
        ]
        for world in worlds
    )
    assert one == other
    later = {(name, day) for name, day in met if day > TODAY}
    expected = len(later) >= 3 and len({name for name, _ in later}) == 2
    assert [ESCALATION in kinds(world) for world in worlds] == [expected] * 2


# -- first loads and arrival -----------------------------------------------------------------------------------------


def test_alerts_of_a_first_load_are_marked(known: World) -> None:
    known.send("council", Sighting("c", ANNA), Sighting("c2", BORIS), backfill=True)
    known.send("hospital", Sighting("h2", BORIS))
    assert [(alert.kind, alert.backfill) for alert in known.new_alerts()] == [(FURTHER, True), (TWO, False)]


def test_news_of_today_is_not_marked_by_the_first_load_it_is_told_with() -> None:
    world = World(quiet_seconds=60)
    world.send("police", Sighting("p", ANNA, day=TODAY))
    world.send("hospital", Sighting("h", ANNA, day=TODAY))
    assert kinds(world) == [TWO]
    world.send("council", Sighting("c", ANNA))
    assert kinds(world) == []
    world.seconds += 61
    world.send("council", Sighting("c2", BORIS), backfill=True)
    assert [(alert.kind, alert.backfill) for alert in world.new_alerts()] == [(FURTHER, False)]
    world.remove("council", "c")
    assert kinds(world) == [WITHDRAWN, TWO]
    world.today += LOOK_BACK
    world.send("council", Sighting("c3", BORIS), backfill=True)
    assert [(alert.kind, alert.backfill) for alert in world.new_alerts()] == [(NO_LONGER, False)]


def test_a_first_load_marks_what_its_quiet_period_kept_back() -> None:
    world = World(quiet_seconds=60)
    for agency in ("police", "hospital", "council"):
        world.send(agency, Sighting("x", ANNA), backfill=True)
        world.settle()
    world.sleep(seconds=61)
    assert [(alert.kind, alert.backfill) for alert in world.new_alerts()] == [(TWO, True), (FURTHER, True)]


def test_a_frame_raises_one_alert_a_person_whatever_it_brings(known: World) -> None:
    known.send("council", Sighting("c", ANNA), Sighting("c3", ANNA), Sighting("c4", BORIS))
    assert kinds(known) == [FURTHER]


def test_further_agencies_within_a_quiet_period_make_one_alert() -> None:
    world = World(quiet_seconds=60)
    world.send("police", Sighting("p", ANNA))
    world.send("hospital", Sighting("h", ANNA))
    assert kinds(world) == [TWO]
    world.send("council", Sighting("c", ANNA))
    world.sleep(seconds=59)
    world.send("housing", Sighting("o", ANNA))
    assert (kinds(world), world.pipeline.pass_time()) == ([], False)
    before = world.memory()
    world.pipeline.rebuild()
    assert world.memory() == before
    world.sleep(seconds=1)
    (alert,) = world.new_alerts()
    assert (alert.kind, alert.agencies) == (FURTHER, ("council", "hospital", "housing", "police"))
    assert not world.pipeline.pass_time()


def test_what_a_quiet_period_kept_back_comes_with_the_next_frame_and_not_if_it_is_gone() -> None:
    world = World(quiet_seconds=60)
    world.send("police", Sighting("p", ANNA), Sighting("p2", BORIS))
    world.send("hospital", Sighting("h", ANNA), Sighting("h2", BORIS))
    assert kinds(world) == [TWO, TWO]
    world.send("council", Sighting("c", ANNA), Sighting("c2", BORIS))
    world.remove("council", "c2")
    assert kinds(world) == []
    world.settle()
    world.seconds += 60
    world.send("housing", Sighting("o3", CHLOE))
    assert world.news() == [Told(FURTHER, frozenset({POLICE, HOSPITAL, COUNCIL}))]
    world.send("housing", Sighting("o", ANNA))
    case_id = world.open_case(POLICE)
    world.close_case(case_id)
    world.sleep(seconds=60)
    assert (kinds(world), world.pipeline.pass_time()) == ([], False)


def test_an_answer_expires_by_time_alone_and_is_asked_again(known: World) -> None:
    until = (TODAY + 5) * 86400
    known.send("council", Sighting("c", VAGUE_ANNA))
    known.answer(POLICE, COUNCIL, Resolution.SAME_PERSON, until)
    assert (kinds(known), known.queue()) == ([FURTHER], set())
    known.sleep(4)
    assert (kinds(known), known.queue()) == ([], set())
    known.sleep(1)
    assert kinds(known) == [WITHDRAWN, TWO]
    assert known.queue() == {frozenset({POLICE, COUNCIL}), frozenset({HOSPITAL, COUNCIL})}
    before = known.memory()
    known.pipeline.rebuild()
    assert known.memory() == before
    known.answer(POLICE, COUNCIL, Resolution.DIFFERENT_PEOPLE)
    assert known.queue() == {frozenset({HOSPITAL, COUNCIL})}


def test_a_match_judged_wrong_is_not_made_again_by_time_by_records_sent_again_or_by_a_restart(known: World) -> None:
    known.answer(POLICE, HOSPITAL, Resolution.DIFFERENT_PEOPLE, (TODAY + 5) * 86400)
    assert (kinds(known), known.queue()) == ([WITHDRAWN], set())
    known.sleep(5)
    known.send("police", Sighting("p", ANNA, day=known.today))
    known.send("hospital", Sighting("h", ANNA, day=known.today))
    known.pipeline.rebuild()
    assert (kinds(known), known.persons()) == ([], set())
    assert known.queue() == {frozenset({POLICE, HOSPITAL})}
    known.answer(POLICE, HOSPITAL, Resolution.SAME_PERSON)
    assert (kinds(known), known.queue()) == ([TWO], set())
