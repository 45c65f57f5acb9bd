r"""GELU and its tanh approximation: x times the normal distribution function.

Both are max(x, 0) less an even function of x that vanishes in both tails, which is what the formulas compute: one
side needs no selecting, and no digits are lost on the other.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.spec import Interval, activation
from actlab.activations.special import (
    damped,
    distance,
    gate_tail,
    gate_tail_curvature,
    gate_tail_slope,
    shifted_exp,
)
from actlab.gradients import by_precision, keep_input


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
    peers={
        "jax": "jax.nn.gelu(x, approximate=False)",
        "torch": "torch.nn.functional.gelu",
        "keras": "keras.activations.gelu",
        "timm": "timm.layers.gelu",
    },
    differs="All give NaN at -inf and for both limits of f', torch at inf too, and 0 left of -5.6 in float32; "
    "jax.nn.gelu is gelu_tanh unless told otherwise.",
)
def gelu(x: ArrayLike) -> Array:
    r"""Gaussian error linear unit: x times the normal distribution function.

    .. math:: f(x) = x\, \Phi(x), \qquad f'(x) = \Phi(x) + x\, \varphi(x),
              \qquad f''(x) = (2 - x^2)\, \varphi(x)

    Range [-0.16997, inf); limits 0 and inf; smooth, turning at -0.7518. 1.1289-Lipschitz.
    This is the exact form by erf; ``jax.nn.gelu`` computes the approximation, `gelu_tanh`, by default.

    Args:
        x: real array.

    Hendrycks, Gimpel 2016, arXiv:1606.08415.

    >>> print(f"{gelu(2.0):.4f}")
    1.9545
    """
    return _gelu(x)


gelu_erf = gelu_exact = gelu


def _gelu_value(x: Array) -> Array:
    # Phi(x) = 1 - Phi(-x), so the left tail is all there is to compute: x - x Phi(-x) on the right.
    return jnp.maximum(x, 0.0) - gate_tail(distance(x))


def _gelu_slope_value(x: Array) -> Array:
    # Shares every step with the value, so both together cost one exponential and one quotient.
    tail = gate_tail_slope(distance(x))
    return jnp.where(x > 0, 1.0 - tail, tail)


gelu_slope = keep_input(_gelu_slope_value, lambda x: -gate_tail_curvature(distance(x)))
_gelu = keep_input(_gelu_value, gelu_slope)


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
    peers={
        "jax": "jax.nn.gelu",
        "torch": "torch.nn.functional.gelu(x, approximate='tanh')",
        "keras": "keras.activations.gelu(x, approximate=True)",
        "timm": "timm.layers.gelu_tanh",
    },
    differs="All give NaN at -inf and for both limits of f', and 0 left of about -5 in float32, where tanh is "
    "rounded to -1.",
)
def gelu_tanh(x: ArrayLike) -> Array:
    r"""GELU by tanh: the approximation of `gelu` that GPT-2 and many others were trained with.

    .. math:: f(x) = \tfrac{x}{2} \left(1 + \tanh g(x) \right) = x\, \sigma(2 g(x)),
              \qquad g(x) = \sqrt{2/\pi}\,(x + 0.044715\, x^3)

    Range [-0.17004, inf); limits 0 and inf; smooth, turning at -0.7525. 1.1290-Lipschitz.
    Differs from `gelu` by at most 4.8e-4.

    Args:
        x: real array.

    Hendrycks, Gimpel 2016, arXiv:1606.08415.

    >>> print(f"{gelu_tanh(2.0):.4f}")
    1.9546
    """
    return _gelu_tanh(x)


gelu_new = gelu_pytorch_tanh = sielu = gelu_tanh

_GATE = 2.0 * math.sqrt(2.0 / math.pi)
_CUBIC = 0.044715


def _gelu_tanh_parts(x: Array) -> tuple[Array, Array, Array, Array]:
    """Return abs(x) clipped where the gate is closed, its square, the gate there and 1 + exp(-gate)."""
    t = jnp.minimum(jnp.abs(x), by_precision(x, 15.0, 30.0))
    square = t * t
    gate = t * (_GATE + (_GATE * _CUBIC) * square)
    return t, square, gate, 1.0 + shifted_exp(gate)


def _gelu_tanh_value(x: Array) -> Array:
    t, _, gate, n = _gelu_tanh_parts(x)
    return jnp.maximum(x, 0.0) - damped(t, gate) / n


def _gelu_tanh_slope_value(x: Array) -> Array:
    t, square, gate, n = _gelu_tanh_parts(x)
    rise = t * (_GATE + (3.0 * _GATE * _CUBIC) * square)  # t gate'
    tail = damped(n - rise, gate)
    return jnp.where(x > 0, n * n - tail, tail) / (n * n)


def _gelu_tanh_curvature(x: Array) -> Array:
    t, square, gate, n = _gelu_tanh_parts(x)
    first = _GATE + (3.0 * _GATE * _CUBIC) * square
    second = (6.0 * _GATE * _CUBIC) * square  # t gate''
    return damped((2.0 * first + second) * n - first * first * t * (2.0 - n), gate) / (n * n * n)


_gelu_tanh = keep_input(_gelu_tanh_value, keep_input(_gelu_tanh_slope_value, _gelu_tanh_curvature))
