import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.blocking.index import BlockIndex
from matcher.scheme import GENERIC_PERSON_V1, UK_PERSON_V1, Field, Kind, LinkageScheme, Pass
from matcher.scoring.decision import Thresholds
from matcher.scoring.model import MatchModel, Rival
from matcher.scoring.scorer import Scorer
from tests import reference


def model(scheme, seed: int) -> MatchModel:
    rng = np.random.default_rng(seed)
    tables = tuple(np.sort(rng.normal(0, 6, f.bits + 1))[::-1].astype(np.float32) for f in scheme.fields)
    least = tuple(float(each) for each in rng.uniform(-8, 1, len(scheme.alternatives)))
    names = [field.name for field in scheme.fields]
    rivals = (Rival("household", (names[1], *names[6:8]), 1.5), Rival("sex", (names[5 % len(names)],), -3.0))
    return MatchModel(scheme, tables, tables, least, rivals, {})


def rows(rng: np.random.Generator, count: int, scheme: LinkageScheme):
    """Rows of few blocks, whose encodings differ from each other in few bits."""
    passes, width, fields = len(scheme.passes), scheme.encoding_bytes, len(scheme.fields)
    blocks = rng.integers(0, 4, (count, passes), np.uint8)
    tokens = np.repeat(blocks[:, :, None], 16, axis=2)
    masks = ((blocks > 0) << np.arange(passes)).sum(axis=1).astype(np.uint16)
    flips = np.packbits(rng.random((count, passes, width * 8)) < rng.choice([0, 0.03, 0.3]), axis=2)
    encodings = np.where(tokens[:, :, :1] > 0, flips, 0).astype(np.uint8)
    return tokens, masks, encodings, rng.integers(0, 1 << fields, count).astype(np.uint16)


def any_scheme(rng: np.random.Generator) -> LinkageScheme:
    """Fields of any width, comparisons of several alternatives, vetoes anywhere, and agreements that are of blocks."""
    passes = tuple(Pass(f"pass {p}", ()) for p in range(rng.integers(1, 10)))
    fields = [
        Field(
            f"field {f}",
            Kind.TEXT,
            int(rng.choice([32, 64, 96, 256])),
            f"comparison {rng.integers(4)}",
            f"alternative {rng.integers(3)}",
            vetoes=bool(rng.random() < 0.1),
        )
        for f in range(rng.integers(2, 11))
    ]
    for each in passes[: rng.integers(3)]:
        fields.append(
            Field(each.name, Kind.BLOCK, 0, f"comparison {rng.integers(5)}", f"alternative {rng.integers(4)}")
        )
    return LinkageScheme("any", tuple(fields), passes, "field 0", checks_uk=False)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([UK_PERSON_V1, GENERIC_PERSON_V1, None]))
def test_whoever_is_left_early_is_below_the_floor(seed, scheme):
    rng = np.random.default_rng(seed)
    scheme = scheme or any_scheme(rng)
    index = BlockIndex(scheme, cap=1000)
    for agency in range(3):
        first = index.row_count
        index.insert(*rows(rng, 6, scheme), np.arange(first, first + 6), agency)
    whole, early = (Scorer(model(scheme, seed), 50_000, Thresholds()) for _ in range(2))
    new = range(index.row_count)
    pairs, weights, distances = whole.score_pairs(index.rows, new, -np.inf, with_distances=True)
    apart = [np.nextafter(weights, np.float32(to)) for to in (-np.inf, np.inf)]
    for floor in {*weights.tolist(), *apart[0].tolist(), *apart[1].tolist(), -1001.0, 0.0}:
        early.compared = 0
        found = early.score_pairs(index.rows, new, floor, with_distances=True)
        kept = weights >= np.float32(floor)
        for each, expected in zip(found, (pairs, weights, distances), strict=True):
            assert np.array_equal(each, expected[kept])
        assert early.compared == whole.compared == len(pairs)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([UK_PERSON_V1, GENERIC_PERSON_V1, None]))
def test_scoring_equals_the_oracle_over_all_pairs(seed, scheme):
    rng = np.random.default_rng(seed)
    scheme = scheme or any_scheme(rng)
    made, index = model(scheme, seed), BlockIndex(scheme, cap=1000)
    held, agencies = [], []
    for agency in (0, 1, 0):
        tokens, masks, encodings, fields = rows(rng, 4, scheme)
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
