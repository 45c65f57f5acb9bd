r"""Fits of f' as a function of the rounded y, for the *lean* rule: what they can reach, and what cannot be fitted.

Near a turning point y is a parabola in x, so rounding y by d leaves an error of sqrt(2 |f''| d) in f' whatever the
fit; elsewhere f' follows from y and the side of the turning point. Each rounded y stands for an interval of slopes,
and the fit for bfloat16 aims at their middles: a minimax polynomial by Lawson's reweighted least squares.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.errors import InputError

# Largest error: in ulp of max|f'| for bfloat16; as a share of max|f'| for the others.
PROMISE = {"bfloat16": 2.0, "float16": 8e-3, "float32": 5e-4}
_REACH = 200.0  # what the slopes at +-_REACH are, they must be at +-1000


@dataclasses.dataclass(frozen=True)
class Side:
    r"""One monotonic piece of a function: its slope from y.

    With :math:`s = \sqrt{|y - a|}`, a the value at the turning point, :math:`q = \sqrt{|l - y|}`, l the limit far
    out, and P a polynomial, :math:`|f'|` is

    - ``s q P(q)`` from a turning point to a limit: 0 at both ends by construction;
    - ``P(s)`` from a turning point to infinity;
    - ``|y - a| |y - l| P(y)`` between two limits;
    - ``|y - a| P(|y - a|)`` from a limit to infinity.

    Attributes:
        turns: whether the side begins at a turning point.
        start: a, the value at the turning point, or the other limit.
        limit: l, None where y grows without bound.
        end: largest value of the polynomial's variable; beyond it, on an unbounded side, the slope is ``beyond``.
        fine, coarse: P's coefficients for float32 and float16, and for bfloat16; constant first, in the
            variable scaled from [0, ``end``] to [-1, 1].
    """

    turns: bool
    start: float
    limit: float | None
    end: float
    beyond: float
    fine: tuple[float, ...] = ()
    coarse: tuple[float, ...] = ()

    def parts(self, y: Any, xp: ModuleType = jnp) -> tuple[Any, Any]:
        """Return the factor before P and P's variable, in [0, 1]."""
        up = 1.0 if self.limit is None or self.limit > self.start else -1.0
        away = xp.abs(y - self.start)  # the start itself may be rounded to its far side
        left = None if self.limit is None else xp.maximum((self.limit - y) * up, 0.0)
        scale = 1.0 / self.end
        if self.turns and left is None:
            return None, xp.minimum(xp.sqrt(away) * scale, 1.0)
        if self.turns:
            q = xp.sqrt(left)
            return xp.sqrt(away) * q, q * scale
        if left is None:
            return away, xp.minimum(away * scale, 1.0)
        return away * left, away * scale

    def slope(self, y: Array, coarse: bool) -> Array:
        """Return |f'|."""
        factor, variable = self.parts(y)
        coefficients = self.coarse if coarse else self.fine
        centred = 2.0 * variable - 1.0
        total = jnp.full_like(variable, coefficients[-1])
        for c in coefficients[-2::-1]:
            total = total * centred + c
        if factor is not None:
            total = total * factor
        # A NaN is not >= 1: it goes on.
        return total if self.limit is not None else jnp.where(variable >= 1.0, self.beyond, total)


@dataclasses.dataclass(frozen=True)
class LeanFit:
    """How to tell f' from y and one bit (from y alone, where f turns nowhere); made by `fit_lean`.

    Attributes:
        turning: the turning point; None where f turns nowhere, ``right`` is then the whole function.
        rising: whether f rises on the right side.
        left, right: the two sides.
        steepest: max|f'|.
        errors: the largest errors found, with y rounded to each dtype: in ulp of max|f'| for bfloat16, as a
            share of max|f'| for float16 and float32.
    """

    turning: float | None
    rising: bool
    left: Side | None
    right: Side
    steepest: float
    errors: tuple[tuple[str, float], ...] = ()

    def slope(self, y: Array, left: Array | None, *, coarse: bool) -> Array:
        """Return f' from y in float32 or float64; ``left`` tells which x are left of the turning point."""
        sign = 1.0 if self.rising else -1.0
        right = sign * self.right.slope(y, coarse)
        return right if self.left is None else jnp.where(left, -sign * self.left.slope(y, coarse), right)


def fit_lean(f: Callable[[Array], Array]) -> LeanFit:
    """Return the fit of f' as a function of y, for an elementwise function with at most one turning point.

    The fit is to f as it is in float64, and its error is measured with y rounded to bfloat16, float16 and float32 at
    tens of thousands of points. It is an absolute error: far out, where f' is tiny, its order of magnitude may be
    wrong.

    Args:
        f: a function of one array, smooth, differentiable by JAX in float64.

    Raises:
        InputError: f turns more than once; its slope has no bound or does not settle to a constant far out; it
            decays to a limit too slowly; or the error is more than 2 ulp of max|f'| in bfloat16, or 5e-4 max|f'| in
            float32. The message says which and by how much.

    >>> import jax
    >>> fit = fit_lean(jax.nn.silu)
    >>> f"turns at {fit.turning:.4f}, bfloat16 error below 2 ulp: {dict(fit.errors)['bfloat16'] < 2}"
    'turns at -1.2785, bfloat16 error below 2 ulp: True'
    """
    near = np.linspace(-_REACH, _REACH, 80001)
    x, y, slope = _sample(f, np.concatenate([[-1e3], near, [1e3]]))
    if not (np.isfinite(y).all() and np.isfinite(slope).all()):
        raise InputError("f or f' is not finite on [-1000, 1000]")
    steepest = float(np.abs(slope).max())
    if steepest == 0.0:
        raise InputError("f' is 0 everywhere, there is nothing to tell")
    turning = _turning_points(f, x, slope, steepest)
    if len(turning) > 1:
        where = ", ".join(f"{t:.4g}" for t in turning[:3]) + (", ..." if len(turning) > 3 else "")
        raise InputError(f"f turns {len(turning)} times (at {where}), y and one bit cannot tell f'")
    for end, inner in ((0, 1), (-1, -2)):
        if abs(slope[end] - slope[inner]) > 1e-4 * steepest:
            told = (
                "has no bound" if abs(slope[end]) > 2 * abs(slope[inner]) else "does not settle to a constant"
            )
            raise InputError(f"f' {told} towards {'-' if end == 0 else '+'}inf")
    # Where the slope still changes: sampling is fine there, whatever the scale of x.
    moving = x[1:-1][np.abs(slope[1:-1] - np.where(x[1:-1] < 0, slope[0], slope[-1])) > 1e-3 * steepest]
    scale = float(np.clip((np.ptp(moving) if moving.size else 20.0) / 20.0, 1e-3, 10.0))
    limits = [None if abs(slope[i]) > 1e-5 * steepest else float(y[i]) for i in (0, -1)]
    if turning:
        extreme = float(_sample(f, np.asarray(turning))[1][0])
        rising = bool(_sample(f, np.asarray(turning) + 1e-3)[2][0] > 0)
        left, right = (
            _fit_side(f, turning[0], direction * scale, Side(True, extreme, limit, 1.0, 0.0), steepest)
            for direction, limit in ((-1.0, limits[0]), (1.0, limits[1]))
        )
        fit = LeanFit(turning[0], rising, left, right, steepest)
    else:
        rising = bool(slope[np.abs(slope).argmax()] > 0)
        if limits == [None, None]:
            raise InputError(
                "f turns nowhere and has no limit on either side: there is no fitting form for it"
            )
        start, limit = (limits[0], limits[1]) if limits[0] is not None else (limits[1], None)
        side = _fit_side(f, 0.0, scale, Side(False, start, limit, 1.0, 0.0), steepest)
        fit = LeanFit(None, rising, None, side, steepest)
    fit = dataclasses.replace(fit, errors=tuple((dtype, _error(f, fit, dtype)) for dtype in PROMISE))
    for dtype, error in fit.errors:
        if not error <= PROMISE[dtype]:
            unit = "ulp of max|f'|" if dtype == "bfloat16" else "of max|f'|"
            raise InputError(f"in {dtype} f' from y is off by {error:.3g} {unit}, over {PROMISE[dtype]:g}")
    return fit


def _sample(f: Callable, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x, f(x), f'(x) in float64."""
    with jax.enable_x64(True), jax.ensure_compile_time_eval():
        x = jnp.asarray(x, jnp.float64)
        y, slope = jax.jvp(f, (x,), (jnp.ones_like(x),))
        return np.asarray(x), np.asarray(y), np.asarray(slope)


def _turning_points(f: Callable, x: np.ndarray, slope: np.ndarray, steepest: float) -> list[float]:
    """Return where f' changes sign: to the last digits, if it does so once."""
    keep = np.abs(slope) > 1e-9 * steepest  # tails that have died down change sign by rounding
    x, slope = x[keep], slope[keep]
    changes = np.flatnonzero(np.sign(slope[1:]) != np.sign(slope[:-1]))
    if len(changes) > 1:  # to be refused: where, on the grid, is enough
        return [float(0.5 * (x[i] + x[i + 1])) for i in changes]
    found = []
    for i in changes:
        low, high, rises = x[i], x[i + 1], slope[i + 1] > 0
        for _ in range(12):
            inner = np.linspace(low, high, 33)
            beyond = int(np.argmax((_sample(f, inner)[2] > 0) == rises))
            low, high = inner[max(beyond - 1, 0)], inner[beyond]
        found.append(float(0.5 * (low + high)))
    return found


def _fit_side(f: Callable, middle: float, step: float, side: Side, steepest: float) -> Side:
    """Return ``side`` with its polynomials.

    ``step`` is the scale of x; negative left of a turning point, for a function without one it serves both ways.
    """
    distance = np.concatenate(
        [np.geomspace(1e-4, 0.1, 300), np.linspace(0.1, 20, 4000), np.geomspace(20, 1e3, 300)]
    )
    x = middle + step * (distance if side.turns else np.concatenate([-distance[::-1], distance]))
    _, y, slope = _sample(f, x)
    slope = np.abs(slope)
    if side.limit is not None:
        end = abs(side.limit - side.start)
        side = dataclasses.replace(side, end=math.sqrt(end) if side.turns else end)
    else:
        beyond = float(slope[np.abs(y).argmax()])
        size = np.abs(y - side.start)
        end = float(size[np.abs(slope - beyond) > 1.5e-4 * steepest].max(initial=1e-6 * size.max()))
        side = dataclasses.replace(side, end=math.sqrt(end) if side.turns else end, beyond=beyond)
    fine = _least_degree(side, y, slope, 0.85 * PROMISE["float32"] * steepest, range(13))
    # Every bfloat16 y stands for all slopes that share it: the extreme ones stand for the others.
    rounded = np.asarray(y.astype(jnp.bfloat16), np.float64)
    codes, where = np.unique(rounded, return_inverse=True)
    ends = [np.full(codes.shape, math.inf), np.full(codes.shape, -math.inf)]
    np.minimum.at(ends[0], where, slope)
    np.maximum.at(ends[1], where, slope)
    ulp = 2.0 ** (math.floor(math.log2(steepest)) - 7)
    coarse = _least_degree(side, np.tile(codes, 2), np.concatenate(ends), 0.4 * ulp, range(8))
    return dataclasses.replace(side, fine=fine, coarse=coarse)


def _least_degree(
    side: Side, y: np.ndarray, slope: np.ndarray, target: float, degrees: range
) -> tuple[float, ...]:
    """Return the polynomial of the least degree that is as good as the target, or almost as good as the best."""
    found = []
    for degree in degrees:
        found.append(_minimax(side, y, slope, degree))
        if found[-1][1] <= target:
            break
    best = min(error for _, error in found)
    return next(coefficients for coefficients, error in found if error <= max(target, 1.04 * best))


def _minimax(side: Side, y: np.ndarray, slope: np.ndarray, degree: int) -> tuple[tuple[float, ...], float]:
    """Return the coefficients whose largest error is least, by Lawson's iteration, and that error."""
    factor, variable = side.parts(y, np)
    inside = variable < 1.0 if side.limit is None else np.full(y.shape, True)
    variable, slope = variable[inside], slope[inside]
    basis = np.polynomial.chebyshev.chebvander(2.0 * variable - 1.0, degree)
    if factor is not None:
        basis = basis * factor[inside, None]
    weight = np.full(slope.shape, 1.0 / slope.size)
    best, least = None, math.inf
    for _ in range(60):
        weighted = basis.T * weight
        found = np.linalg.lstsq(weighted @ basis, weighted @ slope, rcond=None)[0]
        error = np.abs(basis @ found - slope)
        if error.max() < least:
            best, least = found, error.max()
        weight = weight * error
        if not weight.sum() > 1e-15 * slope.max(initial=0.0):  # the polynomial is exact
            break
        weight /= weight.sum()
    # About the middle of the interval: about its end the coefficients are so large that float32 loses digits.
    return tuple(map(float, np.polynomial.chebyshev.cheb2poly(best))), float(least)


def _error(f: Callable, fit: LeanFit, dtype: str) -> float:
    """Return the largest error of f' from y rounded to ``dtype``, in the units of `PROMISE`."""
    middle = 0.0 if fit.turning is None else fit.turning
    distance = np.concatenate([np.geomspace(1e-6, 30, 4000), np.geomspace(30, 1e4, 500)])
    grid = np.concatenate([middle - distance, middle + distance, np.linspace(-_REACH, _REACH, 80001)])
    x, y, slope = _sample(f, grid)
    with np.errstate(over="ignore"):  # to inf, whose slope is the one far out
        y = y.astype(jnp.dtype(dtype)).astype(np.float32)
    with jax.ensure_compile_time_eval():  # whoever asks may be tracing
        left = None if fit.turning is None else jnp.asarray(x < fit.turning)
        told = np.asarray(fit.slope(jnp.asarray(y), left, coarse=dtype == "bfloat16"), np.float64)
    worst = float(np.abs(told - slope).max())
    return (
        worst / 2.0 ** (math.floor(math.log2(fit.steepest)) - 7)
        if dtype == "bfloat16"
        else worst / fit.steepest
    )
