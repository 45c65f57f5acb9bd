"""Inverse square root units: x over the root of a constant plus its square."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.algebraic import finite, inverse_root
from actlab.activations.spec import NONNEGATIVE, POSITIVE, REALS, Interval, activation
from actlab.gradients import by_precision, keep_input


def _isru_end(alpha: float) -> float:
    return math.inf if alpha == 0 else 1.0 / math.sqrt(alpha)


@activation(
    family="saturating",
    formula="x/sqrt(1+alpha*x**2)",
    parameters={"alpha": (NONNEGATIVE, "the limits are 1 / sqrt(alpha)")},
    range=lambda p: Interval(-_isru_end(p["alpha"]), _isru_end(p["alpha"]), open_low=True, open_high=True),
    monotonic=True,
    smoothness="Cinf",
    lipschitz=1.0,
    limits=lambda p: (-_isru_end(p["alpha"]), _isru_end(p["alpha"])),
    reference="Carlile, Delamarter, Kinney, Marti, Whitney 2017, arXiv:1710.09967",
)
def isru(x: ArrayLike, *, alpha: ArrayLike = 1.0) -> Array:
    r"""Inverse square root unit: an algebraic sigmoid.

    .. math:: f(x) = \frac{x}{\sqrt{1 + \alpha x^2}}, \qquad f'(x) = \left(1 + \alpha x^2\right)^{-3/2}

    Range (-1/sqrt(alpha), 1/sqrt(alpha)), its ends are the limits; smooth, odd and increasing. 1-Lipschitz.
    alpha = 0 is the identity.

    Args:
        x: real array.
        alpha: inverse square of the limits, at least 0.

    Carlile, Delamarter, Kinney, Marti, Whitney 2017, arXiv:1710.09967.

    >>> import jax.numpy as jnp
    >>> isru(jnp.array([0.75, jnp.inf]))
    Array([0.6, 1. ], dtype=float32)
    """
    return _isru(x, alpha)


def _isru_parts(x: Array, alpha: Array) -> tuple[Array, Array]:
    """Return z = sqrt(alpha) * x, finite, and 1 / sqrt(1 + z * z)."""
    z = finite(jnp.sqrt(alpha) * finite(x))
    return z, inverse_root(z)


def _isru_value(x: Array, alpha: Array) -> Array:
    z, s = _isru_parts(x, alpha)
    far = by_precision(x, 1e6, 1e10)
    return jnp.where(jnp.abs(z) > far, jnp.sign(x) / jnp.sqrt(alpha), x * s)


def _isru_slope_value(x: Array, alpha: Array) -> Array:
    _, s = _isru_parts(x, alpha)
    return s * s * s


def _isru_curvature(x: Array, alpha: Array) -> Array:
    z, s = _isru_parts(x, alpha)
    return -3.0 * jnp.sqrt(alpha) * ((z * s) * s * s) * s * s


def _isru_by_alpha(x: Array, alpha: Array) -> Array:
    y = finite(_isru_value(x, alpha))
    return finite(-0.5 * y * y * y)  # at alpha = 0 it would overflow, and inf times a zero is NaN


def _isru_slope_by_alpha(x: Array, alpha: Array) -> Array:
    # By hand: the derivative of sqrt(alpha) at 0 is inf, and times x = 0 it would be NaN.
    _, s = _isru_parts(x, alpha)
    y = finite(_isru_value(x, alpha))
    return finite(-1.5 * (y * y) * (s * s * s))


_isru_slope = keep_input(_isru_slope_value, _isru_curvature, _isru_slope_by_alpha)
_isru = keep_input(_isru_value, _isru_slope, _isru_by_alpha)


@activation(
    family="saturating",
    formula="gamma*x/sqrt(alpha+x**2)+beta",
    parameters={
        "alpha": (POSITIVE, "square of the input at which the bend is halfway: larger is wider"),
        "gamma": (REALS, "scale; the paper's sqrt(C) for C channels is its part"),
        "beta": (REALS, "shift"),
    },
    range=lambda p: (
        Interval(p["beta"], p["beta"])
        if p["gamma"] == 0
        else Interval(p["beta"] - abs(p["gamma"]), p["beta"] + abs(p["gamma"]), open_low=True, open_high=True)
    ),
    monotonic=lambda p: p["gamma"] >= 0,
    smoothness="Cinf",
    lipschitz=lambda p: abs(p["gamma"]) / math.sqrt(p["alpha"]),
    limits=lambda p: (p["beta"] - p["gamma"], p["beta"] + p["gamma"]),
    reference="Stollenwerk 2025, arXiv:2503.21708",
)
def dyisru(x: ArrayLike, *, alpha: ArrayLike = 1.0, gamma: ArrayLike = 1.0, beta: ArrayLike = 0.0) -> Array:
    r"""Dynamic inverse square root unit: RMSNorm with the other channels' sum of squares held constant.

    .. math:: f(x) = \gamma \frac{x}{\sqrt{\alpha + x^2}} + \beta,
              \qquad f'(x) = \gamma\, \alpha \left(\alpha + x^2\right)^{-3/2}

    Range (beta - abs(gamma), beta + abs(gamma)); limits beta - gamma and beta + gamma; smooth, increasing for
    gamma >= 0. Lipschitz: abs(gamma) / sqrt(alpha). Made to be learnt: alpha for the layer, gamma and beta per
    channel. The paper writes beta for alpha, and sqrt(C) times the quotient for C channels: here that
    factor is gamma's initial value, and alpha is of the order of the sum of C squares.

    Args:
        x: real array.
        alpha: squared width of the bend, positive.
        gamma: scale; any finite real.
        beta: shift; any finite real.

    Stollenwerk 2025, On the mathematical relationship between layer normalization and dynamic activation
    functions, arXiv:2503.21708.

    >>> import jax.numpy as jnp
    >>> dyisru(jnp.array([3.0, jnp.inf]), alpha=16.0)
    Array([0.6, 1. ], dtype=float32)
    """
    return _dyisru(x, alpha, gamma, beta)


def _dyisru_parts(x: Array, alpha: Array) -> tuple[Array, Array]:
    """Return w = x / sqrt(alpha), finite, and 1 / sqrt(1 + w * w)."""
    w = finite(finite(x) / jnp.sqrt(alpha))
    return w, inverse_root(w)


def _dyisru_unit(x: Array, alpha: Array) -> Array:
    w, s = _dyisru_parts(x, alpha)
    return jnp.where(jnp.abs(w) > by_precision(x, 1e6, 1e10), jnp.sign(w), w * s)


def _dyisru_value(x: Array, alpha: Array, gamma: Array, beta: Array) -> Array:
    # Near 0 it is linear, and x / sqrt(alpha) may be flushed where gamma times it is not.
    w, _ = _dyisru_parts(x, alpha)
    linear = jnp.abs(w) < by_precision(x, 1e-4, 1e-9)
    return jnp.where(linear, gamma / jnp.sqrt(alpha) * x, gamma * _dyisru_unit(x, alpha)) + beta


def _dyisru_slope_value(x: Array, alpha: Array, gamma: Array, beta: Array) -> Array:
    _, s = _dyisru_parts(x, alpha)
    return (gamma / jnp.sqrt(alpha) * s) * s * s


def _dyisru_curvature(x: Array, alpha: Array, gamma: Array, beta: Array) -> Array:
    w, s = _dyisru_parts(x, alpha)
    return (-3.0 * gamma / alpha * (w * s) * s) * s * s * s


def _dyisru_by_alpha(x: Array, alpha: Array, gamma: Array, beta: Array) -> Array:
    w, s = _dyisru_parts(x, alpha)
    return (-0.5 * gamma / alpha * (w * s)) * s * s


def _dyisru_slope_by_alpha(x: Array, alpha: Array, gamma: Array, beta: Array) -> Array:
    _, s = _dyisru_parts(x, alpha)
    return (gamma / (alpha * jnp.sqrt(alpha)) * s) * s * s * (1.0 - 1.5 * s * s)


_dyisru_slope = keep_input(
    _dyisru_slope_value,
    _dyisru_curvature,
    _dyisru_slope_by_alpha,
    lambda x, alpha, gamma, beta: _dyisru_slope_value(x, alpha, 1.0, beta),
    lambda x, alpha, gamma, beta: jnp.zeros_like(x),
)
_dyisru = keep_input(
    _dyisru_value,
    _dyisru_slope,
    _dyisru_by_alpha,
    lambda x, alpha, gamma, beta: _dyisru_unit(x, alpha),
    lambda x, alpha, gamma, beta: jnp.ones_like(x),
)
