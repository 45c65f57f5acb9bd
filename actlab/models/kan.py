r"""Kolmogorov-Arnold network: learnt functions on the edges, sums at the nodes.

.. math:: y_j = \sum_i w_{ji}\, \phi(x_i; \theta_{ji})

The edge function is the activation, its learnt parameters :math:`\theta` one set for each edge; ``kan_bspline`` is
the paper's. With an activation that learns nothing the network is an MLP whose activation comes before the weights.
Shapes: B batch, I features in, J features out, K classes.
"""

from __future__ import annotations

import math
from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx

from actlab.activations import Act
from actlab.models.blocks import (
    Norm,
    activate,
    at_least,
    block_keys,
    check_gain,
    make_norm,
    normalise,
    not_critical,
)
from actlab.nn import Activation, initializer, number


class KANLayer(nnx.Module):
    """norm -> edge functions -> weighted sums, with the site ``<name>.act``; (B, I) to (B, J).

    An activation learnt per unit (``activation.per=unit``) has parameters of its own for each of the I J edges, and
    the site sees (B, I, J); else for each of the I inputs, or one set, and it sees (B, I).
    """

    def __init__(
        self,
        act: Act,
        d_in: int,
        d_out: int,
        *,
        name: str,
        norm: Norm,
        init: str,
        gain,
        dtype,
        rngs: nnx.Rngs,
    ):
        self.norm = make_norm(norm, d_in, dtype=dtype, rngs=rngs)
        self.edges = bool(act.learn) and act.per == "unit"
        self.act = Activation(act, (d_in, d_out) if self.edges else (d_in,), site=f"{name}.act")
        kernel, _ = initializer(init, d_in, gain, act)
        self.weight = nnx.Param(kernel(rngs.params(), (d_in, d_out), jnp.float32))
        self.dtype = dtype

    def __call__(self, x_BxI: jax.Array, *, train: bool, key: jax.Array | None) -> jax.Array:
        """Return (B, J)."""
        h = normalise(self.norm, x_BxI.astype(self.dtype), train=train)
        weight_IxJ = self.weight[...].astype(self.dtype)
        if not self.edges:
            return activate(self.act, h, train=train, key=key).astype(self.dtype) @ weight_IxJ
        h_BxIxJ = jnp.broadcast_to(h[..., None], (*h.shape, weight_IxJ.shape[1]))
        phi_BxIxJ = activate(self.act, h_BxIxJ, train=train, key=key).astype(self.dtype)
        return jnp.einsum("bij,ij->bj", phi_BxIxJ, weight_IxJ)


class KAN(nnx.Module):
    """``depth`` hidden layers of ``width`` nodes, edges before, between and after them. Sites ``layers.<i>.act``.

    The paper's: ``activation=kan_bspline 'activation.learn=[coefficients,base_weight]' activation.per=unit``. There w
    is the spline's weight, and the initial coefficients are noise of standard deviation 0.1; here they start at their
    mean, 0, so that every edge starts as w silu, and what tells edges apart is w.

    Args:
        act: the edge function, parameters of its own in each layer.
        in_shape: shape of one sample; flattened.
        num_classes: number of outputs.
        depth: hidden layers; 0 has edges from inputs to outputs only.
        width: nodes in each hidden layer.
        norm: ``none``, ``layer`` or ``batch``, before the edges: keeps what they see on the spline's grid, as in
            FastKAN; the paper moves the grid instead.
        init: name of an initialiser of w, see ``actlab.nn.initializer``.
        gain: factor of the initial w.
        dtype: compute dtype; parameters stay float32.
        rngs: where initial values come from.

    Raises:
        InputError: a size or name that cannot be.

    Liu et al. 2024, arXiv:2404.19756; the normalised form Li 2024, arXiv:2405.06721.

    >>> from actlab import make
    >>> spline = make("kan_bspline", learn=["coefficients"], per="unit")
    >>> model = KAN(spline, (2,), 1, depth=1, width=5, rngs=nnx.Rngs(0))
    >>> model(jnp.ones((3, 2))).shape, model.layers[0].act.coefficients[...].shape
    ((3, 1), (8, 2, 5))
    """

    def __init__(
        self,
        act: Act,
        in_shape: tuple[int, ...],
        num_classes: int,
        *,
        depth: int = 1,
        width: int = 16,
        norm: Norm = "none",
        init: str = "lecun_normal",
        gain: float = 1.0,
        dtype: jax.typing.DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        at_least(0, depth=depth)
        at_least(1, width=width)
        check_gain(gain, init)
        not_critical(init, "a KAN has no biases")
        own = {"norm": norm, "init": init, "gain": number("model.gain", gain), "dtype": dtype, "rngs": rngs}
        sizes = [math.prod(in_shape), *[width] * depth, num_classes]
        self.layers = nnx.List(
            KANLayer(act, d_in, d_out, name=f"layers.{i}", **own)
            for i, (d_in, d_out) in enumerate(pairwise(sizes))
        )

    def __call__(self, x: jax.Array, *, train: bool = False, key: jax.Array | None = None) -> jax.Array:
        """Return (B, K) for ``x`` (B, *in_shape); ``key`` is for a stochastic activation in training."""
        h_BxI = x.reshape(x.shape[0], -1)
        for layer, layer_key in zip(self.layers, block_keys(key, len(self.layers)), strict=True):
            h_BxI = layer(h_BxI, train=train, key=layer_key)
        return h_BxI
