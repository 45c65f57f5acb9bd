"""Compile decoding with records for a TPU v5e, by the real compiler and without a TPU: what a step reads and keeps.

    pip install '.[lm,tpu]'       # in an environment of its own, see tpu_compile.py
    python experiments/benchmarks/inspect_tpu.py [--blocks 30] [--room 512] [--steps 8]

The sizes of SmolLM2-135M in bfloat16; no weights are needed, nothing is run. Bytes accessed by the compiled program
of ``--steps`` tokens, without records and with all, and its memory: the cost of recording where products are bound
by the bandwidth of memory, as a decode of one text is.
"""

from __future__ import annotations

import argparse
import os
from functools import partial

os.environ |= {
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}

import jax
import jax.numpy as jnp
from flax import nnx
from jax.experimental import topologies

from actlab import make
from actlab.inspection import PLAIN, Architecture, Capture, Sampling
from actlab.inspection.decoder import Decoder
from actlab.inspection.observing import write


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--blocks", type=int, default=30)
    parser.add_argument("--room", type=int, default=512)
    parser.add_argument("--steps", type=int, default=8)
    given = parser.parse_args()
    a = Architecture(
        depth=given.blocks, width=576, hidden=1536, heads=9, kv_heads=3, head_width=64, vocabulary=49_152,
        context=8192,         act=make("silu"), rope_base=1e5,
    )  # fmt: skip

    def made():
        weights = {}
        for name, shape in a.shapes():
            narrow = name.endswith((".kernel", "tokens"))
            weights[name] = jnp.zeros(shape, jnp.bfloat16 if narrow else jnp.float32)
        return Decoder(a, weights)

    graph, weights = nnx.split(nnx.eval_shape(made))
    kept = jax.eval_shape(lambda w: nnx.merge(graph, w).room(given.room), weights)
    by = jax.eval_shape(lambda: Sampling().filters())
    number = jax.ShapeDtypeStruct((), jnp.int32)

    @partial(jax.jit, static_argnames="capture", donate_argnums=1)
    def program(weights, kept, token, start, by, capture):
        return write(nnx.merge(graph, weights), kept, token, start, by, {}, capture, given.steps)

    device = topologies.get_topology_desc(platform="tpu", topology_name="v5e:2x2").devices[0]
    sharding = jax.sharding.SingleDeviceSharding(device)
    given_arrays = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
        (weights, kept, number, number, by),
    )
    told = {}
    for name, capture in (("none", PLAIN), ("measures", Capture(values=())), ("full", Capture())):
        compiled = program.lower(*given_arrays, capture).compile()
        cost, memory = compiled.cost_analysis(), compiled.memory_analysis()
        told[name] = cost["bytes accessed"]
        print(
            f"{name:10s} {told[name] / 2**20:9.1f} MiB accessed "
            f"{memory.temp_size_in_bytes / 2**20:7.1f} MiB temporary {told[name] / told['none'] - 1:+.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
