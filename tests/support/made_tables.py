"""Made-up runs as tables in memory: a sound one, in which a test changes what it is about."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from actlab.records import EVENTS, METRICS, TABLES
from actlab.runs import Run

Value = float | Callable[[int, float], float]  # of depth and of progress in [0, 1]
STEPS = tuple(range(0, 401, 20))

SITE: dict[str, Value] = {
    "pre.mean": lambda d, t: -0.1 * t,
    "pre.variance": lambda d, t: 1 + t,
    "post.mean": lambda d, t: 0.4 + 0.1 * t,
    "post.variance": lambda d, t: 0.34 + 0.2 * t,
    "post.zero_share": 0.5,
    "saturated_share": 0.5,
    "dead_share": lambda d, t: 0.02 * t,
}
SITE_FULL: dict[str, Value] = {
    "pre_gradient.rms": lambda d, t: 1e-3 * 0.95**d * math.exp(-t),
    "post_gradient.rms": lambda d, t: 1.4e-3 * 0.95**d * math.exp(-t),
    "post_gradient.zero_share": 0.0,
    "cosine": lambda d, t: 0.9 - 0.4 * 0.8**d,
    "pre_cosine": lambda d, t: 0.8 - 0.6 * 0.8**d,
    "effective_rank": 20.0,
    "dataset_dead_share": lambda d, t: 0.01 * t,
    "dead_longest": lambda d, t: 40 * t,
}
LAYER: dict[str, Value] = {
    "gradient_norm": lambda d, t: 0.5 * math.exp(-t),
    "weight_norm": 8.0,
    "update_ratio": 2e-3,
}
TRAIN: dict[str, Value] = {
    "loss": lambda d, t: 2.3 * math.exp(-2 * t),
    "accuracy": lambda d, t: 0.1 + 0.8 * t,
    "learning_rate": 1e-3,
}
HEAD: dict[str, Value] = {
    "logits.rms": lambda d, t: 0.5 + 3 * t,
    "logits.max_abs": lambda d, t: 1.5 + 9 * t,
    "logits.min": lambda d, t: -1.5 - 9 * t,
    "logits.max": lambda d, t: 1.4 + 8 * t,
    "logits.row_sum_error": lambda d, t: 3 + 20 * t,
}
NORMS = {"loss": lambda d, t: 2.31 - 0.8 * t, "accuracy": lambda d, t: 0.1 + 0.5 * t}


def table_run(
    changes: dict[str, Value | None] | None = None,
    *,
    sites: int = 8,
    steps: tuple[int, ...] = STEPS,
    level: str = "full",
    state: str = "finished",
    config: dict[str, Any] | None = None,
    divergence: dict[str, Any] | None = None,
    events: list[tuple] | None = None,
    more: list[tuple[int, str, str, float]] | None = None,
) -> Run:
    """Return a run whose records are sound but for ``changes``.

    Args:
        changes: quantity -> value, or function of depth and progress, or None to leave it out; ``train.loss`` and
            ``head.logits.min`` name a place of their own.
        sites: hidden layers.
        steps: at which records are written; ``basic`` has none at 0, as no window ends there.
        level: ``full`` or ``basic``.
        state: of run.json.
        config: dotted key -> value, on top of a relu MLP's.
        divergence: of run.json.
        events: rows of the table of events.
        more: further rows.
    """
    changes = changes or {}
    names = tuple(f"blocks.{i}.act" for i in range(sites))
    layers = (*(f"blocks.{i}.linear" for i in range(sites)), "head")
    site = SITE | (SITE_FULL if level == "full" else {})
    places = [(name, d, "", site) for d, name in enumerate(names)]
    places += [(name, d, "", LAYER) for d, name in enumerate(layers)]
    places += [("train", 0, "train.", TRAIN), ("test", 0, "test.", NORMS), ("head", 0, "head.", HEAD)]
    known = {prefix + q for _, _, prefix, of in places for q in of}
    known |= {q for q in changes if q in SITE_FULL}
    assert changes.keys() <= known, f"no such quantity: {sorted(changes.keys() - known)}"
    rows = []
    for at in steps:
        t = at / max(steps) if max(steps) else 0.0
        for name, d, prefix, of in places:
            evaluated = prefix in ("test.", "head.")
            if at == 0 and not evaluated and (level == "basic" or prefix == "train."):
                continue
            for quantity, value in of.items():
                value = changes.get(prefix + quantity, value)
                if value is not None:
                    rows.append((at, name, quantity, float(value(d, t) if callable(value) else value)))
    tables = {name: pl.DataFrame(schema=schema) for name, schema in TABLES.items()}
    tables["metrics"] = pl.DataFrame([*rows, *(more or [])], schema=METRICS, orient="row")
    if events:
        tables["events"] = pl.DataFrame(events, schema=EVENTS, orient="row")
    info = {"state": state, "step": max(steps), "steps": max(steps), "divergence": divergence}
    return Run(Path("made"), _config(sites, config or {}), (), info, **tables, sites=names, layers=layers)


def _config(sites: int, changes: dict[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "model": {"_target_": "actlab.models.MLP", "depth": sites, "width": 100, "norm": "none",
                  "residual": False, "init": "he_normal"},
        "activation": {"name": "relu", "learn": [], "per": "tensor", "lean": False},
        "optimizer": {"_target_": "actlab.train.adam", "learning_rate": 1e-3, "weight_decay": 0.0,
                      "warmup_steps": 0, "clip_norm": None},
        "stats": {"level": "full", "every": 20}, "loss": "cross_entropy",
        "seed": 0, "steps": 400, "batch_size": 100, "dtype": "float32",
    }  # fmt: skip
    for path, value in changes.items():
        *parents, key = path.split(".")
        node = whole
        for parent in parents:
            node = node[parent]
        node[key] = value
    return whole
