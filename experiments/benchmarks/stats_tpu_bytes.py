"""What statistics add to the memory traffic of a training step on a TPU, by the real compiler and no TPU.

    pip install libtpu      # in an environment of its own: ordinary runs do not need it
    python experiments/benchmarks/stats_tpu_bytes.py [--topology v5e:2x2] [--width 1024 256] [--batch 4096]

Nothing is run. An MLP of 6 layers in float32 is compiled for one chip. ``cost_analysis`` counts a loop's body once:
so the two steps a window is made of, the plain one and the recorded one at its end, are compiled apart; a window of
n steps is n - 1 plain ones and a recorded one, with the norms of layers in every tenth step
(``stats.layers_every``). Per level: bytes accessed per step on average, over those without statistics, and the
largest temporary memory. ``apart``: every site reduced where it is, as on accelerators; ``stacked``: sites of one
shape together, as on CPUs.
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
import jax.numpy as jnp
import numpy as np
from jax.experimental import topologies
from jax.sharding import SingleDeviceSharding

from actlab.activations import make
from actlab.data import Dataset
from actlab.models import MLP
from actlab.stats import StatsConfig
from actlab.train.optimizer import adam
from actlab.train.setup import Setup
from actlab.train.step import Program
from actlab.values import Bound

LEVELS = {
    "basic every 1": (StatsConfig("basic", every=1), 5.0),
    "full every 1": (StatsConfig("full", every=1), None),
    "full every 10": (StatsConfig("full", every=10), 10.0),
}


def job(width: int, batch: int) -> Setup:
    """Return an MLP of 6 layers on data of its own width."""

    def split(n: int) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((n, width), np.float32), np.zeros(n, np.int32)

    return Setup(
        model=Bound.of(MLP, depth=6, width=width),
        act=make("relu"),
        data=Dataset("zeros", *split(batch), *split(8), num_classes=10),
        optimizer=adam(),
        stats=StatsConfig("none"),
        seed=0,
        steps=1000,
        batch_size=batch,
        order="shuffled",
        dtype=jnp.float32,
    )


def costs(setup: Setup, stats: StatsConfig, stacked: bool, sharding) -> dict[str, tuple[float, float]]:
    """Return (bytes accessed, temporary bytes) of a plain step and of a recorded one with and without layers."""
    batch, shape = setup.batch_size, setup.data.in_shape

    def there(shape, dtype):
        return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)

    def compiled(program: Program, step) -> tuple[float, float]:
        state = jax.eval_shape(program.init, program.own_numbers)
        window = jax.eval_shape(program._start)
        state, window = jax.tree.map(lambda a: there(a.shape, a.dtype), (state, window))
        key = there((2,), jnp.uint32)
        inputs = state, window, there((batch, *shape), jnp.float32), there((batch,), jnp.int32), key

        def call(state, window, x, y, key):
            return step(program, state, x, y, jax.random.wrap_key_data(key), window)

        done = jax.jit(call, donate_argnums=(0, 1)).lower(*inputs).compile()
        return done.cost_analysis()["bytes accessed"], done.memory_analysis().temp_size_in_bytes

    def plain(program, state, x, y, key, window):
        return program._plain(state, x, y, key, **window)

    def recorded(layers: bool):
        def step(program, state, x, y, key, window):
            state, rows, now = program._recorded(state, x, y, key, every=stats.every, **window)
            kept = [key for key in program.keys if layers or key not in program.layer_keys]
            return state, rows.vector(kept), now  # what is not returned is not computed

        return step

    program = Program(
        dataclasses.replace(setup, stats=dataclasses.replace(stats, layers_every=1)), stacked=stacked
    )
    found = {"plain": compiled(program, plain)}
    if stats.level != "none":
        found |= {
            "recorded": compiled(program, recorded(False)),
            "recorded, layers": compiled(program, recorded(True)),
        }
    return found


def average(found: dict[str, tuple[float, float]], stats: StatsConfig) -> float:
    """Return the bytes accessed by a step, on average over the steps between two readings of the layers."""
    every = stats.every
    windows = -(-stats.layers_every // every)  # one of which reads the layers
    recorded = ((windows - 1) * found["recorded"][0] + found["recorded, layers"][0]) / windows
    return ((every - 1) * found["plain"][0] + recorded) / every


def main() -> None:
    """Run the compilations."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--topology", default="v5e:2x2")
    parser.add_argument("--width", type=int, nargs="+", default=(1024, 256))
    parser.add_argument("--batch", type=int, default=4096)
    arguments = parser.parse_args()
    device = topologies.get_topology_desc(platform="tpu", topology_name=arguments.topology).devices[0]
    sharding = SingleDeviceSharding(device)
    print(f"{arguments.topology}: {device.device_kind}, jax {jax.__version__}; compiled, not run")
    for width in arguments.width:
        setup = job(width, arguments.batch)
        base, temporary = costs(setup, setup.stats, False, sharding)["plain"]
        print(f"\n6 x {width} relu, batch {arguments.batch}, float32")
        print(f"{'':24}{'MiB/step':>10}{'more':>8}{'temporary MiB':>15}   target")
        print(f"{'none':24}{base / 2**20:10.1f}{'':8}{temporary / 2**20:15.1f}", flush=True)
        for form in ("apart", "stacked"):
            for name, (stats, target) in LEVELS.items():
                found = costs(setup, stats, form == "stacked", sharding)
                bytes_, most = average(found, stats), max(t for _, t in found.values())
                more = 100.0 * (bytes_ / base - 1.0)
                line = f"{name + ', ' + form:24}{bytes_ / 2**20:10.1f}{more:7.1f}%{most / 2**20:15.1f}"
                if target is not None and form == "apart":
                    line += f"   <= {target:.0f} %: {'reached' if more <= target else 'not reached'}"
                print(line, flush=True)
                parts = [f"{part} {100 * (b / base - 1):+.1f} %" for part, (b, _) in found.items()]
                print(f"{'':24}  {'; '.join(parts)}", flush=True)


if __name__ == "__main__":
    main()
