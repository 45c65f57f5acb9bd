"""What the kinds of ``actlab explain`` share: their arguments, where they write, how they end."""

from __future__ import annotations

import argparse
import shlex
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from actlab.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from actlab.report.explain_page import Explanation


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are this program's: one line."""

    def error(self, message: str) -> None:
        """Raise ``InputError``."""
        raise InputError(f"{self.prog.removeprefix('actlab ')}: {message}")


def parser(kind: str, description: str, example: str, *, out: str | None) -> Parser:
    """Return the parser of a kind, with ``--out`` (default ``out``, None for the run's folder) and ``--open``."""
    made = Parser(prog=f"actlab explain {kind}", description=description, epilog=f"example: {example}")
    default = Path(out) if out else None
    made.add_argument(
        "--out", type=Path, default=default, metavar="DIR", help=f"folder, default: {out or 'the run'}"
    )
    made.add_argument("--open", action="store_true", help="open the page in a browser")
    return made


def with_overrides(made: Parser, argv: Sequence[str], shown: str) -> argparse.Namespace:
    """Return the arguments, ``overrides`` of a config among them, before options or after.

    Raises:
        InputError: one that is no override, or a folder that cannot be.

    """
    made.add_argument("overrides", nargs="*", metavar="key=value", help=shown)
    arguments = made.parse_intermixed_args(argv)
    if wrong := [a for a in arguments.overrides if "=" not in a and not a.startswith("~")]:
        raise InputError(f"{wrong[0]}: write overrides as key=value, like {shown.split()[0]}")
    check_folder(arguments.out)
    return arguments


def check_folder(out: Path | None) -> None:
    """Raise ``InputError`` where results cannot go, before the work is done."""
    if out is not None and out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is a file, it must be a folder")


def console(width: int = 120) -> Console:
    """Return a console of the terminal's width, or of ``width`` where there is none."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else width)


def print_table(to: Console, page: Explanation) -> None:
    """Print a page's table."""
    from rich.table import Table

    drawn = Table(*page.heading, title=page.title, title_justify="left")
    for row in page.table:
        drawn.add_row(*row)
    to.print(drawn)


def command(kind: str, argv: Sequence[str]) -> str:
    """Return the command line that was given."""
    return shlex.join(["actlab", "explain", kind, *argv])


def finish(to: Console, page: Path, picture: Path, *, show: bool) -> int:
    """Say what was written, open the page if asked for; return the exit code."""
    to.print(f"{page}\n{picture}", soft_wrap=True)
    if show:
        webbrowser.open(page.resolve().as_uri())
    return 0
