"""One run on several devices: the batch is split over them, parameters are copies; several processes may hold them.

What is computed is what one device would compute, statistics included: XLA partitions the same program (Xu et al.
2021, arXiv:2105.04663) from where the batch is said to lie. Sums over the batch are then sums of partial sums, so
the last bits differ from those of one device; two processes with a device each and one process with two differ in
nothing but the library that adds the parts up.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
import polars as pl
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from actlab.errors import InputError
from actlab.records import METRICS

TIMEOUT_S = 20  # after which a process that is not heard of is given up, and with it all others
START_TIMEOUT_S = 120  # for all processes to be there


@dataclass(frozen=True)
class Parallel:
    """Over how many devices a run's batches are split, and in which processes these are.

    Args:
        data: devices in all; a divisor of the batch size.
        coordinator: ``host:port`` at which process 0 listens for the others; ``auto`` takes everything from SLURM or
            Open MPI; None is one process.
        processes: how many, each with as many of the devices; None with ``auto``.
        process: which one this is, from 0. It alone writes the run's folder.

    Raises:
        InputError: numbers that cannot be, or do not fit together.

    """

    data: int = 1
    coordinator: str | None = field(default=None, compare=False)  # where, not what: no part of the program
    processes: int | None = field(default=None, compare=False)
    process: int | None = field(default=None, compare=False)

    def __post_init__(self):
        if isinstance(self.data, bool) or self.data < 1:
            raise InputError(f"parallel.data={self.data}: must be an integer >= 1")
        if self.coordinator in (None, "auto"):
            for name in ("processes", "process"):
                if getattr(self, name) is not None:
                    raise InputError(
                        f"parallel.{name}={getattr(self, name)} wants parallel.coordinator=host:port"
                    )
            return
        host, _, port = self.coordinator.rpartition(":")
        if not host or not port.isdigit():
            raise InputError(f"parallel.coordinator={self.coordinator}: must be host:port, or auto")
        if self.processes is None or self.processes < 1 or self.data % self.processes:
            raise InputError(
                f"parallel.processes={self.processes}: must be a divisor of parallel.data={self.data}, the devices"
            )
        if self.process is None or not 0 <= self.process < self.processes:
            raise InputError(f"parallel.process={self.process}: must be in [0, {self.processes})")

    def start(self) -> None:
        """Meet the other processes and make the CPU's cores devices, before JAX is first used.

        Raises:
            InputError: there are fewer devices, or the other processes do not come.

        """
        if self.coordinator is not None:
            given = {}
            if self.coordinator != "auto":
                given = {
                    "coordinator_address": self.coordinator,
                    "num_processes": self.processes,
                    "process_id": self.process,
                }
            try:
                jax.distributed.initialize(
                    **given,
                    initialization_timeout=START_TIMEOUT_S,
                    heartbeat_timeout_seconds=TIMEOUT_S,
                    shutdown_timeout_seconds=TIMEOUT_S,
                )
            except (RuntimeError, ValueError) as e:
                line = " ".join(str(e).split())
                raise InputError(f"parallel.coordinator={self.coordinator}: {line:.200}") from e
        if self.data == 1:
            return
        if self.coordinator != "auto":
            with suppress(RuntimeError):  # JAX runs already: what it has is counted below
                jax.config.update("jax_num_cpu_devices", self.data // (self.processes or 1))
        if len(jax.devices()) < self.data or (several() and len(jax.devices()) != self.data):
            raise InputError(f"parallel.data={self.data}: JAX has {len(jax.devices())} devices")

    @property
    def mesh(self) -> Mesh | None:
        """The devices in a row, None where there is but one."""
        return _mesh(self.data) if self.data > 1 else None

    def options(self) -> dict[str, Any]:
        """Return what ``jax.jit`` has to be told so that every device gets all of what comes out."""
        return {} if self.mesh is None else {"out_shardings": NamedSharding(self.mesh, PartitionSpec())}

    def split(self, batch: Any) -> Any:
        """Return the same batch (B, ...), said to lie on the devices in equal parts; for use under ``jit``."""
        if self.mesh is None:
            return batch
        return jax.lax.with_sharding_constraint(batch, NamedSharding(self.mesh, PartitionSpec("data")))

    def copied(self, tree: Any) -> Any:
        """Return arrays of which every device has a copy."""
        if self.mesh is None:
            return jax.device_put(tree)
        return jax.device_put(tree, NamedSharding(self.mesh, PartitionSpec()))


@cache
def _mesh(count: int) -> Mesh:
    return Mesh(np.array(jax.devices()[:count]), ("data",))


def several() -> bool:
    """Whether this process is one of several."""
    return jax.process_count() > 1


def writes() -> bool:
    """Whether this process is the one that writes."""
    return jax.process_index() == 0


def from_writer(tree: Any, like: Any) -> Any:
    """Return in every process the arrays, or the None, that the writing one has.

    Args:
        tree: pytree of arrays, or None; looked at in the writing process only.
        like: its shapes and dtypes.

    """
    if not several():
        return tree
    from jax.experimental.multihost_utils import broadcast_one_to_all

    if not int(broadcast_one_to_all(np.int32(tree is not None))):
        return None
    leaves, structure = jax.tree.flatten(like)
    own = jax.tree.leaves(tree) if writes() else [np.zeros(a.shape, a.dtype) for a in leaves]
    # As bytes: they are added to the zeros of the others, and -0.0 + 0.0 is another number.
    sent = broadcast_one_to_all([np.frombuffer(np.asarray(a).tobytes(), np.uint8) for a in own])
    return jax.tree.unflatten(
        structure,
        [
            np.frombuffer(np.asarray(b).tobytes(), a.dtype).reshape(a.shape)
            for a, b in zip(leaves, sent, strict=True)
        ],
    )


def agreed(caught: list[int]) -> list[int]:
    """Return the signals that any process has caught by now: all end at the same step, or none could go on.

    One that comes later is for the next time this is asked: else a run might end after it had decided not to save.
    """
    if not several():
        return list(caught)
    from jax.experimental.multihost_utils import process_allgather

    found = process_allgather(np.int32(caught[0] if caught else 0))
    return [int(n) for n in np.unique(found) if n]


class Unwritten:
    """The run folder of a process that writes nothing: it does what a `RunFolder` does, and leaves nothing."""

    path = Path(os.devnull)
    waiting = False

    def read(self) -> dict[str, Any]:
        """Return what a new run has: nothing."""
        return {}

    def metrics(self) -> pl.DataFrame:
        """Return no rows."""
        return pl.DataFrame(schema=METRICS)

    @contextmanager
    def lasting(self, what: str) -> Iterator[None]:
        """Pass nothing over."""
        yield

    def _nothing(self, *_: Any, **__: Any) -> None:
        pass

    write = write_rows = drop_after = last = settle = _nothing


class Unsaved:
    """The checkpoints of a process that writes nothing."""

    def restore(self, like: Any) -> None:
        """Return None: the state comes from the process that has it."""

    def _nothing(self, *_: Any) -> None:
        pass

    save = finish = close = _nothing
