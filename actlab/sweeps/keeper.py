"""What becomes of one lane: its folder, its rows, its scores, how it ended."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from actlab.errors import InputError
from actlab.sweeps.lanes import Lane
from actlab.train.checkpoint import Checkpoints
from actlab.train.folder import RunFolder
from actlab.train.interval import Interval
from actlab.train.loop import Outcome, Run, last_scores, late_divergence
from actlab.train.setup import TrainState
from actlab.train.trouble import Event

ENDED = ("finished", "diverged", "pruned")


def ended_before(path: Path) -> Outcome | None:
    """Return how the run in a folder ended, None if it has not, or there is none."""
    if not (path / "run.json").exists():
        return None
    info = RunFolder(path).read()
    if info.get("state") not in ENDED:
        return None
    scores = {k: float("nan") if v is None else v for k, v in (info.get("scores") or {}).items()}
    return Outcome(info["state"], info["step"], scores, info.get("divergence"))


_ORBAX = threading.Lock()  # it names its operations for the whole process: two saves at a time mix them up


class Keeper:
    """Keeps a lane's folder open and its records in memory until they are saved, as parts of the folder.

    ``step`` is how far the lane is, ``outcome`` how it ended, None while it goes on. What goes wrong with its folder
    ends the lane alone.
    """

    def __init__(self, lane: Lane, run: Run):
        self.lane, self.run = lane, run
        self.folder = RunFolder(lane.path)
        self.checkpoints = Checkpoints(self.folder.checkpoints)
        self.outcome: Outcome | Exception | None = None
        self.ending = False  # it is being written, beside the training
        self.step = 0
        self.scores: dict[str, float] = {}
        self.pending: list[Event] = []  # of what a rewind took back
        self.broke: dict[str, Any] | None = None  # where the run diverged
        self._tables: dict[str, list[tuple[Any, ...]]] = {}
        self._before = 0.0

    @property
    def going(self) -> bool:
        """Whether the lane is still to be trained."""
        return self.outcome is None and not self.ending

    def open(self, like: TrainState, own: Mapping[str, Any]) -> TrainState | None:
        """Open the folder; return the state to go on from, None for a lane that begins, or one that cannot."""
        try:
            self.folder.__enter__()
            info = self.folder.read() if (self.lane.path / "run.json").exists() else {}
            self._before = info.get("wall_time_s") or 0.0
            with _ORBAX:
                state = self.checkpoints.restore(like) if info else None
            self.step = 0 if state is None else int(state.step)
            self.folder.drop_after(self.step or -1)
            self.scores = last_scores(self.folder.metrics().iter_rows())
            program = self.run.program
            facts = {} if info.get("command") else self.lane.facts
            self.folder.write(
                **facts,
                state="running",
                step=self.step,
                steps=self.run.setup.steps,
                task=self.run.setup.data.task,
                parameters=program.parameters,
                flops=program.flops,
                sites=program.sites,
                layers=program.layers,
                divergence=None,
                lanes=dict(own),
            )
            self.folder.last()
            return state
        except (InputError, OSError) as e:
            self._fail(e)
            return None

    def take(self, interval: Interval) -> None:
        """Take in what the lane did until its next evaluation."""
        self.step = interval.step
        self.add(interval.rows, {"events": [*self.pending, *interval.events]})
        self.pending = []

    def add(self, rows: Iterable[tuple[Any, ...]], tables: Mapping[str, Iterable[tuple[Any, ...]]]) -> None:
        """Add rows of the metrics and of other tables."""
        rows = list(rows)
        self.scores.update(last_scores(rows))
        for name, lines in {**tables, "metrics": rows}.items():
            self._tables.setdefault(name, []).extend(lines)

    def save(self, state: TrainState, seconds: float) -> None:
        """Write the records there are, then the state as a checkpoint, then run.json."""
        try:
            self._write_records()
            if not self.folder.waiting:
                with self.folder.lasting("checkpoint"):
                    self._checkpoint(state)
            self.folder.write(step=self.step, wall_time_s=round(self._before + seconds, 3))
        except OSError as e:
            self._fail(e)

    def end(self, outcome: Outcome, state: TrainState, seconds: float, **entries: Any) -> None:
        """End the lane: everything is on the disk, or its outcome is the error that prevents it."""
        found = outcome.divergence or late_divergence(self.step, self.run.setup.steps, outcome.scores)
        if found and outcome.state == "finished":
            outcome = Outcome("diverged", outcome.step, outcome.scores, found)
        diverged = outcome.state == "diverged"
        try:
            self._write_records()
            self.folder.settle()
            # A diverged state is saved only once run.json says so: till then a kill resumes before the divergence.
            if not diverged:
                self._checkpoint(state)
            self.folder.write(
                **entries,
                state=outcome.state,
                step=self.step,
                scores=outcome.scores,
                divergence=found,
                wall_time_s=round(self._before + seconds, 3),
            )
            if diverged:
                self._checkpoint(state)
        except OSError as e:
            self._fail(e)
            return
        self._close()
        self.outcome = outcome

    def _write_records(self) -> None:
        if not self.lane.path.is_dir():
            what = "the run's folder was removed while it was written"
            raise FileNotFoundError(errno.ENOENT, what, str(self.lane.path))
        tables, self._tables = self._tables, {}
        if tables:
            self.folder.write_rows(self.step, tables.pop("metrics", []), **tables)

    def _checkpoint(self, state: TrainState) -> None:
        with _ORBAX:
            self.checkpoints.save(self.step, state)
            self.checkpoints.finish()

    def _fail(self, error: Exception) -> None:
        self.abandon()
        self.outcome = error

    def abandon(self) -> None:
        """Say that the lane was interrupted, if there is where to say it, and let go of its folder."""
        with suppress(OSError, InputError):
            if self.lane.path.is_dir() and (self.lane.path / "run.json").exists():
                self.folder.write(state="interrupted")
        self._close()

    def _close(self) -> None:
        with suppress(OSError, InputError):
            self.checkpoints.close()
        self.folder.__exit__()


class Clock:
    """Seconds of stepping, of compiling, and of everything; lane-steps done in the first."""

    def __init__(self):
        self.start = time.perf_counter()
        self.stepping = self.compiling = 0.0
        self.lane_steps = 0

    @property
    def seconds(self) -> float:
        """Since the clock was made."""
        return time.perf_counter() - self.start

    def rate(self) -> float:
        """Steps per second, summed over lanes; 0 before any was timed."""
        return self.lane_steps / self.stepping if self.stepping else 0.0
