"""Curves of f, f' and f'' as a plot needs them: fine where they bend, cut where they jump, with their window."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.activations import Act
from actlab.activations.custom import one_line
from actlab.errors import InputError
from actlab.theory.evaluation import edges

FAR = 10.0
"""Curves reach this far on both sides, unless the function needs more room or turns too often for it."""

_SHOWN = 4.0  # half the width of a plot of a function that asks for nothing else
_BLOCK = 1024  # one shape, so one compilation a function
_MOST = 2000  # points a function
_LEVELS = 6  # halvings of an interval in which the curve bends
_FINE = 0.004  # bends below this share of the window's height cannot be seen
_JUMP = 0.02  # likewise jumps
_TURNS = 14  # more of them in one plot cannot be followed

# What the operands beside x are held at, where a call needs them; else all are 1.
_OPERANDS = {
    "funnel_relu": ((0.0,), "context = 0"),
    "dynamic_relu": (([0.25, 1.0], [0.0, 0.0]), "slopes 0.25 and 1, offsets 0"),
    "fourier_features": (([[0.25]],), "frequencies [[0.25]]"),
    "meta_acon": ((1.0, 1.0, 0.0), "beta = 1, p1 = 1, p2 = 0"),
}


@dataclasses.dataclass(frozen=True)
class Break:
    """A point where f, f' or f'' jumps: ``order`` is 0, 1 or 2, the lowest that does; one-sided values."""

    at: float
    order: int
    left: float
    right: float


@dataclasses.dataclass(frozen=True)
class Curves:
    """f, f' and f'' along one input, computed in float64 by the code that trains.

    Attributes:
        x: increasing; a point where something jumps stands twice, once for each side.
        values: f, f', f'' at ``x``, shape (3, n), all finite.
        starts: indices into ``x`` where a new piece begins; lines are drawn within pieces.
        breaks: what jumps, and where; in ``x``'s range.
        reach: half the width of a plot that shows what there is to see.
        window: lowest and highest value such a plot has.
        drawn: the orders that stay inside the window for most of its width.
        words: what is plotted, where it is not simply f(x).
    """

    x: np.ndarray
    values: np.ndarray
    starts: tuple[int, ...]
    breaks: tuple[Break, ...]
    reach: float
    window: tuple[float, float]
    drawn: tuple[int, ...]
    words: str

    def pieces(self) -> list[slice]:
        """Return the parts of ``x`` between the jumps."""
        return [slice(a, b) for a, b in zip(self.starts, (*self.starts[1:], len(self.x)), strict=True)]


def curves(act: Act) -> Curves:
    """Return the curves of an activation at its parameters.

    What is not elementwise is plotted along one input: gated functions with ``up`` = 1, functions of an axis
    along the first entry of four, the others 0. Jumps that the spec does not list (of f'', or of a function
    without spec) are found by halving.

    Raises:
        InputError: the function cannot be evaluated that way, or is finite nowhere.
    """
    try:
        line, words = along_one_input(act)
        evaluate = _evaluator(line)
        evaluate(np.zeros(1))
    except Exception as error:  # whatever a user's function raises
        raise InputError(f"{act.name} cannot be drawn: {one_line(error)}") from error
    listed = edges(act)
    with np.errstate(all="ignore"):
        reach = _reach(act, evaluate, listed)
        grid, values = _finite(evaluate, np.linspace(-reach, reach, 4097))
        if not len(grid):
            raise InputError(f"{act.name} cannot be drawn: it is finite nowhere in [{-reach:g}, {reach:g}]")
        window, drawn = _window(values, reach)
        far = min(reach, FAR) if _turns(evaluate, FAR) > 3 * _TURNS else max(reach, FAR)
        found = _jumps(evaluate, far, listed, window)
        cuts = sorted(e for e in {*listed, *found} if -far < e < far)
        x, starts = _points(evaluate, reach, far, cuts, window)
        values = evaluate(x)
        keep = np.isfinite(values).all(axis=0)
        moved = np.cumsum(keep) - keep  # the index a point has when those before it are dropped
        # A gap of dropped points begins a new piece too.
        begins = np.zeros(len(x), bool)
        begins[list(starts)] = True
        begins |= np.concatenate([[False], ~keep[:-1]])
        starts = sorted({0} | {int(moved[i]) for i in np.flatnonzero(begins) if moved[i] < keep.sum()})
        breaks = tuple(b for b in (_break(evaluate, e, window) for e in cuts) if b is not None)
    return Curves(x[keep], values[:, keep], tuple(starts), breaks, reach, window, drawn, words)


def along_one_input(act: Act) -> tuple[Callable[[Array], Array], str]:
    """Return a function of an array of inputs, entry by entry, and what it holds fixed, in words."""
    spec = act.spec
    if act.elementwise:
        return act, "with surrogate f′" if spec is not None and spec.surrogate else ""
    if spec is not None and spec.kind == "gated":
        return lambda x: act(x, jnp.ones_like(x)), "along gate, with up = 1"
    given, held = _OPERANDS.get(act.name, ((), ""))
    needed = [
        p
        for p in inspect.signature(act.fn).parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    if len(needed) == 1 + len(given) and given:
        entries = 1
    else:
        entries, given = 4, (1.0,) * (len(needed) - 1)

    def first(x: Array) -> Array:
        one = jnp.zeros(entries, x.dtype).at[0].set(x)
        return jnp.real(jnp.ravel(act(one, *(jnp.asarray(v, x.dtype) for v in given)))[0])

    words = "first output along the first of four inputs, the others 0" if entries == 4 else f"with {held}"
    if spec is not None and spec.kind == "complex":
        words = "real part, along real inputs"
    return jax.vmap(first), words


def _evaluator(line: Callable[[Array], Array]) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from points to f, f' and f'', shape (3, n), in float64 on the CPU where there is one."""

    @jax.jit
    def compiled(x: Array) -> Array:
        def both(x: Array) -> tuple[Array, Array]:
            return jax.jvp(line, (x,), (jnp.ones_like(x),))

        (y, slope), (_, curvature) = jax.jvp(both, (x,), (jnp.ones_like(x),))
        return jnp.stack([v.astype(x.dtype) for v in (y, slope, curvature)])

    def evaluate(points: np.ndarray) -> np.ndarray:
        blocks = max(1, -(-points.size // _BLOCK))
        padded = np.zeros(blocks * _BLOCK)
        padded[: points.size] = points
        with contextlib.ExitStack() as stack:
            stack.enter_context(jax.enable_x64(True))
            with contextlib.suppress(RuntimeError):  # jax was told to see no CPU
                stack.enter_context(jax.default_device(jax.local_devices(backend="cpu")[0]))
            parts = [np.asarray(compiled(jnp.asarray(p))) for p in padded.reshape(blocks, _BLOCK)]
        return np.concatenate(parts, axis=1)[:, : points.size]

    return evaluate


def _finite(evaluate: Callable, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values = evaluate(x)
    keep = np.isfinite(values).all(axis=0)
    return x[keep], values[:, keep]


def _turns(evaluate: Callable, reach: float) -> int:
    """Return how often f turns visibly on [-reach, reach]."""
    _, (y, *_) = _finite(evaluate, np.linspace(-reach, reach, 4097))
    if not len(y):
        return 0
    y = np.round(y / (np.ptp(y) or 1.0), 3)
    steps = np.sign(np.diff(y[np.concatenate([[True], np.diff(y) != 0])]))
    return int((np.diff(steps) != 0).sum())


def _bump(evaluate: Callable, reach: float) -> float:
    """Return how wide f is where it is a bump: all but a hundredth of its ways up and down lie within; else inf."""
    x, (y, *_) = _finite(evaluate, np.linspace(-reach, reach, 4097))
    moved = np.abs(np.diff(y))
    if not moved.any() or abs(y[-1] - y[0]) > 0.02 * np.ptp(y):
        return np.inf
    outward = np.argsort(np.abs(x[:-1]))
    inside = np.cumsum(moved[outward]) <= 0.99 * moved.sum()
    return max(0.05, float(np.abs(x[:-1])[outward][inside].max(initial=0.0)))


def _reach(act: Act, evaluate: Callable, listed: tuple[float, ...]) -> float:
    """Return half the width of a plot: kinks inside, limits nearly reached, not too many turns."""
    reach = _SHOWN
    if listed and len(listed) <= 8:
        reach = max(reach, *(1.3 * abs(e) for e in listed))
    if act.elementwise and act.spec is not None:
        for side, limit in zip((-1.0, 1.0), act.spec.at(**dict(act.params)).limits, strict=True):
            if not np.isfinite(limit):
                continue
            far = abs(float(evaluate(np.array([side * 200.0]))[0, 0]) - limit)
            span = abs(float(evaluate(np.zeros(1))[0, 0]) - limit)
            # Slower than 1/x there is no end to wait for; elsewhere wait for four fifths of the way.
            while reach < 100.0 and far < 0.05 * span:
                if abs(float(evaluate(np.array([side * reach]))[0, 0]) - limit) < 0.25 * span:
                    break
                reach *= 1.25
    while reach > 0.05 and _turns(evaluate, reach) > _TURNS:
        reach *= 0.7
    if not listed:
        reach = min(reach, 2.5 * _bump(evaluate, reach))
    return float(f"{reach:.2g}")


def _window(values: np.ndarray, reach: float) -> tuple[tuple[float, float], tuple[int, ...]]:
    """Return the lowest and highest value to show, and the orders that mostly lie between."""
    top = float(np.abs(values[0]).max())
    cap = max(reach, float(np.quantile(np.abs(values[0]), 0.4))) if reach >= _SHOWN else max(2.0 * top, 0.5)
    cap = min(cap, max(3.0 * top, 2.0))
    inside = [bool((np.abs(v) <= 1.05 * cap).mean() > 0.3) for v in values]
    drawn = tuple(k for k, good in enumerate(inside) if good or k == 0)
    shown = np.clip(values[list(drawn)], -cap, cap)
    low, high = min(float(shown.min()), 0.0), max(float(shown.max()), 0.0)
    room = 0.06 * (high - low) or 1.0
    return (low - room, high + room), drawn


def _jumps(
    evaluate: Callable, far: float, listed: tuple[float, ...], window: tuple[float, float]
) -> list[float]:
    """Return points in (-far, far) not in ``listed`` where f, f' or f'' jumps visibly."""
    low, high = window
    x = np.unique(np.concatenate([np.linspace(-far, far, 4096), np.linspace(-_SHOWN, _SHOWN, 4096)]))
    x = x[np.abs(x) <= far]
    y = evaluate(x)
    step = np.abs(np.diff(np.clip(y, 2 * low, 2 * high), axis=1)) / (high - low)
    step[~np.isfinite(step)] = 0.0
    for e in listed:
        step[:, (x[:-1] <= e) & (x[1:] >= e)] = 0.0
    order, place = np.nonzero(step > _JUMP)
    steepest = np.argsort(-step[order, place])[: _BLOCK // 2]
    order, place = order[steepest], place[steepest]
    if not len(order):
        return []
    a, b = x[place], x[place + 1]
    at = np.arange(len(order))
    ya, yb = y[order, place], y[order, place + 1]
    for _ in range(45):
        middle = 0.5 * (a + b)
        values = np.clip(evaluate(middle)[order, at], 2 * low, 2 * high)
        left = np.abs(values - ya) > np.abs(yb - values)
        a, ya = np.where(left, a, middle), np.where(left, ya, values)
        b, yb = np.where(left, middle, b), np.where(left, values, yb)
    real = np.abs(np.clip(yb, 2 * low, 2 * high) - np.clip(ya, 2 * low, 2 * high)) > _JUMP * (high - low)
    found: list[float] = []
    for e in np.sort(0.5 * (a + b)[real]):
        e = float(np.round(e, 10)) + 0.0
        if not found or e - found[-1] > 1e-6:
            found.append(e)
    return found


def _sides(e: float) -> tuple[float, float]:
    """Return points close to the left and to the right of ``e``, beyond the rounding of where it was found."""
    gap = 1e-9 * max(1.0, abs(e))
    return e - gap, e + gap


def _points(
    evaluate: Callable, reach: float, far: float, cuts: list[float], window: tuple[float, float]
) -> tuple[np.ndarray, list[int]]:
    """Return the points to draw and where pieces begin: evenly, and more where a curve bends."""
    low, high = window
    even = [np.linspace(-reach, reach, 161), np.linspace(-far, far, 101)]
    if far >= _SHOWN:
        even.append(np.linspace(-_SHOWN, _SHOWN, 161))
    x = np.unique(np.round(np.concatenate(even), 9))
    beside = np.array([side for e in cuts for side in _sides(e)])
    if len(cuts):
        x = x[np.abs(x[:, None] - np.array(cuts)).min(axis=1) > 1e-6]
    x = np.sort(np.concatenate([x, beside]))
    rights = np.array([_sides(e)[1] for e in cuts])

    y = np.clip(evaluate(x), low, high)
    active = ~np.isin(x[1:], rights)
    for _ in range(_LEVELS):
        places = np.flatnonzero(active)
        if not len(places) or len(x) + len(places) > _MOST:
            break
        middle = 0.5 * (x[places] + x[places + 1])
        values = np.clip(evaluate(middle), low, high)
        off = np.abs(values - 0.5 * (y[:, places] + y[:, places + 1])).max(axis=0)
        bent = off > _FINE * (high - low)
        places, middle, values = places[bent], middle[bent], values[:, bent]
        x, y = np.insert(x, places + 1, middle), np.insert(y, places + 1, values, axis=1)
        active = np.isin(x[:-1], middle) | np.isin(x[1:], middle)
    return x, [0, *(int(i) for i in np.searchsorted(x, rights))]


def _break(evaluate: Callable, e: float, window: tuple[float, float]) -> Break | None:
    """Return what jumps at ``e``, None where nothing does."""
    left, right = evaluate(np.array(_sides(e))).T
    for order in range(3):
        if abs(right[order] - left[order]) > 1e-6 * max(1.0, abs(left[order]), abs(right[order])):
            return Break(e, order, float(left[order]), float(right[order]))
    return None
