"""Shrinkage: small inputs become zero, or much smaller."""

from __future__ import annotations

import math
import numbers

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.rectified import nan_or
from actlab.activations.saturating import sech
from actlab.activations.spec import NONNEGATIVE, REALS, Jump, Kink, activation
from actlab.gradients import by_precision, keep_input, keep_output


def _soft_kinks(p):
    lambd = p["lambd"]
    return (Kink(-lambd, 1.0, 0.0, 0.0), Kink(lambd, 0.0, 1.0, 0.0)) if lambd else ()


@activation(
    family="shrinkage",
    formula="sign(x)*max(0,abs(x)-lambd)",
    parameters={"lambd": (NONNEGATIVE, "half the width of the zero")},
    range=REALS,
    monotonic=True,
    smoothness=lambda p: "C0" if p["lambd"] else "Cinf",
    kinks=_soft_kinks,
    lipschitz=1.0,
    limits=(-math.inf, math.inf),
    reference="Donoho 1995, doi:10.1109/18.382009",
    peers={"torch": "torch.nn.functional.softshrink", "keras": "keras.activations.soft_shrink"},
    differs="At NaN the gradient is NaN here, 1 in PyTorch; Keras returns 0 at NaN.",
)
def soft_shrink(x: ArrayLike, *, lambd: ArrayLike = 0.5) -> Array:
    r"""Soft shrinkage: towards zero by lambda, and zero where that would cross it.

    .. math:: f(x) = \operatorname{sign}(x) \max(0, |x| - \lambda), \qquad f'(\pm\lambda) := 0

    The proximal map of :math:`\lambda |x|`. Range: all reals; odd, increasing. Kinks at -lambda (derivative 1
    left, 0 right) and lambda (0 left, 1 right), where the derivative is 0; none for lambda = 0, the identity.
    1-Lipschitz.

    Args:
        x: real array.
        lambd: lambda, half the width of the zero, not negative.

    Donoho 1995, De-noising by soft-thresholding, doi:10.1109/18.382009.

    >>> import jax.numpy as jnp
    >>> soft_shrink(jnp.array([-2.0, 0.25, 3.0]))
    Array([-1.5,  0. ,  2.5], dtype=float32)
    """
    return _soft(x, lambd)


def _soft_value(x: Array, lambd: Array) -> Array:
    return nan_or(x, jnp.where(x > lambd, x - lambd, jnp.where(x < -lambd, x + lambd, 0.0)))


def _outside(x: Array, lambd: Array) -> Array:
    """Return 1 beyond lambda, or everywhere if that is 0, else 0, and the NaN of x."""
    return nan_or(x, jnp.where((jnp.abs(x) > lambd) | (lambd == 0), 1.0, 0.0))


def _soft_by_lambd(x: Array, lambd: Array) -> Array:
    return -jnp.sign(lax.stop_gradient(x)) * _outside(x, lambd)


# x is kept: y may be rounded to 0 just outside.
_soft = keep_input(_soft_value, _outside, _soft_by_lambd)


def _hard_jumps(p):
    lambd = p["lambd"]
    return (Jump(-lambd, -lambd, 0.0, 0.0), Jump(lambd, 0.0, lambd, 0.0)) if lambd else ()


@activation(
    family="shrinkage",
    formula="where(abs(x)>lambd,x,0)",
    parameters={"lambd": (NONNEGATIVE, "half the width of the zero")},
    range=REALS,
    monotonic=True,
    smoothness=lambda p: "jumps" if p["lambd"] else "Cinf",
    jumps=_hard_jumps,
    lipschitz=lambda p: math.inf if p["lambd"] else 1.0,
    limits=(-math.inf, math.inf),
    keeps="output",
    reference="Donoho, Johnstone 1994, doi:10.1093/biomet/81.3.425",
    peers={"torch": "torch.nn.functional.hardshrink", "keras": "keras.activations.hard_shrink"},
    differs="At NaN the gradient is NaN here, 1 in PyTorch; Keras returns 0 at NaN.",
)
def hard_shrink(x: ArrayLike, *, lambd: ArrayLike = 0.5) -> Array:
    r"""Hard shrinkage: zero within lambda, the identity beyond.

    .. math:: f(x) = x \text{ if } |x| > \lambda \text{ else } 0, \qquad f'(\pm\lambda) := 0

    Values: 0 and all beyond lambda; odd, increasing. Jumps from -lambda to 0 at -lambda and from 0 to lambda at
    lambda, where value and derivative are 0; none for lambda = 0, the identity. Else not Lipschitz. The
    derivative by lambda is 0: it sees no jump. A lambda given as a number keeps y alone for the backward pass.

    Args:
        x: real array.
        lambd: lambda, half the width of the zero, not negative.

    Donoho, Johnstone 1994, Ideal spatial adaptation by wavelet shrinkage, doi:10.1093/biomet/81.3.425.

    >>> import jax.numpy as jnp
    >>> hard_shrink(jnp.array([-2.0, 0.25, 3.0]))
    Array([-2.,  0.,  3.], dtype=float32)
    """
    if isinstance(lambd, numbers.Real) and lambd >= 0:
        return _hard_by_output(x, lambd)
    return _hard_by_input(x, lambd)


def _hard_value(x: Array, lambd: Array) -> Array:
    return jnp.where(jnp.abs(x) <= lambd, 0.0, x)


# y is 0 within lambda and x beyond.
_hard_by_output = keep_output(
    _hard_value, lambda y, t, lambd: nan_or(y, jnp.where((y != 0) | (lambd == 0), 1.0, 0.0)) * t
)
_hard_by_input = keep_input(_hard_value, _outside)


@activation(
    family="shrinkage",
    formula="x-tanh(x)",
    range=REALS,
    monotonic=True,
    smoothness="Cinf",
    lipschitz=1.0,
    limits=(-math.inf, math.inf),
    reference="PyTorch, nn.Tanhshrink",
    peers={"torch": "torch.nn.functional.tanhshrink", "keras": "keras.activations.tanh_shrink"},
    differs="Both subtract, and lose all digits of f near 0.",
)
def tanh_shrink(x: ArrayLike) -> Array:
    r"""Tanh shrinkage: x without its tanh.

    .. math:: f(x) = x - \tanh x \approx x^3 / 3, \qquad f'(x) = \tanh^2 x

    Range: all reals; odd, increasing, smooth, flat at 0 to third order; nears x - 1 and x + 1. 1-Lipschitz.
    Between -1 and 1 the difference is summed by the continued fraction of tanh, whose terms are all positive.

    PyTorch, nn.Tanhshrink.

    >>> print(f"{tanh_shrink(2.0):.4f}")
    1.0360
    """
    return _tanh_shrink(x)


def _tanh_shrink_value(x: Array) -> Array:
    near = jnp.clip(x, -1.0, 1.0)
    square = near * near
    # tanh x = x / (1 + c), c = x^2 / (3 + x^2 / (5 + ...)): so x - tanh x = x c / (1 + c).
    c = jnp.zeros_like(x)
    for odd in range(by_precision(x, 11, 19), 1, -2):
        c = square / (odd + c)
    return jnp.where(jnp.abs(x) < 1.0, near * (c / (1.0 + c)), x - jnp.tanh(x))


def _tanh_shrink_slope_value(x: Array) -> Array:
    # XLA's float64 tanh is off by 3 units in the tail.
    return jnp.where(jnp.abs(x) < 1.0, jnp.tanh(x) ** 2, 1.0 - sech(x) ** 2)


def _tanh_shrink_curvature(x: Array) -> Array:
    half = sech(x)
    return (2.0 * jnp.tanh(x) * half) * half


_tanh_shrink_slope = keep_input(_tanh_shrink_slope_value, _tanh_shrink_curvature)
_tanh_shrink = keep_input(_tanh_shrink_value, _tanh_shrink_slope)
