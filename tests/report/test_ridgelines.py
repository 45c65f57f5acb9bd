import numpy as np
import pytest

from actlab.report.ridgelines import BINS, RIDGES, SITES, ridge_views
from actlab.report.view import rows
from actlab.runs import read_run


def test_ridges_run_from_the_first_record_to_the_last_on_one_axis(runs):
    run = read_run(runs("healthy"))
    views, note = ridge_views(run)
    assert [view.title for view in views] == list(run.sites)
    assert note == ""
    view = views[0]
    assert view.values["labels"][0] == run.histograms["step"].min()
    assert view.values["labels"][-1] == run.histograms["step"].max()
    for tensor in ("pre", "post"):
        table = view.tables[tensor]
        assert len(table["x"]) == BINS
        assert {len(line) for line in table["lines"]} == {BINS}
        assert [max(line) for line in table["lines"]] == [1] * len(table["lines"])
        assert len(rows(table)) == BINS * len(table["lines"])


def test_at_most_twelve_ridges_first_and_last_among_them(runs, new_run):
    run = read_run(new_run(records=60, histograms=60, sites=1, samples=128))
    (view,), _ = ridge_views(run)
    assert len(view.values["labels"]) == RIDGES
    assert (view.values["labels"][0], view.values["labels"][-1]) == (66, 4000)


def test_a_known_histogram_comes_back(new_run):
    run = read_run(new_run(records=1, sites=1, parts=1))
    bins = run.histograms.filter(run.histograms["tensor"] == "pre")
    # A ramp over [0, 1]: the root of a share that grows evenly.
    ramp = bins.with_columns(low=bins["high"] * 0.0, high=bins["high"] * 0.0 + 1.0)
    ramp = ramp.with_columns(counts=type(bins["counts"])([list(range(64))]))
    (view,), _ = ridge_views(type(run)(**{**vars(run), "histograms": ramp}))
    x, heights = np.array(view.tables["pre"]["x"]), np.array(view.tables["pre"]["lines"][0])
    inside = (x > 0.1) & (x < 0.95)
    fit = heights[inside] ** 2 / x[inside]
    assert fit == pytest.approx(fit.mean(), rel=0.05)
    assert (heights[x < 0] == 0).all()


def test_equal_values_and_empty_histograms_do_no_harm(new_run):
    run = read_run(new_run(records=2, sites=1, parts=1))
    flat = run.histograms.with_columns(
        low=run.histograms["high"] * 0 + 2.0, high=run.histograms["high"] * 0 + 2.0
    )
    (view,), _ = ridge_views(type(run)(**{**vars(run), "histograms": flat}))
    assert view.values["pre_range"][0] < 2 < view.values["pre_range"][1]
    broken = run.histograms.with_columns(low=run.histograms["high"] * np.nan)
    assert ridge_views(type(run)(**{**vars(run), "histograms": broken}))[0] == []
    assert ridge_views(type(run)(**{**vars(run), "histograms": run.histograms.clear()})) == ([], "")


def test_many_sites_are_drawn_evenly_and_told(runs):
    views, note = ridge_views(read_run(runs("deep")))
    assert len(views) == SITES
    assert (views[0].title, views[-1].title) == ("blocks.0.act", "blocks.59.act")
    assert note == "24 of 60 sites are drawn, evenly spread over the depth."
