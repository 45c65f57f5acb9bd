"""``actlab explain boundary``: how each layer makes points of the plane linear, activations side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actlab.cli import explaining

if TYPE_CHECKING:
    from rich.console import Console

    from actlab.explain.boundary import Film

MOST = 8  # films on a page


def main(argv: list[str]) -> int:
    """Run ``actlab explain boundary``; return its exit code."""
    parser = explaining.parser(
        "boundary",
        "Train on points of the plane; show decision and hidden layers while it happens, and how well a linear probe "
        "does on every layer. Writes a page that needs no network, and a picture of the last moment. Overrides as of "
        "`actlab train +experiment=planar`; with several values, a film for each.",
        "actlab explain boundary data=moons activation=relu,tanh,sin model.width=6",
        out="boundary",
    )
    parser.add_argument("--frames", type=int, default=32, help="moments of the training at most, default: 32")
    arguments = explaining.with_overrides(parser, argv, "data=spirals activation=relu,tanh,sin")
    overrides = arguments.overrides
    if not any(o.startswith(("activation=", "activation.name=")) for o in overrides):
        overrides = ["activation=relu,tanh,sin", *overrides]
    from actlab.cli.variants import built, names

    runs = built(overrides, ["+experiment=planar", "stats=none"], most=MOST)

    from actlab.explain.boundary import film
    from actlab.report.boundary import write_boundary

    console = explaining.console()
    films = []
    for label, run in runs:
        films.append((label, film(run, frames=arguments.frames)))
        _tell(console, *films[-1])
    data = names(run.setup.data.name for _, run in runs)
    made = explaining.command("boundary", argv)
    page, picture = write_boundary(arguments.out, films, data=data, command=made)
    return explaining.finish(console, page, picture, show=arguments.open)


def _tell(console: Console, label: str, film: Film) -> None:
    probes = "  ".join(
        f"{name.removesuffix('.act')} {p:.1%}" for name, p in zip(film.layers, film.probes[-1], strict=True)
    )
    told = f"{label}: network {film.accuracy[-1]:.1%}; linear probe on {probes}"
    console.print(told, soft_wrap=True)
