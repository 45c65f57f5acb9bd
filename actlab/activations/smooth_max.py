r"""Smooth maxima of x and alpha * x: leaky rectifiers whose kink is rounded off over a length of 1 / mu or mu.

Both are written as the leaky rectifier and what rounding the kink adds or takes away, which vanishes in both tails:
neither side loses digits, whatever alpha.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.normal_gates import SLOPE_LEAST, level
from actlab.activations.spec import NONNEGATIVE, POSITIVE, REALS, Interval, activation
from actlab.activations.special import (
    DENSITY_AT_ZERO,
    SQRT_2,
    damped,
    distance,
    finite,
    gate_tail,
    gate_tail_curvature,
    gate_tail_slope,
    line,
)
from actlab.gradients import keep_input

_GELU_LOW = -0.16997120747990367
_GELU_TURNING = -0.7517915246935645


def _limits(p) -> tuple[float, float]:
    return (0.0 if p["alpha"] == 0 else -math.inf), math.inf


def _smu_turning(p) -> tuple[float, ...]:
    # f(x) = m x + c gelu(k x) / k, so it turns where gelu' is -m / c.
    m, c = min(1.0, p["alpha"]), abs(1.0 - p["alpha"])
    k = SQRT_2 * p["mu"] * c
    if m == 0:
        return (_GELU_TURNING / k,)
    if m + c * SLOPE_LEAST >= 0:
        return ()
    return level(-m / c, True) / k, level(-m / c, False) / k


@activation(
    family="smooth",
    formula="((1+alpha)*x+(1-alpha)*x*erf(mu*(1-alpha)*x))/2",
    parameters={
        "alpha": (NONNEGATIVE, "slope of the other side; below 1 of the left one"),
        "mu": (POSITIVE, "sharpness of the corner: the larger, the closer to leaky_relu"),
    },
    range=lambda p: Interval(_GELU_LOW / (SQRT_2 * p["mu"]), math.inf) if p["alpha"] == 0 else REALS,
    monotonic=lambda p: not _smu_turning(p),
    smoothness="Cinf",
    lipschitz=lambda p: min(1.0, p["alpha"]) + abs(1.0 - p["alpha"]) * (1.0 - SLOPE_LEAST),
    limits=_limits,
    turning=_smu_turning,
    reference="Biswas, Kumar, Banerjee, Pandey 2021, arXiv:2111.04682",
)
def smu(x: ArrayLike, *, alpha: ArrayLike = 0.25, mu: ArrayLike = 1000000.0) -> Array:
    r"""Smooth maximum unit: the maximum of x and alpha * x, with abs written by erf.

    .. math:: f(x) = \tfrac12 \left((1 + \alpha)\, x + (1 - \alpha)\, x \operatorname{erf}(\mu (1 - \alpha) x)\right)
              = \alpha x + (1 - \alpha)\, x\, \Phi(k x), \qquad k = \sqrt2\, \mu\, (1 - \alpha)

    the second form for alpha < 1: gelu at alpha = 0 and mu = 1 / sqrt(2). Range: all reals for alpha > 0; for
    alpha = 0 [-0.12019 / mu, inf) and the limit 0 on the left. Smooth; never decreasing for alpha from 0.11419 to
    8.7577, else it turns near 0. Lipschitz: min(1, alpha) + 1.1289 abs(1 - alpha), a little above leaky_relu's.
    mu is learnt; the default, the authors', makes a corner 1e-6 wide, which is leaky_relu with slope 1/4 for most
    purposes; their other published start is alpha = 0.01, mu = 2.5.

    Args:
        x: real array.
        alpha: slope of the other side, not negative.
        mu: sharpness of the corner, positive.

    Biswas, Kumar, Banerjee, Pandey 2021, SMU: smooth activation function for deep networks using smoothing maximum
    technique, arXiv:2111.04682.

    >>> print(f"{smu(-2.0):.4f} {smu(-2.0, alpha=0.01, mu=0.5):.4f}")
    -0.5000 -0.1799
    """
    return _smu(x, alpha, mu)


def _smu_parts(x: Array, alpha: Array, mu: Array) -> tuple[Array, Array]:
    """Return abs(1 - alpha) and the distance from 0 in units in which the corner is that of gelu."""
    c = jnp.abs(1.0 - alpha)
    return c, distance((SQRT_2 * mu) * (c * finite(x)))


def _sides(x: Array, alpha: Array) -> Array:
    """Return the slope of the maximum of x and alpha * x, that of the left side at 0."""
    return jnp.where(x > 0, jnp.maximum(alpha, 1.0), jnp.minimum(alpha, 1.0))


def _smu_value(x: Array, alpha: Array, mu: Array) -> Array:
    _, t = _smu_parts(x, alpha, mu)
    both = line(_sides(x, alpha), x) - gate_tail(t) / (SQRT_2 * mu)
    return jnp.where(t < 1e-20, 0.5 * (1.0 + alpha) * x, both)  # t may be flushed before x is


def _smu_slope_value(x: Array, alpha: Array, mu: Array) -> Array:
    c, t = _smu_parts(x, alpha, mu)
    tail = c * gate_tail_slope(t)
    return _sides(x, alpha) + jnp.where(x > 0, -tail, tail)


def _smu_curvature(x: Array, alpha: Array, mu: Array) -> Array:
    c, t = _smu_parts(x, alpha, mu)
    return gate_tail_curvature(t, -(SQRT_2 * mu) * (c * c))


def _smu_by_alpha(x: Array, alpha: Array, mu: Array) -> Array:
    _, t = _smu_parts(x, alpha, mu)
    tail = gate_tail_slope(t)
    return finite(x) * jnp.where((x > 0) == (alpha < 1), tail, 1.0 - tail)


def _smu_by_mu(x: Array, alpha: Array, mu: Array) -> Array:
    _, t = _smu_parts(x, alpha, mu)
    square = t * t
    return damped((DENSITY_AT_ZERO / SQRT_2) * square, 0.5 * square) / (mu * mu)


_smu = keep_input(_smu_value, keep_input(_smu_slope_value, _smu_curvature), _smu_by_alpha, _smu_by_mu)


@activation(
    family="smooth",
    formula="((1+alpha)*x+sqrt(((1-alpha)*x)**2+mu**2))/2",
    parameters={
        "alpha": (NONNEGATIVE, "slope of the other side; below 1 of the left one"),
        "mu": (POSITIVE, "twice the height at 0, the width of the corner"),
    },
    range=lambda p: POSITIVE if p["alpha"] == 0 else REALS,
    monotonic=True,
    smoothness="Cinf",
    lipschitz=lambda p: max(1.0, p["alpha"]),
    limits=_limits,
    reference="Biswas, Kumar, Banerjee, Pandey 2021, arXiv:2111.04682",
)
def smu_1(x: ArrayLike, *, alpha: ArrayLike = 0.25, mu: ArrayLike = 4.352665993287951e-9) -> Array:
    r"""SMU-1: the maximum of x and alpha * x, with abs written by a square root.

    .. math:: f(x) = \tfrac12 \left((1 + \alpha)\, x + \sqrt{(1 - \alpha)^2 x^2 + \mu^2}\right)

    Convex and increasing, f(0) = mu / 2; range: all reals for alpha > 0, (0, inf) for alpha = 0, where it is
    squareplus with b = mu^2. Smooth. Lipschitz: max(1, alpha). mu is learnt; the default, the authors', is
    leaky_relu with slope 1/4 for most purposes.

    Args:
        x: real array.
        alpha: slope of the other side, not negative.
        mu: width of the corner, positive.

    Biswas, Kumar, Banerjee, Pandey 2021, arXiv:2111.04682.

    >>> print(f"{smu_1(-2.0):.4f} {smu_1(0.0, mu=1.0):.4f}")
    -0.5000 0.5000
    """
    return _smu_1(x, alpha, mu)


def _smu_1_parts(x: Array, alpha: Array, mu: Array) -> tuple[Array, Array, Array, Array]:
    """Return c = abs(1 - alpha), r = sqrt(c^2 x^2 + mu^2), mu / r and mu / (r + c abs(x))."""
    c = jnp.abs(1.0 - alpha)
    d = c * jnp.abs(finite(x))
    large = jnp.maximum(d, mu)
    ratio = jnp.minimum(d, mu) / large  # squares of the sides themselves would overflow, or be flushed
    r = large * jnp.sqrt(1.0 + ratio * ratio)
    return c, r, mu / r, mu / (r + d)


def _smu_1_value(x: Array, alpha: Array, mu: Array) -> Array:
    *_, excess = _smu_1_parts(x, alpha, mu)
    return line(_sides(x, alpha), x) + 0.5 * mu * excess


def _smu_1_slope_value(x: Array, alpha: Array, mu: Array) -> Array:
    c, _, near, excess = _smu_1_parts(x, alpha, mu)
    tail = 0.5 * c * near * excess
    return _sides(x, alpha) + jnp.where(x > 0, -tail, tail)


def _smu_1_curvature(x: Array, alpha: Array, mu: Array) -> Array:
    c, r, near, _ = _smu_1_parts(x, alpha, mu)
    return ((0.5 * c * near) * (c / r)) * near


def _smu_1_by_alpha(x: Array, alpha: Array, mu: Array) -> Array:
    _, _, near, excess = _smu_1_parts(x, alpha, mu)
    tail = 0.5 * near * excess
    return finite(x) * jnp.where((x > 0) == (alpha < 1), tail, 1.0 - tail)


def _smu_1_by_mu(x: Array, alpha: Array, mu: Array) -> Array:
    return 0.5 * _smu_1_parts(x, alpha, mu)[2]


_smu_1 = keep_input(
    _smu_1_value, keep_input(_smu_1_slope_value, _smu_1_curvature), _smu_1_by_alpha, _smu_1_by_mu
)
