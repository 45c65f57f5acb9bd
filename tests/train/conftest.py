import pytest
import small_runs

from actlab import models
from actlab.values import Bound

MLP = Bound.of(models.MLP, depth=2, width=8)  # compares by what it says: equal runs are one run


@pytest.fixture(scope="session")
def blobs():
    """Four Gaussian blobs in the plane: learnt in a hundred steps."""
    return small_runs.blobs()


@pytest.fixture
def small_run():
    """Return a maker of small runs; keywords replace fields of the ``Setup`` or of the ``Run``."""

    def make_run(act="tanh", model=None, eval_every=20, checkpoint_every=40, **fields):
        model = model or MLP
        return small_runs.small_run(
            act=act, model=model, eval_every=eval_every, checkpoint_every=checkpoint_every, **fields
        )

    return make_run
