"""Transforms against the golden values of dks' own tests, and against what they promise.

dks stops its search for a layer's target within 1e-8 of the network's, which leaves its numbers known to about 1e-8.
Given the target it stopped at, ours agree with them to its solver's 1e-9; given the true one, to what dks' tests ask.
"""

import math

import jax
import numpy as np
import pytest
from dks_golden import FIELDS, GOLDEN, RESNET, stopped

from actlab.errors import InputError
from actlab.theory import Plain, Residual, maps, transform
from actlab.theory.levels import levels
from actlab.theory.rescaling import _search


def found(t):
    return tuple(getattr(t, name) for name in FIELDS)


@pytest.mark.parametrize("name", ["softplus", "tanh", "gelu_tanh", "gelu"])
def test_dks(name):
    target, golden = stopped("dks"), GOLDEN[name, "dks"]
    assert found(transform(name, "dks", 1, zeta=target)) == pytest.approx(golden, rel=3e-9)
    ours = transform(name, "dks", RESNET, zeta=1.2)
    assert found(ours) == pytest.approx(golden, rel=3e-8)
    assert ours.note == ""


@pytest.mark.parametrize("name", ["softplus", "tanh"])
def test_tat(name):
    target = stopped("tat")
    for network, tau, rel in ((1, target, 3e-9), (RESNET, 0.2, 5e-8)):
        ours = found(transform(name, "tat", network, tau=tau))
        assert ours == pytest.approx(GOLDEN[name, "tat"], rel=rel)


def test_half_lines():
    ours = transform("leaky_relu", "tat", RESNET, eta=0.75)
    slope = dict(ours.of.params)["negative_slope"]
    assert slope == pytest.approx(0.6291800290346146, abs=2e-9)
    assert ours.output_scale == pytest.approx(1.196996549778802, abs=2e-9)
    assert transform("relu", "tat", RESNET, eta=0.75) == ours
    dks = transform("leaky_relu", "dks", RESNET, zeta=1.2)
    assert dict(dks.of.params)["negative_slope"] == pytest.approx(0.8761257073473065, abs=5e-9)
    assert (dks.output_shift, dks.output_scale) == pytest.approx(
        (-0.049418692997275034, 1.0651832705682147), abs=2e-9
    )
    # 100,000 nodes over 20 do not see where relu's slope jumps: dks' numbers are off by 1e-5
    relu = transform("relu", "dks", RESNET, zeta=1.2)
    known = (0.3685360046708044, 1.0, -1.000373858553784, 2.721729988761473)
    assert found(relu) == pytest.approx(known, rel=3e-5)
    alpha, gamma = relu.input_scale, relu.output_scale
    slope = gamma**2 * alpha**2 * 0.5 * math.erfc(-1 / alpha / math.sqrt(2))
    assert slope == pytest.approx(relu.target, rel=1e-13)
    assert "not chosen" in relu.note


# f(0.6), f(-0.6); zeta = 12, Q'(1) = 0.97, tau = 4.5, eta = 0.95
VALUES = [
    ("softplus", "dks", (0.5205088334781294, -0.6970897398761904)),
    ("tanh", "dks", (0.6910746968773931, -0.5122335409369118)),
    ("softplus", "tat", (0.6923574763139374, -0.4935166367766701)),
    ("tanh", "tat", (0.6860178437500071, -0.49030275427738146)),
    ("leaky_relu", "tat", (0.7954047194402861, -0.2955187511683813)),
    ("gelu_tanh", "tat", (0.6922557817568101, -0.491992384704867)),
    ("gelu", "tat", (0.6922429517529013, -0.49198103131465193)),
]


@pytest.mark.parametrize(("name", "method", "values"), VALUES)
def test_values(name, method, values):
    q_slope = 0.97 if method == "dks" else 1.0
    ours = transform(name, method, RESNET, zeta=12.0, q_slope=q_slope, tau=4.5, eta=0.95)
    right, left = (float(ours(x)) for x in (0.6, -0.6))
    if name == "tanh" and -left > right:  # its mirror image
        right, left = -left, -right
    assert (right, left) == pytest.approx(values, abs=1e-6)  # in float32


@pytest.mark.parametrize("name", ["gelu", "elu"])
def test_the_transformed_function_is_as_promised(name):
    tat = transform(name, "tat", 50, tau=0.3)
    net = maps(tat.act, 1.0)
    assert net.q(1.0) == pytest.approx(1.0, abs=1e-9)
    assert net.q_slope(1.0) == pytest.approx(1.0, abs=1e-9)
    assert net.chi(1.0) == pytest.approx(1.0, abs=1e-9)
    assert levels(tat.act, 1.0).bend_square == pytest.approx(0.3 / 50, rel=1e-8)


@pytest.mark.slow
def test_a_function_with_kinks_by_dks():
    dks = transform("selu", "dks", 20, zeta=1.5)
    net = maps(dks.act, 1.0)
    assert net.q(1.0) == pytest.approx(1.0, abs=1e-9)
    assert net.q_slope(1.0) == pytest.approx(1.0, abs=1e-9)
    assert net.c(0.0, 1.0) == pytest.approx(0.0, abs=1e-9)
    assert net.chi(1.0) ** 20 == pytest.approx(1.5, abs=1e-7)


@pytest.mark.slow
def test_relu_at_depth_50_and_the_clamp():
    deep = transform("relu", "tat", 50)
    assert dict(deep.of.params)["negative_slope"] == pytest.approx(0.431, abs=5e-4)
    assert maps(deep.act, 1.0).depth(50, c=0.0).c[-1] == pytest.approx(0.9, abs=1e-9)
    shallow = transform("relu", "tat", Plain(10))
    assert dict(shallow.of.params)["negative_slope"] == 0.0
    assert "0.8715 with relu itself, below eta=0.9" in shallow.note
    assert "|x| it is" in transform("leaky_relu", "dks", 1, zeta=4.0).note


def test_another_target_is_not_compiled_anew():
    transform("tanh", "dks", RESNET, zeta=1.3)
    before = _search._cache_size()
    transform("tanh", "dks", RESNET, zeta=1.31)
    assert _search._cache_size() == before


@pytest.mark.parametrize(
    ("args", "kwargs", "told"),
    [
        (("selu", "tat"), {}, "slope of selu jumps at 0, which makes C''\\(1\\) infinite"),
        (("tanh", "tatt"), {}, "did you mean 'tat'"),
        (("tanh", "dks", 0), {}, "depth must be a whole number from 1 up"),
        (("tanh", "dks", "deep"), {}, "network is a depth"),
        (("tanh", "dks"), {"zeta": 1.0}, "zeta must lie between 1 and inf"),
        (("relu", "tat"), {"eta": 1.5}, "eta must lie between 0 and 1"),
        (("leaky_relu", "dks"), {"q_slope": 0.9}, "leave q_slope out"),
        (("identity", "tat"), {}, "no scale and shift bend it"),
        (("softmax", "tat"), {}, "not elementwise"),
    ],
)
def test_what_cannot_be(args, kwargs, told):
    with pytest.raises(InputError, match=told):
        transform(*args, **kwargs)


def test_residual_networks():
    assert Residual((2,), layers=1, shortcut=0.0, projected=False)(0.0, lambda x: x + 1) == 3
    assert np.isclose(Residual((1,), layers=2, shortcut=0.6)(0.0, lambda x: x + 1), 0.36 * 1 + 0.64 * 2 + 1)
    for bad in ({"blocks": ()}, {"blocks": (0,)}, {"layers": 0}, {"shortcut": 1.0}):
        with pytest.raises(InputError):
            Residual(**bad)


@pytest.mark.parametrize("f", ["prelu", jax.nn.relu, jax.nn.leaky_relu, "abs"])
@pytest.mark.parametrize("method", ["tat", "dks"])
def test_two_half_lines_are_known_by_their_values(f, method):
    told = transform(f, method, 50)
    like = "relu" if f is jax.nn.relu else "leaky_relu"
    assert (
        told.of.name in (like, "leaky_relu") and told.output_scale == transform(like, method, 50).output_scale
    )


def test_what_is_linear_is_not_bent():
    for method in ("tat", "dks"):
        with pytest.raises(InputError, match="identity is linear"):
            transform("identity", method, np.int64(50))
