"""How the values of a site spread and moved while it was trained: one ridge a record, the newest in front."""

from __future__ import annotations

import functools

import altair as alt
import numpy as np
import polars as pl

from actlab.report.charts import FORMAT
from actlab.report.view import View, brief, cells, some_of, specification, spread
from actlab.runs import Run

RIDGES = 12
"""Most ridges in a panel."""

BINS = 56
"""Bins of a ridge, over the range that all ridges of a panel share."""

SITES = 24
"""Most sites that are drawn."""

PANELS = ("pre", "post")


def ridge_views(run: Run) -> tuple[list[View], str]:
    """Return for each site what goes in and out from first to last record, and a note on sites left out."""
    table = run.histograms
    found = set(table["site"].unique())
    sites = [site for site in run.sites if site in found]
    drawn = [sites[i] for i in spread(len(sites), SITES)]
    views = [_view(site, _records(table, site)) for site in drawn]
    views = [view for view in views if view is not None]
    return views, some_of(len(drawn), len(sites))


def _records(table: pl.DataFrame, site: str) -> dict[str, list[dict]]:
    """Return the records of a site's panels at evenly spread steps, without those that hold no finite value."""
    mine = table.filter(pl.col("site") == site)
    steps = mine["step"].unique().sort()
    mine = mine.filter(pl.col("step").is_in(steps[spread(len(steps), RIDGES)].implode()))
    found: dict[str, list[dict]] = {tensor: [] for tensor in PANELS}
    for row in mine.iter_rows(named=True):
        ends = [row["low"], row["high"]]
        if (
            row["tensor"] in found
            and row["counts"]
            and sum(row["counts"])
            and None not in ends
            and np.isfinite(ends).all()
        ):
            found[row["tensor"]].append(row)
    return found


def _range(records: list[dict]) -> tuple[float, float]:
    """Return the range that holds 99.6 % of every record's values."""
    lows, highs = [], []
    for record in records:
        edges, share = _cumulated(record)
        lows.append(np.interp(0.002, share, edges))
        highs.append(np.interp(0.998, share, edges))
    low, high = float(min(lows)), float(max(highs))
    room = 0.03 * (high - low) or max(abs(low), 1.0) * 0.5
    return low - room, high + room


def _cumulated(record: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return a histogram's edges and the share of values below each of them."""
    low, high = record["low"], record["high"]
    if high <= low:  # all values are equal: a narrow step
        width = max(abs(low), 1.0) * 1e-3
        return np.array([low - width, low + width]), np.array([0.0, 1.0])
    counts = np.array(record["counts"], dtype=float)
    share = np.concatenate([[0.0], np.cumsum(counts)]) / counts.sum()
    return np.linspace(low, high, len(counts) + 1), share


def _heights(record: dict, edges: np.ndarray) -> np.ndarray:
    """Return the root of the share in each bin, relative to the fullest; bins are cut from the old ones by share."""
    inside = np.diff(np.interp(edges, *_cumulated(record)))
    return np.sqrt(inside / inside.max()) if inside.max() > 0 else inside


def _view(site: str, records: dict[str, list[dict]]) -> View | None:
    shown = {tensor: rows for tensor, rows in records.items() if rows}
    if "pre" not in shown:
        return None
    steps = sorted({row["step"] for rows in shown.values() for row in rows})
    tables, bounds = {}, {}
    for tensor in PANELS:
        rows = records[tensor]
        low, high = _range(rows) if rows else (0.0, 1.0)
        edges = np.linspace(low, high, BINS + 1)
        bounds[tensor] = brief([low, high], 6)
        tables[tensor] = {
            "x": brief((edges[1:] + edges[:-1]) / 2, 6),
            "lines": [cells(_heights(row, edges), 3) for row in rows],
            "keys": {
                "row": [steps.index(row["step"]) for row in rows],
                "step": [row["step"] for row in rows],
            },
            "marks": {},
        }
    last = len(steps) - 1
    values = {
        "pre_range": bounds["pre"],
        "post_range": bounds["post"],
        "rows": [0, max(last, 1)],
        "labels": steps,
        "bases": [-i for i in range(len(steps))],
        "span": [-last - 0.15, 1.9],
    }
    label = f"inputs and outputs of {site} at {len(steps)} steps from {steps[0]:,} to {steps[-1]:,}"
    return View(site, _spec(round(70 + 17 * len(steps))), tables, "", values, label)


@functools.cache  # most sites share one
def _spec(height: int) -> dict:
    panels = [_panel(tensor, axis=tensor == "pre").properties(height=height) for tensor in PANELS]
    chart = alt.hconcat(*panels, spacing=14)
    return specification(chart, ("half", "half"), steps_of={"expr": "labels"})


def _panel(tensor: str, axis: bool) -> alt.Chart:
    steps = alt.Axis(
        title="step" if axis else None,
        values=alt.ExprRef("bases"),
        labels=axis,
        labelExpr="format(steps_of[-datum.value], ',d')",
        domain=False,
        ticks=False,
        grid=True,
        minExtent=48 if axis else 0,
    )
    return (
        alt.Chart(alt.NamedData(tensor))
        .transform_calculate(base="-datum.row", top="-datum.row + 1.75 * datum.value")
        .mark_area(style=["ridge"], interpolate="monotone", clip=True)
        .encode(
            x=alt.X(
                "x:Q",
                scale=alt.Scale(domain=alt.ExprRef(f"{tensor}_range"), nice=False, zero=False),
                axis=alt.Axis(title=tensor, tickCount=4, format=FORMAT, grid=False),
            ),
            y=alt.Y("top:Q", scale=alt.Scale(domain=alt.ExprRef("span"), nice=False, zero=False), axis=steps),
            y2="base:Q",
            # Drawn row by row, so that a newer ridge stands in front of an older one.
            detail="row:O",
            color=alt.Color("row:Q", scale=alt.Scale(domain=alt.ExprRef("rows"), range="ramp"), legend=None),
            tooltip=[alt.Tooltip("step:Q", format=",d")],
        )
    )
