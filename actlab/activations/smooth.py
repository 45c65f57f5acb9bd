"""Smooth rectifiers: the identity far right, bounded far left."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.saturating import sigmoid_slope
from actlab.activations.spec import POSITIVE, Interval, Kink, activation
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


def _elu_kinks(alpha: float, scale: float) -> tuple[Kink, ...]:
    return () if alpha == 1 else (Kink(at=0.0, left=scale * alpha, right=scale, chosen=scale * alpha),)


def _elu_smoothness(p) -> str:
    return "C1" if p["alpha"] == 1 else "C0"


@activation(
    family="smooth",
    formula="where(x>0,x,alpha*(exp(x)-1))",
    parameters={"alpha": (POSITIVE, "minus the limit at -inf")},
    range=lambda p: Interval(-p["alpha"], math.inf, open_low=True),
    monotonic=True,
    smoothness=_elu_smoothness,
    kinks=lambda p: _elu_kinks(p["alpha"], 1.0),
    lipschitz=lambda p: max(1.0, p["alpha"]),
    limits=lambda p: (-p["alpha"], math.inf),
    reference="Clevert, Unterthiner, Hochreiter 2015, arXiv:1511.07289",
)
def elu(x: ArrayLike, *, alpha: ArrayLike = 1.0) -> Array:
    r"""Exponential linear unit: identity on the right, an exponential down to -alpha on the left.

    .. math:: f(x) = x \text{ if } x > 0 \text{ else } \alpha\,(e^x - 1), \qquad f'(0) := \alpha

    Range (-alpha, inf); limits -alpha and inf. For alpha = 1 continuously differentiable (f'' jumps from 1 to
    0 at 0); else a kink at 0, where the left derivative alpha is taken. Lipschitz: max(1, alpha). Increasing.

    Args:
        x: real array.
        alpha: minus the limit at -inf, positive.

    Clevert, Unterthiner, Hochreiter 2015, arXiv:1511.07289.

    >>> import jax.numpy as jnp
    >>> elu(jnp.array([-jnp.inf, 3.0]), alpha=0.5)
    Array([-0.5,  3. ], dtype=float32)
    """
    return _scaled_elu(x, alpha, 1.0)


@activation(
    family="smooth",
    formula="scale*where(x>0,x,alpha*(exp(x)-1))",
    parameters={
        "alpha": (POSITIVE, "depth of the negative side, before scaling"),
        "scale": (POSITIVE, "slope of the positive side"),
    },
    range=lambda p: Interval(-p["scale"] * p["alpha"], math.inf, open_low=True),
    monotonic=True,
    smoothness=_elu_smoothness,
    kinks=lambda p: _elu_kinks(p["alpha"], p["scale"]),
    lipschitz=lambda p: p["scale"] * max(1.0, p["alpha"]),
    limits=lambda p: (-p["scale"] * p["alpha"], math.inf),
    reference="Klambauer, Unterthiner, Mayr, Hochreiter 2017, arXiv:1706.02515",
)
def selu(
    x: ArrayLike, *, alpha: ArrayLike = 1.6732632423543772, scale: ArrayLike = 1.0507009873554805
) -> Array:
    r"""Scaled exponential linear unit: the ELU that keeps a standard normal's mean 0 and variance 1.

    .. math:: f(x) = \lambda x \text{ if } x > 0 \text{ else } \lambda\alpha\,(e^x - 1),
              \qquad f'(0) := \lambda\alpha

    Range (-scale * alpha, inf), -1.7581 by default. Kink at 0, where the left derivative scale * alpha is
    taken. Lipschitz: scale * max(1, alpha). Increasing. The two constants solve E f(z) = 0, E f(z)^2 = 1 for
    a standard normal z; other values lose that property.

    Args:
        x: real array.
        alpha: depth of the negative side before scaling, positive.
        scale: slope of the positive side, positive.

    Klambauer, Unterthiner, Mayr, Hochreiter 2017, arXiv:1706.02515.

    >>> print(f"{selu(2.0):.4f}")
    2.1014
    """
    return _scaled_elu(x, alpha, scale)


def _scaled_elu_value(x: Array, alpha: Array, scale: Array) -> Array:
    return scale * jnp.where(x > 0, x, alpha * jnp.expm1(jnp.minimum(x, 0.0)))


def _scaled_elu_slope(x: Array, alpha: Array, scale: Array) -> Array:
    # JAX differentiates expm1 as expm1 + 1, which cancels in the left tail. The input is guarded by where,
    # not by minimum, whose own derivative at a tie is 1/2.
    # The exponential comes in two halves: whole, it may be flushed where scale * alpha times it is not.
    half = jnp.exp(0.5 * jnp.where(x > 0, 0.0, x))
    return jnp.where(x > 0, scale, (scale * alpha * half) * half)


def _scaled_elu_by_alpha(x: Array, alpha: Array, scale: Array) -> Array:
    return scale * jnp.where(x > 0, 0.0, jnp.expm1(jnp.where(x > 0, 0.0, x)))


def _scaled_elu_by_scale(x: Array, alpha: Array, scale: Array) -> Array:
    return _scaled_elu(x, alpha, 1.0)


_scaled_elu = keep_input(_scaled_elu_value, _scaled_elu_slope, _scaled_elu_by_alpha, _scaled_elu_by_scale)
