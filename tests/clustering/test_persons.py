import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.clustering.persons import Persons
from matcher.clustering.resolve import Rules, pair_of
from matcher.model import Answer, Links, Resolution

MATCH = 5.0
RECORDS = 7


def links(*found: tuple[int, int, float]) -> Links:
    left, right, weight = zip(*found, strict=True) if found else ((), (), ())
    return Links(np.array(left, np.int64), np.array(right, np.int64), np.array(weight, np.float32))


def persons(vetoes=frozenset(), apart=frozenset()) -> Persons:
    return Persons(
        Rules(
            lambda a, b: pair_of(a, b) in vetoes,
            lambda a, b: pair_of(a, b) in apart,
            lambda record: record.to_bytes(4, "big"),
            3.0,
        ),
        MATCH,
    )


def state(held: Persons) -> tuple:
    return [held.person_of(record) for record in range(RECORDS)], held.possible_matches()


def answer(left, right, resolution, expires_at=0) -> Answer:
    return Answer(left, right, resolution, "reviewer", expires_at)


def test_change_tells_what_was_and_what_is():
    held = persons()
    first = held.update(0, links=links((1, 2, 9.0)))
    assert ([p.records for p in first.before], [p.records for p in first.after]) == ([], [(1, 2)])
    merged = held.update(0, links=links((0, 2, 9.0), (4, 5, 9.0)))
    assert [p.records for p in merged.before] == [(1, 2)]
    assert [p.records for p in merged.after] == [(0, 1, 2), (4, 5)]
    split = held.update(0, unlinked=[2])
    assert ([p.records for p in split.before], split.after) == ([(0, 1, 2)], ())


def test_an_unchanged_person_is_in_neither():
    held = persons()
    held.update(0, links=links((1, 2, 9.0)))
    assert held.update(0, touched=[1, 2]) == type(held.update(0))((), ())


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


def test_an_answer_expires():
    held = persons()
    held.update(0, links=links((1, 2, 9.0)), answers=[answer(1, 2, Resolution.DIFFERENT_PEOPLE, expires_at=10)])
    assert held.person_of(1) is None
    held.update(10, touched=[1])
    assert held.person_of(1).records == (1, 2)


def test_a_record_that_is_gone_takes_its_answers_along():
    held = persons()
    held.update(0, answers=[answer(1, 2, Resolution.SAME_PERSON)])
    held.update(0, unlinked=[1])
    held.forget(1)
    held.update(0, touched=[1, 2])
    assert held.person_of(2) is None


pairs = st.tuples(st.integers(0, RECORDS - 1), st.integers(0, RECORDS - 1)).filter(lambda pair: pair[0] < pair[1])
link_sets = st.dictionaries(pairs, st.integers(1, 14), min_size=1, max_size=4)
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


@given(link_sets, some_pairs, some_pairs, st.randoms())
def test_the_order_of_arrival_does_not_matter(found, vetoes, apart, random):
    at_once, one_by_one = persons(vetoes, apart), persons(vetoes, apart)
    listed = [(*pair, float(weight)) for pair, weight in found.items()]
    at_once.update(0, links=links(*listed))
    for each in random.sample(listed, len(listed)):
        one_by_one.update(0, links=links(each))
    assert state(at_once) == state(one_by_one)
