"""Which samples make up the batch of a step: a pure function of (key, step), so a resumed run sees the same."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp

Order = Literal["shuffled", "sequential"]
ORDERS = ("shuffled", "sequential")


def batch_indices(
    key: jax.Array, start: jax.Array, *, length: int, size: int, batch: int, order: Order = "shuffled"
) -> jax.Array:
    """Return sample indices (length, batch) int32 for the steps start, start+1, ..., start+length-1.

    ``shuffled``: every epoch is a fresh permutation of all ``size`` samples, ``fold_in(key, epoch)``; what does
    not fill a last batch is left out of that epoch. ``sequential``: the data in their own order, again and
    again, likewise without an incomplete batch.

    >>> batch_indices(jax.random.key(0), 1, length=2, size=6, batch=2, order="sequential").tolist()
    [[2, 3], [4, 5]]
    """
    per_epoch = size // batch
    steps = start + jnp.arange(length)
    epoch, position = steps // per_epoch, steps % per_epoch
    columns = position[:, None] * batch + jnp.arange(batch)
    if order == "sequential":
        return columns.astype(jnp.int32)
    first = start // per_epoch
    spanned = (length - 2) // per_epoch + 2  # an upper bound on the epochs that `length` steps can touch
    permutations = jax.lax.map(
        lambda e: jax.random.permutation(jax.random.fold_in(key, e), size), first + jnp.arange(spanned)
    )
    return permutations[(epoch - first)[:, None], columns].astype(jnp.int32)
