"""Draw what coordinate networks have made of their picture: the picture, then one panel a run, with its PSNR.

python experiments/03_architectures/pictures.py OUT.png RUN [RUN ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

import jax
import numpy as np
from flax import nnx
from omegaconf import OmegaConf
from PIL import Image, ImageDraw

from actlab.cli.build import build
from actlab.data import psnr
from actlab.train.checkpoint import Checkpoints

SCALE, MARGIN, LINE = 2, 8, 16


def drawn(values: np.ndarray) -> Image.Image:
    """Return colours (size**2, 3) in [-1, 1] as an image."""
    size = round(len(values) ** 0.5)
    pixels = np.clip((values + 1) * 127.5, 0, 255).round().astype(np.uint8).reshape(size, size, 3)
    return Image.fromarray(pixels).resize((size * SCALE, size * SCALE), Image.Resampling.NEAREST)


def reconstructed(folder: Path) -> tuple[str, np.ndarray, np.ndarray]:
    """Return a run's activation, its network's colours at every coordinate, and the true ones."""
    run = build(OmegaConf.load(folder / ".hydra" / "config.yaml"))
    program, data = run.program, run.setup.data
    state = Checkpoints(folder / "checkpoints").restore(jax.eval_shape(program.init, run.numbers))
    if state is None:
        sys.exit(f"{folder} has no checkpoint")
    model = nnx.merge(program.graphdef, state.params, state.rest)
    return run.setup.act.name, np.asarray(model(data.x_test)), data.y_test


def main(out: Path, folders: list[Path]) -> None:
    """Write the picture."""
    found = [reconstructed(folder) for folder in folders]
    true = found[0][2]
    panels = [("the picture", true)]
    panels += [(f"{name}: {psnr(float(np.mean((y - true) ** 2))):.1f} dB", y) for name, y, _ in found]
    images = [(title, drawn(values)) for title, values in panels]
    side = images[0][1].width
    whole = Image.new("RGB", (len(images) * (side + MARGIN) + MARGIN, side + LINE + 2 * MARGIN), "white")
    pen = ImageDraw.Draw(whole)
    for i, (title, image) in enumerate(images):
        left = MARGIN + i * (side + MARGIN)
        pen.text((left, MARGIN // 2), title, fill="black")
        whole.paste(image, (left, LINE + MARGIN))
    whole.save(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(a) for a in sys.argv[2:]])
