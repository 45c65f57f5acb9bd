"""``actlab explain network``: what becomes of a signal through depth at first, and what training then did."""

from __future__ import annotations

from typing import Any

from actlab.cli import explaining

MOST = 21  # lines that are told apart: 7 colours by 3 dashes


def main(argv: list[str]) -> int:
    """Run ``actlab explain network``; return its exit code."""
    parser = explaining.parser(
        "network",
        "Measure variance, the cosine of two inputs and the gradient by depth, over many initialisations, for every "
        "combination of the overrides; then train some of them. Writes a page that needs no network, and a picture. "
        "Overrides as of `actlab train`.",
        "actlab explain network data=digits model.depth=20 activation=relu,tanh model.norm=none,layer steps=600",
        out="network",
    )
    parser.add_argument("--seeds", type=int, default=16, help="initialisations measured, default: 16")
    parser.add_argument(
        "--train", type=int, default=1, metavar="N", help="of them trained, default: 1; 0: none"
    )
    arguments = explaining.with_overrides(parser, argv, "activation=relu,tanh model.norm=none,layer")
    from actlab.cli.variants import built, names

    runs = built(arguments.overrides, ["stats=none"], most=MOST)

    from actlab.explain.propagation import propagation
    from actlab.report.explain_page import write_explanation
    from actlab.report.propagation import explanation

    console = explaining.console()
    told: list[tuple[str, Any]] = []
    for label, run in runs:
        told.append((label, propagation(run, seeds=arguments.seeds, trained=arguments.train)))
        console.print(f"measured {label}", style="dim")
    setups = [run.setup for _, run in runs]
    model, data = names(s.model.function.__name__ for s in setups), names(s.data.name for s in setups)
    page = explanation(told, model, data)
    explaining.print_table(console, page)
    html, picture = write_explanation(arguments.out, page, command=explaining.command("network", argv))
    return explaining.finish(console, html, picture, show=arguments.open)
