import json

import numpy as np
import polars as pl
import pytest

from actlab.report.depth import STEPS, depth_views
from actlab.report.view import rows
from actlab.runs import read_run


def changed(run, **fields):
    return type(run)(**{**{name: getattr(run, name) for name in run.__dataclass_fields__}, **fields})


def shown(view, at):
    """Return {series: {depth: value}} at one stop of the slider, "bad" where not finite."""
    found = {}
    for row in rows(view.tables["profile"]):
        if row["at"] == at:
            found.setdefault(row["series"], {})[row["x"]] = "bad" if row["bad"] else row["value"]
    return found


def test_a_full_run_has_all_profiles_on_one_slider(runs):
    run = read_run(runs("full"))
    views, steps = depth_views(run)
    assert [view.title.split()[0] for view in views] == [
        "Variance",
        "Gradient",
        "Effective",
        "Dead",
        "Where",
        "Likeness",
    ]
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1]) == (100, 4000)
    for view in views:
        assert view.values["start"] == len(steps) - 1
        assert {row["step"] for row in rows(view.tables["profile"])} == set(steps)
        assert view.spec["params"] == [{"name": "chosen", "value": {"expr": "start"}}]


def test_a_basic_run_has_fewer_and_the_gradient_of_its_layers(runs):
    views, steps = depth_views(read_run(runs("healthy")))
    assert [view.title.split()[0] for view in views] == ["Variance", "Gradient", "Dead", "Where"]
    gradient = views[1]
    assert gradient.tables["profile"]["marks"]["name"][-1] == "head"
    assert set(shown(gradient, 0)) == {"weights"}
    assert len(steps) <= STEPS


def test_values_are_those_recorded(runs):
    run = read_run(runs("full"))
    views, steps = depth_views(run)
    at = len(steps) // 2
    for depth, site in enumerate(run.sites[:4], 1):
        where, values = run.series(site, "post.variance")
        assert shown(views[0], at)["post"][depth] == pytest.approx(values[where == steps[at]][0], rel=1e-3)


def test_between_records_the_last_one_stands(runs):
    run = read_run(runs("full"))
    views, steps = depth_views(run)
    rank = next(view for view in views if view.title.startswith("Effective"))
    where, values = run.series("blocks.0.act", "effective_rank")
    assert steps[-1] not in where
    # 32 units were recorded of each site, fewer than the samples a rank is taken of.
    assert shown(rank, len(steps) - 1)["effective rank"][1] == pytest.approx(values[-1] / 32, rel=1e-3)
    assert "as a share of what is possible" in rank.caption


def test_rank_without_known_widths_is_a_number(runs):
    run = read_run(runs("full"))
    views, _ = depth_views(changed(run, units=run.units.clear()))
    rank = next(view for view in views if view.title.startswith("Effective"))
    assert "share" not in rank.caption
    assert rank.values["y"][1] > 20


def test_the_factor_a_site_is_told(runs):
    views, _ = depth_views(read_run(runs("sick")))
    gradient = views[1]
    assert "a factor of 9.9" in gradient.caption or "a factor of 10" in gradient.caption
    low, high = gradient.values["y"]
    assert high / low > 1e10
    assert len(gradient.values["ticks"]) <= 7


def test_zeros_and_what_is_not_finite_are_kept_apart(runs):
    run = read_run(runs("healthy"))
    spoilt = run.metrics.with_columns(
        value=pl.when((pl.col("site") == "blocks.1.act") & (pl.col("quantity") == "pre.variance"))
        .then(0.0)
        .when((pl.col("site") == "blocks.2.act") & (pl.col("quantity") == "pre.variance"))
        .then(np.nan)
        .otherwise(pl.col("value"))
    )
    (variance, *_), steps = depth_views(changed(run, metrics=spoilt))
    line = shown(variance, len(steps) - 1)["pre"]
    assert line[2] == 0
    assert line[3] == "bad"
    assert variance.values["y"][0] > 0
    assert "zero stands at the bottom" in variance.caption
    assert "Magenta" in variance.caption


def test_many_records_are_thinned_and_dense_at_the_start(runs):
    views, steps = depth_views(read_run(runs("long")))
    assert 20 <= len(steps) <= STEPS
    gaps = np.diff(steps)
    assert gaps[0] * 5 < gaps[-1]
    assert len(json.dumps(views[0].tables)) < 20_000


def test_one_site_has_no_depth(new_run):
    views, steps = depth_views(read_run(new_run(sites=1, records=3)))
    # The gradient still has two layers: the site's own and the head.
    assert [view.title for view in views] == ["Gradient against depth"]
    assert len(steps) == 3


def test_steps_of_one_site_alone_are_no_profile(runs):
    run = read_run(runs("healthy"))
    alone = pl.DataFrame(
        [(step, "blocks.2.act", "pre.variance", 1e30) for step in range(3991, 4000)],
        run.metrics.schema,
        orient="row",
    )
    _, before = depth_views(run)
    views, after = depth_views(changed(run, metrics=run.metrics.vstack(alone).sort("step")))
    assert after == before
    assert views[0].values["y"][1] < 1e3
    whole = run.metrics.with_columns(
        value=pl.when(pl.col("step") == 4000).then(1e36).otherwise(pl.col("value"))
    )
    (variance, *_), _ = depth_views(changed(run, metrics=whole))
    assert variance.values["y"][0] < 1 < 1e36 < variance.values["y"][1]
