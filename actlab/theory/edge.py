r"""The edge of chaos: weights and biases for which two inputs neither merge nor part, and gradients keep their size.

On it :math:`\chi_1 = \sigma_w^2 E f'(\sqrt{q^*} z)^2 = 1` at the fixed point :math:`q^*` of the variance. Told by q*,
the edge is a curve without a search:

.. math::
    \sigma_w^2 = \frac{1}{E f'(\sqrt q z)^2}, \qquad
    \sigma_b^2 = q - \frac{E f(\sqrt q z)^2}{E f'(\sqrt q z)^2}.

Where the second is negative there is no such network. Hayou, Doucet, Rousseau 2019, arXiv:1902.06853.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from actlab.activations import Act
from actlab.errors import InputError
from actlab.theory.levels import levels, wide
from actlab.theory.maps import Maps, bisect, check_sigmas

_Q = np.geomspace(1e-8, 1e4, 289)


@dataclasses.dataclass(frozen=True)
class Critical:
    """The critical network at a given sigma_b, or why there is none.

    Attributes:
        sigma_w: None where there is none.
        sigma_b: as asked.
        q: the variance at which it is critical; 0 where that is a limit, 1 where every variance is.
        q_slope: Q'(q): the variance comes to q if this is below 1, and leaves it if it is above.
        xi_q: layers over which the variance comes to q, or leaves it, by a factor e.
        reason: ``""``, or why there is none, or what to know about it.
    """

    sigma_w: float | None
    sigma_b: float
    q: float
    q_slope: float
    xi_q: float
    reason: str = ""


def edge(f: Callable | Act | str, q: float) -> tuple[float, float]:
    r"""Return the edge of chaos at a variance q: (sigma_w, sigma_b^2); the second is negative where there is none.

    Raises:
        InputError: what `maps` refuses; q not positive; a function without slope.

    >>> import actlab
    >>> print("{:.6f} {:.6f}".format(*edge(actlab.gelu, 1.0)))
    1.481114 0.067192
    """
    act = wide(f, "edge")
    if not (isinstance(q, (int, float)) and 0 < q < math.inf):
        raise InputError(f"edge: q must be positive and finite, got {q!r}")
    sigma_w, bias = _edge(act, np.asarray(float(q)))
    if not math.isfinite(sigma_w):
        raise InputError(f"edge: autodiff gives {act.name} no slope, so no gradient passes")
    return float(sigma_w), float(bias)


def critical(f: Callable | Act | str, sigma_b: float = 0.0) -> Critical:
    """Return the critical plain network at this sigma_b: the one of smallest q, of those that keep their variance.

    Variances from 1e-8 to 1e4 are searched, and the limit q = 0.

    Raises:
        InputError: what `maps` refuses.

    >>> import actlab
    >>> print(f"{critical(actlab.tanh, sigma_b=0.05**0.5).sigma_w ** 2:.10f}")
    1.7609546396
    >>> critical(actlab.softplus).reason
    'sigma_b^2 would have to be negative at every variance'
    """
    act = wide(f, "critical")
    check_sigmas(1.0, sigma_b)
    sigma_b, target = float(sigma_b), float(sigma_b) ** 2
    sigma_w, bias = _edge(act, _Q)
    some = np.isfinite(bias)  # f may outgrow a Gaussian from some variance on
    if not some.any():
        return _none(sigma_b, f"autodiff gives {act.name} no slope, so no gradient passes")
    if (np.abs(bias) <= 1e-12 * _Q).all():
        if target:
            return _none(
                sigma_b, "the edge is a single point, with sigma_b = 0: any bias makes the variance grow"
            )
        one = float(sigma_w[0])
        return Critical(one, 0.0, 1.0, 1.0, math.inf, "every variance stays as it is")

    with np.errstate(invalid="ignore"):
        gap = bias - target
    clear = np.isfinite(gap) & (np.abs(gap) > 1e-11 * _Q)  # where f is all but linear, the rest is rounding
    grid, gap = _Q[clear], gap[clear]
    found = []
    for i in np.flatnonzero(np.sign(gap[:-1]) != np.sign(gap[1:])):
        q = bisect(lambda q: float(_edge(act, np.asarray(q))[1]) - target, grid[i], grid[i + 1])
        if abs(float(_edge(act, np.asarray(q))[1]) - target) <= 1e-9 * max(q, target):
            found.append(_at(act, q, sigma_b))
    steady = [c for c in found if c.q_slope <= 1 + 1e-9]
    if steady:
        return steady[0]
    if target == 0 and (limit := _limit(act)) is not None:
        return limit
    if found:
        return dataclasses.replace(
            found[0], reason="the variance does not stay at q: it is pushed away from it"
        )
    bias = bias[some]
    if target == 0 and (bias > 0).all():
        return _none(sigma_b, "sigma_b^2 would have to be positive at every variance")
    if (bias < 0).all():
        return _none(sigma_b, "sigma_b^2 would have to be negative at every variance")
    return _none(
        sigma_b,
        f"sigma_b^2 on the edge is at most {bias.max():.4g}"
        if bias.max() < target
        else f"sigma_b^2 on the edge is at least {bias.min():.4g}",
    )


def _edge(act: Act, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found = levels(act, np.sqrt(q))
    with np.errstate(divide="ignore", invalid="ignore"):
        return found.slope_square**-0.5, q - found.square / found.slope_square


def _at(act: Act, q: float, sigma_b: float) -> Critical:
    sigma_w = float(_edge(act, np.asarray(q))[0])
    slope = Maps(act, sigma_w, sigma_b).q_slope(q)
    rate = -math.log(abs(slope)) if slope else math.inf
    return Critical(sigma_w, sigma_b, q, slope, math.inf if abs(rate) < 1e-10 else 1 / abs(rate))


def _limit(act: Act) -> Critical | None:
    """Return the edge at q = 0, where f(0) = 0 and f has a slope: sigma_w = 1 / |f'(0)|."""
    near = levels(act, np.array([1e-10, 1e-9]))
    ratio = near.square / (np.array([1e-20, 1e-18]) * near.slope_square)
    if not np.allclose(ratio, 1.0, rtol=1e-4, atol=0.0):
        return None
    sigma_w = float(near.slope_square[0] ** -0.5)
    tilt = Maps(act, sigma_w, 0.0).q(1e-3) - 1e-3
    told = "the variance goes to 0, ever more slowly" if tilt < 0 else "the variance grows away from 0"
    return Critical(sigma_w, 0.0, 0.0, 1.0, math.inf, told)


def _none(sigma_b: float, reason: str) -> Critical:
    return Critical(None, sigma_b, math.nan, math.nan, math.nan, reason)
