"""Pre-activation residual network for signals and images: norm and activation before every convolution.

Convolutions go by `actlab.nn.convolve`: XLA's own on accelerators; on a CPU patches and one matrix product.
Training is a scan, in which XLA's convolution takes twice the processor time, and 4 times where a sweep vmaps it over
networks: it is a grouped convolution then (`experiments/benchmarks/convolution.py`).
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
    Dropout,
    Norm,
    activate,
    at_least,
    block_keys,
    check_dropout,
    check_gain,
    convolution,
    fold,
    linear,
    make_norm,
    normalise,
    space_of,
)
from actlab.nn import Activation, number


class NormAct(nnx.Module):
    """norm -> activation, with the site ``<name>.act``; (B, S..., C) to the same."""

    def __init__(self, act: Act, shape: tuple[int, ...], *, name: str, norm: Norm, dtype, rngs: nnx.Rngs):
        self.norm = make_norm(norm, shape[-1], dtype=dtype, rngs=rngs)
        self.act = Activation(act, shape, site=f"{name}.act")

    def __call__(self, x: jax.Array, *, train: bool, key: jax.Array | None) -> jax.Array:
        """Return (B, S..., C)."""
        return activate(self.act, normalise(self.norm, x, train=train), train=train, key=key)


class PreActBlock(nnx.Module):
    """x + conv2(act2(norm2(conv1(act1(norm1(x)))))), sites ``<name>.first.act`` and ``<name>.second.act``.

    Where the block changes the width or strides, the skip is a 1-tap convolution of what follows ``act1``, as in the
    authors' code. Without ``residual`` there is no skip at all.
    """

    def __init__(
        self,
        act: Act,
        space: tuple[int, ...],
        channels: int,
        width: int,
        *,
        name: str,
        kernel_size: int,
        stride: int,
        norm: Norm,
        residual: bool,
        skip_weight: float | None,
        dropout: float,
        init: str,
        gain: float | jax.Array,
        dtype: jax.typing.DTypeLike,
        rngs: nnx.Rngs,
    ):
        own = {
            "init": init,
            "gain": gain,
            "act": act,
            "bias": norm == "none",
            "dtype": dtype,
            "rngs": rngs,
        }
        taps, padding = (kernel_size,) * len(space), kernel_size // 2
        after = strided(space, stride)
        normed = {"norm": norm, "dtype": dtype, "rngs": rngs}
        self.first = NormAct(act, (*space, channels), name=f"{name}.first", **normed)
        self.conv1 = convolution(channels, width, taps, stride=stride, padding=padding, **own)
        self.second = NormAct(act, (*after, width), name=f"{name}.second", **normed)
        self.dropout = Dropout(dropout) if dropout else None
        self.conv2 = convolution(width, width, taps, stride=1, padding=padding, **own)
        self.residual = residual
        self.weights = (1.0, 1.0) if skip_weight is None else (skip_weight, (1 - skip_weight**2) ** 0.5)
        own["bias"] = False
        self.shortcut = (
            convolution(channels, width, (1,) * len(space), stride=stride, padding=0, **own)
            if residual and (channels != width or stride > 1)
            else None
        )

    def __call__(self, x: jax.Array, *, train: bool, key: jax.Array | None) -> jax.Array:
        """Return (B, S'..., width)."""
        h = self.first(x, train=train, key=fold(key, 1))
        skip = x if self.shortcut is None else self.shortcut(h)
        h = self.second(self.conv1(h), train=train, key=fold(key, 2))
        if self.dropout is not None and train:
            h = self.dropout(h, fold(key, 3))
        h = self.conv2(h)
        if not self.residual:
            return h
        of_skip, of_branch = self.weights
        return skip + h if of_branch == 1 else of_skip * skip + of_branch * h


class ResNet(nnx.Module):
    """A stem convolution, stages of pre-activation blocks, and a linear head on the mean over space.

    The first block of every stage but the first has stride 2. Sites ``blocks.<i>.first.act``,
    ``blocks.<i>.second.act`` and ``final.act``.

    Args:
        act: the activation, one of its own at each site.
        in_shape: shape of one sample: (S,) or (S, S) for one channel, (S, S, C) for several.
        num_classes: number of logits.
        stages: blocks in each stage.
        widths: channels in each stage.
        kernel_size: taps along each spatial axis, odd.
        norm: ``none``, ``layer`` (over channels) or ``batch``, before each activation.
        residual: with skips; without them it is a plain network of the same convolutions.
        skip_weight: w of a sum w skip + sqrt(1 - w^2) branch, which keeps the variance without a norm; None: the sum
            of both.
        dropout: share of values dropped between a block's two convolutions in training (Zagoruyko & Komodakis 2016).
        init: name of an initialiser, see ``actlab.nn.initializer``.
        gain: factor of the initial kernels.
        dtype: compute dtype; parameters stay float32.
        rngs: where initial values come from.

    Raises:
        InputError: a size, rate or name that cannot be.

    He, Zhang, Ren, Sun 2016, Identity Mappings in Deep Residual Networks, arXiv:1603.05027.

    >>> from actlab import make
    >>> model = ResNet(make("relu"), (8, 8), 10, stages=[1, 1], widths=[4, 8], rngs=nnx.Rngs(0))
    >>> model(jnp.ones((2, 8, 8))).shape
    (2, 10)
    """

    def __init__(
        self,
        act: Act,
        in_shape: tuple[int, ...],
        num_classes: int,
        *,
        stages: Sequence[int] = (1, 1, 1),
        widths: Sequence[int] = (16, 32, 64),
        kernel_size: int = 3,
        norm: Norm = "batch",
        residual: bool = True,
        skip_weight: float | None = None,
        dropout: float = 0.0,
        init: str = "he_normal",
        gain: float = 1.0,
        dtype: jax.typing.DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        if len(stages) != len(widths) or not stages:
            raise InputError(f"stages={list(stages)}, widths={list(widths)}: give one width for each stage")
        at_least(1, **{f"stages[{i}]": n for i, n in enumerate(stages)}, kernel_size=kernel_size)
        at_least(1, **{f"widths[{i}]": n for i, n in enumerate(widths)})
        if kernel_size % 2 == 0:
            raise InputError(f"kernel_size={kernel_size}: must be odd, so that a skip meets its own position")
        if skip_weight is not None and not 0 <= skip_weight < 1:
            raise InputError(f"skip_weight={skip_weight}: must be in [0, 1), or null")
        check_dropout(dropout)
        check_gain(gain, init)
        space, channels = space_of(in_shape, "resnet")
        own = {"init": init, "gain": number("model.gain", gain), "dtype": dtype, "rngs": rngs}
        how = own | {"act": act}

        self.add_channel = len(in_shape) < 3
        taps, padding = (kernel_size,) * len(space), kernel_size // 2
        self.stem = convolution(
            channels, widths[0], taps, stride=1, padding=padding, bias=norm == "none", first=True, **how
        )
        channels, blocks = widths[0], []
        for stage, (count, width) in enumerate(zip(stages, widths, strict=True)):
            for i in range(count):
                stride = 2 if stage and i == 0 else 1
                blocks.append(
                    PreActBlock(
                        act,
                        space,
                        channels,
                        width,
                        name=f"blocks.{len(blocks)}",
                        kernel_size=kernel_size,
                        stride=stride,
                        norm=norm,
                        residual=residual,
                        skip_weight=skip_weight,
                        dropout=dropout,
                        **own,
                    )
                )
                space, channels = strided(space, stride), width
        self.blocks = nnx.List(blocks)
        self.final = NormAct(act, (*space, channels), name="final", norm=norm, dtype=dtype, rngs=rngs)
        self.head = linear(channels, num_classes, **how)

    def __call__(self, x: jax.Array, *, train: bool = False, key: jax.Array | None = None) -> jax.Array:
        """Return logits (B, K) for ``x`` (B, *in_shape); ``key`` is needed when training with dropout."""
        h = self.stem(x[..., None] if self.add_channel else x)
        *keys, last = block_keys(key, len(self.blocks) + 1)
        for block, block_key in zip(self.blocks, keys, strict=True):
            h = block(h, train=train, key=block_key)
        h = self.final(h, train=train, key=last)
        return self.head(h.mean(axis=range(1, h.ndim - 1)))


def strided(space: Sequence[int], stride: int) -> tuple[int, ...]:
    """Return the positions that a stride leaves: a convolution with half the kernel as padding at either end."""
    return tuple(math.ceil(s / stride) for s in space)
