import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from matcher.clustering.resolve import Component, Pair, Resolved, pair_of, resolve
from tests import reference

MARGIN = 3.0


def resolved(
    links: list[tuple[int, int, float]],
    vetoes: set[Pair] = frozenset(),
    apart: set[Pair] = frozenset(),
    margin: float = MARGIN,
) -> Resolved:
    members = np.array(sorted({record for *pair, _ in links for record in pair}), np.int64)

    def judge(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        pairs = list(zip(left.tolist(), right.tolist(), strict=True))
        return tuple(np.array([pair in chosen for pair in pairs], np.bool_) for chosen in (vetoes, apart))

    component = Component.judged(members, judge, members)
    for left, right, weight in links:
        i, j = np.searchsorted(members, [left, right])
        component.weights[i, j] = component.weights[j, i] = weight
    return resolve(component, margin)


def persons(*asked) -> set[frozenset[int]]:
    return {frozenset(person.records) for person in resolved(*asked).persons}


def test_a_chain_is_one_person_held_by_its_weakest_link():
    (person,) = resolved([(1, 2, 9.0), (2, 3, 5.0)]).persons
    assert (person.records, person.weakest) == ((1, 2, 3), 5.0)


def test_a_link_that_was_not_needed_does_not_weaken_a_person():
    (person,) = resolved([(1, 2, 9.0), (2, 3, 8.0), (1, 3, 4.5)]).persons
    assert person.weakest == 8.0


def test_a_veto_keeps_the_stronger_link():
    assert persons([(1, 2, 9.0), (2, 3, 5.0)], {(1, 3)}) == {frozenset({1, 2})}


def test_without_a_leader_neither_link_counts_and_a_reviewer_is_asked():
    found = resolved([(1, 2, 9.0), (2, 3, 8.0)], apart={(1, 3)})
    assert (found.persons, found.contested) == ((), ((1, 2), (2, 3)))


def test_a_leader_keeps_its_link():
    found = resolved([(1, 2, 12.0), (2, 3, 8.0)], apart={(1, 3)})
    assert [person.records for person in found.persons] == [(1, 2)]
    assert found.contested == ()


def test_two_that_are_linked_are_not_apart():
    links = [(1, 2, 9.0), (2, 3, 8.0), (1, 3, 4.5)]
    assert persons(links, set(), {(1, 3)}) == {frozenset({1, 2, 3})}


some_pairs = st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda pair: pair[0] < pair[1]), max_size=8)
weighted = st.dictionaries(
    st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda pair: pair[0] < pair[1]),
    st.integers(5, 14),
    max_size=12,
)


@given(weighted, some_pairs, some_pairs, st.sampled_from([0.0, 3.0]))
def test_it_equals_the_oracle(links, vetoes, apart, margin):
    result = resolved([(*pair, float(weight)) for pair, weight in links.items()], vetoes, apart, margin)
    found = {frozenset(person.records) for person in result.persons}
    expected = reference.resolve(
        links, lambda a, b: pair_of(a, b) in vetoes, lambda a, b: pair_of(a, b) in apart, margin
    )
    assert (found, set(result.contested)) == expected


@given(weighted, some_pairs, some_pairs, st.randoms())
def test_the_order_of_links_does_not_matter(links, vetoes, apart, random):
    listed = [(*pair, float(weight)) for pair, weight in links.items()]
    shuffled = random.sample(listed, len(listed))
    assert resolved(listed, vetoes, apart) == resolved(shuffled, vetoes, apart)
