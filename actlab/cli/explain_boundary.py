"""``actlab explain boundary``: how each layer makes points of the plane linear, activations side by side."""

from __future__ import annotations

import argparse
import shlex
import sys
import webbrowser
from pathlib import Path

from actlab.errors import InputError

MOST = 8  # films on a page


def main(argv: list[str]) -> int:
    """Run ``actlab explain boundary``; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="actlab explain boundary",
        description="Train on points of the plane; show decision and hidden layers while it happens, and how well a "
        "linear probe does on every layer. Writes a page that needs no network, and a picture of the last moment.",
        epilog="example: actlab explain boundary data=moons activation=relu,tanh,sin model.width=6. Overrides as of "
        "`actlab train +experiment=planar`; with several values, a film for each.",
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="data=spirals activation=relu,tanh,sin"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("boundary"), metavar="DIR", help="folder, default: boundary"
    )
    parser.add_argument("--frames", type=int, default=32, help="moments of the training at most, default: 32")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    arguments = parser.parse_args(argv)
    if wrong := [a for a in arguments.overrides if "=" not in a]:
        raise InputError(f"{wrong[0]}: write overrides as key=value, like activation=relu,tanh")
    overrides = arguments.overrides
    if not any(o.startswith(("activation=", "activation.name=")) for o in overrides):
        overrides = ["activation=relu,tanh,sin", *overrides]
    from actlab.cli.composing import compose
    from actlab.cli.train import build_run
    from actlab.cli.variants import variants

    base = ["+experiment=planar", "stats=none"]
    runs = [(v.label, build_run(compose([*base, *v.overrides]))) for v in variants(overrides, most=MOST)]

    from rich.console import Console

    from actlab.explain.boundary import film
    from actlab.report.boundary import write_boundary

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
    films = []
    for label, run in runs:
        films.append((label or run.setup.act.name, film(run, frames=arguments.frames)))
        _tell(console, *films[-1])
    command = shlex.join(["actlab", "explain", "boundary", *argv])
    page, picture = write_boundary(arguments.out, films, data=runs[0][1].setup.data.name, command=command)
    console.print(f"{page}\n{picture}", soft_wrap=True)
    if arguments.open:
        webbrowser.open(page.resolve().as_uri())
    return 0


def _tell(console, label: str, film) -> None:
    probes = "  ".join(
        f"{name.removesuffix('.act')} {p:.1%}" for name, p in zip(film.layers, film.probes[-1], strict=True)
    )
    console.print(f"{label}: network {film.accuracy[-1]:.1%}; linear probe on {probes}", soft_wrap=True)
