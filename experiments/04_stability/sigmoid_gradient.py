"""What one layer does to the gradient: sigmoid, tanh, relu, at width 512 and in the limit of infinite width.

python experiments/04_stability/sigmoid_gradient.py [--seeds 20]

The mean squared gradient falls by chi = sigma_w^2 E f'(sqrt(q) z)^2 per layer towards the input, with q the mean
square of the pre-activations of the layer it leaves: each layer by its own q, which is on its way to a fixed point.
"""

from __future__ import annotations

import argparse
import math
import time

import jax
import numpy as np
from circumstances import circumstances
from layers import chi, images, profile

import actlab

WIDTH, DEPTH, SAMPLES = 512, 12, 64
CASES = {"sigmoid": 1.0, "tanh": 1.0, "relu": math.sqrt(2)}  # gain: LeCun, LeCun (the edge of chaos), He
EARLIER = {"sigmoid": 0.05483, "tanh": 0.798, "relu": 0.99739}  # measured before, mean of all layers
FIXED_POINT = {"sigmoid": 0.05572, "tanh": 1.0, "relu": 1.0}  # chi at q*


def factors(name: str, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Return q (L-1,) by layer and the factors (seeds, L-1) by which the mean squared gradient changes."""
    x, act = images(SAMPLES), actlab.make(name)
    run = [
        profile(jax.random.key(seed), x, act, width=WIDTH, depth=DEPTH, gain=CASES[name])
        for seed in range(seeds)
    ]
    delta = np.array([p.delta_square for p in run], np.float64)
    q = np.array([p.pre_square for p in run], np.float64).mean(axis=0)
    return q[:-1], delta[:, :-1] / delta[:, 1:]


def main() -> None:
    """Print measured and predicted factors by layer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    seeds = parser.parse_args().seeds
    began = time.perf_counter()
    print(
        f"factor of E[delta^2] a layer; width {WIDTH}, {DEPTH} hidden layers, {SAMPLES} digits, {seeds} seeds\n"
    )
    for name, gain in CASES.items():
        q, measured = factors(name, seeds)
        predicted = np.array([chi(actlab.make(name), float(v), gain) for v in q])
        print(f"{name}, gain {gain:.4g}")
        print(f"{'layer':>6} {'q':>9} {'measured':>10} {'+-':>8} {'theory':>10} {'s.e.':>7}")
        for i, (at, by_seed, theory) in enumerate(zip(q, measured.T, predicted, strict=True)):
            error = by_seed.std(ddof=1) / math.sqrt(seeds)
            off = (by_seed.mean() - theory) / error
            print(f"{i + 1:6} {at:9.5f} {by_seed.mean():10.5f} {error:8.5f} {theory:10.5f} {off:+7.2f}")
        by_seed = np.exp(np.log(measured).mean(axis=1))
        error = by_seed.std(ddof=1) / math.sqrt(seeds)
        theory = math.exp(np.log(predicted).mean())
        print(
            f"all layers (geometric mean): measured {by_seed.mean():.5f} +- {error:.5f}, theory {theory:.5f} "
            f"({by_seed.mean() / theory - 1:+.2%}); at q*: {FIXED_POINT[name]:.5f}; earlier: {EARLIER[name]:.5f}\n"
        )
    print(f"{time.perf_counter() - began:.0f} s; {circumstances()}")


if __name__ == "__main__":
    main()
