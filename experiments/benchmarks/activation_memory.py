"""Temporary memory of the gradient program of 12 residual MLP blocks, by activation and by what it keeps.

    pip install libtpu      # in an environment of its own; without it: --platform cpu
    python experiments/benchmarks/activation_memory.py [NAMES ...] [--platform tpu|cpu] [--topology v5e:2x2]
        [--unrolled] [--json FILE]

Blocks x + f(x W) V, 1024 -> 4096 -> 1024, batch 4096, bfloat16 (on CPU 256 -> 1024 -> 256, batch 512, float32),
scanned over the blocks, or unrolled by Python. Rows: identity, then per activation jax.nn's, ours (keeps its
input), lean. Then the gated block with its down projection, hidden 2816. Nothing is run: the compiler's own memory
analysis is printed; for tpu by the real TPU compiler, no TPU needed. Ratios are to identity.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
from pathlib import Path

os.environ |= {
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}

import jax
import jax.numpy as jnp
from jax.sharding import SingleDeviceSharding

import actlab
from actlab.errors import InputError
from actlab.nn import gated_projection

RIVALS = {
    "gelu_tanh": jax.nn.gelu,
    "gelu": functools.partial(jax.nn.gelu, approximate=False),
    **{name: getattr(jax.nn, name) for name in dir(jax.nn) if name in actlab.registry() and name != "gelu"},
}
# Smooth activations of priority one in the catalogue, and relu.
DEFAULT = (
    "relu gelu_tanh gelu mish silu quick_gelu tanhexp softplus squareplus sigmoid tanh log_sigmoid softsign soft_cap "
    "elu celu selu relu_squared symlog sin snake gaussian dyt derf swish xielu"
)


def temporary(loss, shapes, sharding) -> float:
    """Return MiB of temporary memory of the gradient of ``loss``."""
    shapes = jax.tree.map(lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=sharding), shapes)
    compiled = jax.jit(jax.grad(loss)).lower(*shapes).compile()
    return compiled.memory_analysis().temp_size_in_bytes / 2**20


def plain_blocks(f, sizes, unrolled):
    """Return the loss over (weights, x), and their shapes."""
    layers, batch, width, hidden, dtype = sizes

    def block(x, w):
        return x + f(x @ w[0]) @ w[1], None

    def loss(weights, x):
        if unrolled:
            for i in range(layers):
                x, _ = block(x, (weights[0][i], weights[1][i]))
        else:
            x, _ = jax.lax.scan(block, x, weights)
        return jnp.sum(x.astype(jnp.float32))

    up = jax.ShapeDtypeStruct((layers, width, hidden), dtype)
    down = jax.ShapeDtypeStruct((layers, hidden, width), dtype)
    return loss, ((up, down), jax.ShapeDtypeStruct((batch, width), dtype))


def gated_blocks(project, sizes, unrolled):
    """Likewise for x + project(x W, x V, U): gate, up, down."""
    layers, batch, width, hidden, dtype = sizes

    def block(x, w):
        return x + project(x @ w[0], x @ w[1], w[2]), None

    def loss(weights, x):
        if unrolled:
            for i in range(layers):
                x, _ = block(x, tuple(w[i] for w in weights))
        else:
            x, _ = jax.lax.scan(block, x, weights)
        return jnp.sum(x.astype(jnp.float32))

    up = jax.ShapeDtypeStruct((layers, width, hidden), dtype)
    down = jax.ShapeDtypeStruct((layers, hidden, width), dtype)
    return loss, ((up, up, down), jax.ShapeDtypeStruct((batch, width), dtype))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=DEFAULT.split())
    parser.add_argument("--platform", choices=("tpu", "cpu"), default="tpu")
    parser.add_argument("--topology", default="v5e:2x2")
    parser.add_argument("--unrolled", action="store_true")
    parser.add_argument("--json", type=Path, help="write the figures, in MiB, there as well")
    arguments = parser.parse_args()
    if arguments.platform == "tpu":
        from jax.experimental import topologies

        device = topologies.get_topology_desc(platform="tpu", topology_name=arguments.topology).devices[0]
        sizes, gated = (12, 4096, 1024, 4096, jnp.bfloat16), (12, 4096, 1024, 2816, jnp.bfloat16)
    else:
        device = jax.devices("cpu")[0]
        sizes, gated = (12, 512, 256, 1024, jnp.float32), (12, 512, 256, 704, jnp.float32)
    sharding = SingleDeviceSharding(device)
    how = "unrolled" if arguments.unrolled else "scanned"
    print(f"{device.device_kind}, jax {jax.__version__}, {how}; compiled, not run; MiB (ratio to identity)")

    def measure(f):
        return temporary(*plain_blocks(f, sizes, arguments.unrolled), sharding)

    floor = measure(actlab.identity)
    print(f"{'identity':14} {floor:8.0f}", flush=True)
    figures = {"identity": floor}
    print(f"{'':14} {'jax.nn':>16} {'ours':>16} {'lean':>16}")
    for name in arguments.names:
        f = actlab.registry()[name]
        cells = [measure(RIVALS[name]) if name in RIVALS else None, measure(f)]
        try:
            cells.append(measure(actlab.lean(f)))
        except InputError:
            cells.append(None)
        figures |= {
            f"{kind} {name}": c for kind, c in zip(("jax.nn", "ours", "lean"), cells, strict=True) if c
        }
        row = " ".join(f"{'-':>16}" if c is None else f"{c:8.0f} ({c / floor:4.2f})" for c in cells)
        print(f"{name:14} {row}", flush=True)

    layers, batch, _, hidden, dtype = gated
    one = layers * batch * hidden * jnp.dtype(dtype).itemsize / 2**20
    print(f"\ngated block with its down projection, hidden {hidden}; one kept tensor is {one:.0f} MiB")
    rows = {
        "gate * up (jax)": lambda gate, up, down: (gate * up) @ down,
        "jax.nn.silu(gate) * up": lambda gate, up, down: (jax.nn.silu(gate) * up) @ down,
        "swiglu, keeps its operands": lambda gate, up, down: actlab.swiglu(gate, up) @ down,
        "nn.gated_projection(swiglu)": functools.partial(gated_projection, actlab.swiglu),
        "nn.gated_projection(geglu)": functools.partial(gated_projection, actlab.geglu),
    }
    for name, project in rows.items():
        used = temporary(*gated_blocks(project, gated, arguments.unrolled), sharding)
        figures[name] = used
        print(f"{name:30} {used:8.0f} ({used / one:4.2f} tensors)", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
