"""Everything that is looked at and written down when a run is evaluated."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from actlab.train.feed import Feed, Held, Samples, Streamed
from actlab.train.folder import Row
from actlab.train.looking import RANKS
from actlab.train.setup import TrainState

if TYPE_CHECKING:
    from actlab.train.loop import Run

Tables = dict[str, list[tuple[Any, ...]]]  # as in actlab.records.TABLES


class Eyes(NamedTuple):
    """The compiled functions a look needs: of one run, or of many with their states stacked."""

    evaluate: Callable[..., Any]
    first: Callable[..., Any]
    whole: Callable[..., Any]
    curves: Callable[..., Any]

    @staticmethod
    def of(run: Run) -> Eyes:
        """Return those of one run."""
        return Eyes(run.looks.evaluate, run.program.first, run.looks.whole, run.looks.curves)


def due(run: Run, at: int) -> bool:
    """Return whether what takes long is looked at: every few evaluations, and at the beginning and the end."""
    every = run.eval_every * run.setup.stats.curvature_every
    return every > 0 and (at % every == 0 or at == run.setup.steps)


def see(
    run: Run,
    eyes: Eyes,
    state: TrainState,
    start: Any,
    at: int,
    data: tuple[jax.Array, ...],
    first: Samples | None = None,
) -> Any:
    """Return what `lines` makes rows of, on the device.

    Args:
        run, eyes, state, at: who looks at what, at which step.
        start: the first parameters, None unless ``full``.
        data: training samples and labels as the program takes them for a next step, then those of the test split.
        first: the first training samples, where ``data`` has not all.

    """
    x, y, x_test, y_test = data
    seen = {"test": eyes.evaluate(state, x_test, y_test, due(run, at))}
    if run.setup.stats.level != "full":
        return seen
    if at == 0:
        seen["first"] = eyes.first(state, x, y)
    more = {} if first is None else {"first": first}
    seen["whole"] = eyes.whole(state, start, x, y, **more, curvature=due(run, at))
    seen["dead_for"] = state.aside["dead_for"]
    if run.setup.act.learn:
        seen["curves"] = eyes.curves(state)
    return seen


def lines(run: Run, at: int, seen: Any) -> tuple[list[Row], Tables]:
    """Return metrics rows and the other tables' rows of what was seen of one run at step ``at``."""
    test, histograms, figures = seen["test"]
    rows: list[Row] = [(at, "test", q, float(v)) for q, v in test.items()]
    rows += [row for row in _row(at, run.looks.keys, figures) if due(run, at) or row[2] not in RANKS]
    tables: Tables = {"histograms": _histogram_rows(at, histograms)}
    if "first" in seen:
        rows += [row for row in _row(0, run.program.keys, seen["first"]) if row[1] != "train"]
    # Before the first update Adam has no scale: there is nothing to precondition with.
    whole = seen.get("whole", {})
    rows += [(at, s, q, float(v)) for (s, q), v in whole.items() if at or q != "sharpness_preconditioned"]
    if "dead_for" in seen:
        dead = run.program.observer.by_site(seen["dead_for"])
        tables["units"] = [(at, site, steps.tolist()) for site, steps in dead.items()]
    if "curves" in seen:
        points, curves = seen["curves"]
        tables["curves"] = [(at, site, points.tolist(), curve.tolist()) for site, curve in curves.items()]
    return rows, tables


def feed_of(run: Run, state: TrainState) -> Feed:
    """Return where a run's training samples come from; errors as of `Streamed`."""
    setup = run.setup
    if setup.data.stream is not None:
        return Streamed(setup, state, looked=run.looks.looked)
    return Held(*setup.parallel.copied((setup.data.x_train, setup.data.y_train)))


def look_at(
    run: Run, state: TrainState, at: int, feed: Feed, test: tuple[jax.Array, jax.Array]
) -> tuple[list[Row], Tables]:
    """Return metrics rows and the other tables' rows of a state at step ``at``."""
    full = run.setup.stats.level == "full"
    start = run.program.init(state.numbers).params if full else None
    train = feed.next(state) if full else (None, None)
    seen = see(run, Eyes.of(run), state, start, at, (*train, *test), feed.first)
    return lines(run, at, jax.device_get(seen))


def first_look(run: Run) -> list[Row]:
    """Return the rows of a run at its very start, step 0: what initialisation makes of a first batch.

    Nothing is trained or written. The run's statistics should be ``full``.
    """
    setup = run.setup
    state = run.program.init(run.numbers)
    test = jax.device_put((setup.data.x_test, setup.data.y_test))
    return look_at(run, state, 0, feed_of(run, state), test)[0]


def _row(at: int, keys: list[tuple[str, str]], values: Any) -> list[Row]:
    numbers = np.asarray(values, np.float64).tolist()
    return [(at, site, q, v) for (site, q), v in zip(keys, numbers, strict=True)]


def _histogram_rows(step: int, histograms: dict[tuple[str, str], Any]) -> list[tuple[Any, ...]]:
    return [
        (step, site, tensor, float(h["low"]), float(h["high"]), h["counts"].tolist(), int(h["nonfinite"]))
        for (site, tensor), h in histograms.items()
    ]
