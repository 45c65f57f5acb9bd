"""Soft exponential through alpha = 0 and outside its domain; the parametrisation of xIELU's reference code."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actlab

X = jnp.asarray([-3.0, -0.5, 0.0, 1e-4, 2.0], "float32")


def soft(alpha):
    return actlab.soft_exponential(X, alpha=alpha)


@pytest.mark.slow
def test_soft_exponential_is_learnt_through_zero():
    for alpha in (-1e-4, -1e-12, -1e-40, 0.0, 1e-40, 1e-12, 1e-4):
        np.testing.assert_allclose(soft(alpha), X + alpha * (1 + X**2 / 2), rtol=1e-6, atol=1e-7)
        slope = jax.jacfwd(soft)(jnp.float32(alpha))
        np.testing.assert_allclose(slope, 1 + X**2 / 2, rtol=2e-3)
    mixed = jax.grad(jax.grad(lambda x, a: actlab.soft_exponential(x, alpha=a)), 1)(2.0, 0.0)
    assert mixed == 2.0


def test_soft_exponential_at_its_ends():
    x = jnp.asarray([1e-30, 1e-3, 1.0, 5.0], "float32")
    np.testing.assert_allclose(actlab.soft_exponential(x, alpha=-1.0), jnp.log(x), rtol=1e-6)
    np.testing.assert_allclose(actlab.soft_exponential(-x, alpha=1.0), jnp.exp(-x), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [-0.7, -1.0, -2.5])
def test_soft_exponential_outside_its_domain(alpha):
    def f(x, a):
        return actlab.soft_exponential(x, alpha=a)

    x = 1 / alpha - alpha - 0.25
    assert f(x, alpha) == -jnp.inf
    assert jax.grad(f)(x, alpha) == jax.grad(f, 1)(x, alpha) == jax.grad(jax.grad(f))(x, alpha) == 0
    assert jnp.isnan(f(jnp.nan, alpha))
    assert jnp.isnan(jax.grad(f)(jnp.nan, alpha))


def test_xielu_by_the_parameters_of_its_reference_code():
    p, n = np.log(np.expm1(0.8)), np.log(np.expm1(0.3))
    alpha_p, alpha_n = actlab.softplus(p), 0.5 + actlab.softplus(n)
    np.testing.assert_allclose(
        actlab.xielu(X, alpha_p=alpha_p, alpha_n=alpha_n, beta=0.5), actlab.xielu(X), rtol=1e-6
    )


@pytest.mark.slow
def test_xielu_without_a_dip_is_elu_like():
    x = jnp.asarray([-jnp.inf, -100.0, -20.0], "float32")
    y = actlab.xielu(x, alpha_n=0.5)
    np.testing.assert_array_equal(y, [-0.5, -0.5, -0.5])
    slope = jax.vmap(jax.grad(lambda x: actlab.xielu(x, alpha_n=0.5)))(x)
    np.testing.assert_allclose(slope, 0.5 * jnp.exp(x), rtol=1e-6)
