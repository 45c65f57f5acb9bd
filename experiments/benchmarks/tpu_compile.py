"""Compile the training program for a TPU, with the real compiler and no TPU; print its memory and cost.

    pip install libtpu      # in an environment of its own: ordinary runs do not need it
    python experiments/benchmarks/tpu_compile.py [--topology v5e:2x2] [OVERRIDES ...]

Nothing is run. The chunk of the composed job is compiled for one chip of the topology, with and without statistics.
"""

from __future__ import annotations

import argparse
import dataclasses
import os

os.environ |= {
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}

import jax
from jax.experimental import topologies
from jax.sharding import SingleDeviceSharding

from actlab.cli.build import build
from actlab.cli.composing import compose
from actlab.stats import StatsConfig
from actlab.train.step import Program


def main() -> None:
    """Run the compilation."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--topology", default="v5e:2x2")
    arguments, overrides = parser.parse_known_args()
    device = topologies.get_topology_desc(platform="tpu", topology_name=arguments.topology).devices[0]
    sharding = SingleDeviceSharding(device)

    def there(tree):
        return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=sharding), tree)

    run = build(compose(overrides))
    print(
        f"{run.setup.act!r}, {arguments.topology}: {device.device_kind}, jax {jax.__version__}; compiled, not run"
    )
    for level in ("none", "basic"):
        every = run.setup.stats.every
        program = Program(dataclasses.replace(run.setup, stats=StatsConfig(level, every)))
        data = run.setup.data
        inputs = there((jax.eval_shape(program.init, program.own_numbers), data.x_train, data.y_train))
        compiled = program.chunk.lower(*inputs, length=run.eval_every, every=every).compile()
        memory, cost = compiled.memory_analysis(), compiled.cost_analysis()
        print(
            f"stats={level:5}: temporary {memory.temp_size_in_bytes / 2**20:.2f} MiB, "
            f"arguments {memory.argument_size_in_bytes / 2**20:.2f} MiB, "
            f"bytes accessed {cost['bytes accessed'] / 2**20:.2f} MiB (a scan's body counted once)"
        )


if __name__ == "__main__":
    main()
