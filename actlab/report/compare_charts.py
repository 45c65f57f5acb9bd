"""Charts of a comparison: ranking, pairs, learning curves, sensitivity, sites, and what beats what."""

from __future__ import annotations

import math
from collections.abc import Sequence

import altair as alt
import numpy as np
import polars as pl

from actlab.compare import Study, behaviour
from actlab.compare.comparison import sensitivity_tables
from actlab.compare.factors import short
from actlab.compare.ranking import rank_range
from actlab.report.charts import FORMAT, step_axis
from actlab.report.theme import DARK, LIGHT, OVERLAY
from actlab.report.view import View, brief, specification

DRAWN = len(OVERLAY["light"])
"""Most levels drawn as lines: more are not told apart by colour."""

THEMES = tuple(
    theme | {"range": theme["range"] | {"category": OVERLAY[mode]}}
    for theme, mode in ((LIGHT, "light"), (DARK, "dark"))
)

QUANTITIES = {
    "dead_share": "Dead units",
    "saturated_share": "Saturated",
    "post.variance": "Variance of what comes out",
    "gradient_norm": "Gradient norm",
}


def _score(study: Study, title: str | None = None) -> dict:
    """Return the axis of scores, in per cent where they are shares."""
    return {"title": title, "format": ".0%" if study.metric.is_share else FORMAT, "tickCount": 5}


def _told(study: Study) -> str:
    return ".1%" if study.metric.is_share else ".4~g"


def first_levels(study: Study) -> list[str]:
    """Return the levels that are drawn as lines: the best ones, the baseline among them."""
    names = [one.name for one in study.ranking.levels if math.isfinite(one.score)]
    drawn, base = names[:DRAWN], study.ranking.baseline
    return [*drawn[: DRAWN - 1], base] if base in names and base not in drawn else drawn


def _few(study: Study) -> str:
    names, drawn = study.ranking.levels, first_levels(study)
    return f" The best {len(drawn)} of {len(names)} are drawn." if len(drawn) < len(names) else ""


def ranking_view(study: Study) -> View | None:
    """Return the scores in order with their intervals; None where no run has one."""
    levels = [one for one in study.ranking.levels if math.isfinite(one.score)]
    if not levels:
        return None
    table = {
        "level": [one.name for one in levels],
        "score": brief([one.score for one in levels], 5),
        "low": [_number(one.interval.low) for one in levels],
        "high": [_number(one.interval.high) for one in levels],
        "n": [one.interval.n for one in levels],
        "at": ["; ".join(dict.fromkeys(filter(None, one.chosen.values()))) for one in levels],
        "ranks": [rank_range(one) for one in levels],
        "group": [one.letters for one in levels],
    }
    y = alt.Y("level:N", sort=None, axis=alt.Axis(title=None, domain=False, ticks=False))
    base = alt.Chart(alt.NamedData("levels")).encode(
        y=y,
        tooltip=[
            alt.Tooltip("level:N", title=" "),
            alt.Tooltip("score:Q", title=study.metric.name, format=_told(study)),
            *(alt.Tooltip(f"{end}:Q", format=_told(study)) for end in ("low", "high")),
            alt.Tooltip("n:Q", title="seeds"),
            alt.Tooltip("ranks:N", title="could rank"),
            *([alt.Tooltip("at:N", title="at")] if any(table["at"]) else []),
            *([alt.Tooltip("group:N")] if any(table["group"]) else []),
        ],
    )
    scale = alt.Scale(zero=False, padding=8)
    x = alt.X("score:Q", scale=scale, axis=alt.Axis(**_score(study, study.metric.name)))
    rules = base.mark_rule(strokeWidth=2.5, opacity=0.55, style="curve").encode(
        x=alt.X("low:Q", scale=scale), x2="high:Q"
    )
    points = base.mark_point(filled=True, size=70, opacity=1).encode(x=x)
    layers = [rules, points]
    if any(table["group"]):
        letters = base.mark_text(dx=9, dy=-7, align="left", fontSize=11, style="limit_name").encode(
            x=x, text="group:N"
        )
        layers.append(letters)
    shared = " Levels that share a letter cannot be told apart." if any(table["group"]) else ""
    percent = f"{100 * (1 - study.ranking.alpha):g} %"
    return View(
        f"Ranking by {study.metric.name}",
        specification(alt.layer(*layers).properties(height=22 * len(levels))),
        {"levels": table},
        f"Point: mean over seeds at the best condition, less the luck of choosing it. Line: the {percent} interval."
        f"{shared} Of two intervals that overlap the levels may yet differ: pairs are tested seed by seed.",
        label=f"{study.metric.name} of each level with its interval, the best first: "
        + ", ".join(
            f"{name} {value:g}" for name, value in zip(table["level"][:8], table["score"], strict=False)
        ),
    )


def _number(value: float) -> float | None:
    return brief([value], 5)[0] if math.isfinite(value) else None


def pair_view(study: Study, most: int = 40) -> View | None:
    """Return the matrix of differences, those told apart marked; None for one level or against a baseline."""
    levels = [one.name for one in study.ranking.levels if math.isfinite(one.score)]
    if len(levels) < 3 or study.ranking.baseline:
        return None
    shown = levels[:most]
    table: dict[str, list] = {"row": [], "column": [], "difference": [], "p": [], "told": [], "mark": []}
    for row in shown:
        for column in shown:
            c = study.ranking.between(row, column)
            if c is None or not math.isfinite(c.paired.mean):
                continue
            table["row"].append(row)
            table["column"].append(column)
            table["difference"] += brief([c.paired.mean if c.better == row else -c.paired.mean])
            table["p"].append(_number(c.p_adjusted))
            table["told"].append("yes" if c.told else "no")
            table["mark"].append("●" if c.told else "")
    reach = max((abs(v) for v in table["difference"]), default=1.0) or 1.0
    table["deep"] = [abs(v) > 0.5 * reach for v in table["difference"]]
    axis = {"title": None, "ticks": False, "domain": False, "grid": False}
    base = alt.Chart(alt.NamedData("pairs")).encode(
        x=alt.X("column:N", sort=alt.ExprRef("names"), axis=alt.Axis(**axis, labelAngle=-90)),
        y=alt.Y("row:N", sort=alt.ExprRef("names"), axis=alt.Axis(**axis)),
        tooltip=[
            alt.Tooltip("row:N", title=" "),
            alt.Tooltip("column:N", title="less"),
            alt.Tooltip("difference:Q", format=_told(study)),
            alt.Tooltip("p:Q", title="p, corrected", format=".2~g"),
            alt.Tooltip("told:N", title="told apart"),
        ],
    )
    colour = alt.Color(
        "difference:Q",
        scale=alt.Scale(scheme="purpleorange", domain=alt.ExprRef("reach"), reverse=True),
        legend=alt.Legend(
            title="row less column", orient="bottom", format=".0%" if study.metric.is_share else FORMAT
        ),
    )
    cells = base.mark_rect().encode(color=colour)
    light = alt.condition("datum.deep", alt.value("#ffffff"), alt.value("#1b2129"))
    marks = base.mark_text(fontSize=9).encode(text="mark:N", color=light)
    more = f" The best {most} of {len(levels)} are drawn." if len(levels) > most else ""
    return View(
        "Pairs",
        specification(alt.layer(cells, marks).properties(height=20 * len(set(table["row"])))),
        {"pairs": table},
        f"Row less column, seed by seed. A dot: told apart at {study.ranking.alpha:g} after correction for all pairs."
        f"{more}",
        {"names": shown, "reach": brief([-reach, reach])},
        "difference of each pair of levels and whether they are told apart",
    )


def _lines(study: Study, x: alt.X, when: str, names: Sequence[str], points: bool) -> dict:
    """Return the specification of a line a level, its band and its points."""
    domain = alt.Scale(domain=alt.ExprRef("names"), range="category")
    legend = alt.Legend(
        title=None, orient="top", symbolType="stroke", symbolSize=300, columns=4, labelLimit=110
    )
    base = alt.Chart(alt.NamedData("points")).encode(x=x)
    axis = alt.Axis(**_score(study))
    scale = alt.Scale(zero=False)
    band = base.mark_area(fillOpacity=0.14, clip=True).encode(
        y=alt.Y("low:Q", axis=axis, scale=scale),
        y2="high:Q",
        color=alt.Color("level:N", scale=domain, legend=legend),
    )
    line = base.mark_line(point=True if points else "transparent", strokeWidth=2).encode(
        y=alt.Y("mean:Q", axis=axis, scale=scale),
        color=alt.Color("level:N", scale=domain, legend=legend),
        tooltip=[
            alt.Tooltip("level:N", title=" "),
            alt.Tooltip(f"{when}:Q", format=",d" if when == "step" else FORMAT),
            *(alt.Tooltip(f"{c}:Q", format=_told(study)) for c in ("mean", "low", "high")),
            alt.Tooltip("n:Q", title="runs" if when == "step" else "seeds"),
        ],
    )
    return specification(alt.layer(band, line).properties(height=280))


def _columns(table: pl.DataFrame, names: Sequence[str], *kept: str) -> dict[str, list]:
    rows = table.filter(pl.col("level").is_in(list(names)))
    found = {c: rows[c].to_list() for c in kept}
    for name in ("mean", "low", "high"):
        found[name] = [None if v is None else _number(v) for v in rows[name].to_list()]
    return found


def curve_view(study: Study) -> View | None:
    """Return the metric over the steps of the runs at each level's best condition."""
    table = behaviour.curves(study.at_best(), study.rows)
    names = first_levels(study)
    if table["step"].n_unique() < 2:
        return None
    x = alt.X("step:Q", axis=step_axis(), scale=alt.Scale(nice=False, zero=False))
    return View(
        f"{study.metric.site} {study.metric.quantity} while training".capitalize(),
        _lines(study, x, "step", names, points=False),
        {"points": _columns(table, names, "level", "step", "n")},
        f"Mean over the runs at each level's best condition; band: from the lowest to the highest.{_few(study)}",
        {"names": names},
        f"{study.metric.name} over the steps by level",
    )


def sensitivity_views(study: Study) -> list[View]:
    """Return for each numeric key that was tuned its curves, and a matrix of all levels where they are many."""
    views = []
    for key, table in sensitivity_tables(study).items():
        name = short(key, study.design.tuned).replace("_", " ")
        values = table["at"].unique().sort()
        log = len(values) > 1 and values[0] > 0 and values[-1] / values[0] >= 10
        scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False, nice=False)
        axis = alt.Axis(title=name, grid=False, values=alt.ExprRef("ticks"), format=".3~g", labelOverlap=True)
        names = first_levels(study)
        rest = " Other tuned keys stand at their best." if len(study.design.tuned) > 1 else ""
        views.append(
            View(
                f"Sensitivity to the {name}",
                _lines(study, alt.X("at:Q", axis=axis, scale=scale), "at", names, points=True),
                {"points": _columns(table, names, "level", "at", "n")},
                f"Mean over seeds with its interval: flat and high is a level that forgives a wrong {name}.{rest}"
                f"{_few(study)}",
                {"names": names, "ticks": brief(values.to_numpy(), 6)},
                f"{study.metric.name} of each level at every {name}",
            )
        )
        if len(study.ranking.levels) > len(names):
            order = [one.name for one in study.ranking.levels]
            cells = table.filter(pl.col("mean").is_finite()).select(
                "level", pl.col("at").cast(pl.String), "mean"
            )
            views.append(
                _matrix(study, f"All levels by {name}", cells, order, [f"{v}" for v in values], name)
            )
    return views


def _matrix(
    study: Study, title: str, cells: pl.DataFrame, rows: list[str], columns: list[str], name: str
) -> View:
    """Return levels by columns, colour by mean."""
    return _heat(
        title,
        cells.rename({"at": "column", "mean": "value"}),
        rows,
        columns,
        name,
        f"Mean {study.metric.name} over seeds, levels in order of their rank; brighter is more.",
        _told(study),
    )


def _heat(
    title: str,
    cells: pl.DataFrame,
    rows: list[str],
    columns: list[str],
    name: str | None,
    caption: str,
    told: str,
) -> View:
    table = {
        "row": cells["level"].to_list(),
        "column": cells["column"].to_list(),
        "value": brief(cells["value"].to_list()),
    }
    axis = {"ticks": False, "domain": False, "grid": False}
    chart = (
        alt.Chart(alt.NamedData("cells"))
        .mark_rect()
        .encode(
            x=alt.X(
                "column:N", sort=alt.ExprRef("columns"), axis=alt.Axis(title=name, labelOverlap=True, **axis)
            ),
            y=alt.Y("row:N", sort=alt.ExprRef("rows"), axis=alt.Axis(title=None, **axis)),
            color=alt.Color(
                "value:Q",
                scale=alt.Scale(scheme="viridis"),
                legend=alt.Legend(
                    title=None, orient="bottom", format=told.replace(".1%", ".0%"), gradientLength=160
                ),
            ),
            tooltip=[
                alt.Tooltip("row:N", title=" "),
                alt.Tooltip("column:N", title=name or "site"),
                alt.Tooltip("value:Q", title=" ", format=told),
            ],
        )
    )
    left_open = {"rows": rows, "columns": columns}
    return View(
        title,
        specification(chart.properties(height=20 * len(set(table["row"])))),
        {"cells": table},
        caption,
        left_open,
        title,
    )


def site_views(study: Study, table: pl.DataFrame) -> list[View]:
    """Return for each quantity levels by sites, from `behaviour.sites`."""
    views = []
    rows = [one.name for one in study.ranking.levels]
    for quantity, title in QUANTITIES.items():
        cells = table.filter(pl.col("quantity") == quantity)
        if not len(cells) or not np.any(cells["mean"].to_numpy() != 0):
            continue
        columns = list(dict.fromkeys(cells["site"]))
        what = "layers" if quantity == "gradient_norm" else "sites"
        caption = f"Last record of the runs at each level's best condition, mean over them; {what} in forward order."
        views.append(
            _heat(
                title,
                cells.select("level", pl.col("site").alias("column"), pl.col("mean").alias("value")),
                rows,
                columns,
                None,
                caption,
                ".1%" if quantity.endswith("_share") else ".3~g",
            )
        )
    return views


def pareto_view(study: Study, points: pl.DataFrame) -> View | None:
    """Return score against time of a step, those beaten by none marked; None where no times are known."""
    if len(points) < 2:
        return None
    named = [""] * len(points)
    for place, i in enumerate(i for i in points["ms"].arg_sort() if points["front"][i]):
        named[i] = "below" if place % 2 else "above"
    table = {
        "level": points["level"].to_list(),
        "score": brief(points["score"].to_list(), 5),
        "ms": brief(points["ms"].to_list()),
        "diverged": brief(points["diverged"].to_list()),
        "front": ["beaten by none" if f else "beaten" for f in points["front"].to_list()],
        "named": named,
    }
    scale = alt.Scale(zero=False, padding=14)
    base = alt.Chart(alt.NamedData("levels")).encode(
        x=alt.X(
            "ms:Q",
            scale=scale,
            axis=alt.Axis(title="milliseconds a step", tickCount=5, format=FORMAT, grid=False),
        ),
        y=alt.Y("score:Q", scale=scale, axis=alt.Axis(**_score(study))),
        tooltip=[
            alt.Tooltip("level:N", title=" "),
            alt.Tooltip("score:Q", title=study.metric.name, format=_told(study)),
            alt.Tooltip("ms:Q", title="ms a step", format=".3~g"),
            alt.Tooltip("diverged:Q", title="diverged", format=".0%"),
            alt.Tooltip("front:N", title="is"),
        ],
    )
    domain = ["beaten by none", "beaten"]
    legend = alt.Legend(title=None, orient="top", symbolStrokeWidth=0)
    signs = base.mark_point(filled=True, opacity=0.9).encode(
        color=alt.Color("front:N", scale=alt.Scale(domain=domain, range="category"), legend=legend),
        shape=alt.Shape("front:N", scale=alt.Scale(domain=domain, range=["circle", "cross"]), legend=legend),
        size=alt.Size("diverged:Q", scale=alt.Scale(domain=[0, 1], range=[60, 600]), legend=None),
    )
    names = [  # every other one below its sign: neighbours would cover each other
        base.transform_filter(f"datum.named === '{side}'")
        .mark_text(align="left", dx=7, dy=dy, fontSize=11, style="limit_name", limit=110)
        .encode(text="level:N")
        for side, dy in (("above", -7), ("below", 9))
    ]
    return View(
        "Score, cost and stability",
        specification(alt.layer(signs, *names).properties(height=280)),
        {"levels": table},
        f"{'Up' if study.metric.higher else 'Down'} is better, left is cheaper, small is stable (size: the share of "
        "all its runs that diverged). Named are the levels that no other one beats in all three; the means decide, "
        "without regard to chance.",
        label="score against time of a step by level",
    )
