"""Candidates, stages and unlinkables against what the pipeline says of every single pair."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from matcher.evaluation.candidates import candidates_of
from matcher.evaluation.stages import Stage, StageName, stages
from matcher.evaluation.unlinkable import unlinkable
from matcher.frame import pack_records
from matcher.pipeline import Pipeline
from matcher.settings import Settings
from matcher.store.memory import MemoryStore
from tests import factory
from tests.factory import ANNA, BORIS, VAGUE_ANNA, Human, Sighting


def pairs_across(linked):
    found, _ = linked
    every = combinations(range(len(found.references)), 2)
    return [pair for pair in every if found.references[pair[0]][0] != found.references[pair[1]][0]]


def test_candidates_are_the_pairs_that_share_a_block(linked):
    found, _ = linked
    held = candidates_of(found.pipeline)
    expected = {}
    for pair in pairs_across(linked):
        comparison = found.pipeline.compare(*pair)
        if comparison is not None:
            expected[pair] = comparison
    assert list(map(tuple, held.pairs.tolist())) == sorted(expected)
    assert len(held.pairs) > 100
    assert held.weight.tolist() == pytest.approx([expected[pair].total for pair in sorted(expected)], abs=1e-3)
    assert held.distances.tolist() == [list(expected[pair].distances) for pair in sorted(expected)]


def test_stages_are_what_sets_of_pairs_say(linked):
    found, truth = linked
    threshold = found.pipeline.scorer.thresholds.match_weight
    person = truth.person.tolist()
    persons = found.persons()
    every = pairs_across(linked)
    weight = {pair: found.pipeline.compare(*pair) for pair in every}
    blocked = {pair for pair in every if weight[pair] is not None}
    scored = {pair for pair in blocked if weight[pair].total >= threshold}
    resolved = {pair for pair in every if persons[pair[0]] == persons[pair[1]]}
    expected, before = [], set(every)
    for name, after in zip(StageName, (blocked, scored, resolved), strict=True):

        def count(pairs):
            right = sum(person[left] == person[other] for left, other in pairs)
            return right, len(pairs) - right

        (left, false_left), (lost, removed), (added, false_added) = map(count, (after, before - after, after - before))
        expected.append(Stage(name, left, lost, added, false_left, removed, false_added))
        before = after
    made = stages(candidates_of(found.pipeline), threshold, np.array(persons), truth.person, truth.agency)
    assert list(made) == expected
    assert made[0].true_lost > 0
    assert made[2].true_added > 0


def pipeline_of(**batches) -> Pipeline:
    store = MemoryStore()
    for agency, sightings in batches.items():
        tokens = factory.tokens(agency, *sightings)
        store.append(agency, "feed", 0, tokens.record_count, 1, pack_records(tokens), 0)
    pipeline = Pipeline(store, factory.scorer(), Settings(factory.AGENCIES))
    pipeline.match_all()
    return pipeline


NAMELESS = Human("", "", "1990-04-12")
FORENAME_ONLY = Human("ANNA", "")
SURNAME_AND_MONTH = Human("", "SMITH", "1990-04-12", "F")


def test_of_variants_the_best_pair_is_the_candidate():
    renamed = replace(ANNA, surname="KOWALCZYK", postcode="M139PL", address="7 MILL LANE")
    pipeline = pipeline_of(
        police=[Sighting("1", renamed, variants=(ANNA,))],
        hospital=[Sighting("1", ANNA, variants=(renamed, VAGUE_ANNA))],
    )
    held, best = candidates_of(pipeline), pipeline.compare(0, 1)
    assert held.pairs.tolist() == [[0, 1]]
    assert held.weight.tolist() == pytest.approx([best.total])
    shared = [len(held.distances[0]) - 1]  # two of the pairs weigh alike, and one of them shares a rare name's block
    assert np.delete(held.distances[0], shared).tolist() == np.delete(best.distances, shared).tolist()
    rows = pipeline.index.rows
    every = [pipeline.scorer.compare(rows, range(a, a + 1), range(b, b + 1)) for a in (0, 1) for b in (2, 3, 4)]
    assert best.total > min(each.total for each in every if each)


def test_unlinkable_is_what_its_own_copy_would_not_link():
    people = [ANNA, NAMELESS, FORENAME_ONLY, SURNAME_AND_MONTH, BORIS, VAGUE_ANNA]
    sightings = [Sighting(str(number), human) for number, human in enumerate(people)]
    # a variant may hold what its record's first row lacks
    sightings.append(Sighting("7", FORENAME_ONLY, variants=(BORIS,)))
    alone = pipeline_of(police=sightings)
    held = {each.agency: each for each in unlinkable(alone, len(sightings))}
    both = pipeline_of(police=sightings, hospital=sightings)
    threshold = both.scorer.thresholds.match_weight
    copies = [both.compare(number, number + len(sightings)) for number in range(len(sightings))]
    assert held["police"].no_block == sum(each is None for each in copies) == 2
    assert held["police"].too_little == sum(each is not None and each.total < threshold for each in copies) == 2
    assert held["police"].share == pytest.approx(4 / 7)
    assert held["council"].records == 0
