"""Moments of many activations at once: one compiled program, mapped over variances."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from actlab.activations import Act, make, names, registry
from actlab.errors import InputError
from actlab.theory.gaussian import exactly, nodes_of
from actlab.theory.levels import wide
from actlab.theory.mesh import mesh

REACH = 16.0  # 12 standard deviations of the largest scale, 4/3
_MOST = 12.0  # standard deviations that are integrated over


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """Moments of A activations at Q variances; arrays (Q, A), float64.

    Attributes:
        names: of the activations.
        q: (Q,) variances of their inputs.
        mean: E f.
        second_moment: E f^2.
        slope_second_moment: E f'^2.
        gain: by what to multiply weights behind, so that the variance is 1: 1 / sqrt(E f^2).
    """

    names: tuple[str, ...]
    q: np.ndarray
    mean: np.ndarray
    second_moment: np.ndarray
    slope_second_moment: np.ndarray

    @property
    def gain(self) -> np.ndarray:
        """1 / sqrt(second_moment)."""
        return self.second_moment**-0.5


@lru_cache(maxsize=1)
def theoretical() -> tuple[str, ...]:
    """Return the listed elementwise activations, at their defaults, that theory follows: none random, all finite."""
    found = []
    for name in names():
        spec = registry()[name].spec
        if spec.kind != "elementwise" or spec.family == "complex":
            continue
        try:
            mesh(wide(name, "table", slopes=False), REACH)
        except InputError:
            continue
        found.append(name)
    return tuple(found)


def table(acts: Iterable[Act | str] | None = None, q: ArrayLike = 1.0) -> Table:
    """Return the moments of activations for normal inputs of variance q, by one compiled call.

    To about 1e-12; 1e-9 of smu_1, whose bend is 4e-9 wide.

    The program maps over q; the functions, of which each has panels of its own, stand side by side in it. Compiling
    all that are listed takes a while, a later call milliseconds.

    Args:
        acts: names or `Act`s; None: all listed ones that theory follows.
        q: (Q,) or a number; in (0, 16 / 9].

    Raises:
        InputError: what `gain` refuses; q out of range.

    >>> found = table(["relu", "tanh"])
    >>> [f"{g:.9f}" for g in found.gain[0]]
    ['1.414213562', '1.592537420']
    """
    chosen = theoretical() if acts is None else tuple(acts)
    made = tuple(wide(a if isinstance(a, Act) else make(a), "table", slopes=False) for a in chosen)
    q = np.atleast_1d(np.asarray(q, float))
    if q.ndim != 1 or not ((q > 0) & (np.sqrt(q) * _MOST <= REACH)).all():
        raise InputError(f"table: variances q must be in (0, {(REACH / _MOST) ** 2:.4g}], got {q!r}")
    found = exactly(_moments, made, _nodes(made, tuple(q.tolist())))
    return Table(tuple(a.name for a in made), q, *np.moveaxis(found, -1, 0))


@lru_cache(maxsize=8)
def _nodes(acts: tuple[Act, ...], q: tuple[float, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return each function's inputs and weights, (Q, n): where its panels end depends on it and on q."""
    made = []
    for act in acts:
        edges = mesh(act, REACH).edges
        z, w = (np.stack(v) for v in zip(*(nodes_of(edges, v**0.5) for v in q), strict=True))
        made.append((np.sqrt(np.array(q))[:, None] * z, w))
    return made


@partial(jax.jit, static_argnums=0)
def _moments(acts: tuple[Act, ...], nodes: list[tuple[Array, Array]]) -> Array:
    # The panels come from outside: sorting them in here, function by function, took most of the compiler's time.
    def one(act: Act, x: Array, w: Array) -> Array:
        y, slope = jax.jvp(act, (x,), (jnp.ones_like(x),))
        return jnp.stack([jnp.sum(v * w) for v in (y, y * y, slope * slope)])

    def at(nodes: list[tuple[Array, Array]]) -> Array:
        return jnp.stack([one(act, *given) for act, given in zip(acts, nodes, strict=True)])

    return jax.vmap(at)(nodes)
