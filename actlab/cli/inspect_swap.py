"""``actlab inspect swap``: a trained language model with another activation, by loss, sparsity and attention."""

from __future__ import annotations

import itertools
import shlex
from pathlib import Path

from actlab.cli.explaining import Parser, check_folder, console, finish, print_table
from actlab.cli.inspect_model import HELP, load_model
from actlab.cli.inspect_texts import texts_of
from actlab.errors import InputError


def main(argv: list[str]) -> int:
    """Run ``actlab inspect swap``; return its exit code."""
    parser = Parser(
        prog="actlab inspect swap",
        description="Put another activation into a trained model, or round its own to a narrow dtype, and see what "
        "changes: the loss with it in each block alone and in all, how sparse units become, how attention spreads.",
        epilog="example: actlab inspect swap --act relu --text notes.txt",
    )
    add = parser.add_argument
    add("--act", metavar="NAME", help="the other activation, see actlab list; or your own as my_module:my_fn")
    add("--lean", action="store_true", help="its lean rule")
    add(
        "--precision",
        metavar="DTYPE",
        help="round what goes in and comes out: bfloat16, float16, float8_e4m3fn, float8_e5m2",
    )
    add("--text", action="append", required=True, metavar="TEXTS",
        help="what is foretold: a text file, a folder, FILE.parquet:COLUMN, or asv; may be repeated")  # fmt: skip
    add("--texts", type=int, default=64, metavar="N", help="so many paragraphs at most, default: 64")
    add("--model", default="smollm2", help=HELP)
    add("--dtype", choices=("float32", "bfloat16"), default="float32", help="of the weights in memory")
    add("--window", type=int, default=128, metavar="T", help="tokens that know of each other, default: 128")
    add(
        "--out",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder of swap.html and swap.png, default: here",
    )
    add("--open", action="store_true", help="open the page in a browser")
    given = parser.parse_args(argv)
    check_folder(given.out)
    if given.texts < 1:
        raise InputError(f"inspect swap: --texts {given.texts}: must be at least 1")
    if given.lean and given.act is None:
        raise InputError("inspect swap: --lean goes with --act")
    texts = list(itertools.islice(texts_of(given.text), given.texts))
    import actlab
    from actlab.cli.runtime import prepare, warnings_told

    act = None if given.act is None else actlab.make(given.act)
    act = actlab.lean(act) if given.lean else act
    with warnings_told():
        prepare()
        lm = load_model(given.model, given.dtype)
        from actlab.inspection.swap import swap
        from actlab.report.explain_page import write_explanation
        from actlab.report.inspect_swap import explanation

        window = min(given.window, lm.architecture.context)
        page = explanation(swap(lm, texts, act, precision=given.precision, window=window))
    to = console()
    to.print(page.lead)
    print_table(to, page)
    html, picture = write_explanation(
        given.out, page, command=shlex.join(["actlab", "inspect", "swap", *argv])
    )
    return finish(to, html, picture, show=given.open)
