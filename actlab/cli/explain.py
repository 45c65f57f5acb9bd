"""``actlab explain``: pictures of what a trained model's units and layers do; one file per kind."""

from __future__ import annotations

from actlab.errors import InputError, suggest

USAGE = """\
usage: actlab explain neuron RUN|--model NAME [OPTIONS]

  neuron     what units look for: inputs that drive them hardest, found by gradient ascent, and the data that they
             answer to most                  actlab explain neuron --model efficientnet-lite0 --site head.act

  actlab explain KIND --help   tells more
"""
KINDS = ("neuron",)


def main(argv: list[str]) -> int:
    """Run ``actlab explain``; return its exit code."""
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if argv[0] == "neuron":
        from actlab.cli.explain_neuron import main as kind
    else:
        raise InputError(f"explain what? {argv[0]!r} is unknown{suggest(argv[0], KINDS)}")
    return kind(argv[1:])
