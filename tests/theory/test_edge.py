"""The edge of chaos against published values."""

import math

import pytest

from actlab.errors import InputError
from actlab.theory import critical, edge, maps

# at q* = 1: sigma_w, sigma_b^2 (Hayou et al. 2019)
CURVES = {
    "silu": (1.623320, 0.062472),
    "gelu": (1.481114, 0.067192),
    "elu": (1.223429, 0.034660),
    "erf": (1.325218, 0.184140),
}


@pytest.mark.parametrize("name", CURVES)
def test_curves(name):
    assert edge(name, 1.0) == pytest.approx(CURVES[name], abs=5.1e-7)


@pytest.mark.slow
def test_curve_of_tanh_and_of_those_without():
    assert edge("tanh", 1.0) == pytest.approx((1.467413592, 0.150964629), abs=6e-10)
    assert edge("softplus", 1.0)[1] == pytest.approx(-2.14, abs=5e-3)
    assert edge("sigmoid", 1.0)[1] == pytest.approx(-5.54, abs=6e-3)


def test_tanh():
    found = critical("tanh", 0.05**0.5)
    assert found.sigma_w**2 == pytest.approx(1.7609546396, abs=6e-11)
    assert maps("tanh", found.sigma_w, 0.05**0.5).chi(found.q) == pytest.approx(1.0, abs=1e-12)
    assert found.q_slope < 1
    assert found.reason == ""
    found = critical("tanh", 0.2)
    assert (found.sigma_w, found.q) == pytest.approx((1.304145840, 0.512078504), abs=6e-10)
    found = critical("tanh")
    assert (found.sigma_w, found.q) == (pytest.approx(1.0, abs=1e-12), 0.0)
    assert "goes to 0" in found.reason


def test_sigmoid_has_one_where_it_is_a_step():
    """None at q = 1, but E f^2 / E f'^2 grows as sqrt(q) only: from q = 46 on there is an edge."""
    found = critical("sigmoid")
    net = maps("sigmoid", found.sigma_w)
    assert found.q == pytest.approx(45.624, abs=1e-3)
    assert net.q(found.q) == pytest.approx(found.q, rel=1e-11)
    assert net.chi(found.q) == pytest.approx(1.0, abs=1e-11)


def test_relu_is_a_single_point():
    found = critical("relu")
    assert found.sigma_w == pytest.approx(2**0.5, rel=1e-15)
    assert found.reason == "every variance stays as it is"
    assert critical("relu", 0.1).sigma_w is None
    assert "single point" in critical("relu", 0.1).reason


@pytest.mark.slow
def test_where_there_is_none():
    found = critical("softplus")
    assert found.sigma_w is None
    assert math.isnan(found.q)
    assert found.reason == "sigma_b^2 would have to be negative at every variance"
    assert critical("square").reason == "sigma_b^2 would have to be positive at every variance"
    repelled = critical("exponential")  # Q(q) = sigma_w^2 exp(2 q), Q' = 2 q, and chi_1 = Q
    assert (repelled.q, repelled.q_slope) == pytest.approx((1.0, 2.0), rel=1e-12)
    assert "pushed away" in repelled.reason
    assert "no slope" in critical("heaviside").reason


def test_bad_input():
    with pytest.raises(InputError, match="sigma_b must be finite and not negative, got -0.1"):
        critical("tanh", -0.1)
    with pytest.raises(InputError, match="q must be positive"):
        edge("tanh", 0.0)
    with pytest.raises(InputError, match="heaviside no slope"):
        edge("heaviside", 1.0)
