"""Quantities over the steps as lines: a few with names of their own, or one for each site or layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np

from actlab.report.charts import BAD, FORMAT, LOG_LABELS, step_axis
from actlab.report.view import View, brief, cells, groups, some_of, specification, spread

POINTS = 240
"""Most points in a line; more records are averaged in groups."""

NAMES = 24
"""Most sites or layers in one chart."""


@dataclass(frozen=True)
class Series:
    """One line: its name in the legend, steps and values."""

    name: str
    steps: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Mark:
    """What lines are held against: a dashed line with its name, constant or over the steps."""

    name: str
    steps: np.ndarray
    values: np.ndarray


def thin(steps: np.ndarray, values: np.ndarray, most: int = POINTS) -> tuple[np.ndarray, np.ndarray, int]:
    """Return at most ``most`` points, each the mean of its group's finite values (infinity where there is none)."""
    parts = groups(len(steps), most)
    found = np.full(len(parts), np.inf)
    for i, part in enumerate(parts):
        good = values[part][np.isfinite(values[part])]
        if len(good):
            found[i] = good.mean()
    return steps[[part[-1] for part in parts]] if parts else steps, found, max(map(len, parts), default=1)


def is_log(values: np.ndarray) -> bool:
    """Whether ``values`` belong on a log axis: all positive, over more than a factor of twenty."""
    good = values[np.isfinite(values)]
    return bool(len(good)) and good.min() > 0 and good.max() / good.min() > 20


def log_ticks(low: float, high: float) -> list[float]:
    """Return about five ticks of a log axis: powers of ten, with 2 and 5 between them where there are few."""
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    stride = max(1, -(-(last - first) // 6))
    ticks = [10.0**k for k in range(first, last + 1, stride)]
    if high / low <= 100:
        ticks = [ten * digit for ten in ticks for digit in (1, 2, 5)]
    return brief([tick for tick in ticks if low <= tick <= high])


def series_view(
    title: str,
    series: Sequence[Series],
    caption: str,
    label: str,
    marks: Sequence[Mark] = (),
    percent: bool = False,
) -> View | None:
    """Return a chart of a few named lines, and of dashed ``marks``, or None where no line has a finite value."""
    series = [line for line in series if np.isfinite(line.values).any()]
    if not series:
        return None
    marks = [mark for mark in marks if np.isfinite(mark.values).any()]
    points: dict[str, list] = {"step": [], "value": [], "name": []}
    bad: dict[str, list] = {"step": [], "name": []}
    size = 1
    for line in series:
        steps, values, many = thin(line.steps, line.values)
        size = max(size, many)
        good = np.isfinite(values)
        points["step"] += steps[good].tolist()
        points["value"] += brief(values[good], 5)
        points["name"] += [line.name] * int(good.sum())
        bad["step"] += steps[~good].tolist()
        bad["name"] += [line.name] * int((~good).sum())
    limits: dict[str, list] = {"step": [], "value": [], "name": []}
    for mark in marks:
        steps, values, _ = thin(mark.steps, mark.values)
        good = np.isfinite(values)
        limits["step"] += steps[good].tolist()
        limits["value"] += brief(values[good], 5)
        limits["name"] += [mark.name] * int(good.sum())
    drawn = np.array([*points["value"], *limits["value"]], dtype=float)
    log = is_log(drawn) and not percent
    if size > 1:
        caption += f" Each point averages up to {size} records."
    if bad["step"]:
        caption += " Magenta crosses at the top: not finite."
    names = [line.name for line in series]
    few = len(set(points["step"])) <= 12
    spec = _series_spec(log, percent, few, len(names) > 1, bool(bad["step"]), bool(marks))
    values = {"ticks": log_ticks(drawn.min(), drawn.max()) if log else [], "names": names}
    return View(title, spec, {"points": points, "bad": bad, "limits": limits}, caption, values, label)


def _value_axis(log: bool, percent: bool) -> tuple[alt.Scale, alt.Axis]:
    if log:
        axis = alt.Axis(title=None, values=alt.ExprRef("ticks"), labelExpr=LOG_LABELS)
        return alt.Scale(type="log", nice=False, padding=6), axis
    return alt.Scale(zero=percent), alt.Axis(title=None, tickCount=5, format=".0%" if percent else FORMAT)


def _series_spec(log: bool, percent: bool, few: bool, several: bool, bad: bool, limits: bool) -> dict:
    scale, axis = _value_axis(log, percent)
    x = alt.X("step:Q", axis=step_axis(), scale=alt.Scale(nice=False, zero=False))
    y = alt.Y("value:Q", scale=scale, axis=axis)
    look = {"title": None, "orient": "top", "symbolType": "stroke", "symbolSize": 300}
    legend = alt.Legend(**look) if several else None
    domain = alt.ExprRef("names")
    tooltip = [
        alt.Tooltip("name:N", title=" "),
        alt.Tooltip("step:Q", format=",d"),
        alt.Tooltip("value:Q", format=".1%" if percent else ".4~g"),
    ]
    lines = (
        alt.Chart(alt.NamedData("points"))
        .mark_line(point=True if few else "transparent", strokeWidth=2)
        .encode(
            x=x,
            y=y,
            color=alt.Color("name:N", scale=alt.Scale(domain=domain), legend=legend),
            strokeDash=alt.StrokeDash(
                "name:N", scale=alt.Scale(domain=domain, range=[[1, 0], [5, 3], [2, 2]]), legend=legend
            ),
            tooltip=tooltip,
        )
    )
    layers: list[alt.Chart] = [lines]
    if limits:
        base = alt.Chart(alt.NamedData("limits")).encode(x=x, y=y)
        layers.append(base.mark_line(style=["limit"]).encode(detail="name:N", tooltip=tooltip))
        last = base.transform_joinaggregate(end="max(step)", groupby=["name"]).transform_filter(
            "datum.step === datum.end"
        )
        layers.append(last.mark_text(style=["limit_name"], align="right", dy=-7).encode(text="name:N"))
    if bad:
        crosses = alt.Chart(alt.NamedData("bad")).mark_point(
            shape="cross", filled=True, size=70, angle=45, color=BAD, opacity=1
        )
        layers.append(crosses.encode(x=x, y=alt.value(6), tooltip=tooltip[:2]))
    return specification(alt.layer(*layers).properties(height=230))


def named_view(
    title: str,
    thing: str,
    grid: tuple[np.ndarray, tuple[str, ...], np.ndarray],
    caption: str,
    band: tuple[float, float, float] | None = None,
    percent: bool = False,
) -> View | None:
    """Return a chart with one line for each name of ``grid`` (as of ``Run.grid``), or None where it is empty.

    ``band`` is the lowest, usual and highest of the values that healthy runs have; it makes the axis a log one.
    """
    steps, names, values = grid
    if not len(steps) or not np.isfinite(values).any():
        return None
    chosen = spread(len(names), NAMES)
    if len(chosen) < len(names):
        caption += f" {some_of(len(chosen), len(names), thing)}"
    names = tuple(names[i] for i in chosen)
    lines = []
    for i in chosen:
        recorded = ~np.isnan(values[i])
        at, line, size = thin(steps[recorded], values[i][recorded], 160)
        lines.append((at, line))
    shared = np.unique(np.concatenate([at for at, _ in lines]))
    table = np.full((len(lines), len(shared)), np.nan)
    for row, (at, line) in zip(table, lines, strict=True):
        row[np.searchsorted(shared, at)] = line
    good = table[np.isfinite(table)]
    log = (band is not None or is_log(good)) and not percent
    if log and (good <= 0).any():
        table[table <= 0] = np.nan
        good = good[good > 0]
        caption += " What is zero is not drawn."
    if not len(good):
        return None
    if size > 1:
        caption += f" Each point averages up to {size} records."
    low, high = float(good.min()), float(good.max())
    if band:
        low, high = min(low, band[0] / 2), max(high, band[2] * 2)
    if len(names) > 9:
        caption += f" Colours run from the first {thing} (violet) to the last (orange)."
    order = list(names)
    rows = {
        "x": shared.tolist(),
        "lines": [cells(line) for line in table],
        "keys": {"name": order},
        "marks": {},
    }
    left_open = {"names": order, "ticks": log_ticks(low, high) if log else [], "y": brief([low, high], 5)}
    label = f"{title.lower()} of {len(names)} {thing}s over the steps, between {low:.3g} and {high:.3g}"
    spec = _named_spec(thing, log, percent, len(shared) <= 12, band is not None, len(names) <= 9)
    tables = {"lines": rows}
    if band:
        tables["band"] = dict(zip(("low", "usual", "high"), ([end] for end in band), strict=True))
    return View(title, spec, tables, caption, left_open, label)


def _named_spec(thing: str, log: bool, percent: bool, few: bool, band: bool, legend: bool) -> dict:
    scale, axis = _value_axis(log, percent)
    if log:
        scale = alt.Scale(type="log", domain=alt.ExprRef("y"), nice=False, padding=6)
    x = alt.X("x:Q", axis=step_axis(), scale=alt.Scale(nice=False, zero=False))
    y = alt.Y("value:Q", scale=scale, axis=axis)
    look = {"symbolType": "stroke", "symbolOpacity": 1, "symbolStrokeWidth": 3, "labelLimit": 90}
    lines = (
        alt.Chart(alt.NamedData("lines"))
        .transform_filter("!datum.bad")
        .mark_line(point=True if few else "transparent", strokeWidth=1.8)
        .encode(
            x=x,
            y=y,
            color=alt.Color(
                "name:O",
                scale=alt.Scale(
                    domain=alt.ExprRef("names"), scheme=alt.SchemeParams("plasma", extent=[0.35, 0.85])
                ),
                legend=alt.Legend(title=None, orient="top", columns=3, **look) if legend else None,
            ),
            tooltip=[
                alt.Tooltip("name:N", title=thing),
                alt.Tooltip("x:Q", title="step", format=",d"),
                alt.Tooltip("value:Q", format=".1%" if percent else ".3~g"),
            ],
        )
    )
    layers: list[alt.Chart] = []
    if band:
        base = alt.Chart(alt.NamedData("band"))
        layers = [
            base.mark_rect(style=["band"]).encode(y=alt.Y("low:Q", scale=scale, axis=axis), y2="high:Q"),
            base.mark_rule(style=["limit"]).encode(y=alt.Y("usual:Q", scale=scale, axis=axis)),
        ]
    return specification(alt.layer(*layers, lines).properties(height=230))
