"""Finds a match model without any truth: u from random pairs, m by expectation maximisation with u held fixed.

Free u over blocked pairs collapses onto "same household" or "same birthday"; u of random pairs, computed apart, does not.
The prior is taken over all pairs, compared or not: pairs that share no block are non-matches (Fellegi and Sunter 1969;
Winkler 1988).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matcher.scheme import Kind, LinkageScheme
from matcher.scoring.model import MatchModel, Rival

FLOOR = 0.001
LEAST = -8.0
TWIN_PRIOR = 6.5
CONFIDENCE = 25.0
_REACH = 8
"""A summary of other fields counts only up to 1/8 of its bits: beyond, one shared part explains the likeness."""
_NEVER = -100.0
_STILL = 0.001
"""Change of a weight or prior, in bits, below which it stands still."""
_MOST_ROUNDS = 200


HOUSEHOLD = ("surname", "postcode", "address")
TWIN = (*HOUSEHOLD, "year", "month_day")


@dataclass(slots=True)
class _State:
    """Where expectation maximisation stands."""

    model: MatchModel
    tables: list[NDArray[np.float64]]
    misses: list[float]
    """For each comparison, the share of matches in which it is wrong altogether."""
    match_share: float
    """Matches among all pairs."""
    priors: list[float]

    def against(
        self, distances: NDArray[np.int16]
    ) -> tuple[NDArray[np.float64], list[NDArray[np.bool_]], list[NDArray[np.float64]]]:
        """Match weight (K, n) against strangers and every rival; for each field, which pairs (n,) its alternative won."""
        parts = np.zeros((len(self.tables), len(distances)))
        won = [np.zeros(len(distances), bool) for _ in self.tables]
        missed = []
        for comparison, miss in zip(self.model.scheme.alternatives, self.misses, strict=True):
            total, best = alternatives_of(comparison, distances, self.tables)
            least = np.log2(miss)
            adds = any(len(alternative) > 1 for alternative in comparison)
            missed.append(miss / (miss + (1 - miss) * np.exp2(total)) if adds else np.zeros(len(total)))
            for number, alternative in enumerate(comparison):
                for f in alternative:
                    won[f] = (best == number) & (distances[:, f] >= 0)
                    scale = np.where(total < least, least / np.where(total == 0, 1, total), 1.0)
                    parts[f] = np.where(won[f], self.tables[f][distances[:, f]] * scale, 0.0)
        weights = [np.log2(self.match_share / (1 - self.match_share)) + parts.sum(axis=0)]
        for rival, prior in zip(self.model.rivals, self.priors, strict=True):
            left = [f for f, field in enumerate(self.model.scheme.fields) if field.name not in rival.explains]
            weights.append(prior + parts[left].sum(axis=0))
        return np.array(weights), won, missed


def fit(
    scheme: LinkageScheme, candidates: NDArray[np.int16], random_pairs: NDArray[np.int16], all_pairs: float
) -> tuple[MatchModel, float]:
    levels = [field.bits + 1 for field in scheme.fields]
    chance = tuple(
        _smooth(np.bincount(column[column >= 0], minlength=n), n).astype(np.float32)
        for column, n in zip(random_pairs.T, levels, strict=True)
    )
    guess = tuple(_first_guess(n).astype(np.float32) for n in levels)
    rivals = (Rival("household", HOUSEHOLD, 0.0), Rival("twin", TWIN, TWIN_PRIOR))
    return adapt(MatchModel(scheme, guess, chance, (LEAST,) * len(scheme.alternatives), rivals, {}), candidates, all_pairs, confidence=0.0)


def adapt(
    model: MatchModel, candidates: NDArray[np.int16], all_pairs: float, *, confidence: float = CONFIDENCE
) -> tuple[MatchModel, float]:
    tables = [table.astype(np.float64) for table in model.tables]
    chance = [u.astype(np.float64) for u in model.chance]
    expected = [u * np.exp2(table) for u, table in zip(chance, tables, strict=True)]
    expected = [confidence * m / m.sum() for m in expected]
    state = _State(model, tables, [2.0**least for least in model.least], 1 / all_pairs**0.5, [rival.prior for rival in model.rivals])
    for _ in range(_MOST_ROUNDS):
        if _step(state, candidates, chance, expected, all_pairs, confidence) < _STILL:
            break
    rivals = tuple(replace(r, prior=round(p, 2)) for r, p in zip(model.rivals, state.priors, strict=True))
    return replace(model, tables=tuple(t.astype(np.float32) for t in state.tables), rivals=rivals, least=tuple(round(float(np.log2(m)),3) for m in state.misses)), state.match_share


def _step(
    state: _State,
    candidates: NDArray[np.int16],
    chance: list[NDArray[np.float64]],
    expected: list[NDArray[np.float64]],
    all_pairs: float,
    confidence: float,
) -> float:
    """One round; the greatest change of a weight."""
    weights, won, missed = state.against(candidates)
    odds = np.exp2(-weights)
    posterior = 1 / (1 + odds.sum(axis=0))
    change = 0.0
    comparison_of = {f: c for c, each in enumerate(state.model.scheme.alternatives) for fields in each for f in fields}
    for f, u in enumerate(chance):
        hit = posterior * (1 - missed[comparison_of[f]])
        counts = np.bincount(candidates[won[f], f], hit[won[f]], minlength=len(u))
        table = _table(counts, expected[f], u)
        if state.model.scheme.fields[f].kind is Kind.CATEGORY:
            table = np.minimum(table, 0.0)
        if _is_summary(state.model.scheme, f):
            table[len(table) // _REACH :] = _NEVER
        change = max(change, float(np.abs(table - state.tables[f]).max()))
        state.tables[f] = table
    for c, fields in enumerate(state.model.scheme.alternatives):
        present = np.any([candidates[:, f] >= 0 for each in fields for f in each], axis=0)
        wrong = (posterior * missed[c])[present].sum() + confidence * 2.0 ** state.model.least[c]
        miss = max(float(wrong / (posterior[present].sum() + confidence + 1e-9)), 2.0**-12)
        change = max(change, abs(np.log2(miss / state.misses[c])))
        state.misses[c] = miss
    matches = max(posterior.sum(), 1.0)
    state.match_share = matches / all_pairs
    for k, rival in enumerate(state.model.rivals):
        if confidence or k == 0:
            mass = (odds[k + 1] * posterior).sum()
            prior = float(np.log2(matches / max(mass, 1.0)))
            if confidence: prior = max(prior, rival.prior)
            change = max(change, abs(prior - state.priors[k]))
            state.priors[k] = prior
    return change


def _is_summary(scheme: LinkageScheme, f: int) -> bool:
    """Whether a field says alone what other fields of its comparison say in parts."""
    comparison = next(each for each in scheme.alternatives if any(f in fields for fields in each))
    return (f,) in comparison and any(len(fields) > 1 for fields in comparison)


def alternatives_of(
    comparison: tuple[tuple[int, ...], ...], distances: NDArray[np.int16], tables: list[NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
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


def _first_guess(levels: int) -> NDArray[np.float64]:
    """Weights that only say "nearer is better": from +6 bits at distance 0 to -6 at half the bits and beyond."""
    return np.clip(6 - 24 * np.arange(levels) / (levels - 1), -6, 6)


def _smooth(counts: NDArray[np.float64] | NDArray[np.intp], levels: int) -> NDArray[np.float64]:
    """Shares of counts, each blurred over a fortieth of the range: distances are binomial, single bins are noise.
    Distance 0 stands alone, since only agreement gives it."""
    width = max(1, levels // 40)
    kernel = np.ones(2 * width + 1)
    rest = counts.astype(np.float64)
    rest[0] = 0
    blurred = np.convolve(rest, kernel, "same") / np.convolve(np.r_[0, np.ones(levels - 1)], kernel, "same").clip(1)
    blurred[0] = counts[0]
    blurred += 0.1
    return np.asarray(blurred / blurred.sum())


def _table(counts: NDArray[np.float64], expected: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
    """log2(m / u) of weighted counts, made never to rise with distance (pool adjacent violators, Ayer et al. 1955)."""
    m = _smooth(counts, len(u)) * counts.sum() + expected
    m = (1 - FLOOR) * m / m.sum() + FLOOR * u
    weight = np.log2(m / u)
    mass = m + u
    pooled: list[list[float]] = []
    for w, n in zip(weight, mass, strict=True):
        pooled.append([w, n, 1])
        while len(pooled) > 1 and pooled[-2][0] < pooled[-1][0]:
            w2, n2, k2 = pooled.pop()
            w1, n1, k1 = pooled.pop()
            pooled.append([(w1 * n1 + w2 * n2) / (n1 + n2), n1 + n2, k1 + k2])
    table = np.repeat([w for w, _, _ in pooled], [int(k) for _, _, k in pooled])
    bits = len(u) - 1
    apart = int((bits - bits**0.5) / 2)
    table[apart:] = np.log2(m[apart:].sum() / u[apart:].sum())
    return np.minimum.accumulate(table)
