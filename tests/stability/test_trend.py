"""The robust trend against scipy, which has both halves of it."""

import numpy as np
import pytest
from scipy import stats

from actlab.stability.trend import thinned, trend


@pytest.mark.parametrize("slope", [0.0, 0.02, -0.1])
@pytest.mark.parametrize("n", [5, 30, 100])
def test_against_scipy(slope, n):
    rng = np.random.default_rng(n)
    x = np.sort(rng.uniform(0, 50, n))
    y = slope * x + rng.standard_t(3, n)
    got = trend(x, y)
    theil = stats.theilslopes(y, x, 0.95)
    assert got.slope == pytest.approx(theil.slope, rel=1e-12)
    assert (got.low, got.high) == pytest.approx((theil.low_slope, theil.high_slope), abs=0.2 / n)
    assert got.low < got.slope < got.high
    exact = stats.kendalltau(x, y, method="asymptotic").pvalue
    assert 2 * stats.norm.sf(abs(got.score)) == pytest.approx(
        exact, abs=0.12
    )  # ours is corrected for continuity
    assert np.sign(got.score) in (0, np.sign(np.round(stats.kendalltau(x, y).statistic, 12)))


def test_the_score_is_standard_normal_without_a_trend_and_ties_count():
    rng = np.random.default_rng(0)
    x = np.arange(40)
    for draw in (lambda: rng.normal(size=40), lambda: rng.integers(0, 4, 40)):
        scores = np.array([trend(x, draw()).score for _ in range(1500)])
        assert abs(scores.mean()) < 0.1
        assert scores.std() == pytest.approx(1, abs=0.07)


def test_the_interval_covers():
    rng = np.random.default_rng(1)
    x = np.arange(30)
    hits = [(t := trend(x, 0.1 * x + rng.normal(size=30))).low <= 0.1 <= t.high for _ in range(1000)]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.025)


def test_flat_gaps_and_few():
    flat = trend(range(10), np.ones(10))
    assert (flat.slope, flat.score, flat.span) == (0, 0, 9)
    y = np.arange(10.0)
    y[[2, 5]] = [np.nan, np.inf]
    assert (trend(range(10), y).slope, trend(range(10), y).count) == (1, 8)
    assert np.isnan(trend(range(4), range(4)).slope)


@pytest.mark.parametrize("n", [101, 199, 1000, 1003])
def test_long_series_are_thinned_to_medians(n):
    rng = np.random.default_rng(0)
    x, y = thinned(np.arange(n), 0.5 * np.arange(n) + rng.normal(size=n), 100)
    assert len(x) == len(y) <= 100
    assert (np.diff(x) > 0).all()
    np.testing.assert_allclose(y, 0.5 * x, atol=4)
    assert trend(np.arange(n), 0.5 * np.arange(n) + rng.normal(size=n)).slope == pytest.approx(0.5, abs=0.01)
