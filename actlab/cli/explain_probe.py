"""``actlab explain probe``: how well a line tells the classes apart after each layer of a trained run."""

from __future__ import annotations

import argparse
import shlex
import sys
import webbrowser
from pathlib import Path


def main(argv: list[str]) -> int:
    """Run ``actlab explain probe``; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="actlab explain probe",
        description="Fit a linear probe (logistic regression) to the input, to what goes into and comes out of every "
        "activation, and to the logits of a trained run. Writes a page that needs no network, and a picture.",
        epilog="example: actlab explain probe runs/2026-11-22/143000",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument("--samples", type=int, default=2000, help="of either split at most, default: 2000")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder, default: the run's")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    arguments = parser.parse_args(argv)
    from actlab.cli.trained import trained

    run, state = trained(arguments.run)

    from rich.console import Console

    from actlab.cli.explain_network import table
    from actlab.explain.separability import separability
    from actlab.report.explain_page import write_explanation
    from actlab.report.separability import explanation

    page = explanation(separability(run, state, samples=arguments.samples), str(arguments.run))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    table(console, page)
    command = shlex.join(["actlab", "explain", "probe", *argv])
    html, picture = write_explanation(arguments.out or arguments.run, page, command=command)
    console.print(f"{html}\n{picture}", soft_wrap=True)
    if arguments.open:
        webbrowser.open(html.resolve().as_uri())
    return 0
