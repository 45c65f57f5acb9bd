"""Every detector over a recorded run."""

from __future__ import annotations

from actlab.runs import Run
from actlab.stability.detectors import Event, divergence, gradient_spikes, loss_spikes, plateaus
from actlab.stability.drift import LOGIT_LEVEL, edge_of_stability, entropy_collapse, logit_drift

# Of a bell, the largest of some thousand numbers is 3 to 4 times their rms.
_LEVELS = {"logits.rms": LOGIT_LEVEL, "logits.max_abs": 4 * LOGIT_LEVEL}
_SHARPNESS = ("sharpness", "sharpness_preconditioned")


def detect(run: Run) -> list[Event]:
    """Return what all detectors find in the records of ``run``, by step; what was not recorded is not looked at.

    Spikes are looked for in a window's largest loss where it was recorded, else in its mean.
    """
    events = []
    largest, mean = run.series("train", "loss_max"), run.series("train", "loss")
    events += loss_spikes(*(largest if len(largest[0]) else mean))
    events += divergence(*mean)
    events += plateaus(*mean)
    events += gradient_spikes(*run.series("train", "gradient_norm"))
    for quantity, level in _LEVELS.items():
        events += logit_drift(*run.series("head", quantity), quantity=quantity, level=level)
    entropy = run.metrics.filter(run.metrics["quantity"] == "entropy_share.mean")
    for site in entropy["site"].unique(maintain_order=True):
        events += entropy_collapse(*run.series(site, "entropy_share.mean"), site=site)
    for quantity in _SHARPNESS:
        at, (value, limit) = _together(run, quantity, f"{quantity}_limit")
        events += edge_of_stability(at, value, limit)
    return sorted(events, key=lambda e: (e.step, e.kind))


def _together(run: Run, *quantities: str):
    """Return the steps at which all of these were recorded at site ``run``, and their values."""
    rows = [dict(zip(*(v.tolist() for v in run.series("run", q)), strict=True)) for q in quantities]
    steps = sorted(set.intersection(*(set(r) for r in rows)))
    return steps, [[r[s] for s in steps] for r in rows]
