"""Loss, accuracy and learnt parameters over time."""

from __future__ import annotations

import altair as alt
import numpy as np

from actlab.report import numbers
from actlab.report.events import KINDS
from actlab.report.view import View, brief, groups, specification
from actlab.runs import Run

BAD = "#e0318c"
"""Magenta for what is not finite: in no colour scale used here."""

FORMAT = ".6~g"
"""Labels of numbers; without a precision of its own, a ten among small ticks reads "1e+1"."""

LOG_LABELS = (
    "datum.value < 0.001 || datum.value >= 1e6 ? format(datum.value, '.2~e') : format(datum.value, '.2~r')"
)
"""Labels of a log axis, of colours too: powers of ten where a number would be long."""

SHAPES = ["triangle-up", "square", "triangle-left", "cross", "diamond", "triangle-down", "circle", "wedge"]
"""Signs of events, those of ``events.KINDS`` first, so that a kind has the same on every page."""

POINTS = 300
"""Most points in a line; more records are averaged in groups."""


def step_axis(few: bool = False) -> alt.Axis:
    """Return the axis of training steps: about five whole numbers, or the value "steps" itself if ``few``."""
    ticks = {"values": alt.ExprRef("steps")} if few else {"tickMinStep": 1, "tickCount": 5}
    return alt.Axis(title="step", format=",d", grid=False, labelFlush=not few, **ticks)


def line_view(run: Run, quantity: str, events: dict[str, list] | None = None) -> View | None:
    """Return loss or accuracy of training and test over the steps, or None where neither was recorded.

    ``events`` are marks as columns ``step``, ``kind`` and ``message``: a rule each, with a sign for its kind.
    """
    points: dict[str, list] = {"step": [], "value": [], "set": []}
    bad: dict[str, list] = {"step": [], "set": []}
    said, size = [], 1
    for name in ("train", "test"):
        steps, values = run.series(name, quantity)
        good = np.isfinite(values)
        bad["step"] += steps[~good].tolist()
        bad["set"] += [name] * int((~good).sum())
        steps, values = steps[good], values[good]
        parts = groups(len(steps), POINTS)
        size = max([size, *map(len, parts)])
        points["step"] += [int(steps[part[-1]]) for part in parts]
        points["value"] += brief([values[part].mean() for part in parts], 5)
        points["set"] += [name] * len(parts)
        if len(values):
            best = int(values.argmin() if quantity == "loss" else values.argmax())
            show = numbers.number if quantity == "loss" else numbers.percent
            word = "lowest" if quantity == "loss" else "best"
            end = "at the end" if good.all() else "at its last finite record"
            peak = f"{word} {show(float(values[best]))} at step {int(steps[best]):,}"
            peak = f" ({'its ' + word if best == len(values) - 1 else peak})" if len(values) > 1 else ""
            said.append(f"{name} {show(float(values[-1]))} {end}{peak}")
    if not points["step"] and not bad["step"]:
        return None
    values = np.array(points["value"] or [1.0], dtype=float)
    log = quantity == "loss" and values.min() > 0 and values.max() / values.min() > 10
    what = "tokens foretold" if run.info.get("task") == "tokens" else "samples classified"
    caption = {
        "loss": f"Lower is better{'; equal distances are equal ratios' if log else ''}. A test line that "
        "rises while the training line falls means that the network memorises.",
        "accuracy": f"Share of {what} right; higher is better. The gap between the lines is what does not carry "
        "over to new samples.",
    }[quantity]
    if size > 1:
        caption += f" Each point averages up to {size} records."
    if bad["step"]:
        caption += " Magenta crosses at the top: the value was not finite."
    kinds = list(dict.fromkeys(events["kind"])) if events else []
    if events and kinds:
        caption += " Upright lines mark what happened at a step; the signs at their feet say what."
    spec = _lines(quantity, log, few=len(values) <= 12, marked=bool(bad["step"]), eventful=bool(kinds))
    label = f"{quantity} over the steps: {'; '.join(said) or 'no finite value'}"
    tables = {"points": points, "bad": bad} | ({"events": events} if events and kinds else {})
    left_open = {
        "ticks": _ticks(values),
        "kinds": list(dict.fromkeys([*KINDS.values(), *kinds])),
        "seen": kinds,
    }
    return View(quantity.capitalize(), spec, tables, _sentence(said) + caption, left_open, label)


def _ticks(values: np.ndarray) -> list[float]:
    """Return the 1-2-5 ticks of a log axis over ``values``, powers of ten alone where those are many."""
    low, high = values.min(), values.max()
    if low <= 0:
        return []
    tens = [10.0**k for k in range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)]
    ticks = [ten * digit for ten in tens for digit in ((1, 2, 5) if len(tens) <= 4 else (1,))]
    return brief([tick for tick in ticks if low <= tick <= high])


def _sentence(parts: list[str]) -> str:
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}. " if text else ""


def _lines(quantity: str, log: bool, few: bool, marked: bool, eventful: bool) -> dict:
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False)
    axis = alt.Axis(
        title=None, format=FORMAT, **({"values": alt.ExprRef("ticks")} if log else {"tickCount": 5})
    )
    if quantity == "accuracy":
        scale, axis = alt.Scale(domain=[0, 1]), alt.Axis(title=None, tickCount=5, format=".0%")
    x = alt.X("step:Q", axis=step_axis(), scale=alt.Scale(nice=False, zero=False))
    legend = alt.Legend(title=None, orient="top", symbolType="stroke", symbolSize=300)
    colour = alt.Color("set:N", scale=alt.Scale(domain=["train", "test"]), legend=legend)
    dashes = alt.Scale(domain=["train", "test"], range=[[1, 0], [5, 3]])
    lines = (
        alt.Chart(alt.NamedData("points"))
        .mark_line(point=True if few else "transparent", strokeWidth=2, clip=False)
        .encode(
            x=x,
            y=alt.Y("value:Q", scale=scale, axis=axis),
            color=colour,
            strokeDash=alt.StrokeDash("set:N", scale=dashes, legend=legend),
            tooltip=[
                alt.Tooltip("set:N", title=" "),
                alt.Tooltip("step:Q", format=",d"),
                alt.Tooltip("value:Q", title=quantity, format=".4~g" if quantity == "loss" else ".1%"),
            ],
        )
    )
    crosses = (
        alt.Chart(alt.NamedData("bad"))
        .mark_point(shape="cross", filled=True, size=70, angle=45, color=BAD, opacity=1)
        .encode(
            x=x,
            y=alt.value(6),
            tooltip=[alt.Tooltip("set:N", title="not finite"), alt.Tooltip("step:Q", format=",d")],
        )
    )
    layers = [*(_events(x) if eventful else []), lines, *([crosses] if marked else [])]
    return specification(alt.layer(*layers).properties(height=230))


def _events(x: alt.X) -> list[alt.Chart]:
    """Return the rules of events and the signs at their feet, told apart by shape."""
    tooltip = [
        alt.Tooltip("message:N", title=" "),
        alt.Tooltip("kind:N", title="what"),
        alt.Tooltip("step:Q", format=",d"),
    ]
    base = alt.Chart(alt.NamedData("events")).encode(x=x, tooltip=tooltip)
    shapes = alt.Scale(domain=alt.ExprRef("kinds"), range=SHAPES)
    legend = alt.Legend(title=None, orient="bottom", symbolSize=60, columns=3, values=alt.ExprRef("seen"))
    signs = base.mark_point(style=["event"], filled=True, size=60, opacity=1).encode(
        y=alt.value(224), shape=alt.Shape("kind:N", scale=shapes, legend=legend)
    )
    return [base.mark_rule(style=["event"]), signs]


def parameter_views(run: Run) -> list[View]:
    """Return one chart for each learnt parameter: its mean at every site over time, its spread as a band."""
    quantities = run.metrics["quantity"].unique().sort().to_list()
    names = [q.split(".")[1] for q in quantities if q.startswith("param.") and q.endswith(".mean")]
    return [_parameter_view(run, name) for name in names]


def _parameter_view(run: Run, name: str) -> View:
    steps, sites, means = run.grid(run.sites, f"param.{name}.mean")
    table: dict[str, list] = {"step": [], "site": [], "mean": [], "low": [], "high": []}
    ends = []
    for end in ("min", "max"):
        other_steps, other_sites, other = run.grid(run.sites, f"param.{name}.{end}")
        same = other_sites == sites and np.array_equal(other_steps, steps)
        ends.append(other if same else means)
    keep = [part[-1] for part in groups(len(steps), 150)]
    for i, site in enumerate(sites):
        cells = [k for k in keep if all(np.isfinite(v[i, k]) for v in (means, *ends))]
        table["step"] += [int(steps[k]) for k in cells]
        table["site"] += [site] * len(cells)
        for column, values in zip(("mean", "low", "high"), (means, *ends), strict=True):
            table[column] += brief(values[i, cells])
    legend = None
    if len(sites) <= 9:
        look = {"symbolType": "stroke", "symbolOpacity": 1, "symbolStrokeWidth": 3}
        legend = alt.Legend(title=None, orient="top", columns=3, labelLimit=90, **look)
    base = alt.Chart(alt.NamedData("points")).encode(
        x=alt.X("step:Q", axis=step_axis(), scale=alt.Scale(nice=False, zero=False)),
        color=alt.Color(
            "site:O",
            scale=alt.Scale(
                domain=alt.ExprRef("sites"), scheme=alt.SchemeParams("plasma", extent=[0.35, 0.85])
            ),
            legend=legend,
        ),
    )
    axis = alt.Axis(title=None, tickCount=5, format=FORMAT)
    band = base.mark_area(opacity=0.15).encode(
        y=alt.Y("low:Q", axis=axis, scale=alt.Scale(zero=False)), y2="high:Q"
    )
    line = base.mark_line(point=True if len(keep) <= 12 else "transparent").encode(
        y="mean:Q",
        tooltip=["site:N", alt.Tooltip("step:Q", format=",d")]
        + [alt.Tooltip(f"{column}:Q", format=".4~g") for column in ("mean", "low", "high")],
    )
    order = "" if legend else " Colours run from the first site (violet) to the last (orange)."
    return View(
        f"Learnt parameter {name}",
        specification(alt.layer(band, line).properties(height=230)),
        {"points": table},
        f"The mean of {name} at each site, its smallest and largest value as a band.{order} A line that "
        "leaves its start early and settles is a parameter that training uses.",
        {"sites": list(sites)},
        f"mean of the learnt parameter {name} at each site over the steps",
    )
