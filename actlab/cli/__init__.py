"""The command line: one short file per command. Help and dispatch load nothing but the standard library."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

HELP = """\
actlab: what an activation function does to a network

usage: actlab COMMAND [ARGUMENTS]

  train       train a model, watch every activation, write a page     actlab train activation=mish
  report      (re)write the page of a run                             actlab report runs/2026-11-22/143000 --open
  diagnose    what is wrong with a run, and what to try               actlab diagnose runs/2026-11-22/143000
  compare     which activation is better over many runs, if any       actlab compare runs/2026-11-22/150000-sweep
  explain     what units, layers and activations do, in pictures      actlab explain boundary activation=relu,tanh
  inspect     look inside a language model while it writes            actlab inspect --prompt "2 + 2 is"
  query       the rows a run recorded, by site, quantity, step        actlab query RUN --site 'blocks.*' --last
  show        one activation: formula, properties, plot               actlab show swish beta=2
  theory      what becomes of a signal through depth, by formula      actlab theory gelu --depth 64
  gallery     one page of all activations, to search and to overlay   actlab gallery --out gallery
  list        activations, models, data sets, experiments             actlab list --family rectified
  completion  print the line that makes your shell complete           eval "$(actlab completion bash)"

  actlab COMMAND --help   tells more      --debug   shows the traceback of an error      --version
"""


def main() -> None:
    """Run the command named by ``sys.argv[1]``; bad input prints one line and exits with 2."""
    sys.exit(run(sys.argv[1:]))


def run(argv: list[str]) -> int:
    """Run a command line; return its exit code."""
    debug = "--debug" in argv
    argv = [a for a in argv if a != "--debug"]
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    if argv[0] == "--version":
        from actlab import __version__

        print(f"actlab {__version__}")
        return 0
    try:
        command = _command(argv[0])
        return command(argv[1:])
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nothing to tell
        return 141
    except SystemExit as e:  # argparse's, and a multirun's interrupted job's
        return e.code if isinstance(e.code, int) else 1
    except Exception as e:
        from actlab.errors import InputError

        if debug:
            traceback.print_exc()
        if isinstance(e, (InputError, OSError)):
            print(f"actlab: {_line(e)}", file=sys.stderr)
            return 2
        told = f"{type(e).__name__}: {_line(e)}"
        print(f"actlab: {told:.300} (unexpected; --debug shows where)", file=sys.stderr)
        return 1


def _command(name: str) -> Callable[[list[str]], int]:
    if name == "train":
        from actlab.cli.train import main as command
    elif name == "report":
        from actlab.cli.report import main as command
    elif name == "diagnose":
        from actlab.cli.diagnose import main as command
    elif name == "compare":
        from actlab.cli.compare import main as command
    elif name == "explain":
        from actlab.cli.explain import main as command
    elif name == "inspect":
        from actlab.cli.inspect import main as command
    elif name == "query":
        from actlab.cli.query import main as command
    elif name == "list":
        from actlab.cli.listing import main as command
    elif name == "show":
        from actlab.cli.show import main as command
    elif name == "theory":
        from actlab.cli.theory import main as command
    elif name == "gallery":
        from actlab.cli.gallery import main as command
    elif name == "completion":
        from actlab.cli.completion import main as command
    else:
        from actlab.errors import InputError, suggest

        known = [
            "train",
            "report",
            "diagnose",
            "compare",
            "explain",
            "inspect",
            "query",
            "show",
            "theory",
            "gallery",
            "list",
            "completion",
        ]
        raise InputError(f"unknown command {name!r}{suggest(name, known)}")
    return command


def _line(e: BaseException) -> str:
    """Return an error as one line."""
    if isinstance(e, OSError) and e.strerror:
        return f"{e.strerror}: {e.filename}" if e.filename else e.strerror
    return " ".join(str(e).split())
