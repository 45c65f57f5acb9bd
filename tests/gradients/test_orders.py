import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actlab
from actlab.errors import InputError
from actlab.gradients import nth


@pytest.mark.parametrize("n", range(5))
def test_derivatives_of_an_exponential(n):
    x = jnp.linspace(-1.0, 1.0, 5)
    np.testing.assert_allclose(nth(lambda x: jnp.exp(2 * x), n)(x), 2.0**n * np.exp(2 * x), rtol=1e-5)


@pytest.mark.slow
def test_on_a_custom_rule():
    """gelu''' = (x^3 - 4x) phi(x)."""
    x = jnp.linspace(-3.0, 3.0, 13)
    expected = (x**3 - 4 * x) * jnp.exp(-(x**2) / 2) / jnp.sqrt(2 * jnp.pi)
    np.testing.assert_allclose(jax.jit(nth(actlab.gelu, 3))(x), expected, atol=1e-6)


def test_integers_are_floats():
    np.testing.assert_allclose(nth(actlab.silu, 2)(jnp.arange(3)), nth(actlab.silu, 2)(jnp.arange(3.0)))


@pytest.mark.parametrize("n", [-1, 1.0, True, "2"])
def test_bad_order(n):
    with pytest.raises(InputError, match="order must be"):
        nth(jnp.sin, n)
