"""Test accuracy, PSNR, or root mean squared error of the runs under a folder: mean and spread over seeds.

python experiments/03_architectures/table.py runs/03_architectures
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections import defaultdict
from pathlib import Path

from omegaconf import OmegaConf

from actlab.data import psnr


def main(folder: Path) -> None:
    """Print a Markdown table of the finished runs anywhere below ``folder``."""
    found, circumstances = defaultdict(dict), set()
    for path in sorted(folder.rglob("run.json")):
        info = json.loads(path.read_text())
        if info["state"] != "finished":
            sys.exit(f"{path.parent} is {info['state']}: the table needs finished runs")
        choices = OmegaConf.load(path.parent / ".hydra" / "hydra.yaml").hydra.runtime.choices
        config = OmegaConf.load(path.parent / ".hydra" / "config.yaml")
        scores = info["scores"]
        accuracy = scores.get("test accuracy")
        unit = "%" if accuracy is not None else "dB" if choices.data == "picture" else "RMSE"
        loss = scores["test loss"]
        value = 100 * accuracy if unit == "%" else psnr(loss) if unit == "dB" else math.sqrt(loss)
        name = choices.experiment or f"{choices.model} on {choices.data}"
        kind = (name, choices.activation, info["parameters"], unit)
        found[kind][config.seed] = value
        circumstances.add((info["device"], f"jax {info['versions']['jax']}"))
    print("| experiment | activation | parameters | on the test split (mean ± sd) | each seed |")
    print("|---|---|---|---|---|")
    for (name, act, parameters, unit), by_seed in sorted(found.items()):
        values = [by_seed[seed] for seed in sorted(by_seed)]
        digits = 4 if unit == "RMSE" else 1
        spread = f"{statistics.stdev(values):.{digits}f}" if len(values) > 1 else "?"
        each = ", ".join(f"{v:.{digits}f}" for v in values)
        mean = f"{statistics.mean(values):.{digits}f}"
        print(f"| `{name}` | {act} | {parameters:,} | {mean} ± {spread} {unit} | {each} |")
    for device, jax in sorted(circumstances):
        print(f"\n{device}, {jax}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
