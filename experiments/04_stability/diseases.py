"""Train runs that have one disease each, and healthy ones; tell what `actlab diagnose` finds in each.

python experiments/04_stability/diseases.py [--only NAME ...] > experiments/04_stability/diseases.txt
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actlab.runs import Run
    from actlab.stability import Diagnosis

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # where sick.py lies


@dataclass(frozen=True)
class Case:
    """A run: what it is called, its overrides, the diseases it must show, those it may show besides."""

    name: str
    overrides: str
    has: tuple[str, ...] = ()
    may: tuple[str, ...] = ()

    @property
    def arguments(self) -> list[str]:
        """The overrides as a command line has them."""
        return self.overrides.split()


# Two samples normalised are +-1 and pass no gradient back, save where they differ by as little as sqrt(eps): there a
# norm may multiply it by 1 / sqrt(eps) = 316. Of 12 short runs (6 seeds, two versions of jax) 3 had a gradient of
# 13,000 at the first layer and of 5 at the head, within 200 steps: peaks that are the disease's own. Which runs have
# them depends on rounding.
NORM_OF_TWO = ("exploding_gradients",)
NO_GRADIENT = ("vanishing_gradients", "vanishing_signal", "underflow", "rank_collapse")
SICK = (
    Case(
        "sigmoid in 10 layers",
        "activation=sigmoid model.depth=10 model.init=lecun_normal steps=1000",
        ("vanishing_gradients", "sigmoid_in_depth"),
        ("vanishing_signal", "rank_collapse", "mean_shift"),
    ),
    Case(
        "sigmoid, small weights",
        "activation=sigmoid model.depth=8 model.init=torch_default steps=500",
        ("mean_shift", "vanishing_gradients", "rank_collapse"),
        ("sigmoid_in_depth", "vanishing_signal"),
    ),
    Case(
        "relu, weights of variance 1/n, 16 layers",
        "activation=relu model.depth=16 model.init=lecun_normal steps=1000",
        ("initial_gain",),
        ("vanishing_signal", "vanishing_gradients", "rank_collapse"),
    ),
    Case(
        "the same with SGD",
        "activation=relu model.depth=16 model.init=lecun_normal optimizer=sgd optimizer.learning_rate=0.05 steps=900",
        ("initial_gain", "vanishing_signal", "vanishing_gradients"),
        ("rank_collapse",),
    ),
    Case(
        "no activation, He's weights, 20 layers",
        "activation=identity model.depth=20 model.init=he_normal steps=500",
        ("exploding_activations", "exploding_gradients", "initial_gain"),
        ("learning_rate_too_high",),
    ),
    Case(
        "sigmoid in 8 layers, skips, layer norm",
        "activation=sigmoid model.depth=8 model.norm=layer model.residual=true",
        ("rank_collapse",),
    ),
    Case(
        "2 units wide, 20 layers",
        "activation=relu model.width=2 model.depth=20 steps=500",
        ("born_dead",),
        NO_GRADIENT,
    ),
    Case(
        "a threshold no input reaches",
        "activation.name=sick:late model.init=lecun_normal steps=500",
        ("born_dead",),
        NO_GRADIENT,
    ),
    Case(
        "Adam at 0.3",
        "activation=relu optimizer.learning_rate=0.3 steps=1000",
        ("learning_rate_too_high", "dying_units"),
        (*NO_GRADIENT, "exploding_activations", "exploding_gradients", "mean_shift"),
    ),
    Case(
        "SGD at 30",
        "activation=tanh optimizer=sgd optimizer.learning_rate=30 steps=500",
        ("learning_rate_too_high", "saturation"),
        (*NO_GRADIENT, "exploding_gradients"),
    ),
    Case(
        "tanh(20 x)",
        "activation.name=sick:stiff steps=500",
        ("saturation",),
        ("exploding_gradients",),
    ),
    Case(
        "exponentials",
        "activation=exponential model.init=he_normal optimizer=sgd optimizer.learning_rate=0.1 steps=500",
        ("divergence",),
        ("exploding_activations", "exploding_gradients", "learning_rate_too_high", "mean_shift"),
    ),
    Case(
        "leaky_relu, SGD at 1000",
        "activation=leaky_relu optimizer=sgd optimizer.learning_rate=1000 steps=500",
        ("divergence", "learning_rate_too_high"),
        ("exploding_activations", "exploding_gradients"),
    ),
    Case(
        "softmax before cross-entropy",
        "model._target_=sick.finished +model.output=softmax steps=1000",
        ("output_misfit",),
        ("dying_units",),
    ),
    Case(
        "sigmoid before cross-entropy",
        "model._target_=sick.finished +model.output=sigmoid steps=1000",
        ("output_misfit",),
        ("dying_units",),
    ),
    Case(
        "relu before cross-entropy",
        "model._target_=sick.finished +model.output=relu steps=1000",
        ("output_misfit",),
        ("dying_units",),
    ),
    Case(
        "batch norm, 2 samples",
        "model.norm=batch batch_size=2 steps=1000",
        ("batch_norm_small_batch",),
        ("learning_rate_too_high", *NORM_OF_TWO),
    ),
    Case(
        "a learning rate of 1e-8",
        "optimizer=sgd optimizer.learning_rate=1e-8 steps=500",
        ("underflow",),
    ),
    Case(
        "attention, large scores",
        "model._target_=sick.Attention +model.scale=1 optimizer.learning_rate=0.1 steps=500",
        ("attention_entropy_collapse",),
        ("learning_rate_too_high", "dying_units", *NO_GRADIENT),
    ),
)
HEALTHY = (
    Case("the default run", ""),
    Case("experiment mnist1d_linear", "+experiment=mnist1d_linear"),
    Case("experiment mnist1d_mlp", "+experiment=mnist1d_mlp"),
    Case("experiment mnist1d_conv", "+experiment=mnist1d_conv steps=3000"),
    Case("convnet", "model=convnet"),
    Case("gelu", "activation=gelu"),
    Case("silu", "activation=silu"),
    Case("mish", "activation=mish"),
    Case("tanh", "activation=tanh model.init=lecun_normal"),
    Case("tanh at 1e-2", "activation=tanh model.init=lecun_normal optimizer.learning_rate=1e-2"),
    Case("elu", "activation=elu model.init=lecun_normal"),
    Case("selu in 8 layers", "activation=selu model.init=lecun_normal model.depth=8"),
    Case("leaky_relu", "activation=leaky_relu"),
    Case("softplus", "activation=softplus"),
    Case("sigmoid in 2 layers", "activation=sigmoid model.depth=2 model.init=glorot_uniform"),
    Case("sin", "activation=sin model.init=lecun_normal"),
    Case("relu in 8 layers", "activation=relu model.depth=8"),
    Case("tanh in 8 layers", "activation=tanh model.depth=8 model.init=lecun_normal"),
    Case("gelu in 12 layers, skips", "activation=gelu model.depth=12 model.residual=true model.norm=layer"),
    Case("sigmoid in 8 layers, batch norm", "activation=sigmoid model.depth=8 model.norm=batch"),
    Case("batch norm", "activation=relu model.depth=6 model.norm=batch"),
    Case("SGD with momentum", "optimizer=sgd optimizer.learning_rate=0.05"),
    Case("bfloat16", "dtype=bfloat16"),
    Case("digits", "data=digits steps=500"),
    Case("attention", "model._target_=sick.Attention optimizer.learning_rate=1e-3"),
)


def train(case: Case, folder: Path, *more: str) -> Run:
    """Train a case into ``folder`` as ``actlab train`` does, without a page; return its run.

    A run that is there already is only read.
    """
    from omegaconf import OmegaConf

    from actlab import train as training
    from actlab.cli import composing
    from actlab.cli.build import build
    from actlab.runs import read_run
    from actlab.train.folder import RunFolder

    overrides, written = [*more, *case.arguments], folder / ".hydra" / "overrides.yaml"
    ended = (folder / "run.json").exists() and RunFolder(folder).read()["state"] in ("finished", "diverged")
    if ended and OmegaConf.load(written) == overrides:
        return read_run(folder)
    config = composing.compose(composing.open_activation(overrides))
    written.parent.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / ".hydra" / "config.yaml", resolve=True)
    OmegaConf.save(overrides, written)
    with RunFolder(folder) as opened:
        training.train(build(config), opened)
    return read_run(folder)


def verdict(case: Case, diagnosis: Diagnosis) -> str:
    """Return "" if a case shows what it must and nothing it must not, else what is wrong."""
    bad = {f.name for f in diagnosis.findings if f.severity != "note"}
    if absent := set(case.has) - {f.name for f in diagnosis.findings}:
        return f"MISSED {', '.join(sorted(absent))}"
    if case.has and not bad & set(case.has):
        return f"only notes on {', '.join(case.has)}"
    if wrong := bad - set(case.has) - set(case.may):
        return f"WRONG {', '.join(sorted(wrong))}"
    return ""


MARKS = {"serious": "S", "warning": "W", "note": "n"}


def main() -> None:
    """Train all cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="cases whose name contains one of these")
    parser.add_argument("--into", type=Path, help="keep the run folders here, and take those that are there")
    parser.add_argument("--stats", choices=("basic", "full"), default="full", help="what the runs record")
    arguments = parser.parse_args()
    from circumstances import circumstances

    from actlab.cli.runtime import prepare
    from actlab.stability import diagnose
    from actlab.stability.rules import RULES

    prepare()
    start, reused = time.perf_counter(), 0
    with tempfile.TemporaryDirectory() as temporary:
        root = arguments.into or Path(temporary)
        rows = []
        for case in (*SICK, *HEALTHY):
            if arguments.only and not any(word in case.name for word in arguments.only):
                continue
            began = time.perf_counter()
            more = [] if "stats=" in case.overrides else [f"stats={arguments.stats}"]
            folder = root / re.sub(r"[^a-z0-9]+", "_", case.name.lower())
            reused += (folder / "run.json").exists()
            run = train(case, folder, *more)
            diagnosis = diagnose(run)
            rows.append((case, run, diagnosis))
            seconds = f"{time.perf_counter() - began:.0f} s"
            told = verdict(case, diagnosis) or "as it should be"
            print(f"{case.name} ({seconds}): {told}", file=sys.stderr, flush=True)
    print("# What is found in runs made to be sick, and in healthy ones: S serious, W warning, n note")
    for k, rule in enumerate(RULES):
        print(f"{chr(ord('a') + k)} = {rule.name}")
    letters = " ".join(chr(ord("a") + k) for k in range(len(RULES)))
    print(f"\n{'run':41} {letters}   test   ends as")
    for case, run, diagnosis in rows:
        found = {f.name: MARKS[f.severity] for f in diagnosis.findings}
        marks = " ".join(found.get(rule.name, ".") for rule in RULES)
        accuracy = run.last("test", "accuracy")
        state = run.info["state"]
        print(f"{case.name:41} {marks}  {accuracy:6.1%}  {state}  {verdict(case, diagnosis)}".rstrip())
    wrong = sum(bool(verdict(case, diagnosis)) for case, _, diagnosis in rows)
    false = sum(not case.has and not d.healthy for case, _, d in rows)
    print(f"\n{len(rows)} runs, {wrong} not as they should be; healthy runs with a warning or worse: {false}")
    print(f"{time.perf_counter() - start:.0f} s, {reused} runs taken as they were found; {circumstances()}")
    print("\n# What each disease was told by")
    for case, _, diagnosis in rows:
        for finding in diagnosis.findings:
            if finding.name in case.has:
                print(
                    f"\n{case.name}: {finding.title} ({finding.severity}, confidence {finding.confidence:.0%})"
                )
                print(f"  {finding.sentence}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    main()
