r"""Piecewise linear functions with learnt hinges or learnt values.

Vectors lie along the first axis of an array; further axes broadcast against the last axes of x.
"""

from __future__ import annotations

import itertools
import math

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.spec import REALS, Interval, Kink, activation, at_least, below
from actlab.errors import InputError
from actlab.gradients import keep_input


def _linear_facts(points, slopes) -> dict:
    """Return the facts of a continuous piecewise linear function.

    Args:
        points: its corners (x, f(x)) from left to right, at least one.
        slopes: its slopes, one more than corners.
    """
    ends = [
        f if slope == 0 else math.copysign(math.inf, slope * side)
        for f, slope, side in ((points[0][1], slopes[0], -1), (points[-1][1], slopes[-1], 1))
    ]
    values = [f for _, f in points] + ends
    turning, before = [], 0.0
    for (x, _), left, right in zip(points, slopes, slopes[1:], strict=False):
        before = left or before
        if before * right < 0:
            turning.append(x)
    return {
        "range": Interval(min(values), max(values)),
        "monotonic": all(s >= 0 for s in slopes),
        "lipschitz": max(map(abs, slopes)),
        "limits": tuple(ends),
        "turning": tuple(turning),
    }


def _facts(corners) -> dict:
    """Return `Spec` facts, functions of the parameters, from ``corners(p)``: points and slopes."""

    def fact(name):
        return lambda p: _linear_facts(*corners(p))[name]

    return {name: fact(name) for name in ("range", "monotonic", "lipschitz", "limits", "turning")}


def _apl_corners(p):
    weights, hinges = p["weights"], p["hinges"]
    at = sorted({0.0, *hinges})

    def f(x):
        return max(0.0, x) + sum(a * max(0.0, b - x) for a, b in zip(weights, hinges, strict=True))

    def slope_left_of(x):
        return float(x > 0) - sum(a for a, b in zip(weights, hinges, strict=True) if b >= x)

    return [(x, f(x)) for x in at], [*map(slope_left_of, at), 1.0]


def _apl_kinks(p) -> tuple[Kink, ...]:
    points, slopes = _apl_corners(p)
    found = []
    for (x, _), left, right in zip(points, slopes, slopes[1:], strict=False):
        # At 0 relu's derivative is 0; at a hinge, too, the hinge's.
        chosen = right - float(x == 0)
        if left != right:
            found.append(Kink(at=x, left=left, right=right, chosen=chosen))
    return tuple(found)


@activation(
    family="spline",
    formula="max(0,x)+sum(a*max(0,b-x) for a,b in zip(weights,hinges))",
    parameters={
        "weights": (REALS, "minus the slopes that the hinges add, one each"),
        "hinges": (REALS, "where they bend, as many"),
    },
    **_facts(_apl_corners),
    kinks=_apl_kinks,
    smoothness=lambda p: "C0" if _apl_kinks(p) else "Cinf",
    requires=lambda p: (
        ""
        if len(p["weights"]) == len(p["hinges"])
        else f"there must be as many weights as hinges, got {len(p['weights'])} and {len(p['hinges'])}"
    ),
    reference="Agostinelli, Hoffman, Sadowski, Baldi 2014, arXiv:1412.6830",
    aliases=("aplu",),
)
def apl(x: ArrayLike, *, weights: ArrayLike = (0.0, 0.0), hinges: ArrayLike = (-0.5, 0.5)) -> Array:
    r"""Adaptive piecewise linear unit: relu plus hinges that open to the left.

    .. math:: f(x) = \max(0, x) + \sum_{s=1}^{S} a_s \max(0, b_s - x)

    Slope 1 far right and :math:`-\sum a_s` far left. Kinks at 0 and at every :math:`b_s`; there the derivative of
    each maximum is 0, as relu's. The default weights make it relu; the hinges stand apart, at plus and minus the
    standard deviation the authors draw them with, so that learning can tell them apart.

    Args:
        x: real array.
        weights: a_1, ..., a_S; any finite reals.
        hinges: b_1, ..., b_S; any finite reals.

    Raises:
        InputError: there are not as many weights as hinges.

    Agostinelli, Hoffman, Sadowski, Baldi 2014, arXiv:1412.6830.

    >>> import jax.numpy as jnp
    >>> apl(jnp.array([-1.0, 2.0]), weights=(0.5,), hinges=(1.0,))
    Array([1., 2.], dtype=float32)
    """
    if np.shape(weights)[:1] != np.shape(hinges)[:1]:
        raise InputError("apl: there must be as many weights as hinges")
    return _apl(x, weights, hinges)


aplu = apl


def _apl_line(x: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Return the slope and offset of the hinges' sum at x."""
    slope, offset = jnp.zeros_like(x), jnp.zeros_like(x)
    for weight, hinge in zip(a, b, strict=True):
        slope += jnp.where(x < hinge, -weight, 0.0)
        offset += jnp.where(x < hinge, weight * hinge, 0.0)
    return slope, offset


def _apl_value(x: Array, a: Array, b: Array) -> Array:
    slope, offset = _apl_line(x, a, b)
    # The sums first: hinges of opposite slopes would meet as inf - inf.
    bent = jnp.where((slope == 0) & jnp.isinf(x), 0.0, slope * x)
    return jnp.where(x > 0, x, jnp.where(x <= 0, 0.0, x)) + bent + offset


def _apl_slope(x: Array, a: Array, b: Array) -> Array:
    side = jnp.where(x > 0, 1.0, jnp.where(x <= 0, 0.0, lax.stop_gradient(x)))
    return side + _apl_line(x, a, b)[0]


_apl = keep_input(_apl_value, _apl_slope, vectors=(0, 1))


def _pwlu_corners(p):
    values, low, high = p["values"], p["low"], p["high"]
    n = len(values) - 1
    step = (high - low) / n
    inner = [(b - a) / step for a, b in itertools.pairwise(values)]
    return [(low + i * step, v) for i, v in enumerate(values)], [p["left_slope"], *inner, p["right_slope"]]


def _pwlu_kinks(p) -> tuple[Kink, ...]:
    points, slopes = _pwlu_corners(p)
    bends = zip(points, slopes, slopes[1:], strict=False)
    return tuple(
        Kink(at=x, left=left, right=right, chosen=right) for (x, _), left, right in bends if left != right
    )


@activation(
    family="spline",
    formula="values[0]+left_slope*min(x-low,0)+right_slope*max(x-high,0)"
    "+sum((values[i+1]-values[i])*(len(values)-1)/(high-low)"
    "*clip(x-low-i*(high-low)/(len(values)-1),0,(high-low)/(len(values)-1)) for i in range(len(values)-1))",
    parameters={
        "values": (REALS, "values at the ends of the intervals, from left to right"),
        "low": (REALS, "where the first interval begins"),
        "high": (REALS, "where the last interval ends, above low"),
        "left_slope": (REALS, "slope left of low"),
        "right_slope": (REALS, "slope right of high"),
    },
    **_facts(_pwlu_corners),
    kinks=_pwlu_kinks,
    smoothness=lambda p: "C0" if _pwlu_kinks(p) else "Cinf",
    requires=lambda p: below("low", "high")(p) or at_least(2, "values")(p),
    reference="Zhou, Zhu, Zhong 2021, arXiv:2104.03693",
)
def pwlu(
    x: ArrayLike,
    *,
    values: ArrayLike = (0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0),
    low: ArrayLike = -3.0,
    high: ArrayLike = 3.0,
    left_slope: ArrayLike = 0.0,
    right_slope: ArrayLike = 1.0,
) -> Array:
    r"""Piecewise linear unit: even intervals, with a value at every end.

    .. math:: f(x) = \begin{cases} Y_0 + K_L (x - B_L) & x < B_L \\
              Y_i + \frac{Y_{i+1} - Y_i}{d} (x - B_i) & B_i \le x < B_{i+1} \\
              Y_N + K_R (x - B_R) & x \ge B_R \end{cases} \qquad B_i = B_L + i d, \quad d = \frac{B_R - B_L}{N}

    Kinks at the ends of the intervals, where the right derivative is taken (of relu, which the defaults make, 1
    at 0). Lipschitz: the largest slope.

    Args:
        x: real array.
        values: Y_0, ..., Y_N, at least two; any finite reals.
        low: B_L, where the first interval begins.
        high: B_R, where the last ends, above low.
        left_slope: K_L, slope left of low, any finite real.
        right_slope: K_R, slope right of high, any finite real.

    Raises:
        InputError: there are fewer than two values.

    Zhou, Zhu, Zhong 2021, arXiv:2104.03693.

    >>> import jax.numpy as jnp
    >>> pwlu(jnp.array([-5.0, 0.5, 9.0]), values=(1.0, 0.0, 1.0), low=-1.0, high=1.0)
    Array([1. , 0.5, 9. ], dtype=float32)
    """
    if np.ndim(values) and np.shape(values)[0] < 2:
        raise InputError("pwlu: there must be at least two values")
    return _pwlu(x, values, low, high, left_slope, right_slope)


def _pwlu_pieces(x: Array, y: Array, low: Array, high: Array, left: Array, right: Array):
    """Return the value and slope of x's piece and the point they start from."""
    n = len(y) - 1
    step = (high - low) / n
    value, slope, start = y[0], left, low
    for i in range(n):
        begin = low + i * step
        there = x >= begin
        value = jnp.where(there, y[i], value)
        slope = jnp.where(there, (y[i + 1] - y[i]) / step, slope)
        start = jnp.where(there, begin, start)
    there = x >= high
    return jnp.where(there, y[n], value), jnp.where(there, right, slope), jnp.where(there, high, start)


def _pwlu_value(x: Array, *params: Array) -> Array:
    value, slope, start = _pwlu_pieces(x, *params)
    return value + jnp.where((slope == 0) & jnp.isinf(x), 0.0, slope * (x - start))


def _pwlu_slope(x: Array, *params: Array) -> Array:
    _, slope, _ = _pwlu_pieces(x, *params)
    return jnp.where(jnp.isnan(x), lax.stop_gradient(x), slope)


_pwlu = keep_input(_pwlu_value, _pwlu_slope, vectors=(0,))
