"""``actlab explain choose``: a compact sweep over a user's own config, and what its evidence says."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from actlab.cli import explaining
from actlab.errors import InputError

ACTIVATIONS = "relu,leaky_relu,elu,gelu,silu,mish,tanh,softplus"
FACTORS = (0.1, 0.3, 1.0, 3.0)  # of the config's own rate
RATE = "optimizer.learning_rate"
OWN = {"activation": "--activations", RATE: "--rates", "seed": "--seeds"}


def main(argv: list[str]) -> int:
    """Run ``actlab explain choose``; return its exit code."""
    parser = explaining.parser(
        "choose",
        "Which activation for this network and data? Trains each at several learning rates and seeds in one sweep, "
        "and says what holds at which rate, with intervals, or that the evidence is too weak. The same command goes "
        "on with a sweep that was interrupted. Overrides as of `actlab train`.",
        "actlab explain choose +experiment=mnist1d_mlp steps=2000 --activations relu,gelu,tanh",
        out="choose",
    )
    parser.add_argument("--activations", default=ACTIVATIONS, metavar="NAMES", help=f"default: {ACTIVATIONS}")
    parser.add_argument("--rates", metavar="NUMBERS", help="default: the config's times 0.1, 0.3, 1, 3")
    parser.add_argument("--seeds", type=int, default=5, help="of each, default: 5")
    arguments = explaining.with_overrides(parser, argv, "+experiment=mnist1d_mlp steps=2000")
    if arguments.seeds < 1:
        raise InputError(f"--seeds {arguments.seeds}: must be an integer >= 1")
    for override in arguments.overrides:
        key = override.lstrip("+~").partition("=")[0]
        if key in OWN:
            raise InputError(f"{override}: choose varies {key} itself, say which by {OWN[key]}")
    acts = [name.strip() for name in arguments.activations.split(",")]
    if not all(acts) or len(acts) != len(set(acts)):
        raise InputError(f"--activations {arguments.activations}: write different names, commas between them")
    from actlab.cli import configs, train
    from actlab.cli.composing import compose

    for name in acts:
        if name not in configs.groups()["activation"]:
            compose([*arguments.overrides, f"activation={name}"])  # says what is wrong with it
    cfg = compose(arguments.overrides)
    rates = _rates(arguments.rates, cfg)
    swept = [
        *arguments.overrides,
        f"activation={','.join(acts)}",
        f"{RATE}={','.join(f'{r:g}' for r in rates)}",
        f"seed=range({arguments.seeds})",
    ]
    # What another command left in the same folder is another sweep: its runs are none of this one's evidence.
    digest = hashlib.sha256(json.dumps(swept).encode()).hexdigest()[:8]
    sweep = arguments.out / f"sweep-{digest}"
    train.main(["-m", *swept, "hydra/launcher=vmap", f"hydra.sweep.dir={_quoted(sweep)}"])
    return tell(sweep, arguments.out, explaining.command("choose", argv), cfg, arguments.open)


def _quoted(path: Path) -> str:
    """Return a path as a value that Hydra's overrides take as it is."""
    text = str(path).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


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
    """Compare the runs of a sweep, print what they say, and write the page; return the exit code."""
    from actlab.compare import compare, conditions, everywhere, sentence
    from actlab.report.choose import explanation
    from actlab.report.explain_page import write_explanation

    study, found = compare([sweep]), conditions([sweep], RATE)
    model, data = (str(cfg[node]["_target_"]).rpartition(".")[2] for node in ("model", "data"))
    page = explanation(study, found, RATE, f"{model} on {data}")
    console = explaining.console()
    explaining.print_table(console, page)
    console.print(f"Each at its own best learning rate: {study.answer}", style="bold", soft_wrap=True)
    console.print(everywhere(found, "learning rate"), soft_wrap=True)
    for one in found:
        console.print(f"· {sentence(one, 'learning rate')}", soft_wrap=True)
    html, picture = write_explanation(out, page, command=command)
    return explaining.finish(console, html, picture, show=open_page)
