"""What statistics cost a training step, against training without any and against PyTorch hooks.

    pip install torch       # optional: without it there is no rival
    python experiments/benchmarks/stats_overhead.py [--case default mlp transformer] [--rounds 15] [--quick]

Three cases: the job ``actlab train`` composes by default, an MLP of 6 x 256 relu units with batch 256, and
small_transformer.py. Per case and level of statistics: seconds per step of the compiled chunk as the training loop
calls it (table fetched, rows made), interleaved in one process round by round in changing order. Printed are the
median and the first decile over rounds, and how much longer than without statistics: the median over rounds of
that round's ratio, and the ratio of first deciles, which is what a quiet machine would show.

``none`` is shown to cost nothing: its StableHLO equals, letter by letter, that of the same job with probes removed.

The rival takes the same statistics of the same model on the same data in PyTorch the way people write it: forward
and full backward hooks on every activation, ``.item()`` per figure; again with the rows we read (an eighth of the
batch); and what fastai's ActivationStats takes (mean, deviation, share near zero; forward). Its base is its own
plain step.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import statistics
import sys
import time
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from small_transformer import SmallTransformer

import actlab
from actlab.activations import make
from actlab.cli.build import build
from actlab.cli.composing import compose
from actlab.cli.runtime import device
from actlab.data import Dataset
from actlab.models import MLP
from actlab.stats import StatsConfig
from actlab.train import Run
from actlab.train.looking import Looks
from actlab.train.setup import Setup
from actlab.train.step import Program
from actlab.values import Bound

Chunk = Callable[[], None]

LEVELS = {
    "none": StatsConfig("none"),
    "basic every 1": StatsConfig("basic", every=1),
    "full every 1": StatsConfig("full", every=1),
    "full every 10": StatsConfig("full", every=10),
    "full every 1, whole batch": StatsConfig("full", every=1, rows=1),
    "basic every 20": StatsConfig("basic"),
}
TARGETS = {"basic every 1": 10.0, "full every 1": 30.0, "full every 10": 8.0}  # per cent
RIVALS = {  # and what of ours takes the same
    "hooks, all figures": "full every 1, whole batch",
    "hooks, an eighth of the rows": "full every 1",
    "hooks, mean/sd/near zero": "basic every 1",
}


def cases() -> dict[str, tuple[Run, int]]:
    """Return runs by name, with the steps of a chunk that is timed."""
    default = build(compose([]))

    def like(model: Bound, **changes) -> Run:
        return Run(dataclasses.replace(default.setup, model=model, **changes), 100, 500)

    mlp = like(Bound.of(MLP, depth=6, width=256), data=_noise(256), batch_size=256)
    transformer = like(Bound.of(SmallTransformer), act=make("gelu"))
    return {"default": (default, 100), "mlp": (mlp, 20), "transformer": (transformer, 20)}


def _noise(features: int) -> Dataset:
    rng = np.random.default_rng(0)

    def split(n: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.normal(size=(n, features)).astype(np.float32), rng.integers(0, 10, n).astype(np.int32)

    return Dataset("noise", *split(4096), *split(1024), num_classes=10)


# -- ours ----------------------------------------------------------------------------------------------------


def ours(setup: Setup, stats: StatsConfig, steps: int) -> Chunk:
    """Return a function training ``steps`` as the loop of ``actlab.train`` does."""
    program, data = Program(dataclasses.replace(setup, stats=stats)), setup.data
    if (stats.level == "none") == any(site in program.sites for site, _ in program.keys):
        raise RuntimeError(f"stats={stats.level}: the program records {program.keys}")
    x, y = jax.device_put((data.x_train, data.y_train))
    state = [program.init(program.own_numbers)]
    start = [0]

    def chunk() -> None:
        state[0], table, trace = program.chunk(state[0], x, y, length=steps, every=stats.every)
        table, trace, bad = jax.device_get((table, trace, state[0].diverged))
        program.rows(table, start[0], stats.every, stop=start[0] + steps)
        start[0] += steps
        if bad >= 0:
            raise RuntimeError("the benchmark's job diverged: nothing it took was timed")

    return chunk


@contextlib.contextmanager
def without_probes() -> Iterator[None]:
    """Make ``probe`` the identity wherever it is bound."""
    real = actlab.probe  # a name of this function alone: not to be replaced with the others
    bound = [
        (module, name)
        for module in list(sys.modules.values())
        for name, value in list(vars(module).items())
        if value is real
    ]
    for module, name in bound:
        setattr(module, name, lambda x, name: x)
    try:
        yield
    finally:
        for module, name in bound:
            setattr(module, name, real)


def stablehlo(setup: Setup, steps: int) -> tuple[str, int]:
    """Return the program of a chunk without statistics, and the number of probes in it."""
    program = Program(dataclasses.replace(setup, stats=LEVELS["none"]))
    data = setup.data
    state = jax.eval_shape(program.init, program.own_numbers)
    inputs = state, data.x_train, data.y_train
    return program.chunk.lower(*inputs, length=steps, every=20).as_text(), len(program.probes)


def identical(setup: Setup, steps: int) -> str:
    """Return a line on whether statistics not asked for leave the program as it would be without probes."""
    text, probes = stablehlo(setup, steps)
    with without_probes():
        bare, none = stablehlo(setup, steps)
    if not probes or none or stablehlo(setup, steps) != (text, probes):
        raise RuntimeError(f"{probes} probes with, {none} without: nothing was compared")
    lines = len(text.splitlines())
    same = "reached" if text == bare else "not reached"
    return (
        f"none: {lines} lines of StableHLO, {probes} probes; identical to the program without probes: {same}"
    )


# -- timing --------------------------------------------------------------------------------------------------


def interleaved(ways: dict[str, Chunk], rounds: int, warm: int = 2) -> dict[str, np.ndarray]:
    """Return seconds (rounds,) of every way, one call of each a round, in another order each round."""
    for chunk in ways.values():
        for _ in range(warm):
            chunk()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    rng = np.random.default_rng(0)
    for _ in range(rounds):
        for i in rng.permutation(len(ways)):
            name = list(ways)[i]
            began = time.perf_counter()
            ways[name]()
            seconds[name].append(time.perf_counter() - began)
    return {name: np.asarray(taken) for name, taken in seconds.items()}


def more(taken: np.ndarray, base: np.ndarray) -> tuple[float, float]:
    """Return by how many per cent ``taken`` is longer: median of ratios round by round, ratio of first deciles."""
    middle = statistics.median(taken / base)
    return 100.0 * (middle - 1.0), 100.0 * (np.quantile(taken, 0.1) / np.quantile(base, 0.1) - 1.0)


def table(seconds: dict[str, np.ndarray], base: str, steps: int) -> dict[str, float]:
    """Print a line for each way; return the overhead of first deciles, in per cent."""
    print(f"{'':30}{'us/step':>9}{'decile':>9}{'more':>9}{'decile':>9}   target")
    found = {}
    for name, taken in seconds.items():
        middle, first = more(taken, seconds[base])
        found[name] = first
        line = f"{name:30}{np.median(taken) / steps * 1e6:9.0f}{np.quantile(taken, 0.1) / steps * 1e6:9.0f}"
        if name != base:
            line += f"{middle:8.1f}%{first:8.1f}%"
        if (target := TARGETS.get(name)) is not None:
            verdict = "reached" if max(middle, first) <= target else "not reached"
            verdict = verdict if (middle <= target) == (first <= target) else "reached by one of two"
            line += f"   <= {target:.0f} %: {verdict}"
        print(line, flush=True)
    return found


def looks(run: Run, rounds: int, step: float) -> None:
    """Print what an evaluation takes, beside the ``eval_every`` steps between two of them."""
    setup = run.setup
    data = setup.data
    x, y, x_test, y_test = jax.device_put((data.x_train, data.y_train, data.x_test, data.y_test))
    ways: dict[str, Chunk] = {}
    for name in ("none", "basic", "full", "full, with ranks"):
        program = Program(dataclasses.replace(setup, stats=StatsConfig(name.split(",")[0])))
        seen, state, ranked = Looks(program), program.init(program.own_numbers), jnp.bool_("ranks" in name)
        ways[f"evaluate, {name}"] = lambda seen=seen, state=state, ranked=ranked: jax.device_get(
            seen.evaluate(state, x_test, y_test, ranked)
        )
    start = state.params
    for name, curvature in (("whole run", False), ("whole run, with curvature", True)):
        ways[name] = lambda c=curvature: jax.device_get(seen.whole(state, start, x, y, curvature=c))
    every = run.eval_every
    print(f"\n{'at an evaluation':30}{'ms':>9}{'decile':>9}   of {every} steps without statistics")
    for name, taken in interleaved(ways, rounds, warm=1).items():
        note = f" (every {StatsConfig().curvature_every} evaluations)" if "with" in name else ""
        share = 100.0 * np.quantile(taken, 0.1) / (every * step)
        print(
            f"{name:30}{np.median(taken) * 1e3:9.2f}{np.quantile(taken, 0.1) * 1e3:9.2f}{share:8.1f}%{note}",
            flush=True,
        )


def main() -> None:
    """Run the benchmark."""
    known = ("default", "mlp", "transformer")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", nargs="+", choices=known, default=known)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="few rounds: to see that it runs")
    arguments = parser.parse_args()
    rounds = 3 if arguments.quick else arguments.rounds
    try:
        import torch
        from stats_rival import rivals
    except ImportError:
        torch = None
    threads = (
        f"torch {torch.__version__}, {torch.get_num_threads()} threads" if torch else "torch not installed"
    )
    print(f"{device()}, jax {jax.__version__}, {threads}; {rounds} rounds, interleaved")
    made = cases()
    for case in arguments.case:
        run, steps = made[case]
        setup = run.setup
        print(f"\n== {case}: {setup.act!r}, batch {setup.batch_size}, chunks of {steps} steps")
        print(identical(setup, steps), flush=True)
        ways = {name: ours(setup, stats, steps) for name, stats in LEVELS.items()}
        seconds = interleaved(ways, rounds)
        mine = table(seconds, "none", steps)
        if torch:  # its threads wait for work by spinning: apart from ours, which they would slow down
            few = max(steps // 10, 5)
            print("PyTorch")
            rival = table(interleaved(rivals(case, setup, few), rounds, warm=1), "plain", few)
            for name, counterpart in RIVALS.items():
                ratio = rival[name] / mine[counterpart] if mine[counterpart] > 0 else float("inf")
                print(
                    f"{name} / {counterpart}: {rival[name]:.0f} % / {mine[counterpart]:.0f} % = {ratio:.1f}"
                )
        else:
            print("PyTorch is not installed: no rival")
        looks(run, max(rounds // 3, 3), float(np.quantile(seconds["none"], 0.1)) / steps)


if __name__ == "__main__":
    main()
