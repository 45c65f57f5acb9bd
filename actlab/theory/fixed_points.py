"""Where f(x) = x: what an activation leaves alone, point by point and in whole stretches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from actlab.activations import Act, Interval
from actlab.theory.evaluation import edges, elementwise, value_and_slope

_END = 50.0
_GRID = np.union1d(np.linspace(-_END, _END, 20_001), np.linspace(-2.0, 2.0, 4_097))
_LONG = 4  # neighbours in a row that stay where they are make a stretch, not a point
_EPS = float(np.finfo(float).eps)


def fixed_points(f: Callable | Act | str) -> tuple[tuple[float, ...], tuple[Interval, ...]]:
    """Return the single points and the stretches of [-50, 50] that an elementwise function leaves where they are.

    Points are found to 1e-12: where f(x) - x changes sign between neighbours of a grid (0.005 apart, 0.001 in
    [-2, 2]), where it touches 0 between two such, and at the edges the spec lists. A stretch counts if f visibly
    leaves it: gelu(x) is x in float64 from 8.3 on, but falls short of x by less than a rounding there. Its ends
    are found to 1e-12 where f' or f'' jumps, to 1e-6 where it leaves more gently; an end that close to 0 is 0.

    Args:
        f: a listed activation, an `Act` with its parameters, or your own elementwise function.

    Raises:
        InputError: ``f`` is not elementwise and real.

    >>> import actlab
    >>> fixed_points(actlab.square)
    ((0.0, 1.0), ())
    >>> fixed_points(actlab.make("hard_tanh"))
    ((), ([-1, 1],))
    """
    act = elementwise(f, "fixed_points")
    corners = [e for e in edges(act) if abs(e) <= _END]
    x = np.union1d(_GRID, corners)
    gap, room, tilt = _gap(act, x)
    still = np.abs(gap) <= room

    # Runs of neighbours that stay: stretches if long, else single points, told exactly or by what is around.
    stretches, points, crossings = [], [], []
    for first, last in _runs(still):
        if last - first + 1 >= _LONG:
            stretches += _stretch(act, x, first, last)
            points += [0.0] if 0.0 in x[first : last + 1] and gap[x == 0.0] == 0.0 else []
            continue
        exact = [
            p
            for p, g in zip(x[first : last + 1], gap[first : last + 1], strict=True)
            if g == 0 or p in corners
        ]
        points += exact
        if not exact and first and last + 1 < x.size and gap[first - 1] * gap[last + 1] < 0:
            crossings.append((x[first - 1], x[last + 1]))

    # Changes of sign, which are points unless f jumps; and touches, where the slope of the gap changes sign.
    beside = ~still[:-1] & ~still[1:]
    change = beside & (gap[:-1] * gap[1:] < 0)
    crossings += zip(x[:-1][change], x[1:][change], strict=True)
    near = np.abs(gap[:-1]) <= 2 * (np.abs(tilt[:-1]) + np.abs(tilt[1:])) * np.diff(x)
    touch = beside & ~change & near & (tilt[:-1] * tilt[1:] < 0)
    points += _fixed(act, _bisect(lambda p: _gap(act, p)[0], crossings))
    points += _fixed(act, _bisect(lambda p: _gap(act, p)[2], zip(x[:-1][touch], x[1:][touch], strict=True)))

    found = []
    for p in sorted(points):
        inside = any(s.low - 1e-6 <= p <= s.high + 1e-6 for s in stretches)
        if not inside and not (found and p - found[-1] < 1e-9):
            found.append(float(p) + 0.0)  # no -0.0
    return tuple(found), tuple(stretches)


def _gap(act: Act, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return f(x) - x, how large it may be by rounding alone, and its slope (0 where autodiff gives another's)."""
    y, slope = value_and_slope(act, x)
    room = 8 * _EPS * (np.maximum(np.abs(y), np.abs(x * slope)) + np.abs(x))
    surrogate = act.spec is not None and act.spec.surrogate
    return y - x, room, np.zeros_like(x) if surrogate else slope - 1.0


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Return the first and last index of each run of True."""
    steps = np.diff(np.concatenate([[0], flags.astype(int), [0]]))
    return list(zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1) - 1, strict=True))


def _bisect(h: Callable[[np.ndarray], np.ndarray], brackets) -> np.ndarray:
    """Return the two ends of each bracket after ``h`` has been followed to where it changes sign: (2, n)."""
    low, high = np.array(list(brackets), float).reshape(-1, 2).T
    if not low.size:
        return np.zeros((2, 0))
    rising = h(high) > 0
    for _ in range(80):
        middle = 0.5 * (low + high)
        if ((middle == low) | (middle == high)).all():
            break
        above = (h(middle) > 0) == rising
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.stack([low, high])


def _fixed(act: Act, ends: np.ndarray) -> list[float]:
    """Return the better end of each closed bracket, if it stays where it is: at a jump neither does."""
    (gap, room, _), n = _gap(act, ends.ravel()), ends.shape[1]
    off = np.abs(gap).reshape(2, n)
    # Between neighbouring floats a steep function moves by more than its rounding.
    steep = np.abs(np.diff(gap.reshape(2, n), axis=0)[0]) < 1e-9 * (1 + np.abs(ends[0]))
    good = (off <= room.reshape(2, n)).any(axis=0) | (steep & (off.min(axis=0) < 1e-9))
    best = np.where(off[0] <= off[1], ends[0], ends[1])
    return list(best[good])


def _stretch(act: Act, x: np.ndarray, first: int, last: int) -> list[Interval]:
    """Return the stretch around a long run of ``x``, with its true ends; none if f only fades into x."""
    ends, is_open = [], []
    for inner, outer in ((first, first - 1), (last, last + 1)):
        if not 0 <= outer < x.size:
            ends.append(float(x[inner]))
            is_open.append(False)
            continue
        end = _end(act, x[inner], x[outer])
        if not _leaves(act, end, np.sign(x[outer] - x[inner])):
            return []
        gap, room, _ = _gap(act, np.array([end]))
        ends.append(end)
        is_open.append(bool(abs(gap[0]) > room[0]))
    return [Interval(ends[0], ends[1], open_low=is_open[0], open_high=is_open[1])]


def _end(act: Act, inner: float, outer: float) -> float:
    """Return where a stretch ends between two neighbours of the grid."""

    def moves(p: np.ndarray) -> np.ndarray:
        gap, room, _ = _gap(act, p)
        return np.where(np.abs(gap) <= room, -1.0, 1.0)

    def bends(p: np.ndarray) -> np.ndarray:
        return np.where(np.abs(_gap(act, p)[2]) <= 16 * _EPS, -1.0, 1.0)

    end = float(_bisect(moves, [(inner, outer)])[0, 0])
    # Where f leaves like a square its slope tells the end: the gap is rounded away sooner.
    deep = inner + 1.5 * (inner - outer)
    if tuple(bends(np.array([deep, outer]))) == (-1.0, 1.0):
        bend = float(_bisect(bends, [(deep, outer)])[0, 0])
        end = bend if abs(bend - end) > 1e-12 * max(1.0, abs(end)) else end
    if abs(end) < 1e-6:
        return 0.0
    return next((e for e in edges(act) if abs(e - end) < 1e-12 * max(1.0, abs(end))), end)


def _leaves(act: Act, end: float, side: float) -> bool:
    """Tell whether f leaves x at ``end``, by a jump, a kink or like a power, instead of fading away."""
    unit = side * max(1.0, abs(end))
    gap, room, _ = _gap(act, end + unit * np.array([1e-9, 1e-4, 2e-4]))
    if abs(gap[0]) > 1e4 * room[0]:
        return True
    if not (np.abs(gap[1:]) > 100 * room[1:]).all():
        return False
    ratio = gap[2] / gap[1]
    power = round(float(np.log2(max(ratio, 1e-3))))
    if not 1 <= power <= 4:
        return False
    root = ratio ** (1 / power)
    return abs(1e-4 * (2 - root) / (root - 1)) < 1e-6  # how far beside ``end`` the power starts
