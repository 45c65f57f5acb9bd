"""Panels hold the function to rounding, and kinks nobody told are found."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab import make
from actlab.errors import InputError
from actlab.theory.evaluation import value_and_slope
from actlab.theory.levels import levels
from actlab.theory.mesh import mesh
from actlab.theory.moments import moments


@pytest.mark.parametrize(
    ("name", "params"), [("gelu", {}), ("tanh", {}), ("smelu", {"beta": 0.7}), ("serlu", {})]
)
def test_panels_are_polynomials(name, params):
    act = make(name, **params)
    edges = mesh(act).edges
    half, middle = 0.5 * np.diff(edges), 0.5 * (edges[1:] + edges[:-1])
    for nodes in (17, 23):
        t, w = np.polynomial.legendre.leggauss(nodes)
        y, slope = value_and_slope(act, middle[:, None] + half[:, None] * t)
        found = [(v @ w) * half for v in (y, slope)]
        if nodes == 17:
            first = found
    for a, b in zip(first, found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def test_kinks_told_and_found():
    assert mesh(make("hard_silu")).kinks == (-3.0, 3.0)
    assert not mesh(make("hard_silu")).found
    own = mesh(make(jax.nn.relu6))
    assert own.kinks == (0.0, 6.0)
    assert own.found
    bent = mesh(make(lambda x: jnp.where(x > 0.1234567, 1.0, -2.0) * x))
    assert bent.kinks == (pytest.approx(0.1234567, abs=1e-14),)
    assert mesh(make(jax.nn.gelu)).kinks == ()
    assert not mesh(make(jax.nn.gelu)).found


def test_too_rough():
    with pytest.raises(InputError, match="too rough on"):
        mesh(make("siren_sine", w0=5000.0))


def test_slopes_of_a_surrogate_and_of_a_narrow_corner():
    """Where f is flat or smooth and f' is not, f' decides."""
    boxcar = levels(make("spike_boxcar"), 1.0).slope_square
    assert boxcar == pytest.approx(moments("spike_boxcar").slope_second_moment, rel=1e-13)
    mu = 4.352665993287951e-9  # f' goes from 0.25 to 1 within that
    # E f'^2 is less than the kink's by (1 - alpha)^2 / 4 pi m / sqrt(2 pi), m = mu / (1 - alpha)
    missing = 0.75 * mu * math.pi / 4 / math.sqrt(2 * math.pi)
    assert 0.53125 - levels(make("smu_1"), 1.0).slope_square == pytest.approx(missing, rel=1e-4)
