"""Norms by layer against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.stats.layers import global_norm, layer_statistics


def test_layer_statistics():
    rng = np.random.default_rng(0)
    trees = [
        {
            "a": {"kernel": rng.normal(size=(3, 4)), "bias": rng.normal(size=4)},
            "b": {"kernel": rng.normal(size=2)},
        }
        for _ in range(3)
    ]
    got = layer_statistics(*jax.tree.map(jnp.float32, trees), full=True)

    def norm(tree):
        return np.sqrt(sum((leaf**2).sum() for leaf in tree.values()))

    params, grads, updates = trees
    for layer in ("a", "b"):
        assert float(got[layer, "gradient_norm"]) == pytest.approx(norm(grads[layer]), rel=1e-5)
        assert float(got[layer, "weight_norm"]) == pytest.approx(norm(params[layer]), rel=1e-5)
        assert float(got[layer, "update_norm"]) == pytest.approx(norm(updates[layer]), rel=1e-5)
        ratio = norm(updates[layer]) / norm(params[layer])
        assert float(got[layer, "update_ratio"]) == pytest.approx(ratio, rel=1e-5)
    whole = np.sqrt(sum(norm(grads[layer]) ** 2 for layer in grads))
    assert float(global_norm(jax.tree.map(jnp.float32, grads))) == pytest.approx(whole, rel=1e-5)
