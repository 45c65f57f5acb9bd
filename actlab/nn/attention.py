"""Self-attention with its scores marked for whoever watches.

Shapes: B batch, T positions, D width, H heads, K = D / H.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn.initializers import Initializer

from actlab.errors import InputError
from actlab.probes import probe

ROPE_BASE = 10_000.0


def rotate(x: jax.Array, at_T: jax.Array | None = None, *, base: float = ROPE_BASE, factors=1.0) -> jax.Array:
    r"""Return queries or keys (..., T, H, K) turned by an angle that grows with the position, K even.

    .. math:: (x_i, x_{i+K/2}) \leftarrow R(t\, b^{-2i/K} / s_i) (x_i, x_{i+K/2})

    Scores of rotated pairs depend on the distance of their positions alone. Computed in float32, dtype kept.

    Args:
        x: (..., T, H, K).
        at_T: the positions (T,), 0, 1, ... if None.
        base: b.
        factors: s, (K/2,) or one number: above 1 turns more slowly, as in models stretched to longer contexts.

    Source: Su et al. 2021, RoFormer, arXiv:2104.09864; pairs half a head apart as in GPT-NeoX and Llama.

    >>> for pair in rotate(jnp.ones((1, 2, 1, 2)))[0, :, 0]:
    ...     print(f"{pair[0]:.3f} {pair[1]:.3f}")
    1.000 1.000
    -0.301 1.382
    """
    half = x.shape[-1] // 2
    speed_K = base ** (-jnp.arange(half, dtype=jnp.float32) / half) / jnp.asarray(factors, jnp.float32)
    at_T = jnp.arange(x.shape[-3]) if at_T is None else at_T
    angle_Tx1xK = (at_T.astype(jnp.float32)[:, None] * speed_K)[:, None, :]
    cos, sin = jnp.cos(angle_Tx1xK), jnp.sin(angle_Tx1xK)
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], -1).astype(x.dtype)


class Attention(nnx.Module):
    r"""Multi-head self-attention, (B, T, D) to (B, T, D); its scores before the softmax are ``<site>.scores``.

    .. math:: \operatorname{softmax}(q k^\top / \sqrt K)\, v

    Scores and softmax are float32.

    Args:
        width: D.
        heads: H, a divisor of D.
        site: the name of the place, e.g. ``"blocks.3.attention"``.
        causal: a position looks at itself and those before it.
        rope: turn queries and keys by their positions, see `rotate`; without it order must come from elsewhere.
        query_norm, key_norm: norms over K of queries and keys, None for none (Dehghani et al. 2023,
            arXiv:2302.05442).
        bias: whether the four maps have one.
        kernel, out_kernel: initial kernels of the maps in and of the map out.
        dtype: of the computation; parameters are float32.

    Raises:
        InputError: heads that do not divide the width, or odd ones that are to be turned.

    Source: Vaswani et al. 2017, arXiv:1706.03762.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        site: str,
        causal: bool,
        rope: bool,
        query_norm: nnx.Module | None,
        key_norm: nnx.Module | None,
        bias: bool,
        kernel: Initializer,
        out_kernel: Initializer,
        dtype: jax.typing.DTypeLike,
        rngs: nnx.Rngs,
    ):
        if width % heads:
            raise InputError(f"heads={heads}: must be a divisor of width={width}")
        if rope and width // heads % 2:
            raise InputError(f"heads={heads}: heads of {width // heads} numbers cannot be turned in pairs")
        self.heads, self.site, self.causal, self.rope = heads, site, causal, rope

        def linear(kernel):
            return nnx.Linear(width, width, use_bias=bias, kernel_init=kernel, dtype=dtype, rngs=rngs)

        self.query, self.key, self.value = linear(kernel), linear(kernel), linear(kernel)
        self.out = linear(out_kernel)
        self.query_norm, self.key_norm = query_norm, key_norm

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return (B, T, D) of ``x`` (B, T, D)."""
        q, k, v = (
            f(x).reshape(*x.shape[:2], self.heads, -1) for f in (self.query, self.key, self.value)
        )  # (B, T, H, K)
        if self.query_norm is not None:
            q, k = self.query_norm(q), self.key_norm(k)
        if self.rope:
            q, k = rotate(q), rotate(k)
        scores = jnp.einsum("bqhk,bthk->bhqt", q, k, preferred_element_type=jnp.float32)
        scores = scores / q.shape[-1] ** 0.5
        if self.causal:
            at = jnp.arange(x.shape[1])
            scores = jnp.where(at[:, None] >= at, scores, -jnp.inf)
        scores = probe(scores, f"{self.site}.scores")
        weights = jax.nn.softmax(scores, axis=-1).astype(v.dtype)
        mixed = jnp.einsum("bhqt,bthk->bqhk", weights, v)
        return self.out(mixed.reshape(x.shape))
