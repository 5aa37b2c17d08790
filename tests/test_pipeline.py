"""The whole path of a batch, in the words of people and agencies: who is one person, what the coordinator is told, what
a removal and a closure leave behind; and that neither order nor batches nor a restart matter."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.errors import StoreError
from matcher.frame import pack_closure, unpack_closure
from matcher.model import UNKNOWN_DAY, AlertKind, CaseState, MatchOutcome, Resolution
from matcher.naming import Names
from matcher.store.memory import MemoryStore
from matcher.store.sqlite import SqliteStore

from .factory import ANNA, BORIS, CHLOE, TODAY, VAGUE_ANNA, Human, Sighting, alias, tokens
from .store.build import bytes_on_disk
from .world import Told, World

TWO, FURTHER, WITHDRAWN, MERGED = (
    AlertKind.KNOWN_TO_TWO,
    AlertKind.FURTHER_AGENCY,
    AlertKind.WITHDRAWN,
    AlertKind.MERGED,
)
POLICE, HOSPITAL, COUNCIL, HOUSING = ("police", "p"), ("hospital", "h"), ("council", "c"), ("housing", "o")
NUMBERED_ANNA = replace(ANNA, nhs_number="9434765919")
OTHER_ANNA = replace(ANNA, nhs_number="4010232137")


def told(kind: AlertKind, *members: tuple[str, str]) -> Told:
    """An alert of a kind about records."""
    return Told(kind, frozenset(members))


@pytest.fixture
def world() -> World:
    """An empty world in memory."""
    return World()


@pytest.fixture
def known() -> World:
    """A world in which Anna is known to the police and the hospital, and the coordinator was told."""
    world = World()
    world.send("police", Sighting("p", ANNA))
    world.send("hospital", Sighting("h", ANNA))
    assert world.news() == [told(TWO, POLICE, HOSPITAL)]
    return world


# -- what the coordinator is told ------------------------------------------------------------------------------------


def test_a_person_known_to_two_agencies_is_told_of_once(world: World) -> None:
    world.send("police", Sighting("p", ANNA), Sighting("p2", BORIS))
    assert world.news() == []
    world.send("hospital", Sighting("h", ANNA), Sighting("h2", CHLOE))
    (alert,) = world.new_alerts()
    assert (alert.sequence, alert.kind, alert.agencies) == (1, TWO, ("hospital", "police"))
    (members,) = world.pipeline.disclosures([alert])
    assert [(member.agency, member.sector, member.alias) for member in members] == [
        ("police", "police", alias("police", "p")),
        ("hospital", "health", alias("hospital", "h")),
    ]
    assert (alert.health_present, alert.police_present, alert.raised_at) == (True, True, TODAY * 86400)
    world.send("police", Sighting("p3", ANNA))
    assert world.news() == []
    assert world.told() == {frozenset({POLICE, HOSPITAL, ("police", "p3")}): frozenset({"police", "hospital"})}


def test_two_records_of_one_agency_are_not_two_agencies(world: World) -> None:
    world.send("police", Sighting("p", ANNA), Sighting("p2", ANNA))
    assert (world.news(), world.persons()) == ([], set())


def test_a_further_agency_is_told_of(known: World) -> None:
    known.send("council", Sighting("c", ANNA))
    assert known.news() == [told(FURTHER, POLICE, HOSPITAL, COUNCIL)]


def test_sending_a_record_again_changes_nothing(known: World) -> None:
    person = known.person(POLICE)
    known.send("police", Sighting("p", ANNA))
    assert (known.news(), known.person(POLICE)) == ([], person)


def test_a_changed_record_is_matched_anew(known: World) -> None:
    known.send("hospital", Sighting("h", BORIS))
    assert known.news() == [told(WITHDRAWN)]
    known.send("council", Sighting("c", BORIS))
    assert known.news() == [told(TWO, HOSPITAL, COUNCIL)]
    assert known.persons() == {frozenset({HOSPITAL, COUNCIL})}


def test_a_variant_of_a_record_finds_its_person(world: World) -> None:
    world.send("police", Sighting("p", BORIS, variants=(ANNA,)))
    world.send("hospital", Sighting("h", ANNA))
    assert world.news() == [told(TWO, POLICE, HOSPITAL)]


def test_look_back_ends_and_a_contact_renews_it(world: World) -> None:
    world.send("police", Sighting("p", ANNA, day=TODAY - 100))
    world.send("hospital", Sighting("h", ANNA))
    assert (world.news(), len(world.persons())) == ([], 1)
    world.meet("police", "p", day=TODAY - 101)
    assert world.news() == []
    world.meet("police", "p", day=TODAY - 99)
    assert world.news() == [told(TWO, POLICE, HOSPITAL)]
    world.meet("police", "p", "never sent")
    assert world.news() == []


def test_an_unknown_day_counts_as_active(world: World) -> None:
    world.send("police", Sighting("p", ANNA, day=UNKNOWN_DAY))
    world.send("hospital", Sighting("h", ANNA, day=UNKNOWN_DAY))
    assert world.news() == [told(TWO, POLICE, HOSPITAL)]


def test_a_restricted_record_never_alerts(known: World) -> None:
    known.send("council", Sighting("c", ANNA, restricted=True))
    assert known.news() == [told(WITHDRAWN)]
    known.send("housing", Sighting("o", ANNA))
    assert known.news() == []
    known.remove("council", "c")
    assert known.news() == [told(TWO, POLICE, HOSPITAL, HOUSING)]


# -- who is one person -----------------------------------------------------------------------------------------------


def test_different_identifiers_forbid_a_person(world: World) -> None:
    world.send("police", Sighting("p", NUMBERED_ANNA))
    world.send("hospital", Sighting("h", OTHER_ANNA))
    assert (world.news(), world.persons(), world.queue()) == ([], set(), set())


def test_a_record_between_two_vetoed_ones_goes_to_a_reviewer(world: World) -> None:
    world.send("police", Sighting("p", NUMBERED_ANNA))
    world.send("hospital", Sighting("h", OTHER_ANNA))
    world.send("council", Sighting("c", ANNA))
    assert (world.news(), world.persons()) == ([], set())
    assert world.queue() == {frozenset({POLICE, COUNCIL}), frozenset({HOSPITAL, COUNCIL})}
    world.answer(POLICE, COUNCIL, Resolution.SAME_PERSON)
    assert world.news() == [told(TWO, POLICE, COUNCIL)]


def test_a_possible_match_awaits_a_reviewer(world: World) -> None:
    pair = frozenset({POLICE, HOSPITAL})
    world.send("police", Sighting("p", ANNA))
    world.send("hospital", Sighting("h", VAGUE_ANNA))
    assert (world.news(), world.queue()) == ([], {pair})
    world.answer(POLICE, HOSPITAL, Resolution.SAME_PERSON)
    assert (world.news(), world.queue(), world.persons()) == ([told(TWO, *pair)], set(), {pair})
    world.answer(POLICE, HOSPITAL, Resolution.DIFFERENT_PEOPLE)
    assert (world.news(), world.queue(), world.persons()) == ([told(WITHDRAWN)], set(), set())


def test_a_reviewer_can_part_a_match(known: World) -> None:
    known.answer(POLICE, HOSPITAL, Resolution.DIFFERENT_PEOPLE)
    assert (known.news(), known.persons()) == ([told(WITHDRAWN)], set())
    known.send("police", Sighting("p", ANNA))
    assert (known.news(), known.persons()) == ([], set())


def test_an_answer_about_a_record_gone_since_has_no_effect(known: World) -> None:
    record = known.record(HOSPITAL)
    known.remove("hospital", "h")
    known.settle()
    known.record = lambda name: record if name == HOSPITAL else World.record(known, name)  # type: ignore[method-assign]
    known.answer(POLICE, HOSPITAL, Resolution.SAME_PERSON)
    known.settle()
    assert (known.store.answers(), known.persons()) == ([], set())


def test_two_persons_told_of_become_one_under_the_oldest_id(world: World) -> None:
    world.send("police", Sighting("p", ANNA))
    world.send("hospital", Sighting("h", ANNA))
    world.send("council", Sighting("c", VAGUE_ANNA))
    world.send("housing", Sighting("o", VAGUE_ANNA))
    world.answer(COUNCIL, HOUSING, Resolution.SAME_PERSON)
    world.settle()
    first, second = world.person_id(POLICE), world.person_id(COUNCIL)
    assert first != second
    world.new_alerts()
    world.answer(HOSPITAL, COUNCIL, Resolution.SAME_PERSON)
    further, merged = world.new_alerts()
    assert (further.kind, further.person_id) == (FURTHER, first)
    assert (merged.kind, merged.person_id, merged.surviving_person_id, merged.members) == (MERGED, second, first, ())
    assert {world.person_id(name) for name in (POLICE, HOSPITAL, COUNCIL, HOUSING)} == {first}
    world.answer(HOSPITAL, COUNCIL, Resolution.DIFFERENT_PEOPLE)
    assert [(alert.kind, alert.person_id) for alert in world.new_alerts()] == [
        (WITHDRAWN, first),
        (TWO, first),
        (TWO, second),
    ]


def test_without_its_oldest_record_a_person_goes_on_under_another_id(known: World) -> None:
    known.send("council", Sighting("c", ANNA))
    before = known.person_id(POLICE)
    known.new_alerts()
    known.remove("police", "p")
    again, merged = known.new_alerts()
    after = known.person_id(HOSPITAL)
    assert (again.kind, again.person_id, again.agencies) == (TWO, after, ("council", "hospital"))
    assert (merged.kind, merged.person_id, merged.surviving_person_id) == (MERGED, before, after)


# -- removal ---------------------------------------------------------------------------------------------------------


def test_removing_a_record_withdraws_and_erases_it(known: World) -> None:
    batch = tokens("hospital", Sighting("h", ANNA))
    record, rows = known.record(HOSPITAL), known.pipeline.registry.rows(known.record(HOSPITAL))
    known.remove("hospital", "h", "never sent")
    assert known.news() == [told(WITHDRAWN)]
    index = known.pipeline.index.rows
    assert not index.encodings[rows.start : rows.stop].any()
    assert (index.records[rows.start : rows.stop] == -1).all()
    assert known.pipeline.registry.agency(record) == -1
    stored = b"".join(frame.payload for frame in known.store.frames_after(0, 99))
    assert alias("hospital", "h") not in stored
    assert [frame.payload == b"" for frame in known.store.frames_after(0, 99)] == [False, True, True]
    assert batch.block_tokens[0, 0].tobytes() in stored  # the police's record stands in the same block
    assert [member.agency for alert in known.store.alerts_after(0, 9) for member in alert.members] == ["police"]
    known.send("hospital", Sighting("h", ANNA))
    assert known.record(HOSPITAL) != record
    assert known.news() == [told(TWO, POLICE, HOSPITAL)]


def test_no_byte_of_a_removed_record_is_left_on_disk(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "matcher.db")
    world = World(store)
    # Anna's tokens stand at the hospital too, rightly; Boris's at the police alone
    world.send("police", Sighting("p", ANNA), Sighting("p2", BORIS), Sighting("p3", CHLOE))
    world.send("hospital", Sighting("h", ANNA), Sighting("h2", CHLOE))
    world.settle()
    frame, layout = world.store.frames_after(0, 1)[0], world.pipeline._intake.frames._held[1].layout

    def pieces(record: int, columns: tuple[str, ...]) -> list[bytes]:
        return [frame.payload[layout.span(column, record)][:16] for column in columns]

    erased = [*pieces(0, ("aliases", "sealed")), *pieces(1, ("aliases", "sealed", "block_tokens", "encodings"))]
    kept = pieces(2, ("aliases", "sealed", "block_tokens", "encodings"))
    disk = bytes_on_disk(tmp_path / "matcher.db")
    assert all(piece in disk for piece in erased + kept)
    world.remove("police", "p", "p2")
    world.settle()
    disk = bytes_on_disk(tmp_path / "matcher.db")
    assert [piece in disk for piece in erased] == [False] * len(erased)
    assert all(piece in disk for piece in kept)
    store.close()


def test_a_reviewer_s_answer_about_a_removed_record_holds_no_person_together(world: World) -> None:
    world.send("police", Sighting("p", ANNA))
    world.send("hospital", Sighting("h", VAGUE_ANNA))
    world.answer(POLICE, HOSPITAL, Resolution.SAME_PERSON)
    assert world.news() == [told(TWO, POLICE, HOSPITAL)]
    world.remove("police", "p")
    assert (world.news(), world.persons()) == ([told(WITHDRAWN)], set())


# -- closure ---------------------------------------------------------------------------------------------------------


def closed(world: World) -> bytes:
    """Close the case of the police's person; the case."""
    case_id = world.open_case(POLICE)
    world.close_case(case_id)
    world.settle()
    return case_id


def test_closing_a_case_asks_for_removal_and_purges_the_alerts(known: World) -> None:
    known.send("council", Sighting("c2", BORIS))
    known.send("housing", Sighting("o2", BORIS))
    assert known.news() == [told(TWO, ("council", "c2"), ("housing", "o2"))]
    case_id = known.open_case(POLICE)
    known.close_case(case_id)
    assert known.store.case(case_id).state is CaseState.CLOSING
    assert known.news() == []
    case = known.store.case(case_id)
    assert (case.state, case.person_id, case.awaiting_removal) == (CaseState.CLOSING, b"", ("hospital", "police"))
    (notice,) = known.store.notices_after("police", 0, 9)
    assert (notice.alias, notice.closed_at) == (alias("police", "p"), TODAY * 86400)
    assert [alert.sequence for alert in known.store.alerts_after(0, 9)] == [2]
    assert known.told() == {frozenset({("council", "c2"), ("housing", "o2")}): frozenset({"council", "housing"})}
    assert known.persons() >= {frozenset({POLICE, HOSPITAL})}
    assert not known.pipeline.is_told(known.person_id(POLICE))


def test_after_a_closure_only_later_days_count(known: World) -> None:
    closed(known)
    known.meet("police", "p")
    known.send("hospital", Sighting("h", ANNA))
    assert known.news() == []
    known.today += 1
    known.meet("police", "p")
    assert known.news() == []
    known.meet("hospital", "h")
    (again,) = known.new_alerts()
    assert (again.kind, again.sequence, again.agencies) == (TWO, 2, ("hospital", "police"))
    known.today += 5
    case_id = closed(known)
    assert known.store.case(case_id).awaiting_removal == ("hospital", "police")
    known.meet("police", "p", day=known.today)
    known.meet("hospital", "h", day=known.today)
    assert (known.news(), known.store.last_sequence) == ([], 2)


def test_after_a_closure_a_record_without_a_day_counts_once_it_is_sent_again(world: World) -> None:
    world.send("police", Sighting("p", ANNA, day=UNKNOWN_DAY))
    world.send("hospital", Sighting("h", ANNA, day=UNKNOWN_DAY))
    world.news()
    closed(world)
    world.send("police", Sighting("p", ANNA, day=UNKNOWN_DAY))
    assert world.news() == []
    world.send("hospital", Sighting("h", ANNA, day=UNKNOWN_DAY))
    assert world.news() == [told(TWO, POLICE, HOSPITAL)]


def test_after_a_closure_new_records_count_and_old_ones_do_not(known: World) -> None:
    closed(known)
    known.send("council", Sighting("c", ANNA))
    assert known.news() == []
    known.send("housing", Sighting("o", ANNA))
    assert known.news() == [told(TWO, COUNCIL, HOUSING)]


def test_a_record_removed_and_sent_again_is_a_new_one(known: World) -> None:
    closed(known)
    known.remove("police", "p")
    known.remove("hospital", "h")
    known.settle()
    assert known.store.closed_records() == []
    known.send("police", Sighting("p", ANNA))
    known.send("hospital", Sighting("h", ANNA))
    assert known.news() == [told(TWO, POLICE, HOSPITAL)]


def test_the_case_of_a_person_whose_records_are_gone_closes_at_once(known: World) -> None:
    case_id = known.open_case(POLICE)
    known.remove("police", "p")
    known.remove("hospital", "h")
    known.close_case(case_id)
    known.settle()
    assert (known.store.case(case_id).state, known.store.removals_unconfirmed) == (CaseState.CLOSED, 0)
    assert known.store.alerts_after(0, 9) == []


def test_a_case_follows_a_merge(known: World) -> None:
    known.send("council", Sighting("c", ANNA))
    case_id = known.open_case(POLICE)
    known.remove("police", "p")
    known.close_case(case_id)
    known.settle()
    assert known.store.case(case_id).awaiting_removal == ("council", "hospital")
    assert (known.told(), known.store.alerts_after(0, 9), known.store.last_sequence) == ({}, [], 4)


def test_the_case_of_a_person_that_came_apart_asks_the_agency_of_its_oldest_record(known: World) -> None:
    case_id = known.open_case(POLICE)
    known.answer(POLICE, HOSPITAL, Resolution.DIFFERENT_PEOPLE)
    known.close_case(case_id)
    known.settle()
    assert known.store.case(case_id).awaiting_removal == ("police",)


def test_the_case_of_a_person_withdrawn_and_then_another_s_closes_without_harming_that(world: World) -> None:
    world.send("council", Sighting("c", VAGUE_ANNA))
    world.send("police", Sighting("p", ANNA))
    world.send("hospital", Sighting("h", ANNA))
    case_id = world.open_case(POLICE)
    world.remove("hospital", "h")
    world.send("housing", Sighting("o", VAGUE_ANNA))
    world.answer(COUNCIL, HOUSING, Resolution.SAME_PERSON)
    world.answer(COUNCIL, POLICE, Resolution.SAME_PERSON)
    world.close_case(case_id)
    assert world.told() == {frozenset({COUNCIL, POLICE, HOUSING}): frozenset({"council", "police", "housing"})}
    assert world.store.case(case_id).state is CaseState.CLOSED


def test_a_closure_payload_that_is_damaged_is_noticed() -> None:
    payload = pack_closure(bytes(range(16)))
    assert unpack_closure(payload) == bytes(range(16))
    for damaged in (payload[:-1], payload + b"x", b"", payload[:4] + b"\x04" + payload[5:]):
        with pytest.raises(StoreError, match="damaged"):
            unpack_closure(damaged)


def test_names_lead_back_to_records_of_their_own_database_only() -> None:
    names, others = Names(bytes(16)), Names(bytes(15) + b"x")
    made = [names.person(record) for record in (0, 1, 2**40)]
    assert [names.oldest_record(name) for name in made] == [0, 1, 2**40]
    assert [others.oldest_record(name) for name in made] == [-1] * 3
    assert (names.oldest_record(b""), names.oldest_record(bytes(32))) == (-1, -1)
    assert len({*made, names.notice(1, 1), names.notice(1, 2), names.notice(2, 1)}) == 6


# -- nothing but the store matters -----------------------------------------------------------------------------------


def eventful(world: World) -> Iterator[None]:
    """A bit of everything, in steps."""
    world.send("police", Sighting("p", ANNA), Sighting("p2", BORIS), Sighting("p3", CHLOE))
    yield
    world.send("hospital", Sighting("h", ANNA), Sighting("h2", BORIS), Sighting("h3", CHLOE, restricted=True))
    yield
    world.send("council", Sighting("c", VAGUE_ANNA), Sighting("c2", BORIS, day=UNKNOWN_DAY))
    world.answer(POLICE, COUNCIL, Resolution.SAME_PERSON)
    yield
    world.meet("police", "p2", day=TODAY + 1)
    world.send("hospital", Sighting("h2", CHLOE), Sighting("h4", BORIS))
    yield
    closed_case = world.open_case(("police", "p2"))
    world.open_case(POLICE)
    world.close_case(closed_case)
    yield
    world.sleep(2)
    world.meet("police", "p", "p2")
    world.meet("hospital", "h")
    world.sleep(1)
    world.meet("police", "p")
    world.remove("hospital", "h")
    yield
    world.meet("hospital", "h4")
    world.send("council", Sighting("c2", BORIS, day=UNKNOWN_DAY))
    yield
    world.remove("police", "p")


@pytest.fixture(params=["memory", "sqlite"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """An empty world over each store."""
    store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "matcher.db")
    yield World(store)
    store.close()


def test_memory_rebuilt_from_the_store_is_what_it_was(either: World) -> None:
    for _ in eventful(either):
        before = either.memory()
        either.pipeline.rebuild()
        assert either.memory() == before
    assert either.news() != []
    assert [alert.sequence for alert in either.store.alerts_after(0, 99)] != []


def test_both_stores_tell_the_same(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "matcher.db")
    worlds = [World(), World(store)]
    for _ in zip(*map(eventful, worlds), strict=True):
        assert worlds[0].news() == worlds[1].news()
        assert worlds[0].persons() == worlds[1].persons()
        assert worlds[0].told() == worlds[1].told()
    store.close()


class Failing(MemoryStore):
    """Fails to commit what matching did, when told to."""

    fails = False

    def commit_matching(self, outcome: MatchOutcome) -> None:
        if self.fails:
            raise StoreError("the disk failed")
        super().commit_matching(outcome)


def test_a_commit_that_failed_is_made_good_after_a_rebuild() -> None:
    store = Failing()
    world, undisturbed = World(store), World()
    for _ in zip(eventful(world), eventful(undisturbed), strict=True):
        while store.matched_through < store.committed_through:
            store.fails = True
            with pytest.raises(StoreError):
                world.pipeline.match_next()
            store.fails = False
            world.pipeline.rebuild()
            world.pipeline.match_next()
        assert world.news() == undisturbed.news()
        assert world.persons() == undisturbed.persons()
    assert world.told() == undisturbed.told()


_HUMANS: list[Human] = [ANNA, NUMBERED_ANNA, OTHER_ANNA, VAGUE_ANNA, BORIS, replace(BORIS, postcode="M139PN"), CHLOE]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_whatever_happens_a_restart_changes_nothing(data: st.DataObject) -> None:
    world = World(quiet_seconds=data.draw(st.sampled_from([0, 60])))
    names: set[tuple[str, str]] = set()
    cases: list[bytes] = []
    for _ in range(data.draw(st.integers(3, 20))):
        event = data.draw(
            st.sampled_from(
                ["send", "send", "send", "meet", "meet", "remove", "answer", "open", "decide", "close", "sleep"]
            )
        )
        agency = data.draw(st.sampled_from(["police", "hospital", "council"]))
        name = (agency, data.draw(st.sampled_from("xyz")))
        if event == "send":
            human, dayless = data.draw(st.sampled_from(_HUMANS)), data.draw(st.booleans())
            world.send(agency, Sighting(name[1], human, day=UNKNOWN_DAY if dayless else world.today))
            names.add(name)
        elif event == "meet":
            world.meet(*name, day=world.today - data.draw(st.sampled_from([0, 0, 1, 30])))
        elif event == "remove":
            world.remove(*name)
            names.discard(name)
        elif event == "answer" and len(names) > 1:
            a, b = data.draw(st.permutations(sorted(names)))[:2]
            expires_at = data.draw(st.sampled_from([0, (world.today + 1) * 86400, (world.today + 50) * 86400]))
            world.answer(a, b, data.draw(st.sampled_from(Resolution)), expires_at)
        elif event == "open" and world.told():
            world.settle()
            person_id = data.draw(st.sampled_from(world.told_ids()))
            cases.append(world.store.open_case(bytes([len(cases)]) * 16, person_id, 1))
        elif event == "decide" and cases:
            case_id = data.draw(st.sampled_from(cases))
            if not world.store.case(case_id).closed_at:
                world.decide(case_id, str(world.today))
        elif event == "close" and cases:
            world.close_case(data.draw(st.sampled_from(cases)))
        elif event == "sleep":
            world.sleep(data.draw(st.sampled_from([0, 1, 60, -40])), data.draw(st.sampled_from([0, 70])))
        if data.draw(st.booleans()):
            before = world.memory()
            world.pipeline.rebuild()
            assert world.memory() == before
    before = world.memory()
    world.pipeline.rebuild()
    assert world.memory() == before
    sequences = [alert.sequence for alert in world.store.alerts_after(0, 999)]
    assert sequences == sorted(sequences)
    assert max([0, *sequences]) <= world.store.last_sequence
    for case_id in cases:
        case = world.store.case(case_id)
        assert (case.person_id == b"") == bool(case.closed_at)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["police", "hospital", "council"]), st.sampled_from("uvwxyz"), st.sampled_from(_HUMANS)
        ),
        min_size=2,
        max_size=12,
    ),
    st.sampled_from([1, 3000]),
)
def test_records_that_enter_ahead_change_nothing(sent: list[tuple[str, str, Human]], together: int) -> None:
    """One world gets and matches frame by frame; the other has all frames waiting, so that one enters memory while the
    one before is matched."""

    def known(world: World) -> dict[str, object]:
        """Memory, but for what is drawn at random and for how many alerts said it."""
        memory = world.memory()
        del memory["sequence"]
        frames = world.pipeline._intake.frames._held
        return memory | {"frames": {frame_id: frame.numbers.tolist() for frame_id, frame in frames.items()}}

    one_by_one, waiting = World(), World()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matcher.pipeline._GROUP_BYTES", together)
        for agency, ref, human in sent:
            one_by_one.send(agency, Sighting(ref, human))
            one_by_one.settle()
            waiting.send(agency, Sighting(ref, human))
        assert known(waiting) == known(one_by_one)
        if together == 1:
            assert waiting.news() == one_by_one.news()
        waiting.pipeline.rebuild()
        assert known(waiting) == known(one_by_one)


def test_what_enters_ahead_is_what_waits_and_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matcher.pipeline._GROUP_BYTES", 1)
    world = World()
    for sighting in (Sighting("a", ANNA), Sighting("b", BORIS), Sighting("a", BORIS), Sighting("c", CHLOE)):
        world.send("police", sighting)
    entered = []
    while world.pipeline.match_next():
        entered.append(world.pipeline._entered is not None)
    # the second sight of "a" erases the first, which must wait until nothing is being matched
    assert entered == [True, False, True, False]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_neither_order_nor_batches_matter(data: st.DataObject) -> None:
    agencies = st.sampled_from(["police", "hospital", "council", "housing"])
    drawn = data.draw(
        st.lists(st.tuples(agencies, st.sampled_from(_HUMANS), st.booleans(), st.booleans()), min_size=2, max_size=9)
    )
    records = [
        (agency, Sighting(f"r{n}", human, day=UNKNOWN_DAY if dayless else TODAY, restricted=restricted and n % 4 == 0))
        for n, (agency, human, dayless, restricted) in enumerate(drawn)
    ]
    worlds = [World(), World()]
    for agency, sighting in records:
        worlds[0].send(agency, sighting)
    shuffled = data.draw(st.permutations(records))
    while shuffled:
        agency = shuffled[0][0]
        size = data.draw(st.integers(1, 4))
        chosen = [each for each in shuffled if each[0] == agency][:size]
        worlds[1].send(agency, *(sighting for _, sighting in chosen))
        shuffled = [each for each in shuffled if each not in chosen]
    assert worlds[0].persons() == worlds[1].persons()
    assert worlds[0].queue() == worlds[1].queue()
    assert worlds[0].told() == worlds[1].told()
    gone = data.draw(st.sampled_from(records))
    for world in worlds:
        world.remove(gone[0], gone[1].ref)
    alone = World()
    for agency, sighting in records:
        if (agency, sighting.ref) != (gone[0], gone[1].ref):
            alone.send(agency, sighting)
    assert worlds[0].persons() == worlds[1].persons() == alone.persons()
    assert worlds[0].told() == worlds[1].told() == alone.told()
