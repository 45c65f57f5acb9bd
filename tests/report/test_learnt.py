import numpy as np
import polars as pl
import pytest

from actlab.report.learnt import CURVES, POINTS, curve_views
from actlab.report.view import rows
from actlab.runs import read_run


def test_curves_over_time_with_the_first_one_marked(runs):
    views = curve_views(read_run(runs("full")))
    assert [view.title for view in views] == [f"blocks.{i}.act" for i in range(4)]
    table = views[0].tables["curves"]
    assert len(table["lines"]) == CURVES
    assert table["keys"]["first"] == [True] + [False] * (CURVES - 1)
    assert (table["keys"]["step"][0], table["keys"]["step"][-1]) == (100, 4000)
    x = np.array(table["x"])
    assert len(x) <= POINTS
    assert table["lines"][-1] == pytest.approx(x / (1 + np.exp(-1.5 * x)), rel=1e-3, abs=1e-6)
    assert "From step 100 to 4,000 it moved by up to 0.1" in views[0].caption


def test_curves_of_other_inputs_are_read_where_the_last_was(runs):
    run = read_run(runs("full"))
    table = [
        (1, "blocks.0.act", [-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0]),
        (2, "blocks.0.act", [-1.0, 1.0], [None, 1.0]),
    ]
    other = type(run)(**{**vars(run), "curves": pl.DataFrame(table, run.curves.schema, orient="row")})
    (view,) = curve_views(other)
    assert [row["value"] for row in rows(view.tables["curves"]) if row["step"] == 1] == [-2, 2]
    assert all(not row["bad"] for row in rows(view.tables["curves"]))


def test_nothing_learnt_gives_no_chart(runs):
    assert curve_views(read_run(runs("healthy"))) == []
