"""What ``stats=full`` adds to a made-up run: gradients, ranks, curvature, attention, units, curves and events."""

from __future__ import annotations

import math

import numpy as np

ATTENTION = ("blocks.0.scores", "blocks.1.scores")
Rows = list[tuple[int, str, str, float]]


def metric_rows(steps: list[int], sites: list[str], layers: list[str], sick: bool, every: int = 2) -> Rows:
    """Return the records of a window and, every few of them, those of an evaluation.

    A sick run's gradient loses nine tenths at every site, its samples grow alike with depth, its sharpness
    stands above the limit and one head's attention collapses.
    """
    rng = np.random.default_rng(1)
    rows: Rows = []
    for k, step in enumerate(steps):
        time = step / max(steps[-1], 1)
        for depth, site in enumerate(sites):
            share = depth / max(len(sites) - 1, 1)
            gradient = (
                1e-2 * (0.1 if sick else 0.93) ** (len(sites) - 1 - depth) * math.exp(0.1 * rng.normal())
            )
            for tensor, factor in (("pre_gradient", 0.7), ("post_gradient", 1.0)):
                rms = gradient * factor * (1 - 0.5 * time)
                rows += [
                    (step, site, f"{tensor}.rms", rms),
                    (step, site, f"{tensor}.mean", 0.01 * rms),
                    (step, site, f"{tensor}.variance", rms**2),
                    (step, site, f"{tensor}.kurtosis", 3.0),
                ]
            rows.append((step, site, "linear_share", 0.3 + 0.3 * share))
            if k % every == 0:
                rank = 32 * (0.8 - (0.75 if sick else 0.15) * share) * (1 - 0.1 * time)
                alike = min(1.0, 0.1 + (0.88 if sick else 0.2) * share)
                rows += [
                    (step, site, "effective_rank", rank),
                    (step, site, "stable_rank", 0.4 * rank),
                    (step, site, "cosine", alike * (0.8 + 0.2 * time)),
                    (step, site, "pre_cosine", 0.8 * alike * (0.9 + 0.1 * time)),
                    (step, site, "selectivity", 0.2 + 0.3 * share * time),
                    (step, site, "dataset_dead_share", 0.4 * share * time if sick else 0.0),
                ]
        for site in ATTENTION:
            entropy = 0.85 - 0.3 * time
            if sick and site == ATTENTION[1]:
                entropy = 0.85 / (1 + math.exp(20 * (time - 0.5)))
            rows += [
                (step, site, "entropy.mean", entropy * math.log(64)),
                (step, site, "entropy.min", 0.8 * entropy * math.log(64)),
                (step, site, "entropy_share.mean", entropy),
                (step, site, "entropy_share.min", 0.8 * entropy),
                (step, site, "logit_max", 4 / max(entropy, 0.02)),
            ]
        norm = (2.0 + (3 if sick else 1) * time) * math.exp(0.2 * rng.normal())
        rows += [
            (step, "train", "gradient_norm", norm),
            (step, "train", "loss_max", 2.5 - 2 * time),
        ]
        if k % every == 0:
            limit = 20.0
            sharp = limit * min(1.0, 0.1 + 2 * time) * (1 + 0.05 * rng.normal()) * (4 if sick else 1)
            rows += [
                (step, "head", "logits.rms", 0.5 + 4 * time),
                (step, "head", "logits.max_abs", 2 + 15 * time),
                (step, "run", "distance", 8 * math.sqrt(time)),
                (step, "run", "noise_scale", 40 * math.exp(3 * time)),
                (step, "run", "sharpness", sharp),
                (step, "run", "sharpness_limit", limit),
                (step, "run", "step_curvature", 0.3 * sharp),
                (step, "run", "sharpness_preconditioned", 900 * min(1.0, 0.1 + 2 * time)),
                (step, "run", "sharpness_preconditioned_limit", 1000.0),
            ]
    return rows


def unit_rows(steps: list[int], sites: list[str], sick: bool, width: int = 32) -> list[tuple]:
    """Return how long each unit has been dead at each record; one of a healthy run dies and comes back."""
    rows = []
    for site_place, site in enumerate(sites):
        born = np.full(width, math.inf)
        if sick:
            born[: width // 2 * site_place // max(len(sites) - 1, 1)] = 0.3 * steps[-1]
            born[:site_place] = 0
        for step in steps:
            dead = [max(0, step - int(at)) if at < step else 0 for at in np.where(np.isinf(born), 1e9, born)]
            if not sick and site_place == 0 and 0.2 < step / steps[-1] < 0.6:
                dead[3] = int(step - 0.2 * steps[-1])
            rows.append((step, site, dead))
    return rows


def curve_rows(steps: list[int], sites: list[str]) -> list[tuple]:
    """Return a swish whose slope is learnt, in steps and sites."""
    x = np.linspace(-5, 5, 101)
    rows = []
    for depth, site in enumerate(sites):
        for step in steps:
            beta = 1 + (0.5 + depth) * step / max(steps[-1], 1)
            rows.append((step, site, x.tolist(), (x / (1 + np.exp(-beta * x))).tolist()))
    return rows


def event_rows(steps: list[int], sick: bool) -> list[tuple]:
    """Return one spike of a healthy run; of a sick one 150, with skipped steps between them and one rewind."""
    last = steps[-1]
    rows = [
        (
            int(0.3 * last),
            "spike",
            "train",
            9.1,
            5.0,
            "the loss rose to 9.1 robust deviations above its median",
        )
    ]
    if sick:
        for i in range(150):
            kind = "skip" if i % 3 else "spike"
            rows.append(
                (int((i + 1) * last / 160), kind, "train", 6.0 + i, 5.0, f"loss {6 + i} robust deviations up")
            )
        rows.append((last, "rewind", "train", None, None, f"went back to step {last // 2}"))
    return rows
