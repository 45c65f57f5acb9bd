"""Rectifiers by algebra: tails, squares that would overflow, special parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actlab


@pytest.mark.slow
def test_squareplus_keeps_its_left_tail_and_large_inputs():
    x = jnp.asarray([-6700.0, -1e19, 1e19, 3e38], "float32")
    np.testing.assert_allclose(actlab.squareplus(x), [1.49253728e-4, 1e-19, 1e19, 3e38], rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(jax.grad(actlab.squareplus))(x[:1]), [2.2276675e-8], rtol=1e-6)


@pytest.mark.slow
def test_squareplus_without_bend_is_relu_with_half_a_slope_at_0():
    x = jnp.asarray([-3e38, -1e-30, 0.0, 1e-30, 2.0], "float32")
    np.testing.assert_array_equal(actlab.squareplus(x, b=0.0), actlab.relu(x))
    slope = jax.vmap(jax.grad(lambda x: actlab.squareplus(x, b=0.0)))(x)
    np.testing.assert_array_equal(slope, [0, 0, 0.5, 1, 1])


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.3, 1.0, 2.5])
def test_smelu_joins_smoothly(beta):
    ends = jnp.asarray([-beta, beta], "float32")
    np.testing.assert_allclose(actlab.smelu(ends, beta=beta), [0, beta], rtol=1e-6)
    np.testing.assert_array_equal(jax.vmap(jax.grad(lambda x: actlab.smelu(x, beta=beta)))(ends), [0, 1])
