"""Measure every activation's error against its own formula evaluated with hundreds of digits.

    pip install '.[test]'
    python experiments/benchmarks/activation_accuracy.py [NAMES ...] [--dtypes float32 bfloat16 ...]
        [--points 2000] [--exhaustive] [--rivals] [--set p=0.5 ...] [--json]

Unit: |got - true| / (eps * max(|true|, |x dtrue/dx|)). Columns: worst units of f, f', f'' and where. ``--exhaustive``
visits all finite normal bfloat16 and float16 numbers and 200,000 float32 ones; ``--rivals`` measures the function
that the spec names in jax beside ours; ``--json`` writes what the gallery and `actlab show` tell into
actlab/report/measured.json, at default parameters, in place of what it has of these functions. What exceeds the
promise (16 bit: 1 and 1; else f 4, f' 8) is marked ``!``, and ``?`` where the spec states it as an exception.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import math
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


# Ends of intervals where nothing bends at the defaults, but each clip of the formula does.
SEAMS = {"pwlu": {-3.0, -2.0, -1.0, 1.0, 2.0, 3.0}}


def measure(fn, spec, dtype, xs, params):
    """Return the worst units of f, f', f'' and where; of f alone where autodiff's slope is a surrogate."""
    with jax.enable_x64(True) if dtype == "float64" else contextlib.nullcontext():
        xs = np.unique(np.asarray(jnp.asarray(xs, dtype), np.float64))
        got = evaluate(lambda x: fn(x, **params), xs, dtype)
    at = spec.at(**params)
    skip = {k.at for k in (*at.kinks, *at.jumps)} | SEAMS.get(spec.name, set())
    return oracle.worst(spec, dtype, xs, got[:1] if spec.surrogate else got, skip, **params)


def line(label, spec, dtype, found):
    """Return one line of the table."""
    cells = []
    for order, (units, x) in enumerate(found):
        stated = {e.units for e in spec.inexact if (e.dtype, e.order) == (dtype, order)}
        over = units > oracle.PROMISE[dtype][order]
        mark = ("?" if stated and units <= max(stated) else "!") if over else " "
        cells.append(f"{units:10.3g}{mark} at {x if x is None else format(x, '<12.6g')}")
    return f"{label:24} {dtype:9} " + " ".join(cells)


def write(results, arguments):
    """Put results, by function, dtype and whose, into the packaged file in place of those it has."""
    from actlab.report.datasheet import MEASURED

    kept = json.loads(MEASURED.read_text())["functions"] if MEASURED.exists() else {}
    told = {"points": arguments.points, "exhaustive": arguments.exhaustive, "jax": jax.__version__}
    rows = ",\n".join(f'"{name}": {json.dumps(found)}' for name, found in sorted({**kept, **results}.items()))
    command = "python experiments/benchmarks/activation_accuracy.py --json --rivals --dtypes float32 bfloat16"
    head = json.dumps(
        {"command": f"{command} --points {arguments.points}", **told, "device": jax.default_backend()}
    )
    MEASURED.write_text(
        f'{head[:-1]}, "unit": "|got - true| / (eps max(|true|, |x dtrue/dx|))", "functions": {{\n{rows}\n}}}}\n'
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16", "float16", "float64"])
    parser.add_argument("--points", type=int, default=2000)
    parser.add_argument("--exhaustive", action="store_true")
    parser.add_argument("--rivals", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--set", nargs="*", default=[], metavar="PARAMETER=VALUE")
    arguments = parser.parse_args()
    params = {k: float(v) for k, _, v in (item.partition("=") for item in arguments.set)}
    from actlab.activations import names, registry
    from actlab.report.rivals import jax_rival

    chosen = arguments.names or [n for n in names() if registry()[n].spec.elementwise]
    for name in chosen:
        results = {}
        fn = find(name)
        spec = fn.spec
        rivals = {"actlab": fn}
        if arguments.rivals and (rival := jax_rival(spec)):
            rivals[rival[0]] = rival[1]
        for dtype in arguments.dtypes:
            xs = oracle.points(dtype, arguments.points)
            if arguments.exhaustive:
                xs = oracle.every(dtype) if "16" in dtype else oracle.points(dtype, 200_000)
            for who, function in rivals.items():
                try:
                    found = measure(function, spec, dtype, xs, params)
                except TypeError as error:
                    if who == "actlab":
                        raise
                    print(f"  {who}: {error}")  # jax.scipy.special.ndtr takes no bfloat16
                    continue
                print(line(spec.name if who == "actlab" else f"  {who}", spec, dtype, found), flush=True)
                rounded = [float(f"{u:.3g}") if math.isfinite(u) else None for u, _ in found]
                results.setdefault(dtype, {})[who] = rounded
        if arguments.json:
            write({spec.name: results}, arguments)


if __name__ == "__main__":
    main()
