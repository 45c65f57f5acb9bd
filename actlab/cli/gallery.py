"""``actlab gallery``: one page of all activations."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from pathlib import Path


def main(argv: list[str]) -> int:
    """Run ``actlab gallery``; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="actlab gallery",
        description="Write one page of all activations, to search and to lay over one another. It needs no network.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these activations")
    parser.add_argument(
        "--out", type=Path, default=Path("gallery"), metavar="DIR", help="folder, default: gallery"
    )
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    arguments = parser.parse_args(argv)
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from actlab.cli.runtime import prepare
    from actlab.report import write_gallery

    prepare()
    columns = (
        TextColumn("drawing"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
    )
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("drawing", total=None)
        page = write_gallery(
            arguments.out,
            arguments.names,
            told=lambda done, of: progress.update(task, completed=done, total=of),
        )
    print(page)
    if arguments.open:
        webbrowser.open(page.resolve().as_uri())
    return 0
