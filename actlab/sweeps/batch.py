"""Lanes trained together: one compiled program, its states stacked, each lane with its folder."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import jax
import numpy as np

from actlab.errors import InputError
from actlab.sweeps.keeper import Clock, Keeper
from actlab.sweeps.stacked import Stacked
from actlab.train.feed import Held
from actlab.train.interval import Interval
from actlab.train.look import lines, see
from actlab.train.loop import Outcome
from actlab.train.setup import TrainState
from actlab.train.trouble import rewound


class Batch:
    """Trains some lanes in one program, in lockstep as far as they are at one step.

    ``submit`` has a call done beside the training: lanes that have ended are written there. ``save_every_s``: see
    ``Options``.
    """

    def __init__(
        self,
        keepers: Sequence[Keeper],
        stacked: Stacked,
        clock: Clock,
        submit: Callable[..., Future],
        save_every_s: float,
    ):
        self.save_every_s = save_every_s
        self.keepers, self.stacked, self.clock, self.submit = list(keepers), stacked, clock, submit
        self._ending: list[Future] = []
        self.run = keepers[0].run
        self.began = time.perf_counter()
        self.stepping, self.lane_steps = 0.0, 0
        self._saved = self.began
        self._compiled: set[Any] = set()
        self._states: TrainState | None = None

    # -- beginning and end -----------------------------------------------------------------------------------

    def begin(self) -> None:
        """Open the folders; initialise the lanes, or take up their last checkpoints; look at those that begin."""
        program, setup = self.run.program, self.run.setup
        like = jax.eval_shape(program.init, program.own_numbers)
        own = {
            "strategy": self.stacked.strategy,
            "together": len(self.keepers),
            "devices": self.stacked.mesh.size,
        }
        states = []
        for keeper in self.keepers:
            state = keeper.open(like, own)
            states.append(program.init(program.numbers_of(keeper.lane.run.setup)) if state is None else state)
        padding = -len(states) % self.stacked.mesh.size
        self._states = self.stacked.stack(states + states[:1] * padding)
        self._start = None
        if setup.stats.level == "full":  # what distances are measured from
            first = [program.init(program.numbers_of(k.lane.run.setup)).params for k in self.keepers]
            self._start = self.stacked.stack(first + first[:1] * padding)
        data = setup.data
        self._data = self.stacked.share((data.x_train, data.y_train, data.x_test, data.y_test))
        if fresh := [k for k in self.keepers if k.going and k.step == 0]:
            self._look(fresh, 0)

    def lane(self, i: int) -> TrainState:
        """Return the state of one lane, on the first device."""
        return jax.device_put(jax.tree.map(lambda a: np.asarray(a[i]), self._states), jax.devices()[0])

    def park(self) -> None:
        """Move the states off the devices, until the batch is gone on with."""
        self._states, self._start = jax.device_get((self._states, self._start))
        self._data = None

    def unpark(self) -> None:
        """Move the states back."""
        data = self.run.setup.data
        self._states, self._start = self.stacked.place((self._states, self._start))
        self._data = self.stacked.share((data.x_train, data.y_train, data.x_test, data.y_test))

    # -- training --------------------------------------------------------------------------------------------

    def advance(self, until: int, caught: Sequence[int], tell: Callable[[int], None]) -> None:
        """Train every lane to step ``until``, or its end, or until a signal was caught; end those that are done."""
        steps = self.run.setup.steps
        while going := [k for k in self.keepers if k.going and k.step < until]:
            if caught:
                break
            at = min(k.step for k in going)
            self._interval([k for k in going if k.step == at])
            self._end({k: "finished" for k in self.keepers if k.going and k.step == steps})
            step = min((k.step for k in self.keepers if k.going), default=until)
            due = time.perf_counter() - self._saved > self.save_every_s
            if due and step % self.run.checkpoint_every == 0:
                self._save()
            tell(min(step, until))
        if caught:
            self._end({k: "interrupted" for k in self.keepers if k.going}, signal=caught[0])

    def _interval(self, lanes: Sequence[Keeper]) -> None:
        """Train some lanes to their next evaluation, and look."""
        x, y = self._data[:2]
        on = self._mask(lanes)
        start = self.stacked.copy(self._states)
        small = jax.device_get({"step": start.step, "aside": start.aside, "diverged": start.diverged})
        intervals = {i: Interval(self.run, _small(small, i)) for i in np.flatnonzero(on).tolist()}
        open_ = dict(intervals)  # not broken off
        for length, every in self.run.pieces(lanes[0].step):
            if not open_:
                break
            began = time.perf_counter()
            here = self.stacked.place(np.isin(np.arange(self._size), list(open_)))
            self._states, tables, traces = self.stacked.chunk(
                self._states, here, x, y, length=length, every=every
            )
            tables, traces, bad = jax.device_get((tables, traces, self._states.diverged))
            self._count(time.perf_counter() - began, (length, every), len(open_) * length)
            for i, interval in list(open_.items()):
                trace = {name: values[i] for name, values in traces.items()}
                if not interval.take(tables[i], trace, int(bad[i]), length, every):
                    del open_[i]
        looked = []
        for i, interval in intervals.items():
            keeper = self.keepers[i]
            if interval.leave_out is not None:
                self._put(i, rewound(_lane(start, i), interval.leave_out), start)
                keeper.pending += interval.events
                keeper.step = int(small["step"][i])
                continue
            if interval.bad:
                one = jax.device_put(_lane(start, i), jax.devices()[0])
                found = interval.diverged(self.lane(i), one, Held(*jax.device_put((x, y), jax.devices()[0])))
                keeper.broke = found
            keeper.take(interval)
            looked.append(keeper)
        # Lanes of one batch may be looked at at different steps only where they broke.
        for at in sorted({k.step for k in looked}):
            self._look([k for k in looked if k.step == at], at)
        self._end({k: "diverged" for k in looked if k.broke is not None})

    def _mask(self, keepers: Sequence[Keeper]) -> np.ndarray:
        """Return which places (N,) are these lanes'."""
        return np.array([k in keepers for k in self.keepers] + [False] * (self._size - len(self.keepers)))

    @property
    def _size(self) -> int:
        return len(self._states.step)

    def _put(self, i: int, state: TrainState, others: TrainState) -> None:
        """Replace the state of one lane by ``state``, which is like that of ``others`` but for a few numbers."""
        which = np.arange(self._size) == i
        changed = jax.tree.map(lambda a, v: jax.numpy.asarray(a).at[i].set(v), others.aside, state.aside)
        back = self.stacked.place(others._replace(aside=changed))
        self._states = self.stacked.select(self.stacked.place(which), back, self._states)

    def _count(self, seconds: float, what: Any, lane_steps: int) -> None:
        if what in self._compiled:
            self.clock.stepping += seconds
            self.clock.lane_steps += lane_steps
            self.stepping += seconds
            self.lane_steps += lane_steps
        else:
            self._compiled.add(what)
            self.clock.compiling += seconds

    def _look(self, keepers: Sequence[Keeper], at: int) -> None:
        """Evaluate, and give the records to these lanes, all at step ``at``."""
        began = time.perf_counter()
        eyes = self.stacked.eyes(self._mask(keepers))
        seen = jax.device_get(see(self.run, eyes, self._states, self._start, at, self._data))
        if ("look", at == 0) not in self._compiled:
            self._count(time.perf_counter() - began, ("look", at == 0), 0)
        for i, keeper in enumerate(self.keepers):
            if keeper in keepers:
                rows, tables = lines(self.run, at, jax.tree.map(lambda a, i=i: a[i], seen))
                keeper.add(rows, tables)

    # -- saving ----------------------------------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """Since the batch was made."""
        return time.perf_counter() - self.began

    def _facts(self) -> dict[str, Any]:
        rate = self.lane_steps / self.stepping / self.stacked.mesh.size if self.stepping else 0.0
        return {"steps_per_second": round(rate, 1)} if rate else {}

    def _save(self) -> None:
        states = jax.device_get(self._states)
        for i, keeper in enumerate(self.keepers):
            if keeper.going:
                keeper.save(_lane(states, i), self.seconds)
        self._saved = time.perf_counter()

    def _end(self, how: Mapping[Keeper, str], signal: int | None = None, **entries: Any) -> None:
        """End lanes, as finished, diverged, interrupted or pruned; what that takes is done beside the training."""
        states = jax.device_get(self._states) if how else None
        for keeper, state in how.items():
            i = self.keepers.index(keeper)
            outcome = Outcome(state, keeper.step, dict(keeper.scores), keeper.broke, signal)
            keeper.ending = True
            self._ending.append(
                self.submit(keeper.end, outcome, _lane(states, i), self.seconds, **self._facts(), **entries)
            )

    def prune(self, keeper: Keeper, why: str) -> None:
        """End a lane that is not worth going on with."""
        self._end({keeper: "pruned"}, pruned=why)

    def wait(self) -> None:
        """Wait until the lanes that have ended are written; raise what went wrong that is no lane's own."""
        for ending in self._ending:
            ending.result()
        self._ending.clear()


def _lane(states: TrainState, i: int) -> TrainState:
    return jax.tree.map(lambda a: np.asarray(a[i]), states)


def _small(small: dict[str, Any], i: int) -> TrainState:
    """Return the part of a lane's state that its records are made with."""
    aside = jax.tree.map(lambda a: a[i], small["aside"])
    return TrainState({}, {}, (), small["step"][i], small["diverged"][i], aside, {})


def fitting(stacked: Stacked, wanted: int, limit: int | None) -> int:
    """Return how many lanes, ``wanted`` at most, a compiled chunk has memory for on its devices.

    Raises:
        InputError: not even one lane fits.

    """
    data, devices = stacked.run.setup.data, stacked.mesh.size
    n = -(-wanted // devices) * devices
    while limit is not None and (need := stacked.bytes_of(n, data.x_train, data.y_train)) > limit:
        if n == devices:
            raise InputError(
                f"one lane takes {need / 2**20:,.0f} MiB on a device, {limit / 2**20:,.0f} MiB are free: take a "
                "smaller model or batch_size"
            )
        n = -(-math.ceil(n * min(0.5, 0.9 * limit / need)) // devices) * devices
    return min(n, wanted)
