"""Polynomials with coefficients: lengths, gradients, infinities; inverses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actlab

X = jnp.asarray([-2.0, 0.0, 0.5, 3.0], "float32")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["slaf", "poly_relu"])
def test_gradient_by_coefficients_is_the_powers(name):
    f = getattr(actlab, name)
    base = X if name == "slaf" else jnp.maximum(X, 0.0)
    powers = jax.jacrev(lambda c: f(X, coefficients=c))(jnp.asarray([0.5, 1.0, -1.0, 0.25]))
    np.testing.assert_allclose(powers, np.stack([base**i for i in range(4)], -1), rtol=1e-6)


@pytest.mark.parametrize("name", ["slaf", "poly_relu"])
@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_any_number_of_coefficients(name, length):
    c = tuple(0.5 - 0.1 * i for i in range(length))
    f = getattr(actlab, name)
    base = np.asarray(X, np.float64) if name == "slaf" else np.maximum(np.asarray(X, np.float64), 0)
    np.testing.assert_allclose(f(X, coefficients=c), sum(v * base**i for i, v in enumerate(c)), rtol=1e-5)
    per_unit = jnp.broadcast_to(jnp.asarray(c)[:, None], (length, 4))
    np.testing.assert_allclose(f(X, coefficients=per_unit), f(X, coefficients=c), rtol=1e-6)


def test_infinite_inputs_follow_the_leading_coefficient():
    ends = jnp.asarray([-jnp.inf, jnp.inf])
    np.testing.assert_array_equal(actlab.slaf(ends, coefficients=(1.0, -2.0, 0.0, 0.0)), [np.inf, -np.inf])
    np.testing.assert_array_equal(actlab.poly_relu(ends, coefficients=(1.0, 0.0, -2.0, 0.0)), [1, -np.inf])
    np.testing.assert_array_equal(actlab.slaf(ends, coefficients=(3.0,)), [3, 3])


def test_facts_of_a_polynomial():
    spec = actlab.slaf.spec.at(coefficients=(0.0, -1.0, 0.5))
    assert (spec.range.low, spec.turning, spec.monotonic) == (
        pytest.approx(-0.5),
        (pytest.approx(1.0),),
        False,
    )
    spec = actlab.poly_relu.spec.at(coefficients=(1.0, 0.0, 2.0))
    assert (spec.smoothness, spec.kinks, spec.range.low, spec.monotonic) == ("C1", (), 1.0, True)
