"""Finds a match model without any truth: u from random pairs, m by expectation maximisation with u held fixed.

Free u over blocked pairs collapses onto "same household" or "same birthday"; u of random pairs, computed apart, does not.
The prior is taken over all pairs, compared or not: pairs that share no block are non-matches (Fellegi and Sunter 1969;
Winkler 1988). Fields that share a comparison are fitted apart first; then the better of them is given a weight of its
own, as one piece of evidence.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matcher.scheme import LinkageScheme
from matcher.scoring.model import MatchModel, Rival

_STEPS_PER_BIT = 2
"""Resolution at which the better of several fields is fitted again."""
_LEAST_WEIGHT, _MOST_WEIGHT = -12.0, 24.0
_REACH = 8
"""A summary of other fields counts only up to 1/8 of its bits: beyond, one shared part explains the likeness."""
_NEVER = -100.0
_STILL = 0.001
"""Change of a share, in bits, below which it stands still."""


HOUSEHOLD = ("surname", "postcode", "address")
TWIN = (*HOUSEHOLD, "year", "month_day")
_RIVALS = {"household": HOUSEHOLD, "twin": TWIN}


@dataclass(frozen=True, slots=True)
class Fit:
    """What training found."""

    tables: tuple[NDArray[np.float32], ...]
    rivals: tuple[Rival, ...]
    match_share: float
    """Matches among all pairs."""
    rounds: int
    """Rounds of expectation maximisation until it stood still."""


@dataclass(slots=True)
class _State:
    """Where expectation maximisation stands."""

    scheme: LinkageScheme
    tables: list[NDArray[np.float64]]
    shares: dict[str, float]
    """Share of all pairs that are matches, and of each rival but strangers."""
    least: float

    def against(self, distances: NDArray[np.int16]) -> tuple[NDArray[np.float64], list[NDArray[np.bool_]]]:
        """Match weight (K, n) against strangers and every rival; for each field, which pairs (n,) its alternative won."""
        parts = np.zeros((len(self.tables), len(distances)))
        won = [np.zeros(len(distances), bool) for _ in self.tables]
        for comparison in self.scheme.alternatives:
            total, best = alternatives_of(comparison, distances, self.tables)
            for number, alternative in enumerate(comparison):
                for f in alternative:
                    won[f] = (best == number) & (distances[:, f] >= 0)
                    scale = np.where(total < self.least, self.least / np.where(total == 0, 1, total), 1.0)
                    parts[f] = np.where(won[f], self.tables[f][distances[:, f]] * scale, 0.0)
        match = self.shares["match"]
        weights = [np.log2(match / (1 - match)) + parts.sum(axis=0)]
        for name, explained in _RIVALS.items():
            left = [f for f, field in enumerate(self.scheme.fields) if field.name not in explained]
            weights.append(np.log2(match / self.shares[name]) + parts[left].sum(axis=0))
        return np.array(weights), won

    def rivals(self) -> tuple[Rival, ...]:
        """The rivals with their priors, in hundredths of a bit."""
        match = self.shares["match"]
        return tuple(
            Rival(name, explained, round(float(np.log2(match / self.shares[name])), 2))
            for name, explained in _RIVALS.items()
        )


def fit(
    scheme: LinkageScheme,
    candidates: NDArray[np.int16],
    random_pairs: NDArray[np.int16],
    all_pairs: float,
    *,
    floor: float = 0.005,
    least: float = -8.0,
    tolerance: float = 1e-4,
    most_rounds: int = 200,
) -> Fit:
    """Fit a model. `candidates` (n, F) and `random_pairs` (k, F): distances in bits, -1 missing; `all_pairs`: number of
    pairs the candidates were chosen from. `floor`: the share of matches taken to differ like random pairs in any one
    field, which bounds how strongly one disagreement can speak; `least`: the same for a comparison, in bits.
    """
    levels = [field.bits + 1 for field in scheme.fields]
    chance = [
        _smooth(np.bincount(column[column >= 0], minlength=n), n)
        for column, n in zip(random_pairs.T, levels, strict=True)
    ]
    share = 1 / all_pairs**0.5
    state = _State(scheme, [_first_guess(n) for n in levels], _first_shares(all_pairs), least)
    for rounds in range(1, most_rounds + 1):
        change = _step(state, candidates, chance, all_pairs, floor)
        if change < tolerance:
            break
    _, _, posterior = _responsibilities(state, candidates)
    tables = state.tables
    for comparison in scheme.alternatives:
        if len(comparison) > 1 and all(len(alternative) == 1 for alternative in comparison):
            tables = _refit_joint(tables, candidates, random_pairs, comparison, posterior, floor)
    return Fit(tuple(table.astype(np.float32) for table in tables), state.rivals(), state.shares["match"], rounds)


def fit_shares(
    model: MatchModel, candidates: NDArray[np.int16], all_pairs: float, *, most_rounds: int = 100
) -> tuple[float, tuple[Rival, ...]]:
    """How common matches and rivals are in data at hand, weights held fixed: the share of matches among all pairs, and
    the rivals with their priors for it. Rivals may prove rarer than in the model, never more common: without truth, a
    twin is hard to tell from a forename gone wrong. Arguments as in `fit`."""
    tables = [table.astype(np.float64) for table in model.tables]
    state = _State(model.scheme, tables, _first_shares(all_pairs), model.least)
    for _ in range(most_rounds):
        before = dict(state.shares)
        rivals, _, posterior = _responsibilities(state, candidates)
        _update_shares(state, rivals, posterior, all_pairs)
        if all(abs(np.log2(state.shares[name] / share)) < _STILL for name, share in before.items()):
            break
    found = zip(state.rivals(), model.rivals, strict=True)
    return state.shares["match"], tuple(replace(rival, prior=max(rival.prior, other.prior)) for rival, other in found)


def _responsibilities(
    state: _State, candidates: NDArray[np.int16]
) -> tuple[NDArray[np.float64], list[NDArray[np.bool_]], NDArray[np.float64]]:
    """How much each rival (K, n) explains each candidate, which alternatives won, and the match probability (n,)."""
    weights, won = state.against(candidates)
    odds = np.exp2(-weights)
    whole = 1 + odds.sum(axis=0)
    return odds / whole, won, 1 / whole


def _step(
    state: _State, candidates: NDArray[np.int16], chance: list[NDArray[np.float64]], all_pairs: float, floor: float
) -> float:
    """One round; the greatest change of a weight."""
    rivals, won, posterior = _responsibilities(state, candidates)
    change = 0.0
    for f, u in enumerate(chance):
        counts = np.bincount(candidates[won[f], f], posterior[won[f]], minlength=len(u))
        table = _table(counts, u, floor)
        if _is_summary(state.scheme, f):
            table[len(table) // _REACH :] = _NEVER
        change = max(change, float(np.abs(table - state.tables[f]).max()))
        state.tables[f] = table
    _update_shares(state, rivals, posterior, all_pairs)
    return change


def _first_shares(all_pairs: float) -> dict[str, float]:
    share = 1 / all_pairs**0.5
    return {"match": share, "household": share, "twin": share / 50}


def _update_shares(
    state: _State, rivals: NDArray[np.float64], posterior: NDArray[np.float64], all_pairs: float
) -> None:
    masses = {"match": posterior.sum(), **dict(zip(_RIVALS, rivals[1:].sum(axis=1), strict=True))}
    for name, mass in masses.items():
        state.shares[name] = max(float(mass) / all_pairs, 1 / all_pairs)


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


def _refit_joint(
    tables: list[NDArray[np.float64]],
    candidates: NDArray[np.int16],
    random_pairs: NDArray[np.int16],
    comparison: tuple[tuple[int, ...], ...],
    posterior: NDArray[np.float64],
    floor: float,
) -> list[NDArray[np.float64]]:
    """Give the better of several fields a weight of its own: bin it, fit the bins, send every table through the result."""
    bins = int((_MOST_WEIGHT - _LEAST_WEIGHT) * _STEPS_PER_BIT) + 1

    def level(weight: NDArray[np.float64]) -> NDArray[np.int64]:
        # best first, as distances are
        return np.rint((_MOST_WEIGHT - np.clip(weight, _LEAST_WEIGHT, _MOST_WEIGHT)) * _STEPS_PER_BIT).astype(np.int64)

    def counts(distances: NDArray[np.int16], mass: NDArray[np.float64]) -> NDArray[np.float64]:
        present = (distances[:, fields] >= 0).any(axis=1)
        levels = level(alternatives_of(comparison, distances[present], tables)[0])
        return np.bincount(levels, mass[present], minlength=bins).astype(np.float64)

    fields = [f for (f,) in comparison]
    u = _smooth(counts(random_pairs, np.ones(len(random_pairs))), bins)
    joint = _table(counts(candidates, posterior), u, floor)
    return [joint[level(table)] if f in fields else table for f, table in enumerate(tables)]


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


def _table(counts: NDArray[np.float64] | NDArray[np.intp], u: NDArray[np.float64], floor: float) -> NDArray[np.float64]:
    """log2(m / u) of weighted counts, made never to rise with distance (pool adjacent violators, Ayer et al. 1955)."""
    m = (1 - floor) * _smooth(counts, len(u)) + floor * u
    weight = np.log2(m / u)
    mass = m + u
    pooled: list[list[float]] = []
    for w, n in zip(weight, mass, strict=True):
        pooled.append([w, n, 1])
        while len(pooled) > 1 and pooled[-2][0] < pooled[-1][0]:
            w2, n2, k2 = pooled.pop()
            w1, n1, k1 = pooled.pop()
            pooled.append([(w1 * n1 + w2 * n2) / (n1 + n2), n1 + n2, k1 + k2])
    return np.repeat([w for w, _, _ in pooled], [int(k) for _, _, k in pooled])
