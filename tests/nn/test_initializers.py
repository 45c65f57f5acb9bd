import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from actlab import make
from actlab.errors import InputError
from actlab.nn import GatedMLP, initializer
from actlab.theory import critical_weights, he_exact


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


def drawn(name, act, *, first=False):
    kernel, bias = initializer(name, 300, 1.0, make(act), first=first)
    return kernel(jax.random.key(0), (300, 300), jnp.float32), bias(jax.random.key(1), (4000,), jnp.float32)


@pytest.mark.slow
def test_variances_that_follow_from_the_activation():
    for name, act, found in (
        ("he_exact", "gelu", he_exact("gelu")),
        ("critical", "gelu", critical_weights("gelu")),
    ):
        for first, sd in ((False, found.sigma_w), (True, found.first)):
            kernel, bias = drawn(name, act, first=first)
            assert kernel.std() * 300**0.5 == pytest.approx(sd, rel=0.02)
            assert float(bias.std()) == pytest.approx(found.sigma_b, rel=0.05)


def test_a_layer_that_has_no_activation_in_front_is_told():
    with pytest.raises(InputError, match="init=critical is for layers behind an activation"):
        initializer("critical", 3)


@pytest.mark.slow
def test_gated_block_with_its_gain_keeps_the_variance():
    block = GatedMLP(make("swiglu"), width=512, hidden=512, init="he_exact", rngs=nnx.Rngs(0))
    out = block(jax.random.normal(jax.random.key(1), (64, 512)))
    assert float(jnp.mean(out**2)) == pytest.approx(1.0, rel=0.1)
    with pytest.raises(InputError, match="did you mean 'he_exact'"):
        GatedMLP(make("swiglu"), width=4, hidden=4, init="he_exat", rngs=nnx.Rngs(0))
