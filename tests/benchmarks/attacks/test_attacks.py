"""Published attacks against the encodings, small: they succeed where one key makes all records comparable, and fail on
ours. Large sizes are measured by `python -m benchmarks attacks`."""

import numpy as np
import pytest

from benchmarks.attacks import (
    bits,
    dictionary,
    frequency,
    graph,
    hardening,
    known_pairs,
    patterns,
    signatures,
    structure,
)
from benchmarks.attacks.arena import Arena
from benchmarks.attacks.outcome import CLK, MINHASH, OURS, Outcome
from benchmarks.attacks.propagation import Claims, board, propagate
from benchmarks.attacks.world import make_world
from matcher.scheme import UK_PERSON_V1

SEED = 1


@pytest.fixture(scope="module")
def arena() -> Arena:
    return Arena(make_world(UK_PERSON_V1, 1500, SEED))


@pytest.fixture(scope="module")
def large_arena() -> Arena:
    """Patterns and directions are those of a population; it takes some people to see them. Graph matching finds a start
    in about every second population of this size; in this one it does."""
    return Arena(make_world(UK_PERSON_V1, 4000, 2))


def only(monkeypatch: pytest.MonkeyPatch, attack: object, arena: Arena, *encodings: str) -> dict[str, Outcome]:
    monkeypatch.setattr(attack, "ENCODINGS", encodings)
    return {outcome.encoding: outcome for outcome in attack.run(arena, SEED, "test")}  # type: ignore[attr-defined]


def test_bits_are_as_often_1_as_0_and_two_blocks_agree_by_chance(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    found = only(monkeypatch, bits, arena, OURS, CLK)
    # of some 6,000 bits one is beyond 4 sigma every third time, beyond 5 once in 300
    assert found[OURS].measures["worst_sigma"] < 5
    assert found[OURS].measures["agreement_sigma"] < 4
    assert abs(found[OURS].measures["agreement"] - 0.5) < 0.01
    assert found[CLK].measures["worst_sigma"] > 20


def test_pattern_mining_names_nearly_all_in_a_global_clk(large_arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    found = only(monkeypatch, patterns, large_arena, CLK)
    assert found[CLK].share > 0.9
    assert found[CLK].precision > 0.9


def test_pattern_mining_names_nobody_in_ours(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(monkeypatch, patterns, arena, OURS)[OURS].correct == 0


def test_graph_matching_names_nearly_all_in_a_global_clk(large_arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    found = only(monkeypatch, graph, large_arena, CLK)
    assert found[CLK].share > 0.9
    assert found[CLK].precision > 0.9


def test_graph_matching_names_hardly_anybody_in_ours(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(monkeypatch, graph, arena, OURS)[OURS].share <= 0.005


def test_frequencies_of_tokens_name_hardly_anybody(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(monkeypatch, frequency, arena, OURS)[OURS].share <= 0.005


def test_known_pairs_teach_a_global_clk_and_nothing_of_ours(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_pairs, "PAIRS", (200,))
    monkeypatch.setattr(known_pairs, "SAMPLE", 300)
    found = only(monkeypatch, known_pairs, arena, OURS, CLK)
    assert found[OURS].share < 0.01
    assert found[CLK].share > 0.9


def test_a_dictionary_needs_the_linkage_key(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dictionary, "ENCODINGS", (OURS,))
    with_key, without = dictionary.run(arena, SEED, "test")
    assert with_key.share > 0.9
    assert without.claimed == 0


def test_shapes_of_few_people_are_found(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    found = only(monkeypatch, structure, arena, OURS, MINHASH)
    assert 0 < found[OURS].measures["unique"] < 1
    assert found[OURS].share < 0.01


def test_known_people_give_others_away_and_fewer_if_two_tokens_are_asked_for(arena: Arena) -> None:
    known = arena.seeds(300, SEED)
    one, two = (propagate(arena.board, known, accept_on=each) for each in (1, 2))
    assert set(known.node) <= set(two.node)
    assert len(two.node) < len(one.node)
    right = arena.row_of_node[one.node] == one.row
    assert right.mean() > 0.9


def test_a_claim_needs_a_known_token_and_no_rival() -> None:
    """Two people share a block with the one known; a third shares it with nobody."""
    tokens = np.array([[7, 1], [7, 2], [8, 3]])
    values = np.array([[70, 10], [70, 20], [80, 30]])
    seeds = Claims(np.array([0]), np.array([0]))
    claims = propagate(board(tokens, np.arange(3), values), seeds, accept_on=1)
    assert claims.node.tolist() == [0, 1]
    assert claims.row.tolist() == [0, 1]
    rival = np.array([[70, 10], [70, 20], [70, 30]])
    claims = propagate(board(tokens, np.arange(3), rival), seeds, accept_on=1)
    assert claims.node.tolist() == [0]


def test_how_rows_of_a_block_differ_names_further_people(arena: Arena) -> None:
    outcome = signatures.run(arena, SEED, "test")[0]
    assert outcome.correct > 0
    assert outcome.precision > 0.9


def test_the_shipped_passes_give_away_a_fraction_of_what_the_generic_ones_do() -> None:
    town = Arena(make_world(UK_PERSON_V1, 6000, 3, errors=0.2))
    found = {outcome.setting.rpartition(", ")[2]: outcome for outcome in hardening.run(town, SEED, "6,000 people")}
    shipped, generic, finest = (found[name] for name in ("as shipped", "generic passes", "finest passes"))
    assert shipped.correct < generic.correct / 3
    assert finest.correct < shipped.correct
    assert shipped.measures["completeness"] > max(0.96, finest.measures["completeness"])
    alone = {f"alone {each.name}" for each in UK_PERSON_V1.passes}
    assert alone <= found.keys()
    assert sum(found[name].correct for name in alone) < generic.correct
