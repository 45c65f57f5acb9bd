"""The same residual policy for two operands: a gate and what passes through it, both in the caller's dtype."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.errors import InputError
from actlab.gradients.precision import align, as_real, convert
from actlab.gradients.rules import input_rule


def keep_inputs(value: Callable[..., Array], *partials: Callable[..., Array] | None) -> Callable[..., Array]:
    """Return ``f(a, b, *params)`` that keeps its two operands (and parameters) for the backward pass.

    Args:
        value: the formula, ``value(a, b, *params)``, elementwise; called in float32 or float64.
        partials: its partial derivatives by ``a``, by ``b`` and by each parameter, as for `keep_input`: one
            that is None or left out is had by differentiating ``value`` where the tangent map is evaluated.

    Returns:
        A function of two arrays whose shapes broadcast, and of as many numbers or arrays as there are
        parameters. The result has their common shape and dtype; parameters broadcast against its last axes.

    >>> import jax, jax.numpy as jnp
    >>> product = keep_inputs(lambda a, b: a * b)
    >>> jax.grad(product, argnums=(0, 1))(2.0, 3.0)
    (Array(3., dtype=float32, weak_type=True), Array(2., dtype=float32, weak_type=True))
    """

    rule = jax.jit(input_rule(value, partials, _common), inline=True)

    def f(a: ArrayLike, b: ArrayLike, *params: ArrayLike) -> Array:
        a, b = operands(a, b)
        return rule(a, b, *(align(p, _common(a, b)) for p in params))

    return f


def operands(*arrays: ArrayLike) -> tuple[Array, ...]:
    """Return real arrays of one dtype, as jax.numpy promotes them, and of one rank.

    Raises:
        InputError: their shapes do not broadcast.
    """
    reals = [as_real(x) for x in arrays]
    dtype = jnp.result_type(*reals)
    rank = max(x.ndim for x in reals)
    try:
        jnp.broadcast_shapes(*(x.shape for x in reals))
    except ValueError:
        told = " and ".join(str(x.shape) for x in reals)
        raise InputError(f"operands of shapes {told} do not broadcast") from None
    return tuple(jax.lax.expand_dims(convert(x, dtype), range(rank - x.ndim)) for x in reals)


def _common(a: Array, b: Array, *_: Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(jnp.broadcast_shapes(a.shape, b.shape), a.dtype)
