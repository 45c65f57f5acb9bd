"""What a site does to what passes through it: who is active, who is saturated, how sparse what comes out is.

A *unit* is an index of the last axis: a neuron of an MLP, a channel of a convolution. A unit is *active* on a
value when the activation lets gradient through there, |f'(pre)| >= 0.01 max|f'|; a value on which it is not is
*saturated*; a unit that was active on no value of a whole window is *dead*. For relu this is the usual definition,
for smooth functions it does not depend on where zero happens to lie.
Shapes: B samples, ... positions, C units (the last axis).
"""

from __future__ import annotations

import dataclasses
import functools
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


@dataclasses.dataclass(frozen=True)
class Active:
    """Where an activation without learnt parameters is active, as comparisons of the value alone.

    ``flips``: where that changes, upwards: between each number and the next one. ``first``: whether it is active at
    the lowest number. ``low``, ``high``: between which the slope is a number.
    """

    flips: tuple[float, ...]
    first: bool
    low: float
    high: float

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return bool, in the shape of ``x`` float32; False at NaN."""
        on = ~jnp.isnan(x) if self.first else jnp.zeros(x.shape, bool)
        for flip in self.flips:
            on ^= x > flip
        return on

    def known(self, x: jax.Array) -> jax.Array:
        """Return bool: where the slope is a number."""
        return (x >= self.low) & (x <= self.high)


FLIPS = 6  # with more comparisons the slope itself is as cheap
_TINY = 0x7FFFFF  # bits of the largest subnormal: processors take them for zeros, and so does the search


@functools.lru_cache(maxsize=256)
def active(act: Act, threshold: float) -> Active | None:
    r"""Return where \|f'\| >= ``threshold``, to the last bit of float32; None where that takes many comparisons.

    Looked for on a grid over all of float32, fine on [-32, 32] and at the spec's kinks, then by bisection. What an
    interval between two points of the grid hides is not seen.

    >>> from actlab.activations import make
    >>> active(make("relu"), 0.01).flips
    (0.0,)
    """
    if act.learn:
        return None
    kinks = () if act.spec is None else [k.at for k in act.spec.at(**dict(act.params)).kinks]
    wide = np.geomspace(1e-20, 3e38, 1500)
    near = np.concatenate([np.linspace(-32.0, 32.0, 8193), np.asarray(kinks, np.float64)])
    points = np.concatenate([near, wide, -wide, [0.0, np.inf, -np.inf]]).astype(np.float32)
    keys = np.unique(_keys(points)[:, None] + np.array([-1, 0, 1]))
    keys = keys[np.abs(keys) <= _keys(np.float32(np.inf))].astype(np.int32)

    def number(key):
        size = jnp.where(key == 0, 0, jnp.abs(key) + _TINY)
        return jnp.where(key < 0, -1.0, 1.0) * jax.lax.bitcast_convert_type(size, jnp.float32)

    def on(key):
        slope = value_and_slope(act, {}, number(key))[1]
        return jnp.abs(slope) >= jnp.float32(threshold), jnp.isnan(slope)

    @jax.jit
    def search(keys):
        found, unknown = on(keys)
        flip = found[1:] != found[:-1]
        (at,) = jnp.nonzero(flip, size=FLIPS, fill_value=0)
        low, high, before = keys[at], keys[at + 1], found[at]

        def halve(_, ends):
            low, high = ends
            middle = low + (high - low) // 2
            same = on(middle)[0] == before
            return jnp.where(same, middle, low), jnp.where(same, high, middle)

        low, _ = jax.lax.fori_loop(0, 31, halve, (low, high))
        return flip.sum(), found[0], ~unknown, number(low), number(keys)

    count, first, known, flips, numbers = jax.device_get(search(keys))
    ends = np.flatnonzero(known)
    if count > FLIPS or not len(ends) or not known[ends[0] : ends[-1]].all():
        return None
    low, high = numbers[ends[[0, -1]]].tolist()
    return Active(tuple(flips[:count].tolist()), bool(first), low, high)


def _keys(x: np.ndarray) -> np.ndarray:
    """Return whole numbers in the order of the float32 ``x``, one apart where they are neighbours; 0 for zero."""
    size = np.abs(x).view(np.int32).astype(np.int64)
    return np.sign(x).astype(np.int64) * np.maximum(size - _TINY, 0)


def active_units(
    act: Act, learnt: Learnt, pre: jax.Array, threshold: float, where: Active | None = None
) -> jax.Array:
    """Return bool (C,): units active on at least one value of ``pre`` (B, ..., C); ``where`` as `active` found."""
    return _any(jnp.abs(value_and_slope(act, learnt, pre)[1]) >= threshold if where is None else where(pre))


def regime(
    act: Act, learnt: Learnt, pre: jax.Array, threshold: float, where: Active | None = None, *, full: bool
) -> tuple[dict[str, jax.Array], jax.Array]:
    r"""Return the saturated share, with ``full`` the linear one too, and which units are active (C,).

    A value is in the linear regime where the activation acts as a plain factor: the tangent there passes through
    f(0) to within 5 % of \|f(x) - f(0)\|, and the value is not saturated. For relu those are the positive values,
    for tanh \|x\| < 0.27.
    """
    if where is None or full:
        value, slope = value_and_slope(act, learnt, pre)
    if where is None:
        on, known = jnp.abs(slope) >= threshold, ~jnp.isnan(slope)
    else:
        on, known = where(pre), where.known(pre)
    n = _count(known)
    row = {"saturated_share": (n - _count(on)) / n}
    if full:
        rise = value - act(jnp.zeros_like(pre[:1]), **learnt)
        straight = jnp.abs(rise - pre * slope) <= LINEAR * jnp.abs(rise)
        row["linear_share"] = _count(straight & on) / n
    return row, _any(on)


def _any(where: jax.Array) -> jax.Array:
    """Return bool (C,): the units for which any is true; as a largest number, which takes a tenth of the time."""
    return jnp.max(where.reshape(-1, where.shape[-1]).astype(jnp.float32), axis=0) > 0


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
