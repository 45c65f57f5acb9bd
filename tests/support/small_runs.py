"""Small runs to train in tests: four Gaussian blobs in the plane, learnt in a hundred steps."""

import functools

import jax.numpy as jnp
import numpy as np

from actlab.activations import make
from actlab.data import Dataset
from actlab.stats import StatsConfig
from actlab.train import Run, adam
from actlab.train.setup import Setup


@functools.cache
def blobs():
    """Return the data set; always the same one, since they compare by identity."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 300).astype(np.int32)
    centres = np.array([[2, 2], [2, -2], [-2, 2], [-2, -2]], np.float32)
    x = (centres[y] + rng.normal(size=(300, 2))).astype(np.float32)
    return Dataset("blobs", x[:200], y[:200], x[200:], y[200:], num_classes=4)


@functools.cache
def line():
    """Return a data set of two real targets for each of 300 numbers."""
    x = np.linspace(-1, 1, 300)[:, None]
    y = np.concatenate([x, x**2], 1)
    return Dataset("line", x[::2], y[::2], x[1::2], y[1::2])


@functools.lru_cache(maxsize=32)
def the_one(run):
    """Return the first run made that is equal to this one: its programs are compiled already."""
    return run


def small_run(*, act, model, eval_every, checkpoint_every, **fields):
    """Return a run on the blobs, the same one for the same arguments; ``fields`` replace those of its ``Setup``."""
    defaults = {
        "model": model,
        "act": make(act) if isinstance(act, str) else act,
        "data": blobs(),
        "optimizer": adam(learning_rate=0.02),
        "stats": StatsConfig(every=10),
        "seed": 0,
        "steps": 80,
        "batch_size": 32,
        "order": "shuffled",
        "dtype": jnp.float32,
    }
    return the_one(Run(Setup(**(defaults | fields)), eval_every, checkpoint_every))
