"""``actlab explain probe``: how well a line tells the classes apart after each layer of a trained run."""

from __future__ import annotations

from pathlib import Path

from actlab.cli import explaining


def main(argv: list[str]) -> int:
    """Run ``actlab explain probe``; return its exit code."""
    parser = explaining.parser(
        "probe",
        "Fit a linear probe (logistic regression) to the input, to what goes into and comes out of every activation, "
        "and to the logits of a trained run. Writes a page that needs no network, and a picture.",
        "actlab explain probe runs/2026-11-22/143000",
        out=None,
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument("--samples", type=int, default=2000, help="of either split at most, default: 2000")
    arguments = parser.parse_intermixed_args(argv)
    explaining.check_folder(arguments.out)
    from actlab.cli.trained import trained

    run, state = trained(arguments.run)

    from actlab.explain.separability import separability
    from actlab.report.explain_page import write_explanation
    from actlab.report.separability import explanation

    page = explanation(separability(run, state, samples=arguments.samples), str(arguments.run))
    console = explaining.console()
    explaining.print_table(console, page)
    out, made = arguments.out or arguments.run, explaining.command("probe", argv)
    html, picture = write_explanation(out, page, command=made)
    return explaining.finish(console, html, picture, show=arguments.open)
