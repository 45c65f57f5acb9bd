r"""The same residual policy for functions of a whole axis: softmax and its kin keep their output, or their input.

Where `keep_input` multiplies by a partial derivative, a function along an axis has a tangent *map*. It is told
by the output, where that loses nothing, or by the input; parameters and the mask are kept with it, the mask
as the booleans the caller gave.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_derivatives import SymbolicZero
from jax.typing import ArrayLike

from actlab.errors import InputError
from actlab.gradients.precision import align, as_real, convert, widen


def along_axis(
    name: str,
    value: Callable[..., Array],
    *,
    by_output: Callable[..., Array] | None = None,
    by_input: Callable[..., Array] | None = None,
    free: tuple[int, ...] = (),
    vectors: tuple[int, ...] = (),
) -> Callable[..., Array]:
    """Return ``f(x, *params, axis, where=None, called=name)`` for a function along an axis.

    Args:
        name: of the function, for errors; ``called`` in a call replaces it.
        value: the formula, ``value(x, *params, axis, where)``; called in float32 or float64.
        by_output: the tangent map, ``by_output(y, t, moved, *params, axis, where)``, linear in the tangent
            ``t`` of x and in ``moved``, the tangents of the parameters, None for those that are constant.
        by_input: the same, told by x. Where both are given, y is kept while only x moves; where neither is,
            x is kept and JAX differentiates ``value``.
        free: positions of the parameters that may vary along the axis; the others have one value a row.
        vectors: positions of the parameters that are coefficients, as for `keep_input`.

    Returns:
        A function whose ``axis`` is an integer and whose ``where`` is None or booleans that broadcast to x.
        The result has the dtype of x.

    >>> import jax.numpy as jnp
    >>> def total(x, *, axis, where):
    ...     return x / jnp.sum(x, axis=axis, keepdims=True)
    >>> share = along_axis("share", total)
    >>> share(jnp.array([1.0, 3.0]), axis=-1)
    Array([0.25, 0.75], dtype=float32)
    """

    def differentiated(x, t, moved, *params, axis, where):
        moves = [m is not None for m in moved]

        def of_moving(x, *moving):
            given = iter(moving)
            return value(
                x,
                *(next(given) if m else p for p, m in zip(params, moves, strict=True)),
                axis=axis,
                where=where,
            )

        primals = [p for p, m in zip(params, moves, strict=True) if m]
        tangents = [m for m in moved if m is not None]
        return jax.jvp(of_moving, (x, *primals), (t, *tangents))[1]

    if by_output is None and by_input is None:
        by_input = differentiated

    @functools.cache
    def rule_along(axis: int):
        @jax.custom_jvp
        def rule(x: Array, where: Array | None, *params: Array) -> Array:
            return convert(value(*widen(x, *params), axis=axis, where=where), x.dtype)

        def jvp(primals, tangents):
            x, where, *params = primals
            t, _, *moved = tangents
            y = rule(*primals)
            moving = [not isinstance(m, SymbolicZero) for m in moved]
            if isinstance(t, SymbolicZero):
                if not any(moving):
                    return y, jnp.zeros_like(y)
                t = jnp.zeros_like(x)
            told_by_output = by_output is not None and (by_input is None or not any(moving))
            map_ = by_output if told_by_output else by_input

            def tangent_map(kept, where, params, t, moved):
                kept, t, *params = widen(kept, t, *params)
                wide = iter([convert(m, kept.dtype) for m in moved])
                moved = [next(wide) if moves else None for moves in moving]
                return convert(map_(kept, t, moved, *params, axis=axis, where=where), x.dtype)

            moved = [m for m, moves in zip(moved, moving, strict=True) if moves]
            tangent_map = jax.checkpoint(tangent_map, prevent_cse=False)
            return y, tangent_map(y if told_by_output else x, where, params, t, moved)

        rule.defjvp(jvp, symbolic_zeros=True)
        return jax.jit(rule, inline=True)

    def f(
        x: ArrayLike,
        *params: ArrayLike,
        axis: int = -1,
        where: ArrayLike | None = None,
        called: str = name,
    ) -> Array:
        x = as_real(x)
        axis = checked_axis(called, x, axis)
        aligned = [align(p, x, vector=i in vectors) for i, p in enumerate(params)]
        for i, p in enumerate(aligned):
            if i not in free:
                check_row(called, x, p, axis)
        where = checked_mask(called, x, where)
        return rule_along(axis)(x, where, *aligned) if x.size else x

    return f


def checked_axis(name: str, x: Array, axis: int) -> int:
    """Return ``axis`` counted from the end; raise InputError where ``x`` has no such axis."""
    try:
        index = operator.index(axis)
    except TypeError:
        raise InputError(f"{name}: axis must be an integer, got {axis!r}") from None
    if not -x.ndim <= index < x.ndim:
        raise InputError(f"{name}: axis {axis} does not exist in an array of shape {x.shape}")
    return index if index < 0 else index - x.ndim


def check_row(name: str, x: Array, param: Array, axis: int) -> None:
    """Raise InputError where ``param``, aligned with ``x``, has more than one value along ``axis``."""
    if param.ndim and param.shape[axis] != 1 < x.shape[axis]:
        raise InputError(
            f"{name}: a parameter of shape {param.shape} varies along axis {axis}, where all entries share "
            "one value: give it size 1 there, or learn it with per=tensor"
        )


def checked_mask(name: str, x: Array, where: ArrayLike | None) -> Array | None:
    """Return a mask at the rank of ``x``; raise InputError where it is not booleans that broadcast to it."""
    if where is None:
        return None
    where = jnp.asarray(where)
    if where.dtype != jnp.bool_:
        raise InputError(f"{name}: where must hold booleans, got {where.dtype}")
    fits = where.ndim <= x.ndim and all(
        m in (1, n) for m, n in zip(where.shape[::-1], x.shape[::-1], strict=False)
    )
    if not fits:
        raise InputError(f"{name}: where of shape {where.shape} does not fit x of shape {x.shape}")
    return jax.lax.expand_dims(where, range(x.ndim - where.ndim))


def masked(x: Array, where: Array | None, other: float) -> Array:
    """Return ``x`` with ``other`` in the places the mask leaves out."""
    return x if where is None else jnp.where(where, x, other)
