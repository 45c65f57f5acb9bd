"""What a run minimises, of a model's outputs (B, K) and labels (B,) in [0, K)."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax

from actlab.errors import InputError, suggest

LOSSES = ("cross_entropy", "squared_error", "sigmoid_cross_entropy")


@dataclass(frozen=True)
class Loss:
    """A loss by name, one value a sample.

    ``cross_entropy``: of the softmax of the outputs. ``squared_error``: mean over outputs of the squared distance to
    the label's one-hot vector. ``sigmoid_cross_entropy``: mean over outputs, each a yes or no of its own.

    Raises:
        InputError: unknown name.

    """

    name: str = "cross_entropy"

    def __post_init__(self):
        if self.name not in LOSSES:
            raise InputError(f"loss={self.name!r} is unknown{suggest(self.name, LOSSES)}")

    def __call__(self, outputs: jax.Array, labels: jax.Array) -> jax.Array:
        """Return (B,)."""
        if self.name == "cross_entropy":
            return optax.softmax_cross_entropy_with_integer_labels(outputs, labels)
        targets = jax.nn.one_hot(labels, outputs.shape[-1], dtype=outputs.dtype)
        if self.name == "squared_error":
            return jnp.mean(jnp.square(outputs - targets), axis=-1)
        return jnp.mean(optax.sigmoid_binary_cross_entropy(outputs, targets), axis=-1)
