"""What theory expects of a model: where it says nothing, and limits that are known."""

import numpy as np
import pytest

from actlab import make, models
from actlab.errors import InputError
from actlab.models.expected import expected, gradient_at, wide

X = np.random.default_rng(0).normal(size=(6, 40))


@pytest.mark.slow
def test_relu_keeps_every_inputs_variance():
    told = wide(models.MLP, {"depth": 5, "width": 200, "init": "he_normal"}, make("relu"), 40)
    found = expected(told, X)
    np.testing.assert_allclose(found.q, 2 * np.mean(X**2), rtol=1e-12)
    np.testing.assert_allclose(found.gradient, 1.0, rtol=1e-12)
    np.testing.assert_allclose(gradient_at(told, np.ones((3, 5))), 1.0, rtol=1e-12)


@pytest.mark.slow
def test_behind_a_layer_norm_variance_is_1_and_the_gradient_that_of_a_unit_normal():
    one, other = (
        expected(
            wide(models.MLP, {"depth": 4, "norm": "layer", "init": init}, make("tanh"), 40), X
        )  # whatever the weights' scale
        for init in ("he_normal", "lecun_normal")
    )
    np.testing.assert_array_equal(one.q, 1.0)
    np.testing.assert_allclose(one.c, other.c, rtol=1e-12)
    told = wide(models.MLP, {"depth": 4, "norm": "layer"}, make("tanh"), 40)
    np.testing.assert_allclose(gradient_at(told, np.ones((2, 4)))[0], one.gradient, rtol=1e-12)


@pytest.mark.parametrize(
    ("model", "arguments", "act", "told"),
    [
        (models.ViT, {}, "relu", "this is ViT"),
        (models.MLP, {"norm": "batch"}, "relu", "a batch norm mixes the samples"),
        (models.MLP, {"residual": True}, "relu", "skips go around activations"),
        (models.MLP, {"init": "lsuv"}, "relu", "sets scales by what it measures"),
        (models.MLP, {"depth": 0}, "relu", "no hidden layer"),
        (models.MLP, {}, "softmax", "not elementwise"),
    ],
)
def test_where_theory_says_nothing(model, arguments, act, told):
    with pytest.raises(InputError, match=told):
        wide(model, arguments, make(act), 40)
