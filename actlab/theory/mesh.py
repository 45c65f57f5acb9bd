"""Panels on which an activation is a polynomial to rounding, and the kinks between them: told or found."""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import numpy as np

from actlab.activations import Act
from actlab.errors import InputError
from actlab.theory.evaluation import edges, value_and_slope

_NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)
_K = np.arange(24)
# Coefficients of the Legendre series through the 24 nodes.
_SERIES = np.polynomial.legendre.legvander(_NODES, 23).T * WEIGHTS * (_K[:, None] + 0.5)
_LAST = 16  # a panel is fine where what comes from here on is rounding
_MOST = 6_000  # panels
_NARROW = 2e-15


@dataclasses.dataclass(frozen=True, eq=False)
class Mesh:
    """Where to part the real line for an activation.

    Attributes:
        edges: increasing ends of panels on which f and f' are polynomials of degree 15 to about 1e-14.
        kinks: those of them where f or f' jumps: told by the spec, or found.
        bends: those where f'' alone does, as that of elu at 0; found.
        found: whether kinks were found numerically instead of told by a spec.
    """

    edges: np.ndarray
    kinks: tuple[float, ...]
    bends: tuple[float, ...]
    found: bool


@lru_cache(maxsize=512)
def mesh(act: Act, reach: float = 32.0) -> Mesh:
    """Return the panels of an elementwise real function on [-reach, reach], by halving where that is needed.

    A spec's kinks are edges from the start. Where none is told and halving does not end, there is a kink: it is
    found to about 1e-15 relative and becomes an edge itself.

    Raises:
        InputError: the function is NaN, or so rough that 6000 panels do not do; f or f' jumps where its spec does not
            say so, of which what is computed from the spec would be wrong.
    """
    told = tuple(e for e in edges(act) if abs(e) < reach)
    start = {0.0, reach, -reach, *told}
    start |= {s * v for s in (-1, 1) for v in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0) if v < reach}
    panels, narrow = _halve(act, np.array(sorted(start)))
    scale = np.array([abs(k) for k in told]) if told else np.zeros(0)
    new = [
        p
        for p in narrow
        if not any(abs(p - k) < 1e-12 * max(1.0, s) for k, s in zip(told, scale, strict=True))
    ]
    if new:
        panels, _ = _halve(act, np.array(sorted(start | set(new))))
    if panels.size > _MOST:
        raise InputError(
            f"{act.name} is too rough on [-{reach:g}, {reach:g}]: {panels.size} panels do not do"
        )
    bends = _bends(act, panels[1:-1]) - set(told)
    kinks = {*told, *new} - bends
    if act.spec is None or not act.spec.surrogate:
        bent = _bent(act, panels[1:-1])
        bends -= bent
        if act.spec is None:
            kinks |= bent
        elif hidden := [b for b in bent if not any(abs(b - k) < 1e-9 * max(1.0, abs(k)) for k in told)]:
            raise InputError(
                f"{act.name} or its derivative jumps at {min(hidden, key=abs):.9g}, which its spec does not declare: "
                "that is a Kink or a Jump of its spec"
            )
    return Mesh(panels, tuple(sorted(kinks)), tuple(sorted(bends - kinks)), act.spec is None and bool(kinks))


def _halve(act: Act, start: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Return the edges once every panel is fine, and where halving went on to the last digit."""
    # What is tiny beside the values around 0, as the tail of gelu, need not be fine by its own measure.
    unit = [float(np.abs(v).max()) for v in value_and_slope(act, np.linspace(-2.01, 2.01, 64))]
    low, high = start[:-1], start[1:]
    done, narrow = set(start.tolist()), []
    while low.size:
        half, middle = 0.5 * (high - low), 0.5 * (low + high)
        x = middle[:, None] + half[:, None] * _NODES
        y, slope = value_and_slope(act, x)
        for what, values in (("", y), ("the derivative of ", slope)):
            if np.isnan(values).any():
                raise InputError(f"{what}{act.name} is NaN at {float(x[np.isnan(values)][0]):.6g}")
        with np.errstate(over="ignore", invalid="ignore"):
            far = np.maximum(1.0, np.abs(middle))
            size = np.abs(y).max(axis=1)
            # A steep function magnifies the rounding of x.
            steep = 1 + 0.02 * np.abs(x * slope).max(axis=1) / np.maximum(size, max(unit[0], 1e-300))
            fine = _fine(y, far * unit[0], steep) & _fine(slope, far * unit[1], steep)
        fine |= ~(np.isfinite(y) & np.isfinite(slope)).all(axis=1)  # overflow, not roughness: moments tell
        tiny = half < _NARROW * np.maximum(np.abs(middle), 1e-2)
        narrow += middle[~fine & tiny].tolist()
        open_ = ~fine & ~tiny
        done |= set(middle[open_].tolist())
        if len(done) > 2 * _MOST:
            break
        low, high, middle = low[open_], high[open_], middle[open_]
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
    clusters: list[float] = []
    for p in sorted(narrow):
        if not clusters or p - clusters[-1] > 1e-12 * max(1e-2, abs(p)):
            clusters.append(p)
    return np.array(sorted(done)), clusters


@np.errstate(invalid="ignore", over="ignore")  # where f overflows nothing is told
def _bent(act: Act, points: np.ndarray) -> set[float]:
    """Return the points at which f or f' takes another value on either side, however near: halving can hit them."""
    unit = np.maximum(1.0, np.abs(points))
    jumps = []
    for step in (1e-9, 1e-11):  # f may be smooth on a scale of 1e-8, as smu_1
        left, right = (np.stack(value_and_slope(act, points + s * step * unit)) for s in (-1, 1))
        jumps.append(np.abs(right - left) / np.maximum(1e-3, np.abs(left) + np.abs(right)))
    far, near = jumps
    return set(points[((near > 1e-5) & (near > 0.5 * far)).any(axis=0)].tolist())


@np.errstate(invalid="ignore", over="ignore")
def _bends(act: Act, points: np.ndarray) -> set[float]:
    """Return the points at which f' is the same on either side and its slope another; of a crowd the middle one."""
    unit = np.maximum(1.0, np.abs(points))
    jumps, steps = [], []
    for step in (1e-6, 1e-7):
        left, here, right = (value_and_slope(act, points + s * step * unit)[1] for s in (-1, 0, 1))
        below, above = (here - left) / step, (right - here) / step
        jumps.append(np.abs(above - below) / np.maximum(1e-2, np.abs(below) + np.abs(above)))
        steps.append(np.abs(right - left))
    whole = steps[1] <= 0.5 * steps[0] + 1e-12
    crowds: list[list[float]] = []
    for p in sorted(points[whole & (jumps[1] > 1e-3) & (jumps[1] > 0.5 * jumps[0])].tolist()):
        if crowds and p - crowds[-1][-1] < 1e-6 * max(1.0, abs(p)):
            crowds[-1].append(p)
        else:
            crowds.append([p])
    return {c[len(c) // 2] for c in crowds}


def _fine(values: np.ndarray, room: np.ndarray, steep: np.ndarray) -> np.ndarray:
    series = np.abs(values @ _SERIES.T)
    size = np.maximum(np.abs(values).max(axis=1), room)
    return series[:, _LAST:].max(axis=1) <= 2e-14 * steep * size + 1e-300
