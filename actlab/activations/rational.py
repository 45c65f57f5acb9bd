r"""Rational functions with learnt coefficients: Padé units and their relatives.

``numerator`` holds a_0, a_1, ... of :math:`P(x) = \sum_j a_j x^j`, the constant first; ``denominator`` b_1, b_2,
... (of `rational_free`: b_0, b_1, ...). As arrays their coefficients lie along the first axis and further axes
broadcast against the last axes of x. The degrees are what the lengths say.

Where the terms of P cancel, as for a leaky rectifier left of 0, single precision keeps the error small beside
the terms, not beside their sum: the exceptions from the promise say so.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.numeric import Survey, survey
from actlab.activations.polynomials import Jet, horner, jet, near_zero, parity, power, rational
from actlab.activations.spec import REALS, Inexact, Kink, activation
from actlab.gradients import keep_input

_SUM = "sum(c*x**j for j,c in enumerate(numerator))"
_COEFFICIENTS = {
    "numerator": (REALS, "coefficients of the numerator, the constant first"),
    "denominator": (REALS, "coefficients of the denominator, that of x first"),
}


def _degree(coefficients) -> int:
    return max((j for j, c in enumerate(coefficients) if c), default=0)


def _limits(numerator, below) -> tuple[float, float]:
    """Return the limits of P / Q; ``below`` lists Q's coefficients where x > 0; where x < 0, likewise, even."""
    p, q = _degree(numerator), _degree(below[1])
    lead = numerator[p] / below[1][q], numerator[p] * (-1) ** p / below[0][q]
    if p < q:
        return 0.0, 0.0
    right, left = (v if p == q else math.copysign(math.inf, v) if v else 0.0 for v in lead)
    return left, right


def _below(kind: str, denominator) -> tuple[list[float], list[float]]:
    """Return the coefficients of Q in |x| far to the left and far to the right."""
    if kind == "free":
        return [(-1) ** k * b for k, b in enumerate(denominator)], list(denominator)
    sizes = [1.0, *map(abs, denominator)]
    if kind == "a":
        return sizes, sizes
    lead = denominator[_degree(denominator)] or 1.0
    sides = []
    for sign in (-1, 1):
        turned = [sign ** (k + 1) * b for k, b in enumerate(denominator)]
        outward = math.copysign(1.0, lead) * sign ** (_degree(denominator) + 1)
        sides.append([1.0, *(outward * b for b in turned)])
    return sides[0], sides[1]


def _zeros(denominator) -> list[float]:
    """Return where the sum of form B changes its sign."""
    roots = np.roots([*denominator[::-1], 0.0])
    real = sorted(float(r.real) for r in roots if abs(r.imag) < 1e-7 * max(1.0, abs(r)))
    poly = np.polynomial.Polynomial([0.0, *denominator])
    return [r for r in real if poly(r - 1e-7) * poly(r + 1e-7) < 0 or (r == 0.0 and denominator[0])]


def _kinks(kind: str, p) -> tuple[Kink, ...]:
    a = np.polynomial.Polynomial(p["numerator"])
    if kind == "a":
        at = [(0.0, abs(p["denominator"][0]))]
    elif kind == "b":
        s = np.polynomial.Polynomial([0.0, *p["denominator"]])
        at = [(r, abs(float(s.deriv()(r)))) for r in _zeros(p["denominator"])]
    else:
        return ()
    found = []
    for x, jump in at:
        value, slope = float(a(x)), float(a.deriv()(x))
        if value * jump:
            found.append(Kink(at=x, left=slope + value * jump, right=slope - value * jump, chosen=slope))
    return tuple(found)


def _smoothness(kind: str, p) -> str:
    if kind == "free":
        return "Cinf"
    if _kinks(kind, p):
        return "C0"
    if kind == "b":
        return "C1" if _zeros(p["denominator"]) else "Cinf"
    # x^j |x|^k with k odd is j + k - 1 times continuously differentiable.
    odd = [k for k, b in enumerate(p["denominator"], 1) if b and k % 2]
    first = next((j for j, c in enumerate(p["numerator"]) if c), None)
    return "Cinf" if not odd or first is None else f"C{first + odd[0] - 1}"


@functools.cache
def _surveyed(kind: str, numerator: tuple[float, ...], denominator: tuple[float, ...]) -> Survey:
    top = np.polynomial.Polynomial(numerator)
    if kind == "a":
        sizes = np.polynomial.Polynomial([1.0, *map(abs, denominator)])
        below, below_slope = lambda x: sizes(abs(x)), lambda x: np.sign(x) * sizes.deriv()(abs(x))
    elif kind == "b":
        inner = np.polynomial.Polynomial([0.0, *denominator])
        below, below_slope = lambda x: 1.0 + abs(inner(x)), lambda x: np.sign(inner(x)) * inner.deriv()(x)
    else:
        free = np.polynomial.Polynomial(denominator)
        below, below_slope = free, free.deriv()

    def f(x):
        return top(x) / below(x)

    def slope(x):
        return (top.deriv()(x) - f(x) * below_slope(x)) / below(x)

    kinks = [k.at for k in _kinks(kind, {"numerator": numerator, "denominator": denominator})]
    sides = _below(kind, denominator)
    found = survey(f, slope, _limits(numerator, sides), kinks)
    # Samples end somewhere: they do not see that the slope grows without bound.
    steeper = _degree(numerator) > _degree(sides[1]) + 1
    return dataclasses.replace(found, lipschitz=math.inf) if steeper else found


def _facts(kind: str) -> dict:
    def ask(p) -> Survey:
        return _surveyed(kind, tuple(p["numerator"]), tuple(p["denominator"]))

    return {
        "range": lambda p: ask(p).range,
        "monotonic": lambda p: ask(p).monotonic,
        "lipschitz": lambda p: ask(p).lipschitz,
        "turning": lambda p: ask(p).turning,
        "limits": lambda p: _limits(p["numerator"], _below(kind, p["denominator"])),
        "kinks": lambda p: _kinks(kind, p),
        "smoothness": lambda p: _smoothness(kind, p),
    }


_CANCEL = "the terms of the numerator cancel left of 0; coefficients are rounded"
_FAR = "far out f'' is a difference: terms a power of x larger cancel"


def _inexact(single, double, brain=None) -> tuple[Inexact, ...]:
    """Return exceptions for float32 and float64, where not None, by order; and for f'' in bfloat16."""
    found = [
        Inexact(dtype, order, units, _FAR if units > 1e3 else _CANCEL)
        for dtype, each in (("float32", single), ("float64", double))
        for order, units in enumerate(each)
        if units
    ]
    return (*found, Inexact("bfloat16", 2, brain, _FAR)) if brain else tuple(found)


@activation(
    family="rational",
    formula=_SUM + "/(1+sum(abs(b*x**(k+1)) for k,b in enumerate(denominator)))",
    parameters=_COEFFICIENTS,
    **_facts("a"),
    inexact=_inexact((60.0, 110.0, 400.0), (50.0, 70.0, 450.0)),
    reference="Molina, Schramowski, Kersting 2019, arXiv:1907.06732",
)
def pade_a(
    x: ArrayLike,
    *,
    numerator: ArrayLike = (
        0.029792778657264946,
        0.6183735264987601,
        2.323309062531321,
        3.051936237265109,
        1.4854203263828845,
        0.2510244961111299,
    ),
    denominator: ArrayLike = (
        -1.1419548357285474,
        4.393159974992486,
        0.8714712309957245,
        0.34719662339598834,
    ),
) -> Array:
    r"""Padé activation unit, safe form A: the absolute value of each term below.

    .. math:: f(x) = \frac{\sum_{j=0}^m a_j x^j}{1 + \sum_{k=1}^n |b_k x^k|}

    No poles. By default within 0.03 of the leaky rectifier with slope 0.01 on [-3, 3]; far out the slope is
    0.723. Kink at 0 where :math:`a_0 b_1 \ne 0`: the one-sided derivatives are :math:`a_1 \pm a_0 |b_1|`, left
    and right, and their mean :math:`a_1` is taken. Smooth elsewhere. Far out the derivatives by the coefficients
    are those at :math:`|x| = 2^{16}` in float32 and :math:`2^{150}` in float64.

    Args:
        x: real array.
        numerator: a_0, ..., a_m; any finite reals.
        denominator: b_1, ..., b_n; any finite reals; only their sizes count.

    Molina, Schramowski, Kersting 2019, arXiv:1907.06732; the default coefficients are those that the authors'
    package, rational-activations, starts from.

    >>> print(f"{pade_a(2.0):.4f} {pade_a(-2.0):.4f}")
    2.0002 -0.0178
    """
    return _pade_a(x, numerator, denominator)


def _below_a(x: Array, b: Array) -> tuple[Array, Jet]:
    small, v = near_zero(x)
    degree, (q0, q1, q2) = jet([jnp.ones_like(b[0]), *map(jnp.abs, b)], small, jnp.abs(v))
    turn = jnp.where(small, 1.0, parity(degree, x))
    return degree, (turn * q0, turn * jnp.sign(v) * q1, turn * q2)


def _plain_a(x: Array, b: Array):
    size = jnp.abs(x)

    def change(db: Array) -> Array:
        # A power that overflows times the sign of 0 would be NaN.
        moved = [jnp.where(c == 0, 0.0, jnp.sign(c) * d) for c, d in zip(b, db, strict=True)]
        return horner([jnp.zeros_like(db[0]), *moved], size)

    return horner([jnp.ones_like(b[0]), *map(jnp.abs, b)], size), change


def _rule(value, slope, curvature):
    return keep_input(value, keep_input(slope, curvature, vectors=(0, 1)), vectors=(0, 1))


_pade_a = _rule(*rational(_below_a, _plain_a))


@activation(
    family="rational",
    formula=_SUM + "/(1+abs(sum(b*x**(k+1) for k,b in enumerate(denominator))))",
    parameters=_COEFFICIENTS,
    **_facts("b"),
    inexact=_inexact((400.0, 160.0, 3e6), (200.0, 130.0, 1.2e15), 64.0),
    reference="Molina, Schramowski, Kersting 2019, arXiv:1907.06732",
)
def pade_b(
    x: ArrayLike,
    *,
    numerator: ArrayLike = (0.03356, 0.505, 1.653363, 2.009825, 0.931772, 0.152396),
    denominator: ArrayLike = (0.0, 3.979852, 0.0, 0.301774),
) -> Array:
    r"""Padé activation unit, safe form B: the absolute value of the sum below.

    .. math:: f(x) = \frac{\sum_{j=0}^m a_j x^j}{1 + \left|\sum_{k=1}^n b_k x^k\right|}

    No poles. By default within 0.034 of the leaky rectifier with slope 0.01 on [-3, 3]; far out the slope is
    0.505. Kinks at the zeros of the inner sum S, where the one-sided derivatives are :math:`P' \pm P |S'|`, left
    and right, and their mean :math:`P'` is taken; by default there are none. Far out the derivatives by the
    coefficients are those at :math:`|x| = 2^{16}` in float32 and :math:`2^{150}` in float64.

    Args:
        x: real array.
        numerator: a_0, ..., a_m; any finite reals.
        denominator: b_1, ..., b_n; any finite reals.

    Molina, Schramowski, Kersting 2019, arXiv:1907.06732; form B of the authors' package, rational-activations.
    The default coefficients are the least-squares fit on [-3, 3] with an even denominator; the package starts
    from the like (b_1 = 4.8e-5, b_3 = 1.6e-5), which has two kinks within 1.3e-5 of 0.

    >>> print(f"{pade_b(2.0):.4f} {pade_b(-2.0):.4f}")
    2.0012 -0.0188
    """
    return _pade_b(x, numerator, denominator)


def _below_b(x: Array, b: Array) -> tuple[Array, Jet]:
    small, v = near_zero(x)
    degree, (s0, s1, s2) = jet([jnp.zeros_like(b[0]), *b], small, v)
    # Q = 1 + |S|, and over x^d far out: y^d + |S| / x^d.
    d = degree.astype(x.dtype)
    far = [power(v, degree - order, len(b)) for order in range(3)]
    one = jnp.where(small, 1.0, far[0])
    one_slope = jnp.where(small, 0.0, d * far[1])
    one_bend = jnp.where(small, 0.0, d * (d - 1.0) * far[2])
    turn = jnp.where(small, 1.0, parity(degree, x))
    side = turn * jnp.sign(s0)
    return degree, (one + turn * jnp.abs(s0), one_slope + side * s1, one_bend + side * s2)


def _plain_b(x: Array, b: Array):
    inner = horner([jnp.zeros_like(b[0]), *b], x)

    def change(db: Array) -> Array:
        # At S = 0 the right side counts, or coefficients that are all 0 could not be learnt.
        return jnp.where(inner < 0, -1.0, 1.0) * horner([jnp.zeros_like(db[0]), *db], x)

    return 1.0 + jnp.abs(inner), change


_pade_b = _rule(*rational(_below_b, _plain_b))


@activation(
    family="rational",
    formula=_SUM + "/(1+abs(sum(b*x**(k+1) for k,b in enumerate(denominator))))",
    parameters=_COEFFICIENTS,
    **_facts("b"),
    inexact=_inexact((100.0, 14.0, 2e4), (60.0, 18.0, 2e4)),
    reference="Yang, Wang 2024, arXiv:2409.10594",
)
def kan_rational(
    x: ArrayLike,
    *,
    numerator: ArrayLike = (0.0, 0.5, 0.249998, 0.053274, 0.005806, 0.000276),
    denominator: ArrayLike = (0.0, 0.106547, 0.0, 0.000551),
) -> Array:
    r"""Group-wise rational function of the Kolmogorov-Arnold transformer: `pade_b`, shared by groups of channels.

    .. math:: f(x) = \frac{\sum_{j=0}^m a_j x^j}{1 + \left|\sum_{k=1}^n b_k x^k\right|}

    An array of coefficients of shape (m + 1, groups) or (n, groups) gives each of so many groups of neighbouring
    channels (the last axis of x) its own; the transformer has 8 groups for the denominator and one for the
    numerator. By default within 2e-5 of silu on [-3, 3]: the least-squares fit with an even denominator. Far out
    the slope is 0.501. Kinks and the far derivatives by the coefficients as for `pade_b`. The paper's formula is
    form B; its code computes form A.

    Args:
        x: real array.
        numerator: a_0, ..., a_m; any finite reals.
        denominator: b_1, ..., b_n; any finite reals.

    Yang, Wang 2024, arXiv:2409.10594.

    >>> import jax.numpy as jnp
    >>> two_groups = jnp.array([[0.0, 0.0], [1.0, 2.0]])
    >>> kan_rational(jnp.ones(4), numerator=two_groups, denominator=(0.0,))
    Array([1., 1., 2., 2.], dtype=float32)
    """
    channels = np.shape(x)[-1:]
    return _pade_b(x, _by_group(numerator, channels), _by_group(denominator, channels))


def _by_group(coefficients: ArrayLike, channels: tuple[int, ...]) -> ArrayLike:
    shape = np.shape(coefficients)
    if len(shape) != 2 or not channels or shape[1] < 2 or channels[0] % shape[1]:
        return coefficients
    return jnp.repeat(coefficients, channels[0] // shape[1], axis=1)


@activation(
    family="rational",
    formula=_SUM + "/sum(b*x**k for k,b in enumerate(denominator))",
    parameters=_COEFFICIENTS
    | {"denominator": (REALS, "coefficients of the denominator, the constant first")},
    **_facts("free"),
    requires=lambda p: "" if any(p["denominator"]) else "denominator must not be all 0",
    inexact=_inexact((12.0, None, 2.2e6), (None, None, 1.2e15), 40.0),
    reference="Boullé, Nakatsukasa, Townsend 2020, arXiv:2004.01902",
)
def rational_free(
    x: ArrayLike,
    *,
    numerator: ArrayLike = (0.0218, 0.5, 1.5957, 1.1915),
    denominator: ArrayLike = (1.0, 0.0, 2.383),
) -> Array:
    r"""Rational activation without a safeguard: a quotient of two polynomials, by default of type (3, 2).

    .. math:: f(x) = \frac{\sum_{j=0}^m a_j x^j}{\sum_{k=0}^n b_k x^k}

    By default the best approximation of relu on [-1, 1], with error 0.0218; far out the slope is 1/2. Smooth
    where the denominator has no real zero, as by default; coefficients with one have a pole there, and the
    facts listed here do not hold. Far out the derivatives by the coefficients are those at :math:`|x| = 2^{25}`
    in float32 and :math:`2^{225}` in float64.

    Args:
        x: real array.
        numerator: a_0, ..., a_m; any finite reals.
        denominator: b_0, ..., b_n; any finite reals, not all 0.

    Boullé, Nakatsukasa, Townsend 2020, arXiv:2004.01902, whose coefficients (there the highest first) are taken.

    >>> print(f"{rational_free(1.0):.4f} {rational_free(-1.0):.4f}")
    0.9781 -0.0219
    """
    return _rational_free(x, numerator, denominator)


def _below_free(x: Array, b: Array) -> tuple[Array, Jet]:
    return jet(list(b), *near_zero(x))


def _plain_free(x: Array, b: Array):
    return horner(list(b), x), lambda db: horner(list(db), x)


_rational_free = _rule(*rational(_below_free, _plain_free))
