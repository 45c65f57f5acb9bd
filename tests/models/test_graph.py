"""The graph that theory sees of a model, and activations transformed for it."""

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from actlab import make, models
from actlab.errors import InputError
from actlab.models.graph import PreActivation, network, transformed
from actlab.theory import Plain, Residual, transform


def test_graphs():
    assert network(models.MLP, {"depth": 7, "norm": "none"}) == Plain(7)
    assert network(models.ConvNet, {}) == Plain(3)
    plain = {"norm": "none", "residual": False, "stages": (2, 1, 1)}
    assert network(models.ResNet, plain) == Plain(9)
    skips = {"norm": "none", "skip_weight": 0.6, "stages": (1, 2), "widths": (8, 16)}
    assert network(models.ResNet, skips) == PreActivation((False, True, False), 0.6)


def test_a_pre_activation_network_is_theorys():
    ours = PreActivation((True, False, True, False), 0.6)
    assert ours(0.3, lambda x: 1.2 * x) == pytest.approx(Residual((2, 2), 2, 0.6)(0.3, lambda x: 1.2 * x))


def test_transformed_for_a_model():
    found = transformed(make("relu"), "tat", models.MLP, {"depth": 50})
    assert found == transform("relu", "tat", 50)
    other = transformed(make("relu"), {"method": "tat", "eta": 0.8}, models.MLP, {"depth": 50})
    assert other == transform("relu", "tat", 50, eta=0.8)


def test_a_clamp_is_told(caplog):
    transformed(make("relu"), "tat", models.MLP, {"depth": 4})
    assert "below eta=0.9: relu it is" in caplog.text


@pytest.mark.slow
def test_weighted_skips():
    x = jax.random.normal(jax.random.key(0), (2, 4, 3))
    how = {"stages": (1,), "widths": (3,), "norm": "none"}

    def block(**more):
        return models.ResNet(make("tanh"), (4,), 2, **how, **more, rngs=nnx.Rngs(0)).blocks[0]

    branch, summed = (block(residual=r)(x, train=False, key=None) for r in (False, True))
    assert jnp.allclose(summed, x + branch, atol=1e-6)
    weighted = block(skip_weight=0.6)(x, train=False, key=None)
    assert jnp.allclose(weighted, 0.6 * x + 0.8 * branch, atol=1e-6)
    with pytest.raises(InputError, match="skip_weight=1"):
        block(skip_weight=1.0)


@pytest.mark.parametrize(
    ("act", "wanted", "model", "arguments", "told"),
    [
        ("relu", "tatt", models.MLP, {}, "did you mean 'tat'"),
        ("relu", {"method": "tat", "etaa": 1}, models.MLP, {}, "no target 'etaa'; did you mean 'eta'"),
        ("relu", "tat", models.MLP, {"norm": "layer"}, "model.norm=none"),
        ("relu", "tat", models.MLP, {"residual": True}, "model.residual=false"),
        ("relu", "tat", models.MLP, {"depth": 0}, "needs a hidden layer"),
        ("relu", "tat", models.ResNet, {"norm": "none"}, "model.skip_weight=0.6"),
        ("relu", "tat", models.ViT, {}, "it knows MLP, ConvNet, ResNet, not ViT"),
    ],
)
def test_what_cannot_be(act, wanted, model, arguments, told):
    with pytest.raises(InputError, match=told):
        transformed(make(act), wanted, model, arguments)


def test_nothing_is_learnt_of_a_transformed_function():
    for act in (make("swish", learn=["beta"]), make("gelu", lean=True)):
        with pytest.raises(InputError, match="take one or the other"):
            transformed(act, "tat", models.MLP, {})
