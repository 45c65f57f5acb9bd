"""A run's folder: metrics in parts that are written whole, and ``run.json`` with the run's state.

``metrics/part-<last step>.parquet`` has rows (step, site, quantity, value), ``histograms/part-<step>.parquet``
rows (step, site, tensor, low, high, counts, nonfinite); ``units``, ``curves`` and ``events`` likewise, see
``actlab.records``. Nothing in them depends on the clock, so a run that was
killed and resumed leaves the same rows as one that was not.
"""

from __future__ import annotations

import fcntl
import io
import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from actlab.errors import InputError
from actlab.files import write_atomic
from actlab.records import METRICS, TABLES, read_part

Row = tuple[int, str, str, float]


class RunFolder:
    """One run's folder; open it to write, one process at a time."""

    def __init__(self, path: Path):
        self.path = path
        self.checkpoints = path / "checkpoints"
        self._lock: int | None = None

    def __enter__(self) -> RunFolder:
        """Create what is missing and take the folder's lock, which a kill gives back.

        Raises:
            InputError: another process is writing this run.
            OSError: the folder cannot be written.

        """
        for sub in TABLES:
            (self.path / sub).mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            self._lock = None
            raise InputError(
                f"{self.path} is being written by another process; wait for it or stop it"
            ) from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def write_rows(self, step: int, rows: Iterable[Row], **tables: Iterable[tuple[Any, ...]]) -> None:
        """Write the rows up to and including ``step`` as one part of each table that has any; metrics always.

        ``tables`` are named as in ``actlab.records.TABLES``.
        """
        for name, lines in (tables | {"metrics": rows}).items():
            table = pl.DataFrame(list(lines), TABLES[name], orient="row")
            if len(table) or name == "metrics":
                self._write(name, step, table)

    def _write(self, sub: str, step: int, table: pl.DataFrame) -> None:
        buffer = io.BytesIO()
        table.write_parquet(buffer)
        write_atomic(self.path / sub / f"part-{step:010d}.parquet", buffer.getvalue())

    def drop_after(self, step: int) -> None:
        """Remove the parts that hold rows later than ``step``, and what a kill left half-written."""
        for sub in TABLES:
            for part in (self.path / sub).iterdir():
                if part.name.startswith(".") or int(part.stem.removeprefix("part-")) > step:
                    part.unlink()

    def metrics(self) -> pl.DataFrame:
        """Return all rows so far, in order."""
        parts = sorted((self.path / "metrics").glob("part-*.parquet"))
        return pl.concat([read_part(p, METRICS) for p in parts]) if parts else pl.DataFrame(schema=METRICS)

    def read(self) -> dict[str, Any]:
        """Return ``run.json``.

        Raises:
            InputError: the folder is not a run's.

        """
        path = self.path / "run.json"
        try:
            return json.loads(path.read_text())
        except FileNotFoundError:
            raise InputError(f"{self.path} is not a run folder: it has no run.json") from None
        except ValueError as e:
            raise InputError(f"{path} is damaged: {e}") from None

    def write(self, **entries: Any) -> None:
        """Update entries of ``run.json``; numbers that are not finite, which JSON does not know, become null."""
        path = self.path / "run.json"
        before = self.read() if path.exists() else {}
        write_atomic(path, json.dumps(_finite(before | entries), indent=2, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
