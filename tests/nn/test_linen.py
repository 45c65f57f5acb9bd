"""The functions inside flax.linen: as they are, with learnt parameters of the module's own, lean, and masked.

The same in equinox, Haiku and Keras: tests/conformance/test_frameworks.py.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
import pytest
from jax.test_util import check_grads

import actlab


class Net(nn.Module):
    width: int = 8

    @nn.compact
    def __call__(self, x, keep):
        x = actlab.gelu(nn.Dense(self.width)(x))
        beta = self.param("beta", nn.initializers.ones, (self.width,))  # one for each channel
        x = actlab.swish(nn.Dense(self.width)(x), beta=beta)
        x = actlab.lean(actlab.gelu)(nn.Dense(self.width)(x))  # keeps less for the backward pass
        shares = actlab.softmax(nn.Dense(self.width)(x), where=keep)
        return nn.Dense(1)(shares * x)[:, 0]


@pytest.mark.slow
def test_linen():
    x = jax.random.normal(jax.random.key(0), (64, 3))
    target = jnp.sin(x).sum(-1)
    keep = jnp.arange(8) < 6
    net, optimizer = Net(), optax.adam(1e-2)
    params = net.init(jax.random.key(1), x, keep)
    state = optimizer.init(params)

    def loss(params):
        return jnp.mean((net.apply(params, x, keep) - target) ** 2)

    @jax.jit
    def step(params, state):
        value, grads = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), state, value

    def loss_of(beta):
        return loss({"params": params["params"] | {"beta": beta}})

    check_grads(loss_of, (params["params"]["beta"],), order=1, modes=["rev"], eps=1e-2, atol=1e-3, rtol=1e-2)
    losses = []
    with jax.numpy_dtype_promotion("standard"):  # which optax.adam counts on
        for _ in range(60):
            params, state, value = step(params, state)
            losses.append(float(value))
    assert losses[-1] < 0.5 * losses[0]
    assert not jnp.array_equal(params["params"]["beta"], jnp.ones(8))
