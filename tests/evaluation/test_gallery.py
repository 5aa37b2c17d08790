from itertools import combinations

import numpy as np
import pytest

from matcher.evaluation.candidates import candidates_of
from matcher.evaluation.example import examples
from matcher.evaluation.gallery import ALIKE, JOINED, NO_BLOCK, PARTED, SWAPPED, VETOED, bands_of, error_kinds, kind_of
from matcher.model import EvidenceBand
from tests import factory

AGREE, SIMILAR, DIFFER, MISSING = EvidenceBand.AGREE, EvidenceBand.SIMILAR, EvidenceBand.DIFFER, EvidenceBand.MISSING


@pytest.mark.parametrize(
    ("bands", "missed", "kind"),
    [
        ({}, False, ALIKE),
        ({}, True, ALIKE),
        ({"forename": DIFFER, "full_name": DIFFER}, False, "twin-like: only the forename differs"),
        ({"forename": DIFFER, "full_name": DIFFER}, True, "only the forename differs"),
        ({"forename": DIFFER, "surname": DIFFER}, True, SWAPPED),
        ({"forename": DIFFER, "surname": DIFFER, "full_name": DIFFER}, True, "forename and surname differ"),
        ({"postcode": DIFFER, "address": DIFFER}, True, "moved: only the residence differs"),
        ({"postcode": DIFFER, "address": SIMILAR}, True, ALIKE),
        ({"postcode": DIFFER, "address": MISSING, "surname": DIFFER}, True, "moved, with another surname"),
        ({"year": SIMILAR, "month_day": DIFFER}, False, "namesakes: only the birth date differs"),
        ({"year": MISSING, "month_day": MISSING, "sex": DIFFER}, False, "only the sex differs"),
        ({"forename": DIFFER, "sex": DIFFER, "year": DIFFER}, True, "forename, birth date and sex differ"),
    ],
)
def test_kinds(bands, missed, kind):
    names = [field.name for field in factory.SCHEME.fields]
    assert kind_of(dict.fromkeys(names, AGREE) | bands, missed=missed) == kind


def test_bands_follow_the_weight():
    distances = np.array([[0, 3, 30, -1, 0, 32, 60, 1, -1, 0]], np.int16)
    expected = [AGREE, SIMILAR, DIFFER, MISSING, AGREE, DIFFER, DIFFER, SIMILAR, MISSING, AGREE]
    assert bands_of(factory.model(), distances).tolist() == [expected]


def test_every_error_is_of_one_kind(linked):
    found, truth = linked
    candidates = candidates_of(found.pipeline)
    persons = np.array(found.persons())
    kinds = error_kinds(candidates, found.pipeline, persons, truth.person, found.references)
    wrong, lost = set(), set()
    for left, right in combinations(range(len(persons)), 2):
        if truth.agency[left] != truth.agency[right]:
            together, true = persons[left] == persons[right], truth.person[left] == truth.person[right]
            if together and not true:
                wrong.add((found.references[left], found.references[right]))
            if true and not together:
                lost.add((found.references[left], found.references[right]))
    assert lost
    for missed, pairs in ((False, wrong), (True, lost)):
        mine = [kind for kind in kinds if kind.missed is missed]
        assert sum(kind.count for kind in mine) == len(pairs)
        shown = [(each.left, each.right) for kind in mine for each in kind.examples]
        assert set(shown) <= pairs
        assert len(set(shown)) == len(shown)
        assert all(1 <= len(kind.examples) <= kind.count for kind in mine)
    unblocked = [kind for kind in kinds if NO_BLOCK in kind.kind]
    assert any(kind.kind == f"{NO_BLOCK}, birth date missing" for kind in unblocked)
    for kind in unblocked:
        for each in kind.examples:
            bands = dict(zip([field.name for field in factory.SCHEME.fields], each.bands, strict=True))
            assert set(bands.values()) <= {None, MISSING}
            assert ("birth date" in kind.kind) == (bands["year"] is bands["month_day"] is MISSING)
            assert ("residence" in kind.kind) == (bands["postcode"] is bands["address"] is MISSING)
    number = {reference: record for record, reference in enumerate(found.references)}
    for kind in kinds:
        for each in kind.examples:
            comparison = found.pipeline.compare(number[each.left], number[each.right])
            assert (comparison is None) == (each.weight is None) == (NO_BLOCK in kind.kind)
            if comparison is not None:
                assert each.weight == pytest.approx(comparison.total, abs=1e-3)
                assert [band is MISSING for band in each.bands] == [d < 0 for d in comparison.distances]
                linked_alone = comparison.total >= found.pipeline.scorer.thresholds.match_weight
                assert kind.missed or linked_alone or kind.kind.startswith(JOINED)
                assert not (kind.missed and linked_alone) or kind.kind == PARTED
                assert (kind.kind.endswith(VETOED)) == (comparison.total <= -1000)


def test_an_example_adds_up(linked):
    found, truth = linked
    shown = examples(found.pipeline, candidates_of(found.pipeline), truth.person, found.references)
    assert shown[0].title == "A true link of median weight"
    for each in shown:
        assert each.total == pytest.approx(each.prior + sum(each.weights), abs=1e-3)
    person = {reference: int(number) for reference, number in zip(found.references, truth.person, strict=True)}
    assert person[shown[0].left] == person[shown[0].right]
