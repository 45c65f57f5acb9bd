"""``actlab report``: write a run's page again."""

from __future__ import annotations

import argparse
import webbrowser
from pathlib import Path


def main(argv: list[str]) -> int:
    """Run ``actlab report``; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="actlab report", description="(Re)write report.html of a run folder."
    )
    parser.add_argument("folder", type=Path, help="a run folder, like runs/2026-11-22/143000")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    parser.add_argument("--png", type=Path, metavar="FILE", help="also draw the charts into a PNG file")
    arguments = parser.parse_args(argv)
    from actlab.report import write_png, write_report

    page = write_report(arguments.folder)
    print(page)
    if arguments.png:
        write_png(arguments.folder, arguments.png)
        print(arguments.png)
    if arguments.open:
        webbrowser.open(page.resolve().as_uri())
    return 0
