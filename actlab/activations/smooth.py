"""Softplus and what is built from it."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.saturating import sigmoid_slope
from actlab.activations.spec import POSITIVE, Interval, activation
from actlab.gradients import by_precision, keep_input


@activation(
    family="smooth",
    formula="log(1+exp(beta*x))/beta",
    parameters={"beta": (POSITIVE, "sharpness: the larger, the closer to relu")},
    range=POSITIVE,
    monotonic=True,
    smoothness="Cinf",
    lipschitz=1.0,
    limits=(0.0, math.inf),
    reference="Dugas et al. 2001, NIPS; Glorot, Bordes, Bengio 2011",
    peers={
        "jax": "jax.nn.softplus",
        "torch": "torch.nn.functional.softplus",
        "keras": "keras.activations.softplus",
    },
    differs="torch returns x itself where beta * x > 20, its threshold; jax.nn and keras have no beta",
)
def softplus(x: ArrayLike, *, beta: ArrayLike = 1.0) -> Array:
    r"""Softplus: the smooth rectifier, the integral of the sigmoid.

    .. math:: f(x) = \tfrac{1}{\beta} \log(1 + e^{\beta x}), \qquad f'(x) = \sigma(\beta x)

    Range (0, inf); limits 0 and inf; smooth, convex and increasing. 1-Lipschitz. Tends to relu for large
    :math:`\beta`.

    Args:
        x: real array.
        beta: sharpness, positive.

    Dugas, Bengio, Bélisle, Nadeau, Garcia 2001, NIPS; Glorot, Bordes, Bengio 2011.

    >>> print(f"{softplus(2.0):.4f}")
    2.1269
    """
    return _softplus(x, beta)


def _softplus_value(x: Array, beta: Array) -> Array:
    z = beta * x
    return jnp.maximum(x, 0.0) + jnp.log1p(jnp.exp(-jnp.abs(z))) / beta


def _softplus_slope_by_beta(x: Array, beta: Array) -> Array:
    finite = jnp.clip(x, -jnp.finfo(x.dtype).max, jnp.finfo(x.dtype).max)
    return sigmoid_slope(beta * x) * finite


def _softplus_by_beta(x: Array, beta: Array) -> Array:
    # -(entropy of a coin that falls with probability sigmoid(z)) / beta**2, free of cancellation.
    end = by_precision(x, 110.0, 760.0)  # exp(-end) is 0
    z = jnp.clip(jnp.abs(beta * x), 0.0, end)
    e = jnp.exp(-z)
    return -(z * e / (1.0 + e) + jnp.log1p(e)) / (beta * beta)


_softplus_slope = keep_input(
    lambda x, beta: lax.logistic(beta * x),
    lambda x, beta: beta * sigmoid_slope(beta * x),
    _softplus_slope_by_beta,
)
_softplus = keep_input(_softplus_value, _softplus_slope, _softplus_by_beta)


@activation(
    family="smooth",
    formula="log(0.5*exp(x)+0.5)",
    range=Interval(-math.log(2.0), math.inf, open_low=True),
    monotonic=True,
    smoothness="Cinf",
    lipschitz=1.0,
    limits=(-math.log(2.0), math.inf),
    reference="Schütt et al. 2017 (SchNet), arXiv:1706.08566",
)
def shifted_softplus(x: ArrayLike) -> Array:
    r"""Shifted softplus: softplus moved down so that f(0) = 0.

    .. math:: f(x) = \log(\tfrac12 e^x + \tfrac12) = \log(1 + e^x) - \log 2, \qquad f'(x) = \sigma(x)

    Range (-log 2, inf); limits -0.6931 and inf; smooth, convex and increasing. 1-Lipschitz. Not computed as
    that difference, which cancels near 0.

    Schütt, Kindermans, Sauceda, Chmiela, Tkatchenko, Müller 2017, SchNet, arXiv:1706.08566.

    >>> print(f"{shifted_softplus(2.0):.4f}")
    1.4338
    """
    return _shifted_softplus(x)


def _shifted_softplus_value(x: Array) -> Array:
    t = 0.5 * jnp.expm1(-jnp.abs(x))
    # XLA's log1p is off by 60 units in float64 near -0.4, where log(1 + t) needs no help.
    return jnp.maximum(x, 0.0) + jnp.where(t < -0.25, jnp.log(1.0 + t), jnp.log1p(t))


_shifted_softplus = keep_input(_shifted_softplus_value, lambda x: _softplus_slope(x, 1.0))
