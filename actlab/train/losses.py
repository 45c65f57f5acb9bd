"""What a run minimises, of a model's outputs and the labels, one value a sample.

Shapes: B samples, T positions, K outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax

from actlab.errors import InputError, suggest

LOSSES = ("cross_entropy", "squared_error", "sigmoid_cross_entropy")
OF_CLASSES = ("cross_entropy", "sigmoid_cross_entropy")


@dataclass(frozen=True)
class Loss:
    """A loss by name, one value a sample: the mean over its positions where it has labels at several.

    ``cross_entropy``: of the softmax of the outputs. ``squared_error``: mean over outputs of the squared distance to
    the label's one-hot vector, or to the targets where these are real numbers. ``sigmoid_cross_entropy``: mean over
    outputs, each a yes or no of its own.

    ``z`` adds ``z`` times the square of the outputs' logsumexp, which holds the softmax's normaliser near 1.

    Raises:
        InputError: unknown name, or a z that cannot be.

    Source of z: Chowdhery et al. 2022, PaLM, arXiv:2204.02311, there 1e-4; Wortsman et al. 2023, arXiv:2309.14322.
    """

    name: str = "cross_entropy"
    z: float = 0.0

    def __post_init__(self):
        if self.name not in LOSSES:
            raise InputError(f"loss={self.name!r} is unknown{suggest(self.name, LOSSES)}")
        if not 0 <= self.z < float("inf"):
            raise InputError(f"z_loss={self.z}: must be a number >= 0")
        if self.z and self.name != "cross_entropy":
            raise InputError(
                f"z_loss={self.z} is of a softmax: it goes with loss=cross_entropy, not {self.name}"
            )

    def __call__(self, outputs: jax.Array, labels: jax.Array) -> jax.Array:
        """Return (B,) of outputs (B, ..., K) and labels (B, ...) in [0, K), or targets (B, ..., K).

        Raises:
            InputError: shapes that do not fit together.

        """
        real = jnp.issubdtype(labels.dtype, jnp.floating)
        if (got := outputs.shape if real else outputs.shape[:-1]) != labels.shape:
            what = "the targets are" if real else "there is a label for each of"
            raise InputError(
                f"the model gives {outputs.shape}, {what} {labels.shape}: "
                + ("must be the same" if real else f"outputs for {got} do not answer them")
            )
        losses = self._plain(outputs, labels, real)
        if self.z:
            losses = losses + self.z * jnp.square(jax.nn.logsumexp(outputs, axis=-1))
        return losses if losses.ndim == 1 else losses.mean(axis=tuple(range(1, losses.ndim)))

    def _plain(self, outputs: jax.Array, labels: jax.Array, real: bool) -> jax.Array:
        if self.name == "cross_entropy":
            return optax.softmax_cross_entropy_with_integer_labels(outputs, labels)
        targets = labels if real else jax.nn.one_hot(labels, outputs.shape[-1], dtype=outputs.dtype)
        if self.name == "squared_error":
            return jnp.mean(jnp.square(outputs - targets), axis=-1)
        return jnp.mean(optax.sigmoid_binary_cross_entropy(outputs, targets), axis=-1)
