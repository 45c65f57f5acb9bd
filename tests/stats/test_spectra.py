"""Ranks, cosines and selectivity against NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.stats.spectra import ranks, selectivity

rng = np.random.default_rng(0)
MATRICES = {
    "wide": rng.normal(size=(20, 50)),
    "tall": rng.normal(size=(60, 12)),
    "low rank": rng.normal(size=(40, 3)) @ rng.normal(size=(3, 30)) + 1e-3 * rng.normal(size=(40, 30)),
    "mean": 5 + rng.normal(size=(30, 30)),
    "positions": rng.normal(size=(10, 4, 6)),
    "collapsed": 1 + 1e-4 * rng.normal(size=(128, 200)),
    "tiny": 1e-25 * rng.normal(size=(20, 20)),
    "huge": 1e25 * rng.normal(size=(20, 20)),
}


@pytest.mark.parametrize("name", MATRICES)
def test_ranks(name):
    x = np.float32(MATRICES[name])
    a = x.astype(np.float64).reshape(len(x), -1)
    s = np.linalg.svd(a, compute_uv=False)
    p = s / s.sum()
    unit = a / np.linalg.norm(a, axis=1, keepdims=True)
    cosine = (unit @ unit.T)[np.triu_indices(len(a), 1)].mean()
    row = {k: float(v) for k, v in jax.jit(ranks)(x).items()}
    assert row["effective_rank"] == pytest.approx(np.exp(-np.sum(p * np.log(p))), rel=1e-5)
    assert row["stable_rank"] == pytest.approx((s**2).sum() / (s**2).max(), rel=1e-5)
    assert row["cosine"] == pytest.approx(cosine, rel=1e-4, abs=1e-5)


@pytest.mark.slow
def test_of_one_direction_and_of_nothing():
    one = {k: float(v) for k, v in ranks(jnp.outer(jnp.arange(1.0, 6.0), jnp.ones(7))).items()}
    assert one["effective_rank"] == pytest.approx(1, abs=1e-4)
    assert one["stable_rank"] == pytest.approx(1, rel=1e-5)
    assert one["cosine"] == pytest.approx(1)
    assert all(np.isnan(float(v)) for v in ranks(jnp.zeros((4, 3))).values())
    assert all(np.isnan(float(v)) for v in ranks(jnp.full((4, 3), jnp.nan)).values())
    spoilt = ranks(jnp.eye(4).at[:, 3].set(jnp.nan))
    assert float(spoilt["effective_rank"]) == pytest.approx(3, rel=1e-5)


@pytest.mark.slow
def test_samples_that_are_zero_are_no_part_of_the_cosine():
    x = jnp.eye(3).at[2].set(0.0).at[1].set(jnp.array([1.0, 1.0, 0.0]))
    assert float(ranks(x)["cosine"]) == pytest.approx(np.sqrt(0.5))


@pytest.mark.slow
def test_selectivity():
    labels = rng.integers(0, 4, 200)
    x = np.float32(rng.normal(size=(200, 6)) + np.linspace(0, 3, 6) * labels[:, None])
    x[:, 2] = 7.0
    got = np.asarray(jax.jit(lambda a, y: selectivity(a, y, 4))(x, labels))
    v = x.astype(np.float64)
    means = np.stack([v[labels == k].mean(0) for k in range(4)])
    between = sum((labels == k).sum() * (means[k] - v.mean(0)) ** 2 for k in range(4))
    total = ((v - v.mean(0)) ** 2).sum(0)
    for unit in (0, 1, 3, 4, 5):
        assert got[unit] == pytest.approx(between[unit] / total[unit], rel=1e-4, abs=1e-6)
    assert np.isnan(got[2])
    positions = np.repeat(x[:, None], 3, axis=1)
    np.testing.assert_allclose(selectivity(jnp.asarray(positions), labels, 4)[3:], got[3:], rtol=1e-4)
