"""Norms of a layer's parameters, gradients and updates. A layer is a module that owns parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr, Literal
from jax.extend.core.primitives import scan_p

from actlab.stats.sites import Scalars
from actlab.stats.walk import programs, scan_counts

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
    leaves: dict[str, list[jax.Array]] = {}
    for layer, leaf in layer_leaves(tree):
        leaves.setdefault(layer, []).append(leaf)
    return {layer: norm(parts) for layer, parts in leaves.items()}


def norm(leaves: Sequence[jax.Array]) -> jax.Array:
    """Return the Euclidean norm over all leaves, in float32, of whatever size they are.

    Squares of a vanishing gradient leave float32's range, so three sums are taken, at three scales, of which one
    stays within; in one reading, where looking for the largest value first would take two.
    """
    flat = [leaf.astype(jnp.float32).ravel() for leaf in leaves if leaf.size]
    if not flat:
        return jnp.float32(0)
    # As inner products: one operation each where a sum of squares is three.
    small, plain, large = (
        jnp.sqrt(sum(jnp.vdot(leaf * s, leaf * s, precision="highest") for leaf in flat)) / s
        for s in (2.0**-60, 1.0, 2.0**60)
    )
    return jnp.where(plain < 1e-12, large, jnp.where(plain < 1e12, plain, small))


def layer_leaves(tree: Params) -> list[tuple[str, jax.Array]]:
    """Return (layer name, array) for every parameter: the path without the parameter's own name."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [(jax.tree_util.keystr(path[:-1], simple=True, separator="."), leaf) for path, leaf in leaves]


def forward_order(fn: Callable[..., Any], params: dict[str, Any], *inputs: Any) -> list[str]:
    """Return the layers in the order in which ``fn(params, ...)`` first uses their parameters.

    That is also looked for inside jit, remat and scan; of layers that are stacked for a scan, the first step's come
    first.
    """
    jaxpr = jax.make_jaxpr(fn)(params, *inputs).jaxpr
    layers = [layer for layer, _ in layer_leaves(params)]
    used = _used(jaxpr, dict(zip(jaxpr.invars[: len(layers)], [(layer,) for layer in layers], strict=True)))
    return list(dict.fromkeys([*used, *layers]))


_MOVES = (
    "stack",
    "broadcast_in_dim",
    "reshape",
    "concatenate",
    "convert_element_type",
    "squeeze",
    "transpose",
    "copy",
)


def _used(jaxpr: Jaxpr, of: dict[Any, tuple[str, ...]]) -> list[str]:
    """Return the layers by use; ``of`` are those whose parameters a value holds and nothing else."""
    of, used = dict(of), []
    for eqn in jaxpr.eqns:
        held = [of.get(a, ()) if not isinstance(a, Literal) else () for a in eqn.invars]
        if not any(held):
            continue
        if eqn.primitive.name in _MOVES and all(held):  # where they lie is no use of them
            of[eqn.outvars[0]] = tuple(layer for layers in held for layer in layers)
            continue
        inner = programs(eqn)
        if eqn.primitive is scan_p:
            used += _in_scan(inner[0], held, eqn.params)
        elif len(inner) == 1 and len(inner[0].invars) == len(held):
            used += _used(inner[0], {v: h for v, h in zip(inner[0].invars, held, strict=True) if h})
        used += [layer for layers in held for layer in layers]
    return used


def _in_scan(body: Jaxpr, held: list[tuple[str, ...]], params: dict[str, Any]) -> list[str]:
    """Return the layers by use in a scan: those of stacked parameters step by step."""
    first, length = sum(scan_counts(params)), params["length"]
    steps: list[str] = []
    for i in range(length):
        of = {}
        for place, (var, layers) in enumerate(zip(body.invars, held, strict=True)):
            one = layers[i : i + 1] if place >= first and len(layers) == length else layers
            if one:
                of[var] = one
        steps += _used(body, of)
    return steps
