"""Time activations forward and forward + backward against jax.nn and PyTorch, interleaved in one process.

    pip install torch       # optional: without it the column is left out
    python experiments/benchmarks/activation_speed.py [NAMES ...] [--rounds 9] [--sizes 20 24]
        [--dtypes float32 bfloat16]

Each function of one compiled program (forward: y; both: y and dx from x and dy), jax.nn's the same way, torch eager
on as many threads. Per cell: the median over rounds of (rival's time / ours), so above 1 ours is faster, and the
share of the memory-bandwidth limit that ours reaches: the time of a program that only moves the same arrays, over
ours. Where jax.nn is faster, a line says what its speed costs: the worst errors of f and f' of both, in the units of
activation_accuracy.py (float32, 4,000 points). Geometric means close the table. Rounds are interleaved, the order
alternates: trust the ratios, not the times.
"""

from __future__ import annotations

import argparse
import functools
import math
import os
import statistics
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

import oracle

import actlab
from actlab.errors import InputError

JAX = {
    "gelu": functools.partial(jax.nn.gelu, approximate=False),
    "gelu_tanh": functools.partial(jax.nn.gelu, approximate=True),
    "softsign": jax.nn.soft_sign,
    **{
        name: getattr(jax.nn, name)
        for name in [
            "relu",
            "relu6",
            "leaky_relu",
            "elu",
            "celu",
            "selu",
            "silu",
            "sigmoid",
            "tanh",
            "softplus",
            "log_sigmoid",
            "hard_sigmoid",
            "hard_tanh",
            "hard_silu",
            "mish",
            "squareplus",
            "sparse_plus",
            "sparse_sigmoid",
        ]
    },
}
TORCH = {
    "gelu": ("gelu", {}),
    "gelu_tanh": ("gelu", {"approximate": "tanh"}),
    "log_sigmoid": ("logsigmoid", {}),
    "hard_sigmoid": ("hardsigmoid", {}),
    "hard_tanh": ("hardtanh", {}),
    "hard_silu": ("hardswish", {}),
    **{
        n: (n, {})
        for n in [
            "relu",
            "relu6",
            "leaky_relu",
            "elu",
            "celu",
            "selu",
            "silu",
            "sigmoid",
            "tanh",
            "softplus",
            "softsign",
            "mish",
        ]
    },
}


def jax_pair(f):
    """Return compiled forward, and forward + backward."""

    def both(x, dy):
        y, pull = jax.vjp(f, x)
        return y, pull(dy)[0]

    forward, both = jax.jit(f), jax.jit(both)
    return (
        lambda x, dy: jax.block_until_ready(forward(x)),
        lambda x, dy: jax.block_until_ready(both(x, dy)),
    )


def torch_pair(name):
    """Return the same for PyTorch eager, or None."""
    if torch is None or name not in TORCH:
        return None
    function, options = TORCH[name]
    f = functools.partial(getattr(torch.nn.functional, function), **options)

    def forward(x, dy):
        with torch.no_grad():
            f(x)

    def both(x, dy):
        x = x.detach().requires_grad_()
        f(x).backward(dy)

    return forward, both


def errors(f, spec) -> str:
    """Return the worst units of f and f' in float32."""
    xs = np.unique(oracle.points("float32", 4000).astype(np.float32))
    got = jax.jit(jax.vmap(jax.value_and_grad(f)))(xs)
    fixed = spec.at()
    found = oracle.worst(spec, "float32", xs, got, {k.at for k in (*fixed.kinks, *fixed.jumps)})
    return " and ".join(f"{units:.2g}" for units, _ in found)


def seconds(run, *arguments, least=0.02) -> float:
    """Return the time of one call: the least over repetitions within a short window."""
    best, end = math.inf, time.perf_counter() + least
    while True:
        start = time.perf_counter()
        run(*arguments)
        now = time.perf_counter()
        best = min(best, now - start)
        if now > end:
            return best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=list(JAX))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 24], help="powers of two")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    arguments = parser.parse_args()
    print(
        f"jax {jax.__version__}, torch {torch and torch.__version__}, {os.cpu_count()} cores, {jax.devices()[0]}"
    )
    print("ratios: above 1 ours is faster; share: of the memory-bandwidth limit")
    head = f"{'':14} {'dtype':9} {'size':5} {'':8} {'/jax.nn':>8} {'/torch':>8} {'share':>6}"
    print(head + f" {'lean/jax.nn':>12} {'lean/torch':>11} {'share':>6}")
    moved = jax.jit(lambda x: x + 1), jax.jit(lambda x, dy: (x + 1, dy + x))
    moving = (
        lambda x, dy: jax.block_until_ready(moved[0](x)),
        lambda x, dy: jax.block_until_ready(moved[1](x, dy)),
    )
    collected: dict[str, list[float]] = {}
    slower = set()
    rng = np.random.default_rng(0)
    for dtype in arguments.dtypes:
        for power in arguments.sizes:
            shape = (2 ** (power - 10), 2**10)
            numbers = rng.normal(size=shape).astype(np.float32) * 2
            given = [jnp.asarray(numbers, dtype), jnp.asarray(numbers[::-1], dtype)]
            for_torch = torch and [
                torch.tensor(np.array(n)).to(getattr(torch, dtype)) for n in (numbers, numbers[::-1])
            ]
            for name in arguments.names:
                f = actlab.registry()[name]
                runs = {
                    "ours": jax_pair(f),
                    "jax": jax_pair(JAX[name]),
                    "torch": torch_pair(name),
                    "moving": moving,
                }
                try:
                    act = actlab.lean(f)
                    runs["lean"] = jax_pair(act) if f.spec.at().keeps == "input" else None
                except InputError:
                    runs["lean"] = None
                runs = {key: pair for key, pair in runs.items() if pair}
                for way, label in enumerate(("forward", "both")):
                    times = {key: [] for key in runs}
                    for round_ in range(arguments.rounds + 1):
                        for key in list(runs)[:: 1 if round_ % 2 else -1]:
                            spent = seconds(runs[key][way], *(for_torch if key == "torch" else given))
                            if round_:  # the first compiles
                                times[key].append(spent)

                    def ratio(rival, mine, times=times, label=label):
                        if rival not in times or mine not in times:
                            return None
                        value = statistics.median(
                            a / b for a, b in zip(times[rival], times[mine], strict=True)
                        )
                        collected.setdefault(f"{mine} against {rival}, {label}", []).append(value)
                        return value

                    cells = [ratio(r, m) for m in ("ours", "lean") for r in ("jax", "torch", "moving")]
                    if cells[0] < 0.8:
                        slower.add(name)
                    widths = (8, 8, 6, 12, 11, 6)
                    row = " ".join(
                        f"{'-':>{w}}" if c is None else f"{c:{w}.2f}"
                        for c, w in zip(cells, widths, strict=True)
                    )
                    print(f"{name:14} {dtype:9} 2^{power:<3} {label:8} {row}", flush=True)
    if slower:
        print("\nbelow 0.8 of jax.nn somewhere; worst units of f and f' in float32:")
    for name in sorted(slower):
        spec = actlab.registry()[name].spec
        print(f"  {name:14} ours {errors(actlab.registry()[name], spec)}, jax.nn {errors(JAX[name], spec)}")
    print("\ngeometric means (least)")
    for what, values in collected.items():
        mean = math.exp(statistics.fmean(map(math.log, values)))
        print(f"  {what:34} {mean:5.2f} ({min(values):.2f})")


if __name__ == "__main__":
    try:
        import torch
    except ImportError:
        torch = None
    main()
