"""Wide random networks on the digits: what reaches each layer, forward and backward.

Shapes: B samples, W width, L hidden layers.
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actlab.activations import Act
from actlab.data import digits
from actlab.theory import moments


class Profile(NamedTuple):
    """Means over samples and units, (L,) each: pre-activation, its square, post, its square, gradient's square."""

    pre: jax.Array
    pre_square: jax.Array
    post: jax.Array
    post_square: jax.Array
    delta_square: jax.Array


def images(count: int) -> jax.Array:
    """Return (count, 64) training images, each with mean 0 and mean square 1: one length, so one q."""
    x = digits().x_train[:count].reshape(count, -1)
    x = x - x.mean(axis=1, keepdims=True)
    return jnp.asarray(x / np.sqrt(np.square(x).mean(axis=1, keepdims=True)))


@partial(jax.jit, static_argnames=("act", "width", "depth", "gain"))
def profile(key: jax.Array, x: jax.Array, act: Act, *, width: int, depth: int, gain: float) -> Profile:
    """Return what a network of random normal weights, variance gain^2 / fan-in, biases 0, does to ``x`` (B, D).

    The gradient is that of a random linear function of the last hidden layer's pre-activations.
    """
    keys = jax.random.split(key, depth + 1)

    def weights(key: jax.Array, fan_in: int) -> jax.Array:
        return gain / math.sqrt(fan_in) * jax.random.normal(key, (fan_in, width))

    head_BxW = jax.random.normal(keys[-1], (len(x), width))

    def loss(slots_LxBxW: jax.Array):
        def layer(h_BxW, at):
            key, slot_BxW = at
            pre_BxW = act(h_BxW) @ weights(key, width) + slot_BxW
            return pre_BxW, pre_BxW

        first_BxW = x @ weights(keys[0], x.shape[1]) + slots_LxBxW[0]
        last_BxW, rest = jax.lax.scan(layer, first_BxW, (keys[1:-1], slots_LxBxW[1:]))
        return (last_BxW * head_BxW).sum(), jnp.concatenate([first_BxW[None], rest])

    # The gradient by something added to the pre-activations is the gradient by them.
    delta_LxBxW, pre_LxBxW = jax.grad(loss, has_aux=True)(jnp.zeros((depth, len(x), width)))
    post_LxBxW = act(pre_LxBxW)

    def mean(v: jax.Array) -> jax.Array:
        return v.mean(axis=(1, 2))

    return Profile(
        mean(pre_LxBxW),
        mean(pre_LxBxW**2),
        mean(post_LxBxW),
        mean(post_LxBxW**2),
        mean(delta_LxBxW**2),
    )


def chi(act: Act, q: float, gain: float) -> float:
    r"""Return :math:`\sigma_w^2 \operatorname{E} f'(\sqrt q z)^2`, the factor of the mean squared gradient a layer.

    Poole et al. 2016, arXiv:1606.05340; Schoenholz et al. 2017, arXiv:1611.01232.
    """
    root = math.sqrt(q)
    return gain**2 * moments(lambda x: act(root * x)).slope_second_moment / q
