"""SELU keeps mean 0 and variance 1 through 32 layers; relu at the same weights does not.

python experiments/04_stability/selu_fixed_point.py [--seeds 20]

Klambauer et al. 2017, arXiv:1706.02515: (0, 1) is a fixed point of (mean, variance) at weights of variance 1/fan-in.
"""

from __future__ import annotations

import argparse
import math
import time

import jax
import numpy as np
from circumstances import circumstances
from layers import images, profile

import actlab

WIDTH, DEPTH, SAMPLES = 512, 32, 256
CASES = {"selu, LeCun": ("selu", 1.0), "relu, LeCun": ("relu", 1.0), "relu, He": ("relu", math.sqrt(2))}
# Measured before, one network: mean and variance after the last layer.
EARLIER = {"selu, LeCun": "mean -0.0046, variance 0.997", "relu, LeCun": "variance 4e-11"}


def main() -> None:
    """Print mean and variance of the post-activations by layer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    seeds = parser.parse_args().seeds
    began = time.perf_counter()
    x = images(SAMPLES)
    print(
        f"post-activations; width {WIDTH}, {SAMPLES} digits, {seeds} seeds: mean +- standard error over seeds\n"
    )
    print(f"{'':14} {'layer':>6} {'mean':>20} {'variance':>24}")
    for case, (name, gain) in CASES.items():
        run = [
            profile(jax.random.key(s), x, actlab.make(name), width=WIDTH, depth=DEPTH, gain=gain)
            for s in range(seeds)
        ]
        mean = np.array([p.post for p in run], np.float64)
        variance = np.array([p.post_square for p in run], np.float64) - mean**2
        for layer in (1, 2, 4, 8, 16, 32):
            m, v = mean[:, layer - 1], variance[:, layer - 1]
            error = [a.std(ddof=1) / math.sqrt(seeds) for a in (m, v)]
            print(
                f"{case:14} {layer:6} {m.mean():+11.3g} +- {error[0]:<8.2g} {v.mean():11.4g} +- {error[1]:<8.2g}"
            )
        print(f"{case:14} measured before, after layer 32: {EARLIER.get(case, 'not')}\n")
    print(
        "theory, selu: mean 0, variance 1 at every depth; relu, LeCun: E x^2 halves with every layer, 2^-32 = 2.3e-10"
    )
    print(f"{time.perf_counter() - began:.0f} s; {circumstances()}")


if __name__ == "__main__":
    main()
