"""Sharpness rises to 2 / learning rate and hovers there: gradient descent on the digits, five activations.

python experiments/04_stability/edge_of_stability.py [--png edge_of_stability.png]

The first 1,000 training digits in one batch, an MLP 64-64-64-10, half the squared error summed over the classes,
plain gradient descent at 0.1. Cohen, Kaur, Li, Kolter, Talwalkar 2021, arXiv:2103.00065.
"""

from __future__ import annotations

import argparse
import time
from functools import partial

import altair as alt
import jax
import jax.numpy as jnp
import numpy as np
from circumstances import circumstances
from flax import nnx

import actlab
from actlab.activations import Act
from actlab.data import digits
from actlab.models import MLP
from actlab.stability import edge_of_stability
from actlab.stats import top_eigenvalue
from actlab.train import sgd
from actlab.train.whole_run import stability_limit

RATE, STEPS, EVERY, SAMPLES = 0.1, 4000, 50, 1000
# Measured before at the same setting, sharpness at the end (2 / lr = 20).
EARLIER = {
    "tanh": "19.7 to 20.2",
    "elu": "19.9",
    "gelu": "18.6 to 20.2",
    "relu": "14: the task is too easy",
    "softplus": "swings from 14 to 23",
}


@partial(jax.jit, static_argnames=("act", "steps", "every"))
def descend(seed: jax.Array, x: jax.Array, y: jax.Array, act: Act, *, steps: int, every: int):
    """Return loss, sharpness and its residual (steps / every + 1,) of one run, in one program."""
    model = MLP(
        act, x.shape[1:], 10, depth=2, width=64, init="torch_default", rngs=nnx.Rngs(jax.random.key(seed))
    )
    graph, params, rest = nnx.split(model, nnx.Param, ...)

    def loss(params):
        outputs = nnx.merge(graph, params, rest)(x)
        return 0.5 * jnp.square(outputs - jax.nn.one_hot(y, 10)).sum(axis=1).mean()

    def step(params, _):
        return jax.tree.map(lambda p, g: p - RATE * g, params, jax.grad(loss)(params)), None

    def stretch(params, key):
        top = top_eigenvalue(loss, params, key, iterations=40, tolerance=3e-3)
        after, _ = jax.lax.scan(step, params, length=every)
        return after, (loss(params), top.value, top.residual)

    keys = jax.random.split(jax.random.key(seed + 1), steps // every + 1)
    return jax.lax.scan(stretch, params, keys)[1]


def run(name: str, *, steps: int = STEPS, every: int = EVERY) -> dict[str, np.ndarray]:
    """Return steps, loss, sharpness and residual of an activation."""
    data = digits()
    found = descend(
        jnp.uint32(0),
        data.x_train[:SAMPLES],
        data.y_train[:SAMPLES],
        actlab.make(name),
        steps=steps,
        every=every,
    )
    loss, sharpness, residual = (np.asarray(v, np.float64) for v in found)
    return {"step": np.arange(len(loss)) * every, "loss": loss, "sharpness": sharpness, "residual": residual}


def picture(runs: dict[str, dict[str, np.ndarray]], limit: float) -> alt.Chart:
    """Return sharpness over steps, a panel an activation."""
    panels = []
    for name, r in runs.items():
        columns = (r[what].tolist() for what in ("step", "sharpness"))
        rows = [{"step": step, "sharpness": value} for step, value in zip(*columns, strict=True)]
        x = alt.X("step:Q", title="step of gradient descent")
        y = alt.Y("sharpness:Q", scale=alt.Scale(domain=[0, 30], clamp=True))
        line = alt.Chart(alt.Data(values=rows)).mark_line(color="#1f6fb5", strokeWidth=2).encode(x=x, y=y)
        rule = alt.Chart(alt.Data(values=[{"limit": limit}])).mark_rule(
            color="#c4540a", strokeDash=[5, 3], strokeWidth=1.8
        )
        panels.append(alt.layer(line, rule.encode(y="limit:Q")).properties(width=230, height=160, title=name))
    return alt.concat(*panels, columns=3).properties(
        title={
            "text": "Sharpness of the training loss",
            "subtitle": "dashed: 2 / learning rate; digits, MLP 64-64-64-10, full batch; values above 30 cut off",
        }
    )


def main() -> None:
    """Print what sharpness does, and what the detector says of it; draw it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--png")
    png = parser.parse_args().png
    limit = float(stability_limit(sgd(learning_rate=RATE)))
    print(f"sharpness, gradient descent at {RATE}, 2 / lr = {limit:g}; every {EVERY} of {STEPS:,} steps\n")
    print(
        f"{'':9} {'start':>6} {'largest':>8} {'last 1,000 steps':>24} {'residual':>9} {'loss':>8} {'s':>4}  earlier"
    )
    print(f"{'':9} {'':6} {'':8} {'median':>8} {'from':>7} {'to':>7}")
    runs, events = {}, []
    for name, earlier in EARLIER.items():
        began = time.perf_counter()
        r = runs[name] = run(name)
        late = r["sharpness"][r["step"] > STEPS - 1000]
        print(
            f"{name:9} {r['sharpness'][0]:6.2f} {r['sharpness'].max():8.2f} {np.median(late):8.2f} {late.min():7.2f} "
            f"{late.max():7.2f} {r['residual'].max():9.1e} {r['loss'][-1]:8.1e} {time.perf_counter() - began:4.0f}  "
            f"{earlier}",
            flush=True,
        )
        events += [f"{name}: {e.message}" for e in edge_of_stability(r["step"], r["sharpness"], limit)]
    print("\nactlab.stability.edge_of_stability:\n" + "\n".join(events))
    print(f"\n{circumstances()}")
    if png:
        picture(runs, limit).save(png, scale_factor=2)


if __name__ == "__main__":
    main()
