"""Everything that is said of a set of runs, from their folders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from actlab.compare import answer as words
from actlab.compare import behaviour, scores
from actlab.compare.factors import Design, design, short, text, varied
from actlab.compare.folders import Found, find_runs, read
from actlab.compare.paired import Correction, Test
from actlab.compare.ranking import Ranking, rank
from actlab.compare.scores import Metric
from actlab.errors import InputError

ENDED = ("finished", "diverged")
KNOWN = ("finished", "diverged", "pruned", "interrupted", "running", "not begun", "damaged", "unknown")
LOSS = ("test", "loss")


@dataclass(frozen=True)
class Study:
    """A set of runs, compared. ``runs`` has a row for each, ``rows`` the records of the metric."""

    metric: Metric
    design: Design
    runs: pl.DataFrame
    folders: tuple[Path, ...]
    rows: pl.DataFrame
    ranking: Ranking
    problems: dict[str, str]
    """What could not be read, by folder."""

    @property
    def answer(self) -> str:
        """The answer in a sentence."""
        return words.answer(self.ranking, self.metric)

    @property
    def notes(self) -> list[str]:
        """What a reader must know beside it: first of the runs, then of the statistics."""
        return [*_warnings(self), *words.notes(self.ranking, self.metric)]

    def at_best(self) -> pl.DataFrame:
        """Return the runs that stand at the best condition of their level and setting."""
        best = [
            (one.name, setting, condition)
            for one in self.ranking.levels
            for setting, condition in one.chosen.items()
        ]
        columns = {"level": pl.String, "setting": pl.String, "condition": pl.String}
        table = pl.DataFrame(best, columns, orient="row")
        return self.runs.filter("used").join(table, on=list(columns), how="semi", maintain_order="left")

    def numeric(self) -> list[str]:
        """Return the tuned keys that are numbers with two values or more: those with a curve of sensitivity."""
        return [
            key
            for key in self.design.tuned
            if all(
                isinstance(v, (int, float)) and not isinstance(v, bool)
                for v in set(self.design.keys[key]) - {None}
            )
            and len(set(self.design.keys[key]) - {None}) > 1
        ]

    def shared_condition(self) -> tuple[str, dict[str, float]] | None:
        """Return the one condition that suits all levels best on average, and each level's score there; None if none.

        Of conditions at which every level has a score in every setting.
        """
        cells = (
            self.runs.filter("used")
            .group_by("level", "setting", "condition", maintain_order=True)
            .agg(pl.col("score").mean())
            .group_by("level", "condition", maintain_order=True)
            .agg(pl.col("score").mean(), pl.len().alias("settings"))
        )
        names = [one.name for one in self.ranking.levels]
        if cells["condition"].n_unique() < 2:
            return None
        found = {}
        for (condition,), cell in cells.group_by("condition", maintain_order=True):
            if set(cell["level"]) == set(names) and cell["settings"].n_unique() == 1:
                found[str(condition)] = dict(zip(cell["level"], cell["score"], strict=True))
        if not found:
            return None
        sign = 1 if self.metric.higher else -1
        best = max(found, key=lambda c: sign * float(np.mean(list(found[c].values()))))
        return best, found[best]


def compare(
    paths: Sequence[Path | str],
    *,
    by: Sequence[str] = ("activation",),
    metric: Metric | None = None,
    tune: Sequence[str] | None = None,
    baseline: str | None = None,
    alpha: float = 0.05,
    test: Test = "auto",
    correction: Correction = "holm",
) -> Study:
    """Compare the runs among and below ``paths``; see `factors.design`, `ranking.rank` and `scores.Metric`.

    A run that diverged scores what it scored before its first step: it is as if it had never begun. Unfinished,
    pruned and damaged ones have no score and are counted; of runs of equal configuration the one started last counts.

    Raises:
        InputError: no runs, an unknown key, metric or baseline.

    """
    found = [read(folder) for folder in find_runs(paths)]
    kept = [f for f in found if f.problem is None]
    problems = {str(f.folder): f.problem for f in found if f.problem}
    if not kept:
        raise InputError(next(iter(problems.values())))
    metric = (metric or Metric.usual()).settled(f.info for f in kept)
    plan = design([f.config for f in kept], by, tune)
    folders = [f.folder for f in kept]
    wanted = {(metric.site, metric.quantity), LOSS}
    rows, broken = scores.series(folders, wanted)
    problems |= {str(folders[i]): what for i, what in broken.items()}
    own = rows.filter((pl.col("site") == metric.site) & (pl.col("quantity") == metric.quantity))
    scores.check(metric, own, folders)
    runs = _runs(kept, plan, own, rows, metric, set(broken))
    ranking = rank(
        *_cube(runs, plan),
        higher=metric.higher,
        baseline=_level_called(baseline, plan.levels),
        alpha=alpha,
        test=test,
        correction=correction,
    )
    return Study(metric, plan, runs, tuple(folders), own, ranking, problems)


def _runs(
    found: Sequence[Found],
    plan: Design,
    own: pl.DataFrame,
    rows: pl.DataFrame,
    metric: Metric,
    broken: set[int],
) -> pl.DataFrame:
    """Return a row for each run: where it stands, how it ended, its score if it counts, what it took."""

    def number(info: dict[str, Any], key: str) -> float | None:
        value = info.get(key)
        good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        return float(value) if good else None

    def strategy(info: dict[str, Any]) -> str:
        lanes = info.get("lanes")
        return str(lanes.get("strategy", "shared")) if isinstance(lanes, dict) else ""

    states = [("damaged" if i in broken else f.state) for i, f in enumerate(found)]
    columns: dict[str, Any] = {
        "run": pl.Series(range(len(found)), dtype=pl.UInt32),
        "folder": [str(f.folder) for f in found],
        "level": list(plan.level),
        "setting": list(plan.setting),
        "condition": list(plan.condition),
        "seed": [text(seed) for seed in plan.seed],
        "state": states,
        "step": pl.Series([number(f.info, "step") for f in found], dtype=pl.Float64).cast(pl.Int64),
        "started": pl.Series([str(f.info.get("started") or "") for f in found], dtype=pl.String),
        "strategy": [strategy(f.info) for f in found],
        "report": [(f.folder / "report.html").exists() for f in found],
    }
    for key in ("wall_time_s", "compile_time_s", "steps_per_second", "parameters", "memory_bytes"):
        columns[key] = pl.Series([number(f.info, key) for f in found], dtype=pl.Float64)
    table = pl.DataFrame(columns)
    for key, values in plan.keys.items():
        table = table.with_columns(_typed(key, values))

    loss = rows.filter((pl.col("site") == LOSS[0]) & (pl.col("quantity") == LOSS[1]))
    losses = scores.score_of(Metric(*LOSS, higher=False))(loss)
    losses = losses.select(
        "run", pl.col("score").alias("final_loss"), pl.col("initial").alias("initial_loss")
    )
    table = table.join(scores.score_of(metric)(own), on="run", how="left", maintain_order="left")
    table = table.join(losses, on="run", how="left", maintain_order="left")
    kinds = scores.events([f.folder for f in found])
    for kind in ("spike", "skip", "rewind"):
        counts = kinds.filter(pl.col("kind") == kind).select("run", pl.col("count").alias(kind))
        table = table.join(counts, on="run", how="left", maintain_order="left")
    table = table.with_columns(pl.col("spike", "skip", "rewind").fill_null(0).cast(pl.Int64))

    diverged, score = pl.col("state") == "diverged", pl.col("score")
    counts = pl.col("state").is_in(ENDED)
    if metric.at is not None:  # every run that came so far; one that diverged before has nothing there
        far = pl.col("reached") >= metric.at
        counts, diverged = (counts & diverged) | (far & (pl.col("state") != "damaged")), diverged & ~far
    table = table.with_columns(pl.when(diverged).then("initial").otherwise(score).alias("score"))
    table = table.with_columns(
        pl.when(score.is_finite()).then(score), (counts & score.is_finite()).fill_null(False).alias("used")
    )
    cell = ["level", "setting", "condition", "seed"]
    newest = (
        table.filter("used")
        .sort("started", "run", maintain_order=True)
        .unique(cell, keep="last")["run"]
        .implode()
    )
    return table.with_columns(
        (pl.col("used") & ~pl.col("run").is_in(newest)).alias("repeated"),
        pl.col("used") & pl.col("run").is_in(newest),
        pl.lit(metric.higher).alias("higher"),
    )


def _level_called(name: str | None, levels: Sequence[str]) -> str | None:
    """Return the level of a name, which may leave the key out: "0.01" for "learning_rate 0.01"."""
    same = [level for level in levels if name is not None and level.rpartition(" ")[2] == name]
    return same[0] if name not in levels and len(same) == 1 else name


def _typed(key: str, values: Sequence[Any]) -> pl.Series:
    kinds = {type(v) for v in values if v is not None}
    if kinds and kinds <= {int, float}:
        whole = kinds == {int}
        return pl.Series(key, values, pl.Int64 if whole else pl.Float64, strict=False)
    if kinds == {bool}:
        return pl.Series(key, values, pl.Boolean)
    return pl.Series(key, [None if v is None else text(v) for v in values], pl.String)


def _cube(runs: pl.DataFrame, plan: Design) -> tuple[np.ndarray, list[str], list[str], list[str]]:
    """Return scores (levels, settings, conditions, seeds) and the names along the first three."""
    axes = [list(dict.fromkeys(runs[name])) for name in ("level", "setting", "condition", "seed")]
    places = [{name: i for i, name in enumerate(axis)} for axis in axes]
    values = np.full([len(axis) for axis in axes], np.nan)
    used = runs.filter("used")
    for *cell, score in used.select("level", "setting", "condition", "seed", "score").iter_rows():
        values[tuple(place[name] for place, name in zip(places, cell, strict=True))] = score
    return values, axes[0], axes[1], axes[2]


def _warnings(study: Study) -> list[str]:
    """Return what is uneven or missing about the runs."""
    runs, plan = study.runs, study.design
    count = dict(runs["state"].value_counts().iter_rows())
    found = []
    if study.problems:
        name, why = next(iter(study.problems.items()))
        many = len(study.problems)
        found.append(
            f"{many} run{'s are' if many > 1 else ' is'} damaged and left out"
            + (
                f", the first: {why}"
                if why.startswith(name) or name in why
                else f", the first: {name}: {why}"
            )
        )
    left = {state: n for state, n in count.items() if state not in (*ENDED, "pruned", "damaged")}
    left = {k: v for k, v in left.items() if len(runs.filter((pl.col("state") == k) & ~pl.col("used")))}
    if left:
        said = ", ".join(f"{n} {state if state in KNOWN else 'unknown'}" for state, n in left.items())
        first = runs.filter(pl.col("state").is_in(list(left)))["folder"][0]
        found.append(f"Without a score, so left out: {said}; the first is {first}.")
    if pruned := count.get("pruned"):
        low = runs.filter(pl.col("state") == "pruned")["reached"].min()
        how = (
            f" --at {low} judges all at the step of the first cut." if study.metric.at is None and low else ""
        )
        found.append(
            f"{_runs_that(pruned, 'were', 'was')} stopped early for scoring badly, so those that finished were "
            f"chosen by scores: means over them are too good.{how}"
        )
    if diverged := count.get("diverged"):
        scored = runs.filter((pl.col("state") == "diverged") & pl.col("used"))
        how = (
            "what was scored before the first step counts, as if never begun"
            if len(scored)
            else f"left out, having no {study.metric.name} before the first step"
        )
        found.append(f"{_runs_that(diverged, 'diverged', 'diverged')}; {how}.")
    if repeated := int(runs["repeated"].sum()):
        found.append(
            f"{_runs_that(repeated, 'repeat')} the configuration of another: the one started last counts."
        )
    for key, values in list(plan.confounded.items())[:3]:
        told = ", ".join(f"{value} for {level}" for level, value in list(values.items())[:4])
        found.append(f"{key} differs wherever {plan.by[0]} does ({told}): which of the two matters is open.")
    found += _uneven(study)
    if (runs["strategy"] == "vmap").any():
        found.append("Vmapped lanes differ from single runs in the last bits, and training amplifies that.")
    return found


def _runs_that(count: int, do: str, does: str | None = None) -> str:
    """Return "3 runs repeat", "1 run repeats"."""
    return f"{count:,} runs {do}" if count != 1 else f"1 run {does or do + 's'}"


def _uneven(study: Study) -> list[str]:
    """Return in what levels were not treated alike."""
    runs = study.runs.filter("used")
    tried = {
        name: runs.filter(pl.col("level") == name)["condition"].n_unique()
        for name in dict.fromkeys(runs["level"])
    }
    found = []
    if tried and min(tried.values()) != max(tried.values()):
        low, high = min(tried, key=lambda n: tried[n]), max(tried, key=lambda n: tried[n])
        found.append(
            f"Not tuned alike: {high} at {tried[high]} conditions, {low} at {tried[low]}; more tries find better."
        )
    seeds = {one.name: one.interval.n for one in study.ranking.levels}
    if seeds and min(seeds.values()) != max(seeds.values()):
        low = min(seeds, key=lambda n: seeds[n])
        found.append(
            f"Seeds at the best condition differ: {low} has {seeds[low]}, others up to {max(seeds.values())}."
        )
    settings = [set(runs.filter(pl.col("level") == name)["setting"]) for name in dict.fromkeys(runs["level"])]
    if settings and any(own != settings[0] for own in settings):
        shared = set.intersection(*settings)
        keys = ", ".join(short(key, study.design.fixed) for key in study.design.fixed)
        found.append(
            f"Levels ran under different {keys}: only the {len(shared)} they share count."
            if shared
            else f"Levels share no {keys}: they are compared across them, and the difference may be theirs."
        )
    return found


def overview(folders: Sequence[Path]) -> pl.DataFrame:
    """Return a row for each run folder: run, state, score and every key that differs.

    The score is the last test accuracy, of runs without classes the last test loss.

    A damaged run has its row, without more than its name and state.
    """
    found = [read(folder) for folder in folders]
    keys = varied([f.config for f in found if f.problem is None])
    rows = [f.info.get("scores") or {} for f in found]
    value = [
        row.get("test accuracy", row.get("test loss")) if isinstance(row, dict) else None for row in rows
    ]
    return pl.DataFrame(
        [
            pl.Series("run", [str(f.folder) for f in found], pl.String),
            pl.Series("state", [f.state for f in found], pl.String),
            pl.Series("score", value, pl.Float64, strict=False),
            *(_typed(key, [f.config.get(key) for f in found]) for key in keys),
        ]
    )


def sensitivity_tables(study: Study) -> dict[str, pl.DataFrame]:
    """Return for every numeric tuned key the scores of each level at its values, see `behaviour.sensitivity`."""
    others = {key: [k for k in study.design.tuned if k != key] for key in study.numeric()}
    level = 1 - study.ranking.alpha
    return {key: behaviour.sensitivity(study.runs, key, rest, level) for key, rest in others.items()}


def wortsman(study: Study) -> dict[str, float]:
    """Return the learning-rate sensitivity of each level, {} where no learning rate was swept."""
    rates = [key for key in study.numeric() if key.rpartition(".")[2] == "learning_rate"]
    if not rates:
        return {}
    rest = [key for key in study.design.tuned if key != rates[0]]
    runs = study.runs
    if rest:
        runs = runs.with_columns(
            pl.concat_str([pl.col(k).cast(pl.String).fill_null("") for k in rest], separator=" ").alias(
                "rest"
            )
        )
    return behaviour.wortsman(runs, rates[0])
