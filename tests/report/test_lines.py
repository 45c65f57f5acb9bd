import numpy as np

from actlab.report.lines import NAMES, POINTS, Mark, Series, log_ticks, named_view, series_view, thin
from actlab.report.view import rows

STEPS = np.arange(1, 1001)


def test_groups_are_averaged_without_what_is_not_finite():
    values = np.ones(1000)
    values[::2] = np.nan
    values[:10] = np.inf
    steps, line, size = thin(STEPS, values, 100)
    assert (len(steps), size, steps[-1]) == (100, 10, 1000)
    assert np.isinf(line[0])
    assert (line[1:] == 1).all()


def test_a_series_says_how_it_was_thinned_and_what_was_not_finite():
    values = np.linspace(1, 2, 1000)
    values[-5:] = np.nan
    view = series_view(
        "T", [Series("a", STEPS, values)], "C.", "L", [Mark("limit", STEPS, np.full(1000, 3.0))]
    )
    assert len(view.tables["points"]["step"]) == POINTS - 1
    assert view.tables["bad"]["step"] == [1000]
    assert set(view.tables["limits"]["value"]) == {3}
    assert "averages up to 5 records" in view.caption
    assert "not finite" in view.caption
    assert series_view("T", [Series("a", STEPS, values * np.nan)], "C.", "L") is None


def test_a_wide_range_has_a_log_axis_and_few_ticks():
    view = series_view("T", [Series("a", STEPS, np.geomspace(1e-9, 1e3, 1000))], "C.", "L")
    assert 4 <= len(view.values["ticks"]) <= 7
    assert series_view("T", [Series("a", STEPS, STEPS / 1e3 + 1)], "C.", "L").values["ticks"] == []
    assert log_ticks(0.9, 30.0) == [1, 2, 5, 10, 20]


def test_names_are_spread_over_the_depth_and_zero_is_told():
    names = tuple(f"l{i}" for i in range(60))
    values = np.tile(np.geomspace(1e-5, 1e-1, 1000), (60, 1))
    values[0, :500] = 0
    view = named_view("T", "layer", (STEPS, names, values), "C.", band=(1e-4, 1e-3, 1e-2))
    assert len(view.values["names"]) == NAMES
    assert (view.values["names"][0], view.values["names"][-1]) == ("l0", "l59")
    assert "24 of 60 layers" in view.caption
    assert "zero is not drawn" in view.caption
    assert view.tables["band"] == {"low": [1e-4], "usual": [1e-3], "high": [1e-2]}
    assert all(row["value"] > 0 for row in rows(view.tables["lines"]))
    low, high = view.values["y"]
    assert low < 1e-4
    assert high > 1e-2


def test_nothing_recorded_gives_no_chart():
    assert named_view("T", "layer", (STEPS[:0], (), np.zeros((0, 0))), "C.") is None
    assert named_view("T", "layer", (STEPS[:2], ("a",), np.full((1, 2), np.inf)), "C.") is None
    zero = named_view("T", "layer", (STEPS[:2], ("a",), np.zeros((1, 2))), "C.", band=(1e-4, 1e-3, 1e-2))
    assert zero is None
