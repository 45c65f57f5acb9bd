"""``actlab show``: one activation on one screen."""

from __future__ import annotations

import argparse
import ast
import os
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from actlab.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH = 100  # of the card, where the terminal is wider or there is none
_LABEL = 16
_ASCII = str.maketrans({"∞": "inf", "′": "'", "″": "''", "–": "-", "…": "..."})


def main(argv: list[str]) -> int:
    """Run ``actlab show``; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="actlab show",
        description="Show an activation: formula, properties, accuracy, reference and a plot of f and f'.",
        epilog="example: actlab show swish beta=2",
    )
    parser.add_argument("name", help="a name from `actlab list`, or your own function as my_module:my_fn")
    parser.add_argument(
        "parameters", nargs="*", metavar="parameter=value", help="other values than the defaults"
    )
    parser.add_argument("--bibtex", action="store_true", help="print its papers as BibTeX instead")
    arguments = parser.parse_args(argv)
    given = dict(pair(text) for text in arguments.parameters)

    from rich.console import Console

    from actlab.activations import make

    if ":" in arguments.name:
        sys.path.append(
            os.getcwd()
        )  # a console script does not look there, and that is where users' modules are
    act = make(arguments.name, **given)
    if arguments.bibtex:
        from actlab.activations.references import cite

        print(cite(act))
        return 0
    terminal = sys.stdout.isatty()
    colours = "auto" if terminal and not os.environ.get("NO_COLOR") else None
    card(act, Console(highlight=False, width=None if terminal else _WIDTH, color_system=colours))
    return 0


def pair(text: str) -> tuple[str, Any]:
    """Return name and value of ``name=value``; InputError for any other text."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise InputError(f"{text!r}: write a parameter as name=value, like beta=2")
    if value.lower() in ("true", "false"):
        return name, value.lower() == "true"
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def card(act: Any, console: Console) -> None:
    """Print an activation's card."""
    from rich.text import Text

    from actlab.cli.plot import legend, plot
    from actlab.report.datasheet import rows
    from actlab.report.sampling import curves

    unicode = _encodes(console.encoding, "⠿∞′″│")

    def words(text: str) -> str:
        return text if unicode else text.translate(_ASCII).encode("ascii", "replace").decode()

    try:
        drawn, why = curves(act), ""
    except InputError as error:
        drawn, why = None, str(error)
    params = ", ".join(f"{name}={value}" for name, value in act.params)
    console.print(Text(act.name, style="bold").append(f"  {params}" if params else "", style="not bold dim"))
    console.print()
    width = min(console.width, _WIDTH)
    if drawn is not None:
        # A label, a space, and 60 characters if there is room for them.
        for line in plot(drawn, min(60, max(20, width - 8)), 16, unicode=unicode):
            console.print(line, soft_wrap=True)
        console.print(legend(drawn, unicode, words), soft_wrap=True)
        console.print()
    told = [(row.name, line) for row in rows(act, drawn) for line in row.lines]
    told += [("plot", why)] if why else []
    before = ""
    for name, line in told:
        label = "" if name == before else words(name)
        before = name
        for part in textwrap.wrap(words(line), max(20, width - _LABEL)):
            console.print(
                Text(f"{label:{_LABEL}}", style="dim").append(part, style="not dim"), soft_wrap=True
            )
            label = ""


def _encodes(encoding: str, characters: str) -> bool:
    try:
        characters.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
