"""What `faults.py` does its faults to: a sweep in a process, what is in its folders, and what came of it."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from actlab.cli.sweep_pack import ENDED
from actlab.records import TABLES
from actlab.train.checkpoint import Checkpoints

STEPS = 2000
SETTING = [
    "model.width=32", f"steps={STEPS}", "eval_every=100", "checkpoint_every=100", "stats.every=20",
    "hydra/launcher=vmap", "launcher.lanes=4", "launcher.save_every_s=2",
]  # fmt: skip
GRID = ["activation=relu,gelu,tanh", "seed=range(4)", "optimizer.learning_rate=1e-3,1e-2"]
JOBS = 24


@dataclass
class Row:
    """What was done, what the sweep said, what came of it."""

    fault: str
    done: str
    jobs: int
    said: list[str] = field(default_factory=list)
    exits: list[int | None] = field(default_factory=list)
    finished: int = 0
    reported: int = 0
    equal: str = ""
    wrong: list[str] = field(default_factory=list)

    def expect(self, true: bool, what: str) -> None:
        """Note ``what`` as wrong unless it is true."""
        if not true:
            self.wrong.append(what)

    def tell(self) -> None:
        """Print it."""
        print(f"\n{self.fault}\n  done      {self.done}")
        for line in self.said:
            print(f"  said      {line}")
        print(f"  exits     {', '.join(map(str, self.exits))}")
        print(f"  finished  {self.finished} of {self.jobs}; told of by job {self.reported} of {self.jobs}")
        print(f"  equal     {self.equal}")
        for line in self.wrong:
            print(f"  WRONG     {line}")
        sys.stdout.flush()


# -- a sweep in a process ------------------------------------------------------------------------------------


class Process:
    """A sweep in ``folder``, begun or gone on with; what it prints is in ``out``."""

    def __init__(self, folder: Path, jobs: Sequence[str] = GRID, *setting: str):
        self.place = folder.parent.parent if folder.parent.is_mount() else folder.parent
        self.log = self.place / f"{folder.name}.{time.monotonic_ns()}.log"
        argv = ["train", "-m", *SETTING, *setting, *jobs, f"hydra.sweep.dir={folder}"]
        command = [sys.executable, "-c", "from actlab.cli import main; main()", *argv]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, cwd=self.place, stdout=log, stderr=log)

    @property
    def out(self) -> str:
        """What it has printed."""
        return self.log.read_text(errors="replace")

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def until(self, true: Callable[[], bool], seconds: float = 600) -> bool:
        """Wait; return False if the process ended first."""
        deadline = time.monotonic() + seconds
        while not true():
            if not self.alive:
                return true()
            if time.monotonic() > deadline:
                self.process.kill()
                raise TimeoutError(self.out)
            time.sleep(0.01)
        return True

    def end(self) -> int:
        """Wait for its end; return its exit status."""
        return self.process.wait(timeout=900)

    def lines(self, pattern: str = "") -> list[str]:
        """Return what it said of jobs, as a whole and one by one, and its warnings; those with ``pattern``."""
        told = [s for s in self.out.splitlines() if re.match(r"\d+ jobs:|all \d+ jobs|job \d+ |actlab:", s)]
        return [s.replace(f"{self.place}/", "") for s in told if re.search(pattern, s)]


def info(folder: Path) -> dict:
    """Return a run's run.json, {} where there is none."""
    with suppress(OSError, ValueError):
        return json.loads((folder / "run.json").read_text())
    return {}


def runs(sweep: Path) -> list[Path]:
    """Return the run folders of a sweep."""
    return sorted((p.parent for p in sweep.glob("*/run.json")), key=lambda p: p.name)


def ended(sweep: Path) -> list[Path]:
    """Return the folders of the runs that have ended."""
    return [p for p in runs(sweep) if info(p).get("state") in ENDED]


def progress(sweep: Path) -> float:
    """Return the share of all steps that is on the disk."""
    return sum(info(p).get("step") or 0 for p in runs(sweep)) / (JOBS * STEPS)


def records(sweep: Path) -> list[dict]:
    """Return what sweep.json says of each job."""
    return json.loads((sweep / "sweep.json").read_text())["jobs"]


def stamp(folder: Path) -> dict[str, tuple[int, str]]:
    """Return of every file when it was written and its SHA-256."""
    return {
        str(p.relative_to(folder)): (p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).hexdigest())
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


# -- comparing -----------------------------------------------------------------------------------------------


def contents(folder: Path) -> tuple[dict[str, pl.DataFrame], dict[str, bytes]]:
    """Return all tables of a run, and all arrays of its last checkpoint."""
    import orbax.checkpoint as ocp

    tables = {}
    for name, schema in TABLES.items():
        parts = sorted((folder / name).glob("part-*.parquet"))
        tables[name] = pl.concat([pl.DataFrame(schema=schema), *map(pl.read_parquet, parts)])
    step = Checkpoints(folder / "checkpoints").steps()[-1]
    with ocp.StandardCheckpointer() as checkpointer:
        arrays = checkpointer.restore((folder / "checkpoints" / str(step)).absolute())
    return tables, {name: np.asarray(a).tobytes() for name, a in arrays.items()} | {
        "step": str(step).encode()
    }


def compare(sweep: Path, reference: Path, row: Row, *, but: int = 0) -> None:
    """Say how many jobs of ``reference`` are the same, bit for bit, in ``sweep``; ``but`` others have no like."""
    there = {r["identity"]: sweep / r["folder"] for r in records(sweep) if r["identity"]}
    same, wanted = 0, records(reference)
    for record in wanted:
        one = contents(reference / record["folder"])
        try:
            other = contents(there[record["identity"]])
        except (KeyError, IndexError, OSError, ValueError) as e:
            row.expect(False, f"{' '.join(record['overrides'])}: {e!r}")
            continue
        tables = all(one[0][n].equals(other[0][n], null_equal=True) for n in TABLES)
        same += tables and one[1] == other[1]
    row.equal = f"{same} of {len(wanted)} bit-identical to the sweep undisturbed"
    row.expect(same == len(wanted), "a result differs")
    found = records(sweep)
    row.finished = sum(r["state"] in ENDED for r in found)
    row.reported = sum(r["state"] in ENDED or bool(r["message"]) for r in found)
    row.expect(len(found) == row.jobs == row.reported, "a job is not told of")
    row.expect(row.finished == len(wanted) + but, "a job that could run has not ended")
