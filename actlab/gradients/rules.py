r"""Rules under a stated residual policy: *input* keeps x, *output* keeps y, and nothing else.

Left alone, autodiff keeps whatever intermediates the formula happens to have, in the precision it happens to
compute in: several float32 tensors for one bfloat16 activation. Here every function is a `jax.custom_jvp`
whose tangent map sits in `jax.checkpoint`; the inputs of that map are exactly what is kept, in the caller's
dtype, and the map is recomputed in the backward pass. Being a jvp rule it serves grad, jvp, vmap, hessian,
scan, remat and jit alike. ``prevent_cse=False`` because the barrier that forbids merging the recomputation
costs memory under `scan` and buys nothing elsewhere.

A rule is a tower: a partial derivative may itself be made by `keep_input`, which makes the second derivative
exact too, and so on upwards; a partial that is a plain function is differentiated by JAX. A partial may also
be one that is not the derivative of the value: straight-through estimators and surrogate gradients.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_derivatives import SymbolicZero
from jax.typing import ArrayLike

from actlab.gradients.fitting import LeanFit
from actlab.gradients.precision import align, as_real, convert, narrow, widen


def keep_input(
    value: Callable[..., Array], *partials: Callable[..., Array] | None, vectors: tuple[int, ...] = ()
) -> Callable[..., Array]:
    """Return ``f(x, *params)`` that keeps its input (and its parameters) for the backward pass.

    Args:
        value: the formula, ``value(x, *params)``, elementwise; called in float32 or float64.
        partials: its partial derivatives by ``x`` and by each parameter, each ``partial(x, *params)``; called
            only for the arguments that are differentiated. One that is None or left out is had from JAX,
            by differentiating ``value`` where the tangent map is evaluated, so nothing else is kept.
        vectors: positions among ``params`` of those that are vectors of coefficients: ``value`` sees them
            with the coefficients along the first axis, each broadcasting against ``x``.

    Returns:
        A function of an array and as many numbers or arrays as there are parameters. The result has the
        shape and dtype of ``x``; parameters broadcast against its last axes.

    >>> import jax, jax.numpy as jnp
    >>> square = keep_input(lambda x: x * x, lambda x: 2 * x)
    >>> jax.grad(square)(3.0)
    Array(6., dtype=float32, weak_type=True)
    """

    return _entrance(input_rule(value, partials, lambda x, *_: x), vectors)


def input_rule(
    value: Callable[..., Array],
    partials: tuple[Callable[..., Array] | None, ...],
    like: Callable[..., Array | jax.ShapeDtypeStruct],
) -> Callable[..., Array]:
    """Return the custom_jvp behind `keep_input`: everything it is given is what it keeps.

    ``like(*arguments)`` tells the shape and dtype of the result.
    """

    @jax.custom_jvp
    def rule(*arguments: Array) -> Array:
        return narrow(value(*widen(*arguments)), like(*arguments))

    def term(i: int, wide: tuple[Array, ...], t: Array) -> Array:
        """Return the i-th partial derivative times the tangent."""
        if i < len(partials) and partials[i] is not None:
            return partials[i](*wide) * t

        def moved(argument: Array) -> Array:
            return value(*wide[:i], argument, *wide[i + 1 :])

        return jax.jvp(moved, (wide[i],), (t,))[1]

    def jvp(primals, tangents):
        y = rule(*primals)
        # A parameter that is a plain number has a symbolic zero: its partial is never computed, and cannot
        # turn 0 * inf into NaN.
        moving = [i for i, t in enumerate(tangents) if not isinstance(t, SymbolicZero)]
        if not moving:
            return y, jnp.zeros_like(y)

        def tangent_map(primals, *moved):
            wide = widen(*primals)
            terms = [term(i, wide, convert(t, wide[0].dtype)) for i, t in zip(moving, moved, strict=True)]
            return narrow(sum(terms[1:], terms[0]), like(*primals))

        tangent_map = jax.checkpoint(tangent_map, prevent_cse=False)
        return y, tangent_map(primals, *(tangents[i] for i in moving))

    rule.defjvp(jvp, symbolic_zeros=True)
    return rule


def keep_output(value: Callable[..., Array], tangent: Callable[..., Array]) -> Callable[..., Array]:
    """Return ``f(x, *params)`` that keeps its output, which the next matrix product keeps anyway.

    Only for functions whose derivative can be told from the *rounded* output without loss. Parameters are
    constants here: differentiating by one raises TypeError.

    Args:
        value: the formula, ``value(x, *params)``; called in float32 or float64.
        tangent: the tangent map ``tangent(y, t, *params)``, linear in ``t``.

    >>> import jax, jax.numpy as jnp
    >>> exp = keep_output(jnp.exp, lambda y, t: y * t)
    >>> jax.grad(jax.grad(exp))(0.0)
    Array(1., dtype=float32, weak_type=True)
    """

    @jax.custom_jvp
    def rule(x: Array, *params: Array) -> Array:
        return narrow(value(*widen(x, *params)), x)

    def jvp(primals, tangents):
        if not all(isinstance(t, SymbolicZero) for t in tangents[1:]):
            raise TypeError("a rule that keeps only the output cannot be differentiated by its parameters")
        x, *params = primals
        y = rule(x, *params)
        if isinstance(tangents[0], SymbolicZero):
            return y, jnp.zeros_like(y)

        def tangent_map(y, t, *params):
            return narrow(tangent(*widen(y, t, *params)), y)

        return y, jax.checkpoint(tangent_map, prevent_cse=False)(y, tangents[0], *params)

    rule.defjvp(jvp, symbolic_zeros=True)
    return _entrance(rule)


def _entrance(rule: Callable[..., Array], vectors: tuple[int, ...] = ()) -> Callable[..., Array]:
    """Return ``rule`` behind the conversion of its arguments, which a custom_jvp must not see as tangents."""

    # One compiled call where nothing else compiles; traced by an outer jit, it leaves no mark.
    rule = jax.jit(rule, inline=True)

    def f(x: ArrayLike, *params: ArrayLike) -> Array:
        x = as_real(x)
        return rule(x, *(align(p, x, vector=i in vectors) for i, p in enumerate(params)))

    return f


def keep_lean(f: Callable[[Array], Array], fit: LeanFit) -> Callable[[ArrayLike], Array]:
    """Return the elementwise ``f`` that keeps its output and one bit (or its output alone) for the backward pass.

    The first derivative is told from the rounded y by ``fit`` (`fit_lean`), within an absolute error; both jvp and
    vjp apply that same map. Derivatives of the first derivative are those of f itself, exact.

    The bits, which tell the side of the turning point, are packed along the last axis: eight to a byte.
    """

    def curve(x: Array, dx: Array) -> Array:
        """Return f''(x) dx."""

        def slope(x: Array) -> Array:
            return jax.jvp(f, (x,), (jnp.ones_like(x),))[1]

        return jax.jvp(slope, (x,), (dx,))[1]

    # x serves the second derivative only: where there is none, compilers drop it from what is kept.
    @jax.custom_jvp
    def estimate(x: Array, y: Array, bits: Array | None) -> Array:
        left = None if bits is None else jnp.unpackbits(bits, axis=-1, count=y.shape[-1]).astype(bool)
        (wide,) = widen(y)
        return narrow(fit.slope(wide, left, coarse=y.dtype == jnp.bfloat16), y)

    @estimate.defjvp
    def estimate_jvp(primals, tangents):
        return estimate(*primals), curve(primals[0], tangents[0])

    def tangent_map(x, y, bits, t):
        return estimate(x, y, bits) * t

    tangent_map = jax.checkpoint(tangent_map, prevent_cse=False)

    @jax.custom_jvp
    def rule(x: Array) -> Array:
        return f(x)

    @rule.defjvp
    def jvp(primals, tangents):
        (x,), (t,) = primals, tangents
        y = rule(x)
        bits = None if fit.turning is None else jnp.packbits(x < fit.turning, axis=-1)
        return y, tangent_map(x, y, bits, t)

    compiled = jax.jit(rule, inline=True)

    def lean(x: ArrayLike) -> Array:
        x = as_real(x)
        if not x.size:  # there are no bits to pack
            return f(x)
        return compiled(x) if x.ndim else compiled(x[None])[0]

    return lean
