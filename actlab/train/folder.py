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
import logging
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from actlab.errors import InputError
from actlab.files import is_full, write_atomic
from actlab.records import METRICS, TABLES, read_part

log = logging.getLogger(__name__)

Row = tuple[int, str, str, float]
KEEP_BYTES = 64 * 2**20  # of records that a full disk does not take, for when there is room again


class RunFolder:
    """One run's folder; open it to write, one process at a time.

    Where the disk fills while a run is ``lasting``, it goes on: parts of the records wait in memory, the newest
    ``KEEP_BYTES`` of them, and are tried again with every later part. No checkpoint may be saved meanwhile
    (``waiting``), so that a run that is killed resumes before the gap. ``settle`` ends this: the disk takes all
    that waits, or the error is raised.
    """

    def __init__(self, path: Path):
        self.path = path
        self.checkpoints = path / "checkpoints"
        self._lock: int | None = None
        self._lasting = False
        self._told = False
        self._parts: dict[Path, tuple[bytes, int]] = {}  # content and number of rows, oldest first
        self._entries: dict[str, Any] = {}
        self._lost = 0

    def __enter__(self) -> RunFolder:
        """Create what is missing and take the folder's lock, which a kill gives back.

        Raises:
            InputError: another process is writing this run.
            OSError: the folder cannot be written.

        """
        for sub in ("metrics", "histograms"):
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
        self._parts[self.path / sub / f"part-{step:010d}.parquet"] = buffer.getvalue(), len(table)
        with self.lasting("records"):
            self._flush()
        while sum(len(content) for content, _ in self._parts.values()) > KEEP_BYTES:
            _, rows = self._parts.pop(next(iter(self._parts)))
            self._lost += rows

    def _flush(self) -> None:
        for path, (content, _) in list(self._parts.items()):
            path.parent.mkdir(exist_ok=True)
            write_atomic(path, content)
            del self._parts[path]

    @property
    def waiting(self) -> bool:
        """Whether some records are not on the disk yet."""
        return bool(self._parts)

    def last(self) -> None:
        """From here on a full disk is told once and does not end the run, until ``settle``."""
        self._lasting = True

    @contextmanager
    def lasting(self, what: str) -> Iterator[None]:
        """Pass over a full disk's error if it is not to end the run; the first is told in one line."""
        try:
            yield
        except OSError as e:
            if not (self._lasting and is_full(e)):
                raise
            if not self._told:
                self._told = True
                log.warning(
                    "%s for the %s of %s: training goes on, records wait in memory and no checkpoint is saved "
                    "until there is room",
                    e.strerror,
                    what,
                    self.path,
                )

    def settle(self) -> None:
        """Write what waits.

        Raises:
            OSError: there is still no room; what is missing and how to go on is said in its one line.

        """
        self._lasting = False
        missing = sum(rows for _, rows in self._parts.values())
        try:
            self._flush()
            if self._told:
                self.write(records_lost=self._lost)
        except OSError as e:
            what = f"{missing:,} rows" if missing else "run.json"
            told = (
                f"{what} of {self.path}; make room, then resume={self.path} goes on from its last checkpoint"
            )
            raise OSError(e.errno, e.strerror, told) from e
        if self._lost:
            log.warning("%s rows of %s were lost while the disk was full", f"{self._lost:,}", self.path)
        self._told = False

    def drop_after(self, step: int) -> None:
        """Remove the parts that hold rows later than ``step``, and what a kill left half-written."""
        for sub in filter(Path.is_dir, map(self.path.joinpath, TABLES)):
            for part in sub.iterdir():
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
        self._entries |= entries
        content = json.dumps(_finite(before | self._entries), indent=2, allow_nan=False) + "\n"
        with self.lasting("state"):
            write_atomic(path, content)
            self._entries.clear()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
