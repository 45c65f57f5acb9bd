"""A slope that outliers do not bend, and whether it is there at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from actlab.errors import InputError

FEWEST = 5  # below, no order of the points is rarer than 1 in 20
_POINTS = 100  # slopes between all pairs of these; longer series are reduced to medians of blocks
_NORMAL_95 = 1.959964


@dataclass(frozen=True)
class Trend:
    """A robust slope per unit of x.

    Attributes:
        slope: median of the slopes between all pairs of points (Theil 1950, Sen 1968).
        low, high: its 95 % interval, from the spread of Kendall's statistic (Sen 1968).
        score: Mann-Kendall's statistic in its standard deviations, > 0 for a rise; normal where there is no trend.
        span: from the first x to the last.
        count: points used.

    All NaN below 5 finite points. The interval and the score take the points for independent: correlated ones
    make both look better than they are, so whoever decides by them also asks for a size.
    """

    slope: float
    low: float
    high: float
    score: float
    span: float
    count: int


def trend(x: Any, y: Any) -> Trend:
    """Return the Theil-Sen trend of a series (N,); pairs that are not finite are left out.

    >>> t = trend(range(9), [0, 1, 2, 3, 400, 5, 6, 7, 8])
    >>> print(t.slope, t.low, t.high)
    1.0 1.0 1.0
    """
    x, y = finite_series(x, y)
    x, y = thinned(x, y, _POINTS)
    n = len(x)
    if n < FEWEST:
        return Trend(math.nan, math.nan, math.nan, math.nan, math.nan, n)
    i, j = np.triu_indices(n, 1)
    rise = y[j] - y[i]
    slopes = np.sort(rise / (x[j] - x[i]))
    ties = np.unique(y, return_counts=True)[1].astype(float)
    variance = (n * (n - 1) * (2 * n + 5) - (ties * (ties - 1) * (2 * ties + 5)).sum()) / 18
    s = float(np.sign(rise).sum())
    score = (s - np.sign(s)) / math.sqrt(variance) if variance > 0 else 0.0
    reach = _NORMAL_95 * math.sqrt(variance)
    low = int(np.clip(math.floor((slopes.size - reach) / 2), 0, slopes.size - 1))
    return Trend(
        float(np.median(slopes)),
        float(slopes[low]),
        float(slopes[slopes.size - 1 - low]),
        float(score),
        float(x[-1] - x[0]),
        n,
    )


def finite_series(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return both as float64 (N,), without the pairs that are not finite.

    Raises:
        InputError: they are no series of one length, or x does not increase.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise InputError(f"a series needs as many steps as values, one axis: got {x.shape} and {y.shape}")
    if (np.diff(x) <= 0).any():
        raise InputError("a series needs steps that increase")
    kept = np.isfinite(x) & np.isfinite(y)
    return x[kept], y[kept]


def thinned(x: np.ndarray, y: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return at most ``most`` points: means of x and medians of y over blocks of one length (the first: shorter)."""
    if len(x) <= most:
        return x, y
    size = -(-len(x) // most)
    rest = len(x) % size
    blocks = x[rest:].reshape(-1, size).mean(1), np.median(y[rest:].reshape(-1, size), axis=1)
    if not rest:
        return blocks
    return np.append(x[:rest].mean(), blocks[0]), np.append(np.median(y[:rest]), blocks[1])
