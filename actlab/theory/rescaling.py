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

REACH = 64.0  # inputs that are integrated over
GOOD = 1e-9  # residuals of a solution, as dks has them; what is reached is near 1e-13
_STEADY = 2.0  # alpha gamma from which dks rejects a solution of TAT: its variance map is unstable
_DONE = 1e-14
_STEPS = 60
_PART = 0.25  # what is left of a step that leads nowhere
_LEAST = 1e-3  # parts of it that are tried


class Rescaling(NamedTuple):
    """alpha, beta, delta, gamma, and by how much the worst equation is missed (that of C''(1) relative)."""

    numbers: np.ndarray
    off: np.ndarray


def rescale(act: Act, method: str, starts: np.ndarray, targets: np.ndarray, given: float) -> Rescaling:
    """Solve for each target from the first of the starts that leads to a solution; arrays (T, 4) and (T,).

    Args:
        act: elementwise.
        method: ``"dks"``, ``"tat"``, or ``"scale"``: DKS by alpha alone.
        starts: (n, 2), (n, 3) or (n, 1) values of alpha, beta, delta.
        targets: (T,) C'(1) of DKS, C''(1) of TAT.
        given: Q'(1) of DKS; 1 of TAT; beta of ``"scale"``.
    """
    edges = padded(mesh(act, REACH).edges)
    return Rescaling(*exactly(_search, act, method, edges, np.asarray(starts, float), targets, float(given)))


@partial(jax.jit, static_argnums=(0, 1))
def _search(
    act: Act, method: str, edges: Array, starts: Array, targets: Array, given: Array
) -> tuple[Array, Array]:
    # A mapped loop goes on until its last lane is done, but one target is solved in a loop of its own.
    def one(target: Array) -> tuple[Array, Array]:
        return _first(partial(_at, act, method, edges, target, given), method, starts)

    if targets.shape[0] == 1:
        return jax.tree.map(lambda v: v[None], one(targets[0]))
    return jax.vmap(one)(targets)


class _Point(NamedTuple):
    """A point, by how much it misses, the step Newton takes from there, and alpha, beta, delta, gamma."""

    p: Array
    off: Array
    step: Array
    numbers: Array


def _at(act: Act, method: str, edges: Array, target: Array, given: Array, p: Array) -> _Point:
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
    inside = 12 * jnp.abs(p[0]) + jnp.abs(numbers[1]) < REACH
    return _Point(p, jnp.where(inside & jnp.isfinite(off).all(), jnp.abs(off).max(), jnp.inf), step, numbers)


def _first(at, method: str, starts: Array) -> tuple[Array, Array]:
    """Newton's method with shortened steps, start by start, flat in one loop: each turn evaluates one point."""

    def fits(point: _Point) -> Array:
        alpha, gamma = point.numbers[0], point.numbers[3]
        fit = {"tat": alpha * gamma < _STEADY, "scale": alpha > 0, "dks": True}[method]
        return (point.off < GOOD) & fit

    def turn(state):
        index, best, part, count, _ = state
        tried = at(best.p - part * best.step)
        better = tried.off < best.off
        point = jax.tree.map(lambda a, b: jnp.where(better, a, b), tried, best)
        part, count = jnp.where(better, 1.0, part * _PART), count + 1
        ended = (point.off < _DONE) | (part < _LEAST) | (count > _STEPS) | ~jnp.isfinite(point.step).all()
        ended |= ~better & (point.off < GOOD)  # rounding is all that is left
        found = ended & fits(point)
        index = jnp.where(ended & ~found, index + 1, index)
        fresh = _begin(starts[jnp.minimum(index, len(starts) - 1)])
        onward = ended & ~found
        point = jax.tree.map(lambda a, b: jnp.where(onward, a, b), fresh, point)
        return index, point, jnp.where(onward, 1.0, part), jnp.where(onward, 0, count), found

    def more(state):
        return ~state[-1] & (state[0] < len(starts))

    def _begin(p: Array) -> _Point:
        return _Point(p, jnp.asarray(jnp.inf, p.dtype), jnp.zeros_like(p), jnp.full(4, jnp.nan, p.dtype))

    state = jnp.int32(0), _begin(starts[0]), jnp.ones((), starts.dtype), jnp.int32(0), jnp.array(False)
    _, point, _, _, found = jax.lax.while_loop(more, turn, state)
    return point.numbers, jnp.where(found, point.off, jnp.inf)
