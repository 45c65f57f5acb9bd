"""Everything that is looked at and written down when a run is evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from actlab.train.folder import Row
from actlab.train.looking import RANKS
from actlab.train.setup import TrainState

if TYPE_CHECKING:
    from actlab.train.loop import Run

Tables = dict[str, list[tuple[Any, ...]]]  # as in actlab.records.TABLES


def look_at(run: Run, state: TrainState, at: int, data: tuple[jax.Array, ...]) -> tuple[list[Row], Tables]:
    """Return metrics rows and the other tables' rows of a state at step ``at``."""
    x, y, x_test, y_test = data
    looks, program, stats = run.looks, run.program, run.setup.stats
    # What takes long is looked at every few evaluations, and at the beginning and the end.
    every = run.eval_every * stats.curvature_every
    due = stats.curvature_every > 0 and (at % every == 0 or at == run.setup.steps)
    test, histograms, figures = jax.device_get(looks.evaluate(state, x_test, y_test, due))
    rows: list[Row] = [(at, "test", q, float(v)) for q, v in test.items()]
    rows += [row for row in _row(at, looks.keys, figures) if due or row[2] not in RANKS]
    tables: Tables = {"histograms": _histogram_rows(at, histograms)}
    if stats.level != "full":
        return rows, tables
    if at == 0:
        first = jax.device_get(program.first(state, x, y))
        rows += [row for row in _row(0, program.keys, first) if row[1] != "train"]
    start = program.init(state.numbers).params
    row = jax.device_get(looks.whole(state, start, x, y, curvature=due))
    # Before the first update Adam has no scale: there is nothing to precondition with.
    rows += [(at, s, q, float(v)) for (s, q), v in row.items() if at or q != "sharpness_preconditioned"]
    dead = run.program.observer.by_site(jax.device_get(state.aside["dead_for"]))
    tables["units"] = [(at, site, steps.tolist()) for site, steps in dead.items()]
    if run.setup.act.learn:
        points, curves = jax.device_get(looks.curves(state))
        tables["curves"] = [(at, site, points.tolist(), curve.tolist()) for site, curve in curves.items()]
    return rows, tables


def first_look(run: Run) -> list[Row]:
    """Return the rows of a run at its very start, step 0: what initialisation makes of a first batch.

    Nothing is trained or written. The run's statistics should be ``full``.
    """
    setup = run.setup
    data = jax.device_put((setup.data.x_train, setup.data.y_train, setup.data.x_test, setup.data.y_test))
    return look_at(run, run.program.init(run.numbers), 0, data)[0]


def _row(at: int, keys: list[tuple[str, str]], values: Any) -> list[Row]:
    numbers = np.asarray(values, np.float64).tolist()
    return [(at, site, q, v) for (site, q), v in zip(keys, numbers, strict=True)]


def _histogram_rows(step: int, histograms: dict[tuple[str, str], Any]) -> list[tuple[Any, ...]]:
    return [
        (step, site, tensor, float(h["low"]), float(h["high"]), h["counts"].tolist(), int(h["nonfinite"]))
        for (site, tensor), h in histograms.items()
    ]
