"""What a site does to what passes through it: who is active, who is saturated, how sparse what comes out is.

A *unit* is an index of the last axis: a neuron of an MLP, a channel of a convolution. A unit is *active* on a
value when the activation lets gradient through there, |f'(pre)| >= 0.01 max|f'|; a value on which it is not is
*saturated*; a unit that was active on no value of a whole window is *dead*. For relu this is the usual definition,
for smooth functions it does not depend on where zero happens to lie.
Shapes: B samples, ... positions, C units (the last axis).
"""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from actlab.activations import Act

SATURATION = 0.01
LINEAR = 0.05
Learnt = dict[str, jax.Array]  # a site's learnt parameters by name
Scalars = dict[tuple[str, str], jax.Array]  # (site, quantity) -> value


def steepest(act: Act) -> float:
    """Return max|f'| at the parameters' initial values: from the spec, else over a grid on [-20, 20]."""
    if act.spec is not None and math.isfinite(known := act.spec.at(**dict(act.params)).lipschitz):
        return known
    slopes = jax.jit(lambda x: jax.jvp(act, (x,), (jnp.ones_like(x),))[1])(jnp.linspace(-20.0, 20.0, 8001))
    found = np.abs(np.asarray(slopes, np.float64))
    return float(np.max(found, where=np.isfinite(found), initial=0.0))


def value_and_slope(act: Act, learnt: Learnt, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return f(x) and f'(x), elementwise, in the shape of ``x``."""
    exact = dataclasses.replace(act, lean=False)
    return jax.jvp(lambda v: exact(v, **learnt), (x,), (jnp.ones_like(x),))


def active_units(act: Act, learnt: Learnt, pre: jax.Array, threshold: float) -> jax.Array:
    """Return bool (C,): units active on at least one value of ``pre`` (B, ..., C)."""
    _, slope = value_and_slope(act, learnt, pre)
    return jnp.any(jnp.abs(slope) >= threshold, axis=range(pre.ndim - 1))


def regime(
    act: Act, learnt: Learnt, pre: jax.Array, threshold: float, *, full: bool
) -> tuple[dict[str, jax.Array], jax.Array]:
    """Return the saturated share, with ``full`` the linear one too, and which units are active (C,).

    A value is in the linear regime where the activation acts as a plain factor: the tangent there passes through
    f(0) to within 5 % of \\|f(x) - f(0)\\|, and the value is not saturated. For relu those are the positive values,
    for tanh \\|x\\| < 0.27.
    """
    value, slope = value_and_slope(act, learnt, pre)
    on = jnp.abs(slope) >= threshold
    known = ~jnp.isnan(slope)
    n = _count(known)
    row = {"saturated_share": _count(known & ~on) / n}
    if full:
        rise = value - act(jnp.zeros_like(pre[:1]), **learnt)
        straight = jnp.abs(rise - pre * slope) <= LINEAR * jnp.abs(rise)
        row["linear_share"] = _count(straight & on) / n
    return row, jnp.any(on, axis=range(pre.ndim - 1))


def _count(where: jax.Array) -> jax.Array:
    """Return how often ``where`` is true: along samples first, which a processor adds up several units at a time."""
    return where.reshape(-1, where.shape[-1]).astype(jnp.float32).sum(0).sum()


def sparsity(post: jax.Array) -> dict[str, jax.Array]:
    """Return ``hoyer`` and ``participation`` of ``post`` (B, ..., C): means over samples of figures over C.

    .. math:: H = \\frac{\\sqrt C - |a|_1 / |a|_2}{\\sqrt C - 1}, \\qquad P = \\frac{(\\sum a^2)^2}{C \\sum a^4}

    H is 0 where all units are equally large and 1 where a single one is not zero; P goes the other way, from 1 to
    1/C. Samples that are zero everywhere are left out, units that are not finite too. NaN where nothing is left.
    Hoyer 2004, JMLR 5.
    """
    a = jnp.abs(post.astype(jnp.float32))
    finite = jnp.isfinite(a)
    a = jnp.where(finite, a, 0.0)
    top = jnp.max(a, axis=-1, keepdims=True)
    some = top[..., 0] > 0
    a = a / jnp.where(some[..., None], top, 1.0)
    square = jnp.square(a)
    # As products with ones: sums along the last axis one by one wait for each other.
    ones = jnp.ones(a.shape[-1], jnp.float32)
    parts = (a, square, jnp.square(square), finite.astype(jnp.float32))
    l1, l2, l4, c = (jnp.matmul(p, ones, precision="highest") for p in parts)
    root = jnp.sqrt(c)
    hoyer = (root - l1 / jnp.sqrt(jnp.where(some, l2, 1.0))) / jnp.maximum(root - 1.0, 1e-9)
    share = jnp.square(l2) / (jnp.maximum(c, 1.0) * jnp.where(some, l4, 1.0))
    n = some.astype(jnp.float32).sum()
    return {
        "hoyer": jnp.sum(jnp.where(some, hoyer, 0.0)) / n,
        "participation": jnp.sum(jnp.where(some, share, 0.0)) / n,
    }
