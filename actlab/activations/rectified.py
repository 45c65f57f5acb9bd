"""Rectifiers: piecewise linear, with kinks whose derivative is stated."""

from __future__ import annotations

import math
import numbers

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.spec import NONNEGATIVE, REALS, Kink, activation
from actlab.gradients import keep_input, keep_output


@activation(
    family="rectified",
    formula="max(0,x)",
    range=NONNEGATIVE,
    monotonic=True,
    smoothness="C0",
    kinks=(Kink(at=0.0, left=0.0, right=1.0, chosen=0.0),),
    lipschitz=1.0,
    limits=(0.0, math.inf),
    reference="Fukushima 1969; Nair, Hinton 2010; Glorot, Bordes, Bengio 2011",
)
def relu(x: ArrayLike) -> Array:
    r"""Rectified linear unit: the positive part.

    .. math:: f(x) = \max(0, x), \qquad f'(0) := 0

    Range [0, inf). Kink at 0, where the derivative is 0. 1-Lipschitz, increasing.
    The backward pass keeps y alone, which loses nothing: y > 0 exactly where x > 0, in every dtype.

    Fukushima 1969, doi:10.1109/TSSC.1969.300225; Nair, Hinton 2010; Glorot, Bordes, Bengio 2011.

    >>> import jax.numpy as jnp
    >>> relu(jnp.array([-2.0, 3.0]))
    Array([0., 3.], dtype=float32)
    """
    return _relu(x)


def _relu_value(x: Array) -> Array:
    return jnp.maximum(x, 0.0)


def _relu_tangent(y: Array, t: Array) -> Array:
    # Left of the kink y is 0 or NaN: standing for the slope, it hands a NaN on to the gradient.
    return jnp.where(y > 0, 1.0, lax.stop_gradient(y)) * t


_relu = keep_output(_relu_value, _relu_tangent)


def _leaky_range(p):
    return REALS if p["negative_slope"] > 0 else NONNEGATIVE


def _leaky_kinks(p):
    slope = p["negative_slope"]
    return () if slope == 1 else (Kink(at=0.0, left=slope, right=1.0, chosen=1.0),)


def _leaky_limits(p):
    slope = p["negative_slope"]
    return (0.0 if slope == 0 else -math.copysign(math.inf, slope), math.inf)


@activation(
    family="rectified",
    formula="where(x>=0,x,negative_slope*x)",
    parameters={"negative_slope": (REALS, "slope left of 0")},
    range=_leaky_range,
    monotonic=lambda p: p["negative_slope"] >= 0,
    smoothness=lambda p: "Cinf" if p["negative_slope"] == 1 else "C0",
    kinks=_leaky_kinks,
    lipschitz=lambda p: max(1.0, abs(p["negative_slope"])),
    limits=_leaky_limits,
    turning=lambda p: (0.0,) if p["negative_slope"] < 0 else (),
    reference="Maas, Hannun, Ng 2013",
)
def leaky_relu(x: ArrayLike, *, negative_slope: ArrayLike = 0.01) -> Array:
    r"""Leaky rectifier: identity on the right, a small slope on the left.

    .. math:: f(x) = x \text{ if } x \ge 0 \text{ else } s\,x, \qquad f'(0) := 1

    Range: all reals for :math:`s > 0`, else [0, inf). Kink at 0, where the derivative is 1.
    1-Lipschitz for :math:`|s| \le 1`. Learning the slope makes it the PReLU of He et al. 2015.
    A positive slope given as a number keeps y alone for the backward pass (the sign of y tells the side);
    a learnt, zero or negative slope keeps x.

    Args:
        x: real array.
        negative_slope: slope left of 0; any finite real. Keras uses 0.2.

    Maas, Hannun, Ng 2013, Rectifier nonlinearities improve neural network acoustic models;
    He, Zhang, Ren, Sun 2015, arXiv:1502.01852.

    >>> import jax.numpy as jnp
    >>> leaky_relu(jnp.array([-2.0, 3.0]), negative_slope=0.1)
    Array([-0.2,  3. ], dtype=float32)
    """
    if isinstance(negative_slope, numbers.Real) and negative_slope > 0:
        return _leaky_by_output(x, negative_slope)
    return _leaky_by_input(x, negative_slope)


def _leaky_value(x: Array, slope: Array) -> Array:
    # abs makes f(-0.0) = +0.0, so that the sign bit of y tells the side even where slope * x underflows.
    left = jnp.where((slope == 0) & jnp.isinf(x), 0.0, slope * x)  # 0 * inf
    return jnp.where(x >= 0, jnp.abs(x), left)


def _leaky_tangent(y: Array, t: Array, slope: Array) -> Array:
    side = jnp.where(jnp.signbit(y), slope, 1.0)
    return jnp.where(jnp.isnan(y), lax.stop_gradient(y), side) * t


def _leaky_slope(x: Array, slope: Array) -> Array:
    return jnp.where(x >= 0, 1.0, jnp.where(x < 0, slope, lax.stop_gradient(x)))


def _leaky_by_slope(x: Array, slope: Array) -> Array:
    return jnp.where(x >= 0, 0.0, x)


_leaky_by_output = keep_output(_leaky_value, _leaky_tangent)
_leaky_by_input = keep_input(_leaky_value, _leaky_slope, _leaky_by_slope)
