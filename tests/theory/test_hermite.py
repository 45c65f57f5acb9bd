"""Hermite coefficients rebuild the dual activation; born-dead probabilities are the published bound's."""

import math

import numpy as np
import pytest

from actlab.errors import InputError
from actlab.theory import born_dead, dual, hermite, moments


def test_known_coefficients():
    relu = hermite("relu", 6)
    known = [1 / math.sqrt(2 * math.pi), 0.5, 1 / math.sqrt(4 * math.pi), 0, -1 / math.sqrt(48 * math.pi), 0]
    np.testing.assert_allclose(relu, known, atol=1e-15)
    e = math.exp(0.5)
    np.testing.assert_allclose(
        hermite("exponential", 20), [e / math.sqrt(math.factorial(k)) for k in range(20)], atol=1e-14
    )
    scaled = hermite("square", 4, q=4.0)
    np.testing.assert_allclose(scaled, [4, 0, 4 * math.sqrt(2), 0], atol=1e-13)


def test_the_series_is_the_dual():
    squares = hermite("gelu", 128) ** 2
    assert squares.sum() == pytest.approx(moments("gelu").second_moment, rel=1e-13)
    for c in (-0.8, 0.6):
        assert (squares * c ** np.arange(128)).sum() == pytest.approx(dual("gelu", c).value, rel=1e-13)


# (width, hidden layers): the bound with one layer fewer, as for inputs on both sides of 0
BOUND = {
    (2, 2): 0.25,
    (2, 4): 0.5781,
    (2, 9): 0.8999,
    (2, 19): 0.9944,
    (3, 9): 0.6564,
    (4, 19): 0.6870,
    (5, 19): 0.4353,
    (5, 49): 0.7821,
    (8, 49): 0.1713,
}


def test_born_dead():
    for (width, layers), bound in BOUND.items():
        assert born_dead("relu", [width] * (layers - 1)) == pytest.approx(bound, abs=5e-5)
    assert born_dead("relu", [512] * 100) == pytest.approx(100 * 2.0**-512, rel=1e-12)
    assert born_dead("leaky_relu", [2, 2]) == 0.0


def test_what_cannot_be():
    with pytest.raises(InputError, match="from 1 to 128, got 500"):
        hermite("relu", 500)
    with pytest.raises(InputError, match="q must be positive"):
        hermite("relu", 5, q=0.0)
    with pytest.raises(InputError, match="whole numbers from 1 up"):
        born_dead("relu", [3, 0])
