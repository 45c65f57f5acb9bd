"""A uniform histogram between the smallest and largest value, for pictures."""

from __future__ import annotations

import jax
import jax.numpy as jnp

BINS = 64


def histogram(value: jax.Array) -> dict[str, jax.Array]:
    """Return ``low``, ``high``, ``counts`` (64,) over uniform bins and ``nonfinite``, of any array.

    Bounds are the smallest and largest finite value; non-finite values are counted apart.
    """
    v = value.astype(jnp.float32).ravel()
    finite = jnp.isfinite(v)
    low = jnp.min(v, where=finite, initial=jnp.inf)
    high = jnp.max(v, where=finite, initial=-jnp.inf)
    some = finite.any()
    low, high = jnp.where(some, low, 0.0), jnp.where(some, high, 0.0)
    width = jnp.where(high > low, high / BINS - low / BINS, 1.0)
    index = jnp.clip(jnp.floor((v - low) / width), 0, BINS - 1)
    index = jnp.where(finite, index, BINS).astype(jnp.int32)  # BINS: dropped by the scatter
    counts = jnp.zeros(BINS, jnp.int32).at[index].add(1, mode="drop")
    return {"low": low, "high": high, "counts": counts, "nonfinite": jnp.sum(~finite)}
