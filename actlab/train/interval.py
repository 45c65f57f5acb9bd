"""What happened to one run between two evaluations, as its chunks come in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from actlab.train import divergence
from actlab.train.feed import Feed
from actlab.train.folder import Row
from actlab.train.setup import TrainState
from actlab.train.trouble import Event, recent, trouble

if TYPE_CHECKING:
    from actlab.train.loop import Run


class Interval:
    """Rows and events of one run since its last evaluation.

    ``step`` is how far it is; ``leave_out`` how many batches to leave out when it has to go back to its start, else
    None; ``bad`` whether it diverged.
    """

    def __init__(self, run: Run, start: TrainState):
        self.run, self.start = run, start
        self.step = int(start.step)
        self.rows: list[Row] = []
        self.events: list[Event] = []
        self.leave_out: int | None = None
        self.bad = False
        self._losses = recent(start)

    def take(
        self, table: np.ndarray, trace: dict[str, np.ndarray], bad: int, length: int, every: int
    ) -> bool:
        """Take in a chunk: its records, every step's own numbers, the step it diverged at or -1; whether to go on."""
        steps = self.run.setup.steps
        self.rows += self.run.program.rows(table, self.step, every, stop=steps if bad < 0 else bad)
        seen = trouble(self.run.setup.stability, self.start, self.step, self._losses, trace, bad)
        self._losses = np.concatenate([self._losses, trace["loss"]])
        self.events += seen.events
        self.leave_out, self.bad = seen.leave_out, bad >= 0 and seen.leave_out is None
        if self.leave_out is None:
            self.step += length
        return not self.bad and self.leave_out is None

    def diverged(self, state: TrainState, start: TrainState, feed: Feed) -> dict[str, Any]:
        """Find out how the run broke, add what led there to the rows; return what run.json says of it."""
        found = divergence.find(self.run.looks, state, *feed.next(state))
        self.step = found["step"]
        nan = math.nan
        self.events.append((self.step, "nonfinite", found["site"], nan, nan, found["message"]))
        whole = sum(steps for steps, _ in self.run.pieces(int(self.start.step)))
        self.rows += divergence.history(self.run.program, start, self.rows, found, whole, feed)
        self.rows.sort(key=lambda row: row[0])
        return found
