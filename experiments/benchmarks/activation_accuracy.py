"""Measure every activation's error against its own formula evaluated with hundreds of digits.

    pip install '.[test]'
    python experiments/benchmarks/activation_accuracy.py [NAMES ...] [--dtypes float32 bfloat16 ...]
        [--points 2000] [--exhaustive] [--rivals] [--set p=0.5 ...]

Unit: |got - true| / (eps * max(|true|, |x dtrue/dx|)). Columns: worst units of f, f', f'' and where. ``--exhaustive``
visits all finite normal bfloat16 and float16 numbers and 200,000 float32 ones; ``--rivals`` measures jax.nn's
function of the same name beside ours. What exceeds the promise (16 bit: 1 and 1; else f 4, f' 8) is marked ``!``, and
``?`` where the spec states it as an exception.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

import jax
import jax.numpy as jnp
import numpy as np
import oracle


def evaluate(f, xs, dtype):
    """Return f, f', f'' at ``xs``."""
    slope = jax.grad(f)
    run = jax.jit(jax.vmap(lambda x: (f(x), slope(x), jax.grad(slope)(x))))
    return run(jnp.asarray(xs, dtype))


def find(name):
    """Return a listed activation, or ``module:function``."""
    if ":" in name:
        module, _, attribute = name.partition(":")
        return getattr(importlib.import_module(module), attribute)
    from actlab.activations import registry

    return registry()[name]


def row(label, fn, spec, dtype, xs, params):
    """Return one line of the table."""
    with jax.enable_x64(True) if dtype == "float64" else contextlib.nullcontext():
        xs = np.unique(np.asarray(jnp.asarray(xs, dtype), np.float64))
        got = evaluate(lambda x: fn(x, **params), xs, dtype)
    at = spec.at(**params)
    skip = {k.at for k in (*at.kinks, *at.jumps)}
    cells = []
    for order, (units, x) in enumerate(oracle.worst(spec, dtype, xs, got, skip, **params)):
        stated = {e.units for e in spec.inexact if (e.dtype, e.order) == (dtype, order)}
        over = units > oracle.PROMISE[dtype][order]
        mark = ("?" if stated and units <= max(stated) else "!") if over else " "
        cells.append(f"{units:10.3g}{mark} at {x if x is None else format(x, '<12.6g')}")
    return f"{label:24} {dtype:9} " + " ".join(cells)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16", "float16", "float64"])
    parser.add_argument("--points", type=int, default=2000)
    parser.add_argument("--exhaustive", action="store_true")
    parser.add_argument("--rivals", action="store_true")
    parser.add_argument("--set", nargs="*", default=[], metavar="PARAMETER=VALUE")
    arguments = parser.parse_args()
    params = {k: float(v) for k, _, v in (item.partition("=") for item in arguments.set)}
    from actlab.activations import names, registry

    chosen = arguments.names or [n for n in names() if registry()[n].spec.elementwise]
    for name in chosen:
        fn = find(name)
        for dtype in arguments.dtypes:
            xs = oracle.points(dtype, arguments.points)
            if arguments.exhaustive:
                xs = oracle.every(dtype) if "16" in dtype else oracle.points(dtype, 200_000)
            print(row(fn.spec.name, fn, fn.spec, dtype, xs, params), flush=True)
            rival = getattr(jax.nn, fn.spec.name, None)
            if arguments.rivals and rival is not None:
                print(row(f"  jax.nn.{fn.spec.name}", rival, fn.spec, dtype, xs, params), flush=True)


if __name__ == "__main__":
    main()
