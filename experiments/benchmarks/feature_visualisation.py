"""How long 16 channels of EfficientNet-Lite0 take to visualise: 128 pixels, 256 steps, compilation included.

    pip install '.[vision]'
    python experiments/benchmarks/feature_visualisation.py [--rival PYTHON] [--site head.act] [--steps 256]

Each tool is a process of its own, one after the other; ours without a compilation cache. ``--rival`` names the Python
of one with torch and lucent (feature_visualisation_rival.py says which). CPU seconds are those of the whole
process, imports and loading too, and say more than the clock where others use the machine; load is what it was before
each. Scores are the channels' means over positions on the images as they are, in our network, of both tools' images.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
THEIRS = {"head.act": "_bn1", "stem.act": "_bn0"}  # the module whose output is what the activation is given


def ours(site: str, units: int, size: int, steps: int, out: str) -> None:
    """Maximise the first channels of a site, save the images, print one line of JSON."""
    began = time.perf_counter()
    from actlab.cli.runtime import cores_as_devices

    cores_as_devices()
    from actlab.explain import Recipe, canvas, channels, lite0, maximise

    subject = lite0.subject(size)
    loaded = time.perf_counter()
    target = channels(subject, site, range(units))
    optimum = maximise(subject, target, canvas(subject, colours=lite0.COLOURS), Recipe(steps))
    wall = time.perf_counter() - loaded
    used = resource.getrusage(resource.RUSAGE_SELF)
    np.save(out, optimum.inputs[:, 0])
    told = {"wall": wall, "cpu": used.ru_utime + used.ru_stime, "load": loaded - began}
    print(json.dumps(told))


def scores(site: str, images: np.ndarray) -> np.ndarray:
    """Return each image's score for its own channel."""
    import jax.numpy as jnp

    from actlab.explain import channels, lite0

    subject = lite0.subject(images.shape[1])
    target = channels(subject, site, range(len(images)))
    values = subject.read(site, "pre")(subject.weights, jnp.asarray(images, jnp.float32))
    return np.asarray(jnp.diagonal(target.vector(values)[:, : len(images)]))


def main() -> None:
    """Run both tools and print a table."""
    if sys.argv[1:2] == ["--ours"]:
        ours(sys.argv[2], *map(int, sys.argv[3:6]), sys.argv[6])
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rival", metavar="PYTHON")
    parser.add_argument("--site", default="head.act")
    parser.add_argument("--units", type=int, default=16)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=256)
    a = parser.parse_args()
    block, _, layer = a.site.removeprefix("blocks.").removesuffix(".act").partition(".")
    theirs = THEIRS.get(a.site) or f"_blocks_{block}__bn{['expand', 'depthwise'].index(layer)}"
    work = [str(a.units), str(a.size), str(a.steps)]
    commands = {"actlab": [sys.executable, __file__, "--ours", a.site, *work]}
    if a.rival:
        commands["lucent"] = [a.rival, str(HERE / "feature_visualisation_rival.py"), theirs, *work]
    print(f"{a.units} channels of {a.site}, {a.size} px, {a.steps} steps; {os.cpu_count()} cores")
    print(f"{'':8}{'seconds':>9}{'CPU s':>9}{'load':>7}{'mean score':>12}")
    table = {}
    for name, command in commands.items():
        with tempfile.TemporaryDirectory() as folder:
            out = f"{folder}/images.npy"
            load = os.getloadavg()[0]
            done = subprocess.run([*command, out], stdout=subprocess.PIPE, text=True, check=True)
            told = table[name] = json.loads(done.stdout.splitlines()[-1])
            score = scores(a.site, np.load(out)).mean()
        print(f"{name:8}{told['wall']:9.1f}{told['cpu']:9.1f}{load:7.1f}{score:12.2f}", flush=True)
    if a.rival:
        ratios = (table["lucent"][k] / table["actlab"][k] for k in ("wall", "cpu"))
        print("lucent / actlab: {:.2f} by the clock, {:.2f} by CPU seconds".format(*ratios))


if __name__ == "__main__":
    main()
