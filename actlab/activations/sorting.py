"""Functions that reorder or mirror neighbouring features: they keep the norms of values and of gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.multi_input import AXIS, COUNT, along, axiswise, keep_arguments
from actlab.activations.spec import REALS
from actlab.errors import InputError
from actlab.gradients import narrow, widen
from actlab.gradients.precision import align


@axiswise(
    formula="max(x[2i],x[2i+1]),min(x[2i],x[2i+1])",
    parameters={"axis": AXIS},
    range=REALS,
    smoothness="C0",
    lipschitz=1.0,
    limits=(-math.inf, math.inf),
    reference="Chernodub, Nowicki 2016, arXiv:1604.02313; Anil, Lucas, Grosse 2018, arXiv:1811.05381",
    aliases=("oplu", "group_sort_2"),
    differs="deel-torchlip's MaxMin concatenates relu(x) and relu(-x); others pair the two halves of the axis",
)
def max_min(x: ArrayLike, *, axis: int = -1) -> Array:
    r"""MaxMin: every two neighbouring features, the larger first.

    .. math:: (f_{2i}, f_{2i+1}) = (\max(x_{2i}, x_{2i+1}), \min(x_{2i}, x_{2i+1}))

    A permutation: it keeps norms of values and of gradients. Range: all reals; 1-Lipschitz. Kinks where two
    partners are equal; they then count as being in order. The last feature of an odd number has no partner and
    passes as it is. `group_sort` with pairs, under which this function also goes, sorts upwards instead.

    Args:
        x: real array with at least one axis.
        axis: the axis of the features.

    Raises:
        InputError: ``x`` has no such axis.

    Chernodub, Nowicki 2016 (OPLU), arXiv:1604.02313; Anil, Lucas, Grosse 2018, arXiv:1811.05381.

    >>> max_min(jnp.array([1.0, 2.0, 4.0, 3.0]))
    Array([2., 1., 4., 3.], dtype=float32)
    """
    return along("max_min", x, axis, _max_min)


oplu = group_sort_2 = max_min


@keep_arguments
def _max_min(x: Array) -> Array:
    a, b, alone = _pairs(x)
    swap = b > a
    return _unpaired(jnp.where(swap, b, a), jnp.where(swap, a, b), alone)


def _pairs(x: Array) -> tuple[Array, Array, Array]:
    """Return the first and the second of every pair of neighbours, and what is left without a partner."""
    x, alone = jnp.split(x, [x.shape[-1] // 2 * 2], axis=-1)
    groups = x.reshape(*x.shape[:-1], x.shape[-1] // 2, 2)
    return groups[..., 0], groups[..., 1], alone


def _unpaired(a: Array, b: Array, alone: Array) -> Array:
    pairs = jnp.stack([a, b], axis=-1).reshape(*a.shape[:-1], 2 * a.shape[-1])
    return jnp.concatenate([pairs, alone], axis=-1)


@axiswise(
    formula="sort(x[g*i:g*i+g])",
    parameters={"group_size": (COUNT, "features sorted together"), "axis": AXIS},
    range=REALS,
    smoothness="C0",
    lipschitz=1.0,
    limits=(-math.inf, math.inf),
    reference="Anil, Lucas, Grosse 2018, arXiv:1811.05381",
)
def group_sort(x: ArrayLike, *, group_size: int = 2, axis: int = -1) -> Array:
    r"""GroupSort: neighbouring features in groups, each sorted upwards.

    A permutation: it keeps norms of values and of gradients. Range: all reals; 1-Lipschitz. Kinks where members
    of a group are equal; they then keep their order. group_size = 1 is the identity, the width sorts all. The last
    group is smaller where the number of features is not a multiple of group_size.

    Args:
        x: real array with at least one axis.
        group_size: features sorted together, at least 1.
        axis: the axis of the features.

    Raises:
        InputError: ``x`` has no such axis, or group_size is below 1.

    Anil, Lucas, Grosse 2018, arXiv:1811.05381.

    >>> group_sort(jnp.array([3.0, 1.0, 2.0, 0.0]), group_size=4)
    Array([0., 1., 2., 3.], dtype=float32)
    """
    return along("group_sort", x, axis, _sorted_groups(group_size))


@cache
def _sorted_groups(size: int) -> Callable[[Array], Array]:
    if size < 1:
        raise InputError(f"group_sort: group_size must be at least 1, got {size}")

    def f(x: Array) -> Array:
        whole, rest = jnp.split(x, [x.shape[-1] // size * size], axis=-1)
        groups = jnp.sort(whole.reshape(*whole.shape[:-1], whole.shape[-1] // size, size), axis=-1)
        return jnp.concatenate([groups.reshape(whole.shape), jnp.sort(rest, axis=-1)], axis=-1)

    return keep_arguments(f)


@axiswise(
    formula="(x,y) if x*sin(theta/2)<=y*cos(theta/2) else (x*cos(theta)+y*sin(theta),x*sin(theta)-y*cos(theta))",
    parameters={"theta": (REALS, "twice the angle of the mirror"), "axis": AXIS},
    range=REALS,
    smoothness="C0",
    lipschitz=1.0,
    limits=(-math.inf, math.inf),
    reference="Singla, Singla, Feizi 2021, arXiv:2108.04062",
    differs="the authors' code pairs the two halves of the axis",
)
def householder_act(x: ArrayLike, *, theta: ArrayLike = 0.5 * math.pi, axis: int = -1) -> Array:
    r"""Householder activation: every two neighbouring features, mirrored to one side of a line.

    .. math:: (a, b) \mapsto (a, b) \text{ if } a \sin\tfrac{\theta}{2} \le b \cos\tfrac{\theta}{2}, \text{ else }
              (a \cos\theta + b \sin\theta,\; a \sin\theta - b \cos\theta)

    Continuous, since it mirrors at the line through 0 at the angle theta / 2; it keeps norms of values and of
    gradients. Range: all reals; 1-Lipschitz. Kinks on the line, where the derivative is that of the identity.
    theta = pi / 2 sorts pairs upwards: `group_sort`. The last feature of an odd number passes as it is. The
    authors' code pairs the two halves of the axis instead of neighbours.

    Args:
        x: real array with at least one axis.
        theta: twice the angle of the mirror: a number, or an array that broadcasts against the pairs, their
            axis last, e.g. one angle for each of the n / 2 pairs.
        axis: the axis of the features.

    Raises:
        InputError: ``x`` has no such axis.

    Singla, Singla, Feizi 2021, arXiv:2108.04062.

    >>> import jax.numpy as jnp
    >>> print(householder_act(jnp.array([1.0, 2.0, 4.0, 3.0])).round(4))
    [1. 2. 3. 4.]
    """
    return along("householder_act", x, axis, lambda x: _householder(x, _angles(theta, x)))


def _angles(theta: ArrayLike, x: Array) -> Array:
    return align(theta, jax.ShapeDtypeStruct((*x.shape[:-1], x.shape[-1] // 2), x.dtype))


@keep_arguments
def _householder(x: Array, theta: Array) -> Array:
    wide, theta = widen(x, theta)
    a, b, alone = _pairs(wide)
    beyond = a * jnp.sin(0.5 * theta) > b * jnp.cos(0.5 * theta)
    cos, sin = jnp.cos(theta), jnp.sin(theta)
    first, second = jnp.where(beyond, a * cos + b * sin, a), jnp.where(beyond, a * sin - b * cos, b)
    return narrow(_unpaired(first, second, alone), x)
