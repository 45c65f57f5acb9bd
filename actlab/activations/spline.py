r"""Functions with a learnt shape: sums of B-splines or Gaussians.

``coefficients`` are the weights of the basis functions, evenly spaced; as an array they lie along the first axis
and further axes broadcast against the last axes of x. Basis functions are added one by one, so that no array of
the basis is ever made.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.numeric import smooth_facts
from actlab.activations.radial import bell, bell_curvature, bell_slope
from actlab.activations.selfgated import silu
from actlab.activations.spec import POSITIVE, REALS, Inexact, activation, at_least, below
from actlab.gradients import keep_input

_EDGES = {"low": (REALS, "where the grid begins"), "high": (REALS, "where the grid ends, above low")}
_COEFFICIENTS = {"coefficients": (REALS, "weights of the basis functions, from left to right")}
_ROOT = math.sqrt(2.0)
_BASE = {"base_weight": (REALS, "weight of silu")}
_SILU = "base_weight*x/(1+exp(-x))"


def _grid_of(count: int):
    return lambda p: below("low", "high")(p) or at_least(count, "coefficients")(p)


def _np_silu(x: np.ndarray) -> np.ndarray:
    return x / (1.0 + np.exp(-np.clip(x, -700, 700)))


def _np_silu_slope(x: np.ndarray) -> np.ndarray:
    s = 1.0 / (1.0 + np.exp(-np.clip(x, -700, 700)))
    return s * (1.0 + x * (1.0 - s))


def _silu_limits(p) -> tuple[float, float]:
    weight = p["base_weight"]
    return 0.0, math.copysign(math.inf, weight) if weight else 0.0


def _weighted_silu(x: Array, weight: Array) -> Array:
    y = silu(x)
    return jnp.where((weight == 0) & jnp.isinf(y), 0.0, weight * y)


def _silu_slope(x: Array) -> Array:
    return jax.jvp(silu, (x,), (jnp.ones_like(x),))[1]


def _silu_curvature(x: Array) -> Array:
    return jax.jvp(_silu_slope, (x,), (jnp.ones_like(x),))[1]


def _cubic(a: Array, order: int) -> Array:
    """Return the cubic B-spline on [-2, 2], or its derivative, at distances a >= 0 from its centre."""
    a = jnp.where(a < 2.0, a, 2.0) + 0.0 * jnp.where(jnp.isinf(a), 0.0, a)  # a NaN goes through
    if order == 0:
        return jnp.where(a < 1.0, 4.0 + a * a * (3.0 * a - 6.0), (2.0 - a) ** 3) / 6.0
    if order == 1:
        return jnp.where(a < 1.0, a * (1.5 * a - 2.0), -0.5 * (2.0 - a) ** 2)
    return jnp.where(a < 1.0, 3.0 * a - 2.0, 2.0 - a)


def _spline(x: Array, c: Array, low: Array, high: Array, order: int) -> Array:
    """Return a derivative of the sum of cubic B-splines, centred on the grid from a step before to a step after."""
    step = (high - low) / max(len(c) - 3, 1)
    place = (x - low) / step
    total = jnp.zeros_like(x)
    for i, weight in enumerate(c):
        offset = place - (i - 1)
        term = _cubic(jnp.abs(offset), order)
        total += weight * (term * jnp.sign(offset) if order == 1 else term)
    return total / step**order if order else total


def _np_spline(x, coefficients, low, high, order=0):
    step = (high - low) / max(len(coefficients) - 3, 1)
    total = 0.0 * x
    for i, c in enumerate(coefficients):
        u = (x - low) / step - (i - 1)
        a = np.minimum(abs(u), 2.0)
        value = np.where(a < 1, (4 - 6 * a**2 + 3 * a**3) / 6, (2 - a) ** 3 / 6)
        slope = np.sign(u) * np.where(a < 1, 1.5 * a * a - 2 * a, -((2 - a) ** 2) / 2) / step
        total = total + c * (slope if order else value)
    return total


@activation(
    family="spline",
    formula=_SILU + "+spline_weight*sum(c*sum((1,-4,6,-4,1)[j]*max(0,(x-low)/(high-low)*(len(coefficients)-3)"
    "-i+3-j)**3 for j in range(5))/6 for i,c in enumerate(coefficients))",
    parameters=_COEFFICIENTS | _BASE | {"spline_weight": (REALS, "weight of the spline")} | _EDGES,
    **smooth_facts(
        lambda x, coefficients, base_weight, spline_weight, low, high: (
            base_weight * _np_silu(x) + spline_weight * _np_spline(x, coefficients, low, high)
        ),
        lambda x, coefficients, base_weight, spline_weight, low, high: (
            base_weight * _np_silu_slope(x) + spline_weight * _np_spline(x, coefficients, low, high, 1)
        ),
        _silu_limits,
    ),
    smoothness=lambda p: "C2" if any(p["coefficients"]) and p["spline_weight"] else "Cinf",
    requires=_grid_of(4),
    reference="Liu et al. 2024, arXiv:2404.19756",
)
def kan_bspline(
    x: ArrayLike,
    *,
    coefficients: ArrayLike = (0.0,) * 8,
    base_weight: ArrayLike = 1.0,
    spline_weight: ArrayLike = 1.0,
    low: ArrayLike = -1.0,
    high: ArrayLike = 1.0,
) -> Array:
    r"""Edge function of a Kolmogorov-Arnold network: silu plus a cubic spline on an even grid.

    .. math:: f(x) = w_b\, \mathrm{silu}(x) + w_s \sum_i c_i\, B_3\!\left(\tfrac{x - l}{h} - i + 3\right),
              \qquad h = \frac{u - l}{n - 3}

    with n coefficients, the grid from l to u, and the cubic B-spline :math:`B_3` on [0, 4]. The spline fades to 0
    within 3 steps outside the grid and is 0 beyond. Twice continuously differentiable. Limits 0 and, by the
    sign of w_b, inf. The degree is 3, as in the paper's experiments. The paper draws c from N(0, 0.1^2); the
    default is their mean, 0, where f = silu.

    Args:
        x: real array.
        coefficients: weights of the n = intervals + 3 B-splines, at least 4; any finite reals.
        base_weight: weight of silu, any finite real.
        spline_weight: weight of the spline, any finite real.
        low: where the grid begins.
        high: where the grid ends, above low.

    Liu, Wang, Vaidya, Ruehle, Halverson, Soljačić, Hou, Tegmark 2024, arXiv:2404.19756.

    >>> print(f"{kan_bspline(0.5, coefficients=(1.0,) * 8, base_weight=0.0):.4f}")
    1.0000
    """
    return _kan_bspline(x, coefficients, base_weight, spline_weight, low, high)


def _bspline_value(x: Array, c: Array, base: Array, weight: Array, low: Array, high: Array) -> Array:
    return _weighted_silu(x, base) + weight * _spline(x, c, low, high, 0)


def _bspline_slope(x: Array, c: Array, base: Array, weight: Array, low: Array, high: Array) -> Array:
    return base * _silu_slope(x) + weight * _spline(x, c, low, high, 1)


def _bspline_curvature(x: Array, c: Array, base: Array, weight: Array, low: Array, high: Array) -> Array:
    return base * _silu_curvature(x) + weight * _spline(x, c, low, high, 2)


_kan_bspline = keep_input(
    _bspline_value, keep_input(_bspline_slope, _bspline_curvature, vectors=(0,)), vectors=(0,)
)


def _bells(x: Array, c: Array, low: Array, high: Array, width: Array | float) -> Array:
    """Return the sum of bells exp(-u^2), u = (x - centre) / (width * step), centred evenly from low to high."""
    step = (high - low) / max(len(c) - 1, 1)
    total = jnp.zeros_like(x)
    for i, weight in enumerate(c):
        total += bell((x - (low + i * step)) / (width * step), weight)
    return total


def _bells_slope(x: Array, c: Array, low: Array, high: Array, width: Array | float) -> Array:
    step = (high - low) / max(len(c) - 1, 1)
    total = jnp.zeros_like(x)
    for i, weight in enumerate(c):
        total += bell_slope((x - (low + i * step)) / (width * step), weight / (width * step))
    return total


def _bells_curvature(x: Array, c: Array, low: Array, high: Array, width: Array | float) -> Array:
    step = (high - low) / max(len(c) - 1, 1)
    total = jnp.zeros_like(x)
    for i, weight in enumerate(c):
        total += bell_curvature((x - (low + i * step)) / (width * step), weight / (width * step) ** 2)
    return total


def _np_bells(x, coefficients, low, high, width, order=0):
    scale = width * (high - low) / max(len(coefficients) - 1, 1)
    total = 0.0 * x
    for d, c in zip(np.linspace(low, high, len(coefficients)), coefficients, strict=True):
        u = np.clip((x - d) / scale, -40, 40)
        total = total + c * np.exp(-u * u) * (-2 * u / scale if order else 1.0)
    return total


_GRID = "(low+i*(high-low)/(len(coefficients)-1))"
_STEP = "((high-low)/(len(coefficients)-1))"


@activation(
    family="spline",
    formula=_SILU + f"+sum(c*exp(-((x-{_GRID})/{_STEP})**2) for i,c in enumerate(coefficients))",
    parameters=_COEFFICIENTS | _BASE | _EDGES,
    **smooth_facts(
        lambda x, coefficients, base_weight, low, high: (
            base_weight * _np_silu(x) + _np_bells(x, coefficients, low, high, 1.0)
        ),
        lambda x, coefficients, base_weight, low, high: (
            base_weight * _np_silu_slope(x) + _np_bells(x, coefficients, low, high, 1.0, 1)
        ),
        _silu_limits,
    ),
    smoothness="Cinf",
    requires=_grid_of(2),
    reference="Li 2024, arXiv:2405.06721",
)
def kan_rbf(
    x: ArrayLike,
    *,
    coefficients: ArrayLike = (0.0,) * 8,
    base_weight: ArrayLike = 1.0,
    low: ArrayLike = -2.0,
    high: ArrayLike = 2.0,
) -> Array:
    r"""Edge function of FastKAN: silu plus Gaussian bells on an even grid.

    .. math:: f(x) = w_b\, \mathrm{silu}(x) + \sum_{i=0}^{n-1} c_i\, e^{-((x - g_i)/h)^2},
              \qquad g_i = l + i h, \quad h = \frac{u - l}{n - 1}

    Smooth. Limits 0 and, by the sign of w_b, inf. The author's code draws c from a normal distribution of
    standard deviation 0.1 and normalises the layer's input; the default is their mean, 0, where f = silu.

    Args:
        x: real array.
        coefficients: weights of the n bells, at least 2; any finite reals.
        base_weight: weight of silu, any finite real.
        low: centre of the first bell.
        high: centre of the last bell, above low.

    Li 2024, arXiv:2405.06721.

    >>> print(f"{kan_rbf(0.0, coefficients=(0.0, 0.5, 0.0)):.4f}")
    0.5000
    """
    return _kan_rbf(x, coefficients, base_weight, low, high)


def _rbf_curvature(x: Array, c: Array, base: Array, low: Array, high: Array) -> Array:
    return base * _silu_curvature(x) + _bells_curvature(x, c, low, high, 1.0)


_kan_rbf = keep_input(
    lambda x, c, base, low, high: _weighted_silu(x, base) + _bells(x, c, low, high, 1.0),
    keep_input(
        lambda x, c, base, low, high: base * _silu_slope(x) + _bells_slope(x, c, low, high, 1.0),
        _rbf_curvature,
        vectors=(0,),
    ),
    vectors=(0,),
)

# Kernel ridge regression to elu: (K + 0.1)^-1 elu(d), rounded.
_KAF_DEFAULT = (
    -0.7244,
    -0.0114,
    -0.06,
    -0.2145,
    -0.2136,
    -0.1539,
    -0.1185,
    -0.1017,
    -0.1211,
    -0.1286,
    0.0718,
    0.1416,
    0.15,
    0.1464,
    0.2399,
    0.5049,
    0.5701,
    0.0164,
    -0.1691,
    2.6122,
)
_KAF_WHY = "the terms cancel where the sum is small, near 0 and in the tails; the centres are rounded"


@activation(
    family="spline",
    formula=f"sum(c*exp(-((x-{_GRID})/(width*{_STEP}))**2/2) for i,c in enumerate(coefficients))",
    parameters=_COEFFICIENTS | _EDGES | {"width": (POSITIVE, "standard deviation of a bell, in grid steps")},
    **smooth_facts(
        lambda x, coefficients, low, high, width: _np_bells(x, coefficients, low, high, width * _ROOT),
        lambda x, coefficients, low, high, width: _np_bells(x, coefficients, low, high, width * _ROOT, 1),
        lambda p: (0.0, 0.0),
    ),
    smoothness="Cinf",
    requires=_grid_of(2),
    reference="Scardapane, Van Vaerenbergh, Totaro, Uncini 2017, arXiv:1707.04035",
    inexact=(
        Inexact("float32", 0, 3000.0, _KAF_WHY),
        Inexact("float32", 1, 20.0, _KAF_WHY),
        Inexact("float32", 2, 400.0, _KAF_WHY),
        Inexact("float64", 0, 3000.0, _KAF_WHY),
        Inexact("float64", 1, 25.0, _KAF_WHY),
        Inexact("float64", 2, 400.0, _KAF_WHY),
    ),
)
def kaf(
    x: ArrayLike,
    *,
    coefficients: ArrayLike = _KAF_DEFAULT,
    low: ArrayLike = -3.0,
    high: ArrayLike = 3.0,
    width: ArrayLike = 2.0,
) -> Array:
    r"""Kernel activation function: a sum of Gaussian bells on an even grid.

    .. math:: f(x) = \sum_{i=1}^{D} \alpha_i\, e^{-\gamma (x - d_i)^2},
              \qquad \gamma = \frac{1}{2 (w \Delta)^2}

    with the distance :math:`\Delta` between neighbouring centres. Smooth; limits 0 and 0. The default
    coefficients are kernel ridge regression to elu at the centres, with ridge 0.1, one of the paper's
    initialisations: within 0.07 of elu on [-2, 2], where the grid's ends are far. w = 2 is the authors' code.

    Args:
        x: real array.
        coefficients: weights of the D bells, at least 2; any finite reals.
        low: centre of the first bell.
        high: centre of the last bell, above low.
        width: standard deviation of a bell in grid steps, positive.

    Scardapane, Van Vaerenbergh, Totaro, Uncini 2017, arXiv:1707.04035.

    >>> print(f"{kaf(0.3, coefficients=(0.0, 2.0, 0.0)):.4f}")
    1.9975
    """
    return _kaf(x, coefficients, low, high, width)


_kaf = keep_input(
    lambda x, c, low, high, width: _bells(x, c, low, high, width * _ROOT),
    keep_input(
        lambda x, c, low, high, width: _bells_slope(x, c, low, high, width * _ROOT),
        lambda x, c, low, high, width: _bells_curvature(x, c, low, high, width * _ROOT),
        vectors=(0,),
    ),
    vectors=(0,),
)
