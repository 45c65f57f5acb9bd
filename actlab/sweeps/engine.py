"""Train many runs: those of one structure together, in one compiled program."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax

from actlab.errors import InputError
from actlab.sweeps.batch import Batch, fitting
from actlab.sweeps.grouping import Kind, kinds, portions, split
from actlab.sweeps.halving import keep_best, score_at
from actlab.sweeps.keeper import Clock, Keeper, ended_before
from actlab.sweeps.lanes import Lane, Options, Told, leader
from actlab.sweeps.stacked import Stacked
from actlab.train.loop import Outcome, signals

MOST_ON_CPU = 64  # lanes in a program: between two of its chunks signals are heeded, and progress told
MOST = 2048
SHARE = 0.4  # of a device's memory: two batches are there at a time


def train_lanes(
    lanes: Sequence[Lane], options: Options | None = None, *, tell: Callable[[Told], None] = lambda _: None
) -> list[Outcome | Exception]:
    """Train every lane to its end, leaving all in its folder; return how each ended, in their order.

    A lane whose folder holds a run that has ended is left as it is; one that holds a part of a run is gone on with.
    What goes wrong with one lane (its folder is gone, say) is its outcome, and the others go on. After SIGTERM or
    Ctrl-C all lanes are saved where they are, and "interrupted".
    """
    sweep = _Sweep(lanes, options or Options(), tell)
    with signals() as caught:
        try:
            sweep.run(caught)
        except BaseException:
            sweep.abandon()
            raise
    return [sweep.ended[i] for i in range(len(lanes))]


_Prepared = tuple[Batch, tuple[int, ...], Kind]


class _Sweep:
    def __init__(self, lanes: Sequence[Lane], options: Options, tell: Callable[[Told], None]):
        self.lanes, self.options, self.tell = lanes, options, tell
        self.strategy = options.strategy
        if self.strategy == "auto":
            self.strategy = "map" if jax.default_backend() == "cpu" else "vmap"
        self.clock = Clock()
        self.ended: dict[int, Outcome | Exception] = {}
        for i, lane in enumerate(lanes):
            try:
                outcome = ended_before(lane.path)
            except InputError as e:
                outcome = e
            if outcome is not None:
                self.ended[i] = outcome
        self.runs = {i: lane.run for i, lane in enumerate(lanes) if i not in self.ended}
        self.at: dict[int, int] = {}  # by lane: the step it has come to
        self.batches: list[_Prepared] = []
        self.first: dict[Kind, Batch] = {}
        self.last: tuple[Any, ...] | None = None
        self.done_steps = 0
        self.group = 0
        self.groups = 0

    def run(self, caught: list[int]) -> None:
        halving = self.options.halving
        rungs = halving.rungs if halving else ()
        # While one batch trains, the next is compiled and initialised, and the folders of the last are written.
        with ThreadPoolExecutor(1) as preparing, ThreadPoolExecutor(2) as self.ending:
            prepared = self._prepared(caught, rungs)
            coming = preparing.submit(next, prepared, None)
            while (at_hand := coming.result()) is not None:
                coming = preparing.submit(next, prepared, None)
                batch, members, kind = at_hand
                self.group += batch is self.first[kind]
                self._advance(*at_hand, rungs[0] if rungs else None, caught)
                if rungs:
                    batch.park()
            for place, rung in enumerate(rungs):
                if caught:
                    break
                self._halve(rung)
                until = rungs[place + 1] if place + 1 < len(rungs) else None
                for batch, members, kind in self.batches:
                    if any(k.going for k in batch.keepers):
                        batch.unpark()
                        self._advance(batch, members, kind, until, caught)
                        batch.park()
        for batch, members, _ in self.batches:
            batch.wait()
            self._collect(batch, members)
        if self.last is not None:
            self.tell(self._told(*self.last))

    def _prepared(self, caught: list[int], rungs: Sequence[int]) -> Iterator[_Prepared]:
        """Yield the batches, ready to train; what cannot be prepared is the outcome of its lanes."""
        waiting, halving = kinds(self.runs), self.options.halving
        self.groups = len(waiting)
        while waiting:
            kind = waiting.pop(0)
            if caught:
                self._fail(kind, Outcome("interrupted", 0, {}, signal=caught[0]))
                continue
            try:
                kind, *others = split(kind, self.runs)
                waiting = others + waiting
                self.groups += len(others)
                if (devices := kind.run.setup.parallel.data) > 1:
                    raise InputError(
                        f"parallel.data={devices}: a sweep has a lane for every device; it is for one big run"
                    )
                if kind.run.setup.data.stream is not None:
                    raise InputError(
                        "data.loader=grain reads for one run at a time: take hydra/launcher=basic, or joblib, or "
                        "data.loader=memory"
                    )
                _check_rungs(kind, rungs)
                if halving and halving.metric.split()[1] not in kind.run.setup.scores:
                    raise InputError(
                        f"halving.metric={halving.metric!r}: {kind.run.setup.data.name} has no classes to get right, "
                        "take 'test loss'"
                    )
                stacked, portions_ = self._plan(kind)
            except InputError as e:
                self._fail(kind, e)
                continue
            for members in portions_:
                keepers = [Keeper(self.lanes[i], kind.run) for i in members]
                batch = Batch(keepers, stacked, self.clock, self.ending.submit, self.options.save_every_s)
                self.first.setdefault(kind, batch)
                self.batches.append((batch, members, kind))
                batch.begin()
                yield batch, members, kind

    def abandon(self) -> None:
        """Let go of all folders; what was saved is there to go on from."""
        for batch, _, _ in self.batches:
            batch.wait()
            for keeper in batch.keepers:
                if keeper.going:
                    keeper.abandon()

    def _plan(self, kind: Kind) -> tuple[Stacked, list[tuple[int, ...]]]:
        """Return the compiled functions for a kind, and its members in portions that fit."""
        count = len(kind.members)
        devices = jax.local_devices()[:count]
        stacked = Stacked(kind.run, self.strategy, devices)
        most = self.options.lanes or (MOST_ON_CPU if jax.default_backend() == "cpu" else MOST)
        portions_ = portions(kind.members, min(most, count))
        if self.options.lanes is None:
            fits = fitting(stacked, len(portions_[0]), _memory(devices))
            portions_ = portions(kind.members, fits)
        return stacked, portions_

    def _advance(self, batch: Batch, members, kind: Kind, until: int | None, caught: list[int]) -> None:
        steps = kind.run.setup.steps
        self.at |= {i: k.step for i, k in zip(members, batch.keepers, strict=True)}

        def told(step: int) -> None:
            for i, keeper in zip(members, batch.keepers, strict=True):
                self.done_steps += max(keeper.step - self.at[i], 0)
                self.at[i] = max(self.at[i], keeper.step)
            for other, places, _ in self.batches:  # some are still being written
                self._collect(other, places)
            self.last = kind, step, steps
            self.tell(self._told(*self.last))

        batch.advance(until or steps, caught, told)

    def _collect(self, batch: Batch, members: Sequence[int]) -> None:
        for i, keeper in zip(members, batch.keepers, strict=True):
            if keeper.outcome is not None:
                self.ended[i] = keeper.outcome

    def _fail(self, kind: Kind, outcome: Outcome | Exception) -> None:
        for i in kind.members:
            self.ended[i] = outcome

    def _halve(self, rung: int) -> None:
        """End the lanes that do badly at a rung, of all that got there, in all groups and earlier calls."""
        halving = self.options.halving
        scores: dict[int, float] = {}
        for batch, members, _ in self.batches:
            scores |= {
                i: k.scores.get(halving.metric, float("nan"))
                for i, k in zip(members, batch.keepers, strict=True)
                if k.going
            }
        going = set(scores)
        scores |= {
            i: s for i in self.ended if (s := score_at(self.lanes[i].path, rung, halving.metric)) is not None
        }
        kept = keep_best(scores, halving)
        for batch, members, _ in self.batches:
            for i, keeper in zip(members, batch.keepers, strict=True):
                if i in going and i not in kept:
                    place = sorted(scores, key=lambda j: halving.order(scores[j])).index(i) + 1
                    batch.prune(keeper, f"place {place} of {len(scores)} by {halving.metric} at step {rung}")
            self._collect(batch, members)

    def _told(self, kind: Kind, step: int, steps: int) -> Told:
        outcomes = list(self.ended.values())
        scores = {i: o.scores for i, o in self.ended.items() if isinstance(o, Outcome)}
        for other, members, _ in self.batches:
            scores |= {i: k.scores for i, k in zip(members, other.keepers, strict=True)}
        metric, best = leader(scores)
        left = sum(r.setup.steps - self.at.get(i, 0) for i, r in self.runs.items() if i not in self.ended)
        return Told(
            lanes=len(self.lanes),
            group=self.group,
            groups=self.groups,
            group_lanes=len(kind.members),
            what=str(kind),
            step=step,
            steps=steps,
            done=len(outcomes),
            diverged=sum(isinstance(o, Outcome) and o.state == "diverged" for o in outcomes),
            steps_per_second=self.clock.rate(),
            eta_s=left * self.clock.seconds / self.done_steps if self.done_steps else None,
            compile_time_s=self.clock.compiling,
            best=best,
            ended=dict(self.ended),
            metric=metric,
        )


def _check_rungs(kind: Kind, rungs: Sequence[int]) -> None:
    for rung in rungs:
        if rung % kind.run.eval_every or rung >= kind.run.setup.steps:
            raise InputError(
                f"halving.rungs={list(rungs)}: each must be a multiple of eval_every={kind.run.eval_every}, before "
                f"the end at step {kind.run.setup.steps}"
            )


def _memory(devices: Sequence[Any]) -> int | None:
    """Return the bytes a program may take on a device; None where that is not known."""
    if devices[0].platform == "cpu":
        try:
            free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (ValueError, OSError):
            return None
        return int(SHARE * free / len(devices))
    stats = devices[0].memory_stats()
    return int(SHARE * stats["bytes_limit"]) if stats and "bytes_limit" in stats else None
