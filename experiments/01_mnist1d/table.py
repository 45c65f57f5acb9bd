"""Test accuracy of the runs of a sweep folder, by experiment: mean and standard deviation over seeds.

python experiments/01_mnist1d/table.py runs/01_mnist1d
"""

from __future__ import annotations

import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path

from omegaconf import OmegaConf

PUBLISHED = {"mnist1d_linear": 31.5, "mnist1d_mlp": 65.1, "mnist1d_conv": 92.3}


def main(folder: Path) -> None:
    """Print a Markdown table of the finished runs in ``folder``."""
    accuracies, seconds, circumstances = defaultdict(dict), defaultdict(list), set()
    for path in sorted(folder.glob("*/run.json")):
        info = json.loads(path.read_text())
        if info["state"] != "finished":
            sys.exit(f"{path.parent} is {info['state']}: the table needs finished runs")
        choices = OmegaConf.load(path.parent / ".hydra" / "hydra.yaml").hydra.runtime.choices
        seed = OmegaConf.load(path.parent / ".hydra" / "config.yaml").seed
        accuracies[choices.experiment, info["parameters"]][seed] = 100 * info["scores"]["test accuracy"]
        seconds[choices.experiment].append(info["wall_time_s"])
        circumstances.add((info["git_commit"], info["device"], f"jax {info['versions']['jax']}"))
    print(
        "| experiment | parameters | test accuracy, % (mean ± sd) | each seed | paper's notebook | s a run |"
    )
    print("|---|---|---|---|---|---|")
    for (name, parameters), by_seed in accuracies.items():
        values = [by_seed[seed] for seed in sorted(by_seed)]
        spread = statistics.stdev(values) if len(values) > 1 else float("nan")
        each = ", ".join(f"{v:.1f}" for v in values)
        taken = statistics.median(seconds[name])
        print(
            f"| `{name}` | {parameters:,} | {statistics.mean(values):.1f} ± {spread:.1f} | {each} "
            f"| {PUBLISHED[name]} | {taken:.0f} |"
        )
    for commit, device, jax in sorted(circumstances, key=str):
        print(f"\ncommit {commit}, {device}, {jax}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
