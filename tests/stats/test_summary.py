"""Every figure against NumPy in float64 on the same values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.errors import InputError
from actlab.stats import merge, summarize
from actlab.stats.summary import BINS, EDGES, QUANTILES, basics, merge_all


def reference(x):
    """The figures of a summary, from all finite values in float64."""
    v = np.asarray(x, np.float64).ravel()
    good = v[np.isfinite(v)]
    d = good - good.mean()
    m2, m3, m4 = (np.mean(d**k) for k in (2, 3, 4))
    return {
        "mean": good.mean(),
        "variance": m2,
        "skew": m3 / m2**1.5,
        "kurtosis": m4 / m2**2 - 3,
        "rms": np.sqrt(np.mean(good**2)),
        "min": good.min(),
        "max": good.max(),
        "zero_share": np.mean(good == 0),
        "negative_share": np.mean(good < 0),
        "nonfinite_share": 1 - len(good) / len(v),
    }


def assert_figures(summary, x, rtol=1e-5):
    figures = {k: float(v) for k, v in summary.figures().items()}
    wanted = reference(x)
    scale = np.sqrt(wanted["variance"])
    for name, value in wanted.items():
        # A mean or a skew may be next to nothing beside the values they are of.
        atol = {"mean": rtol * scale, "skew": rtol, "kurtosis": 3 * rtol}.get(name, 0)
        assert figures[name] == pytest.approx(value, rel=rtol, abs=atol), name


rng = np.random.default_rng(0)
TENSORS = {
    "normal": rng.normal(size=(256, 64)),
    "relu": np.maximum(rng.normal(size=(256, 64)), 0),
    "offset": 1000 + rng.normal(size=(256, 64)),
    "spread units": rng.normal(size=(256, 64)) * 10.0 ** rng.uniform(-3, 3, 64) + rng.normal(size=64),
    "tiny": 1e-18 * rng.normal(size=(64, 8)),
    "images": rng.gamma(2.0, size=(8, 5, 7, 16)),
    "vector": rng.normal(size=50),
    "many": rng.normal(size=(65536, 16)) ** 3,
}


@pytest.mark.parametrize("name", TENSORS)
def test_equals_numpy(name):
    x = np.float32(TENSORS[name])
    assert_figures(jax.jit(summarize)(x), x)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_low_precision_is_summed_in_float32(dtype):
    x = jnp.asarray(TENSORS["offset"] / 50, dtype)
    assert_figures(summarize(x), np.asarray(x.astype(jnp.float32)))


@pytest.mark.slow
def test_one_bad_unit_is_counted_and_spoils_nothing():
    x = np.float32(TENSORS["normal"]).copy()
    x[:, 3] = np.nan
    x[5, 7] = np.inf
    x[0] = -np.inf
    s = summarize(x)
    assert_figures(s, x)
    assert s.nonfinite == 256 + 63 + 1
    assert s.bins.sum() == s.count


@pytest.mark.slow
def test_nothing_finite():
    s = summarize(jnp.full((3, 2), jnp.nan))
    assert s.count == 0
    assert s.nonfinite_share == 1
    figures = {k: v for k, v in s.figures().items() if k != "nonfinite_share"}
    assert all(np.isnan(v) for v in figures.values())


def test_of_nothing_and_of_what_is_not_real():
    assert summarize(jnp.zeros((0, 3))).count == 0
    assert np.isnan(summarize(jnp.zeros((0, 3))).mean)
    with pytest.raises(InputError, match="of real values, not of complex64"):
        summarize(jnp.zeros(3, jnp.complex64))


@pytest.mark.slow
def test_kept_axes_and_basics():
    x = np.float32(TENSORS["images"])
    s = summarize(x, kept=2)
    assert s.mean.shape == (8, 5)
    assert_figures(jax.tree.map(lambda leaf: leaf[2, 3], s), x[2, 3])
    few = basics(jnp.asarray(x), kept=1)
    wanted = reference(x[4])
    for name, value in few.items():
        assert float(value[4]) == pytest.approx(wanted[name], rel=1e-5), name


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_merging_parts_gives_the_whole(parts):
    x = np.float32(TENSORS["relu"] + 100)
    pieces = [summarize(jnp.asarray(p)) for p in np.array_split(x, parts)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *pieces)
    assert_figures(merge_all(stacked), x)
    np.testing.assert_array_equal(merge_all(stacked).bins, summarize(x).bins)


@pytest.mark.slow
def test_merging_with_nothing_changes_nothing():
    some = summarize(jnp.float32([[-1.0, 2.0, 5.0]]))
    for nothing in (summarize(jnp.float32([jnp.nan])), jax.tree.map(jnp.zeros_like, some)):
        for both in (merge(some, nothing), merge(nothing, some)):
            for name, value in some.figures().items():
                if name != "nonfinite_share":
                    np.testing.assert_array_equal(both.figures()[name], value, err_msg=name)
    assert np.isnan(merge(nothing, nothing).mean)


@pytest.mark.slow
@pytest.mark.parametrize("name", TENSORS)
def test_quantiles_lie_in_the_bin_of_the_true_ones(name):
    x = np.float32(TENSORS[name])
    s = summarize(x)
    for q in QUANTILES.values():
        true = np.quantile(x.astype(np.float64), q, method="inverted_cdf")
        assert float(s.quantile(q)) == pytest.approx(true, rel=0.25, abs=1e-9), q


@pytest.mark.slow
def test_the_histogram_counts_what_numpy_counts():
    x = np.float32(np.concatenate([TENSORS["spread units"].ravel(), [0, -0.0, 1e-30, -1e-30, 1e30, -1e30]]))
    border = EDGES.astype(np.float64)
    assert (np.diff(border) > 0).all()
    wanted, _ = np.histogram(x, np.concatenate([[-np.inf], border[1:-1], [np.inf]]))
    got = np.asarray(summarize(x).bins)
    half = BINS // 2
    # A power of two's border belongs to the bin away from zero on both sides; NumPy's bins are closed on the left.
    np.testing.assert_allclose(got[half:], wanted[half:] + 0)
    np.testing.assert_allclose(got[:half].sum(), wanted[:half].sum())


def test_bins_are_counted_alike_by_comparisons():
    x = np.float32(TENSORS["spread units"]).copy()
    x[:3, :2], x[4, 5], x[6, :4] = [0.0, -0.0], np.nan, [np.inf, -np.inf, 1e-30, 1e30]
    for a, b in zip(summarize(x), summarize(x, scatter=False), strict=True):
        np.testing.assert_array_equal(a, b)
