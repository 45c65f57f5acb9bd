"""Polynomials, the identity first of all."""

from __future__ import annotations

from jax import Array
from jax.typing import ArrayLike

from actlab.activations.spec import REALS, activation
from actlab.gradients import as_real


@activation(
    family="polynomial",
    formula="x",
    range=REALS,
    monotonic=True,
    smoothness="Cinf",
    lipschitz=1.0,
    limits=(-float("inf"), float("inf")),
    reference="standard",
    aliases=("linear",),
)
def identity(x: ArrayLike) -> Array:
    r"""Identity: no activation at all, the control of every comparison.

    .. math:: f(x) = x

    Range: all reals. Smooth, increasing, 1-Lipschitz. Integers become floats, as in every other activation.

    >>> import jax.numpy as jnp
    >>> identity(jnp.array([-1.5, 2.0]))
    Array([-1.5,  2. ], dtype=float32)
    """
    return as_real(x)


linear = identity
