"""Signal and gradient through a wide network: closed forms, published constants, and networks that were drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.activations import make
from actlab.nn import initializer
from actlab.nn.initializers import KERNELS
from actlab.stability.gains import VARIANCES, fitting, follow, maps
from actlab.theory import moments


@pytest.mark.parametrize("name", ["relu", "gelu", "tanh", "selu", "sigmoid", "silu"])
def test_at_variance_one_the_maps_are_the_moments(name):
    value, slope = maps(make(name)).at(1.0)
    exact = moments(make(name))
    assert value == pytest.approx(exact.second_moment, rel=1e-3)
    assert slope == pytest.approx(exact.slope_second_moment, rel=2e-3)


@pytest.mark.parametrize("q", [1e-6, 0.01, 0.37, 40.0, 1e6])
def test_relu_is_a_straight_line(q):
    value, slope = maps(make("relu")).at(q)
    assert value == pytest.approx(q / 2, rel=2e-3)
    assert slope == pytest.approx(0.5, rel=2e-3)


def test_following_relu_and_tanh_near_zero():
    signal, gradient = follow(maps(make("relu")), "he_normal", 1.0, 50)
    assert (signal, gradient) == (pytest.approx(1, rel=0.1), pytest.approx(1, rel=0.1))
    _, gradient = follow(maps(make("tanh")), "lecun_normal", 1e-8, 2)
    assert gradient == pytest.approx(1.0, rel=1e-3)  # at 0 tanh is the identity


def test_the_sigmoid_shrinks_the_gradient_as_known():
    """chi(q*) of sigmoid under weights of variance 1: 0.0557 at width infinity."""
    found = maps(make("sigmoid"))
    one, two = (follow(found, "orthogonal", 0.3, depth)[1] for depth in (30, 31))
    assert two / one == pytest.approx(0.0557, rel=0.02)


@pytest.mark.parametrize(
    ("name", "best"), [("relu", "he_normal"), ("selu", "lecun_normal"), ("leaky_relu", "he_normal")]
)
@pytest.mark.parametrize("depth", [4, 30])
def test_the_initialiser_made_for_it(name, best, depth):
    assert fitting(make(name), depth) == best


def test_the_first_layer_scales_with_the_initialiser():
    assert fitting(make("relu"), 10, q=1 / 3, used="torch_default") == "he_normal"


@pytest.mark.parametrize("name", sorted(KERNELS.keys() - {"lsuv"}))  # whose variances are measured
def test_variances_are_what_the_initialisers_draw(name):
    n = 400
    kernel, _ = initializer(name, fan_in=n)
    weights = np.asarray(kernel(jax.random.key(0), (n, n), jnp.float32), np.float64)
    assert weights.var() * n == pytest.approx(VARIANCES[name], rel=0.02)


def test_a_function_that_overflows_is_followed_to_the_end():
    signal, gradient = follow(maps(make("exponential")), "he_normal", 1.0, 20)
    assert signal > 1e20
    assert np.isfinite([signal, gradient]).all()
    assert fitting(make("exponential"), 20) in VARIANCES


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "init"), [("relu", "torch_default"), ("tanh", "he_normal"), ("gelu", "lecun_normal")]
)
def test_a_network_that_was_drawn_does_as_theory_says(name, init):
    """Ten layers of 1000 units, one sample of unit size; the mean over 4 draws."""
    act, width, depth = make(name), 1000, 10
    signals, rng = [], np.random.default_rng(0)
    for seed in range(4):
        kernel, bias = initializer(init, fan_in=width)
        h, powers = rng.normal(size=width).astype(np.float32), []
        for k in range(depth):
            keys = jax.random.split(jax.random.key(100 * seed + k))
            pre = h @ kernel(keys[0], (width, width), jnp.float32) + bias(keys[1], (width,), jnp.float32)
            powers.append(float(jnp.mean(pre**2)))
            h = act(pre)
        signals.append(powers)
    drawn = np.mean(signals, axis=0)
    expected, _ = follow(maps(act), init, drawn[0], depth, width)
    assert drawn[-1] / drawn[0] == pytest.approx(expected, rel=0.15)
    assert follow(maps(act), init, drawn[0], 1, width) == (1.0, 1.0)
