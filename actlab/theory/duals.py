r"""The dual of an activation: E f(x) f(y) as a function of the correlation, with what is known about its error."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from actlab.activations import Act
from actlab.errors import InputError
from actlab.theory.levels import _REACH, pair, wide
from actlab.theory.mesh import mesh


@dataclasses.dataclass(frozen=True)
class Dual:
    """Means over jointly normal x, y of variance q and correlation c.

    Attributes:
        value: E f(x) f(y).
        slope: E f'(x) f'(y), of the derivative autodiff gives; where f has no jumps q times it is d value / d c.
        error: estimate of the larger error: what separates panels of 20 and of 14 nodes.
        kinks: where f or f' jumps, up to the farthest panel: told by the spec, or found.
        found: whether the kinks were found numerically, as those of your own function are.
    """

    value: float
    slope: float
    error: float
    kinks: tuple[float, ...]
    found: bool


def dual(f: Callable | Act | str, c: float, q: float = 1.0) -> Dual:
    """Return E f(x) f(y) and E f'(x) f'(y) for x, y ~ N(0, q) of correlation c, by quadrature; to about 1e-14.

    Daniely, Frostig, Singer 2016, arXiv:1602.05897. `expect_pair` is the same to differentiate by.

    Raises:
        InputError: f is random, not elementwise, not real, has no finite variance or oscillates too fast; c outside
            [-1, 1], q not positive.

    >>> import jax
    >>> import actlab
    >>> print(f"{dual(actlab.relu, 0.0).value:.12f} {dual(jax.nn.relu6, 0.5).kinks}")
    0.159154943092 (0.0, 6.0)
    """
    act = wide(f, "dual")
    if not (isinstance(c, (int, float)) and -1 <= c <= 1):
        raise InputError(f"dual: a correlation c must be in [-1, 1], got {c!r}")
    if not (isinstance(q, (int, float)) and 0 < q < math.inf):
        raise InputError(f"dual: a variance q must be positive and finite, got {q!r}")
    sd = math.sqrt(q)
    fine, coarse = pair(act, c, (sd, sd)), pair(act, c, (sd, sd), order=14)
    error = max(abs(a - b) for a, b in zip(fine, coarse, strict=True))
    told = mesh(act, next((r for r in _REACH if r >= 10 * sd), _REACH[-1]))
    return Dual(*fine, error, told.kinks, told.found)
