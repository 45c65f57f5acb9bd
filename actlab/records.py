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


def read_part(path: Path, schema: dict[str, Any]) -> pl.DataFrame:
    """Return one part with the columns and types of ``schema``; its path is taken as it stands, brackets and all.

    Raises:
        OSError, polars.exceptions.PolarsError: the part is damaged or has other columns.

    """
    return pl.read_parquet(path, glob=False).select(pl.col(c).cast(t) for c, t in schema.items())
