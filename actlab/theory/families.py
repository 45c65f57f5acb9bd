r"""One activation's transforms for many networks at once: Newton's method from one solution, mapped over targets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.activations import Act
from actlab.errors import InputError
from actlab.theory.gaussian import exactly, expect
from actlab.theory.levels import padded
from actlab.theory.mesh import mesh
from actlab.theory.networks import Network, Plain
from actlab.theory.transform import Transform, layer_target, transform

_REACH = 64.0
_STEPS = 60
_GOOD = 1e-9  # dks' solver stops at 1e-9 as well
_TRIED = (1.0, 0.5, 0.2, 0.05, 0.01)  # parts of a Newton step, of which the best is taken


def transforms(
    f: Callable | Act | str,
    method: str,
    networks: Sequence[int | Network],
    *,
    zeta: float = 1.5,
    tau: float = 0.3,
    q_slope: float = 1.0,
) -> list[Transform]:
    """Return the transforms of an activation for many networks, one compiled call for all but the first.

    What `transform` finds for the first is where Newton's method sets out for each of the others, mapped over their
    layers' targets, in float64 to 1e-9. For functions that `transform` solves numerically.

    Args:
        f: as of `transform`; not relu, leaky relu or abs, whose solutions are closed or of one number.
        method: ``"tat"`` or ``"dks"``.
        networks: depths of plain networks, or as of `transform`.
        zeta: the networks' largest slope, of DKS.
        tau: their largest curvature, of TAT.
        q_slope: Q'(1), of DKS.

    Raises:
        InputError: what `transform` refuses; no networks; a target that Newton's method does not reach.

    >>> [round(t.output_scale, 4) for t in transforms("tanh", "dks", [20, 50])]
    [6.8292, 10.6044]
    """
    networks = list(networks)
    if not networks:
        raise InputError("transforms: no network is given")
    first = transform(f, method, networks[0], zeta=zeta, tau=tau, q_slope=q_slope)
    act = first.of
    if first.input_scale == 1.0 or "not chosen" in first.note:
        raise InputError(f"transforms: {act.name} has a solution of its own: transform each")
    nets = [Plain(n) if isinstance(n, int) else n for n in networks]
    targets = np.array([layer_target(n, method, zeta=zeta, tau=tau) for n in nets])
    start = [first.input_scale, first.input_shift, *([first.output_shift] if method == "tat" else [])]
    edges = padded(mesh(act, _REACH).edges)
    found, off = exactly(_newton, act, method, edges, targets, np.array(start), float(q_slope))
    made = []
    for network, target, numbers, error in zip(networks, targets, found, off, strict=True):
        if not error < _GOOD:
            raise InputError(
                f"transforms: {act.name} for {network!r} is too far from {networks[0]!r} to be reached: transform it"
            )
        made.append(dataclasses.replace(first, **_fields(numbers), target=float(target)))
    return made


def _fields(numbers: np.ndarray) -> dict[str, float]:
    names = ("input_scale", "input_shift", "output_shift", "output_scale")
    return dict(zip(names, map(float, numbers), strict=True))


@partial(jax.jit, static_argnums=(0, 1))
def _newton(
    act: Act, method: str, edges: Array, targets: Array, start: Array, q_slope: Array
) -> tuple[Array, Array]:
    def means(alpha: Array, beta: Array) -> Array:
        def integrands(x: Array) -> Array:
            z, one = (x - beta) / alpha, jnp.ones_like(x)
            y, slope = jax.jvp(act, (x,), (one,))
            told = [y, y * y, slope * slope, slope * z, y * slope * z]
            if method == "tat":
                told.append(jax.jvp(lambda x: jax.jvp(act, (x,), (one,))[1], (x,), (one,))[1] ** 2)
            return jnp.stack(told)

        return expect(integrands, alpha, beta, edges)

    def outer(p: Array, m: Array) -> tuple[Array, Array]:
        if method == "dks":
            return -m[0], (m[1] - m[0] ** 2) ** -0.5
        return p[2], (m[1] + 2 * p[2] * m[0] + p[2] ** 2) ** -0.5

    def off(p: Array, target: Array) -> Array:
        m = means(p[0], p[1])
        delta, gamma = outer(p, m)
        room, rise = gamma**2, m[4] + delta * m[3]
        slope = room * p[0] ** 2 * m[2]
        if method == "dks":
            return jnp.stack([room * p[0] * rise - q_slope, slope - target])
        # Relative to the target: C''(1) is small.
        return jnp.stack([room * p[0] * rise - 1, slope - 1, (room * p[0] ** 4 * m[5] - target) / target])

    def size(r: Array) -> Array:
        return jnp.where(jnp.isfinite(r).all(), jnp.abs(r).max(), jnp.inf)

    def one(target: Array) -> tuple[Array, Array]:
        def body(state):
            p, best, i = state
            step = jnp.linalg.solve(jax.jacfwd(off)(p, target), off(p, target))
            tried = p[None] - jnp.multiply.outer(jnp.asarray(_TRIED, p.dtype), step)
            sizes = jax.vmap(lambda v: size(off(v, target)))(tried)
            at = jnp.argmin(sizes)
            better = sizes[at] < best
            return (
                jnp.where(better, tried[at], p),
                jnp.minimum(sizes[at], best),
                jnp.where(better, i + 1, _STEPS),
            )

        def more(state):
            return (state[1] > 1e-13) & (state[2] < _STEPS)

        p, best, _ = jax.lax.while_loop(more, body, (start, size(off(start, target)), jnp.int32(0)))
        delta, gamma = outer(p, means(p[0], p[1]))
        return jnp.stack([p[0], p[1], delta, gamma]), best

    return jax.vmap(one)(targets)
