"""``actlab list``: what there is to choose from."""

from __future__ import annotations

import argparse
import sys

from actlab.cli import configs
from actlab.errors import InputError, suggest


def main(argv: list[str]) -> int:
    """Run ``actlab list``; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="actlab list", description="List activations, models, data, experiments."
    )
    parser.add_argument("--family", help="only activations of this family, like rectified")
    arguments = parser.parse_args(argv)
    from rich.console import Console
    from rich.table import Table

    from actlab.activations import registry

    specs = {fn.spec.name: fn.spec for fn in registry().values()}
    families = sorted({s.family for s in specs.values()})
    if arguments.family is not None and arguments.family not in families:
        raise InputError(f"unknown family {arguments.family!r}{suggest(arguments.family, families)}")
    table = Table()
    for heading in ("activation", "family", "formula", "parameters", "also called"):
        table.add_column(heading, overflow="fold")
    for name, spec in sorted(specs.items(), key=lambda item: (item[1].family, item[0])):
        if arguments.family in (None, spec.family):
            parameters = ", ".join(f"{p.name}={p.default}" for p in spec.parameters)
            table.add_row(name, spec.family, spec.formula, parameters, ", ".join(spec.aliases))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    console.print(table)
    if arguments.family is None:
        for group, choices in configs.groups().items():
            if group == "activation":
                continue
            others = Table(group, "command", title_justify="left")
            for choice in choices:
                others.add_row(choice, configs.command(group, choice))
            console.print(others)
    return 0
