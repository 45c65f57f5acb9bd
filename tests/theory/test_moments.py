"""Moments against published constants, closed forms, and mpmath's quadrature of the catalogue's formulas."""

import functools
import math

import jax
import jax.numpy as jnp
import mpmath as mp
import pytest
from oracle import value

import actlab
from actlab.errors import InputError
from actlab.theory import moments

# mean, second moment
CONSTANTS = {
    "gelu": (0.282094792, 0.425221483),
    "gelu_tanh": (0.282038588, 0.425193711),
    "silu": (0.206620964, 0.355775520),
    "mish": (0.240403888, 0.452342192),
    "elu": (0.160520572, 0.644945418),
    "softplus": (0.806059183, 0.921245909),
    "sigmoid": (0.5, 0.293379036),
    "erf": (0.0, 0.464559054),
    "relu": (0.398942280, 0.5),
}
# 1 / standard deviation: the exact values behind the Monte Carlo constants of NFNet
SPREAD = {
    "relu": 1.712858550,
    "gelu": 1.700926243,
    "silu": 1.787187222,
    "tanh": 1.592537420,
    "sigmoid": 4.801313372,
    "softplus": 1.919125980,
    "elu": 1.270843418,
    "selu": 1.0,
    "leaky_relu": 1.704831627,
    "softsign": 2.337533363,
}
INTEGRATED = [
    ("gelu", {}),
    ("mish", {}),
    ("tanhexp", {}),
    ("selu", {}),
    ("smelu", {"beta": 0.7}),
    ("soft_clipping", {"alpha": 50.0}),
    ("hard_silu", {}),
    ("penalized_tanh", {"a": 0.3}),
    ("threshold", {"theta": 0.3, "value": -0.7}),
    ("hard_shrink", {"lambd": 0.37}),
    ("jump_relu", {"theta": 0.123}),
    ("serlu", {}),
]


@pytest.mark.parametrize("name", CONSTANTS)
def test_published_constants(name):
    found = moments(getattr(actlab, name))
    assert (found.mean, found.second_moment) == pytest.approx(CONSTANTS[name], abs=6e-10)
    assert found.gain == pytest.approx(CONSTANTS[name][1] ** -0.5, rel=2e-9)


@pytest.mark.parametrize("name", SPREAD)
def test_standard_deviations(name):
    found = moments(getattr(actlab, name))
    assert (found.second_moment - found.mean**2) ** -0.5 == pytest.approx(SPREAD[name], rel=6e-10)


def test_gains():
    assert moments(actlab.relu).gain == pytest.approx(math.sqrt(2), rel=1e-15)
    assert moments(actlab.tanh).gain == pytest.approx(1.592537420, rel=3e-10)
    assert moments(actlab.selu).mean == pytest.approx(0, abs=1e-15)
    assert moments(actlab.selu).gain == pytest.approx(1, abs=1e-13)
    for slope in (0.01, 0.25):
        he = math.sqrt(2 / (1 + slope**2))
        found = moments(actlab.make("leaky_relu", negative_slope=slope))
        assert found.gain == pytest.approx(he, rel=1e-15)
        assert found.slope_second_moment == pytest.approx(he**-2, rel=1e-15)


@pytest.mark.parametrize(("name", "params"), INTEGRATED, ids=str)
def test_against_mpmath(name, params):
    spec = getattr(actlab, name).spec.at(**params)
    told = {e.at for e in (*spec.kinks, *spec.jumps)}
    told |= {
        side * value for side in (-1, 1) for value in params.values() if value < 30
    }  # f'' of smelu jumps
    edges = sorted({-30, *range(-12, 13), 30, *told})

    f = functools.cache(lambda x: value(spec, x, **params))
    with mp.workdps(25):
        mean = mp.quad(lambda x: f(x) * mp.npdf(x), edges)
        second = mp.quad(lambda x: f(x) ** 2 * mp.npdf(x), edges)
    found = moments(actlab.make(name, **params))
    assert found.mean == pytest.approx(float(mean), rel=1e-12, abs=1e-15)
    assert found.second_moment == pytest.approx(float(second), rel=1e-12)
    assert found.error < 1e-13


def cdf(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


def test_closed_forms():
    """What grows, what is narrow, and what oscillates."""
    e = math.exp
    found = moments(actlab.exponential)
    assert (found.mean, found.second_moment) == pytest.approx((e(0.5), e(2)), rel=1e-14)
    assert found.slope_second_moment == pytest.approx(e(2), rel=1e-14)
    second = 2 * e(2) * cdf(2) - 4 * e(0.5) * cdf(1) + 1
    assert moments(actlab.symexp).second_moment == pytest.approx(second, rel=1e-14)
    found = moments(actlab.square)
    assert (found.mean, found.second_moment, found.slope_second_moment) == pytest.approx((1, 3, 4), rel=1e-14)
    for sigma in (1e-3, 0.1, 3.0):
        found = moments(actlab.make("gaussian_sigma", sigma=sigma))
        assert found.mean == pytest.approx(sigma / math.hypot(1, sigma), rel=1e-13)
        assert found.second_moment == pytest.approx(sigma / math.sqrt(2 + sigma**2), rel=1e-13)
    for w in (1.0, 30.0, 500.0):
        found = moments(actlab.make("siren_sine", w0=w))
        assert found.mean == 0
        assert found.second_moment == pytest.approx((1 - e(-2 * w * w)) / 2, rel=1e-13)
        assert found.slope_second_moment == pytest.approx(w * w * (1 + e(-2 * w * w)) / 2, rel=1e-13)


@pytest.mark.slow
def test_every_listed_function_is_known_to_1e_13():
    real = [name for name in actlab.names() if getattr(actlab, name).spec.elementwise]
    assert {name: e for name in real[::6] if (e := moments(name).error) > 1e-13} == {}


def test_a_function_without_spec_has_its_kinks_found():
    for theirs, ours in ((jax.nn.relu6, actlab.relu6), (jax.nn.hard_swish, actlab.hard_silu)):
        a, b = moments(theirs), moments(ours)
        for field in ("mean", "second_moment", "slope_second_moment"):
            assert getattr(a, field) == pytest.approx(getattr(b, field), rel=1e-12)
    found = moments(lambda x: jnp.where(x > 0.1234567, 1.0, -2.0))
    assert found.mean == pytest.approx(1 - 3 * cdf(0.1234567), rel=1e-12)
    assert found.error < 1e-13


def test_slope_is_that_of_the_surrogate():
    assert moments(actlab.heaviside).slope_second_moment == 0
    assert moments(actlab.heaviside_ste).slope_second_moment == pytest.approx(1, rel=1e-14)
    inside = moments(actlab.sign_ste).slope_second_moment
    assert inside == pytest.approx(math.erf(math.sqrt(0.5)), rel=1e-14)


def test_names_acts_learnt_and_lean_ones():
    assert moments("gelu") == moments(actlab.gelu) == moments(actlab.lean("gelu"))
    assert moments(actlab.make("prelu", learn=["negative_slope"])) == moments("prelu")


def test_endless_moments_are_infinite():
    found = moments(actlab.make("soft_exponential", alpha=20.0))  # E exp(40 z) is no float64
    assert found.second_moment == found.slope_second_moment == math.inf
    assert found.gain == 0
    assert math.isnan(moments(lambda x: jnp.sign(x) * jnp.exp(0.5 * x * x)).mean)
    assert moments(lambda x: jnp.zeros_like(x)).gain == math.inf
    # The slope of a root: its square has no integral, and the estimate says so.
    assert moments(lambda x: jnp.sqrt(jnp.abs(x))).error > 1e-3


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("softmax", "softmax is not elementwise"),
        ("swiglu", "swiglu is not elementwise"),
        (jax.nn.softmax, "softmax is not elementwise"),
        (lambda x: jax.lax.complex(x, x), "has complex values"),
        (jnp.log, "jax.numpy:log is NaN at -"),
        ("gleu", "did you mean"),
    ],
)
def test_what_cannot_be(bad, told):
    with pytest.raises(InputError, match=told) as caught:
        moments(bad)
    assert "\n" not in str(caught.value)


def test_the_precision_of_the_session_stays():
    moments("gelu")
    assert not jax.config.jax_enable_x64
    assert jnp.ones(1).dtype == jnp.float32
    # Inside a trace it is a number still.
    scaled = jax.jit(lambda x: x * moments("silu").gain)(jnp.ones(2))
    assert scaled.dtype == jnp.float32
    assert scaled[0] == pytest.approx(0.355775520**-0.5, rel=1e-6)
