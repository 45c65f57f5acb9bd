import numpy as np
import polars as pl
import pytest

from actlab.report.trends import attention_sites, attention_views, ratio_view, trend_views
from actlab.runs import read_run


def by_title(run):
    return {view.title: view for view in trend_views(run)}


def test_a_full_run_has_every_trend_and_a_basic_one_none(runs):
    titles = set(by_title(read_run(runs("full"))))
    assert titles == {
        *("Gradient norm", "Sharpness", "Sharpness, preconditioned"),
        *("Gradient noise scale", "Distance from the start", "Outputs"),
    }
    assert trend_views(read_run(runs("healthy"))) == []


@pytest.mark.parametrize(("kind", "where"), [("full", "at the edge"), ("sick", "above the edge")])
def test_where_sharpness_hovers_is_told(runs, kind, where):
    sharp = by_title(read_run(runs(kind)))["Sharpness"]
    assert where in sharp.caption
    assert set(sharp.tables["limits"]["value"]) == {20}
    assert set(sharp.tables["points"]["name"]) == {"sharpness", "along the step"}


def test_a_limit_that_follows_the_learning_rate_is_compared_step_by_step(runs):
    run = read_run(runs("full"))
    limit = pl.col("quantity") == "sharpness_limit"
    sharp = pl.col("quantity") == "sharpness"
    falling = run.metrics.with_columns(
        value=pl.when(limit)
        .then(1e5 / pl.col("step"))
        .when(sharp)
        .then(5e4 / pl.col("step"))
        .otherwise(pl.col("value"))
    )
    view = by_title(_with(run, falling))
    assert "stands at 0.50 of the limit: below" in view["Sharpness"].caption


def _with(run, metrics):
    return type(run)(
        **{**{name: getattr(run, name) for name in run.__dataclass_fields__}, "metrics": metrics}
    )


def test_noise_stands_against_the_batch_size(runs):
    noise = by_title(read_run(runs("full")))["Gradient noise scale"]
    assert set(noise.tables["limits"]["name"]) == {"batch of 100"}


def test_update_ratio_has_the_band_on_basic_runs_too(runs):
    view = ratio_view(read_run(runs("healthy")))
    assert view.tables["band"] == {"low": [1e-4], "usual": [1e-3], "high": [1e-2]}
    assert "0.0001 to 0.01 around the dashed 0.001" in view.caption
    assert view.values["names"][-1] == "head"


def test_attention_has_entropy_and_largest_score(runs):
    run = read_run(runs("sick"))
    assert attention_sites(run) == ("blocks.0.scores", "blocks.1.scores")
    entropy, logits = attention_views(run)
    fallen = entropy.tables["lines"]["lines"][1]
    assert fallen[0] > 0.8
    assert fallen[-1] < 0.01
    assert max(logits.tables["lines"]["lines"][1]) > 100
    assert attention_views(read_run(runs("healthy"))) == []


def test_entropy_without_its_share_is_in_nats(runs):
    run = read_run(runs("full"))
    bare = run.metrics.filter(~pl.col("quantity").str.starts_with("entropy_share"))
    entropy, _ = attention_views(_with(run, bare))
    assert "In nats" in entropy.caption
    assert np.nanmax(np.array(entropy.tables["lines"]["lines"], dtype=float)) > 1
