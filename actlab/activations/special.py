r"""The normal distribution in pieces: what `gelu`, erf and their relatives are made of.

Everything comes from one exponential and the Mills ratio,
:math:`\Phi(-t) = R(t)\, e^{-t^2/2}` for :math:`t \ge 0`: XLA's float32 erfc is wrong by four units, flushes to
zero in the tail where :math:`x\,\Phi(x)` does not, and pays for an exponential that the derivative then needs again.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import Array, lax

from actlab.gradients import by_precision, keep_input

SQRT_2 = math.sqrt(2.0)
DENSITY_AT_ZERO = 1.0 / math.sqrt(2.0 * math.pi)
ERF_SLOPE_AT_ZERO = 2.0 / math.sqrt(math.pi)

# R(t) = P(t) / Q(t), lowest power first, fitted by experiments/fits/normal_tail.py: relative error 2^-27.1 on
# [0, 15] and 2^-59.7 on [0, 40]. All coefficients are positive, so nothing cancels.
_SINGLE = (
    (0.5, 0.43859292841349595, 0.18342806185140975, 0.04069013169544011, 0.004122320148268127),
    (
        1.0,
        1.6750707169566668,
        1.2033650612119406,
        0.46997258023792327,
        0.1020012668824984,
        0.010333010227119905,
    ),
)
_DOUBLE = (
    (
        0.5,
        0.8283481139481428,
        0.6802643720228436,
        0.35784678700986877,
        0.13229035966839048,
        0.035750135605347094,
        0.007142741605177878,
        0.0010431443073605164,
        0.00010698227282315392,
        7.006918002992505e-06,
        2.2532606871127585e-07,
    ),
    (
        1.0,
        2.454580788699151,
        2.8190008585920534,
        2.003601961898508,
        0.981547399615207,
        0.34897626556757416,
        0.09219194854978535,
        0.018171233229834913,
        0.0026323387543282914,
        0.000268729598634676,
        1.7563738784349714e-05,
        5.64808694843014e-07,
    ),
)


def polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """Return the polynomial with these coefficients, lowest power first, by Horner's rule."""
    total = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        total = total * x + coefficient
    return total


def distance(x: Array) -> Array:
    """Return abs(x), clipped where exp(-x^2 / 2) is 0, so that its powers stay finite."""
    return jnp.minimum(jnp.abs(x), by_precision(x, 15.0, 40.0))


def damped(factor: Array | float, s: Array) -> Array:
    """Return factor * exp(-s), s >= 0, where exp(-s) alone may be flushed to zero.

    XLA's exp flushes below the smallest normal number, while a large factor times it is still normal.
    """
    product = factor * shifted_exp(s)
    return jnp.where(s > _FAR, math.exp(-32.0) * product, product)


def shifted_exp(s: Array) -> Array:
    """Return exp(-s), s >= 0, but e^32 times it where s is above 80; 1 plus it is exact all the same."""
    return jnp.exp(jnp.where(s > _FAR, 32.0 - s, -s))  # 32 - s is exact


_FAR = 80.0


def mills_ratio(t: Array) -> Array:
    r"""Return :math:`R(t) = \Phi(-t)\, e^{t^2/2}` for t from 0 up to where `distance` ends."""
    above, below = by_precision(t, _SINGLE, _DOUBLE)
    return polynomial(above, t) / polynomial(below, t)


def gate_tail(t: Array) -> Array:
    r"""Return :math:`t\,\Phi(-t)`, what GELU lacks to max(x, 0), for t as by `distance`."""
    return damped(t * mills_ratio(t), 0.5 * t * t)


def gate_tail_slope(t: Array) -> Array:
    r"""Return :math:`\Phi(-t) - t\,\varphi(t)`, the derivative of `gate_tail`, by the same exponential."""
    return damped(mills_ratio(t) - DENSITY_AT_ZERO * t, 0.5 * t * t)


def gate_tail_curvature(t: Array, factor: Array | float = 1.0) -> Array:
    r"""Return :math:`(t^2 - 2)\,\varphi(t)`, the second derivative of `gate_tail`, times a factor."""
    square = t * t
    return damped((factor * DENSITY_AT_ZERO) * (square - 2.0), 0.5 * square)


def finite(x: Array) -> Array:
    """Return x with infinities replaced by the largest numbers, so that times zero they give zero."""
    top = float(jnp.finfo(x.dtype).max)
    return jnp.clip(x, -top, top)


def line(slope: Array, x: Array) -> Array:
    """Return slope * x, and 0 rather than NaN where the slope is 0 and x infinite."""
    return slope * jnp.where(slope == 0, finite(x), x)


def _normal_cdf_value(x: Array) -> Array:
    t = distance(x)
    tail = damped(mills_ratio(t), 0.5 * t * t)
    return jnp.where(x > 0, 1.0 - tail, tail)


def _normal_density_value(x: Array) -> Array:
    t = distance(x)
    return damped(DENSITY_AT_ZERO, 0.5 * t * t)


def _normal_density_slope(x: Array) -> Array:
    end = by_precision(x, 15.0, 40.0)
    x = jnp.clip(x, -end, end)
    return damped(-DENSITY_AT_ZERO * x, 0.5 * x * x)


# phi and Phi of the standard normal distribution.
normal_density = keep_input(_normal_density_value, _normal_density_slope)
normal_cdf = keep_input(_normal_cdf_value, normal_density)


@jax.custom_jvp
def normal_pair(x: Array) -> tuple[Array, Array]:
    r"""Return :math:`\Phi(x)` and :math:`\varphi(x)` by one exponential; x is a float32 or float64 array.

    The density is flushed where it is below the smallest normal number: where a large factor meets it, use
    `damped`.
    """
    return _normal_cdf_value(x), _normal_density_value(x)


@normal_pair.defjvp
def _normal_pair_jvp(primals, tangents):
    (x,), (moved,) = primals, tangents
    cdf, density = normal_pair(x)
    return (cdf, density), (density * moved, _normal_density_slope(x) * moved)


def _erf_slope_value(x: Array) -> Array:
    t = distance(x)
    return damped(ERF_SLOPE_AT_ZERO, t * t)


def _erf_curvature(x: Array) -> Array:
    end = by_precision(x, 15.0, 40.0)
    x = jnp.clip(x, -end, end)
    return damped(-2.0 * ERF_SLOPE_AT_ZERO * x, x * x)


def _erfc_value(x: Array) -> Array:
    t = distance(x)
    tail = damped(2.0 * mills_ratio(SQRT_2 * t), t * t)
    return jnp.where(x > 0, tail, 2.0 - tail)


erf_slope = keep_input(_erf_slope_value, _erf_curvature)
# XLA's erf, unlike its erfc, is good to 2.5 units in float32 and to 0.7 in float64.
erf = keep_input(lax.erf, erf_slope)
erfc = keep_input(_erfc_value, lambda x: -erf_slope(x))
