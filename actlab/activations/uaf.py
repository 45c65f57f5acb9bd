"""The universal activation function: a difference of two softpluses with five parameters."""

from __future__ import annotations

import itertools
import math

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.spec import REALS, Interval, activation
from actlab.gradients import keep_input


def _uaf_limits(p) -> tuple[float, float]:
    if p["c"] > 0:
        return math.inf, math.inf
    # softplus of a line of slope s tends to s * x where that is positive, to log 2 for s = 0, else to 0.
    ends = []
    for sign in (-1.0, 1.0):
        first = -math.inf if p["c"] < 0 else sign * p["a"]
        second = sign * p["d"]
        growth = max(first, 0.0) - max(second, 0.0)
        if growth:
            ends.append(math.copysign(math.inf, growth))
        elif second > 0:  # both grow alike: the distance of the lines is left
            ends.append((p["a"] + p["d"]) * p["b"] + p["e"])
        else:
            ends.append(math.log(2.0) * ((first == 0) - (second == 0)) + p["e"])
    return ends[0], ends[1]


def _scan(p) -> tuple[Interval, tuple[float, ...], float]:
    """Return range, turning points and Lipschitz constant: by scanning, then by halving."""
    a, b, c, d, e = (p[name] for name in "abcde")

    def sigmoid(z: float) -> float:
        return math.exp(min(z, 0.0)) / (1.0 + math.exp(-abs(z)))

    def softplus(z: float) -> float:
        return max(z, 0.0) + math.log1p(math.exp(-abs(z)))

    def value(x: float) -> float:
        return softplus(a * (x + b) + c * x * x) - softplus(d * (x - b)) + e

    def slope(x: float) -> float:
        return (a + 2 * c * x) * sigmoid(a * (x + b) + c * x * x) - d * sigmoid(d * (x - b))

    reach = abs(b) + 40.0 / max(min(abs(a), abs(d)), 1e-2) + (2.0 * (abs(a) + abs(d)) / abs(c) if c else 0.0)
    step = reach / 5000
    grid = [step * (i + 0.5) for i in range(-5000, 5000)]
    turning = []
    for low, high in itertools.pairwise(grid):
        if (start := slope(low)) * slope(high) < 0:
            for _ in range(100):
                middle = 0.5 * (low + high)
                low, high = (middle, high) if slope(middle) * start > 0 else (low, middle)
            turning.append(0.5 * (low + high))
    steepest = max(grid, key=lambda x: abs(slope(x)))
    low, high = steepest - step, steepest + step
    for _ in range(200):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (left, high) if abs(slope(left)) < abs(slope(right)) else (low, right)
    far = (
        [abs(max(a, 0.0) - max(d, 0.0)), abs(min(a, 0.0) - min(d, 0.0))]
        if c == 0
        else [max(d, 0.0), max(-d, 0.0)]
    )
    lipschitz = math.inf if c > 0 else max(abs(slope(low)), *far)
    inner = [value(x) for x in turning]
    least, most = min([*_uaf_limits(p), *inner]), max([*_uaf_limits(p), *inner])
    return (
        Interval(least, most, open_low=least not in inner, open_high=most not in inner),
        tuple(turning),
        lipschitz,
    )


@activation(
    family="smooth",
    formula="softplus(a*(x+b)+c*x**2)-softplus(d*(x-b))+e",
    parameters={
        "a": (REALS, "slope inside the first softplus"),
        "b": (REALS, "shift, opposite in the two"),
        "c": (REALS, "curvature inside the first"),
        "d": (REALS, "slope inside the second"),
        "e": (REALS, "shift of the result"),
    },
    range=lambda p: _scan(p)[0],
    monotonic=lambda p: not _scan(p)[1] and _uaf_limits(p)[0] <= _uaf_limits(p)[1],
    smoothness="Cinf",
    lipschitz=lambda p: _scan(p)[2],
    limits=_uaf_limits,
    turning=lambda p: None if p["c"] else _scan(p)[1],  # for c != 0 not listed
    reference="Yuen, Hoang, Dong, Lu 2021, arXiv:2011.03842",
)
def uaf(
    x: ArrayLike,
    *,
    a: ArrayLike = 10.0,
    b: ArrayLike = 0.0,
    c: ArrayLike = 0.0,
    d: ArrayLike = 9.0,
    e: ArrayLike = 0.0,
) -> Array:
    r"""Universal activation function: a difference of two softpluses that learns its shape.

    .. math:: f(x) = \log(1 + e^P) - \log(1 + e^Q) + e, \quad P = a(x + b) + c x^2, \quad Q = d(x - b),
              \qquad f'(x) = (a + 2cx)\,\sigma(P) - d\,\sigma(Q)

    The defaults are the smooth relu that the authors' code starts from: range [-0.0293, inf), limits 0 and inf,
    smooth, turning at -0.1347, 1.0996-Lipschitz. Sigmoid-like: a = d = 1.01605291, b = 1 / (2a); tanh-like:
    a = d = 2.12616013, b = 1 / a, e = -1; the identity: a = 1, d = -1. For c > 0 it grows
    like a parabola at both ends, without a Lipschitz constant; for c < 0 the first softplus dies out at both.

    Args:
        x: real array.
        a: slope inside the first softplus; any finite real.
        b: shift, opposite in the two; any finite real.
        c: curvature inside the first; any finite real.
        d: slope inside the second; any finite real.
        e: shift of the result; any finite real.

    Yuen, Hoang, Dong, Lu 2021, Universal activation function for machine learning, arXiv:2011.03842.

    >>> print(f"{uaf(2.0):.4f}")
    2.0000
    >>> print(f"{uaf(2.0, a=1.0, d=-1.0):.4f}")
    2.0000
    """
    return _uaf(x, a, b, c, d, e)


def _uaf_gates(x: Array, a: Array, b: Array, c: Array, d: Array) -> tuple[Array, Array, Array]:
    """Return P, Q and P - Q, the latter free of cancellation; at infinite x their limits."""

    def line(slope: Array) -> Array:
        return jnp.where((slope == 0) & jnp.isinf(x), 0.0, slope * x)  # 0 * inf

    bend = line(c)
    return line(a + bend) + a * b, line(d) - d * b, line((a - d) + bend) + (a + d) * b


def _uaf_value(x: Array, a: Array, b: Array, c: Array, d: Array, e: Array) -> Array:
    p, q, gap = _uaf_gates(x, a, b, c, d)
    high, low, apart = jnp.maximum(p, q), jnp.minimum(p, q), jnp.abs(gap)
    # Both far left: by the larger, since the smaller may be flushed. Close: no difference. Else term by term.
    left = -jnp.log1p(lax.logistic(high) * jnp.expm1(-apart))
    near = jnp.log1p(lax.logistic(low) * jnp.expm1(jnp.minimum(apart, 1.0)))
    ramp = jnp.where(low > 0, apart, jnp.maximum(high, 0.0))
    far = ramp + (jnp.log1p(jnp.exp(-jnp.abs(high))) - jnp.log1p(jnp.exp(-jnp.abs(low))))
    difference = jnp.where(high < -1, left, jnp.where(apart < 1, near, far))
    return jnp.where(gap < 0, -difference, difference) + e


def _finite(x: Array) -> Array:
    top = float(jnp.finfo(x.dtype).max)
    return jnp.clip(x, -top, top)


def _times_sigmoid(factor: Array, z: Array) -> Array:
    """Return factor * sigmoid(z), the factor between two halves of the exponential, which might be flushed."""
    half = jnp.exp(-0.5 * jnp.abs(z))
    root = jnp.where(z > 0, 1.0, half)
    return (_finite(factor) * root) * root / (1.0 + half * half)


def _gate_gap(factor: Array, p: Array, q: Array, gap: Array) -> Array:
    """Return factor * (sigmoid(P) - sigmoid(Q)): for P > Q that is sigmoid(P) sigmoid(-Q) (1 - exp(Q - P))."""
    up = gap > 0
    between = jnp.where(up, -1.0, 1.0) * jnp.expm1(-jnp.abs(gap))
    return _times_sigmoid(_times_sigmoid(factor * between, jnp.where(up, p, -p)), jnp.where(up, -q, q))


def _uaf_slope_value(x: Array, a: Array, b: Array, c: Array, d: Array, e: Array) -> Array:
    p, q, gap = _uaf_gates(x, a, b, c, d)
    # a sigmoid(P) - d sigmoid(Q) as (a - d) sigmoid(P) + d (sigmoid(P) - sigmoid(Q)), free of cancellation.
    return _times_sigmoid((a - d) + 2.0 * c * _finite(x), p) + _gate_gap(d, p, q, gap)


def _uaf_curvature(x: Array, a: Array, b: Array, c: Array, d: Array, e: Array) -> Array:
    p, q, gap = _uaf_gates(x, a, b, c, d)
    bend = 2.0 * c * _finite(x)
    # sigmoid'(P) - sigmoid'(Q) = (sigmoid(P) - sigmoid(Q)) (1 - sigmoid(P) - sigmoid(Q)).
    first = _times_sigmoid(_times_sigmoid(((a - d) + bend) * ((a + d) + bend), p), -p)
    second = _gate_gap(d * d, p, q, gap) * (1.0 - lax.logistic(p) - lax.logistic(q))
    return _times_sigmoid(2.0 * c, p) + (first + second)


def _uaf_by_a(x: Array, a: Array, b: Array, c: Array, d: Array, e: Array) -> Array:
    return _times_sigmoid(x + b, _uaf_gates(x, a, b, c, d)[0])


def _uaf_by_b(x: Array, a: Array, b: Array, c: Array, d: Array, e: Array) -> Array:
    p, q, _ = _uaf_gates(x, a, b, c, d)
    return _times_sigmoid(a, p) + _times_sigmoid(d, q)


def _uaf_by_c(x: Array, a: Array, b: Array, c: Array, d: Array, e: Array) -> Array:
    return _times_sigmoid(x * x, _uaf_gates(x, a, b, c, d)[0])


def _uaf_by_d(x: Array, a: Array, b: Array, c: Array, d: Array, e: Array) -> Array:
    return -_times_sigmoid(x - b, _uaf_gates(x, a, b, c, d)[1])


_uaf_slope = keep_input(_uaf_slope_value, _uaf_curvature)
_uaf = keep_input(
    _uaf_value,
    _uaf_slope,
    _uaf_by_a,
    _uaf_by_b,
    _uaf_by_c,
    _uaf_by_d,
    lambda x, a, b, c, d, e: jnp.ones_like(x),
)
