"""Maps against published constants, closed forms, and their own derivatives."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab import make
from actlab.errors import InputError
from actlab.theory import critical, hermite, maps
from actlab.theory.closed import closed
from actlab.theory.levels import levels

NO_BIAS, BIAS = 0.0, 0.05**0.5
# tanh at sigma_b^2 = 0.05; sigma_w^2: c*, chi_1, xi_c, xi_q (Schoenholz et al. 2017)
TANH = {
    1.0: (1.0, 0.75903165, 3.62698, 1.74763),
    1.3: (1.0, 0.88016351, 7.83407, 1.78524),
    2.0: (0.74408242, 1.04766600, 25.21341, 1.38798),
    2.5: (0.44680423, 1.13351570, 11.79560, 1.17987),
    4.0: (0.16506496, 1.34240241, 6.98027, 0.87329),
}


@pytest.mark.parametrize("square", TANH)
def test_depth_scales_of_tanh(square):
    net = maps("tanh", square**0.5, BIAS)
    q = net.fixed_q()
    c, chi, xi_c, xi_q = TANH[square]
    assert net.fixed_c(q) == pytest.approx(c, abs=5e-9)
    assert net.chi(q) == pytest.approx(chi, abs=5e-9)
    assert (net.xi_c, net.xi_q) == (pytest.approx(xi_c, abs=5e-6), pytest.approx(xi_q, abs=5e-6))
    assert net.q(q) == pytest.approx(q, rel=1e-13)


def test_nominally_critical_tanh():
    net = maps("tanh", 1.05, 2.01e-5)
    assert net.fixed_q() == pytest.approx(0.0532505, abs=5e-8)
    assert net.chi(net.fixed_q()) == pytest.approx(1.0028756, abs=5e-8)


def test_relu():
    net = maps("relu", 2**0.5)
    assert net.c(0.0, 1.0) == pytest.approx(1 / math.pi, abs=1e-15)
    assert net.c_slope(0.0, 1.0) == pytest.approx(0.5, abs=1e-15)
    assert (net.fixed_q(), net.fixed_c(), net.xi_c, net.xi_q) == (1.0, 1.0, math.inf, math.inf)
    deep = net.depth(100, c=0.0)
    known = [0.4937310902, 0.8715355160, 0.9964231467]
    np.testing.assert_allclose(deep.c[[2, 10, 100]], known, rtol=0, atol=6e-11)
    np.testing.assert_allclose(deep.q, 1.0, rtol=1e-13)
    np.testing.assert_allclose(deep.gradient, 1.0, rtol=1e-12)
    assert (1 - deep.c[100]) / (9 * math.pi**2 / (2 * 100**2)) == pytest.approx(0.805, abs=5e-4)


def test_where_the_variance_goes():
    assert maps("tanh", 0.9).fixed_q() == 0.0
    assert maps("relu", 1.5).fixed_q() == math.inf
    assert maps("relu", 1.0).fixed_q() == 0.0
    assert math.isnan(maps("relu", 1.5).xi_c)
    assert maps("relu", 1.0, 0.5).fixed_q() == pytest.approx(0.5, rel=1e-14)  # q = q / 2 + 1 / 4


def test_relu_forgets_as_one_over_depth_squared():
    value, c = closed(make("relu")), 0.0
    for depth in range(1, 10_001):
        c = float(2 * value(1.0, 1.0, c)[0])
        if depth in (known := {1000: 0.971, 10_000: 0.9964}):
            assert (1 - c) * 2 * depth**2 / (9 * math.pi**2) == pytest.approx(known[depth], abs=5e-4)


def test_selu_jacobian():
    """Of (mean, variance) at (0, 1), Klambauer et al. 2017 equation 6, for weights whose sum is 0 and is 1."""
    act = make("selu")
    at = levels(act, 1.0)
    assert 0.5 * at.value_by_sd == pytest.approx(0.08883476, abs=5e-9)
    assert at.half_square_by_sd == pytest.approx(0.78264788, abs=5e-9)
    assert at.slope == pytest.approx(0.98523112, abs=5e-9)
    step = 1e-4
    beside = levels(act, 1.0, np.array([-step, step])).square
    assert (beside[1] - beside[0]) / (2 * step) == pytest.approx(0.30298845, abs=2e-8)


def test_selu_contracts_to_0_1():
    net = maps("selu", 1.0)
    assert net.fixed_q() == pytest.approx(1.0, abs=1e-12)
    assert net.q_slope(1.0) == pytest.approx(0.78264788, abs=5e-9)


def test_q_slope_is_the_derivative():
    for net in (maps("gelu", 1.4, 0.3), maps("gelu", 1.4, 0.3, residual=(0.8, 0.6))):
        step = 1e-4
        assert net.q_slope(0.7) == pytest.approx(
            (net.q(0.7 + step) - net.q(0.7 - step)) / (2 * step), rel=1e-7
        )
        assert net.c_slope(0.4, 0.7) == pytest.approx(
            (net.c(0.4 + step, 0.7) - net.c(0.4 - step, 0.7)) / (2 * step), rel=1e-7
        )


def test_residual_and_normalised():
    deep = maps("relu", 2**0.5, residual=0.5).depth(4, q=2.0, c=0.5)
    np.testing.assert_allclose(deep.q, 2.0 * 1.25 ** np.arange(5), rtol=1e-13)
    np.testing.assert_allclose(deep.chi, 1.25, rtol=1e-13)
    assert deep.gradient[0] == pytest.approx(1.25**4, rel=1e-13)
    deep = maps("relu", 2**0.5, residual=1.0, norm="rms").depth(4, q=1.0, c=0.5)
    np.testing.assert_allclose(deep.q, 1.0 + np.arange(5), rtol=1e-13)
    np.testing.assert_allclose(deep.chi, 1 + 1 / deep.q, rtol=1e-13)
    assert (np.diff(deep.c) > 0).all()
    net = maps("tanh", 1.3, 0.1, norm="layer")
    assert net.fixed_q() == net.q(0.2) == net.q(5.0)


def test_depth_of_what_dies_or_explodes():
    gone = maps("square", 1.0).depth(12, q=0.01)
    assert gone.q[-1] == 0
    assert math.isnan(gone.c[-1])
    assert math.isnan(gone.chi[-1])


@pytest.mark.parametrize(
    ("args", "kwargs", "told"),
    [
        (("relu", 0.0), {}, "sigma_w must be positive and finite, got 0.0"),
        (("relu", float("nan")), {}, "sigma_w must be positive"),
        (("relu", 1.0, -1.0), {}, "sigma_b must be finite and not negative"),
        (("relu", 1.0), {"norm": "layr"}, "did you mean 'layer'"),
        (("relu", 1.0), {"residual": 0.0}, "leaves nothing but the shortcut"),
        (("rrelu", 1.0), {}, "rrelu is random"),
        (("softmax", 1.0), {}, "not elementwise"),
        ((lambda x: 2.0 ** (x * x), 1.0), {}, "outgrows what a Gaussian decays"),
        ((lambda x: 0 * x, 1.0), {}, "no signal passes"),
    ],
)
def test_what_cannot_be(args, kwargs, told):
    with pytest.raises(InputError, match=told) as caught:
        maps(*args, **kwargs)
    assert "\n" not in str(caught.value)


def test_numbers_out_of_range():
    net = maps("relu", 1.0)
    for bad, told in (
        (lambda: net.depth(0), "whole number of layers"),
        (lambda: net.depth(3, q=-1.0), "variance q must be positive"),
        (lambda: net.c(1.5, 1.0), "correlation c must be in"),
    ):
        with pytest.raises(InputError, match=told):
            bad()


def test_dropout_tells_equal_inputs_apart():
    """Schoenholz et al. 2017, section 5: two masks of one input share a share 1 - p of the variance."""
    net = maps("relu", (2 * 0.9) ** 0.5, dropout=0.1)
    assert net.q(1.0) == pytest.approx(1.0, rel=1e-13)
    assert net.c(1.0, 1.0) == pytest.approx(0.9, rel=1e-13)
    assert net.chi(1.0) == pytest.approx(1.0, rel=1e-13)  # gradients know of one mask
    c = net.fixed_c(1.0)
    assert c < 0.9 and net.c(c, 1.0) == pytest.approx(c, abs=1e-12)
    assert net.depth(60, c=1.0).c[-1] == pytest.approx(c, abs=1e-6)
    with pytest.raises(InputError, match="dropout must be in \\[0, 1\\), got 1.0"):
        maps("relu", 1.0, dropout=1.0)


@pytest.mark.parametrize("q", [1e4, 1e6])
def test_what_oscillates_is_refused_where_panels_end(q):
    net = maps("sin", 1.0)
    for asked in (net.q, net.chi, net.q_slope, lambda q: hermite("sin", 2, q)):
        with pytest.raises(InputError, match="sin oscillates too fast"):
            asked(q)
    assert net.q(100.0) == pytest.approx(0.5, rel=1e-12)
    assert maps("relu", 1.0).q(1e6) == pytest.approx(5e5, rel=1e-12)
    assert maps("tanh", 1.0).q(1e6) == pytest.approx(1 - 2 / np.sqrt(2e6 * np.pi), rel=1e-3)


@pytest.mark.parametrize("f", [lambda x: jnp.sin(0.02 * x), lambda x: jnp.sin(0.003 * x), "snake"])
def test_slow_oscillation_is_refused_as_well(f):
    with pytest.raises(InputError, match="oscillates too fast|too rough"):
        maps(f, 1.0).q(1e8)


@pytest.mark.parametrize(
    "name", ["relu", "gelu", "tanh", "mish", "softsign", "leaky_relu", "softplus", "arctan"]
)
def test_plain_tails_are_followed_to_any_variance(name):
    assert 0 < maps(name, 1.0).q(1e8) <= 0.5001e8


def test_a_variance_is_a_number_from_0_up():
    net = maps("tanh", np.float32(1.0), 0.5)
    assert net.q(0.0) == 0.25 and maps("sigmoid", 2.0).q(0) == 1.0
    for bad in (-1.0, np.nan, np.array([1.0, 2.0]), "1"):
        for some in (net, maps("tanh", 1.0, norm="rms")):
            with pytest.raises(InputError, match="must be positive"):
                some.q(bad)
    with pytest.raises(InputError, match="expect_pair"):
        jax.grad(net.q)(1.0)
    with pytest.raises(InputError, match="branch's factor"):
        maps("tanh", 1.0, residual=(1, 2, 3))
    with pytest.raises(InputError, match="no function of JAX's arrays"):
        maps(np.tanh, 1.0)


def test_the_depth_scale_of_a_point_that_is_left_is_positive():
    point = critical("exponential")
    assert maps("exponential", point.sigma_w).xi_q == pytest.approx(point.xi_q, rel=1e-9) and point.xi_q > 0
