"""Rectifiers of several linear pieces, or with movable kinks."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.rectified import nan_or
from actlab.activations.spec import NONNEGATIVE, REALS, Interval, Jump, Kink, activation
from actlab.gradients import keep_input


@activation(
    family="rectified",
    formula="abs(x)",
    range=NONNEGATIVE,
    monotonic=False,
    smoothness="C0",
    kinks=(Kink(at=0.0, left=-1.0, right=1.0, chosen=0.0),),
    lipschitz=1.0,
    limits=(math.inf, math.inf),
    turning=(0.0,),
    reference="Hu, Niu 2018 (vReLU)",
    aliases=("vrelu", "modulus"),
    peers={"jax": "jax.numpy.abs", "torch": "torch.abs"},
    differs="jax.numpy.abs takes the derivative 1 at 0; PyTorch takes 0, as here.",
)
def abs(x: ArrayLike) -> Array:  # nothing in this file calls the builtin
    r"""Absolute value, also called vReLU or modulus.

    .. math:: f(x) = |x|, \qquad f'(0) := 0

    Range [0, inf); limits inf and inf. Even and convex, turning at its kink at 0 (derivative -1 left, 1
    right), where the derivative is 0. 1-Lipschitz.

    Hu, Niu 2018 (vReLU).

    >>> import jax.numpy as jnp
    >>> abs(jnp.array([-2.0, 3.0]))
    Array([2., 3.], dtype=float32)
    """
    return _abs(x)


vrelu = modulus = abs

# lax.sign is 0 at 0, and NaN at NaN.
_abs = keep_input(jnp.abs, lambda x: jnp.sign(lax.stop_gradient(x)))


def _rprelu_kinks(p):
    beta = p["beta"]
    return () if beta == 1 else (Kink(at=p["gamma"], left=beta, right=1.0, chosen=1.0),)


def _rprelu_limits(p):
    beta = p["beta"]
    return (p["zeta"] if beta == 0 else -math.copysign(math.inf, beta), math.inf)


@activation(
    family="rectified",
    formula="where(x>=gamma,x-gamma,beta*(x-gamma))+zeta",
    parameters={
        "gamma": (REALS, "where the kink lies"),
        "zeta": (REALS, "value at the kink"),
        "beta": (REALS, "slope left of the kink"),
    },
    range=lambda p: REALS if p["beta"] > 0 else Interval(p["zeta"], math.inf),
    monotonic=lambda p: p["beta"] >= 0,
    smoothness=lambda p: "Cinf" if p["beta"] == 1 else "C0",
    kinks=_rprelu_kinks,
    lipschitz=lambda p: max(1.0, math.fabs(p["beta"])),
    limits=_rprelu_limits,
    turning=lambda p: (p["gamma"],) if p["beta"] < 0 else (),
    reference="Liu, Shen, Savvides, Cheng 2020, arXiv:2003.03488",
)
def rprelu(x: ArrayLike, *, gamma: ArrayLike = 0.0, zeta: ArrayLike = 0.0, beta: ArrayLike = 0.25) -> Array:
    r"""ReAct-PReLU: a `prelu` whose kink may move in both directions.

    .. math:: f(x) = \zeta + \begin{cases} x - \gamma & x \ge \gamma \\ \beta\,(x - \gamma) & x < \gamma
              \end{cases}, \qquad f'(\gamma) := 1

    Range: all reals for :math:`\beta > 0`, else [zeta, inf). Kink at gamma (derivative beta left, 1 right),
    where the derivative is 1. Lipschitz: max(1, abs(beta)). All three are meant to be learnt per channel.

    Args:
        x: real array.
        gamma: where the kink lies; any finite real.
        zeta: value at the kink; any finite real.
        beta: slope left of the kink; any finite real.

    Liu, Shen, Savvides, Cheng 2020, ReActNet, arXiv:2003.03488.

    >>> import jax.numpy as jnp
    >>> rprelu(jnp.array([-1.0, 3.0]), gamma=1.0, zeta=0.5)
    Array([0. , 2.5], dtype=float32)
    """
    return _rprelu(x, gamma, zeta, beta)


def _times(slope: Array, x: Array) -> Array:
    """Return slope * x, 0 where an infinite x meets the slope 0."""
    return jnp.where((slope == 0) & jnp.isinf(x), 0.0, slope * x)


def _rprelu_value(x: Array, gamma: Array, zeta: Array, beta: Array) -> Array:
    moved = x - gamma
    return jnp.where(x >= gamma, moved, _times(beta, moved)) + zeta


def _rprelu_slope(x: Array, gamma: Array, zeta: Array, beta: Array) -> Array:
    return nan_or(x, jnp.where(x >= gamma, 1.0, beta))


def _rprelu_by_gamma(x: Array, gamma: Array, zeta: Array, beta: Array) -> Array:
    return -_rprelu_slope(x, gamma, zeta, beta)


def _rprelu_by_zeta(x: Array, gamma: Array, zeta: Array, beta: Array) -> Array:
    return nan_or(x, 1.0)


def _rprelu_by_beta(x: Array, gamma: Array, zeta: Array, beta: Array) -> Array:
    return jnp.where(x >= gamma, 0.0, x - gamma)


_rprelu = keep_input(_rprelu_value, _rprelu_slope, _rprelu_by_gamma, _rprelu_by_zeta, _rprelu_by_beta)


def _s_shaped_pieces(p):
    return p["threshold_left"], p["slope_left"], p["threshold_right"], p["slope_right"]


def _s_shaped_jumps(p):
    tl, al, tr, _ = _s_shaped_pieces(p)
    left = tl + al * (tr - tl)
    return (Jump(at=tr, left=left, right=tr, value=tr),) if tl > tr and left != tr else ()


def _s_shaped_kinks(p):
    tl, al, tr, ar = _s_shaped_pieces(p)
    if _s_shaped_jumps(p):
        return ()
    ends = [Kink(tl, al, 1.0, al), Kink(tr, 1.0, ar, ar)] if tl < tr else [Kink(tr, al, ar, ar)]
    return tuple(k for k in ends if k.left != k.right)


def _s_shaped_smoothness(p):
    return "jumps" if _s_shaped_jumps(p) else "C0" if _s_shaped_kinks(p) else "Cinf"


def _s_shaped_limits(p):
    tl, al, tr, ar = _s_shaped_pieces(p)
    return (
        -math.copysign(math.inf, al) if al else tl,
        math.copysign(math.inf, ar) if ar else tr,
    )


def _s_shaped_range(p):
    tl, _, tr, _ = _s_shaped_pieces(p)
    ends = (*_s_shaped_limits(p), min(tl, tr), tr, *(j.left for j in _s_shaped_jumps(p)))
    if tl < tr:
        ends = (*ends, tl)
    return Interval(min(ends), max(ends))


def _s_shaped_monotonic(p):
    _, al, _, ar = _s_shaped_pieces(p)
    return al >= 0 and ar >= 0 and all(j.left <= j.right for j in _s_shaped_jumps(p))


def _s_shaped_lipschitz(p):
    tl, al, tr, ar = _s_shaped_pieces(p)
    middle = 1.0 if tl < tr else 0.0
    return math.inf if _s_shaped_jumps(p) else max(middle, math.fabs(al), math.fabs(ar))


@activation(
    family="rectified",
    formula=(
        "where(x>=threshold_right,threshold_right+slope_right*(x-threshold_right),"
        "where(x<=threshold_left,threshold_left+slope_left*(x-threshold_left),x))"
    ),
    parameters={
        "threshold_left": (REALS, "where the left piece ends"),
        "slope_left": (REALS, "slope of the left piece"),
        "threshold_right": (REALS, "where the right piece begins"),
        "slope_right": (REALS, "slope of the right piece"),
    },
    range=_s_shaped_range,
    monotonic=_s_shaped_monotonic,
    smoothness=_s_shaped_smoothness,
    kinks=_s_shaped_kinks,
    jumps=_s_shaped_jumps,
    lipschitz=_s_shaped_lipschitz,
    limits=_s_shaped_limits,
    turning=lambda p: tuple(k.at for k in _s_shaped_kinks(p) if k.left * k.right < 0),
    reference="Jin et al. 2015, arXiv:1512.07030",
)
def s_shaped_relu(
    x: ArrayLike,
    *,
    threshold_left: ArrayLike = 0.0,
    slope_left: ArrayLike = 0.0,
    threshold_right: ArrayLike = 1.0,
    slope_right: ArrayLike = 1.0,
) -> Array:
    r"""S-shaped rectifier (SReLU): the identity between two thresholds, straight lines beyond.

    .. math:: f(x) = \begin{cases} t_r + a_r (x - t_r) & x \ge t_r \\ x & t_l < x < t_r \\
              t_l + a_l (x - t_l) & x \le t_l \end{cases}

    Range: all reals where both slopes are positive; [t_l, inf) for a_l = 0 < a_r, so [0, inf) by default, when it
    is relu. Kinks at both thresholds (derivatives a_l and 1, 1 and a_r), where the outer slope is
    taken. Lipschitz: max(1, abs(a_l), abs(a_r)). The thresholds should keep their order: where the left one
    exceeds the right one, the right piece wins, and f jumps at t_r.

    Args:
        x: real array.
        threshold_left: t_l, where the left piece ends; any finite real.
        slope_left: a_l, slope of the left piece; any finite real.
        threshold_right: t_r, where the right piece begins; any finite real.
        slope_right: a_r, slope of the right piece; any finite real.

    Jin, Xu, Feng, Wei, Xiong, Yan 2015, Deep learning with S-shaped rectified linear activation units,
    arXiv:1512.07030.

    >>> import jax.numpy as jnp
    >>> s_shaped_relu(jnp.array([-2.0, 0.5, 3.0]), slope_left=0.25, slope_right=0.5)
    Array([-0.5,  0.5,  2. ], dtype=float32)
    """
    return _s_shaped(x, threshold_left, slope_left, threshold_right, slope_right)


def _s_shaped_value(x: Array, tl: Array, al: Array, tr: Array, ar: Array) -> Array:
    # a x + t (1 - a) is exact for the slopes 0 and 1, and never loses more than a x does.
    right = _times(ar, x) + tr * (1.0 - ar)
    left = _times(al, x) + tl * (1.0 - al)
    return jnp.where(x >= tr, right, jnp.where(x <= tl, left, x))


def _by_piece(x: Array, tl: Array, tr: Array, left: Array, middle: Array, right: Array) -> Array:
    return nan_or(x, jnp.where(x >= tr, right, jnp.where(x <= tl, left, middle)))


def _s_shaped_slope(x: Array, tl: Array, al: Array, tr: Array, ar: Array) -> Array:
    return _by_piece(x, tl, tr, al, 1.0, ar)


_s_shaped = keep_input(
    _s_shaped_value,
    _s_shaped_slope,
    lambda x, tl, al, tr, ar: _by_piece(x, tl, tr, 1.0 - al, 0.0, 0.0),
    lambda x, tl, al, tr, ar: _by_piece(x, tl, tr, x - tl, 0.0, 0.0),
    lambda x, tl, al, tr, ar: _by_piece(x, tl, tr, 0.0, 0.0, 1.0 - ar),
    lambda x, tl, al, tr, ar: _by_piece(x, tl, tr, 0.0, 0.0, x - tr),
)


def _n_ends(p):
    return min(p["a"], p["b"]), max(p["a"], p["b"])


def _n_kinks(p):
    low, high = _n_ends(p)
    return () if low == high else (Kink(low, 1.0, -1.0, -1.0), Kink(high, -1.0, 1.0, -1.0))


@activation(
    family="rectified",
    formula="where(x<min(a,b),x-2*min(a,b),where(x>max(a,b),x-2*max(a,b),-x))",
    parameters={"a": (REALS, "one kink"), "b": (REALS, "the other kink")},
    range=REALS,
    monotonic=lambda p: p["a"] == p["b"],
    smoothness=lambda p: "C0" if _n_kinks(p) else "Cinf",
    kinks=_n_kinks,
    lipschitz=1.0,
    limits=(-math.inf, math.inf),
    turning=lambda p: tuple(k.at for k in _n_kinks(p)),
    reference="Prach, Lampert 2023, arXiv:2311.06103",
)
def n_activation(x: ArrayLike, *, a: ArrayLike = -0.5, b: ArrayLike = 0.5) -> Array:
    r"""N-activation: up, down between two kinks, and up again, always with slope 1 or -1.

    .. math:: f(x) = \begin{cases} x - 2 l & x < l \\ -x & l \le x \le h \\ x - 2 h & x > h \end{cases},
              \qquad l = \min(a, b),\ h = \max(a, b),\ f'(l) := f'(h) := -1

    Range: all reals. Kinks, and turning points, at l (derivative 1 left, -1 right) and h (-1 left, 1 right),
    where the derivative is -1. 1-Lipschitz and of slope 1 in size everywhere, so it keeps the norm of gradients.

    Args:
        x: real array.
        a: one kink; any finite real.
        b: the other kink; any finite real; equal to a, no kink is left.

    Prach, Lampert 2023, 1-Lipschitz neural networks are more expressive with N-activations, arXiv:2311.06103.

    >>> import jax.numpy as jnp
    >>> n_activation(jnp.array([-2.0, 0.25, 2.0]))
    Array([-1.  , -0.25,  1.  ], dtype=float32)
    """
    return _n(x, a, b)


def _n_value(x: Array, a: Array, b: Array) -> Array:
    low, high = jnp.minimum(a, b), jnp.maximum(a, b)
    return jnp.where(x < low, x - 2.0 * low, jnp.where(x > high, x - 2.0 * high, -x))


def _n_slope(x: Array, a: Array, b: Array) -> Array:
    low, high = jnp.minimum(a, b), jnp.maximum(a, b)
    between = (x >= low) & (x <= high) & (low < high)
    return nan_or(x, jnp.where(between, -1.0, 1.0))


def _n_by_a(x: Array, a: Array, b: Array) -> Array:
    moved = jnp.where(a <= b, x < a, x > a)  # of equal ones, a is the left
    return nan_or(x, jnp.where(moved, -2.0, 0.0))


def _n_by_b(x: Array, a: Array, b: Array) -> Array:
    moved = jnp.where(a <= b, x > b, x < b)
    return nan_or(x, jnp.where(moved, -2.0, 0.0))


_n = keep_input(_n_value, _n_slope, _n_by_a, _n_by_b)
