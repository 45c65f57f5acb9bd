"""Samples per second of a run whose samples stay in a file, read by Grain, beside the same run from memory.

    python experiments/benchmarks/streaming.py FOLDER [--gigabytes 1.0] [--budget-mb 32] [--steps 600]

Writes once, into FOLDER, labelled noise pictures of 32 x 32 x 3 bytes (the size of CIFAR's; what they show does not
matter here), then trains the same small network on them both ways, each in a process of its own, and prints what
run.json says: the memory the compiled chunk takes on the device, samples and all, and the steps per second with
compilation apart; and whether the last checkpoints are the same, bit for bit. The page cache is warm for both.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

SAMPLE, TEST, CLASSES = (32, 32, 3), 1000, 10


def written(folder: Path, gigabytes: float) -> int:
    """Write the data set if it is not there; return how many training samples it has."""
    count = int(gigabytes * 1e9 / np.prod(SAMPLE))
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "y_test.npy").exists():
        rng = np.random.default_rng(0)
        marks = rng.integers(0, 256, (CLASSES, *SAMPLE), np.uint8)
        for split, n in (("train", count), ("test", TEST)):
            y = rng.integers(0, CLASSES, n)
            shape = (n, *SAMPLE)
            x = np.lib.format.open_memmap(folder / f"x_{split}.npy", "w+", np.uint8, shape)
            for i in range(0, n, 4096):
                noise = rng.integers(0, 256, (len(y[i : i + 4096]), *SAMPLE), np.uint8)
                x[i : i + 4096] = noise // 4 * 3 + marks[y[i : i + 4096]] // 4
            x.flush()
            np.save(folder / f"y_{split}.npy", y)
    return len(np.load(folder / "y_train.npy", mmap_mode="r"))


def trained(folder: Path, loader: str, overrides: list[str]) -> dict:
    """Train in a process of its own; return its run.json, with its peak of memory and CPU seconds."""
    out = folder / f"run-{loader}-{time.time_ns()}"
    command = [sys.executable, "-c", "from actlab.cli import main; main()", "train", *overrides]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [*command, f"data.loader={loader}", f"hydra.run.dir={out}"], check=True, stdout=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads((out / "run.json").read_text()) | {"cpu": cpu, "path": out}


def last(path: Path) -> dict[str, list]:
    """Return the checksums of a run's last checkpoint."""
    newest = max((path / "checkpoints").glob("*.json"), key=lambda p: int(p.stem))
    import orbax.checkpoint as ocp

    with ocp.StandardCheckpointer() as checkpointer:
        arrays = checkpointer.restore((path / "checkpoints" / newest.stem).absolute())
    return {name: np.asarray(a).tobytes() for name, a in arrays.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=1.0, help="of the training samples in the file")
    parser.add_argument("--budget-mb", type=float, default=32, help="of device memory for samples")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    a = parser.parse_intermixed_args()
    count = written(a.folder, a.gigabytes)
    floats = count * int(np.prod(SAMPLE)) * 4
    print(
        f"{count:,} training samples: {floats / 4e6:,.0f} MB in the file, as float32 {floats / 1e6:,.0f} MB"
    )
    job = [
        "data=file", f"data.path={a.folder}", f"data.budget_mb={a.budget_mb}", "model=mlp", "model.depth=1",
        "model.width=64", f"steps={a.steps}", "eval_every=200", "checkpoint_every=200", "stats.every=20",
        *a.overrides,
    ]  # fmt: skip
    found = []
    for _ in range(a.rounds):
        for loader in ("memory", "grain"):
            info = trained(a.folder, loader, job)
            found.append(info)
            print(
                f"{loader:6}  chunk on the device {info['memory_bytes'] / 1e6:8,.1f} MB   "
                f"{info['steps_per_second']:7.1f} steps/s   process {info['cpu']:6.1f} CPU s   "
                f"test loss {info['scores']['test loss']:.4f}",
                flush=True,
            )
    same = len({tuple(sorted(last(i["path"]).items())) for i in found}) == 1
    print(f"last checkpoints {'identical, bit for bit' if same else 'DIFFER'}; {found[0]['device']}")


if __name__ == "__main__":
    main()
