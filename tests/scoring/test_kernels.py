import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.blocking.index import BlockIndex
from matcher.scheme import GENERIC_PERSON_V1, UK_PERSON_V1
from matcher.scoring.decision import Thresholds
from matcher.scoring.model import MatchModel, Rival
from matcher.scoring.scorer import Scorer
from tests import reference

WIDTH = UK_PERSON_V1.encoding_bytes
FIELDS = len(UK_PERSON_V1.fields)


def model(scheme, seed: int) -> MatchModel:
    rng = np.random.default_rng(seed)
    tables = tuple(np.sort(rng.normal(0, 6, f.bits + 1))[::-1].astype(np.float32) for f in scheme.fields)
    least = tuple(float(each) for each in rng.uniform(-8, -1, len(scheme.alternatives)))
    rivals = (Rival("household", ("surname", "postcode", "address"), 1.5), Rival("sex", ("sex",), -3.0))
    return MatchModel(scheme, tables, tables, least, rivals, {})


def rows(rng: np.random.Generator, count: int, passes: int):
    """Rows of few blocks, whose encodings differ from each other in few bits."""
    blocks = rng.integers(0, 4, (count, passes), np.uint8)
    tokens = np.repeat(blocks[:, :, None], 16, axis=2)
    masks = ((blocks > 0) << np.arange(passes)).sum(axis=1).astype(np.uint16)
    flips = np.packbits(rng.random((count, passes, WIDTH * 8)) < rng.choice([0, 0.03, 0.3]), axis=2)
    encodings = np.where(tokens[:, :, :1] > 0, flips, 0).astype(np.uint8)
    return tokens, masks, encodings, rng.integers(0, 1 << FIELDS, count).astype(np.uint16)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([UK_PERSON_V1, GENERIC_PERSON_V1]))
def test_scoring_equals_the_oracle_over_all_pairs(seed, scheme):
    rng = np.random.default_rng(seed)
    made, index = model(scheme, seed), BlockIndex(scheme, cap=1000)
    held, agencies = [], []
    for agency in (0, 1, 0):
        tokens, masks, encodings, fields = rows(rng, 4, len(scheme.passes))
        index.insert(tokens, masks, encodings, fields, np.arange(len(held), len(held) + 4), agency)
        for r in range(4):
            names = [tokens[r, p].tobytes() if tokens[r, p].any() else b"" for p in range(len(scheme.passes))]
            held.append((names, [encodings[r, p].tobytes() for p in range(len(scheme.passes))], int(fields[r])))
            agencies.append(agency)
    scorer = Scorer(made, 50_000, Thresholds())
    rivals = [(-np.log2(49_999), ()), *((rival.prior, rival.explains) for rival in made.rivals)]
    expected = {}
    for i, j in reference.candidate_pairs([(a, names) for a, (names, _, _) in zip(agencies, held, strict=True)]):
        distance = reference.distances(scheme, held[i], held[j])
        expected[i, j] = (distance, reference.weigh(scheme, distance, made.tables, made.least, rivals))
    pairs, weights, distances = scorer.score_pairs(index.rows, range(12), -np.inf, with_distances=True)
    assert scorer.compared == len(expected)
    found = {tuple(map(int, pair)): k for k, pair in enumerate(pairs)}
    assert found.keys() == expected.keys()
    for pair, (distance, weight) in expected.items():
        assert tuple(distances[found[pair]].tolist()) == distance
        assert abs(weights[found[pair]] - weight) < 1e-3
    assert len(found) == len(pairs), "a pair is compared once, however many blocks it shares"
