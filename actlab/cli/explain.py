"""``actlab explain``: pictures of what units, layers and activations do; one file per kind."""

from __future__ import annotations

from actlab.errors import InputError, suggest

USAGE = """\
usage: actlab explain KIND [ARGUMENTS]

  boundary   how each layer makes points of the plane linear, while it trains, activations side by side
                                  actlab explain boundary data=spirals activation=relu,tanh,sin
  neuron     what units look for: inputs that drive them hardest, found by gradient ascent, and the data that they
             answer to most       actlab explain neuron --model efficientnet-lite0 --site head.act
  network    what becomes of a signal through depth before training, and what training then did
                                  actlab explain network model.depth=20 activation=relu,tanh model.norm=none,layer
  probe      how well a line tells the classes apart after each layer of a run
                                  actlab explain probe runs/2026-11-22/143000
  choose     which activation for this network on these data: a compact sweep, and what its evidence says
                                  actlab explain choose +experiment=mnist1d_mlp steps=2000

  actlab explain KIND --help   tells more
"""
KINDS = ("boundary", "neuron", "network", "probe", "choose")


def main(argv: list[str]) -> int:
    """Run ``actlab explain``; return its exit code."""
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if argv[0] == "boundary":
        from actlab.cli.explain_boundary import main as kind
    elif argv[0] == "neuron":
        from actlab.cli.explain_neuron import main as kind
    elif argv[0] == "network":
        from actlab.cli.explain_network import main as kind
    elif argv[0] == "probe":
        from actlab.cli.explain_probe import main as kind
    elif argv[0] == "choose":
        from actlab.cli.explain_choose import main as kind
    else:
        raise InputError(f"explain what? {argv[0]!r} is unknown{suggest(argv[0], KINDS)}")
    return kind(argv[1:])
