r"""The hyperbolic tangent scaled, shifted, bent at one side; its slope a parameter.

All share two precautions. Where :math:`z = \alpha x` is tiny the result is linear in x, and is computed so: z may
be flushed to zero where the result is not. And :math:`\operatorname{sech}^2 z` is applied as two factors
with the amplitude between them, for the same reason in the tails.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.algebraic import finite
from actlab.activations.saturating import sech
from actlab.activations.spec import NONNEGATIVE, POSITIVE, REALS, Interval, Kink, activation
from actlab.gradients import by_precision, keep_input


def _bend(z: Array, linear: Array, scale: Array | float) -> Array:
    """Return scale * tanh(z), given its linearization at 0."""
    small = jnp.abs(z) < by_precision(z, 1e-4, 1e-9)  # z**3 / 3 is lost
    return jnp.where(small, linear, scale * jnp.tanh(z))


def _affine_value(x: Array, alpha: Array, gamma: Array, beta: Array) -> Array:
    x = finite(x)  # alpha may be 0
    return _bend(alpha * x, (gamma * alpha) * x, gamma) + beta


def _affine_slope_value(x: Array, alpha: Array, gamma: Array, beta: Array) -> Array:
    half = sech(alpha * finite(x))
    return (gamma * alpha * half) * half


def _affine_curvature(x: Array, alpha: Array, gamma: Array, beta: Array) -> Array:
    x = finite(x)
    z, factor = alpha * x, -2.0 * gamma * alpha * alpha
    half = sech(z)
    return (_bend(z, (factor * alpha) * x, factor) * half) * half


def _affine_slope_by_alpha(x: Array, alpha: Array, gamma: Array, beta: Array) -> Array:
    z = finite(alpha * finite(x))
    half = sech(z)
    return (gamma * (half - 2.0 * (z * half) * jnp.tanh(z))) * half


_affine_slope = keep_input(
    _affine_slope_value,
    _affine_curvature,
    _affine_slope_by_alpha,
    lambda x, alpha, gamma, beta: _affine_slope_value(x, alpha, 1.0, beta),
    lambda x, alpha, gamma, beta: jnp.zeros_like(x),
)


def _affine_by_alpha(x: Array, alpha: Array, gamma: Array, beta: Array) -> Array:
    x = finite(x)
    half = sech(alpha * x)
    # gamma * x alone may overflow where half is 0. At alpha = 0 it all would, and inf times a zero is NaN.
    return finite((gamma * half) * (x * half))


_affine = keep_input(
    _affine_value,
    _affine_slope,
    _affine_by_alpha,
    lambda x, alpha, gamma, beta: jnp.tanh(alpha * finite(x)),
    lambda x, alpha, gamma, beta: jnp.ones_like(x),
)


def _ends(rise: float, gamma: float, beta: float) -> tuple[float, float]:
    """Return the limits of gamma * tanh(alpha * x) + beta, where ``rise`` is gamma * alpha."""
    if rise == 0:
        return beta, beta
    return beta - math.copysign(gamma, rise), beta + math.copysign(gamma, rise)


def _between(rise: float, gamma: float, beta: float) -> Interval:
    low, high = sorted(_ends(rise, gamma, beta))
    return Interval(low, high, open_low=rise != 0, open_high=rise != 0)


@activation(
    family="saturating",
    formula="gamma*tanh(alpha*x)+beta",
    parameters={
        "alpha": (REALS, "slope at 0, before scaling"),
        "gamma": (REALS, "scale"),
        "beta": (REALS, "shift"),
    },
    range=lambda p: _between(p["gamma"] * p["alpha"], p["gamma"], p["beta"]),
    monotonic=lambda p: p["gamma"] * p["alpha"] >= 0,
    smoothness="Cinf",
    lipschitz=lambda p: abs(p["gamma"] * p["alpha"]),
    limits=lambda p: _ends(p["gamma"] * p["alpha"], p["gamma"], p["beta"]),
    reference="Zhu, Chen, He, LeCun, Liu 2025, arXiv:2503.10622",
)
def dyt(x: ArrayLike, *, alpha: ArrayLike = 0.5, gamma: ArrayLike = 1.0, beta: ArrayLike = 0.0) -> Array:
    r"""Dynamic tanh: a learnt tanh in the place of layer normalization.

    .. math:: f(x) = \gamma \tanh(\alpha x) + \beta, \qquad f'(x) = \gamma\, \alpha \operatorname{sech}^2(\alpha x)

    Range (beta - abs(gamma), beta + abs(gamma)), its ends are the limits; smooth, monotonic, increasing for
    gamma * alpha > 0. Lipschitz: abs(gamma * alpha). Made to be learnt: alpha one number for the layer,
    gamma and beta per channel.

    Args:
        x: real array.
        alpha: slope before scaling; any finite real, 0 makes it constant.
        gamma: scale; any finite real.
        beta: shift; any finite real.

    Zhu, Chen, He, LeCun, Liu 2025, Transformers without normalization, arXiv:2503.10622.

    >>> import jax.numpy as jnp
    >>> dyt(jnp.array([0.0, jnp.inf]), gamma=2.0, beta=1.0)
    Array([1., 3.], dtype=float32)
    """
    return _affine(x, alpha, gamma, beta)


@activation(
    family="saturating",
    formula="a*tanh(b*x)",
    parameters={"a": (REALS, "amplitude"), "b": (REALS, "slope at 0, before scaling")},
    range=lambda p: _between(p["a"] * p["b"], p["a"], 0.0),
    monotonic=lambda p: p["a"] * p["b"] >= 0,
    smoothness="Cinf",
    lipschitz=lambda p: abs(p["a"] * p["b"]),
    limits=lambda p: _ends(p["a"] * p["b"], p["a"], 0.0),
    reference="LeCun, Bottou, Orr, Müller 1998, Efficient BackProp",
    aliases=("lecun_tanh",),
)
def scaled_tanh(x: ArrayLike, *, a: ArrayLike = 1.7159, b: ArrayLike = 2.0 / 3.0) -> Array:
    r"""Scaled tanh: by default LeCun's, with f(1) = 1 and f(-1) = -1, so that targets of 1 lie off the tails.

    .. math:: f(x) = a \tanh(b x), \qquad f'(x) = a\, b \operatorname{sech}^2(b x)

    Range (-abs(a), abs(a)), its ends are the limits; smooth, odd, monotonic, increasing for a * b > 0.
    Lipschitz: abs(a * b), 1.1439 by default. `dyt` without a shift.

    Args:
        x: real array.
        a: amplitude; any finite real.
        b: slope before scaling; any finite real.

    LeCun, Bottou, Orr, Müller 1998, Efficient BackProp, doi:10.1007/3-540-49430-8_2.

    >>> print(f"{scaled_tanh(1.0):.4f}")
    1.0000
    """
    return _affine(x, b, a, 0.0)


lecun_tanh = scaled_tanh


@activation(
    family="saturating",
    formula="tanh(n*a*x)",
    parameters={
        "a": (REALS, "slope, made to be learnt"),
        "n": (POSITIVE, "fixed scale of the slope's gradient"),
    },
    range=lambda p: _between(p["a"], 1.0, 0.0),
    monotonic=lambda p: p["a"] >= 0,
    smoothness="Cinf",
    lipschitz=lambda p: abs(p["n"] * p["a"]),
    limits=lambda p: _ends(p["a"], 1.0, 0.0),
    reference="Jagtap, Kawaguchi, Karniadakis 2020, arXiv:1909.12228",
)
def adaptive_slope_tanh(x: ArrayLike, *, a: ArrayLike = 1.0, n: ArrayLike = 1.0) -> Array:
    r"""Adaptive slope tanh: tanh with a learnt slope, for physics-informed networks.

    .. math:: f(x) = \tanh(n\, a\, x), \qquad f'(x) = n\, a \operatorname{sech}^2(n\, a\, x)

    Range (-1, 1), its ends are the limits (a = 0 is the constant 0); smooth, odd, monotonic, increasing for
    a > 0. Lipschitz: n * abs(a). The slope a is learnt, for the layer or per unit; the factor n
    stays fixed, scales a's gradient by n, and the paper starts with n * a = 1.

    Args:
        x: real array.
        a: slope; any finite real.
        n: fixed factor, positive; at least 1 in the paper.

    Jagtap, Kawaguchi, Karniadakis 2020, Locally adaptive activation functions with slope recovery for deep and
    physics-informed neural networks, arXiv:1909.12228.

    >>> import jax.numpy as jnp
    >>> adaptive_slope_tanh(jnp.array([0.0, jnp.inf]), a=0.1, n=10.0)
    Array([0., 1.], dtype=float32)
    """
    return _adaptive(x, a, n)


_adaptive = keep_input(
    lambda x, a, n: _affine(x, n * a, 1.0, 0.0), lambda x, a, n: _affine_slope(x, n * a, 1.0, 0.0)
)


@activation(
    family="saturating",
    formula="cap*tanh(x/cap)",
    parameters={"cap": (POSITIVE, "the bound")},
    range=lambda p: Interval(-p["cap"], p["cap"], open_low=True, open_high=True),
    monotonic=True,
    smoothness="Cinf",
    lipschitz=1.0,
    limits=lambda p: (-p["cap"], p["cap"]),
    reference="Bello et al. 2016, arXiv:1611.09940; Gemma Team 2024, arXiv:2408.00118",
)
def soft_cap(x: ArrayLike, *, cap: ArrayLike = 30.0) -> Array:
    r"""Soft cap: the identity near 0, bounded by cap; keeps logits from growing.

    .. math:: f(x) = c \tanh(x / c), \qquad f'(x) = \operatorname{sech}^2(x / c)

    Range (-cap, cap), its ends are the limits; smooth, odd and increasing. 1-Lipschitz.

    Args:
        x: real array.
        cap: the bound, positive. Gemma 2 caps final logits at 30 and attention logits at 50.

    Bello, Pham, Le, Norouzi, Bengio 2016, arXiv:1611.09940; Gemma Team 2024, arXiv:2408.00118.

    >>> import jax.numpy as jnp
    >>> soft_cap(jnp.array([0.0, jnp.inf]))
    Array([ 0., 30.], dtype=float32)
    """
    return _soft_cap(x, cap)


def _soft_cap_value(x: Array, cap: Array) -> Array:
    return _bend(x / cap, x, cap)


def _soft_cap_slope_value(x: Array, cap: Array) -> Array:
    half = sech(finite(x) / cap)
    return half * half


def _soft_cap_curvature(x: Array, cap: Array) -> Array:
    z = finite(x) / cap
    half = sech(z)
    return (-2.0 / cap * half * jnp.tanh(z)) * half


def _soft_cap_by_cap(x: Array, cap: Array) -> Array:
    z = finite(finite(x) / cap)
    half = sech(z)
    return jnp.tanh(z) - (z * half) * half


def _soft_cap_slope_by_cap(x: Array, cap: Array) -> Array:
    z = finite(finite(x) / cap)
    half = sech(z)
    return 2.0 / cap * ((z * half) * half) * jnp.tanh(z)


_soft_cap_slope = keep_input(_soft_cap_slope_value, _soft_cap_curvature, _soft_cap_slope_by_cap)
_soft_cap = keep_input(_soft_cap_value, _soft_cap_slope, _soft_cap_by_cap)


def _penalized_kinks(p) -> tuple[Kink, ...]:
    return () if p["a"] == 1 else (Kink(at=0.0, left=p["a"], right=1.0, chosen=1.0),)


@activation(
    family="saturating",
    formula="where(x>=0,tanh(x),a*tanh(x))",
    parameters={"a": (NONNEGATIVE, "slope left of 0, and minus the limit there")},
    range=lambda p: Interval(-p["a"], 1.0, open_low=p["a"] > 0, open_high=True),
    monotonic=True,
    smoothness=lambda p: "Cinf" if p["a"] == 1 else "C0",
    kinks=_penalized_kinks,
    lipschitz=lambda p: max(1.0, p["a"]),
    limits=lambda p: (-p["a"], 1.0),
    reference="Xu, Huang, Li 2016, arXiv:1602.05980",
)
def penalized_tanh(x: ArrayLike, *, a: ArrayLike = 0.25) -> Array:
    r"""Penalized tanh: a tanh whose negative side is flattened, as in a leaky rectifier.

    .. math:: f(x) = \tanh x \text{ if } x \ge 0 \text{ else } a \tanh x, \qquad f'(0) := 1

    Range (-a, 1), its ends are the limits; increasing. Kink at 0, slope a on its left and 1 on its right,
    where 1 is taken; none for a = 1, which is tanh. Lipschitz: max(1, a).

    Args:
        x: real array.
        a: slope left of 0, at least 0; below 1 in the paper.

    Xu, Huang, Li 2016, Revise saturated activation functions, arXiv:1602.05980.

    >>> import jax.numpy as jnp
    >>> penalized_tanh(jnp.array([-jnp.inf, jnp.inf]))
    Array([-0.25,  1.  ], dtype=float32)
    """
    return _penalized(x, a)


def _penalized_value(x: Array, a: Array) -> Array:
    y = jnp.tanh(x)
    return jnp.where(x >= 0, y, a * y)


def _penalized_slope_value(x: Array, a: Array) -> Array:
    half = sech(x)
    return (jnp.where(x >= 0, 1.0, a) * half) * half


def _penalized_curvature(x: Array, a: Array) -> Array:
    half = sech(x)
    return (jnp.where(x >= 0, -2.0, -2.0 * a) * half * jnp.tanh(x)) * half


_penalized = keep_input(
    _penalized_value,
    keep_input(_penalized_slope_value, _penalized_curvature),
    lambda x, a: jnp.tanh(jnp.where(x >= 0, 0.0, x)),
)
