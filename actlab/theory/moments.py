r"""Moments of an activation whose input is a unit normal: what one wide layer hands to the next.

Means over :math:`z \sim N(0, 1)` are integrals of f times a bell, taken by `actlab.theory.quadrature` with
panels that end at the kinks and jumps the spec lists. A function without a spec is treated alike: panels close
in on its kinks by halving. Gauss-Hermite rules, the usual tool, are wrong by 1e-3 for relu with 128 nodes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from actlab.activations import Act
from actlab.errors import InputError
from actlab.theory.evaluation import edges, elementwise, value_and_slope
from actlab.theory.quadrature import integrate

# Past 54 the root of the bell is no float64. Past 12 only what grows exponentially is left, past 40 nothing: what
# is still there does not end.
_REACH = 54.0
_FAR = 40.0
_BEYOND = np.array([14.0, 17.0, 21.0, 26.0, 32.0, _FAR])
_GRID = np.concatenate([-_BEYOND[::-1], np.arange(-12.0, 12.5, 0.5), _BEYOND])


@dataclasses.dataclass(frozen=True)
class Moments:
    """Means over a unit normal z, and how well they are known.

    Attributes:
        mean: E f(z); exactly 0 where it is smaller than its error.
        second_moment: E f(z)^2.
        slope_second_moment: E f'(z)^2, of the derivative that autodiff gives: the surrogate where there is one,
            and nothing of a jump where there is none.
        gain: 1 / sqrt(second_moment): the factor that makes the output's second moment 1.
        error: estimate of the largest error of the three, relative to E|f|, E f^2 and E f'^2.
    """

    mean: float
    second_moment: float
    slope_second_moment: float
    gain: float
    error: float


def moments(f: Callable | Act | str) -> Moments:
    """Return the moments of an elementwise function under a unit normal, to about 1e-14.

    Computed in float64. A random function counts in its form without a key, a learnt parameter at its start.
    A moment beyond all bounds, or beyond float64, is inf; NaN is a mean of which both sides are. At a pole of which
    nothing is told, as of log |x|, it may be a large number instead: then ``error`` is large.

    Args:
        f: a listed activation, an `Act` with its parameters, or your own elementwise function.

    Raises:
        InputError: ``f`` is not elementwise and real, or is NaN somewhere.

    >>> import actlab
    >>> print(f"{moments(actlab.relu).gain:.9f} {moments(actlab.make('tanh')).gain:.9f}")
    1.414213562 1.592537420
    """
    return measured(elementwise(f, "moments"))[0]


def measured(act: Act) -> tuple[Moments, np.ndarray]:
    """Return the moments of an elementwise function, and each one's error: relative to E|f|, E f^2 and E f'^2."""

    def integrands(z: np.ndarray) -> np.ndarray:
        y, slope = value_and_slope(act, z)
        for what, values in (("", y), ("the derivative of ", slope)):
            if np.isnan(values).any():
                raise InputError(f"moments: {what}{act.name} is NaN at {float(z[np.isnan(values)][0]):.6g}")
        # Half of the bell with each factor of a square: neither overflows before the product.
        bell = np.exp(-0.25 * z * z) * (2 * math.pi) ** -0.25
        return np.stack([y * bell * bell, (y * bell) ** 2, (slope * bell) ** 2])

    inner = integrate(integrands, {*_GRID, *(e for e in edges(act) if abs(e) < _FAR)})
    tails = [integrate(integrands, ends) for ends in ((-_REACH, -_FAR), (_FAR, _REACH))]
    parts = (inner, *tails)
    value, scale, off = (sum(getattr(p, name) for p in parts) for name in ("value", "scale", "error"))
    endless = ~np.isfinite(scale) | (sum(t.scale for t in tails) > 1e-12 * scale)
    known = ~endless & (scale > 0)
    errors = np.divide(off, scale, out=np.zeros(3), where=known)
    error = max(np.finfo(float).eps, *errors)
    one_sided = np.abs(value) >= scale * (1 - 1e-12)
    value = np.where(endless, np.where(one_sided, np.copysign(math.inf, value), math.nan), value)
    mean, second, slope = map(float, value)
    if abs(mean) < error * scale[0]:
        mean = 0.0
    gain = 1 / math.sqrt(second) if second else math.inf
    return Moments(mean, second, slope, gain, float(error)), errors
