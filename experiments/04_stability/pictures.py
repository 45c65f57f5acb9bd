"""The report pictures of one healthy and three sick runs.

    python experiments/04_stability/pictures.py [--folder runs/04_pictures]      # 3 minutes on two cores

Trains each run with the command it prints, unless the folder has it already, and writes its picture beside this file:
``actlab report RUN --png`` in 200 colours so that the repository stays small (needs Pillow).
"""

from __future__ import annotations

import argparse
import io
import shlex
import subprocess
import sys
from pathlib import Path

from PIL import Image

from actlab.report import write_png

RUNS = {
    "healthy": "activation=gelu model.depth=6 steps=2000",
    # Each sigmoid passes at most a quarter of a gradient, and nothing makes up for it.
    "vanishing": "activation=sigmoid model.depth=20 model.init=lecun_normal steps=1000",
    # Three hundred times the usual learning rate throws whole layers of relus to where they are zero for good.
    "dying": "activation=relu model.depth=6 optimizer.learning_rate=0.3 steps=1000",
    # tanh(20 x): what weights twenty times too large make of a tanh.
    "saturated": "activation=scaled_tanh activation.a=1 activation.b=20 model.depth=6 steps=1000",
}


def main() -> None:
    """Train what is missing, draw the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("runs/04_pictures"))
    folder = parser.parse_args().folder
    for name, overrides in RUNS.items():
        words = ["train", *overrides.split(), "stats=full", f"hydra.run.dir={folder / name}"]
        print("actlab", shlex.join(words), flush=True)
        if not (folder / name / "run.json").exists():
            code = f"from actlab.cli import run; raise SystemExit(run({words!r}))"
            # A run that goes wrong has another exit code; its records are what is drawn.
            subprocess.run([sys.executable, "-c", code], check=False)
        path = Path(__file__).parent / f"{name}.png"
        write_png(folder / name, path, scale=1.5)
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            few = image.convert("RGB").quantize(
                200, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
            )
        few.save(path, optimize=True)
        print(f"{path}: {path.stat().st_size / 1e3:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
