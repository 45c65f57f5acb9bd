"""Attention's figures against NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.stats.attention import attention


def reference(s, mask):
    """Entropy by head, by the definition -sum p ln p, and over ln n where a query has more than one key."""
    s = np.where(mask, s.astype(np.float64), -np.inf)
    p = np.exp(s - s.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    entropy = -np.sum(np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0), -1)
    n = np.broadcast_to(mask.sum(-1), entropy.shape)
    heads = entropy.mean((0, 2))
    share = np.where(n > 1, entropy / np.log(np.maximum(n, 2)), 0).sum((0, 2)) / (n > 1).sum((0, 2))
    return heads, share, s.max()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("lowest", [-jnp.inf, jnp.finfo(jnp.float32).min])
def test_entropy_per_head(causal, lowest):
    s = np.random.default_rng(0).normal(size=(3, 4, 6, 6)).astype(np.float32) * np.array([0.1, 1, 5, 30])[
        :, None, None
    ].astype(np.float32)
    mask = np.tril(np.ones((6, 6), bool)) if causal else np.ones((6, 6), bool)
    mask = np.broadcast_to(mask, s.shape)
    heads, share, top = reference(s, mask)
    row = jax.jit(lambda x: attention(x, by_head=True))(jnp.where(mask, s, lowest))
    for i, wanted in enumerate(heads):
        assert float(row[f"entropy.head{i}"]) == pytest.approx(wanted, rel=1e-5, abs=1e-6)
    assert float(row["entropy.mean"]) == pytest.approx(heads.mean(), rel=1e-5)
    assert float(row["entropy.min"]) == pytest.approx(heads.min(), rel=1e-4, abs=1e-6)
    assert float(row["entropy_share.mean"]) == pytest.approx(share.mean(), rel=1e-5)
    assert float(row["entropy_share.min"]) == pytest.approx(share.min(), rel=1e-4, abs=1e-6)
    assert float(row["logit_max"]) == pytest.approx(top)


@pytest.mark.slow
def test_a_collapsed_head_has_no_entropy_and_no_nan():
    s = jnp.zeros((1, 2, 2, 3)).at[:, 0, :, 0].set(1e4)
    row = attention(s)
    assert float(row["entropy.min"]) == 0
    assert float(row["entropy_share.mean"]) == pytest.approx(0.5)
    half = attention(s.astype(jnp.bfloat16))
    assert np.isfinite([float(v) for v in half.values()]).all()


@pytest.mark.slow
def test_a_broken_head_is_seen_and_spoils_no_other():
    s = jnp.zeros((1, 2, 2, 3)).at[0, 1].set(jnp.nan)
    row = attention(s, by_head=True)
    assert float(row["entropy.head0"]) == pytest.approx(np.log(3))
    assert np.isnan(row["entropy.head1"])
    assert float(row["entropy.mean"]) == pytest.approx(np.log(3))
    assert float(row["logit_max"]) == 0
    assert float(row["nonfinite_share"]) == pytest.approx(6 / 12)
