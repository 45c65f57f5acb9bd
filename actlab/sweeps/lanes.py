"""What goes into a sweep and what comes out of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from actlab.errors import InputError, suggest
from actlab.sweeps.halving import Halving
from actlab.train.loop import Outcome, Run


@dataclass(frozen=True)
class Lane:
    """A run of a sweep.

    Args:
        run: what is trained.
        path: its run folder; where that holds a part of this run, it is gone on with.
        facts: what its run.json says of command, configuration, versions, device.

    """

    run: Run
    path: Path
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Options:
    """How lanes are run.

    Args:
        strategy: ``map`` runs the lanes of a device one after another, each bit-identical to the same run alone;
            ``vmap`` all in one batch, not identical in the last bits; ``auto`` is ``map`` on a CPU, else ``vmap``.
        lanes: most lanes in one program; None chooses by the memory of the compiled program.
        halving: which lanes go on at which steps; None: all.

    Raises:
        InputError: a strategy or number that cannot be.

    """

    strategy: Literal["auto", "map", "vmap"] = "auto"
    lanes: int | None = None
    halving: Halving | None = None

    def __post_init__(self):
        if self.strategy not in ("auto", "map", "vmap"):
            raise InputError(
                f"strategy={self.strategy!r} is unknown{suggest(self.strategy, ('auto', 'map', 'vmap'))}"
            )
        if self.lanes is not None and (isinstance(self.lanes, bool) or self.lanes < 1):
            raise InputError(f"lanes={self.lanes}: must be an integer >= 1, or null")


@dataclass(frozen=True)
class Told:
    """What a sweep tells whoever draws it.

    ``ended`` are the lanes that have, by index, as they end; ``best`` is the index of the lane that leads so far and
    its score, see `leader`, None before the first evaluation; ``metric`` is what it leads in. ``eta_s`` is None
    before it can be told.
    """

    lanes: int
    group: int  # of ``groups``, counted from 1, the one under way
    groups: int
    group_lanes: int
    what: str  # the group in words: its activation, model, data
    step: int  # of the group under way
    steps: int
    done: int
    diverged: int
    steps_per_second: float  # summed over lanes
    eta_s: float | None
    compile_time_s: float
    best: tuple[int, float] | None
    ended: Mapping[int, Outcome | Exception]
    metric: str = "test accuracy"


def leader(scores: Mapping[int, Mapping[str, float]]) -> tuple[str, tuple[int, float] | None]:
    """Return what lanes are told apart by, and the one that leads with its score: of equal ones the first.

    That is the highest test accuracy; of lanes that have none, which have no classes, the lowest test loss.

    >>> leader({0: {"test loss": 0.5}, 1: {"test loss": 0.2}, 2: {}})
    ('test loss', (1, 0.2))
    """
    for metric, sign in (("test accuracy", -1.0), ("test loss", 1.0)):
        # One that is not finite leads nothing.
        found = {i: s[metric] for i, s in scores.items() if s.get(metric) is not None}
        if finite := {i: v for i, v in found.items() if math.isfinite(v)}:
            first = min(finite, key=lambda i: (sign * finite[i], i))
            return metric, (first, finite[first])
    return "test accuracy", None
