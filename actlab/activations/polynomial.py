"""Polynomials, the identity first of all, and the exponentials that grow faster than any."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.spec import NONNEGATIVE, POSITIVE, REALS, Interval, Kink, activation
from actlab.gradients import as_real, keep_input, keep_output


@activation(
    family="polynomial",
    formula="x",
    range=REALS,
    monotonic=True,
    smoothness="Cinf",
    lipschitz=1.0,
    limits=(-float("inf"), float("inf")),
    keeps="nothing",
    reference="standard",
    aliases=("linear",),
    peers={"jax": "jax.nn.identity", "keras": "keras.activations.linear"},
)
def identity(x: ArrayLike) -> Array:
    r"""Identity: no activation at all, the control of every comparison.

    .. math:: f(x) = x

    Range: all reals. Smooth, increasing, 1-Lipschitz. Integers become floats, as in every other activation.

    >>> import jax.numpy as jnp
    >>> identity(jnp.array([-1.5, 2.0]))
    Array([-1.5,  2. ], dtype=float32)
    """
    return as_real(x)


linear = identity


@activation(
    family="polynomial",
    formula="x**2",
    range=NONNEGATIVE,
    monotonic=False,
    smoothness="Cinf",
    lipschitz=math.inf,
    limits=(math.inf, math.inf),
    turning=(0.0,),
    reference="Livni, Shalev-Shwartz, Shamir 2014, arXiv:1410.1141",
)
def square(x: ArrayLike) -> Array:
    r"""Square.

    .. math:: f(x) = x^2, \qquad f'(x) = 2x, \qquad f''(x) = 2

    Range [0, inf); limits inf and inf; smooth, turning at 0. No Lipschitz constant. Results beyond the largest
    number of the dtype are inf: in float16 from abs(x) = 256 on.

    Livni, Shalev-Shwartz, Shamir 2014, On the computational efficiency of training neural networks,
    arXiv:1410.1141.

    >>> print(f"{square(-3.0):.1f}")
    9.0
    """
    return _square(x)


_square = keep_input(lambda x: x * x, lambda x: 2.0 * x)


@activation(
    family="polynomial",
    formula="exp(x)",
    range=POSITIVE,
    monotonic=True,
    smoothness="Cinf",
    lipschitz=math.inf,
    limits=(0.0, math.inf),
    keeps="output",
    reference="standard; Keras",
    peers={
        "jax": "jax.numpy.exp",
        "torch": "torch.exp",
        "keras": "keras.activations.exponential",
    },
)
def exponential(x: ArrayLike) -> Array:
    r"""Exponential: its own derivative, so the backward pass keeps y alone.

    .. math:: f(x) = f'(x) = e^x

    Range (0, inf); limits 0 and inf; smooth, convex, increasing. No Lipschitz constant.

    >>> print(f"{exponential(1.0):.4f}")
    2.7183
    """
    return _exponential(x)


_exponential = keep_output(jnp.exp, lambda y, t: y * t)


@activation(
    family="polynomial",
    formula="sign(x)*expm1(abs(x))",
    range=REALS,
    monotonic=True,
    smoothness="C1",
    lipschitz=math.inf,
    limits=(-math.inf, math.inf),
    reference="Hafner, Pasukonis, Ba, Lillicrap 2023, arXiv:2301.04104",
)
def symexp(x: ArrayLike) -> Array:
    r"""Symmetric exponential: the inverse of symlog.

    .. math:: f(x) = \mathrm{sign}(x)\,(e^{|x|} - 1), \qquad f'(x) = e^{|x|}

    Range: all reals. Odd, increasing. Continuously differentiable, f'(0) = 1; f'' jumps from -1 to 1 at 0, where
    0 is taken. No Lipschitz constant.

    Hafner, Pasukonis, Ba, Lillicrap 2023, Mastering diverse domains through world models, arXiv:2301.04104.

    >>> print(f"{symexp(-2.0):.4f}")
    -6.3891
    """
    return _symexp(x)


def _symexp_slope(x: Array) -> Array:
    return jnp.exp(jnp.abs(x))


def _symexp_curvature(x: Array) -> Array:
    return jnp.where(x == 0, 0.0, jnp.where(x > 0, 1.0, -1.0) * jnp.exp(jnp.abs(x)))


_symexp = keep_input(
    lambda x: jnp.where(x < 0, -1.0, 1.0) * jnp.expm1(jnp.abs(x)),
    keep_input(_symexp_slope, _symexp_curvature),
)


def _critical(terms: tuple[float, ...], low: float) -> list[float]:
    """Return the points beyond ``low`` where the polynomial's derivative changes its sign."""
    slope = [i * term for i, term in enumerate(terms)][1:]
    while slope and slope[-1] == 0:
        slope.pop()
    if len(slope) < 2:
        return []
    roots = [r.real for r in np.roots(slope[::-1]) if abs(r.imag) < 1e-9 * (1 + abs(r)) and r.real > low]

    def sign(x: float) -> float:
        return math.copysign(1.0, sum(s * x**i for i, s in enumerate(slope)))

    return sorted(float(r) for r in roots if sign(r - 1e-4 * (1 + abs(r))) != sign(r + 1e-4 * (1 + abs(r))))


def _end(terms: tuple[float, ...], sign: float) -> float:
    """Return the polynomial's limit at plus or minus infinity."""
    for i, term in reversed(list(enumerate(terms))):
        if term and i:
            return math.copysign(math.inf, term * sign**i)
    return terms[0]


def _reach(terms: tuple[float, ...], points: list[float], ends: list[float]) -> Interval:
    """Return the range: from the least to the largest of the values at ``points`` and of the limits."""
    inner = [sum(t * x**i for i, t in enumerate(terms)) for x in points]
    return Interval(min(inner + ends), max(inner + ends))


def _steepest(terms: tuple[float, ...]) -> float:
    curved = any(terms[2:])
    return math.inf if curved else abs(terms[1]) if len(terms) > 1 else 0.0


def _first(terms: tuple[float, ...]) -> int:
    """Return the least power above 0 that occurs, 0 if none does."""
    return next((i for i, term in enumerate(terms) if i and term), 0)


def _poly_relu_kinks(p) -> tuple[Kink, ...]:
    terms = p["coefficients"]
    return (Kink(at=0.0, left=0.0, right=terms[1], chosen=0.0),) if _first(terms) == 1 else ()


def _poly_relu_turning(p) -> tuple[float, ...]:
    return tuple(_critical(p["coefficients"], 0.0))


@activation(
    family="polynomial",
    formula="sum(c*max(0,x)**i for i,c in enumerate(coefficients))",
    parameters={"coefficients": (REALS, "of the powers 0, 1, ..., r of relu(x)")},
    range=lambda p: _reach(p["coefficients"], [0.0, *_poly_relu_turning(p)], [_end(p["coefficients"], 1.0)]),
    monotonic=lambda p: not _poly_relu_turning(p) and _end(p["coefficients"], 1.0) >= p["coefficients"][0],
    smoothness=lambda p: f"C{_first(p['coefficients']) - 1}" if _first(p["coefficients"]) else "Cinf",
    kinks=_poly_relu_kinks,
    lipschitz=lambda p: _steepest(p["coefficients"]),
    limits=lambda p: (p["coefficients"][0], _end(p["coefficients"], 1.0)),
    turning=_poly_relu_turning,
    reference="Zhuo, Wang, Zeng, Li, Zhou, Ma 2024 (PolyCom), arXiv:2411.03884",
)
def poly_relu(x: ArrayLike, *, coefficients: ArrayLike = (0.0, 1 / 3, 1 / 3, 1 / 3)) -> Array:
    r"""Polynomial of a relu: constant on the left, a learnable polynomial on the right.

    .. math:: f(x) = \sum_{i=0}^{r} a_i \max(0, x)^i, \qquad f'(0) := 0

    By default r = 3, a_0 = 0 and the others 1 / r, as in the paper: range [0, inf), increasing. f is a_0 for
    x <= 0. Kink at 0 if a_1 is not 0: slope 0 on the left, which is taken, a_1 on the right. No Lipschitz
    constant above r = 1. Evaluated by Horner's rule.

    Args:
        x: real array.
        coefficients: a_0, a_1, ..., a_r; any finite reals, their number sets r.

    Zhuo, Wang, Zeng, Li, Zhou, Ma 2024, Polynomial composition activations, arXiv:2411.03884.

    >>> print(f"{poly_relu(2.0):.4f}")
    4.6667
    """
    return _poly_relu(x, coefficients)


@activation(
    family="polynomial",
    formula="sum(c*x**i for i,c in enumerate(coefficients))",
    parameters={"coefficients": (REALS, "of the powers 0, 1, ..., k - 1 of x")},
    range=lambda p: _reach(
        p["coefficients"],
        _critical(p["coefficients"], -math.inf) or [0.0],
        [_end(p["coefficients"], -1.0), _end(p["coefficients"], 1.0)],
    ),
    monotonic=lambda p: (
        not _critical(p["coefficients"], -math.inf)
        and _end(p["coefficients"], -1.0) <= _end(p["coefficients"], 1.0)
    ),
    smoothness="Cinf",
    lipschitz=lambda p: _steepest(p["coefficients"]),
    limits=lambda p: (_end(p["coefficients"], -1.0), _end(p["coefficients"], 1.0)),
    turning=lambda p: tuple(_critical(p["coefficients"], -math.inf)),
    reference="Goyal, Goyal, Lall 2019 (SLAF), arXiv:1906.09529",
)
def slaf(x: ArrayLike, *, coefficients: ArrayLike = (0.0, 1.0, 0.0, 0.0, 0.0, 0.0)) -> Array:
    r"""Self-learnable activation function: a polynomial with learnable coefficients.

    .. math:: f(x) = \sum_{j=0}^{k-1} a_j x^j, \qquad f'(x) = \sum_{j=1}^{k-1} j\, a_j x^{j-1}

    By default k = 6 and the identity, from where it may learn; that start is this library's. Smooth; range,
    limits and turning points are those of the polynomial; no Lipschitz constant above degree 1. Evaluated by
    Horner's rule, so close to a multiple root, where the terms cancel, digits are lost.

    Args:
        x: real array.
        coefficients: a_0, a_1, ..., a_(k-1); any finite reals, their number sets k.

    Goyal, Goyal, Lall 2019, Learning activation functions, arXiv:1906.09529.

    >>> print(f"{slaf(2.0, coefficients=(1.0, 0.0, 0.5)):.1f}")
    3.0
    """
    return _slaf(x, coefficients)


def _horner(x: Array, terms: Array) -> Array:
    total = jnp.zeros_like(x) + terms[-1]
    for term in terms[-2::-1]:
        total = jnp.where((total == 0) & jnp.isinf(x), 0.0, total * x) + term  # no 0 * inf
    return total + 0.0 * jnp.where(jnp.isnan(x), x, 0.0)


def _slaf_slope(x: Array, terms: Array) -> Array:
    if terms.shape[0] == 1:
        return jnp.zeros_like(x) * jnp.where(jnp.isnan(x), x, 0.0)
    return _horner(x, jnp.stack([i * terms[i] for i in range(1, terms.shape[0])]))


def _slaf_curvature(x: Array, terms: Array) -> Array:
    if terms.shape[0] < 3:
        return jnp.zeros_like(x)
    return _horner(x, jnp.stack([i * (i - 1) * terms[i] for i in range(2, terms.shape[0])]))


def _poly_relu_value(x: Array, terms: Array) -> Array:
    return _horner(jnp.where(x <= 0, 0.0, x), terms)


def _poly_relu_slope(x: Array, terms: Array) -> Array:
    return jnp.where(x <= 0, 0.0, _slaf_slope(jnp.where(x <= 0, 0.0, x), terms))


def _poly_relu_curvature(x: Array, terms: Array) -> Array:
    return jnp.where(x <= 0, 0.0, _slaf_curvature(jnp.where(x <= 0, 0.0, x), terms))


_slaf = keep_input(_horner, keep_input(_slaf_slope, _slaf_curvature, vectors=(0,)), vectors=(0,))
_poly_relu = keep_input(
    _poly_relu_value, keep_input(_poly_relu_slope, _poly_relu_curvature, vectors=(0,)), vectors=(0,)
)
