"""Short versions of experiments/04_stability: what theory and earlier measurements say must come out."""

import importlib.util
import math
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import actlab
from actlab.stability import edge_of_stability

FOLDER = Path(__file__).parents[2] / "experiments" / "04_stability"


@pytest.fixture(scope="module", autouse=True)
def beside_their_helpers():
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))


def script(name):
    spec = importlib.util.spec_from_file_location(f"experiment_04_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize(("width", "depth"), [(2, 4), (4, 19)])
def test_born_dead(width, depth):
    born = script("born_dead")
    nets = 10_000
    counts = born.dead(jax.random.key(1), width=width, depth=depth, nets=nets)
    one, both = (int(c) / nets for c in counts)
    assert abs(born.deviation(one, born.formula(width, depth), nets)) < 3
    assert abs(born.deviation(both, born.TABLE[width, depth], nets, born.TABLE_NETS)) < 3
    assert both < born.formula(width, depth - 1) < one


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_the_gradient_shrinks_by_chi_at_each_layer(name):
    layers = script("layers")
    act = actlab.make(name)
    run = [
        layers.profile(jax.random.key(s), layers.images(32), act, width=512, depth=6, gain=1.0)
        for s in range(8)
    ]
    delta = np.array([p.delta_square for p in run], np.float64)
    q = np.mean([p.pre_square for p in run], axis=0)
    measured = (delta[:, :-1] / delta[:, 1:]).mean(axis=0)
    theory = [layers.chi(act, float(v), 1.0) for v in q[:-1]]
    np.testing.assert_allclose(measured, theory, rtol=0.03)
    if name == "sigmoid":
        assert measured[-1] == pytest.approx(
            0.05572, rel=0.02
        )  # chi at the fixed point, reached within five layers


@pytest.mark.slow
def test_selu_keeps_its_fixed_point_for_32_layers_and_relu_does_not():
    layers = script("layers")

    def last(name):
        run = [
            layers.profile(
                jax.random.key(s), layers.images(32), actlab.make(name), width=512, depth=32, gain=1.0
            )
            for s in range(4)
        ]
        mean, square = np.mean([[p.post[-1], p.post_square[-1]] for p in run], axis=0)
        return mean, square - mean**2

    mean, variance = last("selu")
    assert mean == pytest.approx(0, abs=0.06)
    assert variance == pytest.approx(1, abs=0.1)
    assert last("relu")[1] < 1e-8


@pytest.mark.slow
def test_tanh_hovers_at_the_edge_of_stability():
    run = script("edge_of_stability").run("tanh", steps=900, every=50)
    late = run["sharpness"][run["step"] >= 650]
    assert np.abs(late / 20 - 1).max() < 0.12
    assert np.median(late) == pytest.approx(20, rel=0.04)
    assert run["sharpness"][0] < 12
    assert run["residual"].max() < 0.1
    kinds = [e.kind for e in edge_of_stability(run["step"], run["sharpness"], 20.0)]
    assert kinds == ["progressive_sharpening", "edge_of_stability"]


def test_chi_of_relu_is_half_the_gain_squared():
    assert script("layers").chi(actlab.make("relu"), 0.37, math.sqrt(2)) == pytest.approx(1, rel=1e-9)
