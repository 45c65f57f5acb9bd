"""Roots and extremes, for facts that depend on a function's parameters."""

from __future__ import annotations

from collections.abc import Callable


def root(f: Callable[[float], float], low: float, high: float) -> float:
    """Return where ``f`` changes sign between ``low`` and ``high``, to the last digit, by bisection.

    >>> root(lambda x: x * x - 2, 0.0, 2.0)
    1.414213562373095
    """
    rising = f(high) > 0
    while True:
        middle = 0.5 * (low + high)
        if not low < middle < high:
            return low
        if (f(middle) > 0) == rising:
            high = middle
        else:
            low = middle


def roots(f: Callable[[float], float], low: float, high: float, cells: int = 2000) -> list[float]:
    """Return the sign changes of ``f`` that a scan of ``cells`` equal cells between ``low`` and ``high`` finds.

    >>> [round(x, 3) for x in roots(lambda x: x * x - 2, -3.0, 3.0)]
    [-1.414, 1.414]
    """
    grid = [low + (high - low) * (i + 0.5) / cells for i in range(cells)]
    values = [f(x) for x in grid]
    return [
        root(f, a, b) for a, b, u, v in zip(grid, grid[1:], values, values[1:], strict=False) if u * v < 0
    ]
