"""Initial weights from theory: what they promise of wide networks."""

import math

import pytest

from actlab.errors import InputError
from actlab.theory import critical_weights, gain, he_exact, maps, transform


def test_he_exact_keeps_the_variance():
    found = he_exact("silu")
    assert found.sigma_w == gain("silu")
    assert maps("silu", found.sigma_w).q(found.q) == pytest.approx(1.0, rel=1e-12)
    assert he_exact("swiglu").sigma_w == pytest.approx(found.sigma_w, rel=1e-12)


def test_critical_weights_keep_variance_and_gradient():
    assert critical_weights("relu").sigma_w == pytest.approx(2**0.5, rel=1e-14)
    for name, biased in (("gelu", True), ("sigmoid", False)):
        found = critical_weights(name)
        net = maps(name, found.sigma_w, found.sigma_b)
        assert (found.sigma_b > 0) == biased
        assert net.q(found.q) == pytest.approx(found.q, rel=1e-9)
        assert net.chi(found.q) == pytest.approx(1.0, rel=1e-9)
        assert math.hypot(found.first, found.sigma_b) == pytest.approx(found.q**0.5, rel=1e-12)
    tanh = critical_weights("tanh")
    assert (tanh.first, tanh.sigma_b) == (1.0, 0.0)
    assert tanh.sigma_w == pytest.approx(1.0, rel=1e-8)
    assert critical_weights(transform("relu", "tat", 50).act).sigma_w == 1.0


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("softplus", "softplus has no critical weights: sigma_b\\^2 would have to be negative.*he_exact"),
        ("square", "square has no critical weights: what it has, the variance runs away from"),
        ("rrelu", "critical: rrelu is random"),
    ],
)
def test_what_has_none(name, told):
    with pytest.raises(InputError, match=told):
        critical_weights(name)
