import warnings

import numpy as np
import pytest

from matcher.scheme import GENERIC_PERSON_V1, UK_PERSON_V1, Field, Kind, LinkageScheme, Pass
from matcher.scoring.calibration import Calibration
from matcher.scoring.model import MatchModel
from matcher.scoring.training import HOUSEHOLD, adapt, calibrated, fit, meets

MATCHES = 4_000
ALL_PAIRS = 4e5
M = (0.9, 0.95, 0.8)
U = (0.01, 0.005, 0.02)
"""Shares of agreement (distance 0); the other pairs have 16 of 32 bits different."""

SCHEME = LinkageScheme(
    "three-fields",
    tuple(Field(name, Kind.TEXT, 32, name) for name in ("one", "two", "three")),
    (Pass("one", ("one", "two")),),
    "one",
    checks_uk=False,
)


def drawn(rng, shares, count):
    return np.where(rng.random((count, 3)) < shares, 0, 16).astype(np.int16)


def calibration(random_pairs):
    counts = tuple(np.bincount(column, minlength=33) for column in random_pairs.T)
    return Calibration(SCHEME, len(random_pairs), counts)


def data(seed, m=M):
    """Candidates, random pairs, and which candidates are matches: blocking has let through a part of all
    non-matches."""
    rng = np.random.default_rng(seed)
    non_matches = drawn(rng, U, int(ALL_PAIRS) - MATCHES)
    # what shares nothing shares no block
    non_matches = non_matches[(non_matches == 0).any(axis=1)]
    candidates = np.concatenate([drawn(rng, m, MATCHES), non_matches])
    truth = np.arange(len(candidates)) < MATCHES
    return candidates, drawn(rng, U, 400_000), truth


def test_it_recovers_known_m_u_and_share():
    candidates, random_pairs, _ = data(1)
    model, share = fit(calibration(random_pairs), candidates, ALL_PAIRS)
    assert share == pytest.approx(MATCHES / ALL_PAIRS, rel=0.05)
    for table, u, m, true_u in zip(model.tables, model.chance, M, U, strict=True):
        assert u[0] == pytest.approx(true_u, rel=0.05)
        assert table[0] == pytest.approx(np.log2(m / true_u), abs=0.1)
        assert table[16] == pytest.approx(np.log2((1 - m) / (1 - true_u)), abs=0.25)


def test_it_agrees_with_an_independent_implementation():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas as pd
        import recordlinkage

        candidates, random_pairs, _ = data(2)
        # the other classifier fits u as well, so it gets a sample with enough matches
        rng = np.random.default_rng(5)
        binary = (np.concatenate([drawn(rng, M, 20_000), drawn(rng, U, 100_000)]) == 0).astype(int)
        index = pd.MultiIndex.from_arrays([np.arange(len(binary)), np.arange(len(binary))])
        classifier = recordlinkage.ECMClassifier(init="jaro", atol=1e-6)
        classifier.fit(pd.DataFrame(binary, columns=["one", "two", "three"], index=index))
        theirs = [classifier.log_weights[name] for name in ("one", "two", "three")]
    model, _ = fit(calibration(random_pairs), candidates, ALL_PAIRS)
    for table, weights in zip(model.tables, theirs, strict=True):
        assert table[0] == pytest.approx(weights[1] / np.log(2), abs=0.2)
        assert table[16] == pytest.approx(weights[0] / np.log(2), abs=0.4)


def test_adapting_moves_towards_the_data_at_hand():
    candidates, random_pairs, _ = data(3)
    model, _ = fit(calibration(random_pairs), candidates, ALL_PAIRS)
    worse = (0.7, 0.95, 0.8)
    others, _, _ = data(4, worse)
    adapted, share = adapt(model, others, ALL_PAIRS)
    assert share == pytest.approx(MATCHES / ALL_PAIRS, rel=0.1)
    assert adapted.tables[0][16] == pytest.approx(np.log2(0.3 / 0.99), abs=0.25)


def test_few_pairs_change_little():
    candidates, random_pairs, truth = data(5)
    model, _ = fit(calibration(random_pairs), candidates, ALL_PAIRS)
    adapted, _ = adapt(model, candidates[truth][:3], 100.0)
    for before, after in zip(model.tables, adapted.tables, strict=True):
        assert np.abs(before[[0, 16]] - after[[0, 16]]).max() < 1.0


def test_rivals_never_become_more_common_than_in_the_model():
    candidates, random_pairs, _ = data(6)
    model, _ = fit(calibration(random_pairs), candidates, ALL_PAIRS)
    adapted, _ = adapt(model, candidates, ALL_PAIRS)
    for before, after in zip(model.rivals, adapted.rivals, strict=True):
        assert after.prior >= before.prior


def test_who_shares_a_household_meets_in_a_block_of_the_generic_scheme_alone():
    assert meets(GENERIC_PERSON_V1, HOUSEHOLD)
    assert not meets(UK_PERSON_V1, HOUSEHOLD)
    assert not meets(UK_PERSON_V1, ("surname", "month_day"))
    assert not meets(UK_PERSON_V1, ())


def test_a_rival_that_does_not_meet_is_not_taken_for_rarer():
    found = {}
    for scheme in (UK_PERSON_V1, GENERIC_PERSON_V1):
        base = MatchModel.shipped(scheme)
        same = np.zeros((400, len(scheme.fields)), np.int16)  # nobody here is anybody's brother
        found[scheme], _ = adapt(base, same, 1e6)
        assert found[scheme].rivals[1] == base.rivals[1]  # nor do such data tell of twins
    assert found[UK_PERSON_V1].rivals[0] == MatchModel.shipped(UK_PERSON_V1).rivals[0]
    assert found[GENERIC_PERSON_V1].rivals[0].prior > MatchModel.shipped(GENERIC_PERSON_V1).rivals[0].prior


def test_no_candidates_leave_the_weights_as_they_are():
    candidates, random_pairs, _ = data(7)
    model, _ = fit(calibration(random_pairs), candidates, ALL_PAIRS)
    adapted, _ = adapt(model, np.empty((0, 3), np.int16), 1000.0)
    assert all(np.isfinite(table).all() for table in adapted.tables)


def test_calibrating_takes_over_how_alike_strangers_are_and_leaves_m_as_it_is():
    candidates, random_pairs, _ = data(8)
    model, _ = fit(calibration(random_pairs), candidates, ALL_PAIRS)
    elsewhere = drawn(np.random.default_rng(9), (0.04, 0.005, 0.02), 4_000_000)
    found = calibrated(model, calibration(elsewhere))
    assert found.chance[0][0] == pytest.approx(0.04, rel=0.05)
    assert model.tables[0][0] - found.tables[0][0] == pytest.approx(2.0, abs=0.1)
    assert found.tables[1][0] == pytest.approx(model.tables[1][0], abs=0.1)


BLOCKED = LinkageScheme(
    "three-fields-and-a-block",
    (*SCHEME.fields, Field("rare", Kind.BLOCK, 0, "one", "rare")),
    (Pass("rare", ("rare(one,two)",)),),
    "one",
    checks_uk=False,
)


def test_the_u_of_a_block_is_counted_among_candidates():
    rng = np.random.default_rng(10)
    candidates, random_pairs, truth = data(11, (0.99, 0.99, 0.99))
    shares = np.where(truth, rng.random(len(truth)) < 0.5, False)
    shared = np.where(shares, 0, -1).astype(np.int16)
    # strangers who share nothing but the block
    strangers = 80
    more = np.full((strangers, 3), 16, np.int16)
    candidates = np.c_[np.r_[candidates, more], np.r_[shared, np.zeros(strangers, np.int16)]]
    counts = calibration(random_pairs).counts
    model, share = fit(Calibration(BLOCKED, len(random_pairs), counts), candidates, ALL_PAIRS)
    assert share == pytest.approx(MATCHES / ALL_PAIRS, rel=0.05)
    assert model.chance[3][0] == pytest.approx(strangers / ALL_PAIRS, rel=0.1)
    assert model.tables[3][0] == pytest.approx(np.log2(0.5 / model.chance[3][0]), abs=0.2)


FAMILIES = LinkageScheme(
    "names-address-and-birth",
    (
        Field("forename", Kind.FORENAME, 32, "name", "parts"),
        Field("surname", Kind.NAME, 32, "name", "parts"),
        Field("address", Kind.TEXT, 32, "address"),
        Field("year", Kind.YEAR, 32, "birth_date"),
    ),
    (Pass("one", ("surname", "address")),),
    "one",
    checks_uk=False,
)


@pytest.mark.parametrize("born", [0.0, 0.3, 1.0])
def test_families_without_birth_dates_do_not_become_matches(born):
    """Where nothing but forenames tells families from matches, more households explain the data as well as matches of
    many forenames do. The second used to win, a little more in each round."""
    rng = np.random.default_rng(12)
    chance = np.array([0.01, 0.005, 0.001, 0.02])
    matches, families = 4_000, 4_000

    def pairs(shares, count):
        return np.where(rng.random((count, 4)) < shares, 0, 16).astype(np.int16)

    random_pairs = pairs(chance, 400_000)
    model, _ = fit(
        Calibration(FAMILIES, len(random_pairs), tuple(np.bincount(column, minlength=33) for column in random_pairs.T)),
        np.concatenate([pairs((0.97, 0.98, 0.9, 0.99), matches), pairs((0.01, 0.98, 0.9, 0.02), families)]),
        1e7,
    )
    # members of a household seldom have one forename, less often than strangers do
    candidates = np.concatenate([pairs((0.97, 0.98, 0.9, 0.99), matches), pairs((0.0, 0.98, 0.9, 0.02), families)])
    candidates[rng.random(len(candidates)) >= born, 3] = -1
    adapted, share = adapt(model, candidates, 1e7)
    # without a birth date, matches of another forename or address are lost: some 13 % differ in one
    assert 0.87 * matches < share * 1e7 < 1.05 * matches
    assert -7 < adapted.tables[0][16] < -4  # 3 % of matches have another forename: -5
