r"""Kernels that have a closed form: E f(x) f(y) and E f'(x) f'(y) for normal x, y, of any variances and covariance.

relu, leaky relu, abs and every other pair of half-lines through 0: Cho and Saul 2009 (arc-cosine kernels of degree 1
and 0). erf: Williams 1997. sin and cos: from :math:`E \cos(x \pm y) = \exp(-\operatorname{Var}(x \pm y) / 2)`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from actlab.activations import Act, abs, cos, erf, identity, leaky_relu, relu, sin

Kernel = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def closed(act: Act) -> Kernel | None:
    """Return (variance, variance, covariance) -> (E f f, E f' f') in closed form; None if none is here.

    >>> from actlab import make
    >>> value, slope = closed(make("relu"))(1.0, 1.0, 0.0)
    >>> print(f"{value:.9f} {slope:.2f}")
    0.159154943 0.25
    """
    slopes = _slopes(act)
    if slopes is not None:
        return lambda p, q, cov: _half_lines(*slopes, p, q, cov)
    return {erf: _erf, sin: _sin, cos: _cos}.get(act.fn)


def _slopes(act: Act) -> tuple[float, float] | None:
    """Return the slopes left and right of 0 of a function made of two half-lines."""
    if act.fn is leaky_relu:
        return float(dict(act.params)["negative_slope"]), 1.0
    return {relu: (0.0, 1.0), abs: (-1.0, 1.0), identity: (1.0, 1.0)}.get(act.fn)


def _half_lines(left: float, right: float, p, q, cov) -> tuple[np.ndarray, np.ndarray]:
    size = np.sqrt(p * q)
    c = np.clip(cov / size, -1.0, 1.0)
    angle = np.arccos(c)
    # f = right x on one side, left x on the other: relu(x) right - relu(-x) left.
    same, across = _arc(c, angle), _arc(-c, np.pi - angle)
    value = size * ((right**2 + left**2) * same - 2 * right * left * across)
    slope = ((right**2 + left**2) * (np.pi - angle) + 2 * right * left * angle) / (2 * np.pi)
    return value, slope


def _arc(c, angle):
    return (np.sqrt((1 - c) * (1 + c)) + (np.pi - angle) * c) / (2 * np.pi)


def _erf(p, q, cov) -> tuple[np.ndarray, np.ndarray]:
    room = (1 + 2 * p) * (1 + 2 * q)
    value = 2 / np.pi * np.arcsin(np.clip(2 * cov / np.sqrt(room), -1.0, 1.0))
    return value, 4 / np.pi / np.sqrt(room - 4 * cov**2)


def _sin(p, q, cov) -> tuple[np.ndarray, np.ndarray]:
    apart, together = np.exp(-0.5 * (p + q - 2 * cov)), np.exp(-0.5 * (p + q + 2 * cov))
    return 0.5 * (apart - together), 0.5 * (apart + together)


def _cos(p, q, cov) -> tuple[np.ndarray, np.ndarray]:
    value, slope = _sin(p, q, cov)
    return slope, value
