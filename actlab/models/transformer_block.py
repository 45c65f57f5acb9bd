"""The block that decoder and encoder are made of: norm, attention, skip; norm, MLP, skip.

Shapes: B batch, T positions, D width, F hidden units of the MLP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import jax
import jax.numpy as jnp
from flax import nnx

from actlab.activations import Act
from actlab.errors import InputError, suggest
from actlab.models.blocks import Dropout, at_least, check_dropout, check_gain, not_critical
from actlab.nn import Activation, initializer, number
from actlab.nn.attention import Attention
from actlab.nn.layers import run_layers

Kind = Literal["plain", "gated"]
TokenNorm = Literal["none", "layer", "rms"]
Position = Literal["learned", "rope", "none"]
EPSILON = 1e-5


@dataclass(frozen=True)
class BlockOptions:
    """What all blocks of a model have in common; checked.

    Args:
        depth: blocks there are; maps into the residual stream start smaller by sqrt(2 depth), as in GPT-2.
        width: D.
        heads: of the attention.
        mlp: ``plain`` act(x W_up) W_down, or ``gated`` (act(x W_gate) * x W_up) W_down (Shazeer 2020,
            arXiv:2002.05202).
        hidden: F; None is 4 D, of a gated MLP 8/3 D up to a multiple of 8: as many parameters.
        norm: ``layer``, ``rms`` (Zhang & Sennrich 2019, arXiv:1910.07467) or ``none``, before attention and MLP.
        position: ``rope`` turns queries and keys; the others are the model's.
        qk_norm: normalise queries and keys, too.
        bias: whether linear maps have one.
        causal: whether positions look back only.
        dropout: share of what a sublayer adds that is dropped in training.
        init: name of an initialiser, see ``actlab.nn.initializer``.
        gain: factor of the initial kernels.

    Raises:
        InputError: a size, rate or name that cannot be.

    """

    depth: int
    width: int
    heads: int
    mlp: str
    hidden: int | None
    norm: str
    position: str
    qk_norm: bool
    bias: bool
    causal: bool
    dropout: float
    init: str
    gain: float

    def __post_init__(self):
        at_least(1, depth=self.depth, width=self.width, heads=self.heads, hidden=self.features)
        check_dropout(self.dropout)
        check_gain(self.gain, self.init)
        not_critical(self.init, "a transformer has attention and skips")
        known = {"mlp": ("plain", "gated"), "norm": NORMS, "position": ("learned", "rope", "none")}
        for name, names in known.items():
            if (value := getattr(self, name)) not in names:
                raise InputError(f"{name}={value!r} is unknown{suggest(str(value), names)}")
        if self.qk_norm and self.norm == "none":
            raise InputError("qk_norm=true takes its kind from norm, which is none: norm=layer or norm=rms")

    @property
    def features(self) -> int:
        """F."""
        if self.hidden is not None:
            return self.hidden
        return 4 * self.width if self.mlp == "plain" else -(-self.width // 3) * 8

    def kernel(self, fan_in: int, factor: float = 1.0, act: Act | None = None) -> nnx.Initializer:
        """Return the initialiser of a kernel; ``act`` is what is in front of it, if anything."""
        scale = number("model.gain", self.gain) * factor
        if act is None and self.init == "he_exact":  # of what no activation has changed, the gain is 1
            return initializer("lecun_normal", fan_in, scale)[0]
        return initializer(self.init, fan_in, scale, act)[0]


NORMS = ("none", "layer", "rms")


def token_norm(norm: str, features: int, *, dtype, rngs: nnx.Rngs) -> nnx.LayerNorm | nnx.RMSNorm | None:
    """Return the normalisation of every position by name."""
    if norm == "none":
        return None
    made = nnx.LayerNorm if norm == "layer" else nnx.RMSNorm
    return made(features, epsilon=EPSILON, dtype=dtype, rngs=rngs)


class FeedForward(nnx.Module):
    """A plain or gated MLP with its activation at ``<name>.act``, (B, T, D) to (B, T, D)."""

    def __init__(self, act: Act, positions: int, o: BlockOptions, *, name: str, dtype, rngs: nnx.Rngs):
        def linear(d_in: int, d_out: int, factor: float = 1.0, behind: Act | None = None) -> nnx.Linear:
            kernel = o.kernel(d_in, factor, behind)
            return nnx.Linear(d_in, d_out, use_bias=o.bias, kernel_init=kernel, dtype=dtype, rngs=rngs)

        if act.spec is not None and act.spec.kind == "gated":
            raise InputError(
                f"{act.name} takes two operands: mlp=gated makes the product itself, of one like silu or gelu"
            )
        self.gate = linear(o.width, o.features) if o.mlp == "gated" else None
        self.up = linear(o.width, o.features)
        self.act = Activation(act, (positions, o.features), site=f"{name}.act")
        self.down = linear(
            o.features, o.width, (2 * o.depth) ** -0.5, act
        )  # up has variance 1: act's own gain

    def __call__(self, x: jax.Array, key: jax.Array | None) -> jax.Array:
        """Return (B, T, D); ``key`` is for a stochastic activation."""
        if self.gate is None:
            return self.down(self.act(self.up(x), key))
        return self.down(self.act(self.gate(x), key) * self.up(x))


class TransformerBlock(nnx.Module):
    """Attention and MLP, each behind a norm and added to what came in (Xiong et al. 2020, arXiv:2002.04745)."""

    def __init__(self, act: Act, positions: int, o: BlockOptions, *, name: str, dtype, rngs: nnx.Rngs):
        def norm(features: int = o.width) -> nnx.LayerNorm | nnx.RMSNorm | None:
            return token_norm(o.norm, features, dtype=dtype, rngs=rngs)

        per_head = o.width // o.heads
        self.norm1 = norm()
        self.attention = Attention(
            o.width,
            o.heads,
            site=f"{name}.attention",
            causal=o.causal,
            rope=o.position == "rope",
            query_norm=norm(per_head) if o.qk_norm else None,
            key_norm=norm(per_head) if o.qk_norm else None,
            bias=o.bias,
            kernel=o.kernel(o.width),
            out_kernel=o.kernel(o.width, (2 * o.depth) ** -0.5),
            dtype=dtype,
            rngs=rngs,
        )
        self.norm2 = norm()
        self.mlp = FeedForward(act, positions, o, name=f"{name}.mlp", dtype=dtype, rngs=rngs)
        self.dropout = Dropout(o.dropout) if o.dropout else None

    def __call__(self, h: jax.Array, key: jax.Array | None, *, train: bool) -> jax.Array:
        """Return (B, T, D); ``key`` is needed when training with dropout or a stochastic activation."""

        def drop(x: jax.Array, which: int) -> jax.Array:
            return (
                self.dropout(x, jax.random.fold_in(key, which)) if self.dropout is not None and train else x
            )

        drawn = self.mlp.act.stochastic and train and key is not None
        h = h + drop(self.attention(h if self.norm1 is None else self.norm1(h)), 0)
        x = h if self.norm2 is None else self.norm2(h)
        return h + drop(self.mlp(x, jax.random.fold_in(key, 2) if drawn else None), 1)


def embedding(count: int, width: int, *, dtype, rngs: nnx.Rngs) -> nnx.Embed:
    """Return a table of ``count`` vectors (D,), normal with standard deviation 0.02 as in GPT-2."""
    return nnx.Embed(count, width, embedding_init=nnx.initializers.normal(0.02), dtype=dtype, rngs=rngs)


def positions_of(count: int, o: BlockOptions, *, dtype, rngs: nnx.Rngs) -> nnx.Embed | None:
    """Return the learnt vectors of positions, None where position is told otherwise."""
    return embedding(count, o.width, dtype=dtype, rngs=rngs) if o.position == "learned" else None


def placed(h: jax.Array, table: nnx.Embed | None) -> jax.Array:
    """Return (B, T, D) with the vectors of the positions added.

    Raises:
        InputError: there are more of them than vectors.

    """
    if table is not None and h.shape[1] > table.num_embeddings:
        raise InputError(
            f"an input of {h.shape[1]} positions, and the model was made for {table.num_embeddings}"
        )
    return h if table is None else h + table(jnp.arange(h.shape[1]))


class Stack(Protocol):
    """A model of blocks: what `run_blocks` runs."""

    blocks: nnx.List
    norm: nnx.LayerNorm | nnx.RMSNorm | None
    scan_layers: bool
    remat: bool


def run_blocks(model: Stack, h: jax.Array, keys: Sequence[jax.Array | None], *, train: bool) -> jax.Array:
    """Return (B, T, D) after a model's blocks, each with its key, and the norm behind them."""
    h = run_layers(
        model.blocks,
        lambda block, h, key: block(h, key, train=train),
        h,
        keys,
        name="blocks",
        scan=model.scan_layers,
        remat=model.remat,
    )
    return h if model.norm is None else model.norm(h)
