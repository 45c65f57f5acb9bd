"""Packs as tasks of Ray."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from typing import Any

from actlab.errors import InputError
from actlab.sweeps.outward.engines import Ray, cores, library
from actlab.sweeps.outward.worker import Parcel, Stopped, WorkerDied, call, opened


class _Handle:
    def __init__(self, ref: Any):
        self.ref = ref

    def done(self) -> bool:
        return bool(library("ray").wait([self.ref], timeout=0)[0])

    def result(self) -> Any:
        ray = library("ray")
        errors = ray.exceptions
        try:
            returned, content = ray.get(self.ref)
        except errors.TaskCancelledError as e:
            raise Stopped("stopped") from e
        except errors.RayError as e:  # its worker, its node, its memory
            raise WorkerDied(f"{type(e).__name__}: {' '.join(str(e).split())[:300]}") from e
        return opened(returned, content)

    def stop(self, *, kill: bool = False) -> None:
        # Ray signals a worker, on whichever machine, as Ctrl-C would.
        library("ray").cancel(self.ref, force=kill)


class Session:
    """Ray at work."""

    def __init__(self, engine: Ray):
        self.engine = engine
        ray = library("ray")
        self.own = not ray.is_initialized()
        if self.own:
            _connect(ray, engine)
        held = ray.cluster_resources()
        fits = [int(held.get("CPU", 0) // engine.cpus_per_pack)]
        if engine.gpus_per_pack:
            fits.append(int(held.get("GPU", 0) / engine.gpus_per_pack))
        if min(fits) < 1:
            self.close()
            raise InputError(
                f"ray: no pack fits, each asks for {engine.cpus_per_pack} cores and {engine.gpus_per_pack:g} "
                f"accelerators, there are {held.get('CPU', 0):g} and {held.get('GPU', 0):g}"
            )
        self.slots = min(min(fits), engine.max_concurrent or min(fits))

    def start(self, function: Callable[[Any], Any], packs: list[Any], slots: list[int]) -> list[_Handle]:
        """Start packs; Ray finds the machine."""
        e = self.engine
        # A worker that died is reported, not tried again: what killed it may be the pack.
        task = library("ray").remote(num_cpus=e.cpus_per_pack, num_gpus=e.gpus_per_pack, max_retries=0)(call)
        return [_Handle(task.remote(Parcel.of(function, pack, e.cpus_per_pack))) for pack in packs]

    def close(self) -> None:
        """Shut down what was started here."""
        if self.own:
            library("ray").shutdown()


def _connect(ray: Any, engine: Ray) -> None:
    address = engine.address or os.environ.get("RAY_ADDRESS")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    how: dict[str, Any] = {"logging_level": logging.ERROR}
    if address is None:
        how |= {"include_dashboard": False, "num_cpus": len(cores())}
    try:
        with warnings.catch_warnings():
            # Ray forks to start its own programs at once, which is no harm to JAX's threads.
            warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
            ray.init(address=address, **how)
    except (ConnectionError, ValueError, RuntimeError) as e:
        raise InputError(f"ray: cannot connect to {address}: {' '.join(str(e).split())[:200]}") from e
