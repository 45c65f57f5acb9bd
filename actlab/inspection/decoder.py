"""The model itself: tokens in, logits out, keys and values kept, every site offered to whoever looks.

Shapes: T tokens read now, S positions kept, D width, F hidden units, H heads of queries, G of keys, R = H / G, K
numbers of a head, V tokens there are. One text at a time: `jax.vmap` reads several.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from actlab.activations import Act
from actlab.inspection.architecture import Architecture
from actlab.inspection.interventions import Edits, edited
from actlab.inspection.measures import total
from actlab.inspection.packed import PackedRows
from actlab.nn.attention import rotate

See = Callable[[int, str, jax.Array], None]
Kept = tuple[jax.Array, jax.Array]  # keys and values of a block, (G, S, K) each: as products take them
Rows = jax.Array | PackedRows


class Linear(nnx.Module):
    """``x W^T + b`` with W (out, in), the rows as files keep them; products of W's dtype, sums in float32."""

    def __init__(self, kernel: Rows, bias: jax.Array):
        self.kernel, self.bias = _held(kernel), nnx.Param(bias)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return (T, out) float32 of ``x`` (T, in)."""
        return product(x, self.kernel) + self.bias[...]


class Maps(nnx.Module):
    """Several maps of the same numbers; packed ones as one, which is quicker."""

    def __init__(self, kernels: Sequence[Rows], biases: Sequence[jax.Array]):
        self.sizes, first = tuple(len(bias) for bias in biases), kernels[0]
        if all(isinstance(k, PackedRows) and k.alike(first) for k in kernels):
            kernels, biases = [first.joined(kernels)], [jnp.concatenate(biases)]
        self.maps = nnx.List([Linear(*both) for both in zip(kernels, biases, strict=True)])

    def __call__(self, x: jax.Array) -> list[jax.Array]:
        """Return (T, N) of each map of ``x`` (T, D)."""
        if len(self.maps) == len(self.sizes):
            return [f(x) for f in self.maps]
        return jnp.split(self.maps[0](x), np.cumsum(self.sizes)[:-1], -1)


def product(x: jax.Array, held: nnx.Param | PackedRows) -> jax.Array:
    """Return ``x`` (T, D) times rows (N, D) transposed, (T, N) float32."""
    if not isinstance(held, nnx.Param):
        return held(x)
    rows = held[...]
    return jnp.einsum("td,nd->tn", x.astype(rows.dtype), rows, preferred_element_type=jnp.float32)


class Norm(nnx.Module):
    """RMS or layer normalisation of the last axis in float32."""

    def __init__(self, kind: str, epsilon: float, scale: jax.Array, bias: jax.Array | None):
        self.kind, self.epsilon = kind, epsilon
        self.scale = nnx.Param(scale)
        self.bias = None if bias is None else nnx.Param(bias)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return ``x`` (..., D) normalised."""
        if self.kind == "layer":
            x = x - jnp.mean(x, -1, keepdims=True)
        square = jnp.vecdot(x, x, precision="highest")[..., None] / x.shape[-1]  # adds several at a time
        x = x * jax.lax.rsqrt(square + self.epsilon) * self.scale[...]
        return x if self.bias is None else x + self.bias[...]


class Block(nnx.Module):
    """Attention and MLP, each behind a norm and added to the residual stream."""

    def __init__(self, a: Architecture, index: int, weights: Mapping[str, Rows]):
        def norm(name: str) -> Norm | None:
            return _norm(a, f"blocks.{index}.{name}", weights)

        def both(*names: str) -> tuple[list[Rows], list[jax.Array]]:
            kernels, biases = (
                [weights[f"blocks.{index}.{name}.{kind}"] for name in names] for kind in ("kernel", "bias")
            )
            return kernels, biases

        self.architecture, self.index = a, index
        self.act: Act = a.act[index]
        self.norm1, self.norm2 = norm("norm1"), norm("norm2")
        self.query_norm, self.key_norm = norm("query_norm"), norm("key_norm")
        self.query_key_value = Maps(*both("query", "key", "value"))
        self.up = Maps(*both("gate", "up") if a.mlp == "gated" else both("up"))
        self.out, self.down = (Linear(*(x[0] for x in both(name))) for name in ("out", "down"))

    def __call__(
        self, h: jax.Array, kept: Kept, at_T: jax.Array, edits: Edits, see: See
    ) -> tuple[jax.Array, Kept]:
        """Return the stream (T, D) after the block, and keys and values with those of the positions ``at_T``."""

        def site(name: str, x: jax.Array) -> jax.Array:
            x = edited(x, f"blocks.{self.index}.{name}", edits, at_T)
            see(self.index, name, x)
            return x

        h = site("resid_pre", h)
        mixed, kept = self._attend(h if self.norm1 is None else self.norm1(h), kept, at_T, see)
        h = site("resid_mid", h + site("attn_out", self.out(site("attention.heads", mixed))))
        x = h if self.norm2 is None else self.norm2(h)
        first, *other = self.up(x)
        y = site("mlp.act.post", self.act(site("mlp.act.pre", first)))
        for up in other:  # of a gated MLP
            y = site("mlp.post", y * site("mlp.up", up))
        return site("resid_post", h + site("mlp_out", self.down(y))), kept

    def _attend(self, x: jax.Array, kept: Kept, at_T: jax.Array, see: See) -> tuple[jax.Array, Kept]:
        a = self.architecture
        q_TxHxK, k_TxGxK, v_TxGxK = (y.reshape(len(y), -1, a.head_width) for y in self.query_key_value(x))
        if self.query_norm is not None:
            q_TxHxK, k_TxGxK = self.query_norm(q_TxHxK), self.key_norm(k_TxGxK)
        if a.position == "rope":
            turn = {"base": a.rope_base, "factors": np.asarray(a.rope_factors or 1.0, np.float32)}
            q_TxHxK, k_TxGxK = rotate(q_TxHxK, at_T, **turn), rotate(k_TxGxK, at_T, **turn)
        keys, values = (
            jax.lax.dynamic_update_slice(old, jnp.swapaxes(new, 0, 1).astype(old.dtype), (0, at_T[0], 0))
            for old, new in zip(kept, (k_TxGxK, v_TxGxK), strict=True)
        )
        q_TxGxRxK = q_TxHxK.reshape(-1, a.kv_heads, a.heads // a.kv_heads, a.head_width)
        scores = jnp.einsum("tgrk,gsk->grts", *_wide(q_TxGxRxK, keys))
        scores = scores / a.head_width**0.5
        scores = jnp.where(jnp.arange(keys.shape[1]) <= at_T[:, None], scores, -jnp.inf)
        weights = jnp.exp(scores - jnp.max(scores, -1, keepdims=True))
        weights = weights / total(weights)[..., None]
        whole = (a.heads, *scores.shape[2:])
        see(self.index, "attention.scores", scores.reshape(whole))
        see(self.index, "attention.weights", weights.reshape(whole))
        return _mixed(weights, values), (keys, values)


def _mixed(weights: jax.Array, values: jax.Array) -> jax.Array:
    """Return what heads read, (T, H K), by weights (G, R, T, S) of values (G, S, K)."""
    weights, values = _wide(weights, values)
    if weights.shape[2] > 1:
        mixed = jnp.einsum("grts,gsk->tgrk", weights, values)
    else:  # so little that to share it out among processors takes longer
        mixed = jnp.sum(weights[:, :, 0, :, None] * values[:, None], -2)
    return mixed.reshape(weights.shape[2], -1)


def _wide(x: jax.Array, kept: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return both as float32, the first rounded as what is kept: XLA has no such products of others on a CPU."""
    return x.astype(kept.dtype).astype(jnp.float32), kept.astype(jnp.float32)


class Decoder(nnx.Module):
    """A decoder-only transformer made of given weights, see `Architecture.shapes`.

    Blocks are unrolled and each holds its own arrays: in a scan over stacked ones XLA's CPU backend copies every
    block's weights before it multiplies, which made a token take 3.7 times as long. Maps and the
    head may be packed, the table of tokens is an array.
    """

    def __init__(self, a: Architecture, weights: Mapping[str, Rows]):
        self.architecture = a
        self.tokens = nnx.Param(weights["tokens"])
        self.positions = nnx.Param(weights["positions"]) if a.position == "learned" else None
        self.blocks = nnx.List([Block(a, i, weights) for i in range(a.depth)])
        self.norm = _norm(a, "norm", weights)
        self.head = _held(weights["head"]) if "head" in weights else None

    def __call__(
        self, tokens_T: jax.Array, kept: list[Kept], at_T: jax.Array, edits: Edits, see: See
    ) -> tuple[jax.Array, list[Kept]]:
        """Return logits (T, V) of the tokens after ``tokens_T`` at positions ``at_T``, and what is kept now."""
        h = self.tokens[...][tokens_T].astype(jnp.float32)
        if self.positions is not None:
            h = h + self.positions[...][at_T].astype(jnp.float32)
        now = []
        for block, old in zip(self.blocks, kept, strict=True):
            h, new = block(h, old, at_T, edits, see)
            now.append(new)
        return self.logits(h), now

    def logits(self, h: jax.Array) -> jax.Array:
        """Return logits (T, V) of a residual stream (T, D): norm and head."""
        h = h if self.norm is None else self.norm(h)
        return product(h, self.tokens if self.head is None else self.head)

    def room(self, positions: int) -> list[Kept]:
        """Return empty keys and values for so many positions."""
        a, dtype = self.architecture, self.tokens[...].dtype
        shape = (a.kv_heads, positions, a.head_width)
        return [(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype)) for _ in range(a.depth)]


def _held(rows: Rows) -> nnx.Param | PackedRows:
    return rows if isinstance(rows, nnx.Module) else nnx.Param(rows)


def _norm(a: Architecture, name: str, weights: Mapping[str, Rows]) -> Norm | None:
    if f"{name}.scale" not in weights:
        return None
    return Norm(a.norm, a.epsilon, weights[f"{name}.scale"], weights.get(f"{name}.bias"))
