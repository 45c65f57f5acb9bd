"""Special parameters, bounds and gradients of the saturating family, beyond the battery."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actlab
from actlab.errors import InputError

X = jnp.asarray([-math.inf, -1e30, -3.0, -0.25, 0.0, 1e-30, 0.5, 40.0, 1e30, math.inf], "float32")


def slopes(f, params):
    """f, f' and the derivatives of both by each parameter."""

    def both(p):
        return f(X, **p), jax.vmap(jax.grad(lambda x: f(x, **p)))(X)

    params = {name: jnp.float32(value) for name, value in params.items()}
    return jax.tree.leaves(jax.jit(lambda p: (both(p), jax.jacfwd(both)(p)))(params))


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("isru", {"alpha": 0.0}),
        ("dyt", {"alpha": 0.0, "gamma": 2.0, "beta": 1.0}),
        ("dyt", {"alpha": 1.0, "gamma": 0.0, "beta": 1.0}),
        ("dyisru", {"alpha": 0.01, "gamma": 0.0, "beta": 1.0}),
        ("dyisru", {"alpha": 300.0, "gamma": 16.0, "beta": 0.0}),
        ("adaptive_slope_tanh", {"a": 0.0, "n": 5.0}),
        ("scaled_tanh", {"a": 0.0, "b": 0.0}),
        ("penalized_tanh", {"a": 0.0}),
        ("soft_cap", {"cap": 1e-3}),
        ("soft_clipping", {"alpha": 50.0}),
        ("soft_clipping", {"alpha": 1e3}),
        ("hard_tanh", {"min_val": -1.0, "max_val": 1.0}),
    ],
    ids=str,
)
def test_no_nan_at_special_parameters(name, params):
    f = actlab.registry()[name]
    for values in slopes(f, params):
        assert not np.isnan(values).any(), values
    np.testing.assert_allclose(f(X[jnp.array([0, -1])], **params), f.spec.at(**params).limits, rtol=1e-6)


def test_special_cases():
    x = X[1:-1]
    np.testing.assert_array_equal(actlab.isru(x, alpha=0.0), x)
    np.testing.assert_array_equal(actlab.penalized_tanh(x, a=1.0), actlab.tanh(x))
    np.testing.assert_array_equal(actlab.scaled_tanh(x, a=2.0, b=0.3), actlab.dyt(x, alpha=0.3, gamma=2.0))
    np.testing.assert_allclose(actlab.isru(x, alpha=0.25), actlab.dyisru(x, alpha=4.0, gamma=2.0), rtol=1e-6)
    np.testing.assert_allclose(actlab.soft_clipping(x, alpha=1e6), jnp.clip(x, 0, 1), atol=1e-6)
    assert actlab.scaled_tanh(1.0) == pytest.approx(1.0, abs=1e-4)


def test_tiny_inputs_are_not_flushed_by_a_small_slope():
    x = jnp.float32(2e-38)  # x / 30 is subnormal
    assert actlab.soft_cap(x) == x
    np.testing.assert_allclose(actlab.dyt(x, alpha=0.01, gamma=100.0), x, rtol=1e-6)
    np.testing.assert_allclose(actlab.dyisru(x, alpha=1e4, gamma=100.0), x, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (-0.3, 0.7), (-0.5, 6.0)])
def test_hard_tanh_gradient_at_bounds_of_any_precision(dtype, bounds):
    """A bound that the dtype rounds must not make y look as if it lay inside."""
    low, high = bounds
    x = jnp.asarray([-9.0, low - 0.01, low + 0.01, 0.0, high - 0.05, high + 0.05, 9.0], dtype)
    slope = jax.vmap(jax.grad(lambda x: actlab.hard_tanh(x, min_val=low, max_val=high)))(x)
    np.testing.assert_array_equal(np.asarray(slope, "float32"), [0, 0, 1, 1, 1, 0, 0])


def test_hard_tanh_bounds():
    with pytest.raises(InputError, match="below"):
        actlab.hard_tanh(1.0, min_val=1.0, max_val=1.0)

    def kept(**bounds):
        return jax.tree.leaves(jax.vjp(lambda x: actlab.hard_tanh(x, **bounds), X)[1])

    by_bound = jax.jacfwd(lambda b: actlab.hard_tanh(X, min_val=b[0], max_val=b[1]))(jnp.asarray([-1.0, 1.0]))
    np.testing.assert_array_equal(by_bound[:, 0], X <= -1)
    np.testing.assert_array_equal(by_bound[:, 1], X >= 1)
    assert float(jnp.max(jnp.abs(kept()[0]))) == 1  # y, not x


@pytest.mark.slow
def test_learnt_per_channel():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(5, 3)), "bfloat16")
    params = {"alpha": jnp.float32(0.5), "gamma": jnp.ones(3), "beta": jnp.zeros(3)}
    for f in (actlab.dyt, actlab.dyisru):
        grads = jax.grad(lambda p, f=f: jnp.sum(f(x, **p).astype("float32")))(params)
        assert {k: v.shape for k, v in grads.items()} == {"alpha": (), "gamma": (3,), "beta": (3,)}
        np.testing.assert_allclose(grads["beta"], 5.0)
