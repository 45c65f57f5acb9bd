"""The atlases of EfficientNet-Lite0 and of two small runs that neurons.md shows.

    pip install '.[vision]' scikit-image
    python experiments/06_explain/neurons.py [--folder runs/06_neurons]     # 10 minutes on two cores

Runs each command it prints, unless its folder is there, and writes its atlas beside this file at half size as a
JPEG, so that the repository stays small. The photographs are scikit-learn's two and eight that scikit-image ships.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

PHOTOS = {
    "sklearn/datasets/images": ("china.jpg", "flower.jpg"),
    "skimage/data": (
        "astronaut.png",
        "chelsea.png",
        "coffee.png",
        "hubble_deep_field.jpg",
        "ihc.png",
        "motorcycle_left.png",
        "retina.jpg",
        "rocket.jpg",
    ),
}
LITE0 = "--model efficientnet-lite0 --images {folder}/photos"
CLASSES = "palace,daisy,'tiger cat',goldfish,volcano,'coffee mug',zebra,balloon"
EXPLAINED = {
    "blocks_1": f"{LITE0} --site blocks.1.expand.act",
    "blocks_4": f"{LITE0} --site blocks.4.expand.act",
    "blocks_8": f"{LITE0} --site blocks.8.expand.act",
    "head": f"{LITE0} --site head.act",
    "classes": f"{LITE0} --classes {CLASSES} --maco --learning-rate 0.2",
    "digits": "{folder}/digits --site blocks.1.act",
    "mnist1d": "{folder}/mnist1d --site blocks.1.act --channels 0-7",
}
TRAINED = {
    "digits": "model=convnet data=digits model.width=16 steps=600 eval_every=200 checkpoint_every=200",
    "mnist1d": "+experiment=mnist1d_conv steps=2000",
}


def actlab(words: str) -> None:
    """Run a command of ours."""
    print("actlab", words, flush=True)
    code = f"from actlab.cli import run; raise SystemExit(run({shlex.split(words)!r}))"
    subprocess.run([sys.executable, "-c", code], check=True)


def main() -> None:
    """Run what is missing, reduce the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("runs/06_neurons"))
    folder = parser.parse_args().folder
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    for place, names in PHOTOS.items():
        package, _, inner = place.partition("/")
        root = Path(find_spec(package).submodule_search_locations[0], inner)
        for name in names:
            shutil.copy(root / name, folder / "photos" / name)
    for name, overrides in TRAINED.items():
        if not (folder / name / "run.json").exists():
            actlab(f"train {overrides} hydra.run.dir={folder / name}")
    for name, words in EXPLAINED.items():
        out = folder / f"explained_{name}"
        if not (out / "atlas.png").exists():
            actlab(f"explain neuron {words.format(folder=folder)} --out {out}")
        path = Path(__file__).parent / f"neurons_{name}.jpg"
        with Image.open(out / "atlas.png") as image:
            half = image.convert("RGB").resize(
                (image.width // 2, image.height // 2), Image.Resampling.LANCZOS
            )
        half.save(path, quality=88, optimize=True)
        print(f"{path}: {path.stat().st_size / 1e3:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
