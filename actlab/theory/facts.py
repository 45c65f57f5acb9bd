"""What an activation does at 0, to itself, and to a unit normal: computed from the function, not written down."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from actlab.activations import Act, Interval
from actlab.theory.evaluation import elementwise, value_and_slope
from actlab.theory.fixed_points import fixed_points
from actlab.theory.moments import moments


@dataclasses.dataclass(frozen=True)
class Facts:
    """Numbers that follow from an elementwise function at given parameters.

    Attributes:
        at_zero: f(0).
        slope_at_zero: f'(0) as autodiff gives it: the value chosen at a kink, the surrogate where there is one.
        fixed_points: where f(x) = x in [-50, 50], each point alone; increasing.
        fixed_intervals: stretches of [-50, 50] on which f(x) = x throughout: [0, 50] for relu.
        mean: E f(z) for a unit normal z.
        second_moment: E f(z)^2.
        gain: 1 / sqrt(second_moment).
    """

    at_zero: float
    slope_at_zero: float
    fixed_points: tuple[float, ...]
    fixed_intervals: tuple[Interval, ...]
    mean: float
    second_moment: float
    gain: float


def facts(f: Callable | Act | str) -> Facts:
    """Return the facts about an elementwise function; `fixed_points` and `moments` tell how they are found.

    Args:
        f: a listed activation, an `Act` with its parameters, or your own elementwise function.

    Raises:
        InputError: ``f`` is not elementwise and real, or is NaN somewhere.

    >>> import actlab
    >>> facts(actlab.relu).fixed_intervals
    ([0, 50],)
    >>> facts(actlab.gelu).fixed_points
    (0.0,)
    """
    act = elementwise(f, "facts")
    value, slope = (float(v[0]) for v in value_and_slope(act, np.zeros(1)))
    points, intervals = fixed_points(act)
    told = moments(act)
    return Facts(value, slope, points, intervals, told.mean, told.second_moment, told.gain)
