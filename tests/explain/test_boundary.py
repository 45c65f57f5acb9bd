import base64
import json
import re

import numpy as np
import pytest
from small_runs import blobs, small_run

from actlab.data import Dataset, digits, rings
from actlab.errors import InputError
from actlab.explain.boundary import film
from actlab.models import MLP
from actlab.report.boundary import LEVELS, drawing, text
from actlab.stats import StatsConfig
from actlab.train import adam
from actlab.values import Bound


def run(act="tanh", **fields):
    fields = {
        "model": Bound.of(MLP, depth=2, width=8),
        "data": rings(),
        "stats": StatsConfig(level="none"),
        "optimizer": adam(learning_rate=0.02),
        "steps": 400,
    } | fields
    return small_run(act=act, eval_every=100, checkpoint_every=400, **fields)


@pytest.fixture(scope="module")
def seen():
    return film(run(), frames=8, grid=16, samples=50)


@pytest.mark.slow
def test_a_film_from_before_training_to_after(seen):
    assert seen.steps[0] == 0 and seen.steps[-1] == 400 and (np.diff(np.diff(seen.steps)) >= 0).all()
    assert seen.layers == ("input", "blocks.0.act", "blocks.1.act")
    frames = len(seen.steps)
    assert seen.points.shape == (frames, 3, 50, 2) and np.abs(seen.points).max() <= 1 + 1e-6
    assert seen.classes.shape == seen.sure.shape == (frames, 16, 16)
    assert seen.sure.min() >= 0.5 - 1e-6 and seen.sure.max() <= 1 + 1e-6
    assert (seen.shown > 0.3).all() and seen.shown[0] == 1


def test_layers_make_rings_linear(seen):
    assert seen.probes[-1, 0] < 0.7  # no line separates rings
    assert seen.probes[-1, 2] > 0.97 and seen.accuracy[-1] > 0.97 > 0.9 > seen.accuracy[0]
    assert (seen.probes[:, 0] == seen.probes[0, 0]).all()  # the input is always the input


@pytest.mark.slow
def test_the_map_is_the_networks_own(seen):
    """The centre is the inner ring's; a corner the outer one's."""
    assert seen.classes[-1, 8, 8] == 0 and seen.classes[-1, 0, 0] == 1 and seen.sure[-1, 8, 8] > 0.9
    low, high = seen.extent[0], seen.extent[1]
    assert low < seen.inputs[:, 0].min() and high > seen.inputs[:, 0].max()


@pytest.mark.slow
def test_the_training_is_the_runs_own(seen):
    one = run()
    state = one.program.init(one.numbers)
    data = one.setup.data
    for _ in range(4):
        state, _, _ = one.program.chunk(state, data.x_train, data.y_train, length=100, every=100)
    import jax.numpy as jnp

    scores, _, _ = one.looks.evaluate(state, data.x_test, data.y_test, jnp.bool_(False))
    assert seen.accuracy[-1] == pytest.approx(float(scores["accuracy"]))


def test_the_page_holds_the_film_and_no_address(seen):
    page = text([("tanh <b>", seen)], "rings", "actlab explain boundary data=rings")
    assert "tanh &lt;b&gt;" in page and "tanh <b>" not in page and "://" not in page
    told = json.loads(re.search(r'id="films">(.*?)</script>', page, re.S)[1])["films"][0]
    cells = np.frombuffer(base64.b64decode(told["map"]), np.uint8).reshape(seen.classes.shape)
    assert np.array_equal(cells // LEVELS, seen.classes)
    points = np.frombuffer(base64.b64decode(told["points"]), np.int8).reshape(seen.points.shape)
    np.testing.assert_allclose(points / 127, seen.points, atol=0.005)
    assert len(drawing([("tanh", seen)], "rings")["vconcat"][0]["hconcat"]) == 4


@pytest.mark.slow
def test_what_has_no_boundary():
    with pytest.raises(
        InputError, match=r"needs points of the plane with classes, digits has shape \(8, 8\)"
    ):
        film(run(data=digits()))
    with pytest.raises(InputError, match="needs a model with an activation"):
        film(run(model=Bound.of(MLP, depth=0)))
    with pytest.raises(InputError, match=r"^frames=1: must be an integer from 2"):
        film(run(), frames=1)
    with pytest.raises(InputError, match="has colours for 7 classes, many has 8"):
        film(run(data=many()))
    with pytest.raises(InputError, match="training diverged at step"):
        film(run(act="relu", optimizer=adam(learning_rate=1e30)))


def many():
    """Eight classes in the plane."""
    x = np.random.default_rng(0).normal(size=(96, 2)).astype(np.float32)
    y = np.arange(96) % 8
    return Dataset("many", x[:64], y[:64], x[64:], y[64:], num_classes=8)


@pytest.mark.slow
def test_the_last_frame_is_the_end_whatever_the_length():
    one = film(run(data=blobs(), steps=431), frames=6, grid=4, samples=10)
    assert one.steps[0] == 0 and one.steps[-1] == 431 and len(set(one.steps)) == len(one.steps)
    assert one.num_classes == 4
