"""Tables of a comparison as HTML that needs no script; every text that comes from a run is escaped here."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import polars as pl

from actlab.compare import Study, behaviour
from actlab.compare.answer import show
from actlab.compare.comparison import wortsman
from actlab.compare.factors import short, text
from actlab.compare.ranking import rank_range
from actlab.report import numbers

Cell = tuple[str, str | None]
"""What is shown, and by what it is sorted, None for itself; both plain text."""


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    label: str,
    words: Sequence[str] = (),
    sort: bool = False,
) -> str:
    """Return a table; the first cell of a row is its heading, the columns named in ``words`` are text."""

    def column(name: str) -> str:
        return ' class="word"' if name in words else ""

    head = "".join(f'<th scope="col"{column(name)}>{escape(name)}</th>' for name in heads)
    body = []
    for first, *cells in rows:
        line = "".join(
            f'<td{column(name)} data-name="{escape(name)}"{_value(value)}>{shown}</td>'
            for name, (shown, value) in zip(heads[1:], cells, strict=True)
        )
        body.append(f'<tr><th scope="row"{_value(first[1])}>{first[0]}</th>{line}</tr>')
    return (
        f'<div class="scroll" role="region" aria-label="{escape(label)}" tabindex="0">'
        f'<table class="sites"{" data-sort" if sort else ""}><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _value(value: str | None) -> str:
    return "" if value is None else f' data-v="{escape(value)}"'


def _number(value: float | None, shown: str) -> Cell:
    good = value is not None and math.isfinite(value)
    return (escape(shown), f"{value:.6g}") if good else ("–", "")


def ranking(study: Study) -> str:
    """Return the levels in order: score, both intervals, seeds, where they stand best, with whom they are tied."""
    written, base = show(study.metric), study.ranking.baseline
    lettered = any(one.letters for one in study.ranking.levels)
    rows = []
    for one in study.ranking.levels:
        of = one.interval
        best = "; ".join(
            f"{setting}: {condition}" if setting and condition else condition or setting
            for setting, condition in one.chosen.items()
        )
        rows.append(
            [
                (escape(one.name), None),
                _number(one.score, written(one.score)),
                _number(of.t_low, f"{written(of.t_low)} to {written(of.t_high)}"),
                _number(of.boot_low, f"{written(of.boot_low)} to {written(of.boot_high)}"),
                _number(of.n, str(of.n)),
                _number(one.optimism, written(one.optimism)),
                (escape(best) or "–", None),
                *([(_standing(study, one.name), None)] if base else []),
                *([] if base else [_number(one.ranks[0], rank_range(one))]),
                *([(escape(one.letters), None)] if lettered else []),
            ]
        )
    percent = f"{100 * (1 - study.ranking.alpha):g} %"
    heads = ["Level", "Score", f"t interval ({percent})", f"Bootstrap ({percent})", "Seeds", "Luck taken off"]
    words = ["Best at", *([f"Against {base}"] if base else []), *(["Group"] if lettered else [])]
    last = [f"Against {base}"] if base else ["Could rank", *(["Group"] if lettered else [])]
    return table([*heads, "Best at", *last], rows, label="Ranking", words=words, sort=True)


def _standing(study: Study, name: str) -> str:
    c = study.ranking.between(name, study.ranking.baseline or "")
    if c is None:
        return "baseline"
    return ("better" if c.better == name else "worse") if c.told else "not told apart"


def pairs(study: Study) -> str:
    """Return every comparison: difference, interval, both p, corrected p, seeds that would do."""
    written = show(study.metric)
    rows = []
    for c in study.ranking.comparisons:
        of = c.paired
        rows.append(
            [
                (f"{escape(c.better)} over {escape(c.worse)}", None),
                _number(abs(of.mean), written(abs(of.mean))),
                _number(of.low, f"{written(of.low)} to {written(of.high)}"),
                _number(of.n, str(of.n)),
                _number(of.p_t, f"{of.p_t:.2g}"),
                _number(of.p_sign, f"{of.p_sign:.2g} (≥ {of.p_least:.2g})"),
                _number(c.p_adjusted, f"{c.p_adjusted:.2g}"),
                ("told apart" if c.told else ("identical" if of.identical else "cannot tell"), None),
                _number(c.needed, f"{c.needed:,}" if c.needed else ""),
            ]
        )
    heads = [
        "Pair",
        "Difference",
        "Interval of it",
        "Seeds",
        "p, paired t",
        "p, sign flips (least)",
        "p, corrected",
    ]
    return table([*heads, "Verdict", "Seeds needed"], rows, label="Pairs", words=["Verdict"], sort=True)


def behaviours(study: Study) -> str:
    """Return stability, cost and sensitivity by level, in order of rank."""
    stable = {row["level"]: row for row in behaviour.stability(study.runs).iter_rows(named=True)}
    costs = {row["level"]: row for row in behaviour.cost(study.runs).iter_rows(named=True)}
    lost = wortsman(study)
    shared = study.shared_condition()
    written = show(study.metric)
    rows = []
    for one in study.ranking.levels:
        a, b = stable.get(one.name, {}), costs.get(one.name, {})
        cells = [
            (escape(one.name), None),
            _number(a.get("runs"), numbers.number(a.get("runs"))),
            _number(a.get("diverged"), numbers.percent(a.get("diverged"))),
            *(_number(a.get(k), numbers.number(a.get(k))) for k in ("spike", "skip", "rewind")),
            _number(b.get("steps_per_second"), numbers.number(b.get("steps_per_second"))),
            _number(b.get("wall_time_s"), numbers.duration(b.get("wall_time_s"))),
            _number(b.get("compile_time_s"), numbers.duration(b.get("compile_time_s"))),
            _number(b.get("parameters"), numbers.number(b.get("parameters"))),
        ]
        if study.runs["memory_bytes"].is_not_null().any():
            used = b.get("memory_bytes")
            cells.append(_number(used, f"{(used or 0) / 2**20:,.1f} MiB"))
        if lost:
            cells.append(_number(lost.get(one.name), numbers.number(lost.get(one.name))))
        if shared:
            at = shared[1][one.name]
            cells.append(_number(at, f"{written(at)} ({written(abs(one.interval.mean - at))})"))
        rows.append(cells)
    heads = [
        "Level",
        "Runs",
        "Diverged",
        "Spikes a run",
        "Skips a run",
        "Rewinds a run",
        "Steps a second",
        "Time",
    ]
    heads += ["Compile", "Parameters"]
    if study.runs["memory_bytes"].is_not_null().any():
        heads.append("Memory")
    heads += ["Lost to wrong rates"] if lost else []
    heads += ["Shared condition (own best above it)"] if shared else []
    return table(heads, rows, label="Stability and cost", sort=True)


def cells(study: Study) -> str:
    """Return the mean of each level at every condition."""
    from actlab.compare.intervals import interval

    written = show(study.metric)
    rows = []
    used = study.runs.filter("used")
    for (level, setting, condition), cell in used.group_by(
        "level", "setting", "condition", maintain_order=True
    ):
        of = interval(cell["score"].to_numpy(), level=1 - study.ranking.alpha, bootstrap=False)
        diverged = float((cell["state"] == "diverged").mean())
        rows.append(
            [
                (escape(str(level)), None),
                (escape(", ".join(filter(None, (str(setting), str(condition))))) or "–", None),
                _number(of.mean, written(of.mean)),
                _number(of.t_low, f"{written(of.t_low)} to {written(of.t_high)}"),
                _number(of.sd, written(of.sd)),
                _number(of.n, str(of.n)),
                _number(diverged, numbers.percent(diverged)),
            ]
        )
    heads = ["Level", "Condition", "Mean", "t interval", "Standard deviation", "Seeds", "Diverged"]
    return table(heads, rows, label="Every condition", words=["Condition"], sort=True)


def runs(study: Study, folder: Path) -> str:
    """Return the table of runs, with links to their pages, relative to ``folder``, where the page is to lie."""
    written = show(study.metric)
    keys = [*study.design.fixed, *study.design.tuned]
    paths = study.runs["folder"].to_list()
    root = (
        os.path.commonpath([os.path.abspath(p) for p in paths])
        if len(paths) > 1
        else os.path.dirname(paths[0])
    )
    rows = []
    for row in study.runs.iter_rows(named=True):
        name = escape(os.path.relpath(row["folder"], root))
        if row["report"]:
            link = escape(Path(os.path.relpath(Path(row["folder"]) / "report.html", folder)).as_posix())
            name = f'<a href="{link}">{name}</a>'
        rows.append(
            [
                (name, os.path.relpath(row["folder"], root)),
                (escape(row["level"]), None),
                *((escape(text(row[k])), None) for k in keys),
                (escape(row["seed"]), None),
                (escape(row["state"]) + (" (repeated)" if row["repeated"] else ""), None),
                _number(row["score"], written(row["score"]) if row["score"] is not None else ""),
                _number(row["step"], numbers.number(row["step"])),
                _number(row["wall_time_s"], numbers.duration(row["wall_time_s"])),
            ]
        )
    heads = ["Run", "Level", *(short(k, keys) for k in keys), "Seed", "State", "Score", "Step", "Time"]
    return table(heads, rows, label="Runs", words=["Level", "State"], sort=True)


def pareto(study: Study) -> pl.DataFrame:
    """Return level, score, milliseconds a step, share diverged, and whether no other level beats it in all three."""
    costs = behaviour.cost(study.runs).select("level", (1e3 / pl.col("steps_per_second")).alias("ms"))
    stable = behaviour.stability(study.runs).select("level", "diverged")
    scored = pl.DataFrame(
        [(one.name, one.score) for one in study.ranking.levels],
        {"level": pl.String, "score": pl.Float64},
        orient="row",
    )
    found = scored.join(costs, on="level", maintain_order="left").join(
        stable, on="level", maintain_order="left"
    )
    found = found.filter(pl.col("score").is_finite() & pl.col("ms").is_finite())
    sign = -1.0 if study.metric.higher else 1.0
    values = found.select(sign * pl.col("score"), "ms", "diverged").to_numpy()
    return found.with_columns(pl.Series("front", behaviour.front(values), dtype=pl.Boolean))
