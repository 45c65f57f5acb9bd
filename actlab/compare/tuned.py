"""Choosing the best condition of a level, and what the choice costs: the best of several is too good by luck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
RULED_OUT = 0.01
"""A condition that the best one beats with a smaller p (one-sided paired t) did not compete with it."""


@dataclass(frozen=True)
class Tuned:
    """The best condition, its scores (S,) by seed, and how far they are to be trusted.

    ``choices`` is the number of conditions that could have been the best one, itself included: what a test or an
    interval of it has to be corrected by. ``optimism`` is by how much its mean is too good, >= 0.
    """

    best: int
    scores: np.ndarray
    choices: int
    optimism: float


def choose(values: np.ndarray, *, higher: bool = True, seed: int = 0) -> Tuned:
    r"""Return the condition with the best mean over seeds.

    .. math::
        \hat c = \arg\max_c \bar y_c, \qquad
        \text{optimism} = \operatorname{E}^* \left[ \bar y^*_{\hat c^*} - \bar y_{\hat c^*} \right]

    The starred means are of seeds drawn again, with replacement, and the condition is chosen anew in every draw. That
    takes away more than half of the bias, not all of it. Conditions are candidates if they have as many seeds as
    any: one that lost its bad seeds must not win by it. ``choices`` counts the best and those it does not beat at
    ``RULED_OUT``.

    Leaving out one seed at a time (choose on the others, judge by it) is unbiased too, but its mean varies far more
    than the spread over seeds tells where conditions are close: with 5 equal ones and 8 seeds a test of nominally 5 %
    errs in 23 %. Therefore the choice is made once, and paid for.

    Args:
        values: scores (C, S) of conditions and seeds, NaN where there is none.
        higher: whether more is better.
        seed: of the draws.

    Source: bootstrap of the optimism, Efron 1983; the bias of the best result found, Cawley, Talbot 2010 (JMLR 11).

    >>> found = choose(np.array([[0.5, 0.6, 0.7], [0.1, 0.3, 0.2]]))
    >>> found.best, found.choices, round(found.optimism, 3)
    (0, 2, 0.0)
    """
    values = np.asarray(values, np.float64)
    count = np.isfinite(values).sum(axis=1)
    if not count.any():
        return Tuned(-1, np.full(values.shape[1], np.nan), 1, 0.0)
    sign = 1.0 if higher else -1.0
    candidates = np.flatnonzero(count == count.max())
    y = sign * values[candidates]
    means = np.nanmean(y, axis=1)
    first = int(means.argmax())
    rivals = [k for k in range(len(y)) if k != first and not _beats(y[first], y[k])]
    optimism = _optimism(y, means, seed) if rivals and count.max() > 1 else 0.0
    best = int(candidates[first])
    return Tuned(best, values[best].copy(), 1 + len(rivals), optimism)


def _beats(a: np.ndarray, b: np.ndarray) -> bool:
    from scipy import stats  # most of a second: for whoever tests, not for whoever imports

    d = a - b
    d = d[np.isfinite(d)]
    if len(d) < 2:
        return False
    spread = d.std(ddof=1)
    if spread <= 1e-12 * max(1e-300, np.abs(d).max()):
        return bool(d.mean() > 0 and 2.0 ** -len(d) <= RULED_OUT)
    return bool(stats.t.sf(d.mean() / spread * np.sqrt(len(d)), len(d) - 1) <= RULED_OUT)


def _optimism(y: np.ndarray, means: np.ndarray, seed: int) -> float:
    seeds = y.shape[1]
    drawn = np.random.default_rng(seed).multinomial(seeds, np.full(seeds, 1 / seeds), size=RESAMPLES)
    good = np.isfinite(y)
    weight = drawn @ good.T.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        again = np.where(weight > 0, drawn @ np.where(good, y, 0.0).T / weight, -np.inf)
    best = again.argmax(axis=1)
    gained = again[np.arange(len(again)), best] - means[best]
    small = np.sqrt(seeds / (seeds - 1))  # resamples of few seeds spread too little
    return float(max(0.0, small * gained[np.isfinite(gained)].mean()))


def mean_of(found: Sequence[Tuned]) -> Tuned:
    """Return the mean over settings, each with a condition of its own; NaN where a seed lacks one of them.

    The choices multiply: so many ways there were to choose.
    """
    scores = np.mean(np.stack([t.scores for t in found]), axis=0)
    best = found[0].best if len(found) == 1 else -1
    choices = int(min(np.prod([float(t.choices) for t in found]), 1e9))
    return Tuned(best, scores, choices, float(np.mean([t.optimism for t in found])))
