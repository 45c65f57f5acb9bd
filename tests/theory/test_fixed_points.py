"""Fixed points against mpmath's roots, and stretches against the edges they end at."""

import math

import jax
import jax.numpy as jnp
import mpmath as mp
import pytest
from oracle import value

import actlab
from actlab import Interval
from actlab.errors import InputError
from actlab.theory import fixed_points

# starts for mpmath's root finder, one for every fixed point there is in [-50, 50]
STARTS = {
    ("cos", ()): [0.7],
    ("gaussian", ()): [0.65],
    ("gaussian_sigma", ()): [0.18],
    ("sigmoid", ()): [0.66],
    ("normal_cdf", ()): [0.78],
    ("elliott", ()): [0.7],
    ("erf", ()): [-0.6, 0.0, 0.6],
    ("scaled_tanh", ()): [-1.0, 0.0, 1.0],
    ("selu", ()): [-1.26, 0.0],
    ("serlu", ()): [-1.14, 0.0],
    ("star_relu", ()): [-0.45, 1.46],
    ("dsilu", ()): [0.9],
    ("swish", (("beta", -1.0),)): [0.0],
    ("ricker", ()): [0.53],
    ("hard_sigmoid", ()): [0.6],
    ("flatten_t_swish", ()): [-0.2],
}


@pytest.mark.parametrize("key", STARTS, ids=str)
def test_points_are_the_roots(key):
    name, params = key
    spec = getattr(actlab, name).spec
    with mp.workdps(40):
        roots = [
            mp.findroot(lambda x: value(spec, x, **dict(params)) - x, (s, s + 1e-3)) for s in STARTS[key]
        ]
    points, stretches = fixed_points(actlab.make(name, **dict(params)))
    assert not stretches
    assert len(points) == len(roots)
    assert points == pytest.approx([float(r) for r in roots], abs=1e-12)


def test_points_that_f_only_touches():
    every = [k * math.pi for k in range(-15, 16)]
    assert fixed_points("snake")[0] == pytest.approx(every, abs=1e-12)  # x + sin(x)^2
    assert fixed_points("gcu")[0] == pytest.approx(every[1::2], abs=1e-12)  # x cos(x)
    assert fixed_points(lambda x: x + x**9) == ((0.0,), ())


def test_steps_stay_only_where_they_hit():
    assert fixed_points("heaviside") == ((1.0,), ())
    assert fixed_points("sign") == ((-1.0, 0.0, 1.0), ())
    assert fixed_points(jnp.round)[0] == tuple(float(k) for k in range(-50, 51))
    assert fixed_points(lambda x: jnp.where(x > 0.3, -1.0, 1.0)) == ((), ())


STRETCHES = {
    ("identity", ()): [Interval(-50.0, 50.0)],
    ("relu", ()): [Interval(0.0, 50.0)],
    ("abs", ()): [Interval(0.0, 50.0)],
    ("elu", ()): [Interval(0.0, 50.0)],
    ("isrlu", ()): [Interval(0.0, 50.0)],
    ("smelu", (("beta", 0.7),)): [Interval(0.7, 50.0)],
    ("relu_n", (("n", 0.3),)): [Interval(0.0, 0.3)],
    ("hard_tanh", ()): [Interval(-1.0, 1.0)],
    ("leaky_relu", (("negative_slope", 1.0),)): [Interval(-50.0, 50.0)],
}


@pytest.mark.parametrize("key", STRETCHES, ids=str)
def test_stretches(key):
    name, params = key
    points, stretches = fixed_points(actlab.make(name, **dict(params)))
    assert not points
    assert [(s.low, s.high) for s in stretches] == [
        (pytest.approx(s.low, abs=1e-12), pytest.approx(s.high, abs=1e-12)) for s in STRETCHES[key]
    ]


def test_stretches_beside_points_and_open_ends():
    assert fixed_points(actlab.make("hard_silu")) == ((0.0,), (Interval(3.0, 50.0),))
    left, right = Interval(-50.0, -0.5, open_high=True), Interval(0.5, 50.0, open_low=True)
    assert fixed_points("hard_shrink") == ((0.0,), (left, right))


def test_without_spec_the_ends_are_found():
    assert fixed_points(jax.nn.relu6)[1][0].high == pytest.approx(6, abs=1e-12)
    (stretch,) = fixed_points(lambda x: jnp.where(x > 0.7123456789, x, x - (x - 0.7123456789) ** 2))[1]
    assert stretch.low == pytest.approx(0.7123456789, abs=1e-12)


@pytest.mark.parametrize(
    "name", ["gelu", "silu", "mish", "tanhexp", "squareplus", "softplus", "smu", "log_sigmoid"]
)
def test_fading_into_the_identity_is_no_stretch(name):
    points, stretches = fixed_points(name)
    assert stretches == ()
    assert set(points) <= {0.0}


def test_not_elementwise():
    with pytest.raises(InputError, match="fixed_points: softmax is not elementwise"):
        fixed_points("softmax")
