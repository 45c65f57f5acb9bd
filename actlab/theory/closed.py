r"""Kernels that have a closed form: E f(x) f(y) and E f'(x) f'(y) for normal x, y, of any variances and covariance.

With variances p, q and covariance k of x, y, :math:`\Delta = (1 + p)(1 + q) - k^2`, and

.. math::
    A = E\,\Phi(x) \Phi(y) = \tfrac14 + \tfrac1{2\pi} \arctan\frac{k}{\sqrt\Delta}, \qquad
    F = E\,\varphi(x) \varphi(y) = \frac1{2\pi \sqrt\Delta},

every one is elementary. relu, leaky relu, abs and every other pair of half-lines through 0, and squares of relu: Cho
and Saul 2009 (arc-cosine kernels of degree 0, 1 and 2). erf and the Gaussian: Williams 1997. sin and cos: from
:math:`E \cos(x \pm y) = \exp(-\operatorname{Var}(x \pm y) / 2)`. gelu: Tsuchida, Pearce, van der Heide, Roosta,
Gallagher 2021, arXiv:2002.08517. Polynomials: from E x^i y^j, Isserlis 1918. Neural Tangents has most of them too:
Han, Zandieh, Lee, Novak, Xiao, Karbasi 2022, arXiv:2209.04121.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from actlab.activations import (
    Act,
    abs,
    cos,
    erf,
    exponential,
    gaussian,
    gaussian_sigma,
    gelu,
    identity,
    leaky_relu,
    normal_cdf,
    prelu,
    relu,
    relu_squared,
    sin,
    siren_sine,
    slaf,
    square,
    star_relu,
)

Kernel = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

_SAME = 4e-16  # 1 - |c| below that is what rounding makes of 0


def closed(act: Act) -> Kernel | None:
    """Return (variance, variance, covariance) -> (E f f, E f' f') in closed form; None if none is here.

    To about 1e-15 of the root of E f(x)^2 E f(y)^2. Not so slopes of half-lines near c = 1 or -1: a covariance that
    is rounded leaves them unknown by 1e-16 / sqrt(1 - c^2).

    >>> from actlab import make
    >>> value, slope = closed(make("relu"))(1.0, 1.0, 0.0)
    >>> print(f"{value:.9f} {slope:.2f}")
    0.159154943 0.25
    >>> value, slope = closed(make("gelu"))(1.0, 1.0, 1.0)
    >>> print(f"{value:.9f}")
    0.425221483
    """
    given = dict(act.params)
    if act.fn in (leaky_relu, prelu):
        return lambda p, q, k: _half_lines(float(given["negative_slope"]), 1.0, p, q, k)
    if act.fn in (slopes := {relu: 0.0, abs: -1.0, identity: 1.0}):
        return lambda p, q, k: _half_lines(slopes[act.fn], 1.0, p, q, k)
    if act.fn is star_relu:
        return lambda p, q, k: _star_relu(float(given["scale"]), float(given["bias"]), p, q, k)
    if act.fn is slaf:
        return lambda p, q, k: _polynomial([float(c) for c in given["coefficients"]], p, q, k)
    if act.fn in (widths := {sin: "w", siren_sine: "w0", cos: "w"}):
        return _stretched(_cos if act.fn is cos else _sin, float(given[widths[act.fn]]))
    if act.fn is gaussian_sigma:
        return _stretched(_bell, 1 / float(given["sigma"]))
    return {
        erf: _stretched(_erf, math.sqrt(2)),
        normal_cdf: _normal_cdf,
        gelu: _gelu,
        gaussian: _stretched(_bell, math.sqrt(2)),
        exponential: _exponential,
        square: lambda p, q, k: _polynomial([0.0, 0.0, 1.0], p, q, k),
        relu_squared: lambda p, q, k: _star_relu(1.0, 0.0, p, q, k),
    }.get(act.fn)


def _stretched(kernel: Kernel, a: float) -> Kernel:
    """Return the kernel of f(a x)."""

    def of(p, q, k):
        value, slope = kernel(a * a * p, a * a * q, a * a * k)
        return value, a * a * slope

    return of


def _angle(p, q, k) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the root of pq, the correlation, and the angle between x and y."""
    size = np.sqrt(p * q)
    c = k / size
    c = np.where(1 - np.abs(c) < _SAME, np.sign(c), c)
    return size, c, np.arccos(c)


def _half_lines(left: float, right: float, p, q, k) -> tuple[np.ndarray, np.ndarray]:
    size, c, angle = _angle(p, q, k)
    # f = right x on one side, left x on the other: relu(x) right - relu(-x) left.
    same, across = _arc(c, angle), _arc(-c, np.pi - angle)
    value = size * ((right**2 + left**2) * same - 2 * right * left * across)
    slope = ((right**2 + left**2) * (np.pi - angle) + 2 * right * left * angle) / (2 * np.pi)
    return value, slope


def _arc(c, angle):
    return (np.sqrt((1 - c) * (1 + c)) + (np.pi - angle) * c) / (2 * np.pi)


def _star_relu(scale: float, bias: float, p, q, k) -> tuple[np.ndarray, np.ndarray]:
    """scale relu(x)^2 + bias."""
    size, c, angle = _angle(p, q, k)
    fourth = p * q * (3 * c * np.sqrt((1 - c) * (1 + c)) + (np.pi - angle) * (1 + 2 * c * c)) / (2 * np.pi)
    value = scale**2 * fourth + scale * bias * (p + q) / 2 + bias**2
    return value, 4 * scale**2 * size * _arc(c, angle)


def _room(p, q, k):
    """Delta: of the difference of p q and k^2 that does not cancel before it has to."""
    size = np.sqrt(p * q)
    return 1 + p + q + (size - k) * (size + k)


def _normal_cdf(p, q, k) -> tuple[np.ndarray, np.ndarray]:
    room = np.sqrt(_room(p, q, k))
    return 0.25 + np.arctan2(k, room) / (2 * np.pi), 1 / (2 * np.pi * room)


def _erf(p, q, k) -> tuple[np.ndarray, np.ndarray]:
    """2 Phi(x) - 1, that is erf(x / sqrt 2)."""
    room = np.sqrt(_room(p, q, k))
    return 2 / np.pi * np.arctan2(k, room), 2 / (np.pi * room)


def _gelu(p, q, k) -> tuple[np.ndarray, np.ndarray]:
    r"""x Phi(x), by Stein's :math:`E\,x h = p\,E\,\partial_x h + k\,E\,\partial_y h`, until A and F are left."""
    both, bells = _normal_cdf(p, q, k)
    # E x phi(x) Phi(y) and E y phi(y) Phi(x) are these times k F.
    sides = 1 / (1 + p) + 1 / (1 + q)
    value = k * both + bells * (p * q - k * k + k * k * sides)
    return value, both + k * bells * (sides + 1 / _room(p, q, k))


def _bell(p, q, k) -> tuple[np.ndarray, np.ndarray]:
    """exp(-x^2 / 2)."""
    room = _room(p, q, k)
    return room**-0.5, k * room**-1.5


def _exponential(p, q, k) -> tuple[np.ndarray, np.ndarray]:
    value = np.exp(0.5 * (p + q) + k)
    return value, value


def _sin(p, q, k) -> tuple[np.ndarray, np.ndarray]:
    near = 0.5 * np.exp(np.abs(k) - 0.5 * (p + q))
    far = np.exp(-2 * np.abs(k))
    return -np.sign(k) * near * np.expm1(-2 * np.abs(k)), near * (1 + far)


def _cos(p, q, k) -> tuple[np.ndarray, np.ndarray]:
    value, slope = _sin(p, q, k)
    return slope, value


def _polynomial(coefficients: Sequence[float], p, q, k) -> tuple[np.ndarray, np.ndarray]:
    """Sum of c_i x^i."""
    slopes = [i * c for i, c in enumerate(coefficients)][1:]
    return _powers(coefficients, p, q, k), _powers(slopes, p, q, k)


def _powers(coefficients: Sequence[float], p, q, k) -> np.ndarray:
    total = np.zeros(np.broadcast(p, q, k).shape)
    for i, a in enumerate(coefficients):
        for j, b in enumerate(coefficients):
            # E x^i y^j: m pairs of an x with a y, the others paired among themselves.
            for m in range(min(i, j), -1, -2) if a and b and (i - j) % 2 == 0 else ():
                ways = math.comb(i, m) * math.comb(j, m) * math.factorial(m)
                ways *= _matchings(i - m) * _matchings(j - m)
                total = total + a * b * ways * k**m * p ** ((i - m) // 2) * q ** ((j - m) // 2)
    return total


def _matchings(n: int) -> int:
    """Return in how many ways an even number of things can be paired."""
    return math.prod(range(n - 1, 0, -2))
