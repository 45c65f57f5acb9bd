"""Convolution that is fast where it runs: XLA's own on accelerators, patches and one matrix product on a CPU.

XLA's CPU convolution inside a ``scan``, which is how training runs here, takes 3 to 5 times as long.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def convolve(
    x: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    **options: Any,
) -> jax.Array:
    """Convolve (B, S..., C_in) with a kernel (K..., C_in, C_out), for ``nnx.Conv(conv_general_dilated=...)``.

    ``options`` are those of ``jax.lax.conv_general_dilated``; dilation and groups are not served.

    >>> x, kernel = jnp.ones((1, 5, 2)), jnp.ones((3, 2, 4))
    >>> convolve(x, kernel, (2,), [(1, 1)], dimension_numbers=("NWC", "WIO", "NWC"))[0, :, 0]
    Array([4., 6., 4.], dtype=float32)
    """
    for name in ("lhs_dilation", "rhs_dilation"):
        if set(options.get(name) or (1,)) != {1}:
            raise ValueError(f"{name}={options[name]}: must be 1")
    if options.get("feature_group_count", 1) != 1:
        raise ValueError(f"feature_group_count={options['feature_group_count']}: must be 1")

    def by_xla(x, kernel):
        return lax.conv_general_dilated(x, kernel, strides, padding, **options)

    def by_patches(x, kernel):
        return patches(x, kernel.shape[:-2], strides, padding) @ kernel.reshape(-1, kernel.shape[-1])

    return lax.platform_dependent(x, kernel, cpu=by_patches, default=by_xla)


def patches(
    x: jax.Array, taps: Sequence[int], strides: Sequence[int], padding: Sequence[tuple[int, int]]
) -> jax.Array:
    """Return for every position the values under the kernel: (B, S'..., prod(taps) C)."""
    x = jnp.pad(x, [(0, 0), *padding, (0, 0)])
    counts = [(n - k) // s + 1 for n, k, s in zip(x.shape[1:-1], taps, strides, strict=True)]

    def under(offset: Sequence[int]) -> jax.Array:
        steps = zip(offset, counts, strides, strict=True)
        return x[(slice(None), *(slice(o, o + (n - 1) * s + 1, s) for o, n, s in steps))]

    return jnp.concatenate([under(offset) for offset in itertools.product(*map(range, taps))], axis=-1)
