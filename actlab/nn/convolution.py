"""Convolution that is fast where it runs: XLA's own on accelerators; on a CPU patches and one matrix product, or,
where every channel has a kernel of its own, a sum of shifted inputs.

XLA's CPU convolution inside a ``scan``, which is how training runs here, takes 3 to 5 times as long.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Pads = Sequence[tuple[int, int]]


def convolve(
    x: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    padding: Pads | str,
    **options: Any,
) -> jax.Array:
    """Convolve (B, S..., C_in) with a kernel (K..., C_in, C_out), for ``nnx.Conv(conv_general_dilated=...)``.

    ``options`` are those of ``jax.lax.conv_general_dilated``; dilation is not served, and of groups only depthwise
    ones: ``feature_group_count`` = C_in with a kernel (K..., 1, C_in), see `shifted`.

    >>> x, kernel = jnp.ones((1, 5, 2)), jnp.ones((3, 2, 4))
    >>> convolve(x, kernel, (2,), [(1, 1)], dimension_numbers=("NWC", "WIO", "NWC"))[0, :, 0]
    Array([4., 6., 4.], dtype=float32)
    """
    for name in ("lhs_dilation", "rhs_dilation"):
        if set(options.get(name) or (1,)) != {1}:
            raise ValueError(f"{name}={options[name]}: must be 1")
    groups = options.get("feature_group_count", 1)
    depthwise = groups > 1 and groups == x.shape[-1] == kernel.shape[-1]
    if groups != 1 and not depthwise:
        raise ValueError(f"feature_group_count={groups}: must be 1, or every channel's own")
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(x.shape[1:-1], kernel.shape[:-2], strides, padding)
    pads, steps = tuple(map(tuple, padding)), tuple(strides)

    def by_xla(x, kernel):
        return lax.conv_general_dilated(x, kernel, steps, pads, **options)

    def by_patches(x, kernel):
        return patches(x, kernel.shape[:-2], steps, pads) @ kernel.reshape(-1, kernel.shape[-1])

    def by_shifts(x, kernel):
        return shifted(x, kernel[..., 0, :], steps, pads)

    return lax.platform_dependent(x, kernel, cpu=by_shifts if depthwise else by_patches, default=by_xla)


def patches(x: jax.Array, taps: Sequence[int], strides: Sequence[int], padding: Pads) -> jax.Array:
    """Return for every position the values under the kernel: (B, S'..., prod(taps) C)."""
    x = jnp.pad(x, [(0, 0), *padding, (0, 0)])
    return jnp.concatenate([part for _, part in _under(x, taps, strides)], axis=-1)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def shifted(x: jax.Array, kernel: jax.Array, strides: tuple[int, ...], padding: Pads) -> jax.Array:
    """Convolve each channel of (B, S..., C) with its own kernel (K..., C): the sum over taps of the input shifted.

    The gradient is a sum of shifts as well, of the padded cotangent under the kernel turned round; XLA's transpose of
    the slices takes 3 to 5 times as long on a CPU. There is no forward mode of it alone; jvp of grad works.

    >>> shifted(jnp.ones((1, 4, 1)), jnp.ones((3, 1)), (1,), ((1, 1),))[0, :, 0]
    Array([2., 3., 3., 2.], dtype=float32)
    """
    padded = jnp.pad(x, [(0, 0), *padding, (0, 0)])
    return _weighted(padded, kernel, strides)


def _shifted_forward(x, kernel, strides, padding):
    return shifted(x, kernel, strides, padding), (x, kernel)


def _shifted_backward(strides, padding, kept, g):
    x, kernel = kept
    taps = kernel.shape[:-1]
    spread = [(0, 0, 0)]
    for size, k, (low, _), step, out in zip(
        x.shape[1:-1], taps, padding, strides, g.shape[1:-1], strict=True
    ):
        before = k - 1 - low
        spread.append((before, size + k - 1 - before - ((out - 1) * step + 1), step - 1))
    wide = lax.pad(g, jnp.zeros((), g.dtype), [*spread, (0, 0, 0)])
    turned = kernel[tuple(slice(None, None, -1) for _ in taps)]
    padded = jnp.pad(x, [(0, 0), *padding, (0, 0)])
    space = tuple(range(g.ndim - 1))
    of_kernel = jnp.stack([jnp.sum(part * g, space) for _, part in _under(padded, taps, strides)])
    return _weighted(wide, turned, (1,) * len(taps)), of_kernel.reshape(kernel.shape)


shifted.defvjp(_shifted_forward, _shifted_backward)


def _weighted(padded: jax.Array, kernel: jax.Array, strides: Sequence[int]) -> jax.Array:
    # Without the barrier XLA reads the padding anew, with its bounds, at every tap.
    padded = lax.optimization_barrier(padded)
    parts = [part * kernel[at] for at, part in _under(padded, kernel.shape[:-1], strides)]
    return sum(parts[1:], start=parts[0])


def _under(
    padded: jax.Array, taps: Sequence[int], strides: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], jax.Array]]:
    """Yield for each tap the values under it at all positions."""
    counts = [(n - k) // s + 1 for n, k, s in zip(padded.shape[1:-1], taps, strides, strict=True)]
    for offset in itertools.product(*map(range, taps)):
        steps = zip(offset, counts, strides, strict=True)
        yield offset, padded[(slice(None), *(slice(o, o + (n - 1) * s + 1, s) for o, n, s in steps))]
