"""The same residual policy for two operands: a gate and what passes through it, both in the caller's dtype."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_derivatives import SymbolicZero
from jax.typing import ArrayLike

from actlab.errors import InputError
from actlab.gradients.precision import align, as_real, convert, narrow, widen


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

    @jax.custom_jvp
    def rule(a: Array, b: Array, *params: Array) -> Array:
        return narrow(value(*widen(a, b, *params)), _common(a, b))

    def term(i: int, wide: tuple[Array, ...], t: Array) -> Array:
        """Return the i-th partial derivative times the tangent."""
        if i < len(partials) and partials[i] is not None:
            return partials[i](*wide) * t

        def moved(argument: Array) -> Array:
            return value(*wide[:i], argument, *wide[i + 1 :])

        return jax.jvp(moved, (wide[i],), (t,))[1]

    def jvp(primals, tangents):
        y = rule(*primals)
        moving = [i for i, t in enumerate(tangents) if not isinstance(t, SymbolicZero)]
        if not moving:
            return y, jnp.zeros_like(y)

        def tangent_map(primals, *moved):
            wide = widen(*primals)
            terms = [term(i, wide, convert(t, wide[0].dtype)) for i, t in zip(moving, moved, strict=True)]
            return narrow(sum(terms[1:], terms[0]), _common(*primals[:2]))

        tangent_map = jax.checkpoint(tangent_map, prevent_cse=False)
        return y, tangent_map(primals, *(tangents[i] for i in moving))

    rule.defjvp(jvp, symbolic_zeros=True)
    compiled = jax.jit(rule, inline=True)

    def f(a: ArrayLike, b: ArrayLike, *params: ArrayLike) -> Array:
        a, b = operands(a, b)
        return compiled(a, b, *(align(p, _common(a, b)) for p in params))

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


def _common(a: Array, b: Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(jnp.broadcast_shapes(a.shape, b.shape), a.dtype)
