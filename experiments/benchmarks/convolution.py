"""Convolutions on a CPU in a scan: XLA's own against patches and one product, alone and vmapped over networks.

python experiments/benchmarks/convolution.py [--networks 5] [--steps 20]

Gradient steps of MNIST-1D's convolutional network (three convolutions of 25 channels, batch 100), all steps in one
scan. Processor seconds, so that a busy machine matters little; compile time apart.
"""

from __future__ import annotations

import argparse
import time

import jax
import jax.numpy as jnp
from jax import lax

from actlab.nn.convolution import patches

TAPS, CHANNELS, BATCH, LENGTH = (5, 3, 3), 25, 100, 40
STRIDE, PADDING = (2,), [(1, 1)]


def by_xla(x, kernel):
    """Return XLA's convolution."""
    return lax.conv_general_dilated(x, kernel, STRIDE, PADDING, dimension_numbers=("NWC", "WIO", "NWC"))


def by_patches(x, kernel):
    """Return the same by patches and a product."""
    return patches(x, kernel.shape[:-2], STRIDE, PADDING) @ kernel.reshape(-1, kernel.shape[-1])


def initial(key):
    """Return the kernels of one network, the head last."""
    keys = jax.random.split(key, len(TAPS) + 1)
    kernels = [
        jax.random.normal(k, (taps, CHANNELS if i else 1, CHANNELS)) * (taps * (CHANNELS if i else 1)) ** -0.5
        for i, (k, taps) in enumerate(zip(keys[:-1], TAPS, strict=True))
    ]
    return [*kernels, jax.random.normal(keys[-1], (CHANNELS, 10)) * CHANNELS**-0.5]


def trained(convolve, steps: int):
    """Return a function of kernels and data: the kernels after ``steps`` steps, in one scan."""

    def loss(kernels, x, y):
        h = x[..., None]
        for kernel in kernels[:-1]:
            h = jax.nn.relu(convolve(h, kernel))
        return -jnp.mean(jax.nn.log_softmax(h.mean(1) @ kernels[-1])[jnp.arange(len(y)), y])

    def train(kernels, x, y):
        def step(kernels, _):
            grads = jax.grad(loss)(kernels, x, y)
            return jax.tree.map(lambda k, g: k - 0.01 * g, kernels, grads), None

        return lax.scan(step, kernels, None, length=steps)[0]

    return train


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    x = jax.random.normal(jax.random.key(0), (BATCH, LENGTH))
    y = jax.random.randint(jax.random.key(1), (BATCH,), 0, 10)
    keys = jax.random.split(jax.random.key(2), options.networks)
    results = {}
    print("way                                   compile, CPU s   ms of CPU a step and network")
    for name, convolve in (("patches", by_patches), ("lax.conv", by_xla)):
        ways = {
            "one network": (trained(convolve, options.steps), initial(keys[0]), 1),
            f"vmap over {options.networks}": (
                jax.vmap(trained(convolve, options.steps), (0, None, None)),
                jax.vmap(initial)(keys),
                options.networks,
            ),
        }
        for way, (run, kernels, count) in ways.items():
            start = time.process_time()
            program = jax.jit(run).lower(kernels, x, y).compile()
            compiled = time.process_time()
            results[name, way] = jax.block_until_ready(program(kernels, x, y))
            per = (time.process_time() - compiled) / options.steps / count * 1000
            print(f"{name:9} in a scan, {way:15} {compiled - start:14.1f} {per:22.1f}", flush=True)
    for way in ways:
        pairs = zip(results["patches", way], results["lax.conv", way], strict=True)
        apart = max(float(jnp.abs(a - b).max()) for a, b in pairs)
        print(f"largest difference of the kernels, {way}: {apart:.1e}")


if __name__ == "__main__":
    main()
