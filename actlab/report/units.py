"""Which units of a site are dead, since when, and whether they come back."""

from __future__ import annotations

import functools

import altair as alt
import numpy as np
import polars as pl

from actlab.report.charts import step_axis
from actlab.report.heatmaps import edges
from actlab.report.view import View, brief, cells, groups, specification
from actlab.runs import Run

UNITS = 32
"""Most units of a site that are drawn: those that were dead the longest."""

COLUMNS = 80
"""Most columns; of more records each column is its group's last."""


def unit_views(run: Run) -> tuple[list[View], str]:
    """Return a map for each site that had dead units, and a sentence on the others; "" where nothing was recorded."""
    views, alive, units = [], [], 0
    for site in run.sites:
        table = run.units.filter((pl.col("site") == site) & (pl.col("dead_for").list.len() > 0))
        # Units are counted by the last record; one of another width would belong to another network.
        if not len(table):
            continue
        width = len(table["dead_for"][-1])
        table = table.filter(pl.col("dead_for").list.len() == width)
        keep = [part[-1] for part in groups(len(table), COLUMNS)]
        worst = table["dead_for"].list.to_array(width).to_numpy().max(axis=0)
        if worst.max() == 0:
            alive.append(site)
            units += width
            continue
        drawn = table[keep]
        views.append(
            _view(site, drawn["step"].to_numpy(), np.stack(drawn["dead_for"].to_list(), axis=1), worst)
        )
    if not alive:
        return views, ""
    which = (
        f"None of the {units:,} units"
        if not views
        else f"None of the {units:,} units of the other {len(alive)} sites"
    )
    which = which.replace("other 1 sites", "other site")
    return views, f"{which} was dead at any record."


def _view(site: str, steps: np.ndarray, dead: np.ndarray, worst: np.ndarray) -> View:
    width = len(worst)
    ever = int((worst > 0).sum())
    order = np.lexsort((-worst, -dead[:, -1]))[: min(ever, UNITS)]
    now = int((dead[:, -1] > 0).sum())
    longest = int(order[0]) if dead[order[0], -1] else int(worst.argmax())
    back = ever - now
    said = f"{now} of {width} units dead at step {int(steps[-1]):,}"
    if now:
        said += f"; the longest, unit {longest}, for {int(dead[longest, -1]):,} steps"
    if back:
        said += f"; {back} {'was' if back == 1 else 'were'} dead before and came back"
    names = [f"{unit}" for unit in order]
    shown = np.where(dead[order] > 0, dead[order], np.nan).astype(float)
    ends = edges(steps)
    table = {
        "sites": names,
        "steps": steps.tolist(),
        "edges": brief(ends, 7),
        "overlap": brief([(ends[-1] - ends[0]) / 400])[0],
        "cells": [cells(line) for line in shown],
    }
    more = f" The {UNITS} that were dead the longest are drawn, of {ever}." if ever > UNITS else ""
    values = {
        "units": names,
        "x": brief(ends[[0, -1]], 7),
        "longest": [0, int(worst.max())],
        "steps": steps.tolist(),
    }
    return View(
        site,
        _spec(len(names), few=len(steps) <= 4),
        {"units": table},
        f"{said}.{more}",
        values,
        f"dead units of {site}: {said}",
    )


@functools.cache  # most sites share one
def _spec(count: int, few: bool) -> dict:
    row = max(8.0, min(20.0, 240.0 / count))
    chart = (
        alt.Chart(alt.NamedData("units"))
        .mark_rect(strokeWidth=0, clip=True)
        .encode(
            x=alt.X(
                "from:Q",
                axis=step_axis(few),
                scale=alt.Scale(domain=alt.ExprRef("x"), nice=False, zero=False),
            ),
            x2="to:Q",
            y=alt.Y(
                "site:N",
                scale=alt.Scale(domain=alt.ExprRef("units"), paddingInner=0.08),
                axis=alt.Axis(
                    title="unit",
                    labelOverlap="parity",
                    labelSeparation=2,
                    ticks=False,
                    domain=False,
                    grid=False,
                ),
            ),
            color=alt.Color(
                "value:Q",
                scale=alt.Scale(domain=alt.ExprRef("longest"), range="ramp"),
                legend=alt.Legend(
                    title="steps dead",
                    titleOrient="left",
                    orient="top",
                    gradientLength=120,
                    gradientThickness=10,
                    format=",d",
                    tickCount=3,
                ),
            ),
            tooltip=[
                alt.Tooltip("site:N", title="unit"),
                alt.Tooltip("step:Q", format=",d"),
                alt.Tooltip("value:Q", title="dead for, steps", format=",d"),
            ],
        )
    )
    return specification(chart.properties(height=round(max(row * count, 24))))
