"""Training batches read from disk while training goes, by Grain: for data that do not fit on the device.

Grain (github.com/google/grain) takes its data by index, and the samples of a step are a function of (key, step): so a
run that goes on from a step reads what it would have read, and there is nothing of the stream to save.

Shapes: L steps, B batch, S... a sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from actlab.data.rows import Rows
from actlab.errors import InputError

THREADS = 4  # that read; more only help where a disk answers late
MB = 10**6


@dataclass(frozen=True)
class Stream:
    """How much of the device's memory training samples may take.

    Args:
        budget_mb: megabytes, 1e6 bytes. A chunk of steps holds its samples there while it runs; the next ones are
            read meanwhile, into as much of the host's memory.

    Raises:
        InputError: a budget that cannot be.

    """

    budget_mb: float = 256.0

    def __post_init__(self):
        if not 0 < self.budget_mb < math.inf:
            raise InputError(f"budget_mb={self.budget_mb}: must be a number > 0")

    def steps(self, batch_bytes: int, every: int) -> int:
        """Return how many steps fit, a multiple of ``every``.

        Raises:
            InputError: not even ``every``.

        """
        fit = int(self.budget_mb * MB) // batch_bytes // every * every
        if not fit:
            raise InputError(
                f"data.budget_mb={self.budget_mb:g}: stats.every={every} steps take {every * batch_bytes / MB:.3g} "
                "MB of samples: a larger budget, a smaller batch, or fewer steps between records"
            )
        return fit


class Batches:
    """The batches of a run's steps, in order from any step on; read ahead in threads.

    Args:
        x: samples (N, *S).
        y: their labels, in memory or not.
        order: step to sample indices (B,).
        ahead: most batches that are read before they are asked for.

    Raises:
        InputError: Grain is not installed.

    """

    def __init__(self, x: Rows, y: np.ndarray | Rows, order: Callable[[int], np.ndarray], *, ahead: int):
        try:
            import grain
        except ImportError:
            raise InputError("data.loader=grain needs Grain: pip install 'actlab[grain]'") from None
        self.x, self.y, self.order = x, y, order
        self._options = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=max(1, ahead))
        self._whole = grain.MapDataset.source(_Source(self))
        self._at, self._end, self._iterator = -1, -1, None

    def read(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the samples (B, *S) and labels of a step, read now."""
        index = self.order(step)
        return self.x[index], self.y[index]

    def take(self, start: int, length: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """Return samples (L, B, *S) and labels of ``length`` steps; nothing from step ``end`` on is read ahead.

        Goes on where the last call ended, or anew from any other step.
        """
        if (start, end) != (self._at, self._end):
            self.close()
            self._iterator = iter(self._whole[start:end].to_iter_dataset(self._options))
        parts = [next(self._iterator) for _ in range(length)]
        self._at, self._end = start + length, end
        x, y = zip(*parts, strict=True)
        return np.stack(x), np.stack(y)

    def close(self) -> None:
        """Stop reading ahead."""
        if self._iterator is not None:
            self._iterator.close()
        self._at, self._iterator = -1, None


class _Source:
    """A run's batches as Grain takes data: one after another by number, without an end of its own."""

    def __init__(self, batches: Batches):
        self._batches = batches

    def __len__(self) -> int:
        return 2**31 - 1  # steps are int32

    def __getitem__(self, step: Any) -> tuple[np.ndarray, np.ndarray]:
        return self._batches.read(int(step))
