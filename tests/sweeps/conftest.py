import pytest
import small_runs

from actlab import models
from actlab.values import Bound

MLP = Bound.of(models.MLP, depth=2, width=8)  # compares by what it says: runs of equal models share a program


@pytest.fixture
def a_run():
    """Return a maker of small runs; keywords replace fields of the ``Setup`` or of the ``Run``."""

    def make_run(act="tanh", model=MLP, eval_every=20, checkpoint_every=20, steps=60, **fields):
        return small_runs.small_run(
            act=act,
            model=model,
            eval_every=eval_every,
            checkpoint_every=checkpoint_every,
            steps=steps,
            **fields,
        )

    return make_run
