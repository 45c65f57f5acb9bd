"""Integrals over the real line by Gauss-Legendre panels, halved where that changes something."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)
_PANEL = 1e-15  # of the whole: what one panel may be off
_ALL = 1e-13  # what all may be: a function that oscillates fast has rounding errors that halving cannot mend
_MOST = 40_000  # panels: past that the estimate says what is missing


@dataclasses.dataclass(frozen=True)
class Integrals:
    """Several integrals at once: their values, those of the absolute integrands, and estimated errors."""

    value: np.ndarray
    scale: np.ndarray
    error: np.ndarray


@np.errstate(invalid="ignore", over="ignore")  # an endless integral is inf, or NaN where its halves cancel
def integrate(integrands: Callable[[np.ndarray], np.ndarray], edges: Iterable[float]) -> Integrals:
    """Integrate between the first and the last of ``edges``, which part the first panels.

    A panel is halved until its halves agree with it to 1e-15 of the whole, or all together to 1e-13; so an edge
    that is not among ``edges``, or a narrow feature on which a node falls, is closed in on by itself; what lies
    between all nodes of a panel and its halves is not seen. What counts is the value of the
    halves; the error is what separates them from their panel, which is mostly far more than what they miss.

    Args:
        integrands: turns numbers of shape (n,) into k integrands, (k, n).
        edges: increasing, at least two.
    """
    edges = np.asarray(sorted(set(edges)))
    low, high = edges[:-1], edges[1:]
    whole = _panels(integrands, low, high)[0]
    value, scale, error = np.zeros((3, len(whole)))
    most = _MOST
    while True:
        middle = 0.5 * (low + high)
        halves, sizes = _panels(integrands, np.concatenate([low, middle]), np.concatenate([middle, high]))
        n = low.size
        better, size = halves[:, :n] + halves[:, n:], sizes[:, :n] + sizes[:, n:]
        off = np.abs(better - whole)
        most -= 2 * n
        total = scale + size.sum(axis=1)
        open_ = (off > np.maximum(_PANEL * total[:, None], 4e-16 * size)).any(axis=0)
        open_ &= high - low > 1e-15 * np.maximum(1e-3, np.maximum(np.abs(low), np.abs(high)))
        if most < 0 or not np.isfinite(total).all() or (error + off.sum(axis=1) <= _ALL * total).all():
            open_[:] = False
        value += better[:, ~open_].sum(axis=1)
        scale += size[:, ~open_].sum(axis=1)
        error += off[:, ~open_].sum(axis=1)
        if not open_.any():
            return Integrals(value, scale, error)
        keep = np.concatenate([open_, open_])
        whole = halves[:, keep]
        low, middle, high = low[open_], middle[open_], high[open_]
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])


def _panels(
    integrands: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the integrals over each panel, and those of the absolute integrands: (k, panels)."""
    half = 0.5 * (high - low)
    x = 0.5 * (low + high)[:, None] + half[:, None] * _NODES
    values = integrands(x.ravel()).reshape(-1, *x.shape)
    return (values @ _WEIGHTS) * half, (np.abs(values) @ _WEIGHTS) * half
