"""``actlab explain network``: what becomes of a signal through depth at first, and what training then did."""

from __future__ import annotations

import argparse
import shlex
import sys
import webbrowser
from pathlib import Path
from typing import Any

from actlab.errors import InputError

MOST = 21  # lines that are told apart: 7 colours by 3 dashes


def main(argv: list[str]) -> int:
    """Run ``actlab explain network``; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="actlab explain network",
        description="Measure variance, the cosine of two inputs and the gradient by depth, over many "
        "initialisations, for every combination of the overrides; then train some of them. Writes a page that needs "
        "no network, and a picture.",
        epilog="example: actlab explain network data=digits model.depth=20 activation=relu,tanh "
        "model.norm=none,layer steps=600. Overrides as of `actlab train`.",
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="activation=relu,tanh model.norm=none,layer"
    )
    parser.add_argument("--seeds", type=int, default=16, help="initialisations measured, default: 16")
    parser.add_argument(
        "--train", type=int, default=1, metavar="N", help="of them trained, default: 1; 0 for none"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("network"), metavar="DIR", help="folder, default: network"
    )
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    arguments = parser.parse_args(argv)
    if wrong := [a for a in arguments.overrides if "=" not in a]:
        raise InputError(f"{wrong[0]}: write overrides as key=value, like activation=relu,tanh")
    from actlab.cli.composing import compose
    from actlab.cli.train import build_run
    from actlab.cli.variants import variants

    found = variants(arguments.overrides, most=MOST)
    runs = [(v.label, build_run(compose(["stats=none", *v.overrides]))) for v in found]

    from rich.console import Console

    from actlab.explain.propagation import propagation
    from actlab.report.explain_page import write_explanation
    from actlab.report.propagation import explanation

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    told: list[tuple[str, Any]] = []
    for label, run in runs:
        told.append(
            (label or run.setup.act.name, propagation(run, seeds=arguments.seeds, trained=arguments.train))
        )
        console.print(f"measured {told[-1][0]}", style="dim")
    first = runs[0][1].setup
    page = explanation(told, first.model.function.__name__, first.data.name)
    table(console, page)
    command = shlex.join(["actlab", "explain", "network", *argv])
    html, picture = write_explanation(arguments.out, page, command=command)
    console.print(f"{html}\n{picture}", soft_wrap=True)
    if arguments.open:
        webbrowser.open(html.resolve().as_uri())
    return 0


def table(console: Any, page: Any) -> None:
    """Print a page's table."""
    from rich.table import Table

    drawn = Table(*page.heading, title=page.title, title_justify="left")
    for row in page.table:
        drawn.add_row(*row)
    console.print(drawn)
