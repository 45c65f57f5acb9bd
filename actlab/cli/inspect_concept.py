"""``actlab inspect concept``: which units tell two kinds of text apart, and what the model loses without them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from actlab.cli.explaining import Parser, console
from actlab.cli.inspect_model import HELP, load_model
from actlab.cli.inspect_texts import texts_of
from actlab.errors import InputError


def main(argv: list[str]) -> int:
    """Run ``actlab inspect concept``; return its exit code."""
    parser = Parser(
        prog="actlab inspect concept",
        description="Given texts of two kinds, the units whose outputs tell them apart (AUROC, beside what luck "
        "gives the best of so many units), and the change of the loss of either kind when they are silenced, beside "
        "that of other units of the same blocks.",
        epilog="example: actlab inspect concept --first code.txt --second prose.txt",
    )
    add = parser.add_argument
    for kind in ("first", "second"):
        told = (
            "a file whose paragraphs are texts of this kind, a folder, FILE.parquet:COLUMN; may be repeated"
        )
        add(f"--{kind}", action="append", required=True, metavar="TEXTS", help=told)
    add("--model", default="smollm2", help=HELP)
    add("--dtype", choices=("float32", "bfloat16"), default="float32", help="of the weights in memory")
    add("--texts", type=int, default=64, metavar="N", help="so many of each kind at most, default: 64")
    add("--units", type=int, default=16, metavar="N", help="so many are silenced, default: 16")
    add("--feature", choices=("mean", "max"), default="mean", help="of a unit's outputs over a text")
    add("--window", type=int, default=64, metavar="T", help="tokens of each text, default: 64")
    add("--shuffles", type=int, default=100, help="of the kinds, for what luck gives; default: 100")
    add("--seed", type=int, default=0)
    add("--out", type=Path, metavar="FILE.json", help="write everything there too")
    given = parser.parse_args(argv)
    if given.out is not None and (given.out.suffix != ".json" or not given.out.resolve().parent.is_dir()):
        raise InputError(f"inspect concept: --out {given.out}: must end in .json, in a folder that is there")
    if given.texts < 2:
        raise InputError(f"inspect concept: --texts {given.texts}: must be at least 2")
    kinds = [
        list(itertools.islice(texts_of(sources), given.texts)) for sources in (given.first, given.second)
    ]
    from actlab.cli.runtime import prepare, warnings_told

    with warnings_told():
        prepare()
        lm = load_model(given.model, given.dtype)
        from actlab.inspection.concepts import concept

        found = concept(
            lm, *kinds, feature=given.feature, units=given.units, window=given.window, shuffles=given.shuffles,
            seed=given.seed,
        )  # fmt: skip
    to = console()
    beyond = found.to_polars()["beyond_chance"].sum()
    to.print(
        f"{found.model}: {len(kinds[0])} texts of the first kind, {len(kinds[1])} of the second. Of "
        f"{found.auroc.size:,} units the best would reach {0.5 + found.chance:.3f} by luck (95 %); {beyond} of the "
        f"{len(found.best)} below are beyond."
    )
    from rich.table import Table

    table = Table("unit", "AUROC", "beyond luck")
    for row in found.to_polars().iter_rows(named=True):
        table.add_row(
            f"blocks.{row['block']}.mlp {row['unit']}",
            f"{row['auroc']:.3f}",
            "yes" if row["beyond_chance"] else "no",
        )
    to.print(table)
    table = Table("silenced", "first kind, nats", "change", "second kind, nats", "change")
    named = [("these units", found.ablated)]
    named += [(f"others of the same blocks, draw {i + 1}", x) for i, x in enumerate(found.controls)]
    for name, x in named:
        table.add_row(
            name, f"{x.first_ablated:.4f}", f"{x.first_ablated - x.first:+.4f}",
            f"{x.second_ablated:.4f}", f"{x.second_ablated - x.second:+.4f}",
        )  # fmt: skip
    to.print(table)
    if given.out is not None:
        from actlab.files import write_atomic

        told = {
            "model": found.model, "chance": found.chance, "best": found.to_polars().to_dicts(),
            "ablated": found.ablated._asdict(), "controls": [x._asdict() for x in found.controls],
        }  # fmt: skip
        write_atomic(given.out, json.dumps(told, indent=1).encode())
        print(given.out)
    return 0
