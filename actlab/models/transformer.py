"""Decoder-only transformer: tokens in, logits of the next token out at every position.

Shapes: B batch, T positions, D width, V tokens there are.
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


class Transformer(nnx.Module):
    """A GPT-2 or a Llama by its options: sites ``blocks.<i>.mlp.act`` and ``blocks.<i>.attention``.

    GPT-2 (Radford et al. 2019) is what the defaults say. Llama (Touvron et al. 2023, arXiv:2302.13971):
    ``mlp=gated norm=rms position=rope bias=false tied=false`` with silu.

    Args:
        act: the activation, one of its own in each block's MLP.
        in_shape: (T,).
        num_classes: V, logits of each position.
        vocabulary: tokens that go in, V.
        depth: number of blocks.
        width: D.
        heads: of the attention, a divisor of D.
        mlp: ``plain``, or ``gated``: the activation of one half times the other.
        hidden: hidden units of the MLP; None: 4 D, or 8/3 D if gated.
        norm: ``layer``, ``rms`` or ``none``, before attention, MLP and head.
        position: ``learned`` vectors added to the tokens', ``rope`` or ``none``.
        qk_norm: normalise queries and keys.
        bias: whether linear maps have one.
        tied: the head is the tokens' table (Press & Wolf 2017, arXiv:1608.05859).
        dropout: share dropped of the embedding and of what each sublayer adds.
        scan_layers: all blocks in one ``lax.scan``: less to compile, the same values and records.
        remat: compute blocks again in the backward pass instead of keeping what is inside.
        init: name of an initialiser, see ``actlab.nn.initializer``; the tables start as normal with sd 0.02.
        gain: factor of the initial kernels.
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
        width: int = 128,
        heads: int = 4,
        mlp: Kind = "plain",
        hidden: int | None = None,
        norm: TokenNorm = "layer",
        position: Position = "learned",
        qk_norm: bool = False,
        bias: bool = True,
        tied: bool = True,
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
                f"a transformer takes texts of tokens, this data has samples of shape {tuple(in_shape)}: take an "
                "encoder, or data=text"
            )
        if tied and num_classes != vocabulary:
            raise InputError(f"tied=true: {vocabulary} tokens go in and {num_classes} come out: tied=false")
        (T,) = in_shape
        o = BlockOptions(
            depth=depth, width=width, heads=heads, mlp=mlp, hidden=hidden, norm=norm, position=position,
            qk_norm=qk_norm, bias=bias, causal=True, dropout=dropout, init=init, gain=gain,
        )  # fmt: skip
        self.scan_layers, self.remat = scan_layers, remat
        self.tokens = embedding(vocabulary, width, dtype=dtype, rngs=rngs)
        self.positions = positions_of(T, o, dtype=dtype, rngs=rngs)
        self.blocks = nnx.List(
            TransformerBlock(act, T, o, name=f"blocks.{i}", dtype=dtype, rngs=rngs) for i in range(depth)
        )
        self.norm = token_norm(norm, width, dtype=dtype, rngs=rngs)
        self.head = None if tied else self._head(o, num_classes, dtype, rngs)

    @staticmethod
    def _head(o: BlockOptions, outputs: int, dtype, rngs: nnx.Rngs) -> nnx.Linear:
        kernel = o.kernel(o.width)
        return nnx.Linear(o.width, outputs, use_bias=False, kernel_init=kernel, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, *, train: bool = False, key: jax.Array | None = None) -> jax.Array:
        """Return logits (B, T, V) for tokens ``x`` (B, T) int32; ``key`` is needed when training with dropout."""
        h_BxTxD = placed(self.tokens(x), self.positions)
        first = self.blocks[0]
        *keys, own = block_keys(key, len(self.blocks) + 1)
        if first.dropout is not None and train:
            h_BxTxD = first.dropout(h_BxTxD, own)
        h_BxTxD = run_blocks(self, h_BxTxD, keys, train=train)
        return self.tokens.attend(h_BxTxD) if self.head is None else self.head(h_BxTxD)
