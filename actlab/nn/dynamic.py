"""Activations with a learnt network inside: maxima of affine maps, and shapes computed from the sample.

The formulas are functions of `actlab.activations`; these layers learn what those are given. Shapes: B batch,
... positions, C channels (the last axis).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from actlab.activations.conditioned import dynamic_relu, funnel_relu, meta_acon
from actlab.activations.multi_input import maxout
from actlab.errors import InputError


class Maxout(nnx.Module):
    """The largest of ``pieces`` learnt affine maps: (B, ..., C) to (B, ..., F).

    Args:
        channels: C.
        features: F.
        pieces: affine maps a maximum is taken over.
        rngs: for the initial weights.

    Goodfellow, Warde-Farley, Mirza, Courville, Bengio 2013, arXiv:1302.4389.

    >>> Maxout(3, 4, rngs=nnx.Rngs(0))(jnp.ones((2, 3))).shape
    (2, 4)
    """

    def __init__(self, channels: int, features: int, *, pieces: int = 2, rngs: nnx.Rngs):
        if pieces < 1:
            raise InputError(f"Maxout: pieces must be at least 1, got {pieces}")
        self.pieces = pieces
        self.affine = nnx.Linear(channels, features * pieces, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the maxima; feature i competes among outputs pieces * i to pieces * (i + 1) of the map."""
        return maxout(self.affine(x), pieces=self.pieces)


class FunnelReLU(nnx.Module):
    """The larger of x and a depthwise convolution of x, batch-normalised: (B, S..., C), shape kept.

    Args:
        channels: C.
        dimensions: the number of spatial axes S: 1, 2 or 3.
        window: the width of the convolution along each.
        rngs: for the initial kernel, normal with standard deviation 0.01.

    Ma, Zhang, Sun 2020, arXiv:2007.11824.

    >>> FunnelReLU(3, rngs=nnx.Rngs(0))(jnp.ones((2, 5, 5, 3))).shape
    (2, 5, 5, 3)
    """

    def __init__(self, channels: int, *, dimensions: int = 2, window: int = 3, rngs: nnx.Rngs):
        self.dimensions = dimensions
        self.condition = nnx.Conv(
            channels,
            channels,
            (window,) * dimensions,
            feature_group_count=channels,
            use_bias=False,
            kernel_init=nnx.initializers.normal(0.01),
            rngs=rngs,
        )
        self.norm = nnx.BatchNorm(channels, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the funnel ReLU of ``x`` (B, S..., C)."""
        if x.ndim != self.dimensions + 2:
            raise InputError(f"FunnelReLU: expected {self.dimensions} spatial axes, got an array {x.shape}")
        return funnel_relu(x, self.norm(self.condition(x)))


class DynamicReLU(nnx.Module):
    """The largest of K lines for each channel, whose coefficients a small network tells from the sample's means.

    Starts as relu: the network's outputs are residuals, in (-1, 1) for slopes and (-1/2, 1/2) for offsets, added
    to slopes (1, 0, ...) and offsets 0. This is the paper's variant B, coefficients shared by all positions.

    Args:
        channels: C.
        lines: K.
        reduction: how many times narrower than C the network's hidden layer is.
        rngs: for the initial weights.

    Chen, Dai, Liu, Chen, Yuan, Liu 2020, arXiv:2003.10027.

    >>> DynamicReLU(8, rngs=nnx.Rngs(0))(jnp.ones((2, 5, 5, 8))).shape
    (2, 5, 5, 8)
    """

    def __init__(self, channels: int, *, lines: int = 2, reduction: int = 8, rngs: nnx.Rngs):
        self.lines = lines
        hidden = max(1, channels // reduction)
        self.squeeze = nnx.Linear(channels, hidden, rngs=rngs)
        self.excite = nnx.Linear(hidden, 2 * lines * channels, kernel_init=nnx.initializers.zeros, rngs=rngs)

    def coefficients(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return slopes and offsets, each (K, B, 1..., C)."""
        means = _means(x)
        residuals = 2.0 * nnx.sigmoid(self.excite(nnx.relu(self.squeeze(means)))) - 1.0
        residuals = jnp.moveaxis(
            residuals.reshape(*means.shape[:-1], 2, self.lines, x.shape[-1]), (-3, -2), (0, 1)
        )
        first = jnp.zeros_like(residuals[0]).at[0].set(1.0)
        return first + residuals[0], 0.5 * residuals[1]

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the dynamic ReLU of ``x`` (B, ..., C)."""
        return dynamic_relu(x, *self.coefficients(x))


class MetaAcon(nnx.Module):
    """A smooth maximum of two lines for each channel, whose sharpness a small network tells from the means.

    Args:
        channels: C.
        reduction: how many times narrower than C the network's hidden layer is.
        rngs: for the initial weights and the two slopes, standard normal as in the authors' code.

    Ma, Zhang, Liu, Sun 2020, arXiv:2009.04759.

    >>> MetaAcon(16, rngs=nnx.Rngs(0))(jnp.ones((2, 5, 5, 16))).shape
    (2, 5, 5, 16)
    """

    def __init__(self, channels: int, *, reduction: int = 16, rngs: nnx.Rngs):
        hidden = max(1, channels // reduction)
        self.squeeze = nnx.Linear(channels, hidden, use_bias=False, rngs=rngs)
        self.excite = nnx.Linear(hidden, channels, use_bias=False, rngs=rngs)
        self.p1 = nnx.Param(jax.random.normal(rngs.params(), (channels,), jnp.float32))
        self.p2 = nnx.Param(jax.random.normal(rngs.params(), (channels,), jnp.float32))

    def beta(self, x: jax.Array) -> jax.Array:
        """Return the sharpness (B, 1..., C), in (0, 1)."""
        return nnx.sigmoid(self.excite(self.squeeze(_means(x))))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the meta-ACON of ``x`` (B, ..., C)."""
        return meta_acon(x, self.beta(x), self.p1[...], self.p2[...])


def _means(x: jax.Array) -> jax.Array:
    """Return each sample's mean over its positions, (B, 1..., C)."""
    return jnp.mean(x, axis=tuple(range(1, x.ndim - 1)), keepdims=True)
