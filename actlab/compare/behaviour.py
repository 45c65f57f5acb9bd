"""What else is to be said of a level: how it trains, what it costs, what its sites do, who is beaten by nobody."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from actlab.compare.intervals import interval
from actlab.compare.scores import at_end
from actlab.errors import InputError

SITES = ("dead_share", "saturated_share", "post.variance", "gradient_norm")


def stability(runs: pl.DataFrame) -> pl.DataFrame:
    """Return how the runs of each level trained: runs, share diverged, mean spikes, skips and rewinds of a run."""
    begun = runs.filter(~pl.col("state").is_in(["not begun", "damaged"]))
    return begun.group_by("level", maintain_order=True).agg(
        pl.len().alias("runs"),
        (pl.col("state") == "diverged").mean().alias("diverged"),
        *(pl.col(kind).mean() for kind in ("spike", "skip", "rewind")),
    )


def cost(runs: pl.DataFrame) -> pl.DataFrame:
    """Return what the finished runs of each level took: medians, and whether runs shared a program.

    Where they did (``shared``), a run's times are those of all that ran beside it.
    """
    return (
        runs.filter(pl.col("state") == "finished")
        .group_by("level", maintain_order=True)
        .agg(
            *(
                pl.col(name).median()
                for name in (
                    "steps_per_second",
                    "wall_time_s",
                    "compile_time_s",
                    "parameters",
                    "memory_bytes",
                )
            ),
            (pl.col("strategy") != "").any().alias("shared"),
        )
    )


def curves(runs: pl.DataFrame, rows: pl.DataFrame, most: int = 60) -> pl.DataFrame:
    """Return the mean over runs of a recorded value by level and step, with the spread as a band.

    Args:
        runs: those to average, with ``run`` and ``level``.
        rows: run, step and value; what is not finite is left out.
        most: steps kept of each level, evenly.

    """
    of = runs.select("run", "level")
    joined = rows.filter(pl.col("value").is_finite()).join(of, on="run", how="inner", maintain_order="left")
    table = (
        joined.group_by("level", "step")
        .agg(
            pl.col("value").mean().alias("mean"),
            pl.col("value").min().alias("low"),
            pl.col("value").max().alias("high"),
            pl.len().alias("n"),
        )
        .sort("level", "step")
    )
    place, count = pl.int_range(pl.len()).over("level"), pl.len().over("level")
    every = (count + most - 1) // most
    return table.filter((place % every == 0) | (place == count - 1))


def sensitivity(runs: pl.DataFrame, key: str, others: Sequence[str], level: float) -> pl.DataFrame:
    """Return the score of each level at every value of one numeric key: mean, t-interval, n, share diverged.

    Where other keys were tuned too, each value of the key stands at the best of the others: ``others`` are columns.
    """
    found = []
    scored = runs.filter(pl.col("used") & pl.col(key).is_not_null())
    higher = bool(scored["higher"].first()) if len(scored) else True
    for (name, at), cell in scored.group_by("level", key, maintain_order=True):
        groups = [cell] if not others else [g for _, g in cell.group_by(*others, maintain_order=True)]
        means = [g["score"].mean() for g in groups]
        best = groups[int(np.argmax(means) if higher else np.argmin(means))]
        by_seed = best.group_by("seed", maintain_order=True).agg(pl.col("score").mean())["score"]
        of = interval(by_seed.to_numpy(), level=level, bootstrap=False)
        diverged = (best["state"] == "diverged").mean()
        found.append((name, float(at), of.mean, of.low, of.high, of.n, float(diverged)))
    schema = {
        "level": pl.String, "at": pl.Float64, "mean": pl.Float64, "low": pl.Float64,
        "high": pl.Float64, "n": pl.Int64, "diverged": pl.Float64,
    }  # fmt: skip
    table = pl.DataFrame(found, schema, orient="row")
    order = {name: i for i, name in enumerate(runs["level"].unique(maintain_order=True))}
    return table.sort(pl.col("level").replace_strict(order, return_dtype=pl.Int64), "at")


def wortsman(runs: pl.DataFrame, rates: str) -> dict[str, float]:
    """Return each level's learning-rate sensitivity of the test loss, the mean over seeds and settings.

    Per seed (and per value of whatever else was tuned), see `actlab.stability.learning_rate_sensitivity`; seeds that
    lack a rate others have are left out.
    """
    from actlab.stability.sensitivity import learning_rate_sensitivity  # brings jax

    begun = runs.filter(pl.col("state").is_in(["finished", "diverged"]) & pl.col("initial_loss").is_finite())
    begun = begun.filter(pl.col(rates).is_not_null())
    grid = begun[rates].unique().sort()
    if len(grid) < 2 or grid[0] <= 0:
        return {}
    found: dict[str, list[float]] = {}
    other = [c for c in ("setting", "rest", "seed") if c in begun.columns]
    for (name, *_), cell in begun.group_by("level", *other, maintain_order=True):
        cell = cell.unique(rates, keep="last").sort(rates)
        if len(cell) < len(grid):
            continue
        loss = np.where(cell["state"] == "diverged", np.nan, cell["final_loss"].to_numpy())
        try:
            value = learning_rate_sensitivity(
                grid.to_numpy(), loss, initial=float(cell["initial_loss"].mean())
            )
        except InputError:  # what is no learning rate: not finite
            continue
        found.setdefault(str(name), []).append(float(value))
    return {name: float(np.mean(values)) for name, values in found.items()}


def sites(runs: pl.DataFrame, folders: Sequence[Path]) -> pl.DataFrame:
    """Return the last dead and saturated shares, variances and gradient norms: level, quantity, site, place, mean.

    Args:
        runs: those to average over, with ``run`` and ``level``; infos' order of sites in ``sites``.
        folders: of all runs, by ``run``.

    """
    chosen = pl.col("quantity").is_in(SITES) & (pl.col("site") != "train")
    index = runs["run"].to_list()
    rows = at_end([folders[i] for i in index], chosen)
    if not len(rows):
        return pl.DataFrame(
            schema={"level": pl.String, "quantity": pl.String, "site": pl.String, "mean": pl.Float64}
        )
    back = pl.DataFrame(
        {"run": range(len(index)), "level": runs["level"]}, {"run": pl.UInt32, "level": pl.String}
    )
    return (
        rows.filter(pl.col("value").is_finite())
        .join(back, on="run", how="left", maintain_order="left")
        .group_by("level", "quantity", "site", maintain_order=True)
        .agg(pl.col("value").mean().alias("mean"))
    )


def front(values: np.ndarray) -> np.ndarray:
    """Return (K,) bool: which of K points (K, N), less being better in every column, no other point beats.

    A point beats another if it is nowhere worse and somewhere better. One with NaN is beaten.

    >>> front(np.array([[1.0, 2.0], [2.0, 1.0], [2.0, 2.0]]))
    array([ True,  True, False])
    """
    values = np.asarray(values, np.float64)
    good = np.isfinite(values).all(axis=1)
    kept = good.copy()
    for i in np.flatnonzero(good):
        others = values[good]
        kept[i] = not ((others <= values[i]).all(axis=1) & (others < values[i]).any(axis=1)).any()
    return kept
