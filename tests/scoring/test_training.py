import warnings

import numpy as np
import pytest

from matcher.scheme import Field, Kind, LinkageScheme, Pass
from matcher.scoring.training import adapt, fit

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
    model, share = fit(SCHEME, candidates, random_pairs, ALL_PAIRS)
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
    model, _ = fit(SCHEME, candidates, random_pairs, ALL_PAIRS)
    for table, weights in zip(model.tables, theirs, strict=True):
        assert table[0] == pytest.approx(weights[1] / np.log(2), abs=0.2)
        assert table[16] == pytest.approx(weights[0] / np.log(2), abs=0.4)


def test_adapting_moves_towards_the_data_at_hand():
    candidates, random_pairs, _ = data(3)
    model, _ = fit(SCHEME, candidates, random_pairs, ALL_PAIRS)
    worse = (0.7, 0.95, 0.8)
    others, _, _ = data(4, worse)
    adapted, share = adapt(model, others, ALL_PAIRS)
    assert share == pytest.approx(MATCHES / ALL_PAIRS, rel=0.1)
    assert adapted.tables[0][16] == pytest.approx(np.log2(0.3 / 0.99), abs=0.25)


def test_few_pairs_change_little():
    candidates, random_pairs, truth = data(5)
    model, _ = fit(SCHEME, candidates, random_pairs, ALL_PAIRS)
    adapted, _ = adapt(model, candidates[truth][:3], 100.0)
    for before, after in zip(model.tables, adapted.tables, strict=True):
        assert np.abs(before[[0, 16]] - after[[0, 16]]).max() < 1.0


def test_rivals_never_become_more_common_than_in_the_model():
    candidates, random_pairs, _ = data(6)
    model, _ = fit(SCHEME, candidates, random_pairs, ALL_PAIRS)
    adapted, _ = adapt(model, candidates, ALL_PAIRS)
    for before, after in zip(model.rivals, adapted.rivals, strict=True):
        assert after.prior >= before.prior


def test_no_candidates_leave_the_weights_as_they_are():
    candidates, random_pairs, _ = data(7)
    model, _ = fit(SCHEME, candidates, random_pairs, ALL_PAIRS)
    adapted, _ = adapt(model, np.empty((0, 3), np.int16), 1000.0)
    assert all(np.isfinite(table).all() for table in adapted.tables)
