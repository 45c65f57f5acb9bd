"""Transformer encoder for classes or numbers: of a text, a signal or an image.

Shapes: B batch, S... spatial axes, P positions (tokens, or patches), D width, K outputs.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from flax import nnx

from actlab.activations import Act
from actlab.errors import InputError
from actlab.models.blocks import at_least, block_keys
from actlab.models.transformer_block import (
    BlockOptions,
    Kind,
    Position,
    TokenNorm,
    TransformerBlock,
    embedding,
    placed,
    positions_of,
    token_norm,
)
from actlab.nn.layers import run_layers


def patched(x: jax.Array, size: int) -> jax.Array:
    """Return (B, P, size^n C) patches of ``x`` (B, S..., C), n spatial axes, row by row.

    >>> patched(jnp.arange(16.0).reshape(1, 4, 4, 1), 2)[0, 1]
    Array([2., 3., 6., 7.], dtype=float32)
    """
    b, *space, c = x.shape
    split = [part for s in space for part in (s // size, size)]
    x = x.reshape(b, *split, c)
    outer = [1 + 2 * i for i in range(len(space))]
    x = x.transpose(0, *outer, *(i + 1 for i in outer), x.ndim - 1)
    return x.reshape(b, math.prod(s // size for s in space), -1)


class Encoder(nnx.Module):
    """Blocks of attention over all positions, their mean, a linear head; of images a ViT.

    Sites ``blocks.<i>.mlp.act`` and ``blocks.<i>.attention``. Dosovitskiy et al. 2020, arXiv:2010.11929, with the
    mean in the place of a class token (Beyer et al. 2022, arXiv:2205.01580).

    Args:
        act: the activation, one of its own in each block's MLP.
        in_shape: (T,) of a text; (S,), (S, S) or (S, S, C) of a signal or an image.
        num_classes: K.
        vocabulary: tokens that go in, None where samples are numbers.
        patch: length of a patch along each spatial axis, a divisor of S; texts have none.
        depth, width, heads, mlp, hidden, norm, position, qk_norm, bias, dropout, scan_layers, remat, init, gain: as
            of ``Transformer``.
        dtype: compute dtype; parameters stay float32, attention scores too.
        rngs: where initial values come from.

    Raises:
        InputError: a size, rate or name that cannot be, or patches that do not fit.

    """

    def __init__(
        self,
        act: Act,
        in_shape: tuple[int, ...],
        num_classes: int,
        *,
        vocabulary: int | None = None,
        patch: int = 4,
        depth: int = 4,
        width: int = 64,
        heads: int = 4,
        mlp: Kind = "plain",
        hidden: int | None = None,
        norm: TokenNorm = "layer",
        position: Position = "learned",
        qk_norm: bool = False,
        bias: bool = True,
        dropout: float = 0.0,
        scan_layers: bool = False,
        remat: bool = False,
        init: str = "lecun_normal",
        gain: float = 1.0,
        dtype: jax.typing.DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        at_least(1, patch=patch)
        o = BlockOptions(
            depth=depth, width=width, heads=heads, mlp=mlp, hidden=hidden, norm=norm, position=position,
            qk_norm=qk_norm, bias=bias, causal=False, dropout=dropout, init=init, gain=gain,
        )  # fmt: skip
        self.scan_layers, self.remat, self.patch = scan_layers, remat, patch
        self.add_channel = len(in_shape) < 3
        if vocabulary is not None:
            (count,) = in_shape
            self.tokens = embedding(vocabulary, width, dtype=dtype, rngs=rngs)
        else:
            self.tokens = None
            space, channels = (in_shape[:-1], in_shape[-1]) if len(in_shape) == 3 else (in_shape, 1)
            if len(space) not in (1, 2):
                raise InputError(
                    f"an encoder needs samples of 1 to 3 axes, this data has shape {tuple(in_shape)}"
                )
            if any(s % patch for s in space):
                raise InputError(f"patch={patch}: must be a divisor of the sample's {tuple(space)}")
            count, taps = math.prod(s // patch for s in space), patch ** len(space) * channels
            self.patches = nnx.Linear(taps, width, kernel_init=o.kernel(taps), dtype=dtype, rngs=rngs)
        self.positions = positions_of(count, o, dtype=dtype, rngs=rngs)
        self.blocks = nnx.List(
            TransformerBlock(act, count, o, name=f"blocks.{i}", dtype=dtype, rngs=rngs) for i in range(depth)
        )
        self.norm = token_norm(norm, width, dtype=dtype, rngs=rngs)
        self.head = nnx.Linear(width, num_classes, kernel_init=o.kernel(width), dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, *, train: bool = False, key: jax.Array | None = None) -> jax.Array:
        """Return (B, K) for ``x`` (B, *in_shape); ``key`` is needed when training with dropout."""
        if self.tokens is None:
            h = self.patches(patched(x[..., None] if self.add_channel else x, self.patch))
        else:
            h = self.tokens(x)
        h_BxPxD = run_layers(
            self.blocks,
            lambda block, h, key: block(h, key, train=train),
            placed(h, self.positions),
            block_keys(key, len(self.blocks)),
            name="blocks",
            scan=self.scan_layers,
            remat=self.remat,
        )
        h_BxPxD = h_BxPxD if self.norm is None else self.norm(h_BxPxD)
        return self.head(h_BxPxD.mean(axis=1))
