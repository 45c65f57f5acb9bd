"""Tests of paired differences over a few seeds, their correction for being many, and how many seeds would do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Test = Literal["auto", "t", "sign-flip"]
Correction = Literal["holm", "bh", "none"]
_EXACT = 14
"""Most seeds of which all 2^n signs are tried; of more, random ones."""
_RANDOM = 20_000
MOST = 10_000
"""Most seeds that are ever asked for."""


@dataclass(frozen=True)
class Paired:
    """The difference of two levels over the ``n`` seeds that both have, NaN where there is none.

    ``p_t`` is from the paired t-test, ``p_sign`` from flipping signs, of which ``p_least`` is the smallest possible.
    """

    n: int
    mean: float
    sd: float
    low: float
    high: float
    p_t: float
    p_sign: float
    p_least: float

    @property
    def identical(self) -> bool:
        """Whether the two are equal seed by seed, as two names of one function are."""
        return self.n > 0 and self.mean == 0 and (self.sd == 0 or self.n == 1)


def paired(a: np.ndarray, b: np.ndarray, *, level: float = 0.95) -> Paired:
    r"""Return the tests of a - b, two-sided, over the places where both are finite.

    Student's paired t assumes bell-shaped differences and works from two seeds. Flipping signs assumes only that a
    difference is as likely as its negative; it is exact, and its smallest p is :math:`2^{1-n}`, reached when all
    differences point one way. From ``_EXACT`` seeds on it is drawn at random.

    Args:
        a, b: scores (S,) by seed.
        level: of the t-interval for the mean difference.

    Source: Fisher 1935 (sign flips); scipy.stats.ttest_1samp and permutation_test.

    >>> found = paired(np.array([1.0, 2.0, 4.0]), np.array([0.0, 0.5, 2.0]))
    >>> found.n, round(found.p_t, 3), found.p_sign, found.p_least
    (3, 0.035, 0.25, 0.25)
    """
    from scipy import stats  # most of a second: for whoever tests, not for whoever imports

    d = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    d = d[np.isfinite(d)]
    n, nan = len(d), float("nan")
    if n == 0:
        return Paired(0, nan, nan, nan, nan, nan, nan, nan)
    mean, least = float(d.mean()), max(2.0 ** (1 - n), 2 / (_RANDOM + 1) if n > _EXACT else 0.0)
    if n == 1:
        return Paired(1, mean, nan, nan, nan, nan, 1.0, 1.0)
    spread = float(np.abs(d - mean).max())
    if spread <= 1e-12 * max(float(np.abs(a[np.isfinite(a)]).max(initial=0.0)), abs(mean)):
        # One number again and again has no spread to test against; what is left is that all point one way.
        same = 1.0 if mean == 0 else least
        return Paired(n, mean, 0.0, mean, mean, same, same, least)
    test = stats.ttest_1samp(d, 0.0)
    ends = test.confidence_interval(level)
    flipped = stats.permutation_test(
        (d,),
        lambda x, axis: x.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=2**n if n <= _EXACT else _RANDOM,
        batch=4096,
        rng=np.random.default_rng(0),
    )
    sd, p = float(d.std(ddof=1)), float(flipped.pvalue)
    return Paired(n, mean, sd, float(ends.low), float(ends.high), float(test.pvalue), p, least)


def p_values(found: Sequence[Paired], test: Test, alpha: float) -> tuple[list[float], str]:
    """Return the p of each comparison and the name of the test: one test for all of them.

    ``auto`` flips signs where every comparison could reach ``alpha`` even as the smallest of them all, and takes
    Student's t where it could not. That depends on numbers of seeds alone, never on scores.
    """
    if test == "auto":
        able = [f.p_least * len(found) <= alpha for f in found if f.n > 0]
        test = "sign-flip" if able and all(able) else "t"
    return [f.p_sign if test == "sign-flip" else f.p_t for f in found], test


def adjusted(p: Sequence[float], correction: Correction) -> list[float]:
    """Return p-values that may be held against alpha though there are many; NaN stays and does not count.

    ``holm`` keeps the chance of one false difference or more below alpha, whatever hangs together; ``bh`` the share
    of false ones among those told.

    Source: Holm 1979; Benjamini, Hochberg 1995 (scipy.stats.false_discovery_control).

    >>> adjusted([0.01, 0.04, 0.03], "holm")
    [0.03, 0.06, 0.06]
    """
    from scipy import stats

    values = np.asarray(p, np.float64)
    good = np.flatnonzero(np.isfinite(values))
    if correction == "holm" and len(good):
        order = good[np.argsort(values[good], kind="stable")]
        raised = values[order] * np.arange(len(order), 0, -1)
        values[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    elif correction == "bh" and len(good):
        values[good] = stats.false_discovery_control(values[good])
    return [float(v) for v in values]


def power(n: int, effect: float, alpha: float) -> float:
    """Return the chance that a two-sided paired t-test of ``n`` seeds finds a mean of ``effect`` deviations."""
    from scipy import stats

    limit = stats.t.isf(alpha / 2, n - 1)
    shift = abs(effect) * math.sqrt(n)
    # The far tail of the noncentral t is not always computed; it is nothing where the shift is large.
    far = stats.nct.cdf(-limit, n - 1, shift) if shift < 5 else 0.0
    return float(stats.nct.sf(limit, n - 1, shift) + far)


def seeds_needed(found: Paired, alpha: float, *, chance: float = 0.8) -> int | None:
    """Return how many seeds would show the difference with this ``chance``, were it what it looks like.

    None where it looks like none, or more than ``MOST`` are needed. ``alpha`` is of one comparison: divided by their
    number it is on the safe side of Holm's.
    """
    if found.n < 2 or not found.sd > 0 or found.mean == 0:
        return None
    effect = abs(found.mean) / found.sd
    low, high = 2, 2
    while power(high, effect, alpha) < chance:
        low, high = high, high * 2
        if low >= MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle, effect, alpha) >= chance else (middle, high)
    return high if high <= MOST else None
