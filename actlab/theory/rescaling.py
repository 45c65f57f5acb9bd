r"""What scales and shifts have to solve under DKS and TAT, and Newton's method for it: one compiled program.

Of :math:`\hat f(x) = \gamma (f(\alpha x + \beta) + \delta)` and a unit normal x, with gamma such that Q(1) = 1,

.. math::
    Q'(1) = \gamma^2 \alpha\, E\,(f + \delta) f' x, \qquad
    C'(1) = \gamma^2 \alpha^2\, E\,f'^2, \qquad
    C''(1) = \gamma^2 \alpha^4\, E\,f''^2,

f and its derivatives taken at :math:`\alpha x + \beta`. DKS has delta = -E f and solves the first two for alpha and
beta; TAT solves all three for alpha, beta and delta.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.activations import Act
from actlab.theory.gaussian import exactly
from actlab.theory.levels import means, padded
from actlab.theory.mesh import mesh

REACH, _FARTHER = 64.0, 512.0  # inputs that are integrated over
GOOD = 1e-9  # residuals of a solution, as dks has them; what is reached is near 1e-13
_STEADY = 2.0  # alpha gamma from which dks rejects a solution of TAT: its variance map is unstable
# Of a step, or of the largest unknown past 1: with 0.25 xielu is lost, and other functions go to solutions far off.
_LONGEST = 0.1
_SHARE = 0.7  # of alpha that a step may take
_DONE = 1e-14
_STEPS = 60
_PART = 0.25  # what is left of a step that leads nowhere
_LEAST = 1e-3  # parts of it that are tried


class Rescaling(NamedTuple):
    """alpha, beta, delta, gamma, and by how much the worst equation is missed (that of C''(1) relative).

    Inf where no start leads to a solution; ``steep`` tells whether one did whose variance map is unstable.
    """

    numbers: np.ndarray
    off: np.ndarray
    steep: np.ndarray


def rescale(act: Act, method: str, starts: np.ndarray, targets: np.ndarray, given: float) -> Rescaling:
    """Solve for each target from the first of the starts that leads to a solution; arrays (T, 4), (T,) and (T,).

    With alpha > 0: f(-a x + b) is as good a solution as f(a x + b).

    Args:
        act: elementwise.
        method: ``"dks"``, ``"tat"``, or ``"scale"``: DKS by alpha alone.
        starts: (n, 2), (n, 3) or (n, 1) values of alpha, beta, delta.
        targets: (T,) C'(1) of DKS, C''(1) of TAT.
        given: Q'(1) of DKS; 1 of TAT; beta of ``"scale"``.
    """
    for reach in (REACH, _FARTHER):
        known = mesh(act, reach)
        arrays = padded(known.edges), np.asarray(starts, float), targets, float(given), reach
        found = Rescaling(*exactly(_search, act, method, *arrays))
        if (found.off < GOOD).all() or not known.kinks:  # what is smooth does nothing new far out
            break
    return found


@partial(jax.jit, static_argnums=(0, 1))
def _search(
    act: Act, method: str, edges: Array, starts: Array, targets: Array, given: Array, reach: Array
) -> tuple[Array, Array, Array]:
    def one(target: Array) -> tuple[Array, Array, Array]:
        return _first(partial(_at, act, method, edges, target, given, reach), method, starts)

    if len(targets) == 1:  # mapped, every lane would compute both sides of each choice
        return jax.tree.map(lambda v: v[None], one(targets[0]))
    return jax.vmap(one)(targets)


class _Point(NamedTuple):
    """A point, by how much it misses, the step Newton takes from there, and alpha, beta, delta, gamma."""

    p: Array
    off: Array
    step: Array
    numbers: Array


def _at(act: Act, method: str, edges: Array, target: Array, given: Array, reach: Array, p: Array) -> _Point:
    scale = method == "scale"

    def equations(p: Array, m: Array) -> tuple[Array, Array]:
        alpha, beta = p[0], given if scale else p[1]
        value, square, slope_square, bend_square, value_by_sd, half_square_by_sd = m
        delta = p[2] if method == "tat" else -value
        room = 1 / (square + 2 * delta * value + delta**2)
        rise = room * alpha * (half_square_by_sd + delta * value_by_sd)
        slope = room * alpha**2 * slope_square
        if scale:
            off = [slope - target]
        elif method == "dks":
            off = [rise - given, slope - target]
        else:
            # Relative to the target: C''(1) is small.
            off = [rise - given, slope - 1, room * alpha**4 * bend_square / target - 1]
        return jnp.stack(off), jnp.stack([alpha, beta, delta, room**0.5])

    def moments(p: Array) -> tuple[Array, Array]:
        m = means(act, edges, p[0], given if scale else p[1], bends=method == "tat")
        bend = m.bend_square if method == "tat" else jnp.zeros_like(m.value)  # NaN: not computed
        told = jnp.stack([m.value, m.square, m.slope_square, bend, m.value_by_sd, m.half_square_by_sd])
        return told, told

    by_p, m = jax.jacfwd(moments, has_aux=True)(p[:2])
    by_p = jnp.pad(by_p, ((0, 0), (0, p.size - by_p.shape[1])))  # they do not depend on delta
    off, numbers = equations(p, m)
    direct, through = jax.jacfwd(lambda p, m: equations(p, m)[0], argnums=(0, 1))(p, m)
    step = jnp.linalg.solve(direct + jnp.matmul(through, by_p, precision="highest"), off)
    longest = _LONGEST * jnp.maximum(1.0, jnp.max(jnp.abs(p)))
    # Farther away lie other solutions, and with alpha < 0 the mirror images of those with alpha > 0.
    step *= jnp.minimum(jnp.minimum(1.0, longest / jnp.max(jnp.abs(step))), _SHARE * jnp.abs(p[0] / step[0]))
    inside = 12 * jnp.abs(p[0]) + jnp.abs(numbers[1]) < reach
    return _Point(p, jnp.where(inside & jnp.isfinite(off).all(), jnp.abs(off).max(), jnp.inf), step, numbers)


def _first(at: Callable[[Array], _Point], method: str, starts: Array) -> tuple[Array, Array, Array]:
    """Newton's method with shortened steps, start by start, in one flat loop: each turn evaluates one point."""

    def begun(p: Array) -> _Point:
        return _Point(p, jnp.asarray(jnp.inf, p.dtype), jnp.zeros_like(p), jnp.full(4, jnp.nan, p.dtype))

    def turn(state):
        index, best, part, count, steep, _ = state
        tried = at(best.p - part * best.step)
        better = tried.off < best.off
        point = jax.tree.map(lambda a, b: jnp.where(better, a, b), tried, best)
        part, count = jnp.where(better, 1.0, part * _PART), count + 1
        ended = (point.off < _DONE) | (part < _LEAST) | (count > _STEPS) | ~jnp.isfinite(point.step).all()
        ended |= ~better & (point.off < GOOD)  # rounding is all that is left
        solved = ended & (point.off < GOOD)
        rejected = solved & (method == "tat") & (point.numbers[0] * point.numbers[3] >= _STEADY)
        found, steep = solved & ~rejected, steep | rejected
        onward = ended & ~found
        index = jnp.where(onward, index + 1, index)
        fresh = begun(starts[jnp.minimum(index, len(starts) - 1)])
        point = jax.tree.map(lambda a, b: jnp.where(onward, a, b), fresh, point)
        return index, point, jnp.where(onward, 1.0, part), jnp.where(onward, 0, count), steep, found

    def more(state):
        return ~state[-1] & (state[0] < len(starts))

    no = jnp.array(False)
    state = jnp.int32(0), begun(starts[0]), jnp.ones((), starts.dtype), jnp.int32(0), no, no
    _, point, _, _, steep, found = jax.lax.while_loop(more, turn, state)
    return point.numbers, jnp.where(found, point.off, jnp.inf), steep
