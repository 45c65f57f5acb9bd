"""Quadrature against closed forms, and its derivatives against those of the closed forms."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actlab
from actlab import make
from actlab.theory import dual, expect, expect_pair
from actlab.theory.closed import closed
from actlab.theory.levels import levels

C = (-0.9999, -0.7, 0.0, 0.3, 0.9, 0.999999)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["leaky_relu", "abs", "erf", "sin"])
def test_two_numbers_against_the_closed_form(name):
    act = make(name)
    for q in (0.3, 4.0):
        for c in C:
            value, slope = closed(act)(q, q, q * c)
            found = dual(act, c, q)
            # arccos of a number next to 1 is known to 1e-16 / sqrt(1 - c^2)
            assert found.value == pytest.approx(value, rel=3e-14, abs=1e-14), (q, c)
            assert found.slope == pytest.approx(slope, rel=1e-12, abs=1e-13), (q, c)
            assert found.error < 1e-12


@pytest.mark.slow
def test_two_numbers_of_exponentials_and_powers():
    for c in C:
        assert dual("exponential", c).value == pytest.approx(math.exp(1 + c), rel=1e-13)
        assert dual("square", c).value == pytest.approx(1 + 2 * c * c, rel=1e-14)
        assert dual("heaviside", c).value == pytest.approx(0.25 + math.asin(c) / (2 * math.pi), rel=1e-12)
    # gelu at c = 0 is the square of its mean, 1 / sqrt(4 pi)
    assert dual("gelu", 0.0).value == pytest.approx(1 / (4 * math.pi), rel=1e-14)


def test_scales_and_centres():
    found = levels(make("relu"), np.array([1.0, -2.0, 0.5]), np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(found.square[:2], [0.5, 2.0], rtol=1e-15)
    np.testing.assert_allclose(found.slope[:2], [0.5, 0.5], rtol=1e-15)
    tail = 0.5 * math.erfc(-2 / math.sqrt(2))
    assert found.slope_square[2] == pytest.approx(tail, rel=1e-14)
    assert found.value[2] == pytest.approx(tail + 0.5 * math.exp(-2) / math.sqrt(2 * math.pi), rel=1e-14)
    # Stein: E f' z sd = E f z ... of x^2: E 2x z = 2 sd, odd in sd
    square = levels(make("square"), np.array([3.0, -3.0]))
    np.testing.assert_allclose(square.value_by_sd, [6.0, -6.0], rtol=1e-13)
    np.testing.assert_allclose(square.half_square_by_sd, [2 * 3 * 27, -2 * 3 * 27], rtol=1e-13)
    assert levels(make(lambda x: jnp.exp(x * x / 8)), 3.0).square == math.inf  # E exp(9 z^2 / 4)


@pytest.mark.slow
def test_derivatives_in_scale_correlation_and_parameters():
    with jax.enable_x64(True):
        relu = actlab.relu
        by_sd = jax.jit(jax.grad(lambda s: expect(lambda x: relu(x) ** 2, s, 0.0, (0.0,))))(2.0)
        assert by_sd == pytest.approx(2.0, rel=1e-14)
        c = 0.3
        by_c = jax.jit(jax.grad(lambda c: expect_pair(relu, relu, c, edges=(0.0,), kinks=(0.0,))))(c)
        assert by_c == pytest.approx(0.5 - math.acos(c) / (2 * math.pi), rel=1e-13)

        def mean(slope):
            return expect(lambda x: actlab.leaky_relu(x, negative_slope=slope) ** 2, 1.0, 0.0, (0.0,))

        assert jax.jit(jax.grad(mean))(0.2) == pytest.approx(0.2, rel=1e-14)  # (1 + a^2) / 2
        moved = jax.jit(jax.grad(lambda m: expect(relu, 1.0, m, (0.0,))))(0.4)
        assert moved == pytest.approx(0.5 * math.erfc(-0.4 / math.sqrt(2)), rel=1e-14)
    assert expect(lambda x: relu(x) ** 2, 1.0, 0.0, (0.0,)).dtype == jnp.float32
