"""How attention spreads over its keys, from the scores before the softmax.

Shapes: B samples, H heads, Q queries, K keys.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def attention(scores: jax.Array, *, by_head: bool = False) -> dict[str, jax.Array]:
    """Return entropies in nats, as such and over their largest value, and the largest score.

    .. math:: S = \\operatorname{logsumexp}(s) - \\sum_k p_k s_k, \\qquad p = \\operatorname{softmax}(s)

    Keys masked by -inf do not count: the share is S / ln n over the n keys a query may look at, and queries with a
    single key are left out of it. Means over samples and queries, then mean and smallest over heads. Queries
    with a score that is NaN or infinite take no part.

    Args:
        scores: (B, H, Q, K) before the softmax, masked ones -inf or the lowest number of the dtype.
        by_head: give ``entropy.head<i>`` for every head, too.

    >>> row = attention(jnp.zeros((1, 2, 3, 4)))
    >>> bool(jnp.allclose(row["entropy.mean"], jnp.log(4.0))), float(row["entropy_share.mean"])
    (True, 1.0)
    """
    masked = scores <= jnp.finfo(scores.dtype).min
    s = jnp.where(masked, -jnp.inf, scores.astype(jnp.float32))
    keys = jnp.sum(~masked, axis=-1).astype(jnp.float32)
    # Below the largest score of each query: entropy is the same, and does not get lost in large scores.
    top = jnp.max(s, axis=-1, keepdims=True)
    below = jnp.where(masked, 0.0, s - jnp.where(keys[..., None] > 0, top, 0.0))
    weight = jnp.where(masked, 0.0, jnp.exp(below))
    total = jnp.maximum(jnp.sum(weight, axis=-1), 1.0)  # 1 is what the largest gives
    entropy = jnp.log(total) - jnp.sum(weight * below, axis=-1) / total
    heads = _over_heads(entropy, keys > 0)
    shares = _over_heads(entropy / jnp.log(jnp.where(keys > 1, keys, 2.0)), keys > 1)
    row = {
        "entropy.mean": jnp.nanmean(heads),
        "entropy.min": jnp.nanmin(heads),
        "entropy_share.mean": jnp.nanmean(shares),
        "entropy_share.min": jnp.nanmin(shares),
        "logit_max": jnp.max(jnp.where(jnp.isnan(s), -jnp.inf, s)),
        "nonfinite_share": jnp.sum(~masked & ~jnp.isfinite(s)).astype(jnp.float32)
        / jnp.maximum(keys.sum(), 1.0),
    }
    return row | ({f"entropy.head{i}": heads[i] for i in range(heads.shape[0])} if by_head else {})


def _over_heads(value: jax.Array, some: jax.Array) -> jax.Array:
    """Return the mean over samples and queries (H,), of (B..., H, Q), where ``some`` is true."""
    axes = (*range(value.ndim - 2), value.ndim - 1)
    some &= jnp.isfinite(value)
    n = jnp.sum(some.astype(jnp.float32), axis=axes)
    return jnp.sum(jnp.where(some, value, 0.0), axis=axes) / n
