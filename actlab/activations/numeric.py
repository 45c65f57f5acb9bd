"""Facts of functions with free coefficients, which have no closed form: found by sampling and bisection."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable

import numpy as np

from actlab.activations.spec import Interval


@dataclasses.dataclass(frozen=True)
class Survey:
    """What sampling finds: the facts of a `Spec` by these names."""

    range: Interval
    monotonic: bool
    lipschitz: float
    turning: tuple[float, ...]


def survey(
    f: Callable[[np.ndarray], np.ndarray],
    slope: Callable[[np.ndarray], np.ndarray],
    limits: tuple[float, float],
    kinks: Iterable[float] = (),
) -> Survey:
    """Return the facts of ``f``, which is finite, and smooth but for its kinks.

    Args:
        f: the function of a float64 array.
        slope: its derivative, at a kink either of the two.
        limits: its values at -inf and inf.
        kinks: where ``slope`` jumps.
    """
    edges = [k + side * 1e-9 * max(1.0, abs(k)) for k in kinks for side in (-1, 1)]
    # The sinh spacing is fine near 0 and reaches far out.
    grid = np.unique(
        np.concatenate([np.sinh(np.linspace(-14.0, 14.0, 40001)), np.linspace(-8, 8, 16001), edges])
    )
    with np.errstate(all="ignore"):
        slopes = slope(grid)
        steepest = _refine(lambda x: np.abs(slope(x)), grid, np.abs(slopes))
        turning = tuple(
            _root(slope, grid[i], grid[i + 1], slopes[i])
            for i in np.flatnonzero(slopes[:-1] * slopes[1:] < 0)
        )
        values = [
            *(float(f(np.float64(x))) for x in turning),
            *limits,
            float(f(grid).min()),
            float(f(grid).max()),
        ]
        far = max(abs(float(slope(np.float64(x)))) for x in (-1e9, 1e9))
    low, high = min(values), max(values)
    return Survey(
        range=Interval(
            low, high, low in limits and math.isfinite(low), high in limits and math.isfinite(high)
        ),
        monotonic=bool((slopes >= 0).all()),
        lipschitz=max(steepest, far),
        turning=turning,
    )


def _root(slope: Callable, low: float, high: float, at_low: float) -> float:
    for _ in range(80):
        middle = 0.5 * (low + high)
        if slope(np.float64(middle)) * at_low > 0:
            low = middle
        else:
            high = middle
    return float(0.5 * (low + high))


def _refine(size: Callable, grid: np.ndarray, sizes: np.ndarray) -> float:
    """Return the maximum of ``size`` near the largest sample."""
    i = int(np.argmax(sizes))
    best, low, high = float(sizes[i]), grid[max(i - 1, 0)], grid[min(i + 1, len(grid) - 1)]
    for _ in range(4):
        fine = np.linspace(low, high, 401)
        found = size(fine)
        k = int(np.argmax(found))
        best, low, high = max(best, float(found[k])), fine[max(k - 1, 0)], fine[min(k + 1, 400)]
    return best


def smooth_facts(f: Callable, slope: Callable, limits: Callable) -> dict:
    """Return the facts of a smooth function f(x, **p) of float64 arrays by survey."""

    @functools.cache
    def found(items: tuple) -> Survey:
        p = dict(items)
        return survey(lambda x: f(x, **p), lambda x: slope(x, **p), limits(p))

    def ask(p) -> Survey:
        return found(tuple(p.items()))

    return {
        "range": lambda p: ask(p).range,
        "monotonic": lambda p: ask(p).monotonic,
        "lipschitz": lambda p: ask(p).lipschitz,
        "turning": lambda p: ask(p).turning,
        "limits": limits,
    }
