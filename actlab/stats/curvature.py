"""Curvature of a loss at a point: Hessian-vector products, the largest eigenvalue, the curvature along a step.

Trees of parameters stay trees: nothing is flattened, so sharded parameters stay sharded. Products with the Hessian
are as exact as the accelerator multiplies matrices; where it rounds to fewer digits by default, set
``jax.default_matmul_precision("highest")`` around the call.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from actlab.errors import InputError

Params = Any  # a tree of float arrays
Loss = Callable[[Params], Array]


class TopEigenvalue(NamedTuple):
    r"""The largest eigenvalue found, and how far it may be off.

    ``value``: float32. ``vector``: a tree like the parameters, of length 1, float32. ``residual``:
    :math:`|A v - \lambda v|`; an eigenvalue lies within it of ``value``, mostly much closer
    (residual^2 / gap). ``iterations``: products with the Hessian that it took. The first three are NaN where the
    Hessian is not finite.
    """

    value: Array
    vector: Params
    residual: Array
    iterations: Array


def hvp(loss: Loss, params: Params, v: Params) -> Params:
    r"""Return the Hessian of ``loss`` at ``params`` times ``v``.

    .. math:: H v = \left.\tfrac{d}{dt} \nabla L(\theta + t v)\right|_{t=0}

    Forward over reverse: about the price of two gradients, and right for functions whose derivative is a rule of
    their own (``jax.custom_jvp``), whose second derivative is that of the rule. ``v``: a tree like ``params``, same
    dtypes. Pearlmutter 1994.

    >>> hvp(lambda p: (p**3).sum(), jnp.array([1.0, 2.0]), jnp.array([1.0, 1.0]))
    Array([ 6., 12.], dtype=float32)
    """
    return jax.jvp(jax.grad(loss), (params,), (v,))[1]


def directional(loss: Loss, params: Params, u: Params) -> Array:
    r"""Return the curvature along ``u``, float32.

    .. math:: u^\top H u \,/\, |u|^2

    ``u`` is a tree like ``params``, of any length: it is normalised first, so the smallest steps do not underflow.
    NaN where ``u`` is 0 or not finite.

    >>> directional(lambda p: (p**3).sum(), jnp.array([1.0, 2.0]), jnp.array([0.0, 1e-30]))
    Array(12., dtype=float32)
    """
    unit = _unit(_float32(u))
    return _dot(unit, _float32(hvp(loss, params, _like(unit, params))))


def distance(a: Params, b: Params) -> Array:
    r"""Return the Euclidean distance of two trees of one structure, float32.

    .. math:: |a - b| = \sqrt{\textstyle\sum_i (a_i - b_i)^2}

    >>> distance({"w": jnp.array([3.0, 0.0])}, {"w": jnp.array([0.0, 4.0])})
    Array(5., dtype=float32)
    """
    difference = jax.tree.map(lambda x, y: x.astype(jnp.float32) - y.astype(jnp.float32), a, b)
    return jnp.sqrt(_dot(difference, difference))


def top_eigenvalue(
    loss: Loss,
    params: Params,
    key: Array,
    *,
    iterations: int = 20,
    tolerance: float = 1e-3,
    scale: Params | None = None,
) -> TopEigenvalue:
    r"""Return the largest (algebraic) eigenvalue of the Hessian: the sharpness.

    .. math:: \lambda_{\max}(D^{-1/2} H D^{-1/2}), \qquad D = I \text{ without } scale

    Lanczos' method from a random start, in one compiled loop; every new vector is made orthogonal to all
    before it, twice, since in float32 they would lose it by themselves and find the same eigenvalue again and again.
    Keeps ``iterations`` + 1 copies of the parameters.

    Args:
        loss: of the parameters alone: data bound.
        params: a tree of float arrays.
        key: of the random start.
        iterations: most products with the Hessian, >= 1.
        tolerance: stops where the residual is below this share of the value; 0 stops only where rounding does.
        scale: the diagonal D, a tree like ``params``, > 0: an adaptive method's preconditioner.

    Raises:
        InputError: ``iterations`` below 1, ``tolerance`` negative.

    Source: Lanczos 1950; for networks Ghorbani, Krishnan, Xiao 2019, arXiv:1901.10159; with D, Cohen et al. 2022,
    arXiv:2207.14484.

    >>> def loss(p): return 0.5 * (jnp.array([1.0, -9.0, 4.0]) * p**2).sum()
    >>> found = top_eigenvalue(loss, jnp.zeros(3), jax.random.key(0))
    >>> print(f"{found.value:.4f}, in {found.iterations} products")
    4.0000, in 3 products
    """
    if isinstance(iterations, bool) or not isinstance(iterations, int) or iterations < 1:
        raise InputError(f"top_eigenvalue: iterations={iterations!r}: must be an integer >= 1")
    if not tolerance >= 0:
        raise InputError(f"top_eigenvalue: tolerance={tolerance!r}: must be a number >= 0")
    gradient = jax.grad(loss)

    def apply(v: Params) -> Params:
        v = _scaled(v, scale)
        product = jax.jvp(gradient, (params,), (_like(v, params),))[1]
        return _scaled(_float32(product), scale)

    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    drawn = [jax.random.normal(k, leaf.shape) for k, leaf in zip(keys, leaves, strict=True)]
    first = _unit(jax.tree.unflatten(structure, drawn))
    # Row j is Lanczos vector j; rows not reached are 0.
    basis = jax.tree.map(lambda v: jnp.zeros((iterations + 1, *v.shape)).at[0].set(v), first)
    none, never = jnp.zeros(iterations), jnp.bool_(False)
    start = _State(jnp.int32(0), basis, none, none, jnp.float32(0), jnp.float32(jnp.inf), never)

    def goes_on(s: _State) -> Array:  # NaN compares false: a Hessian that is not finite ends the loop
        return (s.done < iterations) & (s.residual > tolerance * jnp.abs(s.value)) & ~s.exhausted

    end = jax.lax.while_loop(goes_on, partial(_step, apply), start)
    weights = _ritz(end.alpha, end.beta, end.done)[1]
    vector = _unit(
        jax.tree.map(lambda rows: jnp.tensordot(weights, rows[:-1], 1, precision="highest"), end.basis)
    )
    bad = ~jnp.isfinite(end.value)
    vector = jax.tree.map(lambda v: jnp.where(bad, jnp.nan, v), vector)
    return TopEigenvalue(end.value, vector, end.residual, end.done)


class _State(NamedTuple):
    """``done`` products with the matrix so far, the Lanczos vectors, the tridiagonal matrix, and what it says."""

    done: Array
    basis: Params
    alpha: Array
    beta: Array
    value: Array
    residual: Array
    exhausted: Array


def _step(apply: Callable[[Params], Params], s: _State) -> _State:
    j = s.done
    v = jax.tree.map(lambda rows: rows[j], s.basis)
    w = apply(v)
    alpha = s.alpha.at[j].set(_dot(v, w))
    sizes = []
    for _ in range(2):
        overlap = _sum(jax.tree.map(_rows_times, s.basis, w))
        w = jax.tree.map(jnp.subtract, w, _combine(overlap, s.basis))
        sizes.append(jnp.sqrt(_dot(w, w)))
    # A second pass that takes much away (Kahan, Parlett: "twice is enough") says that what was left after the first
    # was rounding: the vectors span all that the start can reach, and a next one would not be orthogonal to them.
    exhausted = ~(sizes[1] > 0.7 * sizes[0])
    beta = s.beta.at[j].set(sizes[1])
    following = jax.tree.map(lambda x: x / jnp.where(sizes[1] > 0, sizes[1], 1.0), w)
    basis = jax.tree.map(lambda rows, x: rows.at[j + 1].set(x), s.basis, following)
    value, weights = _ritz(alpha, beta, j + 1)
    residual = jnp.where(jnp.isfinite(value), sizes[0] * jnp.abs(weights[j]), jnp.nan)
    return _State(j + 1, basis, alpha, beta, value, residual, exhausted)


def _ritz(alpha: Array, beta: Array, count: Array) -> tuple[Array, Array]:
    """Return the largest eigenvalue and its vector of the tridiagonal matrix's first ``count`` rows."""
    size = alpha.shape[0]
    used = jnp.arange(size) < count
    off = jnp.where(jnp.arange(size) < count - 1, beta, 0.0)[:-1]
    finite = jnp.isfinite(jnp.where(used, alpha, 0.0)).all() & jnp.isfinite(off).all()
    diagonal = jnp.where(used & finite, alpha, 0.0)
    off = jnp.where(finite, off, 0.0)
    bound = jnp.abs(diagonal).sum() + 2 * off.sum()  # no eigenvalue is larger, so unused rows lie below all
    diagonal = jnp.where(used, diagonal, jnp.where(bound > 0, -2 * bound, -1.0))
    values, vectors = jnp.linalg.eigh(jnp.diag(diagonal) + jnp.diag(off, 1) + jnp.diag(off, -1))
    return jnp.where(finite, values[-1], jnp.nan), vectors[:, -1]


def _rows_times(rows: Array, x: Array) -> Array:
    return jnp.tensordot(rows, x, x.ndim, precision="highest")


def _combine(weights: Array, basis: Params) -> Params:
    return jax.tree.map(lambda rows: jnp.tensordot(weights, rows, 1, precision="highest"), basis)


def _sum(tree: Params) -> Array:
    return sum(jax.tree.leaves(tree), start=jnp.float32(0))


def _dot(a: Params, b: Params) -> Array:
    return _sum(jax.tree.map(lambda x, y: jnp.sum(x * y), a, b))


def _unit(tree: Params) -> Params:
    """Return the tree at length 1: divided by its largest entry first, whose square may underflow."""
    largest = jnp.max(jnp.stack([jnp.max(jnp.abs(x), initial=0.0) for x in jax.tree.leaves(tree)]))
    tree = jax.tree.map(lambda x: x / largest, tree)
    length = jnp.sqrt(_dot(tree, tree))
    return jax.tree.map(lambda x: x / length, tree)


def _scaled(v: Params, scale: Params | None) -> Params:
    return v if scale is None else jax.tree.map(lambda x, d: x / jnp.sqrt(d.astype(jnp.float32)), v, scale)


def _float32(tree: Params) -> Params:
    return jax.tree.map(lambda x: x.astype(jnp.float32), tree)


def _like(tree: Params, params: Params) -> Params:
    return jax.tree.map(lambda x, p: x.astype(p.dtype), tree, params)
