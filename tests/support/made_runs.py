"""Made-up run folders as training leaves them: healthy, diverged, just begun, deep, learnt, whole-vector."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import made_full
import numpy as np
import polars as pl
import pytest
import yaml

from actlab.records import CURVES, EVENTS, UNITS

METRICS = {"step": pl.Int64, "site": pl.String, "quantity": pl.String, "value": pl.Float64}
HISTOGRAMS = {
    "step": pl.Int64,
    "site": pl.String,
    "tensor": pl.String,
    "low": pl.Float64,
    "high": pl.Float64,
    "counts": pl.List(pl.Int64),
    "nonfinite": pl.Int64,
}
FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "gelu": lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))),
    "swish": lambda x: x / (1 + np.exp(-1.3 * x)),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
}


def make_run(
    folder: Path,
    activation: str = "gelu",
    *,
    sites: int = 4,
    records: int = 40,
    state: str = "finished",
    learn: tuple[str, ...] = (),
    spread: float = 1.2,
    parts: int = 3,
    nans: bool = False,
    command: str | None = None,
    histograms: int = 5,
    samples: int = 2048,
    full: bool = False,
    sick: bool = False,
) -> Path:
    """Write a run folder whose numbers behave as a trained network's do, or with ``sick`` as a broken one's.

    ``full`` adds what ``stats=full`` records.
    """
    rng = np.random.default_rng(0)
    names = [f"blocks.{i}.act" for i in range(sites)]
    layers = [*(f"blocks.{i}.linear" for i in range(sites)), "head"]
    steps = (
        np.unique(np.linspace(4000 / max(records, 1), 4000, records).astype(int))
        if records
        else np.array([], int)
    )
    if records == 1:
        steps = np.array([100])
    rows: list[tuple[int, str, str, float]] = []
    bins: list[tuple] = []
    function = FUNCTIONS[activation]
    line = np.linspace(-8, 8, 801)
    slope = np.abs(np.gradient(function(line), 0.02))
    for k, step in enumerate(steps.tolist()):
        time = step / 4000
        train, test = 2.3 * math.exp(-4 * time) + 0.02, 2.3 * math.exp(-3 * time) + 0.3 + 0.2 * time
        last = k == len(steps) - 1
        if state == "diverged" and last:
            train = test = math.nan
        rows += [
            (step, "train", "loss", train * (1 + 0.1 * rng.normal() * (1 - time))),
            (step, "train", "accuracy", min(1.0, 1 - 0.9 * math.exp(-4 * time))),
            (step, "train", "learning_rate", 1e-3),
            (step, "test", "loss", test),
            (step, "test", "accuracy", 0.1 + 0.55 * (1 - math.exp(-3 * time))),
        ]
        for depth, name in enumerate(names):
            scale = spread * (1 + 1.5 * time) * (0.93 if sites < 20 else 0.99) ** depth
            x = scale * rng.normal(size=(samples // 32, 32)) - 0.3 * time
            if state == "diverged" and depth >= sites // 2 and last:
                x = x * np.nan
            y = function(x)
            for tensor, v in (("pre", x), ("post", y)):
                zero = float(np.mean(v == 0))
                for quantity, value in (
                    ("mean", v.mean()),
                    ("variance", v.var()),
                    ("min", v.min()),
                    ("max", v.max()),
                    ("zero_share", zero),
                ):
                    rows.append((step, name, f"{tensor}.{quantity}", float(value)))
                if k % max(1, len(steps) // histograms) == 0 or last:
                    good = v[np.isfinite(v)]
                    low, high = (float(good.min()), float(good.max())) if good.size else (math.nan, math.nan)
                    counts = np.histogram(good, 64, (low, high))[0].tolist() if good.size else [0] * 64
                    bins.append((step, name, tensor, low, high, counts, int(v.size - good.size)))
            flat = float(np.mean(np.interp(x, line, slope) < 0.01 * slope.max()))
            dead = 0.02 * depth * time if activation == "relu" else 0.0
            rows.append((step, name, "dead_share", math.nan if nans and k % 7 == 3 else dead))
            if activation != "softmax":
                rows.append((step, name, "saturated_share", math.inf if nans and k % 5 == 2 else flat))
            for parameter in learn:
                mean = 1 + 0.8 * (1 - math.exp(-5 * time)) * (0.4 + depth / sites)
                for end, shift in (("mean", 0.0), ("min", -0.15), ("max", 0.2)):
                    rows.append((step, name, f"param.{parameter}.{end}", mean + shift * time))
        for depth, name in enumerate(layers):
            norm = 0.5 * math.exp(-2 * time) * (0.8 if sites < 20 else 0.93) ** (sites - depth)
            norm *= math.exp(0.2 * rng.normal())
            bad = state == "diverged" and last
            rows += [
                (step, name, "gradient_norm", math.nan if bad else norm),
                (step, name, "update_ratio", math.nan if bad else 1e-3 * norm / (0.5 + depth / sites)),
                (step, name, "weight_norm", 8.0),
            ]
    tables = [("metrics", METRICS, rows), ("histograms", HISTOGRAMS, bins)]
    every = steps.tolist()
    if full:
        rows += made_full.metric_rows(every, names, layers, sick)
        tables += [
            ("units", UNITS, made_full.unit_rows(every, names, sick)),
            ("events", EVENTS, made_full.event_rows(every, sick)),
        ]
        if learn:
            tables.append(("curves", CURVES, made_full.curve_rows(every, names)))
    for sub, schema, table in tables:
        (folder / sub).mkdir(parents=True, exist_ok=True)
        size = -(-len(table) // parts) if table else 1
        for i in range(0, len(table), size):
            columns = zip(*table[i : i + size], strict=True)
            frame = pl.DataFrame(dict(zip(schema, map(list, columns), strict=True)), schema)
            frame.write_parquet(folder / sub / f"part-{i:010d}.parquet")
    (folder / ".hydra").mkdir(exist_ok=True)
    choice = {"name": activation, "learn": list(learn), "per": "channel" if learn else "tensor"}
    if activation == "swish":
        choice["beta"] = 1.0
    config = {
        "data": {"_target_": "actlab.data.mnist1d"},
        "model": {"_target_": "actlab.models.mlp", "depth": sites, "width": 100, "norm": "none"},
        "activation": choice,
        "optimizer": {"name": "adam", "learning_rate": 0.001, "schedule": {"name": "cosine", "warmup": 0}},
        "stats": {"every": 10},
        "seed": 0, "steps": 4000, "batch_size": 100, "eval_every": 100, "resume": None,
    }  # fmt: skip
    overrides = [f"activation={activation}", f"model.depth={sites}"]
    (folder / ".hydra" / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(overrides))
    broken = {
        "step": int(steps[-1]) if len(steps) else 37,
        "site": names[sites // 2],
        "value": "pre",
        "message": f"diverged at step 4000: the pre-activation at {names[sites // 2]} "
        "was the first non-finite value",
    }
    info = {
        "state": state,
        "step": int(steps[-1]) if len(steps) else 0,
        "steps": 4000,
        "command": command or f"actlab train {' '.join(overrides)} optimizer.learning_rate=1e-3",
        "started": "2026-11-22T14:30:00+00:00",
        "wall_time_s": 83.4,
        "compile_time_s": 2.1,
        "steps_per_second": 1843.2,
        "versions": {"actlab": "0.1.0", "jax": "0.10.2", "flax": "0.12.8"},
        "device": "cpu: 2 cores, x86_64",
        "git_commit": "0a1b2c3",
        "parameters": 15210,
        "sites": [*names, *(made_full.ATTENTION if full else ())],
        "layers": layers,
        "divergence": broken if state == "diverged" else None,
    }
    (folder / "run.json").write_text(json.dumps(info))
    return folder


KINDS: dict[str, dict] = {
    "healthy": {},
    "relu": {"activation": "relu", "sites": 8, "records": 200},
    "saturated": {"activation": "tanh", "spread": 12.0},
    "diverged": {"activation": "relu", "state": "diverged", "records": 12},
    "begun": {"state": "interrupted", "records": 1},
    "running": {"state": "running", "sites": 2, "records": 3},
    "deep": {"activation": "tanh", "sites": 60, "records": 30, "samples": 64},
    "long": {"activation": "tanh", "sites": 2, "records": 400, "samples": 64},
    "learnt": {"activation": "swish", "learn": ("beta",)},
    "softmax": {"activation": "softmax"},
    "nans": {"activation": "relu", "nans": True},
    "full": {"activation": "swish", "learn": ("beta",), "full": True},
    "sick": {"activation": "relu", "sites": 12, "full": True, "sick": True},
}


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give the folder of a kind of run, made once: read it, write only its report."""
    made: dict[str, Path] = {}

    def give(kind: str) -> Path:
        if kind not in made:
            made[kind] = make_run(tmp_path_factory.mktemp(kind), **KINDS[kind])
        return made[kind]

    return give


@pytest.fixture
def new_run(tmp_path: Path) -> Callable[..., Path]:
    """Make a run folder that a test may change."""
    return lambda name="run", **options: make_run(tmp_path / name, **options)
