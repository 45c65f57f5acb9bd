"""Derivatives of any order."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from actlab.errors import InputError
from actlab.gradients.precision import as_real


def nth(f: Callable[[Array], Array], n: int) -> Callable[[Array], Array]:
    """Return the ``n``-th derivative of an elementwise function, by nested forward mode.

    Works on every array at once and on every custom rule (`jax.experimental.jet` does not); the cost about doubles
    with each order. On a *lean* function take the plain one instead: lean's first derivative is approximate.

    Args:
        f: a function of one array, elementwise; the result takes integers as floats.
        n: the order, 0 or more; 0 is ``f``.

    Raises:
        InputError: ``n`` is not an integer of at least 0.

    >>> import jax.numpy as jnp
    >>> nth(jnp.sin, 3)(jnp.zeros(2))
    Array([-1., -1.], dtype=float32)
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 0:
        raise InputError(f"nth: the order must be an integer of at least 0, got {n!r}")
    derivative = f
    for _ in range(n):
        derivative = _derivative(derivative)
    return lambda x: derivative(as_real(x))


def _derivative(f: Callable[[Array], Array]) -> Callable[[Array], Array]:
    def slope(x: Array) -> Array:
        return jax.jvp(f, (x,), (jnp.ones_like(x),))[1]

    return slope
