import polars as pl

from actlab.report.units import COLUMNS, UNITS, unit_views
from actlab.report.view import rows
from actlab.runs import read_run

SCHEMA = {"step": pl.Int64, "site": pl.String, "dead_for": pl.List(pl.Int32)}


def with_units(run, table):
    return type(run)(**{**vars(run), "units": pl.DataFrame(table, SCHEMA, orient="row")})


def test_the_dead_are_named_with_how_long(runs):
    views, note = unit_views(read_run(runs("sick")))
    assert [view.title for view in views] == [f"blocks.{i}.act" for i in range(1, 12)]
    assert note == "None of the 32 units of the other site was dead at any record."
    last = views[-1]
    assert last.caption == "16 of 32 units dead at step 4,000; the longest, unit 0, for 4,000 steps."
    cells = [row for row in rows(last.tables["units"]) if row["site"] == "15"]
    assert min(row["step"] for row in cells) > 1200
    assert max(row["value"] for row in cells) == 2800


def test_units_that_come_back_are_told(runs):
    views, note = unit_views(read_run(runs("full")))
    (view,) = views
    assert view.caption == "0 of 32 units dead at step 4,000; 1 was dead before and came back."
    assert view.values["units"] == ["3"]
    assert note == "None of the 96 units of the other 3 sites was dead at any record."


def test_nothing_recorded_and_none_dead(runs):
    assert unit_views(read_run(runs("healthy"))) == ([], "")
    run = read_run(runs("healthy"))
    alive = with_units(run, [(step, site, [0, 0]) for step in (1, 2) for site in run.sites])
    assert unit_views(alive) == ([], "None of the 8 units was dead at any record.")


def test_many_units_and_records_are_thinned_the_longest_dead_first(runs):
    run = read_run(runs("healthy"))
    table = [
        (step, "blocks.0.act", [max(0, step - 3 * unit) for unit in range(100)]) for step in range(1, 401)
    ]
    (view,), _ = unit_views(with_units(run, table))
    assert len(view.values["units"]) == UNITS
    assert view.values["units"][:3] == ["0", "1", "2"]
    assert len(view.tables["units"]["steps"]) == COLUMNS
    assert "The 32 that were dead the longest are drawn, of 100." in view.caption
    assert "for 400 steps" in view.caption
