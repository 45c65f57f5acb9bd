"""Successive halving: at a few steps, the rungs, only the best lanes go on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from actlab.errors import InputError, suggest
from actlab.train.folder import RunFolder

METRICS = ("test accuracy", "test loss", "train accuracy", "train loss")


@dataclass(frozen=True)
class Halving:
    """At each of ``rungs`` the best ``keep`` of the lanes that got there go on, of all groups together.

    Args:
        rungs: steps, each a multiple of ``eval_every``.
        keep: share of lanes, rounded up.
        metric: what they are ranked by: ``test accuracy``, ``test loss`` (lower is better), the same of ``train``.

    Raises:
        InputError: what cannot be.

    Jamieson & Talwalkar 2016, arXiv:1502.07943; equal learning-rate schedules make early scores comparable.
    """

    rungs: Sequence[int]
    keep: float = 0.5
    metric: str = "test accuracy"

    def __post_init__(self):
        rungs = tuple(self.rungs)
        if not rungs or any(isinstance(r, bool) or not isinstance(r, int) or r < 1 for r in rungs):
            raise InputError(f"halving.rungs={list(rungs)}: must be a list of steps, like [500,1000]")
        if list(rungs) != sorted(set(rungs)):
            raise InputError(f"halving.rungs={list(rungs)}: must rise")
        if not 0 < self.keep < 1:
            raise InputError(f"halving.keep={self.keep}: must be a share between 0 and 1")
        if self.metric not in METRICS:
            raise InputError(f"halving.metric={self.metric!r} is unknown{suggest(self.metric, METRICS)}")
        object.__setattr__(self, "rungs", rungs)

    def order(self, score: float) -> float:
        """Return what sorts a score, best first; what is not a number comes last."""
        if math.isnan(score):
            return math.inf
        return score if self.metric.endswith("loss") else -score


def keep_best(scores: Mapping[int, float], halving: Halving) -> set[int]:
    """Return the lanes that go on; of equal ones the earlier.

    >>> sorted(keep_best({0: 0.3, 1: 0.9, 2: 0.5, 3: float("nan")}, Halving([10])))
    [1, 2]
    """
    ranked = sorted(scores, key=lambda i: (halving.order(scores[i]), i))
    return set(ranked[: math.ceil(len(ranked) * halving.keep)])


def score_at(path: Path, step: int, metric: str) -> float | None:
    """Return what a run folder has recorded of ``metric`` at ``step``; NaN for a run that diverged before.

    None for a run that never got there, or cannot be read.
    """
    site, quantity = metric.split()
    try:
        folder = RunFolder(path)
        rows = folder.metrics().filter(site=site, quantity=quantity, step=step)["value"].to_list()
        state = folder.read().get("state")
    except (InputError, OSError):
        return None
    if rows:
        return rows[0]
    return math.nan if state == "diverged" else None
