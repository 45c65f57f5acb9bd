"""Between training and a sink: whatever the sink does, training goes on, and what is lost is told.

All calls of a sink happen in one thread of its own, which a hanging network holds up and nothing else. It takes
from a queue of bounded size. A call that fails is tried again after a pause that doubles, so a short outage loses
nothing; a step that fails ``TRIES`` times is lost, and where the queue is full its oldest steps are.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from actlab.files import write_atomic
from actlab.sinks.sink import Batch, Sink, batches

log = logging.getLogger(__name__)

ROOM = 200_000  # values and histograms waiting, some 30 MB
TRIES = 3  # of one step
PAUSES_S = (0.5, 60.0)  # after the first failure in a row, and the longest
HANGS_S = 60.0  # a call that takes longer is told
PATIENCE_S = 30.0  # at the end of the run, for what still waits


class Guarded:
    """A sink whose calls return at once and never raise.

    Args:
        label: what it is called in warnings and run.json.
        sink: what is guarded.
        config: the run's config, handed to the sink when it starts.

    """

    def __init__(self, label: str, sink: Sink, config: dict[str, Any]):
        self.label = label
        self._sink, self._config = sink, config
        self._changed = threading.Condition()  # guards all below
        self._queue: deque[Batch] = deque()
        self._held: Batch | None = None
        self._started = False
        self._ending: tuple[str, dict[str, float]] | None = None
        self._since: float | None = None
        self._error: str | None = None
        self._told_hanging = False
        self._kept: dict[str, Any] = {"identity": None, "last_step": -1}
        self._counts = {"sent": 0, "lost": 0, "not_finite": 0, "repeated": 0}
        self._resumed_at = -1

    def start(self, run_folder: Path, *, resumed: bool) -> None:
        """Begin; a resumed run goes on after the last step that the sink has, which had the same values."""
        self._folder = run_folder
        self._file = run_folder / "sinks" / f"{self.label}.json"
        if resumed:
            with suppress(OSError, ValueError, KeyError, TypeError):  # without it: a new run, from here on
                before = json.loads(self._file.read_text())
                self._counts |= {name: int(before["counts"][name]) for name in self._counts}
                self._kept = {name: before[name] for name in self._kept}
                self._resumed_at = self._kept["last_step"]
        self._thread = threading.Thread(target=self._work, name=f"actlab-{self.label}", daemon=True)
        self._thread.start()

    def log(self, rows: Iterable[tuple], histograms: Iterable[tuple] = ()) -> None:
        """Queue rows of METRICS and of HISTOGRAMS; their steps are not before those of earlier calls."""
        new, not_finite = batches(rows, histograms)
        with self._changed:
            self._counts["not_finite"] += not_finite
            self._queue.extend(new)
            waiting = sum(map(len, self._queue))
            while waiting > ROOM:
                waiting -= len(self._queue[0])
                self._lose(self._queue.popleft())
            hangs = self._since is not None and time.monotonic() - self._since > HANGS_S
            tell, self._told_hanging = hangs and not self._told_hanging, self._told_hanging or hangs
            self._changed.notify()
        if tell:
            self._tell(f"a call has not returned for {HANGS_S:.0f} s")

    def end(self, state: str, scores: dict[str, float]) -> None:
        """Say that nothing more will come; ``report`` waits for it."""
        with self._changed:
            self._ending = state, scores
            self._changed.notify()

    def report(self, wait_s: float = PATIENCE_S) -> dict[str, Any]:
        """Wait until the sink is closed, ``wait_s`` at most, and return what run.json is to say of it.

        ``sent``, ``lost``, ``not_finite`` and ``repeated`` count values and histograms: written; given up;
        left out; and left out because the sink had their steps already. ``error`` is the first one, or None.
        """
        self._thread.join(max(0.0, wait_s))
        if self._thread.is_alive():
            self._tell(f"it was not done {PATIENCE_S:.0f} s after training")
        with self._changed:
            for batch in (*self._queue, *((self._held,) if self._held else ())):
                self._lose(batch)
            self._queue.clear()
            self._held = None
            told = {**self._counts, "error": self._error}
        self._keep()
        if told["lost"]:
            log.warning(
                "logger=%s lost %s values, %s were written",
                self.label,
                f"{told['lost']:,}",
                f"{told['sent']:,}",
            )
        return told

    def _work(self) -> None:
        failures = 0
        while (batch := self._next()) is not None:
            if (error := self._try(batch)) is None:
                failures = 0
                continue
            self._tell(error)
            failures += 1
            with self._changed:
                if self._ending:  # no time for another try
                    while self._queue:
                        self._lose(self._queue.popleft())
                else:
                    pause = min(PAUSES_S[0] * 2 ** (failures - 1), PAUSES_S[1])
                    self._changed.wait_for(lambda: self._ending, timeout=pause)
        if (
            self._started or self._kept["identity"] is not None
        ):  # or before it was resumed, if all was there already
            try:
                self._open()
                self._sink.finish(*self._ending)
            except Exception as e:
                self._tell(_line(e))

    def _open(self) -> None:
        if not self._started:
            self._kept["identity"] = self._sink.start(self._config, self._folder, self._kept["identity"])
            self._started = True

    def _next(self) -> Batch | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._ending)
            self._held = self._queue.popleft() if self._queue else None
            return self._held

    def _try(self, batch: Batch) -> str | None:
        """Write a batch, opening the sink before the first; return what went wrong, if anything did."""
        if batch.step <= self._resumed_at or batch.step < self._kept["last_step"]:
            with self._changed:
                self._counts["repeated"] += len(batch)
                self._held = None
            return None
        self._since = time.monotonic()
        try:
            self._open()
            batch.tries += 1
            self._sink.log(batch.step, batch.values, batch.histograms)
        except Exception as e:
            with self._changed:
                if self._held is not None:
                    if batch.tries < TRIES:
                        self._queue.appendleft(batch)
                    else:
                        self._lose(batch)
                self._held = None
            return _line(e)
        finally:
            self._since = None
        with self._changed:
            if self._held is not None:  # else it came too late, and is counted as lost
                self._counts["sent"] += len(batch)
            self._kept["last_step"] = batch.step
            self._held = None
        self._keep()
        return None

    def _lose(self, batch: Batch) -> None:
        self._counts["lost"] += len(batch)

    def _keep(self) -> None:
        """Note what the sink has, for a resumed run."""
        with self._changed:
            content = json.dumps({**self._kept, "counts": self._counts}) + "\n"
        with suppress(OSError):  # a full disk: the folder's own records tell of it
            self._file.parent.mkdir(exist_ok=True)
            write_atomic(self._file, content)

    def _tell(self, error: str) -> None:
        """Warn of the first failure; what follows is only counted."""
        with self._changed:
            first, self._error = self._error is None, self._error or error
            goes_on = "" if self._ending else "training goes on, "
        if first:
            log.warning("logger=%s: %s; %swhat is lost is counted in run.json", self.label, error, goes_on)


def finish_all(
    sinks: Sequence[Guarded], state: str, scores: dict[str, float], wait_s: float = PATIENCE_S
) -> dict[str, dict[str, Any]]:
    """Close all sinks at once, within ``wait_s`` together; return each one's report by label."""
    until = time.monotonic() + wait_s
    for sink in sinks:
        sink.end(state, scores)
    return {sink.label: sink.report(until - time.monotonic()) for sink in sinks}


def _line(e: Exception) -> str:
    return f"{type(e).__name__}: {' '.join(str(e).split())}"[:300]
