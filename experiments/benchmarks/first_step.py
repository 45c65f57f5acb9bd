"""Seconds from starting ``actlab train`` to its first trained steps, and to its page, in fresh processes.

    python experiments/benchmarks/first_step.py [--runs 3]

Twice: with an empty compilation cache, as on the first run of a new configuration, and with a full one. The data are
cached beforehand. "First steps" is the moment the first line of progress appears, 100 steps in.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def once(folder: Path, name: str) -> tuple[float, float]:
    """Return seconds to the first line that starts with "step", and to the end."""
    command = [sys.executable, "-c", "from actlab.cli import main; main()", "train", f"hydra.run.dir={name}"]
    environment = os.environ | {"ACTLAB_CACHE": str(folder / "cache"), "PYTHONUNBUFFERED": "1"}
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        first = None
        for line in process.stdout:
            if first is None and line.startswith("step "):
                first = time.perf_counter() - began
    if process.returncode or first is None:
        sys.exit(f"actlab train failed with {process.returncode}")
    return first, time.perf_counter() - began


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        once(folder, "data")  # builds the data set
        for kind in ("empty", "full"):
            times = []
            for n in range(runs):
                if kind == "empty":
                    shutil.rmtree(folder / "cache" / "xla")
                times.append(once(folder, f"{kind}{n}"))
            first, end = (statistics.median(t) for t in zip(*times, strict=True))
            print(
                f"compilation cache {kind}: first 100 steps after {first:.1f} s (each run: "
                f"{', '.join(f'{t[0]:.1f}' for t in times)}), page after {end:.1f} s"
            )


if __name__ == "__main__":
    main()
