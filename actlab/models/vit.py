"""Vision transformer for images and signals: patches as tokens, blocks of attention and MLP, one token or their mean.

Shapes: B batch, S... spatial axes (one or two), C channels, P patches, D width, K classes.
"""

from __future__ import annotations

import math
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from actlab.activations import Act
from actlab.errors import InputError, suggest
from actlab.models.blocks import at_least, block_keys, space_of
from actlab.models.transformer_block import (
    BlockOptions,
    Kind,
    Position,
    TokenNorm,
    TransformerBlock,
    placed,
    positions_of,
    run_blocks,
    token_norm,
)

POOLS = ("class_token", "mean")


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


class ViT(nnx.Module):
    """Linear patches, learnt positions, pre-norm blocks, and a linear head. Sites ``blocks.<i>.mlp.act``.

    Args:
        act: the activation, one of its own in each block's MLP.
        in_shape: shape of one sample: (S,) or (S, S) for one channel, (S, S, C) for several.
        num_classes: number of logits.
        patch: length of a patch along each spatial axis, a divisor of S.
        pool: what the head sees: ``class_token``, a token of its own before the patches, as in the source, or the
            ``mean`` over patches (Beyer et al. 2022, arXiv:2205.01580).
        depth, width, heads, mlp, hidden, norm, position, qk_norm, bias, dropout, scan_layers, remat, init, gain: as
            of ``Transformer``.
        dtype: compute dtype; parameters stay float32, attention scores too.
        rngs: where initial values come from.

    Raises:
        InputError: a size, rate or name that cannot be, or patches that do not fit.

    Dosovitskiy et al. 2020, arXiv:2010.11929.

    >>> from actlab import make
    >>> model = ViT(make("gelu"), (8, 8), 10, patch=4, depth=1, width=16, heads=2, rngs=nnx.Rngs(0))
    >>> model(jnp.ones((3, 8, 8))).shape
    (3, 10)
    """

    def __init__(
        self,
        act: Act,
        in_shape: tuple[int, ...],
        num_classes: int,
        *,
        patch: int = 4,
        pool: Literal["class_token", "mean"] = "class_token",
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
        if pool not in POOLS:
            raise InputError(f"pool={pool!r} is unknown{suggest(str(pool), POOLS)}")
        space, channels = space_of(in_shape, "vit")
        if any(s % patch for s in space):
            raise InputError(f"patch={patch}: must be a divisor of the sample's {space}")
        o = BlockOptions(
            depth=depth, width=width, heads=heads, mlp=mlp, hidden=hidden, norm=norm, position=position,
            qk_norm=qk_norm, bias=bias, causal=False, dropout=dropout, init=init, gain=gain,
        )  # fmt: skip
        own = {"dtype": dtype, "rngs": rngs}
        self.scan_layers, self.remat, self.patch = scan_layers, remat, patch
        self.add_channel = len(in_shape) < 3

        count, taps = math.prod(s // patch for s in space), patch ** len(space) * channels
        self.patches = nnx.Linear(taps, width, kernel_init=o.kernel(taps), **own)
        if pool == "class_token":
            count += 1
            self.class_token = nnx.Param(0.02 * jax.random.normal(rngs.params(), (width,)))
        else:
            self.class_token = None
        self.in_shape = tuple(in_shape)
        self.positions = positions_of(count, o, **own)
        self.blocks = nnx.List(
            TransformerBlock(act, count, o, name=f"blocks.{i}", **own) for i in range(depth)
        )
        self.norm = token_norm(norm, width, **own)
        self.head = nnx.Linear(width, num_classes, kernel_init=o.kernel(width), **own)

    def __call__(self, x: jax.Array, *, train: bool = False, key: jax.Array | None = None) -> jax.Array:
        """Return logits (B, K) for ``x`` (B, *in_shape); ``key`` is needed when training with dropout.

        Raises:
            InputError: images of another shape.

        """
        if x.shape[1:] != self.in_shape:
            raise InputError(f"images of shape {x.shape[1:]}, and the model was made for {self.in_shape}")
        h_BxPxD = self.patches(patched(x[..., None] if self.add_channel else x, self.patch))
        if self.class_token is not None:
            first = self.class_token[...].astype(h_BxPxD.dtype)
            first = jnp.broadcast_to(first, (len(x), 1, h_BxPxD.shape[-1]))
            h_BxPxD = jnp.concatenate([first, h_BxPxD], axis=1)
        h_BxPxD = placed(h_BxPxD, self.positions)
        h_BxPxD = run_blocks(self, h_BxPxD, block_keys(key, len(self.blocks)), train=train)
        return self.head(h_BxPxD.mean(axis=1) if self.class_token is None else h_BxPxD[:, 0])
