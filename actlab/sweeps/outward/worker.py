"""What a worker does with a pack, whichever engine brought it."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any


class WorkerDied(RuntimeError):
    """The process that had the pack is gone: killed, out of memory, crashed. What its runs had saved is there."""


class Stopped(RuntimeError):
    """The pack was told to end and did, before its function returned."""


@dataclass(frozen=True)
class Parcel:
    """A function and its pack as bytes, and what the worker needs before it can open them.

    ``cpus`` are the numbers of the cores to keep to, or how many: JAX otherwise starts as many threads in every
    process as the machine has cores, and two such processes on two cores take 2.3 times as long as two with one
    core each (512-wide products excepted, which gain from threads). Which sums XLA splits over threads depends on
    their number: of large products the last bits may differ from those of a process with more cores.
    """

    content: bytes
    cpus: tuple[int, ...] | int
    folder: str
    path: tuple[str, ...]

    @staticmethod
    def of(function: Callable[[Any], Any], pack: Any, cpus: tuple[int, ...] | int) -> Parcel:
        """Pack up; the worker will work in the current directory and find the modules this process finds."""
        path = tuple(os.path.abspath(p) for p in sys.path)
        return Parcel(pickle.dumps((function, pack)), cpus, os.getcwd(), path)


def call(parcel: Parcel) -> tuple[bool, bytes]:
    """Open a parcel and call its function; return whether it returned, and the value or exception as bytes."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _end)  # while a run trains, its own handler stands in for this one
    try:
        _settle(parcel)
        function, pack = pickle.loads(parcel.content)
        return True, pickle.dumps(function(pack))
    except (SystemExit, KeyboardInterrupt) as e:
        return False, pickle.dumps(Stopped(f"stopped by {e}" if str(e) else "stopped"))
    except Exception as e:
        return False, _portable(e)


def opened(returned: bool, content: bytes) -> Any:
    """Return what ``call`` did, or raise what it caught."""
    value = pickle.loads(content)
    if returned:
        return value
    raise value


def _settle(parcel: Parcel) -> None:
    if not os.path.isdir(parcel.folder):
        raise RuntimeError(
            f"{parcel.folder} is not on {os.uname().nodename}: an engine needs a folder that all machines see"
        )
    os.chdir(parcel.folder)
    sys.path += [p for p in parcel.path if p not in sys.path]
    if isinstance(parcel.cpus, int):
        count = parcel.cpus
    else:
        count = len(set(parcel.cpus))
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, parcel.cpus)
    os.environ["NPROC"] = str(count)  # XLA asks for it when it makes its threads


def _end(number: int, _: FrameType | None) -> None:
    raise SystemExit(signal.Signals(number).name)


def _portable(e: Exception) -> bytes:
    e.add_note("".join(traceback.format_exception(e)).rstrip())  # a traceback itself does not travel
    try:
        content = pickle.dumps(e)
        pickle.loads(content)
    except Exception:
        return pickle.dumps(RuntimeError(f"{type(e).__name__}: {e}"))
    return content
