"""What goes into a site and what comes out, under the curve of the activation and its derivative."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import numpy as np

from actlab.report.charts import FORMAT
from actlab.report.view import View, brief, some_of, specification, spread
from actlab.runs import Run

Curve = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Inputs, the activation there, and its derivative there."""


SITES = 48
"""Most sites that are drawn."""


def histogram_ranges(run: Run) -> dict[str, tuple[float, float]]:
    """Return for each site the range of inputs its panel shows; of more than SITES sites evenly spread ones."""
    sites = _recorded(run)
    shown = {}
    for site in (sites[i] for i in spread(len(sites), SITES)):
        records = _records(run, site, "pre")
        if records:
            shown[site] = _range(records)
    return shown


def histogram_note(run: Run) -> str:
    """Return the sentence on sites that are left out, "" where all are drawn."""
    sites = _recorded(run)
    return some_of(min(len(sites), SITES), len(sites))


def _recorded(run: Run) -> list[str]:
    recorded = set(run.histograms.filter(run.histograms["tensor"] == "pre")["site"])
    return [site for site in run.sites if site in recorded]


def histogram_views(run: Run, curves: Mapping[str, Curve]) -> list[View]:
    """Return for each site what goes in, under the curve and its derivative, and beside it what comes out."""
    ranges = histogram_ranges(run)
    specs = {True: _under_curve(True), False: _under_curve(False)}
    views = []
    for site, (low, high) in ranges.items():
        curve = curves.get(site)
        after = _records(run, site, "post")
        x, f, df = curve if curve else (np.array([low, high]), *[np.full(2, np.nan)] * 2)
        fine = np.isfinite(f) & np.isfinite(df)
        bounds = [_range(after)] if after else []
        if fine.any():
            bounds.append((float(f[fine].min()), float(f[fine].max())))
        y = _padded(min((b[0] for b in bounds), default=0.0), max((b[1] for b in bounds), default=1.0))
        slope = (
            _padded(min(0.0, float(df[fine].min())), max(0.0, float(df[fine].max())))
            if fine.any()
            else [0, 1]
        )
        steps = [f"step {step:,}" for step in _chosen(run)]
        tables = {
            "pre": _outline(_records(run, site, "pre"), (low, high)),
            "post": _outline(after, (y[0], y[1])),
            "curve": {"x": brief(x[fine]), "f": brief(f[fine]), "df": brief(df[fine])},
        }
        # The last record has the strongest colour, however many come before it.
        order = ["", " ", "  "][len(steps) :] + steps
        values = {"x": [low, high], "y": y, "slope": slope, "steps": steps, "order": order}
        label = f"histograms of the inputs and outputs of {site} at {', '.join(steps)}"
        views.append(View(site, specs[bool(fine.any())], tables, "", values, label))
    return views


def _chosen(run: Run) -> list[int]:
    """Return the first, middle and last step that have histograms, fewer where there are fewer."""
    steps = run.histograms["step"].unique().sort().to_list()
    return sorted({steps[0], steps[len(steps) // 2], steps[-1]}) if steps else []


def _records(run: Run, site: str, tensor: str) -> list[dict]:
    """Return the chosen records of one tensor that can be drawn: finite bounds and at least one count."""
    table = run.histograms
    mine = table.filter(
        (table["site"] == site) & (table["tensor"] == tensor) & table["step"].is_in(_chosen(run))
    )
    return [
        row
        for row in mine.iter_rows(named=True)
        if row["counts"] and sum(row["counts"]) and np.isfinite([row["low"] or 0.0, row["high"] or 0.0]).all()
    ]


def _range(records: list[dict]) -> tuple[float, float]:
    """Return the range that holds 99.8 % of every record's values."""
    lows, highs = [], []
    for record in records:
        edges = np.linspace(record["low"], record["high"], len(record["counts"]) + 1)
        share = np.cumsum(record["counts"]) / sum(record["counts"])
        lows.append(edges[np.searchsorted(share, 0.001, side="right")])
        highs.append(edges[np.searchsorted(share, 0.999) + 1])
    low, high = _padded(float(min(lows)), float(max(highs)), 0.0)
    return low, high


def _padded(low: float, high: float, share: float = 0.05) -> list[float]:
    """Return bounds with some room, never of zero width."""
    room = (high - low) * share if high > low else max(abs(low), 1.0) * 0.5
    return [low - room, high + room]


def _outline(records: list[dict], bounds: tuple[float, float]) -> dict[str, list]:
    """Return histograms over ``bounds``; a bin's height is the root of its count relative to the fullest."""
    table: dict[str, list] = {"records": [], "low": [], "width": [], "heights": []}
    for record in records:
        counts = np.array(record["counts"], dtype=float)
        width = (record["high"] - record["low"]) / len(counts) or (bounds[1] - bounds[0]) / 100
        edges = record["low"] + width * np.arange(len(counts))
        inside = np.flatnonzero((edges + width > bounds[0]) & (edges < bounds[1]))
        if not len(inside):
            continue
        heights = np.sqrt(counts[inside[0] : inside[-1] + 1] / counts.max())
        # An empty bin at both ends brings the outline back to zero.
        table["records"].append(f"step {record['step']:,}")
        table["low"] += brief([edges[inside[0]] - width], 6)
        table["width"] += brief([width], 6)
        table["heights"].append([0, *brief(heights, 3), 0])
    return table


def _under_curve(drawn: bool) -> dict:
    """Return the specification of one site: inputs and curve on the left, outputs on the right, one y axis.

    Where no curve is ``drawn``, the left panel has no y axis and the right panel shows its own.
    """
    legend = alt.Legend(title=None, orient="top", values=alt.ExprRef("steps"))
    colour = alt.Color("record:O", scale=alt.Scale(domain=alt.ExprRef("order")), legend=legend)
    area = {"opacity": 1, "fillOpacity": 0.16, "line": {"strokeWidth": 1.6}, "clip": True}
    wide = {"minExtent": 34, "maxExtent": 34}
    x = alt.Scale(domain=alt.ExprRef("x"), nice=False, zero=False)
    y = alt.Scale(domain=alt.ExprRef("y"), nice=False, zero=False)
    height = alt.Scale(domain=[0, 1.06])
    before = (
        alt.Chart(alt.NamedData("pre"))
        .mark_area(**area)
        .encode(
            x=alt.X("at:Q", scale=x, axis=alt.Axis(title="pre", tickCount=5, format=FORMAT, grid=False)),
            y=alt.Y("height:Q", stack=None, scale=height, axis=None),
            color=colour,
        )
    )
    curve = alt.Chart(alt.NamedData("curve")).encode(x=alt.X("x:Q", scale=x))
    left = alt.Axis(title="f (solid)", tickCount=5, format=FORMAT, grid=False, **wide)
    right = alt.Axis(title="f′ (dashed)", orient="right", tickCount=4, format=FORMAT, grid=False, **wide)
    f = curve.mark_line(style=["curve"], clip=True).encode(y=alt.Y("f:Q", scale=y, axis=left))
    df = curve.mark_line(style=["derivative"], clip=True).encode(
        y=alt.Y("df:Q", scale=alt.Scale(domain=alt.ExprRef("slope"), nice=False), axis=right)
    )
    beside = alt.Axis(title=None, format=FORMAT, labels=not drawn, ticks=False, tickCount=5, grid=True)
    bare = alt.Axis(title="post", labels=False, ticks=False, grid=False)
    out = alt.Chart(alt.NamedData("post")).encode(
        y=alt.Y("at:Q", scale=y, axis=beside),
        x=alt.X("height:Q", stack=None, scale=height, axis=bare),
        color=colour,
    )
    # A line drawn with the area would be ordered by its heights: sideways it needs an order of its own.
    after = alt.layer(
        out.mark_area(orient="horizontal", fillOpacity=0.16, clip=True).encode(x2=alt.datum(0)),
        out.mark_line(strokeWidth=1.6, clip=True).encode(order="at:Q"),
    )
    panels = (
        alt.layer(before, *([f, df] if drawn else [])).resolve_scale(y="independent").properties(height=200)
    )
    return specification(alt.hconcat(panels, after.properties(height=200), spacing=10))
