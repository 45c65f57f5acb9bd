import jax
import numpy as np
import pytest
from model_building import build

from actlab import kan_bspline
from actlab.activations import make
from actlab.models import KAN
from actlab.nn import sites

SPLINE = make("kan_bspline", learn=["coefficients", "base_weight"], per="unit")


@pytest.mark.slow
def test_a_layer_sums_its_own_function_for_each_edge():
    model = build(KAN, SPLINE, (2,), 3, depth=0)
    site = sites(model)["layers.0.act"]
    site.coefficients[...] = jax.random.normal(jax.random.key(0), (8, 2, 3))
    site.base_weight[...] = jax.random.normal(jax.random.key(1), (2, 3))
    x = jax.random.uniform(jax.random.key(2), (5, 2), minval=-1.0)
    expected = np.zeros((5, 3))
    for i in range(2):
        for j in range(3):
            own = {
                "coefficients": site.coefficients[...][:, i, j],
                "base_weight": site.base_weight[...][i, j],
            }
            expected[:, j] += float(model.layers[0].weight[...][i, j]) * np.asarray(
                kan_bspline(x[:, i], **own)
            )
    np.testing.assert_allclose(model(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_edges_start_as_weighted_silu_and_a_fixed_activation_gives_an_mlp():
    model, plain = (build(KAN, act, (2, 2), 3, width=4) for act in (SPLINE, make("silu")))
    x = jax.random.normal(jax.random.key(0), (5, 2, 2))
    np.testing.assert_allclose(model(x), plain(x), rtol=1e-5, atol=1e-6)
    h = np.asarray(x).reshape(5, 4)
    for layer in plain.layers:
        h = h / (1 + np.exp(-h)) @ np.asarray(layer.weight[...])
    np.testing.assert_allclose(plain(x), h, rtol=1e-5, atol=1e-6)


def test_a_function_for_each_input_where_it_is_learnt_per_channel():
    act = make("kan_bspline", learn=["coefficients"], per="channel")
    model = build(KAN, act, (3,), 2, width=4, norm="layer")
    assert [s.coefficients[...].shape for s in sites(model).values()] == [(8, 3), (8, 4)]
