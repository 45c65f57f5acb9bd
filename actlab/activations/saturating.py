"""Saturating functions: bounded on both sides, flat in both tails."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.spec import Interval, activation
from actlab.gradients import keep_input


@activation(
    family="saturating",
    formula="1/(1+exp(-x))",
    range=Interval(0.0, 1.0, open_low=True, open_high=True),
    monotonic=True,
    smoothness="Cinf",
    lipschitz=0.25,
    limits=(0.0, 1.0),
    reference="Verhulst 1838; Rumelhart, Hinton, Williams 1986, Nature 323",
    aliases=("logistic", "expit"),
)
def sigmoid(x: ArrayLike) -> Array:
    r"""Logistic sigmoid: squashes the reals onto (0, 1).

    .. math:: f(x) = \frac{1}{1 + e^{-x}}, \qquad f'(x) = f(x)\, f(-x)

    Range (0, 1); limits 0 and 1; smooth and increasing. 1/4-Lipschitz.
    The derivative comes from x, not from y: ``y * (1 - y)`` loses every digit once y rounds to 1.

    Verhulst 1838; Rumelhart, Hinton, Williams 1986, doi:10.1038/323533a0.

    >>> import jax.numpy as jnp
    >>> sigmoid(jnp.array([0.0, jnp.inf]))
    Array([0.5, 1. ], dtype=float32)
    """
    return _sigmoid(x)


def _sigmoid_slope_value(x: Array) -> Array:
    return lax.logistic(x) * lax.logistic(-x)


def _sigmoid_curvature(x: Array) -> Array:
    return -lax.logistic(x) * lax.logistic(-x) * jnp.tanh(0.5 * x)


sigmoid_slope = keep_input(_sigmoid_slope_value, _sigmoid_curvature)
_sigmoid = keep_input(lax.logistic, sigmoid_slope)

logistic = expit = sigmoid


@activation(
    family="saturating",
    formula="tanh(x)",
    range=Interval(-1.0, 1.0, open_low=True, open_high=True),
    monotonic=True,
    smoothness="Cinf",
    lipschitz=1.0,
    limits=(-1.0, 1.0),
    reference="LeCun, Bottou, Orr, Mueller 1998, Efficient BackProp",
)
def tanh(x: ArrayLike) -> Array:
    r"""Hyperbolic tangent: the odd sigmoid.

    .. math:: f(x) = \tanh x, \qquad f'(x) = \left(\frac{2u}{1 + u^2}\right)^2, \quad u = e^{-|x|}

    Range (-1, 1); limits -1 and 1; smooth, odd and increasing. 1-Lipschitz.
    The derivative comes from x, not from y: ``1 - y**2`` loses every digit once y rounds to 1.

    LeCun, Bottou, Orr, Müller 1998, Efficient BackProp, doi:10.1007/3-540-49430-8_2.

    >>> import jax.numpy as jnp
    >>> tanh(jnp.array([0.0, -jnp.inf]))
    Array([ 0., -1.], dtype=float32)
    """
    return _tanh(x)


def _sech(x: Array) -> Array:
    # u is at least sqrt of the result's size, so it is normal wherever sech(x)**2 is.
    u = jnp.exp(-jnp.abs(x))
    return 2.0 * u / (1.0 + u * u)


def _tanh_slope_value(x: Array) -> Array:
    return _sech(x) ** 2


def _tanh_curvature(x: Array) -> Array:
    half = _sech(x)
    return -2.0 * (half * jnp.tanh(x)) * half


_tanh = keep_input(jnp.tanh, keep_input(_tanh_slope_value, _tanh_curvature))
