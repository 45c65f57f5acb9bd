"""The first set of statistics: moments, zeros, saturation and dead units by site; norms by layer.

A *unit* is an index of the last axis: a neuron of an MLP, a channel of a convolution. A unit is *active* on a
value when the activation lets gradient through there, |f'(pre)| >= 0.01 max|f'|; a unit that was active on
no value of a whole window is *dead*. For relu this is the usual definition, for smooth functions it
does not depend on where zero happens to lie.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actlab.activations import Act
from actlab.errors import InputError
from actlab.nn import Activation

SATURATION = 0.01
BINS = 64
Params = dict[str, Any]  # nested, keyed by module path; leaves are arrays
Scalars = dict[tuple[str, str], jax.Array]  # (site, quantity) -> value


@dataclass(frozen=True)
class StatsConfig:
    """Which statistics to take, and how often.

    Args:
        level: ``basic`` or ``none``.
        every: steps in a window; one row of every quantity is written at its end.

    Raises:
        InputError: unknown level, or ``every`` below 1.

    """

    level: str = "basic"
    every: int = 20

    def __post_init__(self):
        if self.level not in ("basic", "none"):
            raise InputError(f"stats.level={self.level!r}: must be 'basic' or 'none'")
        if isinstance(self.every, bool) or not isinstance(self.every, int) or self.every < 1:
            raise InputError(f"stats.every={self.every!r}: must be an integer >= 1")


def steepest(act: Act) -> float:
    """Return max|f'| at the parameters' initial values: from the spec, else over a grid on [-20, 20]."""
    if act.spec is not None and math.isfinite(known := act.spec.at(**dict(act.params)).lipschitz):
        return known
    slopes = jax.jit(lambda x: jax.jvp(act, (x,), (jnp.ones_like(x),))[1])(jnp.linspace(-20.0, 20.0, 8001))
    found = np.abs(np.asarray(slopes, np.float64))
    return float(np.max(found, where=np.isfinite(found), initial=0.0))


def active(site: Activation, pre: jax.Array, threshold: float) -> jax.Array:
    """Return bool, shape of ``pre``: where the activation lets gradient through."""
    return jnp.abs(site.slope(pre)) >= threshold


def any_unit(active: jax.Array) -> jax.Array:
    """Return bool (C,): units active on at least one value of ``active`` (B, ..., C)."""
    return jnp.any(active, axis=range(active.ndim - 1))


def site_statistics(
    site: Activation,
    pre: jax.Array,
    post: jax.Array,
    active: jax.Array | None,
    ever: jax.Array | None,
) -> Scalars:
    """Return the row of a site.

    Args:
        site: the activation and its learnt parameters.
        pre: (B, ..., C) values before it.
        post: (B, ..., C) values after it.
        active: (B, ..., C) where it lets gradient through; None where f is not elementwise.
        ever: (C,) units active at least once in the window; None where that is not known.

    """
    row: dict[str, jax.Array] = {}
    for tensor, value in (("pre", pre), ("post", post)):
        v = value.astype(jnp.float32)
        mean = v.mean()
        row |= {
            f"{tensor}.mean": mean,
            f"{tensor}.variance": jnp.square(v - mean).mean(),
            f"{tensor}.min": v.min(),
            f"{tensor}.max": v.max(),
            f"{tensor}.zero_share": (v == 0).mean(),
        }
    if active is not None:
        row["saturated_share"] = (~active).mean()
    if ever is not None:
        row["dead_share"] = (~ever).mean()
    for name, value in site.learnt().items():
        row |= {f"param.{name}.{q}": getattr(value, q)() for q in ("mean", "min", "max")}
    return {(site.site, q): v.astype(jnp.float32) for q, v in row.items()}


def layer_statistics(params: Params, grads: Params, updates: Params) -> Scalars:
    """Return gradient norm, weight norm and update-to-weight ratio of every layer (all its parameters)."""
    row: Scalars = {}
    norms = {what: layer_norms(tree) for what, tree in (("g", grads), ("w", params), ("u", updates))}
    for layer, weight in norms["w"].items():
        row[layer, "gradient_norm"] = norms["g"][layer]
        row[layer, "weight_norm"] = weight
        row[layer, "update_ratio"] = norms["u"][layer] / jnp.maximum(weight, jnp.finfo(jnp.float32).tiny)
    return row


def layer_norms(tree: Params) -> Mapping[str, jax.Array]:
    """Return the Euclidean norm over each layer's parameters, by layer name in order of first appearance."""
    squares: dict[str, jax.Array] = {}
    for layer, leaf in layer_leaves(tree):
        squares[layer] = squares.get(layer, 0.0) + jnp.sum(jnp.square(leaf.astype(jnp.float32)))
    return {layer: jnp.sqrt(s) for layer, s in squares.items()}


def layer_leaves(tree: Params) -> list[tuple[str, jax.Array]]:
    """Return (layer name, array) for every parameter: the path without the parameter's own name."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [(jax.tree_util.keystr(path[:-1], simple=True, separator="."), leaf) for path, leaf in leaves]


def histogram(value: jax.Array) -> dict[str, jax.Array]:
    """Return ``low``, ``high``, ``counts`` (64,) over uniform bins and ``nonfinite``, of any array.

    Bounds are the smallest and largest finite value; non-finite values are counted apart.
    """
    v = value.astype(jnp.float32).ravel()
    finite = jnp.isfinite(v)
    low = jnp.min(v, where=finite, initial=jnp.inf)
    high = jnp.max(v, where=finite, initial=-jnp.inf)
    some = finite.any()
    low, high = jnp.where(some, low, 0.0), jnp.where(some, high, 0.0)
    width = jnp.where(high > low, high / BINS - low / BINS, 1.0)
    index = jnp.clip(jnp.floor((v - low) / width), 0, BINS - 1)
    index = jnp.where(finite, index, BINS).astype(jnp.int32)  # BINS: dropped by the scatter
    counts = jnp.zeros(BINS, jnp.int32).at[index].add(1, mode="drop")
    return {"low": low, "high": high, "counts": counts, "nonfinite": jnp.sum(~finite)}
