"""A sweep of 128 small runs, from pressing return to the last run folder, against the other ways to run it.

    python experiments/benchmarks/sweep.py [--steps 3000] [--rivals basic,joblib,loop,torch] [--whole]

8 activations x 4 seeds x 4 learning rates of the MNIST-1D paper's MLP, batch 100, Adam, statistics on. Each way
runs in a process of its own and is timed from outside, its start and all compiling included; actlab's command line
with an empty compilation cache each time. ``vmap`` is `actlab train -m ... hydra/launcher=vmap`; its rivals:

- ``basic``: the same command with Hydra's basic launcher, without compilation cache, as shipped;
- ``joblib``: the same with Hydra's joblib launcher on two processes, with the compilation cache;
- ``loop``: one process, a plain jitted optax step called from Python for each batch, no statistics, no folders;
- ``torch``: the same loop in PyTorch, no statistics, no folders, two threads.

Without ``--whole`` a rival does two parts of the 128 runs, and what further runs take each is extrapolated; rivals
alternate with ours, ``--rounds`` times. ``warm`` is ours once more, with the compilation cache that the first left:
what it takes less is what compiling takes. The roof: the matrix products of 384,000 steps alone, on both cores at
once, by a process of one thread on each.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ACTIVATIONS = ("relu", "gelu", "swish", "tanh", "elu", "mish", "softplus", "selu")
SEEDS = (0, 1, 2, 3)
RATES = ("1e-3", "3e-3", "1e-2", "3e-2")
DATA = (100, 40, 10)  # batch, features, classes
WIDTH = 100


Part = tuple[int, int, int]  # how many of the activations, seeds, rates
ALL: Part = (8, 4, 4)


def jobs(part: Part) -> list[tuple[str, int, str]]:
    """Return (activation, seed, rate) of the runs of a part."""
    a, s, r = part
    return [(x, y, z) for x in ACTIVATIONS[:a] for y in SEEDS[:s] for z in RATES[:r]]


def command(launcher: list[str], steps: int, part: Part) -> list[str]:
    """Return actlab's command line."""
    acts, seeds, rates = (
        ",".join(map(str, v[:n])) for v, n in zip((ACTIVATIONS, SEEDS, RATES), part, strict=True)
    )
    return [
        sys.executable, "-c", "from actlab.cli import main; main()", "train", "-m", "+experiment=mnist1d_mlp",
        f"steps={steps}", f"activation={acts}", f"seed={seeds}", f"optimizer.learning_rate={rates}", *launcher,
    ]  # fmt: skip


LAUNCHERS = {
    "vmap": ["hydra/launcher=vmap"],
    "basic": [],
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
}


def actlab(way: str, steps: int, part: Part, cache: Path | None = None) -> float:
    """Run the command line in a fresh folder, nothing compiled before but what ``cache`` holds; return seconds."""
    with tempfile.TemporaryDirectory() as folder:
        cache = cache or Path(folder) / "cache"
        environment = os.environ | {"ACTLAB_CACHE": str(cache), "PYTHONWARNINGS": "ignore"}
        _warm_data(cache)
        if way == "basic":
            environment["JAX_ENABLE_COMPILATION_CACHE"] = "false"
        began = time.perf_counter()
        done = subprocess.run(
            command(LAUNCHERS[way], steps, part), cwd=folder, env=environment, capture_output=True, text=True
        )
        took = time.perf_counter() - began
        states = [p.read_text() for p in Path(folder).rglob("run.json")]
        finished = sum('"state": "finished"' in s or '"state": "diverged"' in s for s in states)
        if done.returncode or finished != len(jobs(part)):
            raise RuntimeError(
                f"{way}: {finished} of {len(jobs(part))} runs, exit {done.returncode}\n{done.stderr[-2000:]}"
            )
        return took


def _warm_data(cache: Path) -> None:
    """Copy the generated data set, which is made once on a machine, into a cache of its own."""
    from actlab.data import cache_dir, mnist1d

    mnist1d()
    cache.mkdir(exist_ok=True)
    for path in cache_dir().glob("mnist1d*"):
        (cache / path.name).write_bytes(path.read_bytes())


def script(name: str, steps: int, part: Part) -> float:
    """Run one of the loops below in a process; return its seconds."""
    began = time.perf_counter()
    subprocess.run([*_inside(name, steps, part)], check=True)
    return time.perf_counter() - began


def _inside(name: str, steps: int, part: Part) -> list[str]:
    return [
        sys.executable,
        __file__,
        "--inside",
        name,
        "--steps",
        str(steps),
        "--part",
        ",".join(map(str, part)),
    ]


def loop(steps: int, part: Part) -> None:
    """Train one run after another by a jitted optax step, compiled once for each activation."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax

    from actlab.activations import make
    from actlab.data import mnist1d

    data = mnist1d()
    for name in dict.fromkeys(a for a, _, _ in jobs(part)):
        act = make(name)

        def loss_fn(params, x, y, act=act):
            h = act(x @ params["w0"] + params["b0"])
            h = h + act(h @ params["w1"] + params["b1"])
            logits = h @ params["w2"] + params["b2"]
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

        tx = optax.inject_hyperparams(optax.adam)(learning_rate=1e-3)

        @jax.jit
        def step(params, opt, x, y, loss_fn=loss_fn, tx=tx):
            loss, grads = jax.value_and_grad(loss_fn)(params, x, y)
            updates, opt = tx.update(grads, opt)
            return optax.apply_updates(params, updates), opt, loss

        for _, seed, rate in (j for j in jobs(part) if j[0] == name):
            rng = np.random.default_rng(seed)
            sizes = ((DATA[1], WIDTH), (WIDTH, WIDTH), (WIDTH, DATA[2]))
            params = {}
            for i, (m, n) in enumerate(sizes):
                params[f"w{i}"] = jnp.asarray(rng.uniform(-1, 1, (m, n)) / m**0.5, jnp.float32)
                params[f"b{i}"] = jnp.zeros(n, jnp.float32)
            opt = tx.init(params)
            opt.hyperparams["learning_rate"] = jnp.float32(rate)
            order = np.zeros(0, int)
            for _ in range(steps):
                if len(order) < DATA[0]:
                    order = rng.permutation(len(data.x_train))
                index, order = order[: DATA[0]], order[DATA[0] :]
                params, opt, _ = step(params, opt, data.x_train[index], data.y_train[index])
            jax.block_until_ready(params)


def torch_loop(steps: int, part: Part) -> None:
    """Train one run after another in PyTorch."""
    import numpy as np
    import torch
    from torch import nn
    from torch.nn import functional as F

    from actlab.data import mnist1d

    torch.set_num_threads(2)
    functions = {
        "relu": F.relu, "gelu": F.gelu, "swish": F.silu, "tanh": torch.tanh, "elu": F.elu, "mish": F.mish,
        "softplus": F.softplus, "selu": F.selu,
    }  # fmt: skip
    data = mnist1d()
    x, y = torch.from_numpy(np.array(data.x_train)), torch.from_numpy(np.array(data.y_train)).long()
    for name, seed, rate in jobs(part):
        torch.manual_seed(seed)
        act = functions[name]
        layers = nn.ModuleList(
            [nn.Linear(DATA[1], WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, DATA[2])]
        )
        optimizer = torch.optim.Adam(layers.parameters(), lr=float(rate))
        order = torch.zeros(0, dtype=torch.long)
        for _ in range(steps):
            if len(order) < DATA[0]:
                order = torch.randperm(len(x))
            index, order = order[: DATA[0]], order[DATA[0] :]
            h = act(layers[0](x[index]))
            h = h + act(layers[1](h))
            loss = F.cross_entropy(layers[2](h), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def products(steps: int, part: Part) -> None:
    """Compute the eight matrix products of a step, forward and backward, ``steps`` times for each run's half."""
    import jax

    B, D, K = DATA
    key = jax.random.key(0)

    def one(carry, _):
        x, w0, w1, w2 = carry
        h0 = x @ w0
        h1 = h0 @ w1
        o = h1 @ w2
        g2, dh1 = h1.T @ o, o @ w2.T
        g1, dh0 = h0.T @ dh1, dh1 @ w1.T
        g0 = x.T @ dh0
        # Something must depend on each product, at the least cost: the next step's weights.
        return (x, w0 - 1e-9 * g0, w1 - 1e-9 * g1, w2 - 1e-9 * g2), None

    start = tuple(
        jax.random.normal(jax.random.fold_in(key, i), shape) / 10
        for i, shape in enumerate(((B, D), (D, WIDTH), (WIDTH, WIDTH), (WIDTH, K)))
    )
    run = jax.jit(lambda c: jax.lax.scan(one, c, None, length=steps)[0])
    jax.block_until_ready(run(start))
    began = time.perf_counter()
    for _ in range(len(jobs(part)) // 2):
        jax.block_until_ready(run(start))
    print(time.perf_counter() - began)


def roof(steps: int) -> float:
    """Return seconds for the products of all runs on two cores, one process of one thread each."""
    part = (1, 4, 4)
    environment = os.environ | {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "JAX_PLATFORMS": "cpu"}
    pair = [
        subprocess.Popen(
            ["taskset", "-c", str(core), *_inside("products", steps, part)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for core in (0, 1)
    ]
    return max(float(p.communicate()[0]) for p in pair) * len(jobs(ALL)) / len(jobs(part))


# Of a rival two parts are run, a greater and a smaller; what a run beyond the smaller part takes is what each of the
# others would: of Hydra's launchers one whose program is (joblib) or is not (basic) in the cache, of loops one more
# rate.
PARTS: dict[str, tuple[Part, Part]] = {
    "basic": ((8, 1, 1), (2, 1, 1)),
    "joblib": ((8, 4, 1), (8, 1, 1)),
    "loop": ((8, 1, 2), (8, 1, 1)),
    "torch": ((8, 1, 2), (8, 1, 1)),
}


def rival(name: str, steps: int, whole: bool) -> tuple[float, str]:
    """Return seconds for all runs, and in words how they were found."""

    def measure(part: Part) -> float:
        return actlab(name, steps, part) if name in LAUNCHERS else script(name, steps, part)

    if whole:
        return measure(ALL), "all run"
    great, small = (len(jobs(part)) for part in PARTS[name])
    more, less = (measure(part) for part in PARTS[name])
    each = (more - less) / (great - small)
    return more + (
        len(jobs(ALL)) - great
    ) * each, f"{great} runs {more:.1f} s, {each:.2f} s each of the others"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rivals", default="basic,joblib,loop,torch")
    parser.add_argument("--whole", action="store_true", help="run all 128 of every rival, too")
    parser.add_argument("--part", default="8,4,4", help=argparse.SUPPRESS)
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    inside = {"loop": loop, "torch": torch_loop, "products": products}
    if arguments.inside:
        inside[arguments.inside](arguments.steps, tuple(map(int, arguments.part.split(","))))
        return
    from actlab.cli.runtime import device, git_commit

    print(f"{device()}, commit {git_commit()}")
    steps = arguments.steps
    seconds: dict[str, list[float]] = {}
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as cache:
            ours, again = (actlab("vmap", steps, ALL, Path(cache)) for _ in range(2))
        seconds.setdefault("vmap", []).append(ours)
        seconds.setdefault("warm", []).append(again)
        print(f"vmap    {ours:8.1f} s", flush=True)
        print(f"warm    {again:8.1f} s  compiled before: compiling takes {ours - again:.1f} s", flush=True)
        for name in filter(None, arguments.rivals.split(",")):
            took, how = rival(name, steps, arguments.whole)
            seconds.setdefault(name, []).append(took)
            print(f"{name:7} {took:8.1f} s  {took / ours:5.1f} x   ({how})", flush=True)
        top = roof(steps)
        seconds.setdefault("roof", []).append(top)
        print(
            f"roof    {top:8.1f} s  the matrix products alone: {top / ours:.0%} of ours, all in", flush=True
        )
    print(f"\n{len(jobs(ALL))} runs of {steps} steps; medians of {arguments.rounds} rounds")
    for way, taken in seconds.items():
        ratios = [t / o for t, o in zip(taken, seconds["vmap"], strict=True)]
        told = f"{statistics.median(ratios):6.2f} x  ({min(ratios):.2f} .. {max(ratios):.2f})"
        print(f"{way:8}{statistics.median(taken):8.1f} s {told}")


if __name__ == "__main__":
    main()
