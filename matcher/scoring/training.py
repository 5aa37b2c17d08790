"""Finds a match model without any truth: u from random pairs, m by expectation maximisation with u held fixed.

Free u over blocked pairs collapses onto "same household" or "same birthday"; u of random pairs, computed apart, does
not. The prior is taken over all pairs, compared or not: pairs that share no block are non-matches (Fellegi and Sunter
1969; Winkler 1988). The same procedure fits a model from nothing and adapts one to the data at hand.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matcher.scheme import Kind, LinkageScheme
from matcher.scoring.model import MatchModel, Rival

HOUSEHOLD = ("surname", "postcode", "address")
TWIN = (*HOUSEHOLD, "year", "month_day")
TWIN_PRIOR = 6.5
"""One pair of twins to 90 matches. Not fitted: without sex or identifier a twin cannot be told from a forename gone
wrong. Taken from counts in the synthetic population (`docs/decisions/0001-rivals.md`), not from real records."""
CONFIDENCE = 25.0
"""When a model is adapted, it counts as much as so many matches of the data at hand."""
_FIRST_MISS = 2.0**-8
_RAREST_MISS = 2.0**-12
_FLOOR = 0.001
"""Share of matches taken to differ like random pairs in any one field."""
_REACH = 8
"""A summary of other fields counts only up to 1/8 of its bits: beyond, one shared part explains the likeness."""
_NEVER = -100.0
_STILL = 0.001
"""Change of a weight, in bits, below which it stands still."""
_MOST_ROUNDS = 200

Floats = NDArray[np.float64]


@dataclass(slots=True)
class _State:
    """Where expectation maximisation stands."""

    scheme: LinkageScheme
    rivals: tuple[Rival, ...]
    tables: list[Floats]
    misses: list[float]
    """For each comparison, the share of matches in which it is wrong altogether."""
    match_share: float
    """Matches among all pairs."""
    priors: list[float]
    """Of each rival but strangers, bits."""


@dataclass(slots=True)
class _Expected:
    """What a round thinks of the candidates (n,)."""

    posterior: Floats
    """Match probability."""
    rivals: Floats
    """(K, n): probability of each rival but strangers."""
    won: list[NDArray[np.bool_]]
    """For each field: its alternative counts."""
    missed: list[Floats]
    """For each comparison: probability that it is wrong altogether, if the pair is a match."""


def fit(
    scheme: LinkageScheme, candidates: NDArray[np.int16], random_pairs: NDArray[np.int16], all_pairs: float
) -> tuple[MatchModel, float]:
    """A model, and the share of matches among all pairs. `candidates` (n, F) and `random_pairs` (k, F): distances in
    bits, -1 missing; `all_pairs`: number of pairs the candidates were chosen from."""
    levels = [field.bits + 1 for field in scheme.fields]
    chance = tuple(
        _smooth(np.bincount(column[column >= 0], minlength=n)).astype(np.float32)
        for column, n in zip(random_pairs.T, levels, strict=True)
    )
    guess = tuple(_first_guess(n).astype(np.float32) for n in levels)
    least = (float(np.log2(_FIRST_MISS)),) * len(scheme.alternatives)
    rivals = (Rival("household", HOUSEHOLD, 0.0), Rival("twin", TWIN, TWIN_PRIOR))
    return _maximise(MatchModel(scheme, guess, chance, least, rivals, {}), candidates, all_pairs, 0.0)


def adapt(model: MatchModel, candidates: NDArray[np.int16], all_pairs: float) -> tuple[MatchModel, float]:
    """The model as the data at hand would have it, and their share of matches. Rivals may prove rarer than in the
    model, never more common. Arguments as in `fit`."""
    return _maximise(model, candidates, all_pairs, CONFIDENCE)


def _maximise(
    model: MatchModel, candidates: NDArray[np.int16], all_pairs: float, confidence: float
) -> tuple[MatchModel, float]:
    """Expectation maximisation from a model that counts as `confidence` matches; 0: it is only where to start."""
    tables = [table.astype(np.float64) for table in model.tables]
    chance = [u.astype(np.float64) for u in model.chance]
    known = [u * np.exp2(table) for u, table in zip(chance, tables, strict=True)]
    known = [confidence * m / m.sum() for m in known]
    misses = [2.0**least for least in model.least]
    priors = [rival.prior for rival in model.rivals]
    state = _State(model.scheme, model.rivals, tables, misses, all_pairs**-0.5, priors)
    for _ in range(_MOST_ROUNDS):
        expected = _expect(state, candidates)
        change = _update_tables(state, expected, candidates, chance, known)
        change = max(change, _update_misses(state, expected, candidates, model.least, confidence))
        change = max(change, _update_priors(state, expected, all_pairs, adapting=confidence > 0))
        if change < _STILL:
            break
    adapted = replace(
        model,
        tables=tuple(table.astype(np.float32) for table in state.tables),
        least=tuple(round(float(np.log2(miss)), 2) for miss in state.misses),
        rivals=tuple(replace(r, prior=round(p, 2)) for r, p in zip(model.rivals, state.priors, strict=True)),
    )
    return adapted, state.match_share


def _expect(state: _State, candidates: NDArray[np.int16]) -> _Expected:
    parts = np.zeros((len(state.tables), len(candidates)))
    won = [np.zeros(len(candidates), bool) for _ in state.tables]
    missed = []
    for comparison, miss in zip(state.scheme.alternatives, state.misses, strict=True):
        total, best = alternatives_of(comparison, candidates, state.tables)
        missed.append(miss / (miss + (1 - miss) * np.exp2(total)) if _adds_up(comparison) else np.zeros(len(total)))
        scale = np.maximum(total, np.log2(miss)) / np.where(total == 0, 1.0, total)
        for number, alternative in enumerate(comparison):
            for f in alternative:
                won[f] = (best == number) & (candidates[:, f] >= 0)
                parts[f] = np.where(won[f], state.tables[f][candidates[:, f]] * np.where(total < 0, scale, 1.0), 0.0)
    weights = [np.log2(state.match_share / (1 - state.match_share)) + parts.sum(axis=0)]
    for rival, prior in zip(state.rivals, state.priors, strict=True):
        left = [f for f, field in enumerate(state.scheme.fields) if field.name not in rival.explains]
        weights.append(prior + parts[left].sum(axis=0))
    odds = np.exp2(-np.array(weights))
    posterior = 1 / (1 + odds.sum(axis=0))
    return _Expected(posterior, odds[1:] * posterior, won, missed)


def _update_tables(
    state: _State, expected: _Expected, candidates: NDArray[np.int16], chance: list[Floats], known: list[Floats]
) -> float:
    change = 0.0
    for comparison, missed in zip(state.scheme.alternatives, expected.missed, strict=True):
        hit = expected.posterior * (1 - missed)
        for f in (f for alternative in comparison for f in alternative):
            won = expected.won[f]
            counts = np.bincount(candidates[won, f], hit[won], minlength=len(chance[f])).astype(np.float64)
            table = _table(counts, known[f], chance[f])
            if state.scheme.fields[f].kind is Kind.CATEGORY:
                # agreement follows from the forename; only a difference tells anything new
                table = np.minimum(table, 0.0)
            if (f,) in comparison and _adds_up(comparison):
                table[len(table) // _REACH :] = _NEVER
            change = max(change, float(np.abs(table - state.tables[f]).max()))
            state.tables[f] = table
    return change


def _update_misses(
    state: _State, expected: _Expected, candidates: NDArray[np.int16], known: tuple[float, ...], confidence: float
) -> float:
    change = 0.0
    for c, comparison in enumerate(state.scheme.alternatives):
        present = (candidates[:, [f for alternative in comparison for f in alternative]] >= 0).any(axis=1)
        wrong = (expected.posterior * expected.missed[c])[present].sum() + confidence * 2.0 ** known[c]
        matches = max(expected.posterior[present].sum() + confidence, 1.0)
        miss = max(float(wrong / matches), _RAREST_MISS)
        change = max(change, abs(float(np.log2(miss / state.misses[c]))))
        state.misses[c] = miss
    return change


def _update_priors(state: _State, expected: _Expected, all_pairs: float, *, adapting: bool) -> float:
    change = 0.0
    matches = max(float(expected.posterior.sum()), 1.0)
    state.match_share = matches / all_pairs
    for k, rival in enumerate(state.rivals):
        prior = float(np.log2(matches / max(float(expected.rivals[k].sum()), 1.0)))
        if adapting:
            prior = max(prior, rival.prior)
        elif rival.explains == TWIN:
            prior = rival.prior
        change = max(change, abs(prior - state.priors[k]))
        state.priors[k] = prior
    return change


def _adds_up(comparison: tuple[tuple[int, ...], ...]) -> bool:
    """Whether several fields add up in it. Of a single field the table says itself how often it is wrong; and beside
    such fields, a field alone is their summary."""
    return any(len(alternative) > 1 for alternative in comparison)


def alternatives_of(
    comparison: tuple[tuple[int, ...], ...], distances: NDArray[np.int16], tables: list[Floats]
) -> tuple[Floats, NDArray[np.int64]]:
    """Weight (n,) of a comparison's best alternative, 0 where all its fields are missing, and which (n,) it is."""
    totals = np.full((len(comparison), len(distances)), -np.inf)
    for number, alternative in enumerate(comparison):
        present = np.zeros(len(distances), bool)
        total = np.zeros(len(distances))
        for f in alternative:
            here = distances[:, f] >= 0
            present |= here
            total += np.where(here, tables[f][distances[:, f]], 0.0)
        totals[number] = np.where(present, total, -np.inf)
    best = totals.max(axis=0)
    return np.where(np.isneginf(best), 0.0, best), totals.argmax(axis=0)


def _first_guess(levels: int) -> Floats:
    """Weights that only say "nearer is better": from +6 bits at distance 0 to -6 at half the bits and beyond."""
    return np.clip(6 - 24 * np.arange(levels) / (levels - 1), -6, 6)


def _smooth(counts: Floats | NDArray[np.intp]) -> Floats:
    """Shares of counts by distance, each blurred over a fortieth of the range: distances are binomial, single bins are
    noise. Distance 0 stands alone, since only agreement gives it."""
    levels = len(counts)
    kernel = np.ones(2 * max(1, levels // 40) + 1)
    rest = counts.astype(np.float64)
    rest[0] = 0
    blurred = np.convolve(rest, kernel, "same") / np.convolve(np.r_[0, np.ones(levels - 1)], kernel, "same").clip(1)
    blurred[0] = counts[0]
    blurred += 0.1
    return np.asarray(blurred / blurred.sum())


def _table(counts: Floats, known: Floats, u: Floats) -> Floats:
    """log2(m / u) of weighted counts, made never to rise with distance (pool adjacent violators, Ayer et al. 1955)."""
    m = _smooth(counts) * counts.sum() + known
    m = (1 - _FLOOR) * m / m.sum() + _FLOOR * u if m.sum() else u
    pooled: list[list[float]] = []
    for w, n in zip(np.log2(m / u), m + u, strict=True):
        pooled.append([w, n, 1])
        while len(pooled) > 1 and pooled[-2][0] < pooled[-1][0]:
            w2, n2, k2 = pooled.pop()
            w1, n1, k1 = pooled.pop()
            pooled.append([(w1 * n1 + w2 * n2) / (n1 + n2), n1 + n2, k1 + k2])
    table = np.repeat([w for w, _, _ in pooled], [int(k) for _, _, k in pooled])
    # values with nothing in common differ in half the bits; how far from half is chance and says nothing
    bits = len(u) - 1
    apart = int((bits - bits**0.5) / 2)
    table[apart:] = np.log2(m[apart:].sum() / u[apart:].sum())
    return np.minimum.accumulate(table)
