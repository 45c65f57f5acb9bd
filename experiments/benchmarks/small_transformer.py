"""A small pre-norm transformer over a signal cut into patches, with every site and its attention scores probed.

    cd experiments/benchmarks
    actlab train model._target_=small_transformer.SmallTransformer ~model.norm ~model.residual ~model.dropout
        ~model.init ~model.gain model.depth=2 model.width=64 activation=gelu stats=full

Shapes: B batch, T tokens, W width, H heads, D width of a head, K classes.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from actlab import probe
from actlab.activations import Act
from actlab.errors import InputError
from actlab.nn import Activation


class SmallTransformer(nnx.Module):
    """``depth`` blocks of attention and MLP over patches of a sample, their mean into a linear head.

    Sites: ``blocks.<i>.act`` in the MLPs, ``blocks.<i>.attention`` whose scores are probed before the softmax.

    Args:
        act: the activation of the MLPs.
        in_shape: shape of one sample; flattened.
        num_classes: number of logits.
        depth: blocks.
        width: numbers to a token.
        heads: of each attention; they share the width.
        expand: the MLPs' hidden width over ``width``.
        patch: samples of the signal to a token; 1 makes every sample a token.
        dtype: compute dtype; parameters stay float32.
        rngs: where initial values come from.

    Raises:
        InputError: sizes that do not divide.

    """

    def __init__(
        self,
        act: Act,
        in_shape: tuple[int, ...],
        num_classes: int,
        *,
        depth: int = 2,
        width: int = 64,
        heads: int = 4,
        expand: int = 4,
        patch: int = 4,
        dtype: jax.typing.DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        size = 1
        for n in in_shape:
            size *= n
        if size % patch:
            raise InputError(f"patch={patch}: must divide the {size} numbers of a sample")
        if width % heads:
            raise InputError(f"heads={heads}: must divide width={width}")
        self.patch = patch
        self.embed = nnx.Linear(patch, width, dtype=dtype, rngs=rngs)
        self.position = nnx.Param(
            0.02 * jax.random.normal(rngs.params(), (size // patch, width), jnp.float32)
        )
        tokens = size // patch
        self.blocks = nnx.List(
            _Block(act, tokens, width, heads, expand, f"blocks.{i}", dtype=dtype, rngs=rngs)
            for i in range(depth)
        )
        self.norm = nnx.LayerNorm(width, dtype=dtype, rngs=rngs)
        self.head = nnx.Linear(width, num_classes, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, *, train: bool = False, key: jax.Array | None = None) -> jax.Array:
        """Return logits (B, K) for ``x`` (B, *in_shape); ``key`` is for stochastic activations."""
        h_BxTxW = self.embed(x.reshape(x.shape[0], -1, self.patch))
        h_BxTxW += self.position[...].astype(h_BxTxW.dtype)
        for i, block in enumerate(self.blocks):
            h_BxTxW = block(h_BxTxW, key=jax.random.fold_in(key, i) if train and key is not None else None)
        return self.head(self.norm(h_BxTxW).mean(axis=1))


class _Block(nnx.Module):
    """Attention, then MLP, each of the normalised stream and added to it."""

    def __init__(
        self, act: Act, tokens: int, width: int, heads: int, expand: int, name: str, *, dtype, rngs: nnx.Rngs
    ):
        self.norms = nnx.List(nnx.LayerNorm(width, dtype=dtype, rngs=rngs) for _ in range(2))
        self.attention = _Attention(width, heads, f"{name}.attention", dtype=dtype, rngs=rngs)
        self.up = nnx.Linear(width, expand * width, dtype=dtype, rngs=rngs)
        self.act = Activation(act, (tokens, expand * width), site=f"{name}.act")
        self.down = nnx.Linear(expand * width, width, dtype=dtype, rngs=rngs)

    def __call__(self, h_BxTxW: jax.Array, *, key: jax.Array | None) -> jax.Array:
        h_BxTxW += self.attention(self.norms[0](h_BxTxW))
        return h_BxTxW + self.down(self.act(self.up(self.norms[1](h_BxTxW)), key))


class _Attention(nnx.Module):
    """Every token attends to every token, ``heads`` times."""

    def __init__(self, width: int, heads: int, name: str, *, dtype, rngs: nnx.Rngs):
        self.heads, self.name = heads, name
        self.qkv = nnx.Linear(width, 3 * width, dtype=dtype, rngs=rngs)
        self.out = nnx.Linear(width, width, dtype=dtype, rngs=rngs)

    def __call__(self, h_BxTxW: jax.Array) -> jax.Array:
        q, k, v = jnp.split(self.qkv(h_BxTxW), 3, axis=-1)
        q, k, v = (a.reshape(*a.shape[:2], self.heads, -1) for a in (q, k, v))
        scale = jnp.asarray(q.shape[-1] ** -0.5, q.dtype)
        scores_BxHxTxT = probe(jnp.einsum("bqhd,bkhd->bhqk", q * scale, k), f"{self.name}.scores")
        mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores_BxHxTxT), v)
        return self.out(mixed.reshape(h_BxTxW.shape))
