"""Two epochs at a time: nothing is compared across them, and nobody falls apart while agencies send again."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from matcher.frame import pack_records, pack_retirement, unpack_retirement
from matcher.model import AlertKind, FrameKind, Resolution
from matcher.store.backup import back_up
from matcher.store.memory import MemoryStore
from matcher.store.sqlite import SqliteStore

from .factory import AGENCIES, ANNA, BORIS, EPOCH, NEXT_EPOCH, VAGUE_ANNA, Sighting, alias, tokens
from .store.build import bytes_on_disk
from .world import World

POLICE, HOSPITAL, COUNCIL = ("police", "p"), ("hospital", "h"), ("council", "c")
NUMBERED, OTHER = replace(ANNA, nhs_number="9434765919"), replace(ANNA, nhs_number="4010232137")


@pytest.fixture(params=["memory", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A world over each store."""
    store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "matcher.db")
    yield World(store)
    store.close()


def known(world: World) -> None:
    """Anna is known to the police, the hospital and the council, and the coordinator was told; then the key changes."""
    for agency, ref in (POLICE, HOSPITAL, COUNCIL):
        world.send(agency, Sighting(ref, ANNA))
    assert world.new_alerts()
    world.epoch = NEXT_EPOCH


def is_restored(world: World) -> bool:
    """Whether memory made anew from the store is what it was."""
    before = world.memory()
    world.pipeline.rebuild()
    return world.memory() == before


def test_persons_and_alerts_stay_as_they_are_while_agencies_send_again(world: World) -> None:
    known(world)
    persons, told = world.persons(), world.told()
    for agency, ref in (HOSPITAL, POLICE, COUNCIL, POLICE):
        world.send(agency, Sighting(ref, ANNA))
        assert (world.persons(), world.told(), world.new_alerts()) == (persons, told, [])
        assert is_restored(world)
    links = world.store.links()
    assert (links.weight > 0).all()
    assert len(links) == 3


def test_a_block_token_equal_under_two_epochs_makes_nobody_meet(world: World) -> None:
    world.send("police", Sighting("p", ANNA))
    planted = pack_records(tokens("hospital", Sighting("h", ANNA), epoch=EPOCH))
    world.store.append("hospital", "f", 0, 1, NEXT_EPOCH, planted, world._now())
    assert (world.persons(), len(world.store.links())) == (set(), 0)
    assert world.pipeline.scorer.compared == 0
    assert world.pipeline.compare(world.record(POLICE), world.record(HOSPITAL)) is None
    world.store.append("police", "f", 1, 1, NEXT_EPOCH, pack_records(tokens("police", Sighting("p", ANNA))), 0)
    assert world.person(POLICE) == world.person(HOSPITAL) is not None


def test_records_new_under_the_next_key_meet_the_others_once_these_are_sent_again(world: World) -> None:
    world.send("police", Sighting("p", ANNA))
    world.epoch = NEXT_EPOCH
    world.send("hospital", Sighting("h", ANNA))
    assert world.news() == []
    world.send("police", Sighting("p", ANNA))
    assert [told.kind for told in world.news()] == [AlertKind.KNOWN_TO_TWO]


def test_whom_identifiers_rule_out_stay_apart_and_a_contested_link_stays_contested(world: World) -> None:
    world.send("police", Sighting("p", NUMBERED))
    world.send("hospital", Sighting("h", ANNA))
    world.send("council", Sighting("c", OTHER))
    persons, queue = world.persons(), world.queue()
    assert (persons, len(queue)) == (set(), 2)
    world.epoch = NEXT_EPOCH
    world.new_alerts()
    for (agency, ref), human in ((POLICE, NUMBERED), (COUNCIL, OTHER), (HOSPITAL, ANNA)):
        world.send(agency, Sighting(ref, human))
        assert (world.persons(), world.queue(), world.new_alerts()) == (persons, queue, [])
        assert is_restored(world)


@pytest.mark.parametrize("human", [ANNA, OTHER])
def test_two_records_of_one_agency_stay_as_they_were(world: World, human: object) -> None:
    first = Sighting("p", NUMBERED)
    world.send("police", first, Sighting("q", human))
    world.send("hospital", Sighting("h", ANNA))
    persons, queue = world.persons(), world.queue()
    world.new_alerts()
    world.epoch = NEXT_EPOCH
    for sent in (
        ("hospital", Sighting("h", ANNA)),
        ("police", Sighting("q", human)),
        ("police", Sighting("p", NUMBERED)),
    ):
        world.send(*sent)
        assert (world.persons(), world.queue(), world.new_alerts()) == (persons, queue, [])
        assert is_restored(world)


def test_a_possible_match_and_its_answer_stay(world: World) -> None:
    world.send("police", Sighting("p", ANNA))
    world.send("hospital", Sighting("h", VAGUE_ANNA))
    world.epoch = NEXT_EPOCH
    world.send("hospital", Sighting("h", VAGUE_ANNA))
    assert world.queue() == {frozenset({POLICE, HOSPITAL})}
    world.answer(POLICE, HOSPITAL, Resolution.SAME_PERSON)
    assert (world.queue(), len(world.persons()), len(world.new_alerts())) == (set(), 1, 1)
    world.send("police", Sighting("p", ANNA))
    assert (len(world.persons()), world.new_alerts()) == (1, [])


def test_what_differs_under_the_next_key_counts_once_both_are_of_it(world: World) -> None:
    known(world)
    world.remove("council", "c")
    assert [told.kind for told in world.news()] == [AlertKind.WITHDRAWN, AlertKind.KNOWN_TO_TWO]
    world.send("police", Sighting("p", BORIS))
    assert world.news() == []  # what it was found to be cannot be looked at again yet
    world.send("hospital", Sighting("h", ANNA))
    assert (world.persons(), [told.kind for told in world.news()]) == (set(), [AlertKind.WITHDRAWN])


def test_records_sent_again_twice_in_one_group_keep_what_was_carried(world: World) -> None:
    known(world)
    world.send("police", Sighting("p", ANNA))
    world.send("police", Sighting("p", ANNA))
    world.send("hospital", Sighting("h", ANNA))
    assert (len(world.persons()), world.new_alerts()) == (1, [])
    assert len(world.pipeline.persons._graph.links()) == 3
    assert is_restored(world)


def test_frames_of_two_epochs_are_not_matched_together(world: World) -> None:
    world.send("police", Sighting("p", ANNA))
    world.send("hospital", Sighting("h", ANNA))
    world.epoch = NEXT_EPOCH
    world.send("police", Sighting("p", ANNA))
    world.send("hospital", Sighting("h", ANNA))
    assert [told.kind for told in world.news()] == [AlertKind.KNOWN_TO_TWO]


# -- the end of an epoch ---------------------------------------------------------------------------------------------


def test_what_is_left_of_an_epoch_is_removed_when_it_retires(world: World) -> None:
    known(world)
    world.send("police", Sighting("p", ANNA))
    world.settle()
    assert set(world.store.epochs()) == {EPOCH, NEXT_EPOCH}
    world.retire(EPOCH)
    assert [told.kind for told in world.news()] == [AlertKind.WITHDRAWN]
    assert (world.record(HOSPITAL), world.record(COUNCIL), set(world.store.epochs())) == (-1, -1, {NEXT_EPOCH})
    assert len(world.store.links()) == 0
    assert is_restored(world)


def test_a_part_at_a_time_can_be_retired(world: World) -> None:
    known(world)
    world.retire(EPOCH, 1)
    world.settle()
    assert (world.record(POLICE), world.persons()) == (-1, {frozenset({HOSPITAL, COUNCIL})})
    world.retire(EPOCH, 2)
    world.settle()
    assert (world.persons(), world.store.epochs()) == (set(), {})
    assert (world.store.frames_after(0, 1)[0].payload, is_restored(world)) == (b"", True)


def test_frames_of_an_agency_that_left_go_too(world: World) -> None:
    known(world)
    remaining = World(world.store, agencies=AGENCIES[:2])
    remaining.retire(EPOCH)
    remaining.settle()
    assert remaining.store.epochs() == {}
    assert all(frame.payload == b"" for frame in remaining.store.frames_after(0, 9))


def test_no_byte_of_a_retired_epoch_stays_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "matcher.db"
    world = World(SqliteStore(path))
    known(world)
    world.send("police", Sighting("p", ANNA))
    world.settle()
    old = tokens("hospital", Sighting("h", ANNA))  # the same each time but for its seal
    pieces = [*(token.tobytes() for token in old.block_tokens[0] if token.any()), alias("hospital", "h")]
    frames = [frame.payload for frame in world.store.frames_after(0, 9) if frame.epoch == EPOCH and frame.payload]
    pieces += [frame[-8:] for frame in frames]  # of their seals
    assert (len(frames), all(piece in bytes_on_disk(path) for piece in pieces)) == (2, True)
    world.retire(EPOCH)
    world.settle()
    back_up(path, tmp_path / "saved", None)
    world.store.close()
    for each in (bytes_on_disk(path), (tmp_path / "saved").read_bytes()):
        assert [piece for piece in pieces if piece in each] == []


def test_a_retirement_is_read_as_it_was_written() -> None:
    payload = pack_retirement(65535, 4096)
    assert unpack_retirement(payload) == (65535, 4096)
    assert FrameKind(payload[4]) is FrameKind.RETIREMENT
