"""What every model here needs: checked sizes, maps and norms by name, and the block around an activation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from actlab.activations import Act
from actlab.errors import InputError, suggest
from actlab.nn import Activation, convolve, initializer, kept

NORMS = ("none", "layer", "batch")
Norm = Literal["none", "layer", "batch"]


class Block(nnx.Module):
    """linear map -> norm -> activation -> dropout, with an optional skip connection around it all.

    The skip is taken only where input and output have the same shape. ``linear`` maps (B, ..., C_in) to
    (B, ..., C_out); ``shape`` is the shape of one sample after it.
    """

    def __init__(
        self,
        linear: Callable[[jax.Array], jax.Array],
        act: Act,
        shape: tuple[int, ...],
        *,
        name: str,
        norm: Norm,
        residual: bool,
        dropout: float,
        dtype: jax.typing.DTypeLike,
        rngs: nnx.Rngs,
    ):
        self.linear = linear
        self.norm = make_norm(norm, shape[-1], dtype=dtype, rngs=rngs)
        self.act = Activation(act, shape, site=f"{name}.act")
        self.dropout = Dropout(dropout) if dropout else None
        self.residual = residual

    def __call__(self, x: jax.Array, *, train: bool, key: jax.Array | None) -> jax.Array:
        """Return (B, ..., C_out); ``key`` is needed when training with dropout or a stochastic activation."""
        h = normalise(self.norm, self.linear(x), train=train)
        h = activate(self.act, h, train=train, key=fold(key, 1))
        if self.dropout is not None:
            h = self.dropout(h, key) if train else h
        return x + h if self.residual and x.shape == h.shape else h


class Dropout(nnx.Module):
    """Drop units with probability ``rate`` and divide the others by 1 - rate; the rate is a number of the program.

    Srivastava et al. 2014, JMLR 15.
    """

    def __init__(self, rate: float):
        self.rate = kept("model.dropout", rate)

    def __call__(self, x: jax.Array, key: jax.Array) -> jax.Array:
        """Return ``x`` with some units zero, in its dtype."""
        keep = 1.0 - self.rate[...]
        on = jax.random.bernoulli(key, keep, x.shape)
        return jnp.where(on, x / keep.astype(x.dtype), jnp.zeros_like(x))


def make_norm(norm: str, features: int, *, dtype, rngs: nnx.Rngs) -> nnx.LayerNorm | nnx.BatchNorm | None:
    """Return the normalisation over the last axis by name: ``none``, ``layer`` or ``batch``.

    Batch statistics at evaluation are running averages with momentum 0.9 (PyTorch's 0.1).
    """
    if norm not in NORMS:
        raise InputError(f"norm={norm!r} is unknown{suggest(norm, NORMS)}")
    if norm == "layer":
        return nnx.LayerNorm(features, dtype=dtype, rngs=rngs)
    if norm == "batch":
        return nnx.BatchNorm(features, momentum=0.9, dtype=dtype, rngs=rngs)
    return None


def normalise(norm: nnx.LayerNorm | nnx.BatchNorm | None, x: jax.Array, *, train: bool) -> jax.Array:
    """Return what a norm of `make_norm` makes of ``x``; running averages move in training only."""
    if norm is None:
        return x
    return norm(x, use_running_average=not train) if isinstance(norm, nnx.BatchNorm) else norm(x)


def activate(site: Activation, x: jax.Array, *, train: bool, key: jax.Array | None) -> jax.Array:
    """Return the site's post-activation; random numbers are drawn in training only."""
    return site(x, key if train and site.stochastic else None)


def fold(key: jax.Array | None, number: int) -> jax.Array | None:
    """Return the key's own for ``number``, None where there is no key."""
    return None if key is None else jax.random.fold_in(key, number)


def convolution(
    channels: int,
    width: int,
    taps: Sequence[int],
    *,
    stride: int,
    padding: int,
    init: str,
    gain: float | jax.Array,
    act: Act | None = None,
    first: bool = False,
    bias: bool = True,
    dtype: jax.typing.DTypeLike,
    rngs: nnx.Rngs,
) -> nnx.Conv:
    """Return a convolution over ``len(taps)`` axes; by `actlab.nn.convolve`, which says why.

    ``act`` is what its input has passed, unless it is the ``first``: some initialisers ask.
    """
    kernel_init, bias_init = initializer(init, channels * math.prod(taps), gain, act, first=first)
    return nnx.Conv(
        channels,
        width,
        tuple(taps),
        stride,
        padding=[(padding, padding)] * len(taps),
        conv_general_dilated=convolve,
        use_bias=bias,
        kernel_init=kernel_init,
        bias_init=bias_init,
        dtype=dtype,
        rngs=rngs,
    )


def linear(
    d_in: int,
    d_out: int,
    *,
    init: str,
    gain: float | jax.Array,
    act: Act | None = None,
    first: bool = False,
    bias: bool = True,
    dtype: jax.typing.DTypeLike,
    rngs: nnx.Rngs,
) -> nnx.Linear:
    """Return a linear map with the initialiser of that name; ``act`` and ``first`` as of `convolution`."""
    kernel_init, bias_init = initializer(init, d_in, gain, act, first=first)
    return nnx.Linear(
        d_in, d_out, use_bias=bias, kernel_init=kernel_init, bias_init=bias_init, dtype=dtype, rngs=rngs
    )


def space_of(in_shape: Sequence[int], what: str) -> tuple[tuple[int, ...], int]:
    """Return the spatial axes and the channels of a sample: (S,), (S, S) or (S, S, C).

    Raises:
        InputError: another number of axes; ``what`` is who needs it.

    """
    space, channels = (in_shape[:-1], in_shape[-1]) if len(in_shape) == 3 else (in_shape, 1)
    if len(space) not in (1, 2):
        raise InputError(f"{what} needs samples of 1 to 3 axes, this data has shape {tuple(in_shape)}")
    return tuple(space), channels


def at_least(low: int, **values: int) -> None:
    """Raise ``InputError`` unless every named value is an integer >= ``low``."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise InputError(f"{name}={value!r}: must be an integer >= {low}")


def check_gain(gain: float, init: str) -> None:
    """Raise ``InputError`` unless ``gain`` is a number > 0, and the initialiser one that takes it."""
    if not 0 < gain < float("inf"):
        raise InputError(f"gain={gain}: must be a number > 0")
    if init == "lsuv" and gain != 1:
        raise InputError(f"gain={gain}: init=lsuv sets every layer's scale by itself, leave gain at 1")


def not_critical(init: str, why: str) -> None:
    """Raise ``InputError`` where the initialiser is ``critical``, which is of networks of another kind."""
    if init == "critical":
        raise InputError(f"init=critical is of plain layers with biases, and {why}: he_exact fits")


def check_dropout(dropout: float) -> None:
    """Raise ``InputError`` unless 0 <= dropout < 1."""
    if not 0 <= dropout < 1:
        raise InputError(f"dropout={dropout}: must be in [0, 1)")


def block_keys(key: jax.Array | None, count: int) -> list[jax.Array | None]:
    """Return a key for each block, or None for each when there is none."""
    return [None] * count if key is None else [jax.random.fold_in(key, i) for i in range(count)]
