"""Transformer encoder for texts: a class, or numbers, of each.

Shapes: B batch, T tokens, D width, K outputs.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from actlab.activations import Act
from actlab.errors import InputError
from actlab.models.blocks import block_keys
from actlab.models.transformer_block import (
    BlockOptions,
    Kind,
    Position,
    TokenNorm,
    TransformerBlock,
    embedding,
    placed,
    positions_of,
    run_blocks,
    token_norm,
)


class Encoder(nnx.Module):
    """Blocks of attention over all positions of a text, their mean, a linear head; `ViT` is for images and signals.

    Sites ``blocks.<i>.mlp.act`` and ``blocks.<i>.attention``. As BERT (Devlin et al. 2018, arXiv:1810.04805), with
    the norm before each sublayer and the mean in the place of a class token.

    Args:
        act: the activation, one of its own in each block's MLP.
        in_shape: (T,).
        num_classes: K.
        vocabulary: tokens that go in.
        depth, width, heads, mlp, hidden, norm, position, qk_norm, bias, dropout, scan_layers, remat, init, gain: as
            of ``Transformer``.
        dtype: compute dtype; parameters stay float32, attention scores too.
        rngs: where initial values come from.

    Raises:
        InputError: a size, rate or name that cannot be, or samples that are no tokens.

    """

    def __init__(
        self,
        act: Act,
        in_shape: tuple[int, ...],
        num_classes: int,
        *,
        vocabulary: int | None = None,
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
        if vocabulary is None or len(in_shape) != 1:
            raise InputError(
                f"an encoder takes texts of tokens, this data has samples of shape {tuple(in_shape)}: take a vit"
            )
        o = BlockOptions(
            depth=depth, width=width, heads=heads, mlp=mlp, hidden=hidden, norm=norm, position=position,
            qk_norm=qk_norm, bias=bias, causal=False, dropout=dropout, init=init, gain=gain,
        )  # fmt: skip
        (T,) = in_shape
        self.scan_layers, self.remat = scan_layers, remat
        self.tokens = embedding(vocabulary, width, dtype=dtype, rngs=rngs)
        self.positions = positions_of(T, o, dtype=dtype, rngs=rngs)
        self.blocks = nnx.List(
            TransformerBlock(act, T, o, name=f"blocks.{i}", dtype=dtype, rngs=rngs) for i in range(depth)
        )
        self.norm = token_norm(norm, width, dtype=dtype, rngs=rngs)
        self.head = nnx.Linear(width, num_classes, kernel_init=o.kernel(width), dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, *, train: bool = False, key: jax.Array | None = None) -> jax.Array:
        """Return (B, K) for tokens ``x`` (B, T) int32; ``key`` is needed when training with dropout."""
        h_BxTxD = placed(self.tokens(x), self.positions)
        return self.head(
            run_blocks(self, h_BxTxD, block_keys(key, len(self.blocks)), train=train).mean(axis=1)
        )
