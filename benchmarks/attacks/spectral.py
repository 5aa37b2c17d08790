"""Two clouds of points, laid over each other without knowing one pair: independent components and their moments.

FastICA (Hyvarinen 1999, "Fast and robust fixed-point algorithms for independent component analysis") turns each
cloud to directions that do not depend on how it lay; skewness and co-moments, which are those of the population and
not of the sample, say which direction of one is which of the other.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.attacks.matching import Floats, Ints

_STEPS = 120
_CLIP = 6.0
_WORST = 16.0


def principal(points: Floats, dimensions: int) -> Floats:
    """Centred points (n, d) as white scores (n, dimensions) on the directions of most variance. Cost n x d x d."""
    values, vectors = np.linalg.eigh(points.T @ points / len(points))
    result: Floats = points @ (vectors[:, ::-1][:, :dimensions] / np.sqrt(values[::-1][:dimensions] + 1e-9))
    return result.astype(np.float32)


def independent(scores: Floats, rng: np.random.Generator) -> Floats:
    """White scores (n, d) turned to d independent components, each with its long tail upwards."""
    count, size = scores.shape
    turned = np.linalg.qr(rng.normal(size=(size, size)))[0].astype(np.float32)
    for _ in range(_STEPS):
        bent = np.tanh(scores @ turned.T)
        step = (bent.T @ scores) / count - (1 - bent**2).mean(axis=0)[:, None] * turned
        left, _, right = np.linalg.svd(step, full_matrices=False)
        before, turned = turned, left @ right
        if np.abs((before * turned).sum(axis=1)).min() > 0.9999:
            break
    components = scores @ turned.T
    result: Floats = components * np.sign((components**3).mean(axis=0))
    return result


def _moments(components: Floats) -> tuple[Floats, Floats]:
    """Mean of y_i squared times y_j, and of both squared: (d, d) each; skewness and kurtosis on the diagonals."""
    clipped = np.clip(components, -_CLIP, _CLIP)
    square = clipped**2
    return square.T @ clipped / len(clipped), square.T @ square / len(clipped)


def same_directions(held: Floats, known: Floats) -> tuple[Ints, Ints]:
    """Components of `held` and those of `known` that are the same, the surest first: start from each likely first pair,
    add the pair whose co-moments with those chosen fit best and clearest, keep the best start."""
    mine, other = _moments(held), _moments(known)
    skew, kurtosis = np.diag(other[0]), np.diag(other[1])
    alone = ((np.diag(mine[0])[:, None] - skew) / (0.1 + 0.08 * np.abs(skew))) ** 2
    alone += ((np.diag(mine[1])[:, None] - kurtosis) / (0.3 + 0.12 * kurtosis)) ** 2
    best, least = ([0], [0]), np.inf
    for first in np.argsort(-np.diag(mine[0]))[:8]:
        for fit in np.argsort(alone[first])[:4]:
            pairs, misfit = _extended(mine, other, alone, int(first), int(fit))
            if misfit < least:
                best, least = pairs, misfit
    return np.array(best[0]), np.array(best[1])


def _extended(
    mine: tuple[Floats, Floats], other: tuple[Floats, Floats], alone: Floats, first: int, fit: int
) -> tuple[tuple[list[int], list[int]], float]:
    total = alone.astype(np.float64)
    left, right, paid = [first], [fit], [min(float(total[first, fit]), _WORST)]
    while len(left) < min(total.shape) - 1:
        total = total + _misfit(mine, other, left[-1], right[-1])
        free = total.copy()
        free[left], free[:, right] = np.inf, np.inf
        two = np.sort(free, axis=1)[:, :2]
        two[left] = np.inf, 0
        clear = two[:, 1] - two[:, 0] - 2 * two[:, 0] / len(left)
        left.append(int(clear.argmax()))
        right.append(int(free[left[-1]].argmin()))
        paid.append(min(float(total[left[-1], right[-1]]) / len(left), _WORST))
    return (left, right), float(np.mean(paid[:25]))


def _misfit(mine: tuple[Floats, Floats], other: tuple[Floats, Floats], left: int, right: int) -> NDArray[np.float64]:
    """How badly every pair of components fits beside one chosen pair."""
    total = np.zeros((len(mine[0]), len(other[0])))
    for own, their, slack in zip(mine, other, (0.05, 0.15), strict=True):
        for a, b in ((own[:, left], their[:, right]), (own[left], their[right])):
            total += np.minimum(((a[:, None] - b) / (slack + 0.1 * np.abs(b))) ** 2, _WORST)
    return total
