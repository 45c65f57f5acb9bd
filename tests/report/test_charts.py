import json

import numpy as np
import pytest
import vl_convert

from actlab.report.bundle import vegalite_version
from actlab.report.charts import POINTS, line_view, parameter_views
from actlab.report.heatmaps import COLUMNS, heatmap_views
from actlab.report.histograms import histogram_ranges, histogram_views
from actlab.report.view import complete, rows
from actlab.runs import read_run


def curve(low: float, high: float):
    x = np.linspace(low, high, 50)
    return x, np.tanh(x), 1 - np.tanh(x) ** 2


def all_views(run):
    drawn = {site: curve(*bounds) for site, bounds in histogram_ranges(run).items()}
    lines = [line_view(run, "loss"), line_view(run, "accuracy")]
    return [*lines, *heatmap_views(run), *histogram_views(run, drawn), *parameter_views(run)]


def test_many_records_are_thinned(runs):
    run = read_run(runs("long"))
    loss = line_view(run, "loss")
    assert len(loss.tables["points"]["step"]) == 2 * POINTS
    assert "averages up to 2 records" in loss.caption
    cells = heatmap_views(run)[0].tables["cells"]
    assert {len(line) for line in cells["cells"]} == {COLUMNS}


def test_loss_that_is_not_finite_is_dropped_and_marked(runs):
    view = line_view(read_run(runs("diverged")), "loss")
    assert len(view.tables["points"]["step"]) == 22
    assert view.tables["bad"] == {"step": [4000, 4000], "set": ["train", "test"]}
    assert "not finite" in view.caption
    assert '"log"' in json.dumps(view.spec)


def test_a_loss_of_one_size_has_a_linear_axis(runs):
    assert '"log"' not in json.dumps(line_view(read_run(runs("begun")), "loss").spec)


def test_nothing_recorded_gives_no_chart(runs):
    run = read_run(runs("softmax"))
    assert line_view(run, "perplexity") is None
    assert "Saturated values" not in [view.title for view in heatmap_views(run)]


def test_cells_that_are_not_finite_are_marked(runs):
    (dead,) = [view for view in heatmap_views(read_run(runs("nans"))) if view.title == "Dead units"]
    marked = [row for row in rows(dead.tables["cells"]) if row["bad"]]
    assert len(marked) == 4 * 6
    assert all(row["value"] is None for row in marked)
    assert "Magenta" in dead.caption


def test_variance_in_and_out_have_the_same_colours(runs):
    before, after = heatmap_views(read_run(runs("relu")))[:2]
    assert before.values["scale"] == after.values["scale"]


def test_histograms_stand_on_the_range_of_the_values(runs):
    run = read_run(runs("relu"))
    ranges = histogram_ranges(run)
    views = histogram_views(run, {site: curve(*bounds) for site, bounds in ranges.items()})
    assert [view.title for view in views] == list(run.sites)
    low, high = ranges["blocks.0.act"]
    assert -20 < low < -3 < 3 < high < 20
    table = views[0].tables["pre"]
    assert table["records"] == views[0].values["steps"]
    assert [max(heights) for heights in table["heights"]] == [1, 1, 1]
    assert all(heights[0] == heights[-1] == 0 for heights in table["heights"])
    assert len({json.dumps(view.spec) for view in views}) == 1


def test_histograms_without_a_curve_have_no_axis_for_it(runs):
    views = histogram_views(read_run(runs("softmax")), {})
    assert "f (solid)" not in json.dumps(views[0].spec)


def test_an_all_equal_or_broken_histogram_does_no_harm(new_run):
    folder = new_run(records=2, sites=1, parts=1)
    run = read_run(folder)
    flat = run.histograms.with_columns(
        low=run.histograms["high"] * 0 + 2.0, high=run.histograms["high"] * 0 + 2.0
    )
    ranges = histogram_ranges(type(run)(**{**vars(run), "histograms": flat}))
    assert ranges["blocks.0.act"][0] < 2 < ranges["blocks.0.act"][1]
    broken = run.histograms.with_columns(low=run.histograms["high"] * np.nan)
    assert histogram_ranges(type(run)(**{**vars(run), "histograms": broken})) == {}


def test_learnt_parameters_have_a_chart(runs):
    (view,) = parameter_views(read_run(runs("learnt")))
    assert view.title == "Learnt parameter beta"
    assert set(view.tables["points"]["site"]) == {f"blocks.{i}.act" for i in range(4)}
    assert parameter_views(read_run(runs("healthy"))) == []


@pytest.mark.parametrize("kind", ["learnt", "begun", "diverged"])
def test_every_specification_compiles(runs, kind):
    seen = set()
    for view in all_views(read_run(runs(kind))):
        text = json.dumps(view.spec)
        if text in seen:
            continue
        seen.add(text)
        spec = complete(view, 400)
        json.dumps(spec, allow_nan=False)
        left_open = json.dumps({key: value for key, value in spec.items() if key != "datasets"})
        assert '{"expr":' not in left_open
        vl_convert.vegalite_to_vega(spec, vl_version=vegalite_version())
