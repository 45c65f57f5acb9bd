r"""Variance, correlation and gradient from layer to layer of a wide random network.

Weights of variance :math:`\sigma_w^2 / n`, biases of variance :math:`\sigma_b^2`. A layer's pre-activations are
normal with variance q; those of two inputs have correlation c. A layer h -> s h + a (W f(N h) + b), N a
normalisation or nothing, maps, with :math:`x, y` normal of variance :math:`\hat q = q` (1 behind a normalisation)
and correlation c,

.. math::
    Q(q) &= s^2 q + a^2 (\sigma_w^2\, E f(x)^2 + \sigma_b^2), \\
    C(c) &= \frac{s^2 q c + a^2 (\sigma_w^2\, E f(x) f(y) + \sigma_b^2)}{Q(q)}, \\
    \chi(q, c) &= s^2 + a^2 \sigma_w^2\, E f'(x) f'(y)\, \hat q / q.

Plain networks have s = 0, a = 1. Dropout of rate p behind f, its survivors divided by 1 - p, multiplies
:math:`\sigma_w^2` by 1 / (1 - p) in Q and in :math:`\chi(q, 1)`, and not in what two inputs have in common: they lose
different units, so that even equal ones part, C(1) < 1. Poole et al. 2016, arXiv:1606.05340; Schoenholz et al. 2017,
arXiv:1611.01232; Yang and Schoenholz 2017, arXiv:1712.08969.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import jax
import numpy as np

from actlab.activations import Act
from actlab.errors import InputError, suggest
from actlab.theory.evaluation import value_and_slope
from actlab.theory.levels import levels, pair, refuse_rough, too_rough, wide

_Q = np.geomspace(1e-12, 1e12, 193)
_NEAR = 1e-10


@dataclasses.dataclass(frozen=True, eq=False)
class Depths:
    """What a wide network makes of two inputs: entry l is layer l's, entry 0 the first pre-activations; (depth + 1,).

    Attributes:
        q: variance.
        c: correlation of the two.
        chi: the factor by which layer l + 1 multiplies the gradient's variance on its way back to layer l.
    """

    q: np.ndarray
    c: np.ndarray
    chi: np.ndarray

    @property
    def gradient(self) -> np.ndarray:
        """The gradient's variance at each layer over that at the last one."""
        return np.append(np.cumprod(self.chi[:-1][::-1])[::-1], 1.0)


@dataclasses.dataclass(frozen=True)
class Maps:
    """The maps of one kind of layer; made by `maps`, which checks.

    Attributes:
        act: elementwise.
        sigma_w: standard deviation of the weights times sqrt(fan-in).
        sigma_b: standard deviation of the biases.
        shortcut: s, the factor of the skip connection; 0 in a plain network.
        branch: a, the factor of the branch.
        norm: ``"rms"``, ``"layer"`` or None. Both normalise q to 1: pre-activations of a wide layer have mean 0.
    """

    act: Act
    sigma_w: float
    sigma_b: float
    shortcut: float = 0.0
    branch: float = 1.0
    norm: str | None = None
    dropout: float = 0.0

    def q(self, q: float) -> float:
        """Return the next layer's variance, of q from 0 up."""
        if not self.norm and isinstance(q, (int, float, np.number)) and q == 0:
            rest = float(value_and_slope(self.act, np.zeros(1))[0][0])
            return self.branch**2 * (self._noisy * rest**2 + self.sigma_b**2)
        refuse_rough(self.act, self._sd(q))
        return float(self._q(np.asarray(self._positive(q))))

    def q_slope(self, q: float) -> float:
        """Return Q'(q), of q > 0."""
        if self.norm:
            return self.shortcut**2
        refuse_rough(self.act, sd := self._sd(q))
        rise = float(levels(self.act, sd).half_square_by_sd) / sd
        return self.shortcut**2 + self.branch**2 * self._noisy * rise

    def c(self, c: float, q: float) -> float:
        """Return the next layer's correlation of two inputs of variance q."""
        value, _ = pair(self.act, _correlation(c), (self._sd(q),) * 2)
        return self._covariance(q, c, value) / self.q(q)

    def chi(self, q: float, c: float = 1.0) -> float:
        r"""Return :math:`\chi(q, c)`; at c = 1 the factor of the gradient's variance, chi_1."""
        _, slope = pair(self.act, _correlation(c), (self._sd(q),) * 2)
        return self._chi(q, slope, self._noisy if c == 1 else None)

    def c_slope(self, c: float, q: float) -> float:
        """Return C'(c), the derivative of the correlation map: chi, without what dropout adds, times q over Q(q)."""
        _, slope = pair(self.act, _correlation(c), (self._sd(q),) * 2)
        return self._chi(q, slope) * self._positive(q) / self.q(q)

    def depth(self, n: int, q: float = 1.0, c: float = 0.5) -> Depths:
        """Return q, c and chi over n layers, started at the first pre-activations' q and c.

        Raises:
            InputError: n below 1, q not positive, c outside [-1, 1].
        """
        if not isinstance(n, (int, np.integer)) or n < 1:
            raise InputError(f"depth must be a whole number of layers from 1 up, got {n!r}")
        at_q, at_c = [self._positive(q)], [_correlation(c)]
        chi = []
        for _ in range(n):
            if not 0 < at_q[-1] < 1e200:  # the signal is gone, or overflows
                at_q.append(at_q[-1])
                at_c.append(math.nan)
                chi.append(math.nan)
                continue
            sds = (self._sd(at_q[-1]),) * 2
            chi.append(self._chi(at_q[-1], float(levels(self.act, sds[0]).slope_square), self._noisy))
            following = self.q(at_q[-1])
            if (at_c[-1] == 1.0 and not self.dropout) or math.isnan(at_c[-1]):
                at_c.append(at_c[-1])
            elif 0 < following < math.inf:
                cov = self._covariance(at_q[-1], at_c[-1], pair(self.act, at_c[-1], sds)[0])
                at_c.append(min(1.0, cov / following))
            else:
                at_c.append(math.nan)
            at_q.append(following)
        last = at_q[-1]
        alive = 0 < last < 1e200
        chi.append(
            self._chi(last, float(levels(self.act, self._sd(last)).slope_square), self._noisy)
            if alive
            else math.nan
        )
        return Depths(np.array(at_q), np.array(at_c), np.array(chi))

    def fixed_q(self, start: float = 1.0) -> float:
        """Return q*, where the variance goes from ``start``: 0 where it vanishes, inf where it explodes.

        A variance that stays where it is, as every one of relu at sigma_w = sqrt 2, is returned as it is.
        """
        start = self._positive(start)
        moved = self.q(start) - start
        if abs(moved) <= 1e-13 * start:
            return start
        grid = np.append(_Q, start)
        grid.sort()
        with np.errstate(over="ignore", invalid="ignore"):
            gap = self._q(grid) - grid
        gap[np.isnan(gap)] = math.inf
        gap[np.abs(gap) <= 1e-13 * grid] = 0.0
        at = int(np.searchsorted(grid, start))
        way = range(at + 1, grid.size) if moved > 0 else range(at - 1, -1, -1)
        rough = np.zeros(grid.size, bool) if self.norm else too_rough(self.act, np.sqrt(grid))
        for i in way:
            if rough[i]:
                refuse_rough(self.act, self._sd(grid[i]))
            if gap[i] == 0 or np.sign(gap[i]) != np.sign(moved):
                ends = sorted((grid[i], grid[i - 1 if moved > 0 else i + 1]))
                return bisect(lambda q: self.q(q) - q, *ends)
        return math.inf if moved > 0 else 0.0

    def fixed_c(self, q: float | None = None) -> float:
        """Return c*, where two different inputs' correlation goes at variance q (q* if not told): 1 if C'(1) <= 1.

        With dropout it is below 1: there no two inputs become the same.

        NaN where there is no such q: it vanishes or explodes.
        """
        q = self.fixed_q() if q is None else self._positive(q)
        if not 0 < q < math.inf:
            return math.nan
        if not self.dropout and self.c_slope(1.0, q) <= 1 + 1e-12:
            return 1.0
        c = 0.0
        # C is convex on [0, 1], so that Newton's steps from 0 rise to the smaller root and never pass it.
        for _ in range(200):
            step = (self.c(c, q) - c) / (1 - self.c_slope(c, q))
            c = min(max(c + step, 0.0), 1.0)
            if abs(step) < 1e-13 or c == 1.0:
                break
        return c

    @property
    def xi_q(self) -> float:
        r"""Depth scale of the variance, :math:`1 / |\ln |Q'(q^*)||`, in layers; inf at a marginal point.

        What deviates from q* is divided by e over so many layers, or multiplied where Q'(q*) is above 1.
        """
        q = self.fixed_q()
        return _scale(abs(self.q_slope(q))) if 0 < q < math.inf else math.nan

    @property
    def xi_c(self) -> float:
        r"""Depth scale of the correlation, :math:`-1 / \ln C'(c^*)`, in layers: how deep inputs are told apart."""
        q = self.fixed_q()
        return _scale(self.c_slope(self.fixed_c(q), q)) if 0 < q < math.inf else math.nan

    def _q(self, q: np.ndarray) -> np.ndarray:
        square = levels(self.act, np.ones_like(q) if self.norm else np.sqrt(q)).square
        return self.shortcut**2 * q + self.branch**2 * (self._noisy * square + self.sigma_b**2)

    def _covariance(self, q: float, c: float, value: float) -> float:
        return self.shortcut**2 * q * c + self.branch**2 * (self.sigma_w**2 * value + self.sigma_b**2)

    @property
    def _noisy(self) -> float:
        return self.sigma_w**2 / (1 - self.dropout)

    def _chi(self, q: float, slope: float, square: float | None = None) -> float:
        square = self.sigma_w**2 if square is None else square
        return self.shortcut**2 + self.branch**2 * square * slope / (q if self.norm else 1.0)

    def _sd(self, q: float) -> float:
        return 1.0 if self.norm else math.sqrt(self._positive(q))

    def _positive(self, q: float) -> float:
        if isinstance(q, jax.core.Tracer):
            raise InputError("maps are of NumPy's numbers; `expect` and `expect_pair` can be differentiated")
        if not (isinstance(q, (int, float, np.number)) and 0 < q < math.inf):
            raise InputError(f"a variance q must be positive and finite, got {q!r}")
        return float(q)


def maps(
    f: Callable | Act | str,
    sigma_w: float,
    sigma_b: float = 0.0,
    *,
    residual: float | tuple[float, float] | None = None,
    norm: str | None = None,
    dropout: float = 0.0,
) -> Maps:
    """Return the maps of a wide layer: of q, of c, of gradients; over depth, their fixed points, depth scales.

    To about 1e-13 where f has finitely many panels; see `actlab.theory.mesh`. Slopes are those autodiff gives: a
    surrogate where there is one, nothing of a jump. A learnt parameter counts at its start.

    Args:
        f: elementwise: a listed activation, an `Act`, or your own function.
        sigma_w: positive.
        sigma_b: not negative.
        residual: the branch's factor a, beside a shortcut of 1; or both, (shortcut, branch).
        norm: ``"rms"`` or ``"layer"``, in front of f.
        dropout: share of f's outputs that are dropped, in [0, 1).

    Raises:
        InputError: f is random, not elementwise, not real, or has no finite variance; a number out of its range.

    >>> import actlab
    >>> relu = maps(actlab.relu, sigma_w=2**0.5)
    >>> print(f"{relu.c(0.0, q=1.0):.9f} {relu.chi(1.0):.9f}")
    0.318309886 1.000000000
    """
    act = wide(f, "maps")
    check_sigmas(sigma_w, sigma_b)
    if norm not in (None, "rms", "layer"):
        raise InputError(f"maps: norm={norm!r}{suggest(str(norm), ['rms', 'layer'])}")
    if isinstance(residual, tuple) and len(residual) != 2:
        raise InputError(f"maps: residual is the branch's factor, or (shortcut, branch), got {residual!r}")
    shortcut, branch = (
        (0.0, 1.0) if residual is None else residual if isinstance(residual, tuple) else (1.0, residual)
    )
    for name, value in (("shortcut", shortcut), ("branch", branch)):
        if not (isinstance(value, (int, float, np.number)) and math.isfinite(value)):
            raise InputError(f"maps: the {name}'s factor must be a finite number, got {value!r}")
    if branch == 0:
        raise InputError("maps: residual=0 leaves nothing but the shortcut")
    if not (isinstance(dropout, (int, float, np.number)) and 0 <= dropout < 1):
        raise InputError(f"maps: dropout must be in [0, 1), got {dropout!r}")
    return Maps(act, float(sigma_w), float(sigma_b), float(shortcut), float(branch), norm, float(dropout))


def check_sigmas(sigma_w: float, sigma_b: float) -> None:
    """Raise InputError unless these are standard deviations of weights and biases."""
    if not (isinstance(sigma_w, (int, float, np.number)) and 0 < sigma_w < math.inf):
        raise InputError(f"sigma_w must be positive and finite, got {sigma_w!r}")
    if not (isinstance(sigma_b, (int, float, np.number)) and 0 <= sigma_b < math.inf):
        raise InputError(f"sigma_b must be finite and not negative, got {sigma_b!r}")


def bisect(gap: Callable[[float], float], low: float, high: float) -> float:
    """Return where ``gap`` changes sign between two ends, to the last digit, by Brent's method."""
    from scipy.optimize import brentq  # a fifth of a second to load

    return float(brentq(gap, low, high, xtol=1e-300, rtol=4 * np.finfo(float).eps))


def _correlation(c: float) -> float:
    if not (isinstance(c, (int, float, np.number)) and -1 <= c <= 1):
        raise InputError(f"a correlation c must be in [-1, 1], got {c!r}")
    return float(c)


def _scale(slope: float) -> float:
    if slope == 0:
        return 0.0
    rate = abs(math.log(slope))
    return math.inf if rate < _NEAR else 1 / rate
