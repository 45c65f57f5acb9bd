"""Closed kernels against the quadrature, which knows nothing of them."""

import numpy as np
import pytest

from actlab import make
from actlab.theory.closed import closed
from actlab.theory.levels import levels, pair

ACTS = [
    make("relu"),
    make("abs"),
    make("leaky_relu"),
    make("leaky_relu", negative_slope=3.0),
    make("identity"),
    make("erf"),
    make("normal_cdf"),
    make("gelu"),
    make("sin"),
    make("sin", w=1.7),
    make("cos"),
    make("gaussian"),
    make("gaussian_sigma", sigma=0.6),
    make("exponential"),
    make("square"),
    make("relu_squared"),
    make("star_relu"),
    make("slaf", coefficients=(0.3, -1.0, 0.5, 0.2)),
]
CORRELATIONS = (-1.0, -0.999, -0.4, 0.0, 0.3, 0.99, 1.0)
SDS = ((1.0, 1.0), (0.3, 2.0), (1.7, 0.6))


@pytest.mark.parametrize("act", ACTS, ids=str)
def test_they_are_the_quadrature(act):
    kernel = closed(act)
    for a, b in SDS:
        own = levels(act, np.array([a, b]))
        sizes = np.sqrt(np.prod(own.square)), np.sqrt(np.prod(own.slope_square))
        for c in CORRELATIONS:
            if c == 1.0 and a != b:
                continue
            expected = (own.square[0], own.slope_square[0]) if c == 1.0 else pair(act, c, (a, b))
            found = kernel(a * a, b * b, c * a * b)
            for got, want, size in zip(found, expected, sizes, strict=True):
                assert abs(got - want) <= 1e-12 * size, (a, b, c, got, want)


def test_what_is_known_of_one_number():
    # by mpmath, quad of gelu(z)^2 under the bell with 30 digits
    assert closed(make("gelu"))(1.0, 1.0, 1.0)[0] == pytest.approx(0.425221483, abs=5e-10)
    assert closed(make("exponential"))(1.0, 1.0, 1.0)[0] == pytest.approx(np.exp(2), rel=1e-15)
    assert closed(make("mish")) is None
