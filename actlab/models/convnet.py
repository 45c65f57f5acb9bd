"""Convolutional network for signals and images: blocks of convolution, norm, activation, dropout; linear head.

Shapes: B batch, S... spatial axes (one or two), C channels, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from actlab.activations import Act
from actlab.errors import InputError
from actlab.models.blocks import (
    Block,
    Norm,
    at_least,
    block_keys,
    check_dropout,
    check_gain,
    convolution,
    linear,
    space_of,
)
from actlab.nn import number


class ConvNet(nnx.Module):
    """``depth`` convolutions of ``width`` channels, sites ``blocks.<i>.act``, and a linear head.

    Args:
        act: the activation, one of its own at each site.
        in_shape: shape of one sample: (S,) or (S, S) for one channel, (S, S, C) for several.
        num_classes: number of logits.
        depth: number of convolutions.
        width: channels of each.
        kernel_size: taps along each spatial axis; one number, or one for each convolution.
        stride: step along each spatial axis.
        padding: zeros added at either end of each spatial axis.
        norm: ``none``, ``layer`` (over channels) or ``batch``, before the activation.
        residual: add each block's input to its output where shapes allow (stride 1).
        dropout: share of values dropped after each activation in training.
        pool: ``none`` flattens the last feature map, ``mean`` averages it over space.
        init: name of an initialiser, see ``actlab.nn.initializer``.
        gain: factor of the initial kernels.
        dtype: compute dtype; parameters stay float32.
        rngs: where initial values come from.

    Raises:
        InputError: a size, rate or name that cannot be, or a map that shrinks to nothing.

    """

    def __init__(
        self,
        act: Act,
        in_shape: tuple[int, ...],
        num_classes: int,
        *,
        depth: int = 3,
        width: int = 25,
        kernel_size: int | Sequence[int] = 3,
        stride: int = 2,
        padding: int = 1,
        norm: Norm = "none",
        residual: bool = False,
        dropout: float = 0.0,
        pool: str = "none",
        init: str = "he_normal",
        gain: float = 1.0,
        dtype: jax.typing.DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        at_least(1, depth=depth, width=width, stride=stride)
        at_least(0, padding=padding)
        check_dropout(dropout)
        check_gain(gain, init)
        gain = number("model.gain", gain)
        if pool not in ("none", "mean"):
            raise InputError(f"pool={pool!r}: must be 'none' or 'mean'")
        taps = [kernel_size] * depth if isinstance(kernel_size, int) else list(kernel_size)
        if len(taps) != depth:
            raise InputError(f"kernel_size={taps}: give one number, or one for each of depth={depth} layers")
        at_least(1, **{f"kernel_size[{i}]": k for i, k in enumerate(taps)})
        space, channels = space_of(in_shape, "convnet")

        self.add_channel = len(in_shape) < 3
        self.pool = pool
        how = {"init": init, "gain": gain, "act": act, "dtype": dtype, "rngs": rngs}
        blocks = []
        for i, k in enumerate(taps):
            space = tuple((s + 2 * padding - k) // stride + 1 for s in space)
            if min(space) < 1:
                raise InputError(
                    f"convolution {i} of depth={depth} leaves no positions; lower depth or stride"
                )
            conv = convolution(
                channels,
                width,
                (k,) * len(space),
                stride=stride,
                padding=padding,
                first=i == 0,
                **how,
            )
            channels = width
            blocks.append(
                Block(
                    conv,
                    act,
                    (*space, width),
                    name=f"blocks.{i}",
                    norm=norm,
                    residual=residual,
                    dropout=dropout,
                    dtype=dtype,
                    rngs=rngs,
                )
            )
        self.blocks = nnx.List(blocks)
        features = width if pool == "mean" else width * math.prod(space)
        self.head = linear(features, num_classes, **how)

    def __call__(self, x: jax.Array, *, train: bool = False, key: jax.Array | None = None) -> jax.Array:
        """Return logits (B, K) for ``x`` (B, *in_shape); ``key`` is needed when training with dropout."""
        h = x[..., None] if self.add_channel else x
        for block, block_key in zip(self.blocks, block_keys(key, len(self.blocks)), strict=True):
            h = block(h, train=train, key=block_key)
        h = h.mean(axis=range(1, h.ndim - 1)) if self.pool == "mean" else h.reshape(h.shape[0], -1)
        return self.head(h)
