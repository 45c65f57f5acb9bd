import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from actlab.errors import InputError
from actlab.nn import DynamicReLU, FunnelReLU, Maxout, MetaAcon

X = jnp.asarray(np.random.default_rng(0).normal(size=(3, 6, 5, 16)), "float32")
LAYERS = {
    "maxout": lambda rngs: Maxout(16, 4, pieces=3, rngs=rngs),
    "funnel": lambda rngs: FunnelReLU(16, rngs=rngs),
    "dynamic": lambda rngs: DynamicReLU(16, rngs=rngs),
    "meta_acon": lambda rngs: MetaAcon(16, rngs=rngs),
}


@pytest.mark.slow
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS.keys())
def test_shapes_and_gradient_flow(make):
    layer = make(nnx.Rngs(0))
    if isinstance(layer, DynamicReLU):  # starts with a last layer of zeros, behind which nothing moves
        layer.excite.kernel[...] = 0.1 * jax.random.normal(jax.random.key(1), layer.excite.kernel.shape)

    def loss(layer, x):
        return jnp.mean((layer(x) - 1.0) ** 2)

    y = layer(X)
    assert y.shape == ((3, 6, 5, 4) if isinstance(layer, Maxout) else X.shape)
    assert y.dtype == jnp.float32
    by_weights, by_x = nnx.jit(nnx.grad(loss, argnums=(0, 1)))(layer, X)
    for path, slope in nnx.to_flat_state(nnx.state(by_weights, nnx.Param)):
        assert jnp.isfinite(slope[...]).all(), path
        assert jnp.abs(slope[...]).max() > 0, path
    assert jnp.abs(by_x).max() > 0


def test_maxout_is_the_largest_of_affine_maps():
    layer = LAYERS["maxout"](nnx.Rngs(0))
    z = X @ layer.affine.kernel[...] + layer.affine.bias[...]
    np.testing.assert_allclose(layer(X), z.reshape(3, 6, 5, 4, 3).max(-1), rtol=1e-4, atol=1e-5)


def test_funnel_relu_is_the_plain_formula():
    layer = LAYERS["funnel"](nnx.Rngs(0))
    layer.eval()
    kernel = np.asarray(layer.condition.kernel[...], np.float64)
    padded = np.pad(np.asarray(X, np.float64), [(0, 0), (1, 1), (1, 1), (0, 0)])
    condition = sum(padded[:, i : i + 6, j : j + 5] * kernel[i, j, 0] for i in range(3) for j in range(3))
    condition = condition / np.sqrt(1 + 1e-5)  # running mean 0, variance 1
    np.testing.assert_allclose(layer(X), np.maximum(X, condition), rtol=1e-4, atol=1e-6)
    assert FunnelReLU(16, dimensions=1, rngs=nnx.Rngs(0))(X[:, 0]).shape == (3, 5, 16)
    with pytest.raises(InputError, match="2 spatial axes"):
        layer(X[:, 0])


@pytest.mark.slow
def test_dynamic_relu_starts_as_relu_and_follows_its_network():
    layer = LAYERS["dynamic"](nnx.Rngs(0))
    np.testing.assert_allclose(layer(X), jax.nn.relu(X), rtol=1e-6)
    layer.excite.kernel[...] = jax.random.normal(jax.random.key(1), layer.excite.kernel.shape)
    means = np.asarray(X, np.float64).mean((1, 2))
    squeezed = np.maximum(
        means @ np.asarray(layer.squeeze.kernel[...]) + np.asarray(layer.squeeze.bias[...]), 0
    )
    residuals = np.tanh(squeezed @ np.asarray(layer.excite.kernel[...]) / 2).reshape(3, 2, 2, 1, 1, 16)
    slopes, offsets = residuals[:, 0] + np.array([1.0, 0.0]).reshape(2, 1, 1, 1), 0.5 * residuals[:, 1]
    expected = (slopes * np.asarray(X)[:, None] + offsets).max(1)
    np.testing.assert_allclose(layer(X), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_meta_acon_is_the_plain_formula():
    layer = LAYERS["meta_acon"](nnx.Rngs(0))
    means = np.asarray(X, np.float64).mean((1, 2), keepdims=True)
    z = means @ np.asarray(layer.squeeze.kernel[...]) @ np.asarray(layer.excite.kernel[...])
    beta, p1, p2 = 1 / (1 + np.exp(-z)), np.asarray(layer.p1[...]), np.asarray(layer.p2[...])
    d = (p1 - p2) * np.asarray(X, np.float64)
    np.testing.assert_allclose(layer(X), d / (1 + np.exp(-beta * d)) + p2 * X, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_two_axes_are_enough():
    for make in (LAYERS["dynamic"], LAYERS["meta_acon"], LAYERS["maxout"]):
        assert make(nnx.Rngs(0))(X[:, 0, 0]).shape[0] == 3
    with pytest.raises(InputError, match="at least 1"):
        Maxout(3, 4, pieces=0, rngs=nnx.Rngs(0))
