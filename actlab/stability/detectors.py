"""Detectors over a recorded loss or gradient norm: spikes, divergence, plateaus.

Each takes steps and values as they were recorded (every step, or means or maxima of windows) and returns a list of
`Event`. How often each cries wolf on healthy series is measured by experiments/04_stability/false_alarms.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from actlab.stability.trend import finite_series, thinned, trend
from actlab.stats.spikes import THRESHOLD, WINDOW, spike_scores

TOGETHER = 4  # spikes no more than so many records apart are one event
GRADIENT_FACTOR = 3.0  # a gradient norm varies by itself; below three times its median it is no spike
DIVERGED_GAIN = (
    0.5  # of what the loss had fallen, lost again; half is far beyond what overfitting a batch does
)
DIVERGED_LEVEL = 0.1  # of the starting loss, at least: a loss that never fell has nothing to lose again
DIVERGED_NOISE = 8.0  # and that many standard deviations of what it is measured with
_BLOCKS = 40  # medians the loss is reduced to: each 2.5 % of the run
PLATEAU_SHARE = 0.02  # of its level: a loss that moves less in a stretch stands still
PLATEAU_STRETCH = 0.25  # of the run
PLATEAU_SCORE = 2.6  # a fall rarer than 1 in 100 is a fall, however slow
_PLATEAU_FEWEST = 24  # records in a stretch; fewer leave an interval wider than the share


@dataclass(frozen=True)
class Event:
    """What a detector found.

    Attributes:
        kind: the detector's name for it.
        step, end_step: first and last recorded step it covers.
        site: where, ``train`` for the run's loss and gradient.
        value: the number that decided, the largest (or last) of its stretch.
        limit: what it was compared with.
        message: one sentence with the numbers in their own units.
    """

    kind: str
    step: int
    end_step: int
    site: str
    value: float
    limit: float
    message: str


def loss_spikes(
    steps: Any, losses: Any, *, site: str = "train", window: int = WINDOW, threshold: float = THRESHOLD
) -> list[Event]:
    """Return where the loss jumped: `actlab.stats.spike_scores` above ``threshold``.

    >>> losses = [1.0, 1.1, 0.9, 1.0] * 10 + [5.0] + [1.0, 1.1]
    >>> loss_spikes(range(43), losses)[0].message
    'loss 5 at step 40, 5 times the median of the records before it (54 robust standard deviations; a spike from 8)'
    """
    return _spikes("loss_spike", "loss", steps, losses, site, window, threshold, lambda v: v, {})


def gradient_spikes(
    steps: Any, norms: Any, *, site: str = "train", window: int = WINDOW, threshold: float = THRESHOLD
) -> list[Event]:
    """Return where a gradient norm jumped: its logarithm scored like a loss, and at least 3 times the median.

    In the logarithm, because norms are positive and vary by factors.
    """
    floors = {"relative": 0.0, "absolute": math.log(GRADIENT_FACTOR) / threshold}

    def log(v: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(v)  # a norm of 0 is not finite here and takes no part

    return _spikes("gradient_spike", "gradient norm", steps, norms, site, window, threshold, log, floors)


def _spikes(kind, what, steps, values, site, window, threshold, scale, floors) -> list[Event]:
    steps, values = _as_series(steps, values)
    scores = spike_scores(scale(values), window=window, **floors)
    events = []
    for first, last in stretches(scores > threshold, gap=TOGETHER):
        peak = first + int(np.argmax(scores[first : last + 1]))
        before = values[max(0, peak - window) : peak]
        median = float(np.median(before[np.isfinite(before)]))
        times = f"{values[peak] / median:.3g} times" if median > 0 else "above"
        message = (
            f"{what} {values[peak]:.4g} at step {int(steps[peak])}, {times} the median of the records before it "
            f"({scores[peak]:.3g} robust standard deviations; a spike from {threshold:g})"
        )
        where = int(steps[first]), int(steps[last])
        events.append(Event(kind, *where, site, float(scores[peak]), threshold, message))
    return events


def divergence(steps: Any, losses: Any, *, site: str = "train") -> list[Event]:
    """Return where the loss turned for good: not finite, or in the end far above the best it had reached.

    Far: half of what it had gained is lost again, and at least a tenth of the starting loss, and 8 standard
    deviations of its noise. Measured on medians over fortieths of the run, so spikes do not count.
    """
    steps, losses = _as_series(steps, losses)
    if not len(losses):
        return []
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
        step, value = int(steps[bad[0]]), float(losses[bad[0]])
        message = f"loss is {value} at step {step}"
        return [Event("divergence", step, int(steps[-1]), site, value, math.inf, message)]
    if len(losses) < 8:
        return []
    at, level = thinned(steps, losses, _BLOCKS)
    best = int(np.argmin(level))
    start, end = float(level[0]), float(np.median(level[-2:]))
    # Of a median of n normal numbers: 1.25 / sqrt(n) of theirs; neighbours' differences hold no trend to speak of.
    noise = _noise(losses) * 1.25 / math.sqrt(max(1, len(losses) // _BLOCKS))
    margin = max(
        DIVERGED_GAIN * max(start - level[best], 0.0), DIVERGED_LEVEL * abs(start), DIVERGED_NOISE * noise
    )
    limit = float(level[best] + margin)
    if end <= limit:
        return []
    step = int(steps[np.searchsorted(steps, at[best])])
    message = (
        f"loss rose from {level[best]:.4g} near step {step} to {end:.4g} at the end (it began at {start:.4g})"
    )
    return [Event("divergence", step, int(steps[-1]), site, end, limit, message)]


def plateaus(steps: Any, losses: Any, *, site: str = "train") -> list[Event]:
    """Return the stretches, of a quarter of the run or more, in which the loss provably stood still.

    Provably: the 95 % interval of its robust slope allows no change above 2 % of its level, and it is not falling
    significantly. A noisy loss with few records proves nothing, so a slow fall under much noise is no plateau.
    A plateau at the end of a run that has learnt what it can is no fault; that is for the reader of the
    event to judge, by its level.
    """
    at, values = finite_series(steps, losses)
    size = max(_PLATEAU_FEWEST, math.ceil(PLATEAU_STRETCH * len(values)))
    still = np.zeros(len(values), bool)
    starts = range(0, len(values) - size + 1, max(1, size // 4))
    for first in dict.fromkeys([*starts, max(len(values) - size, 0)]):
        part = slice(first, first + size)
        if len(values) < size:
            break
        found, level = trend(at[part], values[part]), abs(float(np.median(values[part])))
        change = max(abs(found.low), abs(found.high)) * found.span
        if change < PLATEAU_SHARE * level and found.score > -PLATEAU_SCORE:
            still[part] = True
    events = []
    for first, last in stretches(still):
        level = float(np.median(values[first : last + 1]))
        found = trend(at[first : last + 1], values[first : last + 1])
        change = found.slope * found.span
        message = (
            f"loss stood at {level:.4g} from step {int(at[first])} to {int(at[last])} "
            f"(changed by {change:+.2g}; {PLATEAU_SHARE:.0%} of its level would be {PLATEAU_SHARE * abs(level):.2g})"
        )
        where = int(at[first]), int(at[last])
        events.append(Event("plateau", *where, site, change, PLATEAU_SHARE * abs(level), message))
    return events


def stretches(where: np.ndarray, gap: int = 1) -> list[tuple[int, int]]:
    """Return first and last index of every run of True, runs up to ``gap`` apart taken together."""
    index = np.flatnonzero(where)
    if not index.size:
        return []
    breaks = np.flatnonzero(np.diff(index) > gap)
    firsts, lasts = index[[0, *(breaks + 1)]], index[[*breaks, -1]]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _as_series(steps: Any, values: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return both as float64, what is not finite kept in its place."""
    steps, values = np.asarray(steps, np.float64), np.asarray(values, np.float64)
    finite_series(steps, values)  # raises where they do not fit
    return steps, values


def _noise(values: np.ndarray) -> float:
    """Return a robust standard deviation of the noise about a slow trend."""
    difference = np.diff(values)
    return float(1.4826 * np.median(np.abs(difference - np.median(difference))) / math.sqrt(2))
