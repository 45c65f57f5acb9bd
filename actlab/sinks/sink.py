"""What a sink is, and from rows of a run's tables to what sinks take."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from actlab.errors import InputError


@dataclass(frozen=True)
class Histogram:
    """Counts between edges, of which there is one more; all finite, edges increasing."""

    edges: np.ndarray
    counts: np.ndarray


class Sink(Protocol):
    """One place to write to. Any call may raise or hang: ``Guarded`` makes both harmless."""

    def start(self, config: dict[str, Any], run_folder: Path, identity: str | None) -> str | None:
        """Open the sink; ``identity`` is what the start of the same run returned before it was resumed."""

    def log(self, step: int, values: dict[str, float], histograms: dict[str, Histogram]) -> None:
        """Write one step, later than all before; names are ``site/quantity``, values finite."""

    def finish(self, state: str, scores: dict[str, float]) -> None:
        """Close the sink of a run that ended as ``state``: finished, diverged or interrupted."""


@dataclass
class Batch:
    """What was recorded at one step."""

    step: int
    values: dict[str, float] = field(default_factory=dict)
    histograms: dict[str, Histogram] = field(default_factory=dict)
    tries: int = 0

    def __len__(self) -> int:
        return len(self.values) + len(self.histograms)


def batches(rows: Iterable[tuple], histograms: Iterable[tuple]) -> tuple[list[Batch], int]:
    """Return rows of METRICS and HISTOGRAMS by step, in order, and how many were left out as not finite.

    A NaN spoils TensorBoard's histograms, and MLflow draws infinity at 1.8e308: a gap is drawn right everywhere.

    >>> batches([(20, "train", "loss", 0.5), (10, "train", "loss", float("nan"))], [])
    ([Batch(step=20, values={'train/loss': 0.5}, histograms={}, tries=0)], 1)
    """
    found: dict[int, Batch] = {}
    left_out = 0
    for step, site, quantity, value in rows:
        if math.isfinite(value):
            found.setdefault(step, Batch(step)).values[f"{site}/{quantity}"] = float(value)
        else:
            left_out += 1
    for step, site, tensor, low, high, counts, _ in histograms:
        if math.isfinite(low) and math.isfinite(high):
            if low == high:  # all values equal: a bar as thin as can be drawn
                high = low + 1e-6 * max(1.0, abs(low))
            shape = Histogram(np.linspace(low, high, len(counts) + 1), np.asarray(counts, np.int64))
            # Not "pre" alone: W&B reads pre.mean as an entry of pre.
            found.setdefault(step, Batch(step)).histograms[f"{site}/{tensor}.histogram"] = shape
        else:
            left_out += 1
    return [found[step] for step in sorted(found)], left_out


def require(library: str, extra: str) -> None:
    """Raise InputError if ``library`` is not installed; it is not imported."""
    spec = importlib.util.find_spec(library)
    if (
        spec is None or spec.origin is None
    ):  # a mere folder of that name, such as wandb leaves behind, has no origin
        raise InputError(f"needs the library {library}: pip install 'actlab[{extra}]'")


def run_name(run_folder: Path) -> str:
    """Return the last two parts of a run's path, like ``2026-11-22/143000``."""
    return "/".join(run_folder.resolve().parts[-2:])


def flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested config with dotted keys.

    >>> flat({"model": {"depth": 3}, "seed": 0})
    {'model.depth': 3, 'seed': 0}
    """
    found: dict[str, Any] = {}
    for key, value in config.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found
