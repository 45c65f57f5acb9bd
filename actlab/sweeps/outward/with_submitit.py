"""Packs as jobs of submitit: an array of SLURM's, or processes here."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from actlab.errors import InputError
from actlab.files import write_atomic
from actlab.sweeps.outward.dispatch import send
from actlab.sweeps.outward.engines import Submitit, library, places
from actlab.sweeps.outward.worker import Parcel, WorkerDied, call, opened

LINES = 5  # of what a dead job wrote last


class Task:
    """What a job calls. Submitit puts a job that has to go back into the queue, with what ``checkpoint`` returns."""

    def __call__(self, parcel: Parcel) -> tuple[bool, bytes]:
        """Open the parcel."""
        paths = library("submitit").JobEnvironment().paths
        write_atomic(paths.folder / f"{paths.job_id}.pid", str(os.getpid()))
        return call(parcel)

    def checkpoint(self, parcel: Parcel) -> Any:
        """Return the same again: runs that have been saved are gone on with."""
        return library("submitit").helpers.DelayedSubmission(self, parcel)


class _Handle:
    def __init__(self, job: Any, *, local: bool):
        self.job, self.local = job, local

    def done(self) -> bool:
        return self.job.done()

    def result(self) -> Any:
        submitit = library("submitit")
        # A process here has written its result before it ends; on a cluster the file may come later, and
        # submitit waits for it.
        if self.local and not self.job.paths.result_pickle.exists():
            raise self._died()
        try:
            returned, content = self.job.result()
        except submitit.core.utils.FailedJobError as e:
            raise WorkerDied(f"job {self.job.job_id} failed outside of its pack: {e}") from e
        except submitit.core.utils.UncompletedJobError as e:
            raise self._died() from e
        return opened(returned, content)

    def _died(self) -> WorkerDied:
        last = (self.job.stderr() or "").strip().splitlines()[-LINES:]
        told = f"; it wrote last: {' | '.join(last)}" if last else ""
        return WorkerDied(f"job {self.job.job_id} ended without a result ({self.job.state}){told}")

    def stop(self, *, kill: bool = False) -> None:
        if not self.local:
            arguments = ["--signal=KILL"] if kill else ["--signal=TERM"]
            pending = self.job.state in ("PENDING", "UNKNOWN")
            # What waits in the queue is taken out of it: there is nothing to signal.
            subprocess.call(["scancel", *([] if pending else arguments), self.job.job_id])
            return
        pid = self.job.paths.folder / f"{self.job.job_id}.pid"
        if kill and pid.exists():
            send(int(pid.read_text()), signal.SIGKILL)
        else:
            send(int(self.job.job_id), signal.SIGTERM)  # the controller passes it on


class Session:
    """Submitit at work."""

    def __init__(self, engine: Submitit):
        self.engine = engine
        self.local = engine.executor == "local"
        submitit = library("submitit")
        self.places = places(engine.processes, engine.cpus_per_task) if self.local else []
        self.slots = len(self.places) if self.local else None
        engine.folder.mkdir(parents=True, exist_ok=True)
        try:
            self.executor = submitit.AutoExecutor(
                folder=engine.folder / "%j",
                cluster=engine.executor,
                **{f"{engine.executor}_max_num_timeout": engine.max_num_timeout},
            )
        except RuntimeError as e:
            raise InputError(f"executor=slurm: {e} executor=local needs none") from None
        self.executor.update_parameters(**self._parameters())

    def _parameters(self) -> dict[str, Any]:
        e = self.engine
        given = {
            "name": e.name,
            "timeout_min": e.timeout_min,
            "cpus_per_task": e.cpus_per_task,
            "gpus_per_node": e.gpus_per_node,
            "mem_gb": e.mem_gb,
        }
        if self.local:
            given["local_setup"] = list(e.setup) or None
        else:
            given |= {f"slurm_{n}": getattr(e, n) for n in ("partition", "account", "qos", "constraint")}
            given |= {
                "slurm_array_parallelism": e.array_parallelism,
                "slurm_signal_delay_s": e.signal_delay_s,
                "slurm_setup": list(e.setup) or None,
                "slurm_additional_parameters": dict(e.more) or None,
            }
        # No accelerator is asked for by not asking: some clusters refuse a request of 0.
        return {name: value for name, value in given.items() if value not in (None, 0)}

    def start(self, function: Callable[[Any], Any], packs: list[Any], slots: list[int]) -> list[_Handle]:
        """Start packs: on the cluster as one array, here each in its slot."""
        e = self.engine
        if not self.local:
            parcels = [Parcel.of(function, pack, e.cpus_per_task) for pack in packs]
            return [_Handle(job, local=False) for job in self.executor.map_array(Task(), parcels)]
        handles = []
        for pack, slot in zip(packs, slots, strict=True):
            parcel = Parcel.of(function, pack, self.places[slot])
            if e.gpus_per_node:
                own = range(slot * e.gpus_per_node, (slot + 1) * e.gpus_per_node)
                self.executor.update_parameters(local_visible_gpus=list(own))
            with _deaf_children():
                handles.append(_Handle(self.executor.submit(Task(), parcel), local=True))
        return handles

    def close(self) -> None:
        """Leave the folder: it holds the jobs' output."""


@contextmanager
def _deaf_children():
    """Let what is started here pass over Ctrl-C, which a terminal sends to all: submitit's controller would take
    it as the order to kill its job within a second. Runs have a handler of their own, and get SIGTERM besides."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, old)
