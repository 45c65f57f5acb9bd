"""One small convolutional network, trained on the digits for two seconds, and subjects whose optima are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.activations import make
from actlab.data import digits
from actlab.explain.subject import Subject, of_run
from actlab.models import ConvNet
from actlab.probes import probe
from actlab.stats import StatsConfig
from actlab.train import Run, adam
from actlab.train.setup import Setup
from actlab.values import Bound


@pytest.fixture(scope="session")
def trained():
    """A run of the digits and its state after 200 steps."""
    model = Bound.of(ConvNet, depth=2, width=8, kernel_size=3)
    setup = Setup(
        model=model,
        act=make("relu"),
        data=digits(),
        optimizer=adam(learning_rate=0.01),
        stats=StatsConfig(level="none"),
        seed=0,
        steps=200,
        batch_size=50,
        order="shuffled",
        dtype=jnp.float32,
    )
    run = Run(setup, 200, 200)
    state = run.program.init(run.numbers)
    x, y = jnp.asarray(setup.data.x_train), jnp.asarray(setup.data.y_train)
    state, *_ = run.program.chunk(state, x, y, length=200, every=setup.stats.every)
    return run, state


@pytest.fixture(scope="session")
def subject(trained):
    """The trained network as a subject."""
    return of_run(*trained, "digits")


def linear(weights, low=-1.0, high=2.0, kind="vector", act=lambda v: v, radius=None):
    """Return a subject with one site, whose values before ``act`` are its inputs times a matrix (S, C)."""

    def apply(w, x):
        pre = probe(x @ w, "a.pre")
        return probe(act(pre), "a.post")

    weights = jnp.asarray(weights, jnp.float32)
    return Subject("linear", apply, weights, (len(weights),), low, high, kind, radius=radius)


@pytest.fixture
def known():
    """Give `linear`."""
    return linear


def relu(x):
    return jax.nn.relu(x)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
