"""Site by time: one row a site, input at the top, one column a record, colour for the value."""

from __future__ import annotations

from dataclasses import dataclass

import altair as alt
import numpy as np

from actlab.report.charts import BAD, LOG_LABELS, step_axis
from actlab.report.view import View, brief, cells, groups, specification
from actlab.runs import Run

COLUMNS = 160
"""Most columns in a heatmap; of more records the largest value of each group of neighbours is drawn."""

CELLS = 16_000
"""Most cells in a heatmap, so that a page of a thousand sites stays small; never fewer than 20 columns."""


@dataclass(frozen=True)
class Heatmap:
    """What one heatmap shows; ``scale`` is log, or linear or sqrt for shares, which run from 0 to 100 %."""

    title: str
    quantity: str
    caption: str
    scale: str = "log"
    of_layers: bool = False
    alike: tuple[str, ...] = ()
    """Quantities that have the same colours, so that charts can be compared."""


VARIANCES = ("pre.variance", "post.variance")

HEATMAPS = (
    Heatmap(
        "Pre-activation variance",
        "pre.variance",
        "A healthy network keeps one colour from top to bottom; a ramp down the rows means that the signal "
        "grows or dies with depth.",
        alike=VARIANCES,
    ),
    Heatmap(
        "Post-activation variance",
        "post.variance",
        "On the same colours as what goes in: where a row is darker here, the activation removed variance.",
        alike=VARIANCES,
    ),
    Heatmap(
        "Dead units",
        "dead_share",
        "Share of units that gave nothing for any sample over the last window. Dark is good; a bright row "
        "has lost that much of its width. The colours are stretched near zero.",
        scale="sqrt",
    ),
    Heatmap(
        "Saturated values",
        "saturated_share",
        "Share of inputs where the derivative is below a hundredth of its largest. Half is normal for relu; "
        "for tanh or sigmoid it means that little gradient passes.",
        scale="linear",
    ),
    Heatmap(
        "Gradient norm",
        "gradient_norm",
        "How hard training pulls at each layer. Rows that stay dark at the top while the bottom is bright "
        "are gradients that vanish on their way back.",
        of_layers=True,
    ),
    Heatmap(
        "Update relative to weight",
        "update_ratio",
        "How far one step moves a layer, relative to its size. Around 0.001 is usual; much more is restless, "
        "much less hardly learns.",
        of_layers=True,
    ),
)


def heatmap_views(run: Run) -> list[View]:
    """Return the heatmaps of all quantities that were recorded."""
    views = [_view(run, heatmap) for heatmap in HEATMAPS]
    return [view for view in views if view is not None]


def _view(run: Run, what: Heatmap) -> View | None:
    steps, sites, values = run.grid(run.layers if what.of_layers else run.sites, what.quantity)
    if not len(steps):
        return None
    columns = max(20, min(COLUMNS, CELLS // len(sites)))
    values, size = thinned(values, columns)
    steps = steps[[part[-1] for part in groups(len(steps), columns)]]
    good = values[np.isfinite(values)]
    scale, ticks = [0.0, 1.0], [0, 0.1, 0.5, 1] if what.scale == "sqrt" else [0, 0.5, 1]
    if what.scale == "log":
        alike = [run.grid(run.sites, quantity)[2].ravel() for quantity in what.alike]
        scale = _decades(np.concatenate(alike) if alike else good)
        ticks = brief([scale[0], (scale[0] * scale[1]) ** 0.5, scale[1]], 2)
    caption = what.caption
    if what.scale != "log" and len(good) and good.max() == 0:
        caption = f"None at any record. {caption}"
    if np.isinf(values).any():
        caption += " Magenta: not finite."
    if size > 1:
        caption += f" Each column shows the largest of up to {size} neighbouring records."
    ends = edges(steps)
    table = {
        "sites": list(sites),
        "steps": steps.tolist(),
        "edges": brief(ends, 7),
        # About a pixel to the right: between exact neighbours browsers leave a hairline of background.
        "overlap": brief([(ends[-1] - ends[0]) / 400])[0],
        "cells": [cells(line) for line in values],
    }
    thing = "layer" if what.of_layers else "site"
    return View(
        what.title,
        _spec(what, len(sites), few=len(steps) <= 4),
        {"cells": table},
        caption,
        {
            "sites": list(sites),
            "x": brief(ends[[0, -1]], 7),
            "scale": brief(scale),
            "ticks": ticks,
            "steps": steps.tolist(),
        },
        f"heatmap of {what.title.lower()} by {thing} and step: {len(sites)} rows, steps {steps[0]:,} to "
        f"{steps[-1]:,}",
    )


def thinned(values: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    """Return at most ``most`` columns, each the largest of its group (infinity wins, NaN loses), and sizes."""
    parts = groups(values.shape[1], most)
    return np.stack([np.fmax.reduce(values[:, part], axis=1) for part in parts], axis=1), max(map(len, parts))


def edges(steps: np.ndarray) -> np.ndarray:
    """Return the borders of the columns: halfway between records."""
    if len(steps) == 1:
        return np.array([steps[0] - 0.5, steps[0] + 0.5])
    middle = (steps[1:] + steps[:-1]) / 2
    return np.concatenate([[1.5 * steps[0] - steps[1] / 2], middle, [1.5 * steps[-1] - steps[-2] / 2]])


def _decades(values: np.ndarray) -> list[float]:
    """Return the ends of a log colour scale: from the first to the last percentile of the positive values."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not len(positive):
        return [0.1, 1.0]
    low, high = np.percentile(positive, [1, 99])
    low = max(low, high * 1e-12)
    return [low, high] if high / low > 1.2 else [low / 2, high * 2]


def _spec(what: Heatmap, count: int, few: bool) -> dict:
    row = max(9.0, min(34.0, 320.0 / count))
    form = ".3~g" if what.scale == "log" else ".1%"
    colour = alt.Color(
        "shade:Q",
        scale=alt.Scale(type=what.scale, domain=alt.ExprRef("scale"), clamp=True, nice=False),
        legend=alt.Legend(
            title=None,
            orient="top",
            gradientLength=180,
            gradientThickness=10,
            values=alt.ExprRef("ticks"),
            labelExpr=LOG_LABELS if what.scale == "log" else "format(datum.value, '.0%')",
        ),
    )
    base = alt.Chart(alt.NamedData("cells")).encode(
        x=alt.X(
            "from:Q", axis=step_axis(few), scale=alt.Scale(domain=alt.ExprRef("x"), nice=False, zero=False)
        ),
        x2="to:Q",
        y=alt.Y(
            "site:N",
            scale=alt.Scale(domain=alt.ExprRef("sites"), paddingInner=0.06 if row > 14 else 0),
            axis=alt.Axis(title=None, labelOverlap="parity", labelSeparation=2, ticks=False, domain=False),
        ),
    )
    tooltip = [alt.Tooltip("site:N"), alt.Tooltip("step:Q", format=",d")]
    good = (
        base.transform_filter("!datum.bad")
        .transform_calculate(shade="max(datum.value, 1e-300)" if what.scale == "log" else "datum.value")
        .mark_rect(strokeWidth=0, clip=True)
        .encode(color=colour, tooltip=[*tooltip, alt.Tooltip("value:Q", title=what.quantity, format=form)])
    )
    bad = (
        base.transform_filter("datum.bad")
        .transform_calculate(word="'not finite'")
        .mark_rect(strokeWidth=0, color=BAD, clip=True)
        .encode(tooltip=[*tooltip, alt.Tooltip("word:N", title=what.quantity)])
    )
    return specification(alt.layer(good, bad).properties(height=round(row * count)))
