"""Norms of a layer's parameters, gradients and updates. A layer is a module that owns parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from actlab.stats.sites import Scalars

Params = dict[str, Any]  # nested, keyed by module path; leaves are arrays


def layer_statistics(params: Params, grads: Params, updates: Params, *, full: bool = False) -> Scalars:
    """Return by layer: gradient norm, weight norm, update-to-weight ratio; with ``full`` the update's norm."""
    row: Scalars = {}
    norms = {what: layer_norms(tree) for what, tree in (("g", grads), ("w", params), ("u", updates))}
    for layer, weight in norms["w"].items():
        row[layer, "gradient_norm"] = norms["g"][layer]
        row[layer, "weight_norm"] = weight
        row[layer, "update_ratio"] = norms["u"][layer] / jnp.maximum(weight, jnp.finfo(jnp.float32).tiny)
        if full:
            row[layer, "update_norm"] = norms["u"][layer]
    return row


def layer_norms(tree: Params) -> Mapping[str, jax.Array]:
    """Return the Euclidean norm over each layer's parameters, by layer name in order of first appearance."""
    squares: dict[str, jax.Array] = {}
    for layer, leaf in layer_leaves(tree):
        squares[layer] = squares.get(layer, 0.0) + _square(leaf)
    return {layer: jnp.sqrt(s) for layer, s in squares.items()}


def global_norm(tree: Params) -> jax.Array:
    """Return the Euclidean norm over all leaves."""
    leaves = jax.tree.leaves(tree)
    return jnp.sqrt(sum(map(_square, leaves)))


def _square(leaf: jax.Array) -> jax.Array:
    """Return the sum of squares, as an inner product: one operation where a sum of squares is three."""
    flat = leaf.astype(jnp.float32).ravel()
    return jnp.vdot(flat, flat, precision="highest")


def layer_leaves(tree: Params) -> list[tuple[str, jax.Array]]:
    """Return (layer name, array) for every parameter: the path without the parameter's own name."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [(jax.tree_util.keystr(path[:-1], simple=True, separator="."), leaf) for path, leaf in leaves]
