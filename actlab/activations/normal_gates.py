r"""Relatives of GELU: gates made of the normal distribution function or of erf.

Like `gelu` they vanish on the left as :math:`e^{-x^2/2}` or :math:`e^x`, where an intermediate is flushed long
before the result is: there the leading term is computed alone, with all large factors in `damped`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.gelu import gelu, gelu_slope
from actlab.activations.spec import REALS, Interval, activation
from actlab.activations.special import (
    DENSITY_AT_ZERO,
    ERF_SLOPE_AT_ZERO,
    SQRT_2,
    damped,
    distance,
    gate_tail,
    gate_tail_curvature,
    gate_tail_slope,
    line,
    mills_ratio,
)
from actlab.gradients import by_precision, keep_input


@activation(
    family="self-gated",
    formula="x*erf(softplus(x))",
    range=Interval(-0.34843745875960642, math.inf),
    monotonic=False,
    smoothness="Cinf",
    lipschitz=1.0861254441509972,  # at 1.0960460404526292
    limits=(0.0, math.inf),
    turning=(-1.193059968928188,),
    reference="Nag, Bhattacharyya 2021, arXiv:2108.09598",
)
def serf(x: ArrayLike) -> Array:
    r"""Serf: x times the erf of its softplus, as mish with erf for tanh.

    .. math:: f(x) = x \operatorname{erf}(w), \qquad
              f'(x) = \operatorname{erf}(w) + \frac{2}{\sqrt\pi}\, x\, \sigma(x)\, e^{-w^2}, \qquad w = \log(1 + e^x)

    Range [-0.34844, inf); limits 0 and inf; smooth, turning at -1.1931. 1.0861-Lipschitz.

    Args:
        x: real array.

    Nag, Bhattacharyya 2021, arXiv:2108.09598.

    >>> print(f"{serf(2.0):.4f}")
    1.9947
    """
    return _serf(x)


def _serf_parts(x: Array) -> tuple[Array, Array, Array, Array]:
    """Return x clipped, exp(-abs(x)), the softplus, and whether x is so far left that exp(x) is all there is."""
    end = by_precision(x, 110.0, 760.0)  # exp(-end) is 0
    x = jnp.clip(x, -end, end)
    e = damped(1.0, jnp.abs(x))
    return x, e, jnp.maximum(x, 0.0) + jnp.log1p(e), x < -by_precision(x, 20.0, 40.0)


def _serf_value(x: Array) -> Array:
    z, _, w, far = _serf_parts(x)
    return jnp.where(far, damped(ERF_SLOPE_AT_ZERO * z, jnp.abs(z)), jnp.maximum(x, z) * lax.erf(w))


def _serf_slope_value(x: Array) -> Array:
    x, e, w, far = _serf_parts(x)
    opening = jnp.where(x > 0, 1.0, e) / (1.0 + e) * jnp.exp(-w * w)
    near = lax.erf(w) + ERF_SLOPE_AT_ZERO * x * opening
    return jnp.where(far, damped(ERF_SLOPE_AT_ZERO * (1.0 + x), jnp.abs(x)), near)


def _serf_curvature(x: Array) -> Array:
    x, e, w, _ = _serf_parts(x)
    opened, closed = jnp.where(x > 0, 1.0, e) / (1.0 + e), jnp.where(x > 0, e, 1.0) / (1.0 + e)
    factor = ERF_SLOPE_AT_ZERO * (2.0 + x * closed - 2.0 * x * w * opened) / (1.0 + e)
    return damped(factor, w * w + jnp.where(x > 0, 0.0, -x))


_serf = keep_input(_serf_value, keep_input(_serf_slope_value, _serf_curvature))


@activation(
    family="self-gated",
    formula="x*tanh(0.5*x*(1+erf(x/sqrt(2))))",
    range=Interval(0.0, math.inf),
    monotonic=False,
    smoothness="Cinf",
    lipschitz=1.2983066733058115,  # at 1.2018443521278413
    limits=(0.0, math.inf),
    turning=(-1.1954312013879125, 0.0),
    reference="Naveen 2022, Phish",
)
def phish(x: ArrayLike) -> Array:
    r"""Phish: x times the tanh of its GELU.

    .. math:: f(x) = x \tanh g, \qquad f'(x) = \tanh g + x\, g' \operatorname{sech}^2 g, \qquad g = x\, \Phi(x)

    Range [0, inf); limits 0 and inf; smooth. Both factors are negative on the left, so f is not: it rises to
    0.16466 at -1.1954, falls to 0 at 0, and rises for good. 1.2983-Lipschitz.

    Args:
        x: real array.

    Naveen 2022, Phish: a novel hyper-optimizable activation function.

    >>> print(f"{phish(2.0):.4f}")
    1.9213
    """
    return _phish(x)


_PHISH_FAR = -7.0  # tanh g is g and sech g is 1 left of it, to all digits


def _phish_value(x: Array) -> Array:
    t = distance(x)
    return jnp.where(
        x < _PHISH_FAR, damped(t * t * mills_ratio(t), 0.5 * t * t), jnp.maximum(x, -t) * jnp.tanh(gelu(x))
    )


def _phish_parts(x: Array) -> tuple[Array, Array, Array, Array]:
    """Return x clipped, its gelu, the derivative of that, and sech of it."""
    end = by_precision(x, 110.0, 760.0)
    x = jnp.clip(x, -end, end)
    g = gelu(x)
    u = jnp.exp(-jnp.abs(g))
    return x, g, gelu_slope(x), 2.0 * u / (1.0 + u * u)


def _phish_slope_value(x: Array) -> Array:
    t = distance(x)
    far = damped(t * (DENSITY_AT_ZERO * t - 2.0 * mills_ratio(t)), 0.5 * t * t)
    z, g, slope, sech = _phish_parts(x)
    near = jnp.where(
        jnp.abs(x) < 1e-20, x, jnp.tanh(g) + (z * slope * sech) * sech
    )  # x, not two flushed halves
    return jnp.where(x < _PHISH_FAR, far, near)


def _phish_curvature(x: Array) -> Array:
    t = distance(x)
    far = damped(2.0 * mills_ratio(t) + DENSITY_AT_ZERO * t * (t * t - 4.0), 0.5 * t * t)
    z, g, slope, sech = _phish_parts(x)
    bend = -gate_tail_curvature(t)
    near = ((2.0 * slope + z * (bend - 2.0 * slope * slope * jnp.tanh(g))) * sech) * sech
    return jnp.where(x < _PHISH_FAR, far, near)


_phish = keep_input(_phish_value, keep_input(_phish_slope_value, _phish_curvature))


def _gelu(x: float) -> float:
    return 0.5 * x * math.erfc(-x / SQRT_2)


def _gelu_slope(x: float) -> float:
    return 0.5 * math.erfc(-x / SQRT_2) + x * DENSITY_AT_ZERO * math.exp(-0.5 * x * x)


def _least(f: Callable[[float], float], low: float, high: float) -> float:
    """Return the smallest value of f on an interval: the best of a fine grid, then golden sections."""
    step = (high - low) / 2000
    at = min((low + i * step for i in range(2001)), key=f)
    a, b, ratio = at - step, at + step, (math.sqrt(5.0) - 1.0) / 2.0
    for _ in range(60):
        c, d = b - ratio * (b - a), a + ratio * (b - a)
        a, b = (a, d) if f(c) < f(d) else (c, b)
    return f((a + b) / 2.0)


def _gelu_sine_range(p) -> Interval:
    # A period to the right adds 2 pi to x, one to the left leaves the sine alone.
    return Interval(_least(lambda x: _gelu(x) + p["amp"] * math.sin(x), -10.0, 7.0), math.inf)


def _gelu_sine_lipschitz(p) -> float:
    return -_least(lambda x: -abs(_gelu_slope(x) + p["amp"] * math.cos(x)), -10.0, 10.0)


@activation(
    family="self-gated",
    formula="0.5*x*erfc(-x/sqrt(2))+amp*sin(x)",
    parameters={"amp": (REALS, "amplitude of the sine")},
    range=_gelu_sine_range,
    monotonic=False,
    smoothness="Cinf",
    lipschitz=_gelu_sine_lipschitz,
    limits=lambda p: (0.0 if p["amp"] == 0 else math.nan, math.inf),
    turning=lambda p: (-0.7517915246935645,) if p["amp"] == 0 else None,
    reference="Vitvitskyi et al. 2026, arXiv:2602.05688",
)
def gelu_sine(x: ArrayLike, *, amp: ArrayLike = 0.1) -> Array:
    r"""GELU plus a small sine, which keeps a gradient alive where GELU has none.

    .. math:: f(x) = x\, \Phi(x) + a \sin x, \qquad f'(x) = \Phi(x) + x\, \varphi(x) + a \cos x

    Range [-0.24404, inf) by default; no limit at -inf, where it oscillates and returns NaN, and inf at inf;
    smooth, with infinitely many turning points on the left. 1.1544-Lipschitz by default. At inf f' has no limit;
    its mean, 1, is returned.

    Args:
        x: real array.
        amp: amplitude a of the sine; any finite real, 0 is gelu.

    Vitvitskyi et al. 2026, arXiv:2602.05688.

    >>> print(f"{gelu_sine(2.0):.4f}")
    2.0454
    """
    return _gelu_sine(x, amp)


def _wave(wave: Callable[[Array], Array], x: Array, amp: Array) -> Array:
    # At inf x outgrows the sine; at -inf there is nothing else, and the sine is NaN.
    silent = (x == jnp.inf) | ((x == -jnp.inf) & (amp == 0))
    return jnp.where(silent, 0.0, wave(jnp.where(silent, 0.0, x)))


def _gelu_sine_value(x: Array, amp: Array) -> Array:
    both = gelu(x) + amp * _wave(jnp.sin, x, amp)
    return jnp.where(jnp.abs(x) < 1e-20, (0.5 + amp) * x, both)  # one product, not two flushed ones


_gelu_sine = keep_input(
    _gelu_sine_value,
    keep_input(
        lambda x, amp: gelu_slope(x) + amp * _wave(jnp.cos, x, amp),
        lambda x, amp: -gate_tail_curvature(distance(x)) - amp * _wave(jnp.sin, x, amp),
        lambda x, amp: _wave(jnp.cos, x, amp),
    ),
    lambda x, amp: _wave(jnp.sin, x, amp),
)


SLOPE_LEAST = -0.12890414518515479  # of gelu, at -sqrt(2); the largest is 1 less this


def level(slope: float, falling: bool) -> float:
    """Return the x < 0 at which gelu' has this value of at most 0, on its falling or its rising side."""
    low, high = (-40.0, -SQRT_2) if falling else (-SQRT_2, 0.0)
    for _ in range(200):
        middle = 0.5 * (low + high)
        below = _gelu_slope(middle) < slope
        low, high = (low, middle) if below == falling else (middle, high)
    return 0.5 * (low + high)


def _mirrored(alpha: float) -> tuple[float, float]:
    """Return alpha and 1, or, below -1/2, -1 - alpha and -1: f(x; -1 - alpha) = -f(-x; alpha)."""
    return (alpha, 1.0) if alpha >= -0.5 else (-1.0 - alpha, -1.0)


def _expanded_turning(p) -> tuple[float, ...]:
    alpha, side = _mirrored(p["alpha"])
    if alpha == -0.5:
        return ()
    slope = alpha / (1.0 + 2.0 * alpha)
    if alpha < 0 and slope <= SLOPE_LEAST:
        return ()
    found = (level(slope, True), level(slope, False)) if alpha < 0 else (_positive_level(slope),)
    return tuple(sorted(side * x for x in found))


def _positive_level(slope: float) -> float:
    """Return the x in [-1, 0] at which gelu' has this value of 0 to 1/2."""
    low, high = -1.0, 0.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _gelu_slope(middle) < slope else (low, middle)
    return 0.5 * (low + high)


def _expanded_range(p) -> Interval:
    alpha, side = _mirrored(p["alpha"])
    if alpha < 0:
        return REALS
    x = _expanded_turning(p)[0] * side
    least = _gelu(x) * (1.0 + 2.0 * alpha) - alpha * x
    return Interval(least, math.inf) if side > 0 else Interval(-math.inf, -least)


def _expanded_limits(p) -> tuple[float, float]:
    def end(slope: float, sign: float) -> float:
        return math.copysign(math.inf, slope) * sign if slope else 0.0

    return end(-p["alpha"], -1.0), end(1.0 + p["alpha"], 1.0)


def _expanded_lipschitz(p) -> float:
    alpha, _ = _mirrored(p["alpha"])
    return 1.0 + alpha - SLOPE_LEAST * (1.0 + 2.0 * alpha)


@activation(
    family="self-gated",
    formula="x*(0.5*erfc(-x/sqrt(2))*(1+2*alpha)-alpha)",
    parameters={"alpha": (REALS, "by how much the gate exceeds [0, 1] on either side")},
    range=_expanded_range,
    monotonic=lambda p: not _expanded_turning(p),
    smoothness="Cinf",
    lipschitz=_expanded_lipschitz,
    limits=_expanded_limits,
    turning=_expanded_turning,
    reference="Huang 2024, arXiv:2405.20768",
    aliases=("xgelu",),
)
def expanded_gelu(x: ArrayLike, *, alpha: ArrayLike = 0.0) -> Array:
    r"""xGELU: GELU with a gate from -alpha to 1 + alpha, alpha learnt.

    .. math:: f(x) = x \left((1 + 2\alpha)\,\Phi(x) - \alpha\right), \qquad
              f'(x) = (1 + 2\alpha)\,(\Phi(x) + x\,\varphi(x)) - \alpha

    alpha = 0 is gelu, where learning starts; alpha > 0 has a minimum left of 0 and the limit inf on both sides,
    so a negative input keeps its gradient; -1 < alpha < 0 takes all reals, increasing for alpha in
    [-0.8975, -0.1025]. Smooth. Lipschitz: 1.1289 + 1.2578 max(alpha, -1 - alpha).
    f(x; -1 - alpha) = -f(-x; alpha).

    Args:
        x: real array.
        alpha: by how much the gate exceeds [0, 1]; any finite real.

    Huang 2024, Expanded gating ranges improve activation functions, arXiv:2405.20768.

    >>> print(f"{expanded_gelu(-2.0, alpha=0.1):.4f}")
    0.1454
    """
    return _expanded(x, alpha)


xgelu = expanded_gelu


def _expanded_value(x: Array, alpha: Array) -> Array:
    both = line(jnp.where(x > 0, 1.0 + alpha, -alpha), x) - (1.0 + 2.0 * alpha) * gate_tail(distance(x))
    return jnp.where(jnp.abs(x) < 1e-20, 0.5 * x, both)  # one product, not two flushed ones


def _expanded_slope_value(x: Array, alpha: Array) -> Array:
    tail = (1.0 + 2.0 * alpha) * gate_tail_slope(distance(x))
    return jnp.where(x > 0, 1.0 + alpha - tail, tail - alpha)


_expanded = keep_input(
    _expanded_value,
    keep_input(
        _expanded_slope_value,
        lambda x, alpha: gate_tail_curvature(distance(x), -(1.0 + 2.0 * alpha)),
        lambda x, alpha: 2.0 * gelu_slope(x) - 1.0,
    ),
    lambda x, alpha: x * lax.erf(x / SQRT_2),
)
