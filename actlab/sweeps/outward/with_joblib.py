"""Packs in processes of joblib's loky, one executor to a process.

One executor over all processes gives up every pack when a single process is killed (joblib 1.6: one SIGKILL ends
the sweep); with one each, nothing but its own pack is lost.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from actlab.sweeps.outward.dispatch import send
from actlab.sweeps.outward.engines import Joblib, library, places
from actlab.sweeps.outward.worker import Parcel, WorkerDied, call, opened

START_S = 60.0  # the most a process may take to say its number


class _Process:
    """An executor of one process, made anew once that has died."""

    def __init__(self, cpus: tuple[int, ...]):
        self.cpus = cpus
        self.executor: Any = None
        self.pid: Future[int] | None = None

    def submit(self, parcel: Parcel) -> Future:
        """Start the pack, in the process that is there or in a new one."""
        if self.executor is None:
            self.executor = library("joblib.externals.loky").ProcessPoolExecutor(
                max_workers=1, env={"NPROC": str(len(self.cpus))}
            )
            self.pid = self.executor.submit(os.getpid)
        return self.executor.submit(call, parcel)

    def drop(self, *, kill: bool) -> None:
        """Let go of the process."""
        if self.executor is not None:
            self.executor.shutdown(wait=True, kill_workers=kill)
            self.executor = None


class _Handle:
    def __init__(self, process: _Process, parcel: Parcel):
        self.process = process
        self.future = process.submit(parcel)
        self.pid = process.pid

    def done(self) -> bool:
        return self.future.done()

    def result(self) -> Any:
        try:
            returned, content = self.future.result()
        except BrokenProcessPool as e:
            self.process.drop(kill=True)
            raise WorkerDied(" ".join(str(e).split())) from e
        return opened(returned, content)

    def stop(self, *, kill: bool = False) -> None:
        try:
            pid = self.pid.result(START_S)
        except BrokenProcessPool:
            return
        send(pid, signal.SIGKILL if kill else signal.SIGTERM)


class Session:
    """Joblib at work."""

    def __init__(self, engine: Joblib):
        library("joblib")
        self.processes = [_Process(cpus) for cpus in places(engine.processes, engine.cpus_per_process)]
        self.slots = len(self.processes)

    def start(self, function: Callable[[Any], Any], packs: list[Any], slots: list[int]) -> list[_Handle]:
        """Start packs, each in its process."""
        return [
            _Handle(self.processes[slot], Parcel.of(function, pack, self.processes[slot].cpus))
            for pack, slot in zip(packs, slots, strict=True)
        ]

    def close(self) -> None:
        """End the processes."""
        for process in self.processes:
            process.drop(kill=False)
