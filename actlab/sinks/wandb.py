"""Weights & Biases, online or offline."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from actlab.sinks.sink import Histogram, require, run_name


@dataclass(kw_only=True)
class WandB:
    """A W&B run; nothing but the records and the config is sent: no terminal output, code or machine statistics.

    Args:
        project: the project's name.
        name: the run's name; None: the end of its path.
        entity: user or team; None: the one logged in.
        mode: online or offline; None: what WANDB_MODE says, else online. ``wandb sync`` sends an offline run.
        dir: where W&B keeps its files; None: the run's folder.

    Raises:
        InputError: wandb is not installed.

    """

    project: str = "actlab"
    name: str | None = None
    entity: str | None = None
    mode: Literal["online", "offline"] | None = None
    dir: str | None = None
    _run: Any = field(init=False, repr=False, default=None)

    def __post_init__(self):
        require("wandb", "wandb")

    def start(self, config: dict[str, Any], run_folder: Path, identity: str | None) -> str | None:
        """Open the run, or go on with it; W&B itself is told not to ask questions in the terminal."""
        import wandb

        mode = self.mode or os.environ.get("WANDB_MODE") or "online"
        if mode == "online" and not wandb.login(prompt=False):
            raise RuntimeError("nobody is logged in: run wandb login, or choose logger.wandb.mode=offline")
        folder = Path(self.dir) if self.dir is not None else run_folder
        folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=self.project,
            name=self.name or run_name(run_folder),
            entity=self.entity,
            mode=mode,
            dir=str(folder.resolve()),
            config=config,
            id=identity or secrets.token_hex(4),
            resume="allow" if mode == "online" else None,
            settings=wandb.Settings(
                silent=True, console="off", disable_git=True, save_code=False, x_disable_stats=True
            ),
        )
        return self._run.id

    def log(self, step: int, values: dict[str, float], histograms: dict[str, Histogram]) -> None:
        """Write one step."""
        import wandb

        shapes = {n: wandb.Histogram(np_histogram=(h.counts, h.edges)) for n, h in histograms.items()}
        self._run.log(values | shapes, step=step, commit=True)

    def finish(self, state: str, scores: dict[str, float]) -> None:
        """Close the run: one that diverged has not failed, its summary says so."""
        self._run.summary.update({"state": state, **scores})
        self._run.finish(exit_code=int(state == "interrupted"))
