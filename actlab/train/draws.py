"""What a run draws at random outside of its model: the batch of each step, and the noise of its labels.

All of it is a function of the run's seed and the step. Shapes: N samples, L steps, B batch.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from actlab.data import batch_indices
from actlab.train.setup import Setup, TrainState


def keys(state: TrainState) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return the keys of a run's batches, of its dropout and of its labels' noise."""
    root = jax.random.key(state.numbers["seed"])
    return jax.random.fold_in(root, 1), jax.random.fold_in(root, 2), jax.random.fold_in(root, 3)


def drawn(setup: Setup, state: TrainState, size: int, length: int) -> jax.Array:
    """Return what each of the next steps sees of the samples it is given, int32.

    Indices (L, B) of all ``size`` samples; of a streamed data set, whose batches were chosen before, (L,) of these.
    """
    if setup.data.stream is not None:
        return jnp.arange(length)
    return batch_indices(
        keys(state)[0],
        state.step + state.aside["shift"],
        length=length,
        size=size,
        batch=setup.batch_size,
        order=setup.order,
    )


def noisy(setup: Setup, state: TrainState, y: jax.Array) -> jax.Array:
    """Return all training labels as the run sees them: some replaced, if it asks for that."""
    if "label_noise" not in state.numbers:
        return y
    which, values = jax.random.split(keys(state)[2])
    replaced = jax.random.uniform(which, y.shape) < state.numbers["label_noise"]
    return jnp.where(replaced, jax.random.randint(values, y.shape, 0, setup.data.num_classes), y)


def labels(setup: Setup, state: TrainState, y: jax.Array) -> jax.Array:
    """Return the labels that came with the samples, noise in them: streamed ones have it already."""
    return y if setup.data.stream is not None else noisy(setup, state, y)
