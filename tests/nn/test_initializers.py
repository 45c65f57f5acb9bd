import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.errors import InputError
from actlab.nn import initializer


@pytest.mark.parametrize(
    "name", ["lecun_normal", "he_normal", "glorot_normal", "glorot_uniform", "torch_default"]
)
def test_initial_variance(name):
    fan_in, fan_out = 300, 200
    kernel, _ = initializer(name, fan_in)
    drawn = np.asarray(kernel(jax.random.key(0), (fan_in, fan_out), jnp.float32))
    expected = {
        "lecun_normal": 1 / fan_in,
        "he_normal": 2 / fan_in,
        "glorot_normal": 2 / (fan_in + fan_out),
        "glorot_uniform": 2 / (fan_in + fan_out),
        "torch_default": 1 / (3 * fan_in),
    }[name]
    assert drawn.var() == pytest.approx(expected, rel=0.03)
    assert abs(drawn.mean()) < 4 * (expected / drawn.size) ** 0.5


def test_torch_default_is_torchs():
    """torch.nn.Linear: weight and bias uniform within 1/sqrt(fan_in)."""
    kernel, bias = initializer("torch_default", 100)
    for draw in (kernel(jax.random.key(0), (100, 500), jnp.float32), bias(jax.random.key(1), (5000,))):
        assert np.abs(draw).max() <= 0.1
        assert np.abs(draw).max() > 0.0995


def test_orthogonal():
    kernel, _ = initializer("orthogonal", 30)
    drawn = kernel(jax.random.key(0), (30, 20), jnp.float32)
    np.testing.assert_allclose(drawn.T @ drawn, np.eye(20), atol=1e-5)


def test_unknown_initialiser():
    with pytest.raises(InputError, match="unknown initialiser 'he_norm'; did you mean 'he_normal'"):
        initializer("he_norm", 3)
