"""What the runs of diseases.py are made of and the library, for good reasons, does not have."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from actlab import models
from actlab.activations import Act
from actlab.nn import Activation
from actlab.probes import probe


def stiff(x: jax.Array) -> jax.Array:
    """Return tanh(20 x): on its flat ends for nearly every input."""
    return jnp.tanh(20.0 * x)


def late(x: jax.Array) -> jax.Array:
    """Return relu(x - 6): silent for nearly all inputs of unit size."""
    return jax.nn.relu(x - 4.9)


class Finished(nnx.Module):
    """An MLP with a function on its outputs, which the loss does not expect there."""

    def __init__(self, function: str, mlp: models.MLP):
        self.function = function
        self.mlp = mlp

    def __call__(self, x: jax.Array, *, train: bool = False, key: jax.Array | None = None) -> jax.Array:
        """Return the function of the logits."""
        functions = {
            "softmax": jax.nn.softmax,
            "sigmoid": jax.nn.sigmoid,
            "tanh": jnp.tanh,
            "relu": jax.nn.relu,
        }
        return functions[self.function](self.mlp(x, train=train, key=key))


def finished(
    act: Act,
    in_shape: tuple[int, ...],
    num_classes: int,
    *,
    output: str,
    dtype: Any,
    rngs: nnx.Rngs,
    **sizes: Any,
) -> Finished:
    """Return an MLP of these sizes with ``output`` on its logits."""
    return Finished(output, models.MLP(act, in_shape, num_classes, dtype=dtype, rngs=rngs, **sizes))


class Attention(nnx.Module):
    """One attention layer over the positions of a signal, a hidden layer, a head; ``scale`` multiplies the scores.

    Shapes: B batch, L positions, D features, H heads, K classes.
    """

    def __init__(
        self,
        act: Act,
        in_shape: tuple[int, ...],
        num_classes: int,
        *,
        width: int = 32,
        heads: int = 4,
        scale: float = 1.0,
        dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
        **_: Any,
    ):
        self.heads, self.scale = heads, scale
        self.place = nnx.Param(0.5 * jax.random.normal(rngs.params(), (in_shape[0], width)))
        self.embed, self.qkv, self.out = (
            nnx.Linear(a, b, dtype=dtype, rngs=rngs)
            for a, b in ((1, width), (width, 3 * width), (width, width))
        )
        self.hidden = nnx.Linear(width, width, dtype=dtype, rngs=rngs)
        self.act = Activation(act, (width,), site="block.act")
        self.head = nnx.Linear(width, num_classes, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, *, train: bool = False, key: jax.Array | None = None) -> jax.Array:
        """Return logits (B, K)."""
        h_BxLxD = self.embed(x[..., None]) + self.place[...]
        q, k, v = jnp.split(self.qkv(h_BxLxD).reshape(*x.shape, self.heads, -1), 3, axis=-1)
        scores_BxHxLxL = self.scale * jnp.einsum("bqhd,bkhd->bhqk", q, k) / jnp.sqrt(q.shape[-1])
        weights = jax.nn.softmax(probe(scores_BxHxLxL, "attention.scores"))
        mixed = jnp.einsum("bhqk,bkhd->bqhd", weights, v).reshape(h_BxLxD.shape)
        h_BxD = (h_BxLxD + self.out(mixed)).mean(axis=1)
        return self.head(self.act(self.hidden(h_BxD)))
