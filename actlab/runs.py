"""A run folder as plain values: configuration, run.json, and the tables of records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from actlab.errors import InputError
from actlab.records import TABLES, read_part


@dataclass(frozen=True)
class Run:
    """Everything a report is drawn from; ``sites`` and ``layers`` stand in forward order."""

    folder: Path
    config: dict[str, Any]
    overrides: tuple[str, ...]
    info: dict[str, Any]
    metrics: pl.DataFrame
    histograms: pl.DataFrame
    units: pl.DataFrame
    curves: pl.DataFrame
    events: pl.DataFrame
    sites: tuple[str, ...]
    layers: tuple[str, ...]

    @cached_property
    def _parts(self) -> dict[tuple, pl.DataFrame]:
        return self.metrics.partition_by("site", "quantity", as_dict=True)

    def series(self, site: str, quantity: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the steps and values of one quantity at one site, NaN where a value is missing."""
        rows = self._parts.get((site, quantity), self.metrics.clear())
        return rows["step"].to_numpy(), rows["value"].fill_null(float("nan")).to_numpy()

    def last(self, site: str, quantity: str) -> float | None:
        """Return the last recorded value (which may be NaN), or None where there is none."""
        _, values = self.series(site, quantity)
        return float(values[-1]) if len(values) else None

    def grid(self, sites: tuple[str, ...], quantity: str) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
        """Return steps, the sites that have ``quantity``, and values[site, step].

        NaN means that nothing was recorded there, infinity that what was recorded is not finite.
        """
        kept = tuple(site for site in sites if (site, quantity) in self._parts)
        lines = [self.series(site, quantity) for site in kept]
        steps = np.unique(np.concatenate([at for at, _ in lines])) if lines else np.array([], dtype=int)
        values = np.full((len(kept), len(steps)), np.nan)
        for row, (at, recorded) in zip(values, lines, strict=True):
            row[np.searchsorted(steps, at)] = np.where(np.isfinite(recorded), recorded, np.inf)
        return steps, kept, values

    def layer_of(self, site: str) -> str | None:
        """Return the layer that feeds ``site``: its namesake, or the one at the same depth."""
        stem = site.rpartition(".")[0]
        before = None
        for (
            layer
        ) in self.layers:  # in forward order: the last of the block before the site itself, if it learns
            if layer == site:
                break
            if stem and layer.rpartition(".")[0] == stem:
                before = before or layer
        if before is not None:
            return before
        place = self.sites.index(site) if site in self.sites else len(self.layers)
        return self.layers[place] if place < len(self.layers) else None


def read_run(folder: Path) -> Run:
    """Read a run folder, finished or not.

    Raises InputError where the folder is not a run, has no metrics yet, or holds a file that cannot be read.
    """
    folder = Path(folder)
    parts = sorted((folder / "metrics").glob("part-*.parquet"))
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder")
    if not (folder / "run.json").exists() and not parts:
        raise InputError(f"{folder} is not a run folder: it has neither run.json nor metrics")
    info = _read_info(folder / "run.json")
    if not parts and info.get("state") != "diverged":
        raise InputError(f"{folder} has no metrics yet: nothing to report")
    tables = {name: _read_parts(folder, name) for name in TABLES}
    metrics = tables["metrics"]
    config = _read_yaml(folder / ".hydra" / "config.yaml")
    overrides = _read_yaml(folder / ".hydra" / "overrides.yaml")
    # "train" has the norm of the whole gradient, which is no layer's.
    is_gradient = (pl.col("quantity") == "gradient_norm") & (pl.col("site") != "train")
    is_site = pl.col("quantity").str.contains(r"^(pre|post)\.|^(dead|saturated)_share$")
    return Run(
        folder=folder,
        config=config if isinstance(config, dict) else {},
        overrides=tuple(map(str, overrides)) if isinstance(overrides, list) else (),
        info=info,
        **tables,
        sites=_ordered(info.get("sites"), metrics.filter(is_site)),
        layers=_ordered(info.get("layers"), metrics.filter(is_gradient)),
    )


def scan(folder: Path, name: str) -> pl.LazyFrame:
    """Return a table of a run folder as a lazy frame, in order of step; of rows written twice the later part wins.

    Nothing but the names of the parts is read before it is collected, and then what is asked for.

    Raises:
        InputError: the folder is not a run.

    """
    folder = Path(folder)
    parts = sorted((folder / name).glob("part-*.parquet"))
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder")
    if not (folder / "run.json").exists() and not (folder / "metrics").is_dir():
        raise InputError(f"{folder} is not a run folder: it has neither run.json nor metrics")
    schema = TABLES[name]
    if not parts:
        return pl.LazyFrame(schema=schema)
    rows = pl.scan_parquet(parts, glob=False).select(pl.col(c).cast(t) for c, t in schema.items())
    return rows.unique(subset=_key(schema), keep="last", maintain_order=True).sort(
        "step", maintain_order=True
    )


def scan_many(folders: Sequence[Path], name: str) -> pl.LazyFrame:
    """Return a table of many run folders as one lazy frame with a first column ``run``, run by run, in order of step.

    As `scan`, but the parts of all runs are read together: a frame for each run is many to put together again.

    Raises:
        InputError: a folder is not a run.

    """
    schema = TABLES[name]
    order: dict[str, int] = {}
    for i, folder in enumerate(map(Path, folders)):
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder")
        if not any((folder / sign).exists() for sign in ("run.json", "metrics", ".hydra")):
            raise InputError(f"{folder} is not a run folder: it has neither run.json nor metrics")
        order |= dict.fromkeys(map(str, sorted((folder / name).glob("part-*.parquet"))), i)
    if not order:
        return pl.LazyFrame(schema={"run": pl.String, **schema})
    of = pl.LazyFrame({"file": list(order), "at": list(order.values())})
    names = pl.LazyFrame(
        {"at": range(len(folders)), "run": [str(f) for f in folders]}, {"at": pl.Int64, "run": pl.String}
    )
    rows = pl.scan_parquet(list(order), glob=False, include_file_paths="file")
    rows = rows.select("file", *(pl.col(c).cast(t) for c, t in schema.items()))
    rows = rows.join(of, on="file", how="left", maintain_order="left").drop("file")
    rows = rows.unique(subset=["at", *_key(schema)], keep="last", maintain_order=True)
    rows = rows.sort("at", "step", maintain_order=True)
    return rows.join(names, on="at", how="left", maintain_order="left").select("run", *schema)


def damaged(folder: Path, name: str) -> str | None:
    """Return what is wrong with the first part of a table that cannot be read, None if all can."""
    try:
        _read_parts(Path(folder), name)
    except InputError as error:
        return str(error)
    return None


def _key(schema: dict[str, Any]) -> list[str]:
    return [c for c in ("step", "site", "quantity", "tensor", "kind") if c in schema]


def _ordered(named: object, rows: pl.DataFrame) -> tuple[str, ...]:
    """Return the names run.json lists, then those that only the rows know."""
    listed = [str(name) for name in named] if isinstance(named, list) else []
    return tuple(dict.fromkeys([*listed, *rows["site"].unique(maintain_order=True).drop_nulls()]))


def _read_info(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {_line(error)}") from error
    if not isinstance(info, dict):
        raise InputError(f"{path} cannot be read: it holds no object")
    return info


def _read_yaml(path: Path) -> Any:
    if not path.exists():
        return None
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read: {_line(error)}") from error


def _read_parts(folder: Path, name: str) -> pl.DataFrame:
    """Read all parts of a table sorted by step; of rows written twice the later part wins."""
    schema = TABLES[name]
    frames = [pl.DataFrame(schema=schema)]
    for part in sorted((folder / name).glob("part-*.parquet")):
        try:
            frames.append(read_part(part, schema))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise InputError(f"{part} is damaged and cannot be read: {_line(error)}") from error
    table = pl.concat(frames).unique(subset=_key(schema), keep="last", maintain_order=True)
    return table.sort("step", maintain_order=True)


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
