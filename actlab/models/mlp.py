"""Multilayer perceptron: blocks of linear map, norm, activation, dropout; then a linear head.

Shapes: B batch, D features in, W width, K classes.
"""

from __future__ import annotations

import math
from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx

from actlab.activations import Act
from actlab.models.blocks import Block, Norm, at_least, block_keys, check_dropout, check_gain, linear
from actlab.nn import number


class MLP(nnx.Module):
    """``depth`` hidden layers of ``width`` units, sites ``blocks.<i>.act``, and a linear head.

    Args:
        act: the activation, one of its own at each site.
        in_shape: shape of one sample; flattened.
        num_classes: number of logits.
        depth: hidden layers; 0 is logistic regression.
        width: units in each hidden layer.
        norm: ``none``, ``layer`` or ``batch``, before the activation.
        residual: add each block's input to its output where shapes allow.
        dropout: share of units dropped after each activation in training.
        init: name of an initialiser, see ``actlab.nn.initializer``.
        gain: factor of the initial kernels.
        dtype: compute dtype; parameters stay float32.
        rngs: where initial values come from.

    Raises:
        InputError: a size, rate or name that cannot be.

    """

    def __init__(
        self,
        act: Act,
        in_shape: tuple[int, ...],
        num_classes: int,
        *,
        depth: int = 3,
        width: int = 100,
        norm: Norm = "none",
        residual: bool = False,
        dropout: float = 0.0,
        init: str = "he_normal",
        gain: float = 1.0,
        dtype: jax.typing.DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        at_least(0, depth=depth)
        at_least(1, width=width)
        check_dropout(dropout)
        check_gain(gain, init)
        gain = number("model.gain", gain)

        how = {"init": init, "gain": gain, "act": act, "dtype": dtype, "rngs": rngs}
        sizes = [math.prod(in_shape)] + [width] * depth
        self.blocks = nnx.List(
            Block(
                linear(d_in, d_out, first=i == 0, **how),
                act,
                (d_out,),
                name=f"blocks.{i}",
                norm=norm,
                residual=residual,
                dropout=dropout,
                dtype=dtype,
                rngs=rngs,
            )
            for i, (d_in, d_out) in enumerate(pairwise(sizes))
        )
        self.head = linear(sizes[-1], num_classes, first=not depth, **how)

    def __call__(self, x: jax.Array, *, train: bool = False, key: jax.Array | None = None) -> jax.Array:
        """Return logits (B, K) for ``x`` (B, *in_shape); ``key`` is needed when training with dropout."""
        h_BxW = x.reshape(x.shape[0], -1)
        for block, block_key in zip(self.blocks, block_keys(key, len(self.blocks)), strict=True):
            h_BxW = block(h_BxW, train=train, key=block_key)
        return self.head(h_BxW)
