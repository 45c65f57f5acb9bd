"""Gains against closed forms, and what has none."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

import actlab
from actlab.activations.spec import activation
from actlab.errors import InputError
from actlab.theory import gain, maps, moments, table
from actlab.theory.mesh import mesh


def test_known_gains():
    assert gain(actlab.relu) == pytest.approx(2**0.5, rel=1e-14)
    assert gain(actlab.make("leaky_relu", negative_slope=0.3)) == pytest.approx((2 / 1.09) ** 0.5, rel=1e-14)
    assert gain("tanh") == pytest.approx(1.592537420, abs=5e-10)
    assert gain("selu") == pytest.approx(1.0, abs=1e-13)
    learnt = actlab.make("prelu", learn=["negative_slope"], negative_slope=0.3)
    assert gain(learnt) == gain(actlab.make("leaky_relu", negative_slope=0.3))


def test_gated_ones():
    """A factor of the gate times an independent operand of variance 1 has the factor's gain."""
    for gated, factor in (("swiglu", "silu"), ("glu", "sigmoid"), ("geglu", "gelu"), ("reglu", "relu")):
        assert gain(gated) == pytest.approx(gain(factor), rel=1e-12)
    assert gain("gtu") == pytest.approx(gain("tanh") * gain("sigmoid"), rel=1e-12)
    # min(g, l) sigmoid(alpha min(g, l)) (clip(u, -l, l) + 1), by midpoints fine enough for the clamps
    g = np.arange(-12, 12, 1e-3) + 5e-4
    bell = np.exp(-0.5 * g * g) / math.sqrt(2 * math.pi) * 1e-3
    low = np.minimum(g, 1.3)
    gate = (low / (1 + np.exp(-1.5 * low))) ** 2 @ bell
    up = (np.clip(g, -1.3, 1.3) + 1) ** 2 @ bell
    clamped = actlab.make("swiglu_oai", alpha=1.5, limit=1.3)
    assert gain(clamped) == pytest.approx((gate * up) ** -0.5, rel=1e-6)


@pytest.mark.slow
def test_a_table_is_the_moments_of_each():
    names = ["relu", "gelu", "heaviside", "siren_sine"]
    found = table(names, q=[0.5, 1.0])
    assert found.names == tuple(names) and found.gain.shape == (2, 4)
    for i, name in enumerate(names):
        one = moments(name)
        wanted = (one.mean, one.second_moment, one.slope_second_moment)
        got = [v[1, i] for v in (found.mean, found.second_moment, found.slope_second_moment)]
        assert got == pytest.approx(wanted, rel=1e-12, abs=1e-14)
    assert found.second_moment[0, 0] == pytest.approx(0.25, rel=1e-13)
    with pytest.raises(InputError, match="variances q must be in"):
        table(names, q=2.0)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("softmax", "gain: softmax is not elementwise"),
        ("rrelu", "gain: rrelu is random"),
        (lambda x: jnp.exp(0.3 * x * x), "outgrows what a Gaussian decays"),
        (lambda x: 1 / x, "E f\\(z\\)\\^2 of .* has no finite value: its square is not integrable"),
        (lambda x: jnp.zeros_like(x), "is 0 almost everywhere"),
    ],
)
def test_what_cannot_be(bad, told):
    with pytest.raises(InputError, match=told):
        gain(bad)


def test_a_slope_without_a_variance_stops_maps_and_not_gains():
    def root(x):
        return jnp.sqrt(jnp.abs(x))

    assert gain(root) == pytest.approx((2 / math.pi) ** -0.25, rel=1e-9)
    with pytest.raises(InputError, match="maps: E f'\\(z\\)\\^2 of .*root has no finite value"):
        maps(root, 1.0)


def test_a_kink_that_the_spec_does_not_declare_is_told():
    @activation(
        family="mine",
        formula="abs(x-1)",
        range=actlab.abs.spec.range,
        monotonic=False,
        smoothness="C0",
        lipschitz=1.0,
        limits=(math.inf, math.inf),
        reference="",
    )
    def shifted(x):
        return jnp.abs(x - 0.7)

    with pytest.raises(InputError, match="jumps at 0.7, which its spec does not declare"):
        mesh(actlab.make(shifted))
