import jax
import numpy as np
import pytest

from actlab import models
from actlab.activations import make
from actlab.data import Dataset
from actlab.stats import StatsConfig
from actlab.train import Run, adam
from actlab.train.setup import Setup
from actlab.values import Bound


@pytest.fixture(scope="session")
def blobs():
    """Four Gaussian blobs in the plane: learnt in a hundred steps."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 300).astype(np.int32)
    centres = np.array([[2, 2], [2, -2], [-2, 2], [-2, -2]], np.float32)
    x = (centres[y] + rng.normal(size=(300, 2))).astype(np.float32)
    return Dataset("blobs", x[:200], y[:200], x[200:], y[200:], num_classes=4)


@pytest.fixture
def a_run(blobs):
    """Return a maker of small runs; keywords replace fields of the ``Setup`` or of the ``Run``."""

    def make_run(act="tanh", eval_every=20, checkpoint_every=20, **fields):
        defaults = {
            "model": Bound.of(models.MLP, depth=2, width=8),
            "act": make(act) if isinstance(act, str) else act,
            "data": blobs,
            "optimizer": adam(learning_rate=0.02),
            "stats": StatsConfig(every=10),
            "seed": 0,
            "steps": 60,
            "batch_size": 32,
            "order": "shuffled",
            "dtype": jax.numpy.float32,
        }
        return Run(Setup(**(defaults | fields)), eval_every, checkpoint_every)

    return make_run
