"""What training made of an activation: its curve at each site from the first record to the last."""

from __future__ import annotations

import functools

import altair as alt
import numpy as np
import polars as pl

from actlab.report.charts import FORMAT
from actlab.report.view import View, brief, cells, specification, spread
from actlab.runs import Run

CURVES = 12
"""Most curves of a site."""

POINTS = 121
"""Most points of a curve."""

SITES = 24
"""Most sites that are drawn."""


def curve_views(run: Run) -> list[View]:
    """Return for each site with a learnt activation its curve over the steps; evenly spread where there are many."""
    found = set(run.curves["site"].unique())
    sites = [site for site in run.sites if site in found]
    views = [_view(run, sites[i]) for i in spread(len(sites), SITES)]
    return [view for view in views if view is not None]


def _view(run: Run, site: str) -> View | None:
    table = run.curves.filter((pl.col("site") == site) & (pl.col("y").list.len() > 1))
    table = table.filter(pl.col("x").list.len() == pl.col("y").list.len())
    if not len(table):
        return None
    table = table[spread(len(table), CURVES)]
    x = np.array(table["x"][-1])
    x = x[spread(len(x), POINTS)]
    # A site keeps its inputs; should they differ, each curve is read where the last one was taken.
    lines = np.array([np.interp(x, *_finite(row["x"], row["y"])) for row in table.iter_rows(named=True)])
    steps = table["step"].to_list()
    moved = float(np.abs(lines[-1] - lines[0]).max())
    place = float(x[np.abs(lines[-1] - lines[0]).argmax()])
    said = f"From step {steps[0]:,} to {steps[-1]:,} it moved by up to {moved:.3g}, at x = {place:.3g}."
    rows = {
        "x": brief(x, 5),
        "lines": [cells(line) for line in lines],
        "keys": {"step": steps, "first": [i == 0 for i in range(len(steps))]},
        "marks": {},
    }
    values = {"x": brief(x[[0, -1]], 5), "steps": [steps[0], max(steps[-1], steps[0] + 1)]}
    label = f"learnt curve of {site} at {len(steps)} steps. {said}"
    return View(site, _spec(), {"curves": rows}, said, values, label)


def _finite(x: list[float], y: list[float]) -> tuple[np.ndarray, np.ndarray]:
    at, values = np.array(x, dtype=float), np.array([np.nan if v is None else v for v in y], dtype=float)
    good = np.isfinite(values)
    return (at[good], values[good]) if good.any() else (at, np.zeros(len(at)))


@functools.cache  # most sites share one
def _spec() -> dict:
    base = alt.Chart(alt.NamedData("curves")).encode(
        x=alt.X(
            "x:Q",
            scale=alt.Scale(domain=alt.ExprRef("x"), nice=False, zero=False),
            axis=alt.Axis(title="x", tickCount=5, format=FORMAT, grid=False),
        ),
        y=alt.Y(
            "value:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title="f(x)", tickCount=5, format=FORMAT)
        ),
    )
    time = alt.Color(
        "step:Q",
        scale=alt.Scale(domain=alt.ExprRef("steps"), range="ramp"),
        legend=alt.Legend(
            title="step",
            titleOrient="left",
            orient="top",
            gradientLength=120,
            gradientThickness=10,
            format=",d",
            tickCount=3,
        ),
    )
    later = (
        base.transform_filter("!datum.first")
        .mark_line(strokeWidth=1.6)
        .encode(
            color=time,
            detail="step:Q",
            tooltip=[
                alt.Tooltip("step:Q", format=",d"),
                alt.Tooltip("x:Q", format=".3~g"),
                alt.Tooltip("value:Q", title="f(x)", format=".3~g"),
            ],
        )
    )
    start = base.transform_filter("datum.first").mark_line(style=["limit"])
    return specification(alt.layer(later, start).properties(height=220))
