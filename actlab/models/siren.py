r"""Coordinate network: from a place to what is there; SIREN with ``activation=sin``.

.. math:: h_0 = \phi(\omega_0 (W_0 x + b_0)), \quad h_l = \phi(\omega (W_l h_{l-1} + b_l)), \quad y = W h + b

Initially :math:`W_0 \sim U(-1/D, 1/D)` and the others :math:`U(-\sqrt{6/n}/\omega, \sqrt{6/n}/\omega)`: with sin
every :math:`\omega W h` is then close to a unit Gaussian whatever the depth. Biases start as in PyTorch,
:math:`U(-1/\sqrt n, 1/\sqrt n)`. Sitzmann, Martel, Bergman, Lindell, Wetzstein 2020, arXiv:2006.09661.
Shapes: B batch, D coordinates, W width, K outputs.
"""

from __future__ import annotations

import math
from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx

from actlab.activations import Act
from actlab.errors import InputError
from actlab.models.blocks import activate, at_least, block_keys
from actlab.nn import Activation, kept, number


class SineLayer(nnx.Module):
    """factor (W x + b) -> activation, with the site ``<name>.act``; (B, D) to (B, W)."""

    def __init__(
        self, act: Act, d_in: int, d_out: int, *, name: str, factor: str, omega: float, dtype, rngs: nnx.Rngs
    ):
        first = factor == "model.omega_0"
        scale = 1 / d_in if first else math.sqrt(6 / d_in) / number(factor, omega)
        self.linear = uniform_linear(d_in, d_out, scale, dtype=dtype, rngs=rngs)
        self.omega = kept(factor, omega)
        self.act = Activation(act, (d_out,), site=f"{name}.act")

    def __call__(self, x: jax.Array, *, train: bool, key: jax.Array | None) -> jax.Array:
        """Return (B, W)."""
        h = self.linear(x)
        return activate(self.act, h * self.omega[...].astype(h.dtype), train=train, key=key)


def uniform_linear(d_in: int, d_out: int, scale, *, dtype, rngs: nnx.Rngs) -> nnx.Linear:
    """Return a linear map with W ~ U(-scale, scale) and b ~ U(-1/sqrt(d_in), 1/sqrt(d_in))."""

    def within(bound):
        def draw(key, shape, dtype=jnp.float32, out_sharding=None):
            return jax.random.uniform(key, shape, dtype, -1.0, 1.0) * jnp.asarray(bound, dtype)

        return draw

    own = {"kernel_init": within(scale), "bias_init": within(d_in**-0.5)}
    return nnx.Linear(d_in, d_out, **own, dtype=dtype, rngs=rngs)


class Siren(nnx.Module):
    """``depth`` layers of ``width`` units over coordinates, sites ``blocks.<i>.act``, and a linear map to K numbers.

    ``activation=sin`` is SIREN; ``siren_sine`` has the factor inside and would apply it twice. With relu a hidden
    layer's factor times its weights has He's variance, 2/n, but the factor multiplies the biases too, so they begin
    ``omega`` times as wide as PyTorch's.

    Args:
        act: the activation, one of its own at each site.
        in_shape: (D,).
        num_classes: K, what is at a place: 3 for a colour.
        depth: hidden layers, the first included.
        width: units in each.
        omega_0: factor of the first layer's pre-activation, > 0: the highest frequency it begins with.
        omega: factor of the others', > 0: with Adam, their learning rate.
        dtype: compute dtype; parameters stay float32.
        rngs: where initial values come from.

    Raises:
        InputError: a size or a factor that cannot be.

    >>> from actlab import make
    >>> Siren(make("sin"), (2,), 3, width=16, rngs=nnx.Rngs(0))(jnp.zeros((5, 2))).shape
    (5, 3)
    """

    def __init__(
        self,
        act: Act,
        in_shape: tuple[int, ...],
        num_classes: int,
        *,
        depth: int = 4,
        width: int = 256,
        omega_0: float = 30.0,
        omega: float = 30.0,
        dtype: jax.typing.DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        at_least(1, depth=depth, width=width)
        for name, factor in (("omega_0", omega_0), ("omega", omega)):
            if not 0 < factor < math.inf:
                raise InputError(f"{name}={factor}: must be a number > 0")
        if len(in_shape) != 1:
            raise InputError(f"siren needs coordinates (D,), this data has shape {tuple(in_shape)}")
        if act.name == "siren_sine":
            raise InputError("siren_sine has the factor inside, which siren applies too: take activation=sin")
        sizes = [*in_shape, *[width] * depth]
        factors = [("model.omega_0", omega_0), *[("model.omega", omega)] * (depth - 1)]
        own = {"dtype": dtype, "rngs": rngs}
        self.blocks = nnx.List(
            SineLayer(act, d_in, d_out, name=f"blocks.{i}", factor=factor, omega=value, **own)
            for i, ((d_in, d_out), (factor, value)) in enumerate(zip(pairwise(sizes), factors, strict=True))
        )
        scale = math.sqrt(6 / width) / number("model.omega", omega)
        self.head = uniform_linear(width, num_classes, scale, **own)

    def __call__(self, x: jax.Array, *, train: bool = False, key: jax.Array | None = None) -> jax.Array:
        """Return (B, K) for coordinates ``x`` (B, D); ``key`` is for a stochastic activation in training."""
        h_BxW = x
        for block, block_key in zip(self.blocks, block_keys(key, len(self.blocks)), strict=True):
            h_BxW = block(h_BxW, train=train, key=block_key)
        return self.head(h_BxW)
