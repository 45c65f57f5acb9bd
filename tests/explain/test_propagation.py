from itertools import pairwise

import numpy as np
import pytest
from small_runs import small_run

from actlab.data import digits
from actlab.errors import InputError
from actlab.explain.propagation import propagation
from actlab.models import MLP
from actlab.report.propagation import explanation
from actlab.stats import StatsConfig
from actlab.train import adam
from actlab.values import Bound


def run(act="relu", depth=6, width=128, init="he_normal", **fields):
    fields = {
        "data": digits(),
        "stats": StatsConfig(level="none"),
        "optimizer": adam(learning_rate=0.001),
    } | fields
    model = Bound.of(MLP, depth=depth, width=width, init=init)
    return small_run(act=act, model=model, eval_every=100, checkpoint_every=100, **fields)


@pytest.fixture(scope="module")
def relu():
    return propagation(run(steps=100), seeds=12, trained=2)


def test_he_keeps_relus_variance_and_gradient(relu):
    """He et al. 2015: every layer keeps the mean square on average, forward and backward."""
    assert relu.q.shape == relu.c.shape == relu.g.shape == (12, 6)
    error = relu.q.std(0) / 12**0.5
    assert (np.abs(relu.q.mean(0) - 2 * relu.inputs[0]) < 4 * error).all()
    ratio = (relu.g[:, 0] / relu.g[:, -1]) ** 2
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / 12**0.5


def test_relus_cosine_follows_the_arc_cosine_map(relu):
    """Cho & Saul 2009; pairs differ, so the map of the mean is compared with some room."""
    c = relu.c.mean(0)
    for before, after in pairwise(c):
        map_ = (np.sqrt(1 - before**2) + before * (np.pi - np.arccos(before))) / np.pi
        assert after == pytest.approx(map_, abs=0.04)
    assert c[0] == pytest.approx(relu.inputs[1], abs=0.05)  # a linear map keeps cosines


def test_a_gain_too_small_loses_signal_and_gradient():
    small = propagation(run(act="sigmoid", init="lecun_normal"), seeds=4, trained=0)
    fall = np.median(small.g[:, :-1] / small.g[:, 1:], 0)
    assert (fall < 0.35).all()  # a sigmoid's slope is at most a quarter
    assert small.scores.shape == (0,) and np.median(small.c[:, -1]) > 0.99


def test_it_trains_what_it_says(relu):
    assert relu.scores.shape == (2,) and (relu.scores > 0.6).all() and 0.1 < relu.chance < 0.2
    lost = propagation(run(steps=100, optimizer=adam(learning_rate=1e30)), seeds=2, trained=1)
    assert np.isnan(lost.scores).all()
    page = explanation([("relu", relu), ("lost", lost)], "MLP", "digits")
    assert page.table[1][-1] == "1 of 1 diverged" and page.table[0][0] == "relu"
    assert page.views[0].title == "Variance by depth"
    assert len(page.views) == 4


def test_what_cannot_be():
    with pytest.raises(InputError, match="^seeds=1, trained=0: at least 2 seeds"):
        propagation(run(), seeds=1, trained=0)
    with pytest.raises(InputError, match="needs a model with an activation"):
        propagation(run(depth=0))
