"""Histograms against NumPy's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.stats.histogram import histogram


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_histogram(dtype):
    x = jax.random.normal(jax.random.key(0), (30, 40)).astype(dtype)
    got = histogram(x)
    v = np.asarray(x, np.float64)
    low, high = v.min(), v.max()
    assert float(got["low"]) == pytest.approx(low)
    assert float(got["high"]) == pytest.approx(high)
    expected, _ = np.histogram(v, 64, (low, high))
    # float32 puts a value that lies on an edge into either neighbour
    assert np.abs(np.cumsum(got["counts"]) - np.cumsum(expected)).max() <= (1 if dtype == jnp.float32 else 20)
    assert int(got["counts"].sum()) == 1200


@pytest.mark.slow
def test_histogram_of_what_is_not_finite_or_constant():
    got = histogram(jnp.array([1.0, jnp.nan, jnp.inf, -jnp.inf, 2.0]))
    assert (float(got["low"]), float(got["high"]), int(got["nonfinite"])) == (1.0, 2.0, 3)
    assert int(got["counts"].sum()) == 2
    assert int(histogram(jnp.full(5, 3.0))["counts"][0]) == 5
    got = histogram(jnp.full(5, jnp.nan))
    assert (float(got["low"]), float(got["high"]), int(got["nonfinite"])) == (0.0, 0.0, 5)
    top = jnp.finfo(jnp.float32).max
    assert int(histogram(jnp.array([-top, 0.0, top]))["counts"].sum()) == 3
