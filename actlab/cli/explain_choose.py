"""``actlab explain choose``: a compact sweep over a user's own config, and what its evidence says."""

from __future__ import annotations

import argparse
import shlex
import sys
import webbrowser
from pathlib import Path
from typing import Any

from actlab.errors import InputError

ACTIVATIONS = "relu,leaky_relu,elu,gelu,silu,mish,tanh,softplus"
FACTORS = (0.1, 0.3, 1.0, 3.0)  # of the config's own rate
RATE = "optimizer.learning_rate"


def main(argv: list[str]) -> int:
    """Run ``actlab explain choose``; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="actlab explain choose",
        description="Which activation for this network and data? Trains each at several learning rates and seeds "
        "in one sweep, and says what holds at which rate, with intervals, or that the evidence is too weak. The same "
        "command goes on with a sweep that was interrupted.",
        epilog="example: actlab explain choose +experiment=mnist1d_mlp steps=2000 --activations relu,gelu,tanh. "
        "Overrides as of `actlab train`.",
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="the network, the data, the training"
    )
    parser.add_argument("--activations", default=ACTIVATIONS, metavar="NAMES", help=f"default: {ACTIVATIONS}")
    parser.add_argument("--rates", metavar="NUMBERS", help="default: the config's times 0.1, 0.3, 1, 3")
    parser.add_argument("--seeds", type=int, default=5, help="of each, default: 5")
    parser.add_argument(
        "--out", type=Path, default=Path("choose"), metavar="DIR", help="folder, default: choose"
    )
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    arguments = parser.parse_args(argv)
    if wrong := [a for a in arguments.overrides if "=" not in a]:
        raise InputError(f"{wrong[0]}: write overrides as key=value, like +experiment=mnist1d_mlp")
    if arguments.seeds < 1:
        raise InputError(f"--seeds {arguments.seeds}: must be an integer >= 1")
    from actlab.cli import train
    from actlab.cli.composing import compose

    cfg = compose(arguments.overrides)
    rates = _rates(arguments.rates, cfg)
    sweep = arguments.out / "sweep"
    train.main(
        [
            "-m",
            *arguments.overrides,
            f"activation={arguments.activations}",
            f"{RATE}={','.join(f'{r:g}' for r in rates)}",
            f"seed=range({arguments.seeds})",
            "hydra/launcher=vmap",
            f"hydra.sweep.dir={sweep}",
        ]
    )
    return tell(sweep, arguments.out, shlex.join(["actlab", "explain", "choose", *argv]), cfg, arguments.open)


def _rates(text: str | None, cfg: Any) -> list[float]:
    """Return the learning rates to try."""
    if text is None:
        return [float(f"{cfg.optimizer.learning_rate * f:.2g}") for f in FACTORS]
    try:
        rates = sorted({float(part) for part in text.split(",")})
    except ValueError:
        raise InputError(f"--rates {text}: write numbers with commas between, like 1e-3,3e-3") from None
    if not all(0 < r < float("inf") for r in rates):
        raise InputError(f"--rates {text}: learning rates must be > 0")
    return rates


def tell(sweep: Path, out: Path, command: str, cfg: Any, open_page: bool) -> int:
    """Compare the runs of a sweep, print what they say, and write the page."""
    from rich.console import Console

    from actlab.cli.explain_network import table
    from actlab.compare import compare, conditions, everywhere, sentence
    from actlab.report.choose import explanation
    from actlab.report.explain_page import write_explanation

    study, found = compare([sweep]), conditions([sweep], RATE)
    model, data = (str(cfg[node]["_target_"]).rpartition(".")[2] for node in ("model", "data"))
    page = explanation(study, found, RATE, f"{model} on {data}")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    table(console, page)
    console.print(f"Each at its own best learning rate: {study.answer}", style="bold", soft_wrap=True)
    console.print(everywhere(found, "learning rate"), soft_wrap=True)
    for one in found:
        console.print(f"· {sentence(one, 'learning rate')}", soft_wrap=True)
    html, picture = write_explanation(out, page, command=command)
    console.print(f"{html}\n{picture}", soft_wrap=True)
    if open_page:
        webbrowser.open(html.resolve().as_uri())
    return 0
