"""How a quantity changes from layer to layer: a line through its logarithm that a few odd layers do not bend."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

SMALLEST = 1.4e-45  # float32's smallest number: what is exactly 0 has fallen at least that far


@dataclass(frozen=True)
class Line:
    """A fitted power law over depth.

    Attributes:
        factor: by which the value grows from one layer to the next.
        total: last over first layer, on the line: factor ** (n - 1).
        agree: share of pairs of layers that go the way the line goes, in [0.5, 1] if there is a trend.
        count: layers it was fitted to.
    """

    factor: float
    total: float
    agree: float
    count: int


def line(values: np.ndarray) -> Line | None:
    r"""Return the Theil-Sen line through :math:`\log v_i`, the median slope over all pairs; None below two values.

    Up to 29 % of the layers may be anything. Zeros count as float32's smallest number, what is not finite is
    left out without moving the others.

    Args:
        values: (depth,) nonnegative.

    Source: Theil 1950; Sen 1968.

    >>> found = line(np.array([1.0, 0.5, 0.25, 40.0, 0.0625, 0.03125]))
    >>> round(found.factor, 3), found.count
    (0.5, 6)
    """
    values = np.asarray(values, float)
    at = np.flatnonzero(np.isfinite(values) & (values >= 0))
    if len(at) < 2:
        return None
    logs = np.log(np.maximum(values[at], SMALLEST))
    i, j = np.triu_indices(len(at), 1)
    slopes = (logs[j] - logs[i]) / (at[j] - at[i])
    slope = float(np.median(slopes))
    agree = float(np.mean(slopes * slope > 0)) if slope else 0.0
    span = slope * (len(values) - 1)
    return Line(math.exp(slope), math.exp(np.clip(span, -300, 300)), agree, len(at))


@dataclass(frozen=True)
class Profile:
    """A nonnegative quantity by site, in forward order, at some steps; ``what`` says which."""

    what: str
    sites: tuple[str, ...]
    steps: np.ndarray
    values: np.ndarray  # (site, step)
    exact: bool = True

    def lines(self) -> list[tuple[int, Line]]:
        """Return step and line of every step that has values at enough sites."""
        found = ((int(s), line(self.values[:, k])) for k, s in enumerate(self.steps))
        return [(step, fit) for step, fit in found if fit is not None]
