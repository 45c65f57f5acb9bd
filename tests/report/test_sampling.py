"""Curves: right values, cut at every jump, fine at every bend, seen through a fitting window."""

import jax.numpy as jnp
import numpy as np
import pytest

from actlab.activations import make
from actlab.errors import InputError
from actlab.report import sampling
from actlab.report.sampling import curves

SOME = [
    "relu",
    "gelu",
    "elu",
    "hard_shrink",
    "round_ste",
    "quantized_relu_ste",
    "sin",
    "siren_sine",
    "spike_atan",
    "soft_cap",
    "softmax",
    "sparsemax",
    "swiglu",
    "crelu",
    "wire_gabor",
    "relu6",
]


@pytest.fixture(scope="module")
def drawn():
    return {name: curves(make(name)) for name in SOME}


def stairs(x):
    """Jumps at 0.3 and a kink at -0.7, in nobody's spec."""
    return jnp.where(x > 0.3, 1.0 + 0.2 * x, 0.0) + jnp.maximum(x, -0.7)


@pytest.mark.parametrize("name", SOME)
def test_no_line_crosses_a_jump_and_none_is_coarse(drawn, name):
    c = drawn[name]
    low, high = c.window
    assert np.isfinite(c.values).all()
    assert (np.diff(c.x) > 0).all()
    assert 50 < len(c.x) <= 2000
    pieces = c.pieces()
    assert sum(len(c.x[p]) for p in pieces) == len(c.x)
    evaluate = sampling._evaluator(sampling.along_one_input(make(name))[0])
    for piece in pieces:
        x = c.x[piece]
        x = x[np.abs(x) <= c.reach]
        if len(x) < 2:
            continue
        ends, middle = evaluate(x), evaluate((x[1:] + x[:-1]) / 2)
        for order in c.drawn:
            y = np.clip(ends[order], low, high)
            off = np.abs(np.clip(middle[order], low, high) - (y[1:] + y[:-1]) / 2)
            assert off.max() <= 0.025 * (high - low), (order, x[off.argmax()])


@pytest.mark.parametrize("name", SOME)
def test_the_window_shows_f_and_the_axis(drawn, name):
    c = drawn[name]
    low, high = c.window
    f = c.values[0][np.abs(c.x) <= c.reach]
    assert low < 0 < high
    assert np.mean((f >= low) & (f <= high)) > 0.3
    assert 0 in c.drawn
    assert c.x[0] <= -c.reach * 0.999
    assert c.x[-1] >= c.reach * 0.999


def test_values_are_the_functions(drawn):
    c = drawn["elu"]
    left = c.x < -1e-6
    np.testing.assert_allclose(c.values[0][left], np.expm1(c.x[left]), rtol=1e-12)
    np.testing.assert_allclose(c.values[2][left], np.exp(c.x[left]), rtol=1e-12)
    assert [(b.at, b.order) for b in c.breaks] == [(0.0, 2)]
    assert c.breaks[0].left == pytest.approx(1.0)
    assert c.breaks[0].right == 0.0


def test_what_jumps(drawn):
    assert [(b.at, b.order, b.left, b.right) for b in drawn["relu"].breaks] == [(0.0, 1, 0.0, 1.0)]
    assert [(b.at, b.order) for b in drawn["hard_shrink"].breaks] == [(-0.5, 0), (0.5, 0)]
    assert [b.at for b in drawn["round_ste"].breaks] == [k + 0.5 for k in range(-10, 10)]
    assert drawn["gelu"].breaks == drawn["sin"].breaks == ()
    assert [b.at for b in drawn["sparsemax"].breaks] == pytest.approx([-1 / 3, 1.0], abs=1e-9)


def test_jumps_that_nobody_listed_are_found():
    c = curves(make(stairs))
    assert [(b.at, b.order) for b in c.breaks] == [(-0.7, 1), (0.3, 0)]
    jump = c.breaks[1]
    assert (jump.left, jump.right) == pytest.approx((0.3, 1.36), abs=1e-6)
    assert len(c.starts) == 3


def test_how_far_to_look(drawn):
    assert drawn["gelu"].reach == 4.0
    assert drawn["relu6"].reach == 7.8
    assert drawn["soft_cap"].reach > 20
    assert drawn["siren_sine"].reach < 1
    assert drawn["siren_sine"].drawn == (0,)


def test_what_is_held_fixed_is_said(drawn):
    assert drawn["gelu"].words == ""
    assert drawn["swiglu"].words == "along gate, with up = 1"
    assert drawn["softmax"].words == "first output along the first of four inputs, the others 0"
    assert drawn["spike_atan"].words == "with surrogate f′"
    assert drawn["wire_gabor"].words == "real part, along real inputs"
    at = np.interp(1.0, drawn["softmax"].x, drawn["softmax"].values[0])
    assert at == pytest.approx(np.e / (np.e + 3))


def test_what_cannot_be_drawn_is_told():
    with pytest.raises(InputError, match="cannot be drawn"):
        curves(make(lambda x: x + jnp.zeros(7)))
    with pytest.raises(InputError, match="finite nowhere"):
        curves(make(lambda x: x * jnp.nan))
