"""The gated MLP block: two projections up, a gated activation, one projection down.

Shapes: B batch, ... positions, D width, H hidden.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from actlab.activations import Act
from actlab.errors import InputError
from actlab.nn.initializers import initializer


def gated_projection(
    f: Callable[[jax.Array, jax.Array], jax.Array], gate: jax.Array, up: jax.Array, down: jax.Array
) -> jax.Array:
    """Return ``f(gate, up) @ down``, keeping only ``gate`` and ``up`` for the backward pass.

    The product of activation and up, which the last matrix product would keep besides, is computed again in
    the backward pass: two tensors of the hidden width are kept instead of three.

    Args:
        f: a gated activation: a function, or an ``Act`` of kind ``"gated"``.
        gate, up: (B, ..., H).
        down: (H, D).

    >>> from actlab import swiglu
    >>> gated_projection(swiglu, jnp.ones((2, 4)), jnp.ones((2, 4)), jnp.ones((4, 3))).shape
    (2, 3)
    """

    def project(gate: jax.Array, up: jax.Array, down: jax.Array) -> jax.Array:
        return f(gate, up) @ down

    return jax.checkpoint(project, prevent_cse=False)(gate, up, down)


class GatedMLP(nnx.Module):
    """A gated MLP: ``act(x W_gate, x W_up) W_down``, (B, ..., D) to (B, ..., D), without biases.

    Args:
        act: an ``Act`` of kind ``"gated"``, e.g. ``make("swiglu")``.
        width: D.
        hidden: H.
        init: of the projections: ``lecun_normal``; ``he_exact``: W_down with the gain of ``act``, so that what comes
            out has the variance of what goes in; another name of `actlab.nn.initializer`.
        dtype: of the computation; parameters are float32.

    Raises:
        InputError: ``act`` is not gated; an unknown ``init``.

    Shazeer 2020, GLU variants improve transformer, arXiv:2002.05202.

    >>> from actlab import make
    >>> mlp = GatedMLP(make("swiglu"), width=8, hidden=16, rngs=nnx.Rngs(0))
    >>> mlp(jnp.ones((2, 8))).shape
    (2, 8)
    """

    def __init__(
        self,
        act: Act,
        *,
        width: int,
        hidden: int,
        init: str = "lecun_normal",
        dtype=jnp.float32,
        rngs: nnx.Rngs,
    ):
        if act.spec is None or act.spec.kind != "gated":
            raise InputError(f"{act.name} is not gated: a gated MLP takes one like swiglu or geglu")
        self.act = act
        kernel, _ = initializer(init, width, 1.0, act, first=True)
        behind, _ = initializer(init, hidden, 1.0, act)
        self.gate = nnx.Param(kernel(rngs.params(), (width, hidden)))
        self.up = nnx.Param(kernel(rngs.params(), (width, hidden)))
        self.down = nnx.Param(behind(rngs.params(), (hidden, width)))
        self.dtype = dtype

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return (B, ..., D)."""
        gate, up, down = (p[...].astype(self.dtype) for p in (self.gate, self.up, self.down))
        x = x.astype(self.dtype)
        return gated_projection(self.act, x @ gate, x @ up, down)
