"""Hand packs to an engine, so many at a time, and take back what becomes of them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeVar

from actlab.sweeps.outward.engines import Engine, Joblib, Submitit
from actlab.sweeps.outward.worker import Stopped, WorkerDied

Pack = TypeVar("Pack")
POLL_S = 0.05
GRACE_S = 30.0  # for workers to save their state once the caller has turned away


class NotStarted(RuntimeError):
    """The sweep was interrupted before this pack was handed out."""


class Handle(Protocol):
    """A pack under way."""

    def done(self) -> bool:
        """Tell whether ``result`` will not wait."""

    def result(self) -> Any:
        """Return what the function returned; raise what it raised, or WorkerDied."""

    def stop(self, *, kill: bool = False) -> None:
        """Send SIGTERM to the worker, or kill it."""


class Session(Protocol):
    """An engine at work. ``slots``: how many packs at a time; None where the engine itself queues them."""

    slots: int | None

    def start(self, function: Callable[[Any], Any], packs: list[Any], slots: list[int]) -> list[Handle]:
        """Start packs, each in a slot that is free."""

    def close(self) -> None:
        """Let go of all that is left."""


def dispatch(
    function: Callable[[Pack], Any], packs: Iterable[Pack], engine: Engine
) -> Iterator[tuple[int, Any]]:
    """Call ``function(pack)`` in other processes; yield the index of each pack and its result, as they end.

    What the function raises is that pack's result, and so is ``WorkerDied`` where its process was killed or ran
    out of memory: the others go on. SIGINT or SIGTERM to this process: workers are sent SIGTERM, which lets runs
    save their state and end; packs not yet handed out become ``NotStarted``, and all are yielded still. A second
    such signal kills the workers.

    Args:
        function: importable by name; packs and results can be pickled.
        packs: each is what one process works on at a time.
        engine: where, and how many at a time.

    Yields:
        (index, result), where result is an ``Exception`` if there is none.

    Raises:
        InputError: the engine's library is not installed, or the cluster cannot be reached.

    """
    waiting = deque(enumerate(packs))
    if not waiting:
        return
    running: dict[int, tuple[int, Handle]] = {}  # by index of pack: its slot
    session = _open(engine)
    free = list(range(len(waiting) if session.slots is None else session.slots))[::-1]
    stopped = 0
    try:
        with _signals() as caught:
            while waiting or running:
                if waiting and free and not caught:
                    count = min(len(waiting), len(free))
                    taken = [waiting.popleft() for _ in range(count)]
                    slots = [free.pop() for _ in range(count)]
                    handles = session.start(function, [pack for _, pack in taken], slots)
                    for (index, _), slot, handle in zip(taken, slots, handles, strict=True):
                        running[index] = slot, handle
                if len(caught) > stopped:
                    stopped = len(caught)
                    for _, handle in running.values():
                        handle.stop(kill=stopped > 1)
                    name = signal.Signals(caught[0]).name
                    for index, _ in waiting:
                        yield index, NotStarted(f"{name} came before this pack was handed out")
                    waiting.clear()
                ended = [index for index, (_, handle) in running.items() if handle.done()]
                for index in ended:
                    slot, handle = running.pop(index)
                    free.append(slot)
                    try:
                        result = handle.result()
                    except Exception as e:
                        result = e
                        if stopped and isinstance(e, (Stopped, WorkerDied)):
                            result = Stopped(f"stopped by {signal.Signals(caught[0]).name}")
                    yield index, result
                if not ended:
                    time.sleep(POLL_S)
    finally:
        _leave([handle for _, handle in running.values()])
        session.close()


def _leave(handles: list[Handle]) -> None:
    """Stop what still runs: the caller takes no more results, or something failed."""
    for handle in handles:
        handle.stop()
    end = time.monotonic() + GRACE_S
    while any(not handle.done() for handle in handles) and time.monotonic() < end:
        time.sleep(POLL_S)
    for handle in handles:
        if not handle.done():
            handle.stop(kill=True)


def _open(engine: Engine) -> Session:
    if isinstance(engine, Joblib):
        from actlab.sweeps.outward.with_joblib import Session
    elif isinstance(engine, Submitit):
        from actlab.sweeps.outward.with_submitit import Session
    else:
        from actlab.sweeps.outward.with_ray import Session
    return Session(engine)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect SIGTERM and SIGINT."""
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    old = {n: signal.signal(n, lambda number, _: caught.append(number)) for n in numbers}
    try:
        yield caught
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
