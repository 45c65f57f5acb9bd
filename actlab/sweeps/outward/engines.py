"""Which engine carries packs to other processes, and with how much of the machine each may work."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from actlab.errors import InputError, suggest


@dataclass(frozen=True)
class Joblib:
    """Processes on this machine, kept from pack to pack (joblib's loky).

    Args:
        processes: at a time; None is one for every ``cpus_per_process`` cores this process may use.
        cpus_per_process: cores each process keeps to.

    Raises:
        InputError: a number that cannot be.

    """

    processes: int | None = None
    cpus_per_process: int = 1

    def __post_init__(self):
        _at_least_one(self, "processes", "cpus_per_process")


@dataclass(frozen=True)
class Submitit:
    """Jobs of a SLURM cluster, or processes here that are started and told of in the same way.

    On the cluster all packs are one array of jobs; a job that is preempted or runs out of time is put back into
    the queue and goes on where its runs stopped. The folder has to be seen by all machines.

    Args:
        executor: ``slurm``, or ``local`` for processes on this machine.
        processes: ``local``: at a time; None is one for every ``cpus_per_task`` cores.
        array_parallelism: ``slurm``: jobs of the array at a time.
        timeout_min: minutes after which a job is stopped, or put back into the queue.
        max_num_timeout: how often it is put back.
        signal_delay_s: seconds it is told so beforehand.
        cpus_per_task: cores of a job.
        gpus_per_node: accelerators of a job; ``local`` deals out those of this machine.
        mem_gb: memory of a job.
        partition: of the cluster; ``account``, ``qos``, ``constraint`` likewise.
        setup: shell commands before a job's own.
        more: any further ``sbatch`` options, like ``{"mail-user": "me@example.org"}``.
        folder: where submitit keeps what it sends and the jobs' output.

    Raises:
        InputError: an unknown executor, a number that cannot be.

    """

    executor: Literal["local", "slurm"] = "slurm"
    processes: int | None = None
    array_parallelism: int = 64
    timeout_min: int = 24 * 60
    max_num_timeout: int = 10
    signal_delay_s: int = 120
    cpus_per_task: int = 1
    gpus_per_node: int = 0
    mem_gb: float | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    setup: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    folder: Path = Path("runs/.submitit")
    name: str = "actlab"

    def __post_init__(self):
        if self.executor not in ("local", "slurm"):
            raise InputError(
                f"executor={self.executor!r} is unknown{suggest(self.executor, ('local', 'slurm'))}"
            )
        _at_least_one(self, "processes", "array_parallelism", "timeout_min", "cpus_per_task")


@dataclass(frozen=True)
class Ray:
    """Tasks of a Ray cluster, or of a Ray that is started on this machine for as long as the packs take.

    Args:
        address: of the cluster, like ``auto`` or ``ray://host:10001``; None starts one here, without its dashboard.
        cpus_per_pack: cores each pack is given.
        gpus_per_pack: accelerators each pack is given.
        max_concurrent: packs at a time; None is as many as the cluster's cores and accelerators hold.

    Raises:
        InputError: a number that cannot be.

    """

    address: str | None = None
    cpus_per_pack: int = 1
    gpus_per_pack: float = 0.0
    max_concurrent: int | None = None

    def __post_init__(self):
        _at_least_one(self, "cpus_per_pack", "max_concurrent")
        if self.gpus_per_pack < 0:
            raise InputError(f"gpus_per_pack={self.gpus_per_pack}: must be a number >= 0")


Engine = Joblib | Submitit | Ray


def _at_least_one(engine: Any, *names: str) -> None:
    for name in names:
        value = getattr(engine, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise InputError(f"{name}={value!r}: must be an integer >= 1")


def library(name: str) -> ModuleType:
    """Return an engine's library.

    Raises:
        InputError: it is not installed.

    """
    try:
        return importlib.import_module(name)
    except ImportError as e:
        raise InputError(f"{name} is not installed ({e}): pip install '.[{name}]'") from None


def cores() -> list[int]:
    """Return the numbers of the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def places(processes: int | None, cpus: int) -> list[tuple[int, ...]]:
    """Return for each of ``processes`` its own ``cpus`` cores; where there are too few, they are dealt out again.

    >>> len(places(3, 1))
    3
    """
    known = cores()
    count = processes or max(1, len(known) // cpus)
    return [tuple(known[(k * cpus + i) % len(known)] for i in range(cpus)) for k in range(count)]
