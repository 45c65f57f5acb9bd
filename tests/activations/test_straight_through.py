"""Straight-through estimators and thresholds: the gradients of parameters, ties, and the wrapper."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actlab
from actlab.activations import identity_ste
from actlab.errors import InputError


@pytest.mark.slow
def test_identity_ste_gives_the_value_to_the_bit_and_the_gradient_of_the_identity():
    rounded = identity_ste(lambda x: jnp.floor(x * 3.0) / 3.0)
    x = jnp.asarray([0.1, -1e30, 16777217.0, jnp.inf, -jnp.inf], "float32")
    np.testing.assert_array_equal(rounded(x), jnp.floor(x * 3.0) / 3.0)
    for f in (rounded, jax.jit(rounded), jax.checkpoint(rounded)):
        np.testing.assert_array_equal(jax.vmap(jax.grad(f))(x), 1.0)
    np.testing.assert_array_equal(jax.jvp(rounded, (x,), (2.0 * x,))[1], 2.0 * x)


def test_identity_ste_closes_over_traced_values():
    def loss(step, x):
        return identity_ste(lambda x: jnp.round(x / step) * step)(x)

    slopes = jax.jit(jax.grad(loss, argnums=(0, 1)))(jnp.float32(0.25), jnp.float32(0.7))
    assert slopes == (0.0, 1.0)


def test_identity_ste_keeps_dtype_and_wants_the_same_shape():
    assert identity_ste(lambda x: x > 0)(jnp.ones(3, "bfloat16")).dtype == jnp.bfloat16
    with pytest.raises(InputError, match="keep the shape"):
        identity_ste(jnp.sum)(jnp.ones(3))


@pytest.mark.parametrize("theta", [1.0, jnp.float32(1.0)])
def test_threshold_itself_is_below(theta):
    x = jnp.asarray([1.0, jnp.nextafter(jnp.float32(1.0), jnp.float32(2.0))])
    for f in (actlab.jump_relu, actlab.thresholded_relu, actlab.threshold):
        slopes = jax.vmap(jax.grad(lambda x, f=f: f(x, theta=theta)))(x)
        np.testing.assert_array_equal(slopes, [0.0, 1.0])
        np.testing.assert_array_equal(f(x, theta=theta), x * slopes)


@pytest.mark.slow
def test_jump_relu_learns_its_threshold_inside_the_window_only():
    x = jnp.asarray([0.0, 0.7, 0.8, 1.0, 1.2, 1.3, 5.0])
    by_theta, by_width = jax.jacobian(
        lambda theta, width: actlab.jump_relu(x, theta=theta, bandwidth=width), argnums=(0, 1)
    )(jnp.float32(1.0), jnp.float32(0.5))
    np.testing.assert_array_equal(by_theta, [0, 0, -2, -2, -2, 0, 0])
    np.testing.assert_array_equal(by_width, 0.0)


@pytest.mark.slow
def test_pact_gradient_of_the_cap():
    x = jnp.asarray([-1.0, 0.0, 2.9, 3.0, 9.0])
    by_alpha = jax.jacobian(lambda alpha: actlab.quantized_relu_ste(x, alpha=alpha))(jnp.float32(3.0))
    by_n = jax.jacobian(lambda n: actlab.relu_n(x, n=n))(jnp.float32(3.0))
    np.testing.assert_array_equal(by_alpha, [0, 0, 0, 1, 1])
    np.testing.assert_array_equal(by_n, by_alpha)


@pytest.mark.parametrize("bits", [1, 2, 8, 16])
def test_quantized_levels(bits):
    levels = 2**bits - 1
    x = jnp.linspace(-1.0, 7.0, 4001)
    y = np.asarray(actlab.quantized_relu_ste(x, bits=bits), np.float64) * levels / 6.0
    np.testing.assert_allclose(y, np.round(y), atol=1e-3)
    assert np.abs(y * 6.0 / levels - np.clip(x, 0.0, 6.0)).max() <= 3.0 / levels + 1e-6
    assert len(actlab.quantized_relu_ste.spec.at(bits=bits).jumps) == levels


def test_ties_of_the_signs():
    zero = jnp.float32(0.0)
    values = [f(zero) for f in (actlab.sign, actlab.sign_ste, actlab.bireal_approx_sign, actlab.rsign)]
    assert values == [0.0, 1.0, 1.0, -1.0]
    assert [actlab.heaviside(zero, value_at_0=v) for v in (0.0, 0.5, 1.0)] == [0.0, 0.5, 1.0]
    assert [actlab.ternary_ste(v) for v in (-0.75, -0.5, 0.5, 0.75)] == [-1.0, 0.0, 0.0, 1.0]


@pytest.mark.slow
def test_rsign_moves_its_threshold_against_the_gradient():
    x = jnp.asarray([-0.75, 0.25, 0.5, 1.0, 2.0])
    by_alpha = jax.jacobian(lambda alpha: actlab.rsign(x, alpha=alpha))(jnp.float32(0.5))
    np.testing.assert_array_equal(by_alpha, [0.0, -1.5, -2.0, -1.0, 0.0])


@pytest.mark.slow
def test_relu_sugar_is_relu_with_another_slope():
    x = jnp.asarray([-2.0, -0.0, 0.0, 3.0])
    for surrogate in ("bsilu", "nelu"):
        np.testing.assert_array_equal(actlab.relu_sugar(x, surrogate=surrogate), actlab.relu(x))
    slopes = jax.vmap(jax.grad(lambda x: actlab.relu_sugar(x, surrogate="nelu", nelu_alpha=0.5)))(x)
    np.testing.assert_allclose(slopes, [-0.08, 0.0, 0.0, 1.0], rtol=1e-6)
    with pytest.raises(InputError, match="did you mean"):
        actlab.relu_sugar(x, surrogate="bsilo")
