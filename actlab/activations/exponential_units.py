r"""Exponential linear units: linear on the right, an exponential down to a floor on the left.

All are depth * (exp(rate * x) - 1) left of 0 and a straight line right of it; they differ in what is free. Two
things shape the formulas. JAX differentiates expm1 as expm1 + 1, which loses every digit in the left tail: so
slopes are written with exp. And an exponential is taken in two halves with its factor between them: whole, it may
be flushed to zero where the product is still a normal number.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.spec import POSITIVE, REALS, Interval, Kink, activation
from actlab.gradients import by_precision, keep_input

_TAIL = (
    "jax.nn and keras have the left slope from expm1 + 1: 0 from x = -17.3 on in float32; torch's f' at NaN is "
    "a number"
)


def _left(x: Array) -> Array:
    """Return x where the exponential is valid, else 0."""
    return jnp.where(x > 0, 0.0, x)


def _expm1(z: Array, scale: Array, straight: Array) -> Array:
    """Return scale * expm1(z), or ``straight`` = scale * z where z is so small that it might be flushed."""
    return jnp.where(z > by_precision(z, -1e-10, -1e-20), straight, scale * jnp.expm1(z))


def _times_exp(factor: Array, z: Array) -> Array:
    half = jnp.exp(0.5 * z)
    return (factor * half) * half


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
    peers={
        "jax": "jax.nn.elu",
        "torch": "torch.nn.functional.elu",
        "keras": "keras.activations.elu",
    },
    differs=_TAIL,
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
    peers={
        "jax": "jax.nn.selu",
        "torch": "torch.nn.functional.selu",
        "keras": "keras.activations.selu",
    },
    differs=f"they have no parameters; {_TAIL}",
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
    return scale * jnp.where(x > 0, x, alpha * jnp.expm1(_left(x)))


def _scaled_elu_slope(x: Array, alpha: Array, scale: Array) -> Array:
    return jnp.where(x > 0, scale, _times_exp(scale * alpha, _left(x)))


def _scaled_elu_by_alpha(x: Array, alpha: Array, scale: Array) -> Array:
    return scale * jnp.expm1(_left(x))


def _scaled_elu_by_scale(x: Array, alpha: Array, scale: Array) -> Array:
    return _scaled_elu(x, alpha, 1.0)


_scaled_elu = keep_input(_scaled_elu_value, _scaled_elu_slope, _scaled_elu_by_alpha, _scaled_elu_by_scale)


@activation(
    family="smooth",
    formula="max(0,x)+min(0,alpha*(exp(x/alpha)-1))",
    parameters={"alpha": (POSITIVE, "minus the limit at -inf, and the length over which it is reached")},
    range=lambda p: Interval(-p["alpha"], math.inf, open_low=True),
    monotonic=True,
    smoothness="C1",
    lipschitz=1.0,
    limits=lambda p: (-p["alpha"], math.inf),
    reference="Barron 2017, arXiv:1704.07483",
    peers={
        "jax": "jax.nn.celu",
        "torch": "torch.nn.functional.celu",
        "keras": "keras.activations.celu",
    },
    differs=_TAIL,
)
def celu(x: ArrayLike, *, alpha: ArrayLike = 1.0) -> Array:
    r"""Continuously differentiable exponential linear unit: an ELU without a kink, whatever its depth.

    .. math:: f(x) = \max(0, x) + \min(0, \alpha\,(e^{x/\alpha} - 1)),
              \qquad f'(x) = 1 \text{ if } x > 0 \text{ else } e^{x/\alpha}

    Range (-alpha, inf); limits -alpha and inf. Continuously differentiable, f'(0) = 1; f'' jumps from
    1 / alpha to 0 at 0. 1-Lipschitz, increasing. Small alpha tends to relu; alpha = 1 is `elu`.

    Args:
        x: real array.
        alpha: minus the limit at -inf, positive.

    Barron 2017, Continuously differentiable exponential linear units, arXiv:1704.07483.

    >>> import jax.numpy as jnp
    >>> celu(jnp.array([-jnp.inf, 3.0]), alpha=0.5)
    Array([-0.5,  3. ], dtype=float32)
    """
    return _celu(x, alpha)


def _celu_value(x: Array, alpha: Array) -> Array:
    return _expm1(_left(x) / alpha, alpha, x)


def _celu_slope_value(x: Array, alpha: Array) -> Array:
    return jnp.exp(_left(x) / alpha)


def _celu_curvature(x: Array, alpha: Array) -> Array:
    return jnp.where(x > 0, 0.0, _times_exp(1.0 / alpha, _left(x) / alpha))


def _celu_by_alpha(x: Array, alpha: Array) -> Array:
    z = jnp.maximum(_left(x) / alpha, -by_precision(x, 110.0, 760.0))  # exp(-end) is 0
    return jnp.expm1(z) - z * jnp.exp(z)


_celu = keep_input(_celu_value, keep_input(_celu_slope_value, _celu_curvature), _celu_by_alpha)


@activation(
    family="smooth",
    formula="where(x>=0,a/b*x,a*(exp(x/b)-1))",
    parameters={
        "a": (POSITIVE, "minus the limit at -inf; a / b is the slope on the right"),
        "b": (POSITIVE, "length over which the left side decays"),
    },
    range=lambda p: Interval(-p["a"], math.inf, open_low=True),
    monotonic=True,
    smoothness="C1",
    lipschitz=lambda p: p["a"] / p["b"],
    limits=lambda p: (-p["a"], math.inf),
    reference="Trottier, Giguère, Chaib-draa 2016, arXiv:1605.09332",
)
def pelu(x: ArrayLike, *, a: ArrayLike = 1.0, b: ArrayLike = 1.0) -> Array:
    r"""Parametric exponential linear unit: depth and decay are learnt, the slopes match at 0.

    .. math:: f(x) = \tfrac{a}{b}\,x \text{ if } x \ge 0 \text{ else } a\,(e^{x/b} - 1),
              \qquad f'(0) = \tfrac{a}{b}

    Range (-a, inf); limits -a and inf. Continuously differentiable; f'' jumps from a / b^2 to 0 at 0.
    Lipschitz: a / b. Increasing. a = b is `celu`.

    Args:
        x: real array.
        a: minus the limit at -inf, positive.
        b: length over which the left side decays, positive.

    Trottier, Giguère, Chaib-draa 2016, arXiv:1605.09332.

    >>> import jax.numpy as jnp
    >>> pelu(jnp.array([-jnp.inf, 3.0]), a=0.5, b=0.25)
    Array([-0.5,  6. ], dtype=float32)
    """
    return _pelu(x, a, b)


def _pelu_value(x: Array, a: Array, b: Array) -> Array:
    return _expm1(_left(x) / b, a, (a / b) * x)


def _pelu_slope_value(x: Array, a: Array, b: Array) -> Array:
    return _times_exp(a / b, _left(x) / b)


def _pelu_curvature(x: Array, a: Array, b: Array) -> Array:
    return jnp.where(x > 0, 0.0, _times_exp(a / b / b, _left(x) / b))


def _pelu_by_a(x: Array, a: Array, b: Array) -> Array:
    return jnp.where(x > 0, x / b, jnp.expm1(_left(x) / b))


def _pelu_by_b(x: Array, a: Array, b: Array) -> Array:
    z = jnp.maximum(x / b, -by_precision(x, 110.0, 760.0))
    return -(a / b) * _times_exp(z, jnp.where(x > 0, 0.0, z))


_pelu = keep_input(_pelu_value, keep_input(_pelu_slope_value, _pelu_curvature), _pelu_by_a, _pelu_by_b)


def _mpelu_kinks(p) -> tuple[Kink, ...]:
    left = p["alpha"] * p["beta"]
    return () if left == 1 else (Kink(at=0.0, left=left, right=1.0, chosen=left),)


@activation(
    family="smooth",
    formula="where(x>=0,x,alpha*(exp(beta*x)-1))",
    parameters={
        "alpha": (REALS, "minus the limit at -inf"),
        "beta": (POSITIVE, "rate of decay of the left side"),
    },
    range=lambda p: Interval(min(-p["alpha"], 0.0), math.inf, open_low=p["alpha"] > 0),
    monotonic=lambda p: p["alpha"] >= 0,
    smoothness=lambda p: "C0" if _mpelu_kinks(p) else "C1",
    kinks=_mpelu_kinks,
    lipschitz=lambda p: max(1.0, abs(p["alpha"]) * p["beta"]),
    limits=lambda p: (-p["alpha"], math.inf),
    turning=lambda p: (0.0,) if p["alpha"] < 0 else (),
    reference="Li, Fan, Li, Wu, Ming 2016, arXiv:1606.00305",
)
def mpelu(x: ArrayLike, *, alpha: ArrayLike = 1.0, beta: ArrayLike = 1.0) -> Array:
    r"""Multiple parametric exponential linear unit: relu, PReLU-like and ELU shapes in one.

    .. math:: f(x) = x \text{ if } x > 0 \text{ else } \alpha\,(e^{\beta x} - 1),
              \qquad f'(0) := \alpha\beta

    Range (-alpha, inf) for alpha > 0, else [0, inf); limits -alpha and inf. Kink at 0 unless
    alpha * beta = 1: slope alpha * beta on the left, which is taken at 0, and 1 on the right. Lipschitz:
    max(1, abs(alpha) * beta). Increasing for alpha >= 0. alpha = 0 is relu, beta = 1 is `elu`.

    Args:
        x: real array.
        alpha: minus the limit at -inf; any finite real.
        beta: rate of decay of the left side, positive.

    Li, Fan, Li, Wu, Ming 2016, arXiv:1606.00305.

    >>> import jax.numpy as jnp
    >>> mpelu(jnp.array([-jnp.inf, 3.0]), alpha=0.25, beta=2.0)
    Array([-0.25,  3.  ], dtype=float32)
    """
    return _mpelu(x, alpha, beta)


def _mpelu_value(x: Array, alpha: Array, beta: Array) -> Array:
    return jnp.where(x > 0, x, _expm1(beta * _left(x), alpha, (alpha * beta) * x))


def _mpelu_slope(x: Array, alpha: Array, beta: Array) -> Array:
    return jnp.where(x > 0, 1.0, _times_exp(alpha * beta, beta * _left(x)))


def _mpelu_by_alpha(x: Array, alpha: Array, beta: Array) -> Array:
    return jnp.expm1(beta * _left(x))


def _mpelu_by_beta(x: Array, alpha: Array, beta: Array) -> Array:
    z = jnp.maximum(beta * _left(x), -by_precision(x, 110.0, 760.0))
    return (alpha / beta) * _times_exp(z, z)


_mpelu = keep_input(_mpelu_value, _mpelu_slope, _mpelu_by_alpha, _mpelu_by_beta)
