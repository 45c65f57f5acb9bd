"""Where a run's training samples come from: all of them on the device, or read a chunk of steps at a time.

Shapes: N samples, L steps, B batch, S... a sample.
"""

from __future__ import annotations

import math
from typing import Protocol

import jax
import numpy as np

from actlab.data.batches import BatchOrder
from actlab.data.stream import Batches
from actlab.train.draws import keys, noisy
from actlab.train.setup import Setup, TrainState

Samples = tuple[jax.Array, jax.Array]


class Feed(Protocol):
    """What the loop and its looks ask for samples.

    ``first`` are the first training samples where the program is not given all, else None.
    """

    first: Samples | None

    def chunk(self, state: TrainState, length: int) -> Samples:
        """Return what ``Program.chunk`` takes for the next ``length`` steps of a state."""

    def next(self, state: TrainState) -> Samples:
        """Return what ``Program.batch`` takes for the step that comes next."""

    def parts(self, length: int, every: int) -> list[int]:
        """Return ``length`` steps in parts that may be on the device together, each a multiple of ``every``."""

    def close(self) -> None:
        """Let go of what reads."""


class Held:
    """All samples, on the device: (N, *S), of which the program draws its batches itself."""

    first = None

    def __init__(self, x: jax.Array, y: jax.Array):
        self.all = x, y

    def chunk(self, state: TrainState, length: int) -> Samples:
        """Return all."""
        return self.all

    def next(self, state: TrainState) -> Samples:
        """Return all."""
        return self.all

    def parts(self, length: int, every: int) -> list[int]:
        """Return one part."""
        return [length]

    def close(self) -> None:
        """Nothing is open."""


class Streamed:
    """Batches of the steps to come, (L, B, *S), read from disk: those that the program would draw of `Held`.

    Args:
        setup: of the run.
        state: of the run; any will do, its numbers never change.
        looked: how many of the first samples to give to those who look at them.

    Raises:
        InputError: Grain is not installed, or the least chunk is over the budget.

    """

    def __init__(self, setup: Setup, state: TrainState, *, looked: int):
        self.setup, data = setup, setup.data
        self._most = most_steps(setup)
        y = np.asarray(noisy(setup, state, data.y_train)) if setup.label_noise else data.y_train
        order = BatchOrder(keys(state)[0], size=len(data.x_train), batch=setup.batch_size, order=setup.order)
        self._batches = Batches(data.x_train, y, order, ahead=self._most)
        self.first = setup.parallel.copied((data.x_train[:looked], np.asarray(y[:looked])))

    def chunk(self, state: TrainState, length: int) -> Samples:
        """Return samples (L, B, *S) and labels of the next steps."""
        at = _at(state)
        end = at + self.setup.steps - int(state.step)
        return self.setup.parallel.copied(self._batches.take(at, length, end))

    def next(self, state: TrainState) -> Samples:
        """Return samples (1, B, *S) and labels of the next step."""
        x, y = self._batches.read(_at(state))
        return self.setup.parallel.copied((x[None], y[None]))

    def parts(self, length: int, every: int) -> list[int]:
        """Return ``length`` steps in parts that fit."""
        return parts(length, every, self._most)

    def close(self) -> None:
        """Stop reading."""
        self._batches.close()


def parts(length: int, every: int, most: int) -> list[int]:
    """Return ``length`` steps in parts of at most ``most``, all multiples of ``every``.

    Equal ones, of which one program does all, unless these would be less than half of what is possible.

    >>> parts(60, 10, 40), parts(70, 10, 40), parts(30, 10, 40)
    ([30, 30], [40, 30], [30])
    """
    count = length // every
    if not count:
        return []
    most = min(most // every, count)
    even = max(n for n in range(1, most + 1) if count % n == 0)
    size = even if 2 * even >= most else most
    whole, rest = divmod(count, size)
    return [size * every] * whole + [rest * every] * (rest > 0)


def most_steps(setup: Setup) -> int:
    """Return how many steps' samples fit into the budget of a streamed data set, a multiple of ``stats.every``.

    Raises:
        InputError: none.

    """
    batch = sum(math.prod(a.shape[1:]) * a.dtype.itemsize for a in (setup.data.x_train, setup.data.y_train))
    return setup.data.stream.steps(batch * setup.batch_size, min(setup.stats.every, setup.steps))


def _at(state: TrainState) -> int:
    """Return the number of the next step's batch: rewinding leaves some out."""
    return int(state.step) + int(state.aside["shift"])
