"""Trackio: a local SQLite file or a Hugging Face Space."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actlab.sinks.sink import Histogram, flat, require, run_name


@dataclass(kw_only=True)
class Trackio:
    """A Trackio run; the local file is where TRACKIO_DIR says, else in Hugging Face's cache.

    Trackio raises nothing: what it cannot deliver it keeps and warns of by itself.

    Args:
        project: the project's name.
        name: the run's name; None: the end of its path.
        space_id: a Space to send to, ``user/space``; None: what TRACKIO_SPACE_ID says, else the local file.

    Raises:
        InputError: trackio is not installed.

    """

    project: str = "actlab"
    name: str | None = None
    space_id: str | None = None
    _run: Any = field(init=False, repr=False, default=None)

    def __post_init__(self):
        require("trackio", "trackio")

    def start(self, config: dict[str, Any], run_folder: Path, identity: str | None) -> str | None:
        """Open the run, or go on with it; Trackio says in the terminal how to look at it."""
        import trackio

        name = identity or self.name or run_name(run_folder)
        self._run = trackio.init(
            self.project,
            name=name,
            space_id=self.space_id,
            config={"run": flat(config)},  # names that begin with _ are Trackio's own
            resume="never" if identity is None else "allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        return name

    def log(self, step: int, values: dict[str, float], histograms: dict[str, Histogram]) -> None:
        """Write one step."""
        import trackio

        shapes = {n: trackio.Histogram(np_histogram=(h.counts, h.edges)) for n, h in histograms.items()}
        self._run.log(values | shapes, step=step)

    def finish(self, state: str, scores: dict[str, float]) -> None:
        """Close the run and wait until it is written."""
        self._run.finish()
