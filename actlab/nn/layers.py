"""Run equal layers one after another: each in its own code, or all in one ``lax.scan``.

In a scan the program holds one layer, which compiles in a fraction of the time; parameters stay one module a layer,
so that initial values, checkpoints, optimiser and statistics are those of layers apart. They are stacked for the
scan, a copy a step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from actlab.nn.activation import Activation
from actlab.nn.attention import Attention

Call = Callable[[Any, jax.Array, jax.Array | None], jax.Array]


def run_layers(
    layers: Sequence[nnx.Module],
    call: Call,
    h: jax.Array,
    keys: Sequence[jax.Array | None],
    *,
    name: str,
    scan: bool = False,
    remat: bool = False,
) -> jax.Array:
    """Return ``h`` after ``call(layer, h, key)`` of every layer in turn; shape and dtype of ``h`` stay.

    Args:
        layers: modules equal but for their values and the names of their sites, ``<name>.<i>.<...>``.
        call: what a layer does; ``layer`` is a copy whose changes are lost.
        h: what goes in.
        keys: one for each layer; None for all where there is none.
        name: what sites begin with. In a scan they are called ``<name>.*.<...>``, see `actlab.stats.scanned`.
        scan: one program for all layers.
        remat: keep of each layer only what went in, and compute it again in the backward pass (Chen et al. 2016,
            arXiv:1604.06174).

    """
    parts = [nnx.split(layer) for layer in layers]
    states = [nnx.to_pure_dict(state) for _, state in parts]

    def run(graphdef, rename: bool):
        def one(state, h, key):
            layer = nnx.merge(graphdef, state)
            if rename:
                _rename(layer, f"{name}.0.", f"{name}.*.")
            return call(layer, h, key)

        return jax.checkpoint(one, prevent_cse=not scan) if remat else one

    if not scan or len(layers) < 2:
        for (graphdef, _), state, key in zip(parts, states, keys, strict=True):
            h = run(graphdef, False)(state, h, key)
        return h
    one = run(parts[0][0], True)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    xs = stacked, (None if keys[0] is None else jnp.stack(keys))
    return jax.lax.scan(lambda h, x: (one(x[0], h, x[1]), None), h, xs)[0]


def _rename(module: nnx.Module, old: str, new: str) -> None:
    for _, inner in nnx.iter_modules(module):
        if isinstance(inner, (Activation, Attention)):
            inner.site = new + inner.site.removeprefix(old)
