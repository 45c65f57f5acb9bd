"""A run folder as the model it trained: its values, and the newest state that can be trusted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actlab.errors import InputError

if TYPE_CHECKING:
    from actlab.train import Run
    from actlab.train.setup import TrainState


HELD = 10_000  # of a streamed data set's samples


def trained(folder: Path) -> tuple[Run, TrainState]:
    """Return the run a folder holds and its newest whole checkpoint; nothing in the folder is changed.

    Of a run that diverged it is the state before the step that was not finite, which is told in one line: its
    parameters are finite, what they make of the data need not be. The run is taken as one of one process and one
    device, whatever it was trained on; of streamed data its setup has the first samples. Users' own functions and
    models are looked for in the current directory too.

    Raises:
        InputError: the folder holds no run, one whose config cannot be read or built, or no checkpoint yet.

    """
    import os

    if not folder.exists():
        raise InputError(f"{folder} does not exist: name a run folder, like runs/2026-11-22/143000")
    if not (folder / "run.json").is_file() or not (folder / ".hydra" / "config.yaml").is_file():
        raise InputError(f"{folder} holds no run: it has no run.json with .hydra/config.yaml")
    from omegaconf import DictConfig, OmegaConf, open_dict

    try:
        cfg = OmegaConf.load(folder / ".hydra" / "config.yaml")
    except Exception as e:  # YAML's, OmegaConf's and the file system's errors have no common parent
        raise InputError(f"{folder}: its config cannot be read ({' '.join(str(e).split()):.150})") from e
    if not isinstance(cfg, DictConfig) or "model" not in cfg:
        raise InputError(
            f"{folder}: .hydra/config.yaml is no run's: it must have keys (model, data and others)"
        )
    info = _info(folder)
    with open_dict(cfg):
        cfg.pop("parallel", None)
    sys.path.append(os.getcwd())

    from actlab.cli.runtime import warnings_told
    from actlab.cli.train import build_run

    run = build_run(cfg)
    with warnings_told():
        state = newest(run, folder)
    if state is None:
        raise InputError(
            f"{folder} has no checkpoint that can be read: train on, or with a smaller checkpoint_every"
        )
    if info.get("state") == "diverged":
        said = str((info.get("divergence") or {}).get("message", "diverged"))
        done = int(state.step)
        print(
            f"{folder} {said}; its last finite parameters are looked at, after {done} step{'s'[: done != 1]}"
        )
    return _held(run), state


def _held(run: Run) -> Run:
    """Return a run whose training samples are in memory: of a streamed data set the first ones, which is told."""
    import dataclasses

    data = run.setup.data
    if data.stream is None:
        return run
    count = min(len(data.x_train), max(HELD, run.setup.batch_size))
    print(
        f"{data.name} is streamed: the first {count:,} of its {len(data.x_train):,} training samples are looked at"
    )
    return dataclasses.replace(run, setup=dataclasses.replace(run.setup, data=data.first(count)))


def _info(folder: Path) -> dict[str, Any]:
    from actlab.train.folder import RunFolder

    info = RunFolder(folder).read()
    if not isinstance(info, dict):
        raise InputError(f"{folder / 'run.json'} is damaged: it holds no keys with values")
    return info


def newest(run: Run, folder: Path) -> TrainState | None:
    """Return the newest state in a folder that has its checksums, None where there is none."""
    import jax

    from actlab.train.checkpoint import Checkpoints

    like = jax.eval_shape(run.program.init, run.numbers)
    return Checkpoints(folder / "checkpoints").read(like)
