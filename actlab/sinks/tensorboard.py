"""TensorBoard's event files, written by tensorboardX: no TensorFlow."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actlab.sinks.sink import Histogram, require, run_name


@dataclass(kw_only=True)
class TensorBoard:
    """Scalars and histograms as event files; a resumed run adds a file.

    Args:
        dir: a folder that gets one folder for each run; None: ``tensorboard`` in the run's own.

    Raises:
        InputError: tensorboardX is not installed.

    """

    dir: str | None = None
    _writer: Any = field(init=False, repr=False, default=None)

    def __post_init__(self):
        require("tensorboardX", "tensorboard")

    def start(self, config: dict[str, Any], run_folder: Path, identity: str | None) -> str | None:
        """Open an event file; its first entry is the config."""
        from tensorboardX import SummaryWriter

        folder = run_folder / "tensorboard" if self.dir is None else Path(self.dir) / run_name(run_folder)
        # Files are named by the second: a run that is resumed within one must not write over its first.
        self._writer = SummaryWriter(str(folder), filename_suffix=f".{time.time_ns()}")
        if identity is None:
            self._writer.add_text("config", f"```\n{json.dumps(config, indent=2, default=str)}\n```")
        return str(folder)

    def log(self, step: int, values: dict[str, float], histograms: dict[str, Histogram]) -> None:
        """Write one step, and see that it is on the disk."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        for name, h in histograms.items():
            middles = (h.edges[1:] + h.edges[:-1]) / 2
            self._writer.add_histogram_raw(
                name,
                min=h.edges[0],
                max=h.edges[-1],
                num=h.counts.sum(),
                sum=float(middles @ h.counts),
                sum_squares=float(middles**2 @ h.counts),
                bucket_limits=h.edges[1:].tolist(),
                bucket_counts=h.counts.tolist(),
                global_step=step,
            )
        self._writer.flush()

    def finish(self, state: str, scores: dict[str, float]) -> None:
        """Close the file."""
        self._writer.add_text("state", state)
        self._writer.close()
