import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.clustering import persons as module
from matcher.clustering.graph import LinkGraph
from matcher.clustering.persons import Change, Persons, Rules
from matcher.clustering.resolve import pair_of
from matcher.model import Answer, Links, Resolution

MATCH = 5.0
RECORDS = 7


def links(*found: tuple[int, int, float]) -> Links:
    left, right, weight = zip(*found, strict=True) if found else ((), (), ())
    return Links(np.array(left, np.int64), np.array(right, np.int64), np.array(weight, np.float32))


def persons(vetoes=frozenset(), apart=frozenset()) -> Persons:
    def judge(left, right):
        pairs = [pair_of(*pair) for pair in zip(left.tolist(), right.tolist(), strict=True)]
        return tuple(np.array([pair in known for pair in pairs], bool) for known in (vetoes, apart))

    return Persons(Rules(judge, lambda records: records, 3.0), MATCH)


def told(held: Persons, change: Change) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Records of the persons that were and of those that are."""
    return [p.records for p in change.before], [p.records for p in held.people(change.after)]


def state(held: Persons) -> tuple:
    return [held.person_of(record) for record in range(RECORDS)], held.possible_matches()


def answer(left, right, resolution, expires_at=0) -> Answer:
    return Answer(left, right, resolution, "reviewer", expires_at)


def test_a_component_allocates_nothing_for_all_the_others():  # what is allocated is overwritten, twice
    graph, left = LinkGraph(), np.arange(0, 200_000, 2)
    graph.reserve(200_000)
    graph.add(Links(left, left + 1, np.full(len(left), 9.0, np.float32)))
    graph.components(np.array([7]), MATCH)  # compiled
    tracemalloc.start()
    try:
        members, offsets = graph.components(np.array([7]), MATCH)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (members.tolist(), offsets.tolist()) == ([6, 7], [0, 2])
    assert most < 10_000


def test_change_tells_what_was_and_what_is():
    held = persons()
    assert told(held, held.update(0, links=links((1, 2, 9.0)))) == ([], [(1, 2)])
    assert told(held, held.update(0, links=links((0, 2, 9.0), (4, 5, 9.0)))) == ([(1, 2)], [(0, 1, 2), (4, 5)])
    assert told(held, held.update(0, unlinked=[2])) == ([(0, 1, 2)], [])


def test_a_person_that_only_its_weakest_link_changes_is_told():
    held = persons()
    held.update(0, links=links((1, 2, 9.0), (2, 3, 8.0)))
    assert told(held, held.update(0, links=links((1, 3, 8.5)))) == ([(1, 2, 3)], [(1, 2, 3)])


def test_an_unchanged_person_is_in_neither():
    held = persons()
    held.update(0, links=links((1, 2, 9.0)))
    assert told(held, held.update(0, touched=[1, 2])) == ([], [])


def test_a_possible_match_makes_no_person_and_waits_for_an_answer():
    held = persons()
    held.update(0, links=links((1, 2, 3.0)))
    assert held.person_of(1) is None
    assert held.possible_matches() == [(1, 2)]
    held.update(0, answers=[answer(1, 2, Resolution.SAME_PERSON)])
    assert held.person_of(1).records == (1, 2)
    assert held.possible_matches() == []


def test_different_people_stay_apart_even_through_a_third():
    held = persons()
    held.update(0, links=links((1, 2, 9.0), (2, 3, 7.0), (1, 3, 8.0)))
    held.update(0, answers=[answer(1, 3, Resolution.DIFFERENT_PEOPLE)])
    assert held.person_of(1) is None or 3 not in held.person_of(1).records


def test_a_pair_judged_different_stays_apart_and_is_asked_again_once_the_answer_expired():
    held = persons()
    held.update(0, links=links((1, 2, 9.0)), answers=[answer(1, 2, Resolution.DIFFERENT_PEOPLE, expires_at=10)])
    assert (held.person_of(1), held.possible_matches()) == (None, [])
    held.update(9, touched=[1])
    assert (held.person_of(1), held.possible_matches()) == (None, [])
    held.update(10)
    assert (held.person_of(1), held.possible_matches()) == (None, [(1, 2)])
    held.update(11, answers=[answer(1, 2, Resolution.SAME_PERSON, expires_at=20)])
    assert (held.person_of(1).records, held.possible_matches()) == ((1, 2), [])


def test_a_pair_judged_the_same_comes_apart_by_time_alone_and_is_asked_again():
    held = persons()
    held.update(0, links=links((1, 2, 3.0)), answers=[answer(1, 2, Resolution.SAME_PERSON, expires_at=10)])
    assert [p.records for p in held.update(10).before] == [(1, 2)]
    assert (held.person_of(1), held.possible_matches()) == (None, [(1, 2)])
    back = held.update(5)  # a clock set right
    assert (told(held, back)[1], held.possible_matches()) == ([(1, 2)], [])


def test_an_expired_answer_about_records_that_are_alike_no_more_is_not_asked_again():
    held = persons()
    held.update(0, links=links((1, 2, 9.0)), answers=[answer(1, 2, Resolution.DIFFERENT_PEOPLE, expires_at=10)])
    held.update(0, unlinked=[1])
    held.update(10)
    assert held.possible_matches() == []


def test_a_record_that_is_gone_takes_its_answers_along():
    held = persons()
    held.update(0, answers=[answer(1, 2, Resolution.SAME_PERSON)])
    held.update(0, unlinked=[1])
    held.forget(1)
    held.update(0, touched=[1, 2])
    assert held.person_of(2) is None


pairs = st.tuples(st.integers(0, RECORDS - 1), st.integers(0, RECORDS - 1)).filter(lambda pair: pair[0] < pair[1])
link_sets = st.dictionaries(pairs, st.integers(1, 14), min_size=1, max_size=12)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("link"), link_sets),
        st.tuples(st.just("unlink"), st.integers(0, RECORDS - 1)),
        st.tuples(st.just("answer"), st.tuples(pairs, st.sampled_from(Resolution))),
    ),
    max_size=8,
)
some_pairs = st.sets(pairs, max_size=5)


@settings(max_examples=300)
@given(steps, some_pairs, some_pairs)
def test_incremental_equals_from_scratch(taken, vetoes, apart):
    held, known, answers = persons(vetoes, apart), {}, {}
    for kind, content in taken:
        if kind == "link":
            # a pair is scored once, unless its records came anew
            fresh = {pair: weight for pair, weight in content.items() if pair not in known}
            known |= fresh
            held.update(0, links=links(*((*pair, float(weight)) for pair, weight in fresh.items())))
        elif kind == "unlink":
            known = {pair: weight for pair, weight in known.items() if content not in pair}
            held.update(0, unlinked=[content])
        else:
            answers[content[0]] = answer(*content[0], content[1])
            held.update(0, answers=[answers[content[0]]])
    scratch = persons(vetoes, apart)
    scratch.update(0, links=links(*((*p, float(w)) for p, w in known.items())), answers=list(answers.values()))
    assert state(held) == state(scratch)


@given(link_sets, some_pairs, some_pairs, st.integers(1, 4))
def test_parts_resolved_in_several_threads_equal_the_whole(found, vetoes, apart, part):
    whole, parts = persons(vetoes, apart), persons(vetoes, apart)
    whole.update(0, links=links(*((*pair, float(weight)) for pair, weight in found.items())))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PART", part)
        parts.update(0, links=links(*((*pair, float(weight)) for pair, weight in found.items())))
    assert state(parts) == state(whole)


@given(link_sets, some_pairs, some_pairs, st.randoms())
def test_the_order_of_arrival_does_not_matter(found, vetoes, apart, random):
    at_once, one_by_one = persons(vetoes, apart), persons(vetoes, apart)
    listed = [(*pair, float(weight)) for pair, weight in found.items()]
    at_once.update(0, links=links(*listed))
    for each in random.sample(listed, len(listed)):
        one_by_one.update(0, links=links(each))
    assert state(at_once) == state(one_by_one)


@settings(max_examples=300)
@given(link_sets.filter(lambda found: len(found) > 1), some_pairs, some_pairs)
def test_components_resolved_together_are_those_resolved_singly(found, vetoes, apart):
    together, singly = persons(vetoes, apart), persons(vetoes, apart)
    listed = links(*((*pair, float(weight)) for pair, weight in found.items()))
    together.update(0, links=listed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LARGE", 0)
        singly.update(0, links=listed)
    assert state(together) == state(singly)


@given(steps)
def test_the_graph_of_links_is_a_dictionary_of_dictionaries(taken):
    graph, known = LinkGraph(), {}
    graph.reserve(RECORDS)
    for kind, content in taken:
        if kind == "link":
            fresh = {pair: float(weight) for pair, weight in content.items() if pair not in known}
            graph.add(links(*((*pair, weight) for pair, weight in fresh.items())))
            known |= fresh
        elif kind == "unlink":
            graph.remove(content)
            known = {pair: weight for pair, weight in known.items() if content not in pair}
    for record in range(RECORDS):
        expected = {sum(pair) - record: weight for pair, weight in known.items() if record in pair}
        assert graph.neighbours(record) == expected
    held = graph.links()
    assert dict(zip(zip(held.left, held.right, strict=True), held.weight, strict=True)) == known


def test_more_records_than_a_person_can_have_are_none(caplog):
    found = persons()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LARGE", 0)
        patch.setattr(module, "MOST_RECORDS", 3)
        found.update(0, links=links((0, 1, 9.0), (1, 2, 9.0)))
        assert [person.records for person in found.people(found.everyone())] == [(0, 1, 2)]
        found.update(0, links=links((2, 3, 9.0)))
    assert len(found.everyone()) == 0
    assert "4 records hang together" in caplog.text
