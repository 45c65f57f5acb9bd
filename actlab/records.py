"""The tables of a run folder: their columns, and how a part is read, for whoever writes and whoever reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

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
# How many steps each unit of a site has let no gradient through, 0 for one that is alive.
UNITS = {"step": pl.Int64, "site": pl.String, "dead_for": pl.List(pl.Int32)}
# A site's activation as learnt so far: the mean over its units.
CURVES = {"step": pl.Int64, "site": pl.String, "x": pl.List(pl.Float64), "y": pl.List(pl.Float64)}
# What happened while training: kind is nonfinite, skip, rewind or spike.
EVENTS = {
    "step": pl.Int64,
    "kind": pl.String,
    "site": pl.String,
    "value": pl.Float64,
    "limit": pl.Float64,
    "message": pl.String,
}
TABLES = {
    "metrics": METRICS,
    "histograms": HISTOGRAMS,
    "units": UNITS,
    "curves": CURVES,
    "events": EVENTS,
}


def read_part(path: Path, schema: dict[str, Any]) -> pl.DataFrame:
    """Return one part with the columns and types of ``schema``; its path is taken as it stands, brackets and all.

    Raises:
        OSError, polars.exceptions.PolarsError: the part is damaged or has other columns.

    """
    return pl.read_parquet(path, glob=False).select(pl.col(c).cast(t) for c, t in schema.items())
