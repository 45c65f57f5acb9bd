"""How often each detector cries wolf: thousands of healthy series, and none of the diseases in them.

python experiments/04_stability/false_alarms.py [--seeds 2000]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.signal import lfilter

from actlab.stability import (
    divergence,
    edge_of_stability,
    entropy_collapse,
    gradient_spikes,
    logit_drift,
    loss_spikes,
    plateaus,
)

RECORDS = 1000


def losses(rng: np.random.Generator, noise: str) -> np.ndarray:
    """Return a loss that falls all the time, as a power of time from 2.3 towards 0.2."""
    t = np.arange(RECORDS)
    smooth = 0.2 + 2.1 * (1 + t / rng.uniform(5, 100)) ** -rng.uniform(0.3, 0.8)
    size = rng.uniform(0.02, 0.2)
    match noise:
        case "normal":
            return smooth * (1 + size * rng.normal(size=RECORDS))
        case "skewed":  # a batch's mean loss: a sum of few positive numbers
            shape = 1 / size**2
            return smooth * rng.gamma(shape, 1 / shape, RECORDS)
        case "heavy":  # Student's t with 5 degrees of freedom
            return smooth * (1 + size * rng.standard_t(5, RECORDS) / np.sqrt(5 / 3))
        case "correlated":  # neighbours of correlation 0.7: epochs, momentum
            return smooth * (1 + size * correlated(rng, 0.7))
    raise ValueError(noise)


def correlated(rng: np.random.Generator, rho: float, size: int = RECORDS) -> np.ndarray:
    """Return an autoregressive series of variance 1."""
    x = rng.normal(size=size) * np.sqrt(1 - rho**2)
    x[0] /= np.sqrt(1 - rho**2)
    return lfilter([1.0], [1.0, -rho], x)


def healthy_evaluations(rng: np.random.Generator) -> dict[str, list]:
    """Return what the detectors of slow changes find in healthy series of 60 evaluations."""
    t = np.arange(60) * 50
    logits = rng.uniform(1, 8) * (1 + t / rng.uniform(20, 500)) ** rng.uniform(0, 0.5)
    logits *= 1 + 0.05 * correlated(rng, 0.5, 60)
    entropy = rng.uniform(0.1, 0.9) + 0.05 * correlated(rng, 0.8, 60) * rng.uniform(0, 1)
    sharpness = rng.uniform(0.02, 0.5) * np.exp(0.15 * correlated(rng, 0.8, 60))
    return {
        "logit_drift": logit_drift(t, logits),
        "entropy_collapse": entropy_collapse(t, np.clip(entropy, 0, 1), site="attention"),
        "edge_of_stability, progressive_sharpening": edge_of_stability(t, sharpness, 1.0),
    }


def main() -> None:
    """Print the share of healthy series in which each detector finds something."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=2000)
    seeds = parser.parse_args().seeds
    began = time.perf_counter()
    steps = np.arange(RECORDS)
    print(f"{seeds} healthy series of {RECORDS} records each (60 where evaluations are recorded)\n")
    print(f"{'detector':45} {'noise':12} {'series with an event':>22} {'events per record':>20}")
    for noise in ("normal", "skewed", "heavy", "correlated"):
        found: dict[str, list[int]] = {}
        for seed in range(seeds):
            values = losses(np.random.default_rng(seed), noise)
            norms = np.random.default_rng(seed + 10**6).uniform(0.1, 3) * np.exp(
                (values / np.median(values) - 1) * 2
            )
            for name, events in {
                "loss_spike": loss_spikes(steps, values),
                "gradient_spike": gradient_spikes(steps, norms),
                "divergence": divergence(steps, values),
                "plateau": plateaus(steps, values),
            }.items():
                found.setdefault(name, []).append(len(events))
        for name, counts in found.items():
            report(name, noise, np.array(counts), RECORDS)
    found = {}
    for seed in range(seeds):
        for name, events in healthy_evaluations(np.random.default_rng(seed)).items():
            found.setdefault(name, []).append(len(events))
    for name, counts in found.items():
        report(name, "", np.array(counts), 60)
    print(f"\n{time.perf_counter() - began:.0f} s")


def report(name: str, noise: str, counts: np.ndarray, records: int) -> None:
    """Print one line."""
    print(
        f"{name:45} {noise:12} {np.count_nonzero(counts):8} of {len(counts)} ({np.mean(counts > 0):6.2%}) "
        f"{counts.sum() / (len(counts) * records):20.1e}",
        flush=True,
    )


if __name__ == "__main__":
    main()
