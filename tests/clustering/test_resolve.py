from hypothesis import given
from hypothesis import strategies as st

from matcher.clustering.resolve import Pair, PairRules, pair_of, resolve
from tests import reference


def rules(vetoes: set[Pair] = frozenset(), apart: set[Pair] = frozenset(), margin: float = 3.0) -> PairRules:
    return PairRules(
        lambda a, b: pair_of(a, b) in vetoes,
        lambda a, b: pair_of(a, b) in apart,
        lambda record: record,
        margin,
    )


def persons(links, given_rules) -> set[frozenset[int]]:
    return {frozenset(person.records) for person in resolve(links, given_rules).persons}


def test_a_chain_is_one_person_held_by_its_weakest_link():
    (person,) = resolve([(1, 2, 9.0), (2, 3, 5.0)], rules()).persons
    assert (person.records, person.weakest) == ((1, 2, 3), 5.0)


def test_a_link_that_was_not_needed_does_not_weaken_a_person():
    (person,) = resolve([(1, 2, 9.0), (2, 3, 8.0), (1, 3, 4.5)], rules()).persons
    assert person.weakest == 8.0


def test_a_veto_keeps_the_stronger_link():
    assert persons([(1, 2, 9.0), (2, 3, 5.0)], rules(vetoes={(1, 3)})) == {frozenset({1, 2})}


def test_without_a_leader_neither_link_counts_and_a_reviewer_is_asked():
    resolved = resolve([(1, 2, 9.0), (2, 3, 8.0)], rules(apart={(1, 3)}))
    assert (resolved.persons, resolved.contested) == ((), ((1, 2), (2, 3)))


def test_a_leader_keeps_its_link():
    resolved = resolve([(1, 2, 12.0), (2, 3, 8.0)], rules(apart={(1, 3)}))
    assert [person.records for person in resolved.persons] == [(1, 2)]
    assert resolved.contested == ()


def test_two_that_are_linked_are_not_apart():
    links = [(1, 2, 9.0), (2, 3, 8.0), (1, 3, 4.5)]
    assert persons(links, rules(apart={(1, 3)})) == {frozenset({1, 2, 3})}


some_pairs = st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda pair: pair[0] < pair[1]), max_size=8)
weighted = st.dictionaries(
    st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda pair: pair[0] < pair[1]),
    st.integers(5, 14),
    max_size=12,
)


@given(weighted, some_pairs, some_pairs, st.sampled_from([0.0, 3.0]))
def test_it_equals_the_oracle(links, vetoes, apart, margin):
    asked = rules(vetoes, apart, margin)
    resolved = resolve([(*pair, float(weight)) for pair, weight in links.items()], asked)
    found = {frozenset(person.records) for person in resolved.persons}
    assert (found, set(resolved.contested)) == reference.resolve(links, asked.vetoed, asked.apart, margin)


@given(weighted, some_pairs, some_pairs, st.randoms())
def test_the_order_of_links_does_not_matter(links, vetoes, apart, random):
    listed = [(*pair, float(weight)) for pair, weight in links.items()]
    shuffled = random.sample(listed, len(listed))
    assert resolve(listed, rules(vetoes, apart)) == resolve(shuffled, rules(vetoes, apart))
