"""One family by several names; the universal activation's special parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actlab

X = jnp.linspace(-12.0, 12.0, 97)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (actlab.make("celu", alpha=1.0), actlab.make("elu")),
        (actlab.make("celu", alpha=1.5), actlab.make("pelu", a=1.5, b=1.5)),
        (actlab.make("mpelu", alpha=1.5), actlab.make("elu", alpha=1.5)),
        (actlab.make("mpelu", alpha=0.0), actlab.make("relu")),
        (actlab.make("uaf", a=1.0, d=-1.0), actlab.make("identity")),
    ],
    ids=str,
)
def test_same_function(one, other):
    np.testing.assert_allclose(one(X), other(X), rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(jax.grad(one))(X), jax.vmap(jax.grad(other))(X), rtol=1e-6)


@pytest.mark.slow
def test_left_slope_survives_where_expm1_plus_1_is_zero():
    for f in (actlab.elu, actlab.celu, actlab.pelu, actlab.mpelu):
        np.testing.assert_allclose(jax.grad(f)(-60.0), np.exp(-60.0), rtol=1e-5)


def test_tiny_inputs_are_not_flushed_by_a_wide_scale():
    x = jnp.asarray([-1.5e-38], "float32")
    np.testing.assert_array_equal(actlab.celu(x, alpha=4.0), x)
    np.testing.assert_array_equal(actlab.pelu(x, a=4.0, b=4.0), x)


@pytest.mark.slow
def test_uaf_can_be_a_tanh():
    a = 2.12616013
    y = actlab.uaf(X, a=a, b=1 / a, d=a, e=-1.0)
    assert float(jnp.abs(y - jnp.tanh(X)).max()) < 0.04
    limits = actlab.uaf.spec.at(a=a, b=1 / a, d=a, e=-1.0).limits
    assert limits == pytest.approx((-1.0, 1.0))
