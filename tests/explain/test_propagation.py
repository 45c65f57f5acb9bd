import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from small_runs import small_run

from actlab.data import digits
from actlab.errors import InputError
from actlab.explain.propagation import _cosine, _square, disagreements, propagation
from actlab.models import MLP
from actlab.report.propagation import agreement, explanation
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


@pytest.mark.slow
def test_he_keeps_relus_variance_and_gradient(relu):
    """He et al. 2015: every layer keeps the mean square on average, forward and backward."""
    assert relu.q.shape == relu.c.shape == relu.g.shape == (12, 6)
    error = relu.q.std(0) / 12**0.5
    assert (np.abs(relu.q.mean(0) - 2 * relu.inputs[0]) < 4 * error).all()
    ratio = (relu.g[:, 0] / relu.g[:, -1]) ** 2
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / 12**0.5


@pytest.mark.slow
def test_relus_cosine_follows_the_arc_cosine_map(relu):
    """Cho & Saul 2009; pairs differ, so the map of the mean is compared with some room."""
    c = relu.c.mean(0)
    for before, after in pairwise(c):
        map_ = (np.sqrt(1 - before**2) + before * (np.pi - np.arccos(before))) / np.pi
        assert after == pytest.approx(map_, abs=0.04)
    assert c[0] == pytest.approx(relu.inputs[1], abs=0.05)  # a linear map keeps cosines


def test_theory_expects_what_is_measured(relu):
    assert relu.theory.q == pytest.approx(2 * relu.inputs[0], rel=1e-4)  # He's, of this data
    error = relu.theory.c_sd / 12**0.5
    assert (np.abs(relu.c.mean(0) - relu.theory.c) < 3 * error).all()
    assert disagreements(relu) == [] and agreement(relu) == "agrees"


def test_a_network_that_does_not_do_what_theory_says_is_told(relu):
    other = dataclasses.replace(relu, c=relu.c + np.array([0, 0, 0, 0.15, 0, 0]))
    found = disagreements(other)
    assert [(d.quantity, d.site) for d in found] == [("cosine", "blocks.3.act")]
    assert found[0].measured - found[0].expected == pytest.approx(0.15, abs=0.04)
    assert agreement(other).startswith("differs: cosine at blocks.3.act 0.9")
    weak = dataclasses.replace(relu, g=relu.g * np.array([0.3, 1, 1, 1, 1, 1]))
    assert [(d.quantity, d.site) for d in disagreements(weak)] == [("gradient", "blocks.0.act")]


@pytest.mark.slow
def test_a_gain_too_small_loses_signal_and_gradient():
    small = propagation(run(act="sigmoid", init="lecun_normal"), seeds=4, trained=0)
    fall = np.median(small.g[:, :-1] / small.g[:, 1:], 0)
    assert (fall < 0.35).all()  # a sigmoid's slope is at most a quarter
    assert disagreements(small) == []
    assert small.scores.shape == (0,) and np.median(small.c[:, -1]) > 0.99


@pytest.mark.parametrize("scale", [1e-37, 1e-25, 1.0, 1e20])
def test_a_signal_at_the_ends_of_float32_has_its_cosine(scale):
    h = np.random.default_rng(0).normal(size=(16, 40))
    unit = h / np.linalg.norm(h, axis=1, keepdims=True)
    pairs = (unit @ unit.T)[~np.eye(16, dtype=bool)]
    assert _cosine((h * scale).astype(np.float32)) == pytest.approx(pairs.mean(), abs=1e-6)
    assert _square((h * scale).astype(np.float32)) == pytest.approx(np.mean(h**2) * scale**2, rel=1e-5)


def test_rows_that_are_gone_are_in_no_pair():
    h = np.ones((6, 4), np.float32)
    h[:3] = 0
    assert _cosine(h) == pytest.approx(1)
    h[:5] = 0
    assert np.isnan(_cosine(h))


@pytest.mark.slow
def test_a_page_of_a_signal_that_dies(relu):
    dead = propagation(run(act="relu", depth=3, width=2, init="lecun_normal"), seeds=3, trained=0)
    dead = dataclasses.replace(dead, q=dead.q * 0, c=dead.c * np.nan, g=dead.g * 0)
    page = explanation([("dead", dead)], "MLP", "digits")
    assert page.table[0][1:4] == ["0", "nothing arrives", "none at the last"]
    assert set(page.views[0].tables["sites"]["middle"]) == {None}


@pytest.mark.slow
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
