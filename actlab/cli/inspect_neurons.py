"""``actlab inspect neurons``: what every unit of a language model answers to, over any amount of text."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from actlab.cli.explaining import Parser
from actlab.cli.inspect_model import HELP, load_model
from actlab.cli.inspect_texts import texts_of
from actlab.errors import InputError

if TYPE_CHECKING:
    from actlab.inspection.neurons import Neurons

KINDS = (".html", ".npz", ".parquet", ".csv")


def main(argv: list[str]) -> int:
    """Run ``actlab inspect neurons``; return its exit code."""
    arguments = _arguments(argv)
    from actlab.cli.runtime import prepare, warnings_told

    with warnings_told():
        prepare()
        from rich.progress import Progress

        lm = load_model(arguments.model, arguments.dtype)
        chosen = _units(arguments.units, lm.architecture.depth, lm.architecture.hidden)
        from actlab.inspection.neurons import neurons

        with Progress(transient=True) as progress:
            task = progress.add_task("tokens", total=arguments.tokens)
            found = neurons(
                lm,
                texts_of(arguments.text),
                tokens=arguments.tokens,
                window=min(arguments.window, lm.architecture.context),
                batch=arguments.batch,
                examples=arguments.examples,
                sample=arguments.sample,
                seed=arguments.seed,
                told=lambda read: progress.update(task, completed=read),
            )
    _tell(found)
    _save(found, chosen, arguments, shlex.join(["actlab", "inspect", "neurons", *argv]))
    print(arguments.out)
    return 0


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="actlab inspect neurons",
        description="One pass over texts, in constant memory: of every MLP unit moments, quantiles, how often it is "
        "active, and the tokens it answers to most, with their context.",
        epilog="example: actlab inspect neurons --text notes.txt --out neurons.html",
    )
    add = parser.add_argument
    add("--text", action="append", required=True, metavar="TEXTS", help="a text file, a folder, "
        "FILE.parquet:COLUMN, or asv (the American Standard Version); may be repeated")  # fmt: skip
    add("--model", default="smollm2", help=HELP)
    add("--dtype", choices=("float32", "bfloat16"), default="float32", help="of the weights in memory")
    add("--out", type=Path, default=Path("neurons.html"), metavar="FILE",
        help="neurons.html (default), or .npz (all there is), .parquet or .csv (figures of every unit)")  # fmt: skip
    add("--tokens", type=int, default=20_000, metavar="N", help="read so many (default 20,000); 0 reads all")
    add("--units", action="append", default=[], metavar="BLOCK:UNITS",
        help="show these, like 3:17,912; default: those that answer to least, by kurtosis")  # fmt: skip
    add("--show", type=int, default=36, metavar="N", help="so many units on the page, default: 36")
    add("--window", type=int, default=128, metavar="T", help="tokens that know of each other, default: 128")
    add("--batch", type=int, default=2, metavar="B", help="windows at a time, default: 2")
    add("--examples", type=int, default=8, metavar="K", help="largest and smallest of each unit, default: 8")
    add("--sample", type=int, default=256, metavar="R", help="tokens for lower quantiles, default: 256")
    add("--seed", type=int, default=0, help="of the sample")
    arguments = parser.parse_args(argv)
    if arguments.out.suffix not in KINDS:
        raise InputError(f"inspect neurons: --out {arguments.out}: must end in {', '.join(KINDS)}")
    if not arguments.out.resolve().parent.is_dir():
        raise InputError(f"inspect neurons: --out {arguments.out}: there is no such folder")
    if arguments.show < 1:
        raise InputError(f"inspect neurons: --show {arguments.show}: must be at least 1")
    arguments.tokens = arguments.tokens or None
    return arguments


def _units(told: list[str], depth: int, width: int) -> list[tuple[int, int]]:
    units = []
    for one in told:
        block, colon, numbers = one.partition(":")
        try:
            own = [(int(block), int(unit)) for unit in numbers.split(",")]
        except ValueError:
            raise InputError(f"--units {one}: write BLOCK:UNITS, like 3:17,912") from None
        for b, u in own:
            if not colon or not 0 <= b < depth or not 0 <= u < width:
                raise InputError(
                    f"--units {one}: there are blocks 0 to {depth - 1} and units 0 to {width - 1}"
                )
        units += own
    return units


def _save(found: Neurons, chosen: list[tuple[int, int]], arguments: argparse.Namespace, command: str) -> None:
    out: Path = arguments.out
    if out.suffix == ".npz":
        found.save(out)
    elif out.suffix == ".html":
        from actlab.report.inspect_units import most_selective, write_units

        write_units(found, chosen or most_selective(found, arguments.show), out, command=command)
    else:
        table = found.to_polars()
        try:
            table.write_parquet(out) if out.suffix == ".parquet" else table.write_csv(out)
        except OSError as error:
            raise InputError(f"{out} cannot be written: {error.strerror or error}") from error


def _tell(found: Neurons) -> None:
    active = found.figures["active_share"]
    print(
        f"{found.model}: {found.tokens:,} tokens, {active.size:,} units, {int(found.dead.sum()):,} never active; "
        f"active on {100 * active.mean():.1f} % of tokens on average"
    )
