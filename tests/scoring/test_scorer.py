from dataclasses import replace

import numpy as np
import pytest

from matcher.blocking.index import BlockIndex
from matcher.model import Links
from matcher.scheme import UK_PERSON_V1
from matcher.scoring.decision import Thresholds
from matcher.scoring.model import Rival, prior_weight
from matcher.scoring.partners import Partners
from matcher.scoring.scorer import Scorer
from tests import factory
from tests.factory import ANNA, BORIS, SCHEME, Sighting


def indexed(*batches) -> BlockIndex:
    index, records = BlockIndex(SCHEME, cap=1000), 0
    for agency, batch in enumerate(batches):
        numbers = records + batch.row_records.astype(np.int64)
        index.insert(batch.block_tokens, batch.pass_masks, batch.encodings, batch.field_masks, numbers, agency)
        records += batch.record_count
    return index


def test_of_variants_the_best_pair_counts():
    alias = factory.Human("ZOE", "GRANT", ANNA.born, "F", ANNA.postcode, ANNA.address)
    one = factory.tokens("police", Sighting("1", alias, variants=(ANNA,)))
    index = indexed(one, factory.tokens("hospital", Sighting("2", ANNA)))
    scorer = factory.scorer()
    links = scorer.score(index.rows, range(3))
    assert (links.left.tolist(), links.right.tolist()) == ([0], [1])
    comparison = scorer.compare(index.rows, range(0, 2), range(2, 3))
    assert comparison is not None
    assert comparison.total == pytest.approx(float(links.weight[0]))
    assert comparison.total == pytest.approx(comparison.prior + sum(comparison.weights), abs=1e-3)


def test_records_of_one_agency_are_not_compared():
    index = indexed(factory.tokens("police", Sighting("1", ANNA), Sighting("2", ANNA)))
    assert len(factory.scorer().score(index.rows, range(2))) == 0


def test_records_that_share_no_block_have_no_comparison():
    index = indexed(factory.tokens("police", Sighting("1", ANNA)), factory.tokens("council", Sighting("1", BORIS)))
    assert factory.scorer().compare(index.rows, range(0, 1), range(1, 2)) is None


def test_room_grows_until_all_pairs_fit():
    many = factory.tokens("police", *(Sighting(str(i), ANNA) for i in range(150)))
    index = indexed(many, factory.tokens("council", *(Sighting(str(i), ANNA) for i in range(150))))
    scorer = factory.scorer()
    scorer._room = 64
    links = scorer.score(index.rows, range(300))
    assert len(links) == 150 * 150
    assert scorer.compared == 150 * 150


def test_a_rival_s_explanation_takes_weight_away():
    index = indexed(factory.tokens("police", Sighting("1", ANNA)), factory.tokens("council", Sighting("1", ANNA)))
    names = tuple(field.name for field in UK_PERSON_V1.fields)
    alone = replace(factory.model(), rivals=(Rival("double", names, 4.5),))
    comparison = Scorer(alone, 1000, Thresholds()).compare(index.rows, range(0, 1), range(1, 2))
    assert comparison is not None
    assert comparison.total == pytest.approx(4.5)
    assert not any(comparison.weights)


def test_two_different_identifiers_veto():
    numbers = [replace(ANNA, nhs_number=number) for number in ("9434765919", "4010232137")]
    batches = [factory.tokens(a, Sighting("1", n)) for a, n in zip(("police", "council"), numbers, strict=True)]
    index = indexed(*batches)
    assert len(factory.scorer().score(index.rows, range(2))) == 0


def test_what_pairs_say_of_each_other_is_in_every_weight():
    police = factory.tokens("police", Sighting("1", ANNA), Sighting("2", BORIS))
    index = indexed(police, factory.tokens("hospital", Sighting("1", ANNA, variants=(BORIS,)), Sighting("2", BORIS)))
    plain = factory.scorer()
    links = plain.score(index.rows, range(5))
    assert list(zip(links.left.tolist(), links.right.tolist(), strict=True)) == [(0, 2), (1, 2), (1, 3)]
    # nearly all other records of the two agencies have found each other, so that what is left gains
    all_links = Links(
        np.append(links.left, np.arange(4, 504)),
        np.append(links.right, np.arange(504, 1004)),
        np.append(links.weight, np.full(500, 30, np.float32)),
    )
    agency = np.repeat([0, 1, 0, 1], [2, 2, 500, 500])
    partners = Partners.found(all_links, agency, np.array([502, 502]), 1000, lambda left, _: left < 0)
    added = partners.added(links.left, links.right)
    assert added[1] < -5 < 5 < added[0]
    scorer = Scorer(plain.model, 1_000_000, plain.thresholds, partners)
    for floor in (-np.inf, *(links.weight + added - 1e-3)):  # sums are rounded
        records, weights, _ = scorer.score_records(index.rows, range(5), floor)
        kept = links.weight + added >= floor
        assert records.tolist() == np.stack([links.left, links.right], axis=1)[kept].tolist()
        assert weights == pytest.approx((links.weight + added)[kept], abs=1e-3)
    rows = {0: range(1), 1: range(1, 2), 2: range(2, 4), 3: range(4, 5)}
    for left, right, weight in zip(links.left.tolist(), links.right.tolist(), links.weight + added, strict=True):
        comparison = scorer.compare(index.rows, rows[left], rows[right])
        assert comparison is not None
        assert comparison.total == pytest.approx(weight, abs=1e-3)
        whole = comparison.prior + comparison.partners + sum(comparison.weights)
        assert comparison.total == pytest.approx(whole, abs=1e-3)
        spans = (np.array([[span.start, span.stop]]) for span in (rows[left], rows[right]))
        assert scorer.best_weights(index.rows, *spans) == pytest.approx(weight, abs=1e-3)


def test_the_prior_is_one_in_the_population():
    assert prior_weight(1025) == -10
