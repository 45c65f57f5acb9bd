"""How a group of a sweep grows with its lanes: measured on this machine, compiled for a TPU.

    python experiments/benchmarks/lanes.py [--lanes 1,4,16,64,256,1024] [--strategies map,vmap] [OVERRIDES ...]
    python experiments/benchmarks/lanes.py --tpu v5e:2x2 [--lanes 1,32,256,2048] [OVERRIDES ...]    # the extra tpu

The group is one activation of the MNIST-1D paper's MLP, statistics on; lanes differ in seed. The first form trains
chunks as a sweep does (its records fetched, nothing written) and prints steps per second, summed over lanes. The
second compiles the batched chunk of a device with the TPU compiler, which needs no TPU, and prints the memory and the
cost it states; nothing is run. Of a scan's body the compiler counts one pass.
"""

from __future__ import annotations

import argparse
import os
import time


def measured(run, counts: list[int], strategies: list[str], rounds: int) -> None:
    """Print how fast this machine trains 1, 2, ... lanes."""
    import jax
    import numpy as np

    from actlab.cli.runtime import device
    from actlab.sweeps.stacked import Stacked

    program, data = run.program, run.setup.data
    length, every = next(run.pieces(0))
    print(f"{run.setup.act!r}, {device()}, jax {jax.__version__}, chunks of {length} steps")
    print(
        f"{'strategy':10}{'lanes':>6}{'devices':>9}{'compile s':>11}{'lane-steps/s':>14}{'ms a lane-step':>16}"
    )
    for strategy in strategies:
        for count in counts:
            stacked = Stacked(run, strategy, jax.devices()[:count])
            states = [program.init(program.own_numbers | {"seed": np.uint32(i)}) for i in range(count)]
            padding = -count % stacked.mesh.size
            states = stacked.stack(states + states[:1] * padding)
            on = stacked.place(np.arange(count + padding) < count)
            x, y = stacked.share((data.x_train, data.y_train))
            took = []
            for _ in range(rounds + 1):
                began = time.perf_counter()
                states, tables, _ = stacked.chunk(states, on, x, y, length=length, every=every)
                jax.device_get(tables)
                took.append(time.perf_counter() - began)
            best = float(np.median(took[1:]))
            print(
                f"{strategy:10}{count:6}{stacked.mesh.size:9}{took[0] - best:11.1f}"
                f"{count * length / best:14,.0f}{1e3 * best / count / length:16.4f}",
                flush=True,
            )


def compiled(run, counts: list[int], topology: str) -> None:
    """Print what the TPU compiler says of the batched chunk on one device."""
    import jax
    from jax.experimental import topologies

    from actlab.sweeps.stacked import Stacked

    device = topologies.get_topology_desc(platform="tpu", topology_name=topology).devices[0]
    data = run.setup.data
    length, every = next(run.pieces(0))
    print(f"{run.setup.act!r}, {topology}: {device.device_kind}, jax {jax.__version__}; compiled, not run")
    print(
        f"{'lanes':>6}{'compile s':>11}{'temporary MiB':>15}{'arguments MiB':>15}{'accessed MiB':>14}{'a lane':>9}"
    )
    for count in counts:
        stacked = Stacked(run, "vmap", [device])
        state = jax.eval_shape(run.program.init, run.program.own_numbers)

        def there(a, sharding, *lead):
            return jax.ShapeDtypeStruct((*lead, *a.shape), a.dtype, sharding=sharding)

        states = jax.tree.map(lambda a, s=stacked, n=count: there(a, s.by_lane, n), state)
        on = jax.ShapeDtypeStruct((count,), bool, sharding=stacked.by_lane)
        shared = [there(a, stacked.everywhere) for a in (data.x_train, data.y_train)]
        began = time.perf_counter()
        done = stacked.chunk.lower(states, on, *shared, length=length, every=every).compile()
        took = time.perf_counter() - began
        memory, cost = done.memory_analysis(), done.cost_analysis()
        size = 2**20
        print(
            f"{count:6}{took:11.1f}{memory.temp_size_in_bytes / size:15.1f}"
            f"{memory.argument_size_in_bytes / size:15.1f}{cost['bytes accessed'] / size:14.1f}"
            f"{cost['bytes accessed'] / size / count:9.2f}",
            flush=True,
        )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lanes")
    parser.add_argument("--strategies", default="map,vmap")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tpu", metavar="TOPOLOGY")
    arguments, overrides = parser.parse_known_args()
    if arguments.tpu:
        os.environ |= {
            "JAX_PLATFORMS": "cpu",
            "TPU_SKIP_MDS_QUERY": "1",
            "TPU_ACCELERATOR_TYPE": "v5litepod-4",
            "TPU_WORKER_HOSTNAMES": "localhost",
            "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
        }
    import jax

    from actlab.cli.build import build
    from actlab.cli.composing import compose

    if not arguments.tpu:
        jax.config.update("jax_num_cpu_devices", os.cpu_count())
    run = build(compose(["+experiment=mnist1d_mlp", *overrides]))
    default = "1,32,256,2048" if arguments.tpu else "1,4,16,64,256,1024"
    counts = [int(n) for n in (arguments.lanes or default).split(",")]
    if arguments.tpu:
        compiled(run, counts, arguments.tpu)
    else:
        measured(run, counts, arguments.strategies.split(","), arguments.rounds)


if __name__ == "__main__":
    main()
