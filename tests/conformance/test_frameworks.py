"""The plain functions inside equinox, Haiku and Keras; inside flax.linen: tests/nn/test_linen.py.

Each model has a function as it is, one with a learnt parameter for each channel which the framework holds, a lean
one, and a masked softmax; it is trained, and the learnt parameter's gradient compared with finite differences.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.test_util import check_grads

import actlab

WIDTH = 8
X = jax.random.normal(jax.random.key(0), (64, 3))
TARGET = jnp.sin(X).sum(-1)
KEEP = jnp.arange(WIDTH) < 6


def train(loss, params, steps=60):
    """Train by Adam under jit; the parameters and the losses."""
    optimizer = optax.adam(1e-2)
    state = optimizer.init(params)

    @jax.jit
    def step(params, state):
        value, grads = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), state, value

    losses = []
    with jax.numpy_dtype_promotion("standard"):  # which optax.adam counts on
        for _ in range(steps):
            params, state, value = step(params, state)
            losses.append(float(value))
    return params, losses


def check_gradient(loss_of_beta, beta):
    check_grads(loss_of_beta, (beta,), order=1, modes=["rev"], eps=1e-2, atol=1e-3, rtol=1e-2)


def test_equinox():
    eqx = pytest.importorskip("equinox", reason="equinox is not installed")

    class Net(eqx.Module):
        layers: list
        beta: jax.Array

        def __init__(self, key):
            sizes = [3, WIDTH, WIDTH, WIDTH, WIDTH, 1]
            keys = jax.random.split(key, 5)
            self.layers = [eqx.nn.Linear(*s, key=k) for *s, k in zip(sizes, sizes[1:], keys, strict=False)]
            self.beta = jnp.ones(WIDTH)  # one for each channel

        def __call__(self, x):
            x = actlab.gelu(self.layers[0](x))
            x = actlab.swish(self.layers[1](x), beta=self.beta)
            x = actlab.lean(actlab.gelu)(self.layers[2](x))
            shares = actlab.softmax(self.layers[3](x), where=KEEP)
            return self.layers[4](shares * x)[0]

    params, static = eqx.partition(Net(jax.random.key(1)), eqx.is_array)

    def loss(params):
        return jnp.mean((jax.vmap(eqx.combine(params, static))(X) - TARGET) ** 2)

    check_gradient(lambda beta: loss(eqx.tree_at(lambda net: net.beta, params, beta)), params.beta)
    params, losses = train(loss, params)
    assert losses[-1] < 0.5 * losses[0]
    assert not jnp.array_equal(params.beta, jnp.ones(WIDTH))


def test_haiku():
    hk = pytest.importorskip("haiku", reason="haiku is not installed")

    @hk.without_apply_rng
    @hk.transform
    def net(x):
        x = actlab.gelu(hk.Linear(WIDTH)(x))
        beta = hk.get_parameter("beta", (WIDTH,), init=jnp.ones)  # one for each channel
        x = actlab.swish(hk.Linear(WIDTH)(x), beta=beta)
        x = actlab.lean(actlab.gelu)(hk.Linear(WIDTH)(x))
        shares = actlab.softmax(hk.Linear(WIDTH)(x), where=KEEP)
        return hk.Linear(1)(shares * x)[:, 0]

    def loss(params):
        return jnp.mean((net.apply(params, X) - TARGET) ** 2)

    params = net.init(jax.random.key(1), X)
    check_gradient(lambda beta: loss(params | {"~": {"beta": beta}}), params["~"]["beta"])
    params, losses = train(loss, params)
    assert losses[-1] < 0.5 * losses[0]
    assert not jnp.array_equal(params["~"]["beta"], jnp.ones(WIDTH))


def test_keras():
    keras = pytest.importorskip("keras", reason="keras is not installed")
    if keras.backend.backend() != "jax":
        pytest.skip("Keras runs on another backend; KERAS_BACKEND=jax")

    class Swish(keras.layers.Layer):
        def build(self, shape):
            self.beta = self.add_weight(
                shape=shape[-1:], initializer="ones", name="beta"
            )  # one for each channel

        def call(self, x):
            return actlab.swish(x, beta=self.beta.value)

    with jax.numpy_dtype_promotion("standard"):  # which Keras counts on
        keras.utils.set_random_seed(1)
        model = keras.Sequential(
            [
                keras.layers.Dense(WIDTH, activation=actlab.gelu),
                keras.layers.Dense(WIDTH),
                Swish(),
                keras.layers.Dense(WIDTH, activation=actlab.lean(actlab.gelu)),
                keras.layers.Dense(WIDTH, activation=lambda x: x * actlab.softmax(x, where=KEEP)),
                keras.layers.Dense(1),
            ]
        )
        model.compile(keras.optimizers.Adam(1e-2), "mse")
        model(X)
        weights, rest = (
            [v.value for v in vs] for vs in (model.trainable_variables, model.non_trainable_variables)
        )
        at = [v.path for v in model.trainable_variables].index(model.layers[2].beta.path)

        def loss_of(beta):
            given = [beta if i == at else w for i, w in enumerate(weights)]
            return jnp.mean((model.stateless_call(given, rest, X)[0][:, 0] - TARGET) ** 2)

        check_gradient(loss_of, weights[at])
        history = model.fit(X, TARGET, batch_size=16, epochs=8, verbose=0)
        assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]
        assert not np.array_equal(model.layers[2].beta, np.ones(WIDTH))
