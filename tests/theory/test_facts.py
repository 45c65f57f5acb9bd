"""Facts are those of the formula, evaluated by mpmath, and of `moments` and `fixed_points`."""

import pytest
from oracle import derivatives, value

import actlab
from actlab.errors import InputError
from actlab.theory import facts, fixed_points, moments

NAMES = ["gelu", "silu", "softplus", "sigmoid", "elliott", "cos", "star_relu", "ricker", "dsilu", "arcsinh"]
NAMES += ["selu", "mish", "exponential"]


@pytest.mark.parametrize("name", NAMES)
def test_at_zero(name):
    found, spec = facts(name), getattr(actlab, name).spec
    assert found.at_zero == pytest.approx(float(value(spec, 0.0)), rel=1e-15)
    if not spec.at().kinks:
        assert found.slope_at_zero == pytest.approx(float(derivatives(spec, 0.0)[1]), rel=1e-15)


def test_slope_at_a_kink_and_of_a_surrogate_is_what_autodiff_gives():
    assert facts("relu").slope_at_zero == 0
    assert facts("leaky_relu").slope_at_zero == 1
    assert facts("spike_sigmoid").slope_at_zero == 1


def test_the_rest_is_what_moments_and_fixed_points_say():
    act = actlab.make("swish", beta=2.0)
    found, told = facts(act), moments(act)
    assert (found.fixed_points, found.fixed_intervals) == fixed_points(act)
    assert (found.mean, found.second_moment, found.gain) == (told.mean, told.second_moment, told.gain)


def test_not_elementwise():
    with pytest.raises(InputError, match="facts: glu is not elementwise"):
        facts("glu")
