"""Finds a match model without any truth: u from random pairs, m by expectation maximisation with u held fixed.

Free u over blocked pairs collapses onto "same household" or "same birthday"; u of random pairs, computed apart, does
not. The prior is taken over all pairs, compared or not: pairs that share no block are non-matches (Fellegi and Sunter
1969; Winkler 1988). The same procedure fits a model from nothing and adapts one to the data at hand.
"""

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matcher.scheme import Kind, LinkageScheme
from matcher.scoring.calibration import Calibration, blurred, shares
from matcher.scoring.model import MatchModel, Rival, is_summary, tables_against

HOUSEHOLD = ("surname", "postcode", "address")
TWIN = (*HOUSEHOLD, "year", "month_day")
TWIN_PRIOR = 6.5
"""One pair of twins to 90 matches. Not fitted: without sex or identifier a twin cannot be told from a forename gone
wrong. Taken from counts in the synthetic population (`docs/decisions/0001-rivals.md`), not from real records."""
HOUSEHOLD_PRIOR = 0.58
"""Two pairs of one household to three matches. Fitted where households meet in a block whoever they are; where they do
not, what is seen of them is no measure of how many there are. From the same population under the generic passes."""
CONFIDENCE = 25.0
"""When a model is adapted, it counts as much as so many matches of the data at hand."""
_FIRST_MISS = 2.0**-8
_RAREST_MISS = 2.0**-12
_FLOOR = 0.001
"""Share of matches taken to differ like random pairs in any one field."""
_REACH = 8
"""A summary of other fields counts only up to 1/8 of its bits: beyond, one shared part explains the likeness."""
_SUMMARY_LEAD = 3.0
"""Bits by which a summary must explain a pair better than its parts to take it from them: else they would lose all
exact agreements to it, or win them all, as the first round has it."""
_NEVER = -100.0
_FIRST_BLOCK = (0.5, 2.0**-12)
"""How many matches and strangers share the block of a field of kind block, until that is counted."""
_KNOWN_PAIRS = 1e5
"""When a model is calibrated, its own u counts as much as so many random pairs of the data at hand."""
_KNOWN_STRANGERS = 3.0
"""The u of a block that is known counts as much as so many strangers sharing it."""
_MOST_CANDIDATES = 400_000
_LIKELY = 0.3
"""Probability from which a pair counts for a rival when a model is adapted."""
_DECIDED = 0.9
"""Match probability from which other fields decide a pair, so that it may teach a model how matches differ in one."""
_COLUMN = re.compile(r"[a-z_]+(?![a-z_(])")
"""Of a part of a pass, the columns it is made of: what is no function's name."""
_STILL = 0.001
"""Change of a weight, in bits, below which it stands still."""
_MOST_ROUNDS = 200

Floats = NDArray[np.float64]


@dataclass(slots=True)
class _State:
    """Where expectation maximisation stands."""

    model: MatchModel
    """What it started from, and what counts as known."""
    known: list[Floats]
    """m of that model for each field, as counts of matches."""
    confidence: float
    """Matches that the model counts as; 0: it is only where to start."""
    all_pairs: float
    tables: list[Floats]
    chance: list[Floats]
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
    """(K, n): probability of each rival, strangers first."""
    best: list[NDArray[np.int64]]
    """For each comparison (n,): which of its encoded alternatives explains a pair; where several add up, the parts
    unless the summary leads."""
    missed: list[Floats]
    """For each comparison: probability that it is wrong altogether, if the pair is a match."""
    decided: dict[int, NDArray[np.bool_]]
    """For each field (n,): which pairs all others decide, of its own comparison only those that add up with it."""
    decided_without: list[NDArray[np.bool_]]
    """For each comparison (n,): which pairs all others decide."""


def fit(calibration: Calibration, candidates: NDArray[np.int16], all_pairs: float) -> tuple[MatchModel, float]:
    """A model, and the share of matches among all pairs. `candidates` (n, F): distances in bits, -1 missing;
    `all_pairs`: number of pairs the candidates were chosen from."""
    scheme = calibration.scheme
    tables = [_first_guess(field.bits + 1) for field in scheme.encoded]
    chance = [shares(n, np.ones(len(n)), 0.1) for n in calibration.counts]
    for _ in scheme.fields[len(scheme.encoded) :]:
        tables.append(np.log2([_FIRST_BLOCK[0] / _FIRST_BLOCK[1]]))
        chance.append(np.array([_FIRST_BLOCK[1]]))
    least = (float(np.log2(_FIRST_MISS)),) * len(scheme.alternatives)
    rivals = (Rival("household", HOUSEHOLD, HOUSEHOLD_PRIOR), Rival("twin", TWIN, TWIN_PRIOR))
    return _maximise(
        MatchModel(scheme, _narrow(tables), _narrow(chance), least, rivals, {}), candidates, all_pairs, 0.0
    )


def calibrated(model: MatchModel, calibration: Calibration) -> MatchModel:
    """The model with the u of other data: what a likeness is worth where strangers are more or less alike."""
    tables, chance = list(model.tables), list(model.chance)
    for f, counts in enumerate(calibration.counts):
        m = chance[f] * np.exp2(tables[f].astype(np.float64))
        chance[f] = shares(counts, model.chance[f], _KNOWN_PAIRS).astype(np.float32)
        tables[f] = np.minimum.accumulate(np.log2(m / m.sum() / chance[f])).astype(np.float32)
    return replace(model, tables=tuple(tables), chance=tuple(chance))


def adapt(model: MatchModel, candidates: NDArray[np.int16], all_pairs: float) -> tuple[MatchModel, float]:
    """The model as the data at hand would have it, and their share of matches. Rivals may prove rarer than in the
    model, never more common; twins, and who does not meet in a block, stay as they are. Arguments as in `fit`.

    How matches differ in a field is learnt from pairs that the others decide. Where a forename alone tells one person
    from a household, nothing in the data says whether matches have other forenames or households are rarer; each
    round would believe a little more of the former, until all households were matches. There the model's own m stays.
    """
    return _maximise(model, candidates, all_pairs, CONFIDENCE)


def _maximise(
    model: MatchModel, candidates: NDArray[np.int16], all_pairs: float, confidence: float
) -> tuple[MatchModel, float]:
    """Expectation maximisation from a model that counts as `confidence` matches."""
    step = -(-len(candidates) // _MOST_CANDIDATES)
    if step > 1:  # as many as say all there is to say
        candidates, all_pairs = candidates[::step], all_pairs * len(candidates[::step]) / len(candidates)
    state = _State(
        model,
        _known(model, confidence),
        confidence,
        all_pairs,
        [table.astype(np.float64) for table in model.tables],
        [u.astype(np.float64) for u in model.chance],
        [2.0**least for least in model.least],
        all_pairs**-0.5,
        [rival.prior for rival in model.rivals],
    )
    for _ in range(_MOST_ROUNDS):
        expected = _expect(state, candidates)
        changes = (
            _update_tables(state, expected, candidates),
            _update_misses(state, expected, candidates),
            _update_priors(state, expected),
        )
        if max(changes) < _STILL:
            break
    adapted = replace(
        model,
        tables=_narrow(state.tables),
        chance=_narrow(state.chance),
        least=tuple(round(float(np.log2(miss)), 2) for miss in state.misses),
        rivals=tuple(replace(r, prior=round(p, 2)) for r, p in zip(model.rivals, state.priors, strict=True)),
    )
    return adapted, state.match_share


def _known(model: MatchModel, confidence: float) -> list[Floats]:
    found = []
    for field, u, table in zip(model.scheme.fields, model.chance, model.tables, strict=True):
        m = u * np.exp2(table.astype(np.float64))
        found.append(np.asarray(confidence * (m if field.kind is Kind.BLOCK else m / m.sum()), np.float64))
    return found


def _narrow(tables: list[Floats]) -> tuple[NDArray[np.float32], ...]:
    return tuple(table.astype(np.float32) for table in tables)


def _expect(state: _State, candidates: NDArray[np.int16]) -> _Expected:
    scheme = state.model.scheme
    explained = ((), *(rival.explains for rival in state.model.rivals))  # a stranger explains nothing
    against = [tables_against(fields, scheme, state.tables) for fields in explained]
    parts = np.empty((len(against), len(scheme.alternatives), len(candidates)))
    best, missed = [], []
    for c, (comparison, miss) in enumerate(zip(scheme.alternatives, state.misses, strict=True)):
        for k, tables in enumerate(against):
            sums = _sums(comparison, candidates, tables)
            parts[k, c] = _part(sums, miss)
            if k == 0:
                encoded = [a for a, fields in enumerate(comparison) if scheme.fields[fields[0]].bits]
                lead = _SUMMARY_LEAD if _adds_up(comparison) else 0.0
                best.append(np.array(encoded)[(sums[encoded] >= sums[encoded].max(axis=0) - lead).argmax(axis=0)])
                highest = sums.max(axis=0)
                wrong = miss / (miss + (1 - miss) * np.exp2(np.where(np.isfinite(highest), highest, 0.0)))
                missed.append(wrong if _adds_up(comparison) else np.zeros(len(wrong)))
    priors = np.array([np.log2(state.match_share / (1 - state.match_share)), *state.priors])
    weights = parts.sum(axis=1) + priors[:, None]
    odds = np.exp2(-weights)
    posterior = 1 / (1 + odds.sum(axis=0))
    decided_without = [_decided(state, weights - parts[:, c]) for c in range(len(scheme.alternatives))]
    decided = {}
    for c, (comparison, miss) in enumerate(zip(scheme.alternatives, state.misses, strict=True)):
        for f, rest in ((f, tuple(g for g in fields if g != f)) for fields in comparison for f in fields):
            decided[f] = decided_without[c]
            if rest:  # what adds up with it may speak, what sums it up may not
                kept = [_part(_sums((rest,), candidates, tables), miss) for tables in against]
                decided[f] = _decided(state, weights - parts[:, c] + kept)
    return _Expected(posterior, odds * posterior, best, missed, decided, decided_without)


def _part(sums: Floats, miss: float) -> Floats:
    """What a comparison adds to the weight (n,), given those of its alternatives (A, n)."""
    highest = sums.max(axis=0)
    return np.where(np.isfinite(highest), np.maximum(highest, np.log2(miss)), 0.0)


def _decided(state: _State, weights: Floats) -> NDArray[np.bool_]:
    """Which pairs (n,) weights (K, n) against all rivals decide: all, as long as nobody knows what weighs how much."""
    if not state.confidence:
        return np.ones(weights.shape[1], np.bool_)
    return np.asarray(1 / (1 + np.exp2(-weights).sum(axis=0)) >= _DECIDED)


def _update_tables(state: _State, expected: _Expected, candidates: NDArray[np.int16]) -> float:
    change = 0.0
    scheme = state.model.scheme
    for c, comparison in enumerate(scheme.alternatives):
        hit = expected.posterior * (1 - expected.missed[c])
        for a, f in ((a, f) for a, alternative in enumerate(comparison) for f in alternative):
            here = candidates[:, f] >= 0
            if scheme.fields[f].kind is Kind.BLOCK:
                table = _count_block(state, expected, f, here)
            else:
                counted = here & (expected.best[c] == a) & expected.decided[f]
                counts = np.bincount(candidates[counted, f], hit[counted], minlength=len(state.chance[f]))
                table = _table(counts.astype(np.float64), state.known[f], state.chance[f])
                if is_summary(f, comparison):
                    table[len(table) // _REACH :] = _NEVER
            if scheme.fields[f].kind is Kind.CATEGORY:
                # agreement follows from the forename; only a difference tells anything new
                table = np.minimum(table, 0.0)
            change = max(change, float(np.abs(table - state.tables[f]).max()))
            state.tables[f] = table
    return change


def _count_block(state: _State, expected: _Expected, f: int, shared: NDArray[np.bool_]) -> Floats:
    """Weight (1,) of sharing a block. Whoever shares it is a candidate, so here u can be counted, and is."""
    matches = max(expected.posterior.sum() + state.confidence, 1.0)
    m = (expected.posterior[shared].sum() + state.known[f].sum()) / matches
    known = state.model.chance[f].astype(np.float64)
    strangers = expected.rivals[0][shared].sum()
    state.chance[f] = (strangers + _KNOWN_STRANGERS) / (state.all_pairs + _KNOWN_STRANGERS / known)
    return np.asarray(np.log2(max(m, _FLOOR) / state.chance[f]))


def _update_misses(state: _State, expected: _Expected, candidates: NDArray[np.int16]) -> float:
    change = 0.0
    for c, comparison in enumerate(state.model.scheme.alternatives):
        present = (candidates[:, [f for alternative in comparison for f in alternative]] >= 0).any(axis=1)
        present &= expected.decided_without[c]
        known = state.confidence * 2.0 ** state.model.least[c]
        wrong = (expected.posterior * expected.missed[c])[present].sum() + known
        matches = max(expected.posterior[present].sum() + state.confidence, 1.0)
        miss = max(float(wrong / matches), _RAREST_MISS)
        change = max(change, abs(float(np.log2(miss / state.misses[c]))))
        state.misses[c] = miss
    return change


def _update_priors(state: _State, expected: _Expected) -> float:
    change = 0.0
    matches = max(float(expected.posterior.sum()), 1.0)
    state.match_share = matches / state.all_pairs
    for k, rival in enumerate(state.model.rivals):
        if rival.explains == TWIN or not meets(state.model.scheme, rival.explains):
            continue  # what is seen of them is no measure of how many there are
        likely = expected.rivals[k + 1]
        if state.confidence:
            # strangers of one surname and postcode are a household by half: many halves make no household
            likely = likely[likely > _LIKELY]
        prior = float(np.log2(matches / max(float(likely.sum()), 1.0)))
        if state.confidence:
            prior = max(prior, rival.prior)
        change = max(change, abs(prior - state.priors[k]))
        state.priors[k] = prior
    return change


def meets(scheme: LinkageScheme, explains: tuple[str, ...]) -> bool:
    """Whether a pass brings together all who share the fields that a rival explains. Else only those of them are
    candidates who share something more, and counting them would take the rival for rarer than it is."""
    named = (set(_COLUMN.findall(",".join(each.parts))) for each in scheme.passes)
    return any(each <= set(explains) for each in named)


def _adds_up(comparison: tuple[tuple[int, ...], ...]) -> bool:
    """Whether several fields add up in it. Of a single field the table says itself how often it is wrong; and beside
    such fields, a field alone is their summary."""
    return any(len(alternative) > 1 for alternative in comparison)


def _sums(comparison: tuple[tuple[int, ...], ...], distances: NDArray[np.int16], tables: list[Floats]) -> Floats:
    """Weight (A, n) of each alternative of a comparison, -inf where all its fields are missing."""
    sums = np.full((len(comparison), len(distances)), -np.inf)
    for total, alternative in zip(sums, comparison, strict=True):
        for f in alternative:
            here = distances[:, f] >= 0
            weights = tables[f][distances[here, f]]
            total[here] = np.where(np.isneginf(total[here]), weights, total[here] + weights)
    return sums


def _first_guess(levels: int) -> Floats:
    """Weights that only say "nearer is better": from +6 bits at distance 0 to -6 at half the bits and beyond."""
    return np.clip(6 - 24 * np.arange(levels) / (levels - 1), -6, 6)


def _table(counts: Floats, known: Floats, u: Floats) -> Floats:
    """log2(m / u) of weighted counts, made never to rise with distance (pool adjacent violators, Ayer et al. 1955)."""
    seen = blurred(counts) + 0.1
    m = seen / seen.sum() * counts.sum() + known
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
