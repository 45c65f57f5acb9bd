"""Norms by layer against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.stats.layers import layer_statistics
from actlab.stats.layers import norm as norm_of


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
    assert float(norm_of(jax.tree.leaves(jax.tree.map(jnp.float32, grads)))) == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("size", [1e-30, 1e-24, 1.0, 1e20, 1e30])
def test_a_norm_does_not_leave_the_range_its_values_are_in(size):
    x = np.float32(size * np.random.default_rng(0).normal(size=(20, 30)))
    wanted = np.linalg.norm(x.astype(np.float64))
    assert float(norm_of([jnp.asarray(x)])) == pytest.approx(wanted, rel=1e-5)
    assert np.isnan(norm_of([jnp.asarray(x), jnp.full(2, jnp.nan)]))
    assert float(norm_of([jnp.zeros(3)])) == 0
