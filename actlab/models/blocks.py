"""What every model here needs: checked sizes, a norm by name, and the block around an activation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from actlab.activations import Act
from actlab.errors import InputError, suggest
from actlab.nn import Activation, kept

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
        h = self.linear(x)
        if isinstance(self.norm, nnx.BatchNorm):
            h = self.norm(h, use_running_average=not train)
        elif self.norm is not None:
            h = self.norm(h)
        h = self.act(
            h, jax.random.fold_in(key, 1) if self.act.stochastic and train and key is not None else None
        )
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


def at_least(low: int, **values: int) -> None:
    """Raise ``InputError`` unless every named value is an integer >= ``low``."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise InputError(f"{name}={value!r}: must be an integer >= {low}")


def check_gain(gain: float) -> None:
    """Raise ``InputError`` unless ``gain`` is a number > 0."""
    if not 0 < gain < float("inf"):
        raise InputError(f"gain={gain}: must be a number > 0")


def check_dropout(dropout: float) -> None:
    """Raise ``InputError`` unless 0 <= dropout < 1."""
    if not 0 <= dropout < 1:
        raise InputError(f"dropout={dropout}: must be in [0, 1)")


def block_keys(key: jax.Array | None, count: int) -> list[jax.Array | None]:
    """Return a key for each block, or None for each when there is none."""
    return [None] * count if key is None else [jax.random.fold_in(key, i) for i in range(count)]
