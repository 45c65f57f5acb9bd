r"""What an activation makes of a normal input of any scale: what maps, critical points and transforms share."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from actlab.activations import Act
from actlab.errors import InputError
from actlab.theory.evaluation import elementwise, value_and_slope
from actlab.theory.gaussian import exactly, expect, expect_pair
from actlab.theory.mesh import Mesh, mesh
from actlab.theory.moments import measured

# Farther out a function is taken to be smooth, unless it is `too_rough`.
_REACH = (16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
_FEW = 8  # panels of [256, 512] on both sides, of what is plain far out
_FAR = (10.0, 14.0, 20.0, 28.0, 40.0)  # standard deviations that two numbers are followed to
_GONE = 2e-14  # of its largest value: what f^2 times the bell may be there; e^x has 1.3e-14 at 10
_PAIR = 220  # panels: two numbers need the square of that


class Levels(NamedTuple):
    """Means over x = mean + sd z, z a unit normal; arrays of the scales' shape, float64.

    ``value`` E f, ``square`` E f^2, ``slope`` E f', ``slope_square`` E f'^2, ``bend_square`` E f''^2, and how they
    change with the scale: ``value_by_sd`` E f' z, ``half_square_by_sd`` E f f' z.
    """

    value: np.ndarray
    square: np.ndarray
    slope: np.ndarray
    slope_square: np.ndarray
    bend_square: np.ndarray
    value_by_sd: np.ndarray
    half_square_by_sd: np.ndarray


_INTEGRABLE = 1e-6  # where panels disagree by more, however narrow, there is no integral


@lru_cache(maxsize=512)
def wide(f: Callable | Act | str, asked: str, slopes: bool = True) -> Act:
    """Return ``f`` as an `Act` that theory can follow through layers; with ``slopes``, gradients too.

    Raises:
        InputError: ``f`` is random, not elementwise, not real, NaN somewhere, 0 almost everywhere, outgrows a
            Gaussian, or its square (with ``slopes``, that of its derivative) is not integrable at a pole.
    """
    act = elementwise(f, asked)
    if act.spec is not None and act.spec.stochastic:
        raise InputError(f"{asked}: {act.name} is random; theory is for functions of their input alone")
    told, errors = measured(act)
    for what, error in (("f(z)", errors[1]), ("f'(z)", errors[2] if slopes else 0.0)):
        if error > _INTEGRABLE:
            raise InputError(
                f"{asked}: E {what}^2 of {act.name} has no finite value: its square is not integrable where it has "
                "a pole"
            )
    if not np.isfinite([told.mean, told.second_moment]).all():
        raise InputError(
            f"{asked}: E f(z)^2 of {act.name} is infinite: it outgrows what a Gaussian "
            "decays, so no layer has a variance"
        )
    if told.second_moment == 0:
        raise InputError(f"{asked}: {act.name} is 0 almost everywhere: no signal passes")
    return act


def mesh_to(act: Act, far: float) -> Mesh:
    """Return the panels to ``far``, or as far out as they are made."""
    return mesh(act, next((r for r in _REACH if r >= far), _REACH[-1]))


def too_rough(act: Act, sd: ArrayLike) -> np.ndarray:
    """Tell at which scales a function oscillates beyond where its panels end, so that no mean is known.

    It does where there are many panels to the last, or where its slope goes up and down beyond them.
    """
    sd = np.abs(np.asarray(sd, float))
    beyond = 12 * sd > _REACH[-1]
    if not beyond.any():
        return beyond
    edges = mesh(act, _REACH[-1]).edges
    if np.count_nonzero(np.abs(edges) >= _REACH[-2]) > _FEW:
        return beyond
    x = np.linspace(_REACH[-1], 12 * np.max(sd[np.isfinite(sd)], initial=0.0), 401)
    with np.errstate(over="ignore", invalid="ignore"):
        _, slope = value_and_slope(act, np.stack([-x, x]))
        bent = np.diff(slope)
        bent = np.where(np.abs(bent) > 1e-9 * np.max(np.abs(slope)), np.sign(bent), 0.0)
    turns = max(np.count_nonzero(np.diff(side[side != 0])) for side in bent)
    return beyond & (turns > 1)


def refuse_rough(act: Act, sd: float, asked: str = "") -> None:
    """Raise InputError where a function is `too_rough` at this scale."""
    if too_rough(act, sd):
        asked = f"{asked}: " if asked else ""
        raise InputError(
            f"{asked}{act.name} oscillates too fast at a scale of {sd:.3g}: its means are not known"
        )


def levels(act: Act, sd: ArrayLike, mean: ArrayLike = 0.0, order: int = 20) -> Levels:
    """Return the means at scales ``sd`` and centres ``mean``, which broadcast.

    Inf where f^2 outlasts 12 sd, NaN where f is `too_rough`.
    """
    sd, mean = np.broadcast_arrays(np.asarray(sd, float), np.asarray(mean, float))
    far = float(np.max(12 * np.abs(sd) + np.abs(mean), initial=0.0))
    edges = padded(mesh_to(act, far).edges)
    found = exactly(_levels, act, edges, np.abs(sd).ravel(), mean.ravel(), order)
    rough = too_rough(act, sd)
    found = Levels(*(np.where(rough, np.nan, v.reshape(sd.shape)) for v in found))
    side = np.where(sd < 0, -1.0, 1.0)  # -z is as normal as z
    return found._replace(
        value_by_sd=side * found.value_by_sd, half_square_by_sd=side * found.half_square_by_sd
    )


@partial(jax.jit, static_argnums=(0, 4))
def _levels(act: Act, edges: Array, sd: Array, mean: Array, order: int) -> Levels:
    return jax.vmap(lambda sd, mean: means(act, edges, sd, mean, order))(sd, mean)


def means(act: Act, edges: Array, sd: Array, mean: Array, order: int = 20, bends: bool = True) -> Levels:
    """Return `Levels` of one scale, inside a trace; without ``bends`` NaN for what needs the second derivative."""

    def integrands(x: Array) -> Array:
        one, z = jnp.ones_like(x), (x - mean) / sd
        y, slope = jax.jvp(act, (x,), (one,))
        bend = jax.jvp(lambda x: jax.jvp(act, (x,), (one,))[1], (x,), (one,))[1] if bends else jnp.nan * one
        return jnp.stack([y, y * y, slope, slope * slope, bend * bend, slope * z, y * slope * z])

    found = expect(integrands, sd, mean, edges, order)
    # Where the panels end, f^2 has to be gone: else it outgrows the bell at this scale, or nearly.
    ends = act(mean + 12 * sd * jnp.array([-1.0, 1.0])) ** 2 * 2.1e-32
    return Levels(*jnp.where(jnp.max(ends) > 1e-10 * found[1], jnp.inf, found))


def pair(act: Act, c: float, sds: tuple[float, float] = (1.0, 1.0), order: int = 20) -> tuple[float, float]:
    """Return E f(x) f(y) and E f'(x) f'(y) at correlation c.

    Raises:
        InputError: the function oscillates too fast at this scale, or outgrows the bell.
    """
    if sds[0] == sds[1] and 1 - abs(c) < 1e-14 and c > 0:
        refuse_rough(act, sds[0])
        found = levels(act, sds[0], order=order)
        return float(found.square), float(found.slope_square)
    reach = _decayed(act, sds)
    far = reach * max(sds)
    known = mesh_to(act, far)
    near = known.edges[np.abs(known.edges) <= far]
    if near.size > _PAIR:
        raise InputError(
            f"{act.name} is too rough at a scale of {max(sds):.3g}: {near.size} panels, where two "
            f"numbers may have {_PAIR}"
        )
    kinks = np.array(known.kinks + known.bends)
    value, slope = exactly(_pair, act, padded(near), kinks, float(c), tuple(map(float, sds)), order, reach)
    return float(value), float(slope)


def _decayed(act: Act, sds: tuple[float, float]) -> float:
    """Return how many standard deviations out f^2 and f'^2 times the bell are gone, of both scales."""
    for reach in _FAR:
        z = np.linspace(-reach, reach, 129)
        bell = np.exp(-0.25 * z * z)
        with np.errstate(over="ignore", invalid="ignore"):
            sizes = [v * bell for sd in set(sds) for v in value_and_slope(act, sd * z)]
            if all((s[[0, -1]] ** 2 <= _GONE * np.max(s**2)).all() for s in sizes):
                return reach
    raise InputError(
        f"{act.name} outgrows the bell at a scale of {max(sds):.3g}: two numbers have no finite mean"
    )


@partial(jax.jit, static_argnums=(0, 5, 6))
def _pair(
    act: Act, edges: Array, kinks: Array, c: Array, sds: tuple[Array, Array], order: int, reach: float
) -> Array:
    def both(x: Array) -> Array:
        return jnp.stack(jax.jvp(act, (x,), (jnp.ones_like(x),)))

    return expect_pair(both, both, c, sds, edges, kinks, order, reach)


def padded(edges: np.ndarray) -> np.ndarray:
    """Return edges filled up to a multiple of 16 with the last one: one compilation serves many functions' meshes."""
    more = -edges.size % 16
    return np.concatenate([edges, np.full(more, edges[-1] if edges.size else 0.0)])
