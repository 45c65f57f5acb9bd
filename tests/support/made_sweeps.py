"""Made-up sweeps: many small run folders whose scores are given, as a sweep leaves them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from actlab.records import EVENTS, METRICS

SITES = [f"blocks.{i}.act" for i in range(3)]
LAYERS = [*(f"blocks.{i}.linear" for i in range(3)), "head"]


def config(
    activation: str | dict[str, Any] = "relu", seed: int = 0, rate: float = 1e-3, **more: Any
) -> dict[str, Any]:
    """Return a configuration as a run's is; ``more`` has dotted keys with ``__`` for dots."""
    made: dict[str, Any] = {
        "data": {"_target_": "actlab.data.mnist1d"},
        "model": {"_target_": "actlab.models.MLP", "depth": 3, "width": 100},
        "activation": {"learn": [], **({"name": activation} if isinstance(activation, str) else activation)},
        "optimizer": {"_target_": "actlab.train.adam", "learning_rate": rate, "weight_decay": 0.0},
        "stats": {"_target_": "actlab.stats.StatsConfig", "every": 20},
        "seed": seed, "steps": 200, "eval_every": 100,
    }  # fmt: skip
    for key, value in more.items():
        *groups, last = key.split("__")
        node = made
        for group in groups:
            node = node.setdefault(group, {})
        node[last] = value
    return made


def write_run(
    folder: Path,
    of: dict[str, Any],
    score: float,
    *,
    state: str = "finished",
    loss: float | None = None,
    accuracy: bool = True,
    parts: int = 3,
    spikes: int = 0,
    more: Iterable[tuple[int, str, str, float]] = (),
    **info: Any,
) -> Path:
    """Write a run that begins at 10 % and ends at ``score`` after ``parts`` evaluations, the first at step 0.

    Without ``accuracy`` it is one of real targets: its losses are all there is.
    """
    (folder / "metrics").mkdir(parents=True)
    (folder / ".hydra").mkdir()
    (folder / ".hydra" / "config.yaml").write_text(yaml.dump(of, sort_keys=False, Dumper=yaml.CSafeDumper))
    loss = 2 * (1 - score) if loss is None else loss
    for part in range(parts):
        step, share = 100 * part, part / (parts - 1)
        right, now = 0.1 + share * (score - 0.1), 2.3 + share * (loss - 2.3)
        rows = [(step, "test", "loss", now)]
        rows += [(step, "test", "accuracy", right)] if accuracy else []
        rows += [
            (step, site, q, 0.01 * i) for i, site in enumerate(SITES) for q in ("dead_share", "post.variance")
        ]
        rows += [(step, layer, "gradient_norm", 0.5) for layer in LAYERS]
        rows += [row for row in more if row[0] == step]
        pl.DataFrame(rows, METRICS, orient="row").write_parquet(
            folder / "metrics" / f"part-{step:010d}.parquet"
        )
    if spikes:
        (folder / "events").mkdir()
        rows = [(10 * k, "spike", "train", 5.0, 1.0, "the loss jumped") for k in range(spikes)]
        pl.DataFrame(rows, EVENTS, orient="row").write_parquet(folder / "events" / "part-0000000100.parquet")
    told = {
        "state": state, "step": 100 * (parts - 1), "steps": 100 * (parts - 1), "parameters": 15210, "sites": SITES,
        "layers": LAYERS, "started": "2026-11-22T14:30:00+00:00", "wall_time_s": 2.0, "compile_time_s": 0.5,
        "steps_per_second": 1000.0, "scores": ({"test accuracy": score} if accuracy else {}) | {"test loss": loss},
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(told | info))
    return folder


def write_sweep(
    folder: Path,
    levels: dict[str, float],
    *,
    seeds: int = 4,
    rates: dict[float, float] | None = None,
    noise: float = 0.01,
    rng: int = 0,
    make: Callable[..., dict[str, Any]] = config,
    **options: Any,
) -> Path:
    """Write a run for every level, learning rate and seed: scores are levels' plus rates' plus noise."""
    draw = np.random.default_rng(rng)
    place = 0
    for name, base in levels.items():
        for rate, shift in (rates or {1e-3: 0.0}).items():
            for seed in range(seeds):
                score = float(base + shift + noise * draw.normal())
                write_run(folder / str(place), make(name, seed, rate), score, **options)
                place += 1
    return folder
