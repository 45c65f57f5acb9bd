"""The network from its input to its output at one step: variance, gradient, rank and dead units against depth.

All charts of this file follow one slider: each holds every chosen step and shows the one that the parameter
``chosen`` names, with the others faint behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import altair as alt
import numpy as np

from actlab.report import numbers
from actlab.report.charts import BAD, FORMAT, LOG_LABELS
from actlab.report.lines import log_ticks
from actlab.report.view import View, brief, cells, specification, spread
from actlab.runs import Run

STEPS = 40
"""Most steps the slider stops at: half of them evenly spread, half dense at the start, where most happens."""

POINTS = 16_000
"""Most points of a chart, all steps and both lines together: a very deep network has fewer stops, never below ten."""

SAMPLES = 128
"""Most test samples that a rank is taken of: a wider site's rank ends there."""


@dataclass(frozen=True)
class Profile:
    """What one chart shows against depth: quantities with their names, on a log or linear axis or as shares."""

    title: str
    series: tuple[tuple[str, str], ...]
    scale: str
    caption: str
    of_layers: bool = False
    instead: Profile | None = None
    """What is shown where none of the quantities was recorded."""


PROFILES = (
    Profile(
        "Variance against depth",
        (("pre.variance", "pre"), ("post.variance", "post")),
        "log",
        "Level lines are healthy: what comes out of the last site is as large as what went into the first. "
        "A straight slope is one factor at every site: down, and the signal dies with depth; up, and it explodes.",
    ),
    Profile(
        "Gradient against depth",
        (("pre_gradient.rms", "pre"), ("post_gradient.rms", "post")),
        "log",
        "Read it from right to left, the way gradients travel. Level is healthy; a fall towards the input "
        "is a gradient that vanishes, a rise one that explodes.",
        instead=Profile(
            "Gradient against depth",
            (("gradient_norm", "weights"),),
            "log",
            "Norm of the loss's gradient by the weights of each layer. Read it from right to left, the way "
            "gradients travel: a fall towards the input is a gradient that vanishes, a rise one that explodes.",
            of_layers=True,
        ),
    ),
    Profile(
        "Effective rank against depth",
        (("effective_rank", "effective rank"), ("stable_rank", "stable rank")),
        "linear",
        "How many directions the samples span. A line that falls towards one says that deep sites "
        "see all samples alike.",
    ),
    Profile(
        "Dead units against depth",
        (("dead_share", "in training"), ("dataset_dead_share", "on the test samples")),
        "share",
        "Share of each site's units that gave nothing: for any sample read since the last record, or for any "
        "test sample looked at. What is dead at the first record was born dead.",
    ),
    Profile(
        "Where values lie",
        (("saturated_share", "flat"), ("linear_share", "straight")),
        "share",
        "Flat: the derivative is below a hundredth of its largest, so little gradient passes. Straight: the "
        "activation is a line there, so it bends nothing. A site that is all one or all the other does not work.",
    ),
    Profile(
        "Likeness of samples against depth",
        (("pre_cosine", "pre"), ("cosine", "post")),
        "linear",
        "Mean cosine between two samples' values. Near 1, the site says nearly the same about every sample, "
        "and what comes after can hardly tell them apart.",
    ),
)


def depth_views(run: Run) -> tuple[list[View], list[int]]:
    """Return the charts against depth of all that was recorded, and the steps their slider stops at."""
    found = [_recorded(run, profile) for profile in PROFILES]
    profiles = [profile for profile in found if profile is not None]
    steps = _stops(run, profiles)
    return [_view(run, profile, steps) for profile in profiles], steps


def _names(run: Run, profile: Profile) -> list[str]:
    names = run.layers if profile.of_layers else run.sites
    return [name for name in names if any(len(run.series(name, q)[0]) for q, _ in profile.series)]


def _recorded(run: Run, profile: Profile) -> Profile | None:
    """Return the profile, or what stands in for it, or None where there are not two points to join."""
    if len(_names(run, profile)) >= 2:
        return profile
    return _recorded(run, profile.instead) if profile.instead else None


def _stops(run: Run, profiles: list[Profile]) -> list[int]:
    """Return at most STEPS steps: first, last, and where everything was recorded if that is often."""
    recorded = []
    for profile in profiles:
        for quantity, _ in profile.series:
            at = [run.series(name, quantity)[0] for name in _names(run, profile)]
            steps, count = np.unique(np.concatenate(at), return_counts=True)
            # What led to a divergence is recorded step by step at its own site: no profile of the network.
            if len(steps):
                recorded.append(steps[2 * count >= count.max()])
    if not recorded:
        return []
    common = recorded[0]
    for steps in recorded[1:]:
        common = np.intersect1d(common, steps)
    every = np.unique(np.concatenate(recorded))
    stops = np.unique([every[0], *common, every[-1]]) if len(common) >= 5 else every
    most = max(10, min(STEPS, POINTS // (2 * max(len(_names(run, profile)) for profile in profiles))))
    if len(stops) > most:
        early = np.geomspace(1, len(stops), most // 2).astype(int) - 1
        stops = stops[np.unique([*spread(len(stops), most // 2), *early])]
    return stops.tolist()


def _at(run: Run, name: str, quantity: str, stops: list[int]) -> np.ndarray:
    """Return the value at each stop: the last one recorded until then; infinity where it was not finite."""
    steps, values = run.series(name, quantity)
    if not len(steps):
        return np.full(len(stops), np.nan)
    place = np.searchsorted(steps, stops, side="right") - 1
    values = np.where(np.isfinite(values), values, np.inf)
    return np.where(place >= 0, values[place], np.nan)


def _widths(run: Run) -> dict[str, int]:
    """Return the number of units of each site whose units were recorded."""
    last = run.units.unique(subset="site", keep="last", maintain_order=True)
    return {site: len(dead) for site, dead in last.select("site", "dead_for").iter_rows() if dead}


def _scaled(run: Run, profile: Profile, names: list[str]) -> tuple[Profile, np.ndarray]:
    """Return the profile and what to divide each site by: ranks become shares where all widths are known."""
    widths = _widths(run)
    if profile.series[0][0] != "effective_rank" or not all(name in widths for name in names):
        return profile, np.ones(len(names))
    caption = (
        f"{profile.caption} Given as a share of what is possible: the site's width, or the {SAMPLES} samples "
        "looked at where those are fewer."
    )
    made = Profile(profile.title, profile.series, "share", caption)
    return made, np.array([min(widths[name], SAMPLES) for name in names], dtype=float)


def _view(run: Run, profile: Profile, stops: list[int]) -> View:
    names = _names(run, profile)
    profile, whole = _scaled(run, profile, names)
    lines: list[np.ndarray] = []
    keys: dict[str, list] = {"series": [], "at": [], "step": []}
    said = []
    for quantity, label in profile.series:
        values = np.array([_at(run, name, quantity, stops) for name in names]) / whole[:, None]
        if np.isnan(values).all():
            continue
        said.append(_sentence(label, values[:, -1], profile))
        for at, step in enumerate(stops):
            lines.append(values[:, at])
            keys["series"].append(label)
            keys["at"].append(at)
            keys["step"].append(step)
    values = np.array(lines)
    domain, ticks = _axis(values, profile.scale)
    thing = "layer" if profile.of_layers else "site"
    caption = profile.caption
    if profile.scale == "log" and (values == 0).any():
        caption += " A value of exactly zero stands at the bottom."
    if np.isinf(values).any():
        caption += " Magenta: not finite."
    table = {
        "x": list(range(1, len(names) + 1)),
        "lines": [cells(line) for line in lines],
        "keys": keys,
        "marks": {"name": names},
    }
    few = len(names) <= 12
    return View(
        profile.title,
        _spec(profile, thing, few, several=len(set(keys["series"])) > 1),
        {"profile": table},
        f"At step {stops[-1]:,}: {'; '.join(said)}. {caption}",
        {
            "start": len(stops) - 1,
            "ends": [1, len(names)],
            "y": domain,
            "ticks": ticks,
            "depths": table["x"] if few else [],
            "series": list(dict.fromkeys(keys["series"])),
        },
        f"{profile.title.lower()}, {len(names)} {thing}s from input to output, at a step chosen with the slider; "
        f"at step {stops[-1]:,} {'; '.join(said)}",
    )


def _sentence(label: str, values: np.ndarray, profile: Profile) -> str:
    """Return how a line runs from the first site to the last, with the factor a site where that is a sense."""
    good = values[np.isfinite(values)]
    if len(good) < 2:
        return f"{label} {numbers.NOT_FINITE if np.isinf(values).any() else 'not recorded'}"
    show: Callable[[float], str] = numbers.percent if profile.scale == "share" else numbers.number
    text = f"{label} {show(float(good[0]))} at the first, {show(float(good[-1]))} at the last"
    if profile.scale == "log" and len(good) > 2 and good[0] > 0 and good[-1] > 0:
        factor = float((good[-1] / good[0]) ** (1 / (len(good) - 1)))
        text += f", a factor of {numbers.number(factor)} a {'layer' if profile.of_layers else 'site'}"
    return text


def _axis(values: np.ndarray, scale: str) -> tuple[list[float], list[float]]:
    """Return the ends of the value axis, the same for every step, and the ticks of a log axis."""
    good = values[np.isfinite(values)]
    if scale == "share":
        return [0, max(0.05, min(1.0, 1.05 * float(good.max(initial=0.0))))], []
    if scale == "linear":
        low, high = min(0.0, float(good.min(initial=0.0))), float(good.max(initial=0.0))
        return brief([low, 1.04 * high if high > low else low + 1.0]), []
    good = good[good > 0]
    if not len(good):
        return [0.1, 1.0], [0.1, 1.0]
    low, high = float(good.min()), float(good.max())
    if high / low < 4:
        low, high = low / 2, high * 2
    low, high = low / 1.2, high * 1.2
    return brief([low, high]), log_ticks(low, high)


def _spec(profile: Profile, thing: str, few: bool, several: bool) -> dict:
    log = profile.scale == "log"
    form = ".1%" if profile.scale == "share" else ".4~g"
    kind = {"type": "log", "clamp": True} if log else {"zero": False}
    scale = alt.Scale(domain=alt.ExprRef("y"), nice=False, **kind)
    axis = {"values": alt.ExprRef("ticks"), "labelExpr": LOG_LABELS} if log else {"tickCount": 5}
    if not log:
        axis["format"] = ".0%" if profile.scale == "share" else FORMAT
    depths = {"values": alt.ExprRef("depths")} if few else {"tickMinStep": 1, "tickCount": 8}
    x = alt.X(
        "x:Q",
        scale=alt.Scale(domain=alt.ExprRef("ends"), nice=False, zero=False, padding=8),
        axis=alt.Axis(title=f"{thing}, from the input", format="d", grid=False, **depths),
    )
    domain = alt.Scale(domain=alt.ExprRef("series"))
    legend = alt.Legend(title=None, orient="top", symbolSize=60, symbolOpacity=1) if several else None
    base = (
        alt.Chart(alt.NamedData("profile"))
        # A log axis has no zero: its bottom stands for it.
        .transform_calculate(height=f"max(datum.value, {'1e-300' if log else '-1e300'})")
        .encode(
            x=x,
            y=alt.Y("height:Q", scale=scale, axis=alt.Axis(title=None, **axis)),
            color=alt.Color("series:N", scale=domain, legend=legend),
        )
    )
    good = base.transform_filter("!datum.bad")
    behind = good.mark_line(strokeWidth=1, opacity=0.18).encode(detail="at:O")
    first = good.transform_filter("datum.at === 0").mark_line(strokeWidth=1.3, strokeDash=[2, 3])
    tooltip = [
        alt.Tooltip("name:N", title=thing),
        alt.Tooltip("step:Q", format=",d"),
        alt.Tooltip("series:N", title="of"),
        alt.Tooltip("value:Q", format=form),
    ]
    now = good.transform_filter("datum.at === chosen")
    line = now.mark_line(strokeWidth=2.4)
    points = now.mark_point(filled=True, size=50, opacity=1).encode(
        shape=alt.Shape("series:N", scale=domain, legend=legend), tooltip=tooltip
    )
    bad = (
        base.transform_filter("datum.bad && datum.at === chosen")
        .transform_calculate(word="'not finite'")
        .mark_point(shape="cross", filled=True, size=70, angle=45, color=BAD, opacity=1)
        .encode(
            x=x,
            y=alt.value(6),
            color=alt.value(BAD),
            tooltip=[*tooltip[:3], alt.Tooltip("word:N", title="value")],
        )
    )
    chart = alt.layer(behind, first, line, points, bad).properties(height=230)
    return specification(chart, chosen={"expr": "start"})
