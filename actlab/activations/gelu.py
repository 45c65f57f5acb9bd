r"""GELU and its tanh approximation: x times the normal distribution function."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.selfgated import _x_sigmoid
from actlab.activations.spec import Interval, activation
from actlab.gradients import by_precision, keep_input

_SQRT_2 = math.sqrt(2.0)
_SQRT_2_PI = math.sqrt(2.0 * math.pi)


@activation(
    family="self-gated",
    formula="0.5*x*erfc(-x/sqrt(2))",
    range=Interval(-0.16997120747990367, math.inf),
    monotonic=False,
    smoothness="Cinf",
    lipschitz=1.1289041451451855,  # at sqrt(2)
    limits=(0.0, math.inf),
    turning=(-0.7517915246935645,),
    reference="Hendrycks, Gimpel 2016, arXiv:1606.08415",
    aliases=("gelu_erf", "gelu_exact"),
)
def gelu(x: ArrayLike) -> Array:
    r"""Gaussian error linear unit: x times the normal distribution function.

    .. math:: f(x) = x\, \Phi(x), \qquad f'(x) = \Phi(x) + x\, \varphi(x),
              \qquad f''(x) = (2 - x^2)\, \varphi(x)

    Range [-0.16997, inf); limits 0 and inf; smooth, turning at -0.7518. 1.1289-Lipschitz.
    This is the exact form by erf; ``jax.nn.gelu`` computes the approximation, `gelu_tanh`, by default.

    Hendrycks, Gimpel 2016, arXiv:1606.08415.

    >>> print(f"{gelu(2.0):.4f}")
    1.9545
    """
    return _gelu(x)


gelu_erf = gelu_exact = gelu


def _gelu_tail(x: Array, far: float) -> tuple[Array, Array, Array]:
    r"""Return x at most -far, exp(-x^2/4) and the asymptotic series S of :math:`\Phi = -\varphi S / x`.

    XLA's erfc flushes to zero long before x * erfc does, and loses digits before that.
    """
    end = by_precision(x, 16.0, 40.0)  # exp(-end^2 / 2) is 0
    x = jnp.clip(x, -end, -far)
    r = 1.0 / (x * x)
    series = jnp.ones_like(x)
    # S = 1 - r (1 - 3 r (1 - 5 r ...)); the first term left out is below rounding at x = -far.
    for odd in range(by_precision(x, 9, 17), 0, -2):
        series = 1.0 - odd * r * series
    return x, jnp.exp(-0.25 * x * x), series


def _gelu_value(x: Array) -> Array:
    far = by_precision(x, 10.0, 30.0)
    _, root, series = _gelu_tail(x, far)
    return jnp.where(x < -far, -(root * (series / _SQRT_2_PI)) * root, 0.5 * x * lax.erfc(-x / _SQRT_2))


def _gelu_slope_value(x: Array) -> Array:
    end, far = by_precision(x, 16.0, 40.0), by_precision(x, 10.0, 30.0)
    left, root, series = _gelu_tail(x, far)
    tail = (root * ((left - series / left) / _SQRT_2_PI)) * root
    near = jnp.clip(x, -far, end)
    density = jnp.exp(-0.5 * near * near) / _SQRT_2_PI
    return jnp.where(x < -far, tail, 0.5 * lax.erfc(-near / _SQRT_2) + near * density)


def _gelu_curvature(x: Array) -> Array:
    end = by_precision(x, 16.0, 40.0)
    x = jnp.clip(x, -end, end)
    root = jnp.exp(-0.25 * x * x)
    return (root * ((2.0 - x * x) / _SQRT_2_PI)) * root


_gelu = keep_input(_gelu_value, keep_input(_gelu_slope_value, _gelu_curvature))


@activation(
    family="self-gated",
    formula="0.5*x*(1+tanh(sqrt(2/pi)*(x+0.044715*x**3)))",
    range=Interval(-0.17004075057125405, math.inf),
    monotonic=False,
    smoothness="Cinf",
    lipschitz=1.1289930686587718,  # at 1.4185040113943587
    limits=(0.0, math.inf),
    turning=(-0.7524614220710163,),
    reference="Hendrycks, Gimpel 2016, arXiv:1606.08415",
    aliases=("gelu_new", "gelu_pytorch_tanh", "sielu"),
)
def gelu_tanh(x: ArrayLike) -> Array:
    r"""GELU by tanh: the approximation of `gelu` that GPT-2 and many others were trained with.

    .. math:: f(x) = \tfrac{x}{2} \left(1 + \tanh g(x) \right) = x\, \sigma(2 g(x)),
              \qquad g(x) = \sqrt{2/\pi}\,(x + 0.044715\, x^3)

    Range [-0.17004, inf); limits 0 and inf; smooth, turning at -0.7525. 1.1290-Lipschitz.
    Differs from `gelu` by at most 4.8e-4.

    Hendrycks, Gimpel 2016, arXiv:1606.08415.

    >>> print(f"{gelu_tanh(2.0):.4f}")
    1.9546
    """
    return _gelu_tanh(x)


gelu_new = gelu_pytorch_tanh = sielu = gelu_tanh

_GATE = 2.0 * math.sqrt(2.0 / math.pi)
_CUBIC = 0.044715


def _gelu_tanh_value(x: Array) -> Array:
    x = jnp.maximum(x, -by_precision(x, 16.0, 30.0))  # 0 is reached; on the right inf stays inf
    return _x_sigmoid(x, _GATE * x * (1.0 + _CUBIC * x * x))


def _gelu_tanh_parts(x: Array) -> tuple[Array, Array, Array, Array]:
    """Return x clipped, its square, the gate and exp(-abs(gate) / 2)."""
    end = by_precision(x, 16.0, 30.0)
    x = jnp.clip(x, -end, end)
    square = x * x
    gate = _GATE * x * (1.0 + _CUBIC * square)
    return x, square, gate, jnp.exp(-0.5 * jnp.abs(gate))


def _gelu_tanh_slope_value(x: Array) -> Array:
    x, square, gate, half = _gelu_tanh_parts(x)
    e = half * half
    rise = _GATE * x * (1.0 + 3.0 * _CUBIC * square)  # x gate'
    return jnp.where(gate > 0, 1.0 + e + rise * e, ((1.0 + e + rise) * half) * half) / (1.0 + e) ** 2


def _gelu_tanh_curvature(x: Array) -> Array:
    x, square, _, half = _gelu_tanh_parts(x)
    e = half * half
    first = _GATE * (1.0 + 3.0 * _CUBIC * square)
    second = 6.0 * _GATE * _CUBIC * square  # x gate''
    bracket = 2.0 * first + second - first * first * jnp.abs(x) * (1.0 - e) / (1.0 + e)
    return (bracket * half) * half / (1.0 + e) ** 2


_gelu_tanh = keep_input(_gelu_tanh_value, keep_input(_gelu_tanh_slope_value, _gelu_tanh_curvature))
