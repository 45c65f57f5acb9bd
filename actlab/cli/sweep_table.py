"""``sweep.json``: which jobs a sweep has, where they are, and how each ended.

A job is what its config says, whatever its number: its ``identity`` is the SHA-256 of the composed config, without
what does not change the run (``logger``, ``objective``). With another config it is another job, in another folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from actlab.cli.sweep_pack import ENDED
from actlab.errors import InputError
from actlab.files import write_atomic

NO_PART = ("logger", "objective")  # of what a run is


@dataclass
class Record:
    """One job. ``state`` is waiting, running, one of ENDED, interrupted, not run or failed; ``message`` why.

    ``folder`` is relative to the sweep's; a job that could not be composed has neither folder nor identity.
    """

    number: int
    overrides: list[str]
    folder: str | None = None
    identity: str | None = None
    state: str = "waiting"
    message: str = ""
    step: int | None = None
    scores: dict[str, float | None] = field(default_factory=dict)


def identity(config: dict[str, Any]) -> str:
    """Return what tells a job from any other: the SHA-256 of its config, resolved."""
    kept = {k: v for k, v in config.items() if k not in NO_PART}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()


def digest(argv: Iterable[str]) -> str:
    """Return what two command lines of the same sweep have in common: all but how it is run and told of."""

    def matters(argument: str) -> bool:
        key = argument.split("=")[0].lstrip("+~")
        return not (key.startswith(("hydra.launcher", "launcher.", "logger")) or key == "hydra/launcher")

    return hashlib.sha256(json.dumps([a for a in argv if matters(a)]).encode()).hexdigest()


class Table:
    """The ``sweep.json`` of the folder ``path``; open it to write, one process at a time."""

    def __init__(self, path: Path):
        self.path = path
        self.facts: dict[str, Any] = {}
        self.records: list[Record] = []
        self._lock: int | None = None
        self._made = False

    def __enter__(self) -> Table:
        """Make the folder, take its lock, which a kill gives back, and read what is there.

        Raises:
            InputError: another process has it, or sweep.json is damaged.
            OSError: it cannot be written.

        """
        self.path.mkdir(parents=True, exist_ok=True)
        self._made = not any(self.path.iterdir())
        self._lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._unlock()
            raise InputError(
                f"{self.path} is a sweep that another process is running; wait for it or stop it"
            ) from None
        try:
            self.facts = read(self.path)
            self.records = [Record(**r) for r in self.facts.pop("jobs", [])]
        except TypeError as e:
            self._unlock()
            raise InputError(f"{self.path / 'sweep.json'} is damaged: {e}") from None
        except InputError:
            self._unlock()
            raise
        # A job without identity is known by its number alone, and what it could not be is to be tried anew.
        self.records = [r for r in self.records if r.identity is not None]
        for record in self.records:
            self._as_its_run_says(record)
        return self

    def __exit__(self, *_: object) -> None:
        if self._made and not self.records:  # nothing came of it: bad input leaves nothing behind
            for name in (".lock", "sweep.json", "sweep.log", "multirun.yaml"):
                (self.path / name).unlink(missing_ok=True)
            with suppress(OSError):
                self.path.rmdir()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _as_its_run_says(self, record: Record) -> None:
        """Correct a record by the run itself: a kill may have come between the two, or somebody deleted the run."""
        run = _json(self.path / (record.folder or "") / "run.json")
        state = (run or {}).get("state")
        if state in ENDED:
            record.state, record.step, record.scores = state, run.get("step"), run.get("scores") or {}
            record.message = (run.get("divergence") or {}).get("message") or run.get("pruned") or ""
        elif record.state in (*ENDED, "running"):
            record.state = "waiting" if state is None else "interrupted"

    def find(self, identity: str) -> Record | None:
        """Return the job of that identity."""
        return next((r for r in self.records if r.identity == identity), None)

    def write(self, **facts: Any) -> None:
        """Write sweep.json, whole or not at all.

        Raises:
            OSError: the folder is gone or full.

        """
        self.facts |= facts
        content = self.facts | {"jobs": [_finite(asdict(r)) for r in self.records]}
        write_atomic(self.path / "sweep.json", json.dumps(content, indent=1, allow_nan=False) + "\n")


def read(path: Path) -> dict[str, Any]:
    """Return what ``sweep.json`` of the folder ``path`` says, {} where there is none.

    Raises:
        InputError: it is damaged.

    """
    file = path / "sweep.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as e:
        raise InputError(f"{file} is damaged: {e}") from None
    if not isinstance(found, dict):
        raise InputError(f"{file} is damaged: it holds no object")
    return found


def newest(place: Path, wanted: str) -> Path | None:
    """Return the folder of the last sweep below ``place`` that a command of the digest ``wanted`` began."""
    found = [
        (facts.get("started", ""), file.parent)
        for file in place.glob("*/*-sweep*/sweep.json")
        if (facts := _json(file) or {}).get("command_sha256") == wanted
    ]
    return max(found)[1] if found else None


def _json(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
