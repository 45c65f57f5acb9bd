"""What a learning rate that is not the best one costs, by activation: MNIST-1D, Adam, 8 rates, 3 seeds.

python experiments/04_stability/learning_rate_sensitivity.py [--png learning_rate_sensitivity.png]

E over lr in [1e-4, 0.3] of min(loss(lr), loss_init) - loss_best: training loss, lr uniform in its logarithm.
Wortsman et al. 2023, arXiv:2309.14322. One program an activation, its runs one after another in it.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from functools import partial

import altair as alt
import jax
import jax.numpy as jnp
import numpy as np
import optax
from circumstances import circumstances
from flax import nnx

import actlab
from actlab.activations import Act
from actlab.data import batch_indices, mnist1d
from actlab.models import MLP
from actlab.stability import learning_rate_sensitivity

RATES = np.geomspace(1e-4, 0.3, 8)
STEPS, BATCH, SEEDS = 800, 100, 3
# Measured before: sensitivity, its spread over seeds, dead first-layer units at lr 0.3 in %.
EARLIER = {
    "relu": (0.670, 0.038, 32),
    "sigmoid": (0.754, 0.032, None),
    "gelu": (0.809, 0.043, 22),
    "silu": (0.856, 0.062, 15),
    "selu": (0.875, 0.029, None),
    "tanh": (0.993, 0.031, None),
}


@partial(jax.jit, static_argnames=("act", "steps"))
def train_all(rates: jax.Array, seeds: jax.Array, data: tuple[jax.Array, ...], act: Act, *, steps: int):
    """Return training loss before and after, and the share of dead first-layer units, (S, R) each."""
    x, y = data
    adam = optax.scale_by_adam()

    def one(at):
        rate, seed = at
        key = jax.random.key(seed)
        rngs = nnx.Rngs(jax.random.fold_in(key, 0))
        model = MLP(act, x.shape[1:], 10, depth=2, width=100, init="torch_default", residual=True, rngs=rngs)
        graph, params, rest = nnx.split(model, nnx.Param, ...)
        order = jax.random.fold_in(key, 1)
        index_TxB = batch_indices(order, jnp.int32(0), length=steps, size=len(x), batch=BATCH)

        def loss(params, x, y):
            logits = nnx.merge(graph, params, rest)(x)
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

        def step(carry, index_B):
            params, state = carry
            updates, state = adam.update(jax.grad(loss)(params, x[index_B], y[index_B]), state)
            return (jax.tree.map(lambda p, u: p - rate * u, params, updates), state), None

        (after, _), _ = jax.lax.scan(step, (params, adam.init(params)), index_TxB)
        first = nnx.merge(graph, after, rest).blocks[0]
        pre_BxW = first.linear(x)
        return loss(params, x, y), loss(after, x, y), (pre_BxW.max(axis=0) <= 0).mean()

    grid = jnp.meshgrid(seeds, rates, indexing="ij")
    found = jax.lax.map(one, (grid[1].ravel(), grid[0].ravel()))
    return [v.reshape(grid[0].shape) for v in found]


def sensitivity(name: str, *, seeds: int = SEEDS, steps: int = STEPS):
    """Return sensitivity (S,), losses (S, R), initial losses (S,), dead shares (S, R) of an activation."""
    data = mnist1d()
    arrays = jnp.asarray(data.x_train), jnp.asarray(data.y_train)
    found = train_all(
        jnp.float32(RATES), jnp.arange(seeds, dtype=jnp.uint32), arrays, actlab.make(name), steps=steps
    )
    before, after, dead = (np.asarray(v, np.float64) for v in found)
    return learning_rate_sensitivity(RATES, after, initial=before[:, 0]), after, before[:, 0], dead


def picture(losses: dict[str, np.ndarray], initial: float) -> alt.Chart:
    """Return loss over the learning rate, a line an activation."""
    rows = [
        {"activation": name, "learning rate": float(rate), "loss": float(min(value, initial))}
        for name, by_seed in losses.items()
        for rate, value in zip(RATES, np.nan_to_num(by_seed, nan=math.inf).mean(axis=0), strict=True)
    ]
    colours = ["#1f6fb5", "#c4540a", "#008264", "#b0468f", "#1b2129", "#a67a00"]
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_line(strokeWidth=2, point=True)
        .encode(
            x=alt.X("learning rate:Q", scale=alt.Scale(type="log"), axis=alt.Axis(format="~e")),
            y=alt.Y("loss:Q", title="training loss after 800 steps, at most the initial"),
            color=alt.Color("activation:N", sort=list(losses), scale=alt.Scale(range=colours), title=None),
        )
        .properties(width=460, height=280, title="MNIST-1D, MLP 40-100-100-10, Adam")
    )


def main() -> None:
    """Print the sensitivity of each activation beside what was measured before; draw the losses."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--png")
    png = parser.parse_args().png
    print(
        f"{len(RATES)} rates from {RATES[0]:g} to {RATES[-1]:g}, {STEPS} steps of Adam, {SEEDS} seeds (mean +- sd)\n"
    )
    print(
        f"{'':9} {'sensitivity':>16} {'earlier':>14}   {'best loss':>9} {'at lr':>8} {'at 0.3':>7} {'dead':>5} "
        f"{'earlier':>7} {'s':>4}"
    )
    losses, initial = {}, []
    for name, (mean, spread, dead_before) in EARLIER.items():
        began = time.perf_counter()
        got, after, before, dead = sensitivity(name)
        losses[name] = after
        initial += before.tolist()
        best = int(np.argmin(np.nan_to_num(after, nan=math.inf).mean(axis=0)))
        print(
            f"{name:9} {got.mean():7.3f} +- {statistics.stdev(got):.3f} {mean:6.3f} +- {spread:.3f}   "
            f"{after[:, best].mean():9.3f} {RATES[best]:8.2g} {after[:, -1].mean():7.3f} {dead[:, -1].mean():5.0%} "
            f"{'' if dead_before is None else f'{dead_before}%':>7} {time.perf_counter() - began:4.0f}",
            flush=True,
        )
    print(f"\n{circumstances()}")
    if png:
        picture(losses, statistics.mean(initial)).save(png, scale_factor=2)


if __name__ == "__main__":
    main()
