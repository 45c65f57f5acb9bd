"""Normalising functions: they act on a whole axis and turn numbers into weights."""

from __future__ import annotations

import functools

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.spec import REALS, Interval, activation
from actlab.errors import InputError
from actlab.gradients import as_real, keep_output


@activation(
    family="normalizing",
    formula="exp(x_i)/sum_j(exp(x_j))",
    parameters={"axis": (REALS, "the axis that sums to 1")},
    range=Interval(0.0, 1.0, open_low=True, open_high=True),
    monotonic=False,
    smoothness="Cinf",
    lipschitz=0.5,  # in the Euclidean norm of the axis
    limits=(0.0, 1.0),
    reference="Boltzmann 1868; Bridle 1990",
    kind="axiswise",
)
def softmax(x: ArrayLike, *, axis: int = -1) -> Array:
    r"""Softmax: the weights of a Boltzmann distribution along an axis.

    .. math:: f(x)_i = \frac{e^{x_i}}{\sum_j e^{x_j}}, \qquad
              \mathrm{d}f_i = f_i \left(\mathrm{d}x_i - \textstyle\sum_j f_j\, \mathrm{d}x_j \right)

    Range (0, 1), sums to 1 along the axis; smooth. 1/2-Lipschitz in the Euclidean norm. Each weight grows
    with its own entry and falls with the others. Entries of -inf get weight 0; equal entries share, also
    where all are -inf or several +inf. The backward pass keeps y alone.

    Args:
        x: real array with at least one axis.
        axis: the axis that sums to 1.

    Raises:
        InputError: ``x`` has no such axis.

    Boltzmann 1868; Bridle 1990, doi:10.1007/978-3-642-76153-9_28.

    >>> import jax.numpy as jnp
    >>> softmax(jnp.array([0.0, 0.0, -jnp.inf]))
    Array([0.5, 0.5, 0. ], dtype=float32)
    """
    x = as_real(x)
    if not -x.ndim <= axis < x.ndim:
        raise InputError(f"softmax: axis {axis} does not exist in an array of shape {x.shape}")
    return _softmax_along(axis)(x) if x.size else x


@functools.cache
def _softmax_along(axis: int):
    def value(x: Array) -> Array:
        top = jnp.max(x, axis=axis, keepdims=True)
        # Where x is the maximum the difference is 0 by definition, also for inf - inf.
        weights = jnp.exp(jnp.where(x == top, 0.0, x - top))
        return weights / jnp.sum(weights, axis=axis, keepdims=True)

    def tangent(y: Array, t: Array) -> Array:
        return y * (t - jnp.sum(y * t, axis=axis, keepdims=True))

    return keep_output(value, tangent)
