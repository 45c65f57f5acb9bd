"""Detectors over what changes slowly: logits that grow, attention that hardens, sharpness that reaches its limit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from actlab.errors import InputError
from actlab.stability.detectors import Event, stretches
from actlab.stability.trend import FEWEST, finite_series, trend

LOGIT_GROWTH = 1.5  # in the second half of a run: faster than the square root of time, which gives 1.41
LOGIT_LEVEL = 10.0  # rms: below, softmax still gives every class a share that float32 gradients can see
SIGNIFICANT = 3.0  # Mann-Kendall score: without a trend exceeded by 1 series in 700
ENTROPY_SHARE = 0.05  # of ln(keys), mean over heads: every query looks at one key
ENTROPY_FALL = 4.0  # collapse is a fall: by that factor from its highest level
EDGE_WIDTH = (
    0.2  # of the limit: how far sharpness swings about it while hovering (softplus on digits: 0.3 at most)
)
EDGE_CENTRE = 0.1  # of the limit: where the middle of hovering lies; passing by slowly lies off it
EDGE_RECORDS = 5  # in a row, so that passing by is not hovering
SHARPENING = 2.0  # growth that counts as progressive sharpening; 1.5 was found in 2 % of wandering series
SHARPENING_TO_EDGE = 1.25  # where hovering at the limit follows, which wandering does not do
SHARPENING_SCORE = 2.0  # a monotone series of 5 has 2.2


def logit_drift(
    steps: Any, values: Any, *, site: str = "head", quantity: str = "logits.rms", level: float = LOGIT_LEVEL
) -> list[Event]:
    """Return whether logits grow without end: significantly, and fast, in the second half of the run.

    Fast: the lower end of the 95 % interval of the growth, a Theil-Sen slope of the logarithm, is above 1.5; so
    growth like the logarithm or the root of time, which separable data bring about, is none. And the last values
    are above ``level``. Wortsman et al. 2023, arXiv:2309.14322: divergence of output logits.

    Args:
        steps: (N,) increasing.
        values: (N,) rms or largest modulus of the logits, > 0; zeros are left out.
        site: named in the event.
        quantity: named in the message.
        level: of the same quantity.
    """
    at, values = finite_series(steps, values)
    at, values = at[values > 0], values[values > 0]
    late = at >= (at[0] + at[-1]) / 2 if len(at) else np.zeros(0, bool)
    at, values = at[late], values[late]
    found = trend(at, np.log(values))
    if found.count < FEWEST:
        return []
    growth, lowest = (math.exp(s * found.span) for s in (found.slope, found.low))
    now = float(np.median(values[-3:]))
    if not (found.score > SIGNIFICANT and lowest > LOGIT_GROWTH and now > level):
        return []
    message = (
        f"{quantity} grew {growth:.3g} times (at least {lowest:.3g}) from step {int(at[0])} to {int(at[-1])}, "
        f"to {now:.4g}"
    )
    return [Event("logit_drift", int(at[0]), int(at[-1]), site, growth, LOGIT_GROWTH, message)]


def entropy_collapse(steps: Any, shares: Any, *, site: str) -> list[Event]:
    """Return whether attention hardened for good: entropy fell below 5 % of ln(keys), by a factor of 4, and stayed.

    ``shares``: (N,) entropy of the attention weights over its maximum, mean over heads and queries, in [0, 1]. Low
    from the start is a sharp head, no collapse. Zhai et al. 2023, arXiv:2303.06296.
    """
    at, values = finite_series(steps, shares)
    if len(values) < FEWEST:
        return []
    smooth = _running_median(values)
    high = np.flatnonzero(smooth >= ENTROPY_SHARE)
    if not high.size or high[-1] > len(smooth) - 4:  # ends high, or has been low for two records only
        return []
    first = int(high[-1]) + 1
    highest, end = float(smooth[:first].max()), float(np.median(values[first:]))
    if highest < ENTROPY_FALL * max(end, 1e-12):
        return []
    message = (
        f"entropy of attention fell from {highest:.2g} of its maximum to {end:.2g} and stayed there from step "
        f"{int(at[first])}"
    )
    return [Event("entropy_collapse", int(at[first]), int(at[-1]), site, end, ENTROPY_SHARE, message)]


def edge_of_stability(steps: Any, sharpness: Any, limit: Any, *, site: str = "run") -> list[Event]:
    """Return where sharpness hovers at its limit, and where it rose before (``progressive_sharpening``).

    Hovering: at least 5 records in a row within 20 % of the limit, single records apart, their median within 10 %.
    Sharpening: from the lowest value to there, or to the end. With limit
    2 / lr it is `actlab.train.whole_run.stability_limit`'s. Cohen et al. 2021, arXiv:2103.00065.

    Args:
        steps: (N,) increasing.
        sharpness: (N,) largest eigenvalue of the Hessian, preconditioned or not, like the limit.
        limit: (N,) or one number, > 0: changes with the learning rate.
        site: named in the event.

    Raises:
        InputError: a limit that does not fit.
    """
    steps, sharpness = np.asarray(steps, np.float64), np.asarray(sharpness, np.float64)
    limit = np.asarray(limit, np.float64)
    if limit.shape not in ((), sharpness.shape):
        raise InputError(
            f"edge_of_stability: limit of shape {limit.shape}: must be one number or {sharpness.shape}"
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        at, ratio = finite_series(steps, sharpness / limit)
    if len(at) < EDGE_RECORDS:
        return []
    near = stretches(np.abs(_running_median(ratio) - 1) <= EDGE_WIDTH)
    hovering = [
        (first, last)
        for first, last in near
        if last - first + 1 >= EDGE_RECORDS and abs(np.median(ratio[first : last + 1]) - 1) <= EDGE_CENTRE
    ]
    events = []
    before = hovering[0][0] + 1 if hovering else len(at)
    lowest = int(np.argmin(ratio[:before]))
    x, y = at[lowest:before], ratio[lowest:before]
    x, y = x[y > 0], y[y > 0]
    found = trend(x, np.log(y))
    growth = math.exp(found.slope * found.span) if found.count >= FEWEST else math.nan
    needed = SHARPENING_TO_EDGE if hovering else SHARPENING
    if growth > needed and found.score > SHARPENING_SCORE:
        message = (
            f"sharpness rose from {y[0]:.2g} to {y[-1]:.2g} of its stability limit between steps {int(x[0])} and "
            f"{int(x[-1])}"
        )
        events.append(Event("progressive_sharpening", int(x[0]), int(x[-1]), site, growth, needed, message))
    for first, last in hovering:
        part = ratio[first : last + 1]
        value = float(np.median(part))
        message = (
            f"sharpness hovers at {value:.3g} of its stability limit ({part.min():.3g} to {part.max():.3g}) from "
            f"step {int(at[first])} to {int(at[last])}"
        )
        events.append(
            Event("edge_of_stability", int(at[first]), int(at[last]), site, value, 1 + EDGE_WIDTH, message)
        )
    return events


def _running_median(values: np.ndarray) -> np.ndarray:
    """Return medians of three neighbours, the ends repeated."""
    padded = np.concatenate([values[:1], values, values[-1:]])
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 3), axis=-1)
