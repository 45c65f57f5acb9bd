"""Steps per second of the default job, against the training loop of Flax's documentation.

    python experiments/benchmarks/train_loop.py [--rounds 15] [OVERRIDES ...]

Three ways to train the same model on the same batches of the same data, interleaved in one process, compilation
apart: actlab's compiled chunks with statistics on, as ``actlab train`` runs them (rows fetched and turned into
records; writing files and evaluating are not counted for anyone); Flax's documented loop (a ``nnx.jit`` step with
``nnx.Optimizer`` and ``nnx.MultiMetric``, called from Python); and the same with ``nnx.cached_partial``, which
Flax's performance guide recommends. The two rivals take no statistics. Prints medians over rounds and the
ratio round by round.
"""

from __future__ import annotations

import argparse
import statistics
import time

import jax
import numpy as np
import optax
from flax import nnx

from actlab.cli.build import build
from actlab.cli.composing import compose
from actlab.cli.runtime import device
from actlab.train import Run
from actlab.train.step import Program


def ours(run: Run):
    """Return a function training one chunk as the loop of ``actlab.train`` does."""
    program, data = Program(run.setup), run.setup.data
    x, y = jax.device_put((data.x_train, data.y_train))
    every = run.setup.stats.every
    state = [program.init(run.numbers)]

    def chunk(steps: int) -> None:
        start = int(state[0].step)
        state[0], table, _ = program.chunk(state[0], x, y, length=steps, every=every)
        program.rows(jax.device_get(table), start, every, stop=start + steps)
        assert int(state[0].diverged) < 0

    return chunk


def flax_documentation(run: Run, *, cached: bool):
    """Return a function training as https://flax.readthedocs.io "MNIST tutorial" does."""
    setup, data = run.setup, run.setup.data
    model = setup.build(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, setup.optimizer.transformation(setup.steps), wrt=nnx.Param)
    metrics = nnx.MultiMetric(accuracy=nnx.metrics.Accuracy(), loss=nnx.metrics.Average("loss"))

    def loss_fn(model, x, y):
        logits = model(x, train=True)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), logits

    @nnx.jit
    def train_step(model, optimizer, metrics, x, y):
        (loss, logits), grads = nnx.value_and_grad(loss_fn, has_aux=True)(model, x, y)
        metrics.update(loss=loss, logits=logits, labels=y)
        optimizer.update(model, grads)

    if cached:
        step = nnx.cached_partial(train_step, model, optimizer, metrics)
    else:

        def step(x, y):
            train_step(model, optimizer, metrics, x, y)

    rng, order, position = np.random.default_rng(0), np.zeros(0, int), 0

    def chunk(steps: int) -> None:
        nonlocal order, position
        for _ in range(steps):
            if position + setup.batch_size > len(order):
                order, position = rng.permutation(len(data.x_train)), 0
            index = order[position : position + setup.batch_size]
            position += setup.batch_size
            step(data.x_train[index], data.y_train[index])
        metrics.compute()
        jax.block_until_ready(nnx.state(model, nnx.Param))

    return chunk


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    arguments, overrides = parser.parse_known_args()
    run = build(compose(overrides))
    steps = run.eval_every
    ways = {
        "actlab, statistics on": ours(run),
        "flax documentation, nnx.jit": flax_documentation(run, cached=False),
        "flax, nnx.cached_partial": flax_documentation(run, cached=True),
    }
    print(f"{run.setup.act!r}, batch {run.setup.batch_size}, {device()}, jax {jax.__version__}")
    for name, chunk in ways.items():
        began = time.perf_counter()
        chunk(steps)
        print(f"{name}: first {steps} steps, compilation included, {time.perf_counter() - began:.1f} s")
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(arguments.rounds):
        for name, chunk in ways.items():
            began = time.perf_counter()
            chunk(steps)
            seconds[name].append(time.perf_counter() - began)
    first = next(iter(ways))
    print(f"\n{'':32}{'steps/s':>10}{'ratio':>8}   (ratio round by round: min .. max)")
    for name, taken in seconds.items():
        ratios = [b / a for a, b in zip(seconds[first], taken, strict=True)]
        print(
            f"{name:32}{steps / statistics.median(taken):10,.0f}{statistics.median(ratios):8.2f}"
            f"   {min(ratios):.2f} .. {max(ratios):.2f}"
        )


if __name__ == "__main__":
    main()
