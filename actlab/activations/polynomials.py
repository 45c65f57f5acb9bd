r"""Quotients of polynomials that neither overflow nor lose digits at any size of x.

For :math:`|x| > 1` both polynomials are evaluated in :math:`y = 1/x`, divided by the power of x that leads:
:math:`P(x) = x^d (a_d + a_{d-1} y + \dots)`. Coefficients that are exactly 0 lead nothing, so that d is told
from the values: a quotient may be initialised to the identity, all of the denominator 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_derivatives import SymbolicZero

from actlab.gradients import by_precision

Jet = tuple[Array, Array, Array]
# The denominator and its derivatives by x from the polynomial's, and the denominator's change by coefficients.
Wrap = Callable[..., Jet]


def _leading(coefficients: Sequence[Array]) -> tuple[Array, list[Array]]:
    """Return the degree, the index of the last coefficient that is not 0, and the coefficients from there down."""
    zero = jnp.zeros_like(coefficients[0])
    degree = jnp.zeros(zero.shape, jnp.int32)
    for j, c in enumerate(coefficients):
        degree = jnp.where(c != 0, j, degree)
    reverse = []
    for i in range(len(coefficients)):
        found = zero
        for j in range(len(coefficients) - i):
            found = jnp.where(degree - i == j, coefficients[j], found)
        reverse.append(found)
    return degree, reverse


def near_zero(x: Array) -> tuple[Array, Array]:
    """Return where |x| <= 1, and the variable the polynomials are evaluated in: x there, 1 / x elsewhere."""
    small = jnp.abs(x) <= 1
    return small, jnp.where(small, x, 1.0 / jnp.where(small, 1.0, x))


def jet(coefficients: Sequence[Array], small: Array, v: Array) -> tuple[Array, Jet]:
    """Return a polynomial's degree, and its value and two derivatives by the variable of `near_zero`.

    Where x is not small, of the polynomial over its leading power of x.
    """
    degree, falling = _leading(coefficients)
    rising = list(coefficients)
    found = []
    for _ in range(3):
        total = jnp.zeros_like(v)
        for low, high in zip(reversed(rising), reversed(falling), strict=True):
            total = total * v + jnp.where(small, low, high)
        found.append(total)
        rising = [j * c for j, c in enumerate(rising)][1:] or [jnp.zeros_like(rising[0])]
        falling = [j * c for j, c in enumerate(falling)][1:] or [jnp.zeros_like(falling[0])]
    return degree, tuple(found)


def power(v: Array, exponent: Array, most: int) -> Array:
    """Return v to an integer power from 0 to ``most``, 1 for a negative one."""
    total = jnp.ones_like(v)
    for i in range(most):
        total = jnp.where(exponent > i, total * v, total)
    return total


def parity(degree: Array, x: Array) -> Array:
    """Return the sign of x to the power ``degree``."""
    return jnp.where((x < 0) & (degree % 2 == 1), -1.0, 1.0)


def quotient_jet(p: tuple[Array, Jet], q: tuple[Array, Jet], x: Array, most: tuple[int, int]) -> Jet:
    """Return the quotient of two jets and its derivatives by x. ``most``: the largest degrees there can be."""
    small, y = near_zero(x)
    (p0, p1, p2), (q0, q1, q2) = p[1], q[1]
    g0 = p0 / q0
    g1 = (p1 - g0 * q1) / q0
    g2 = (p2 - 2.0 * g1 * q1 - g0 * q2) / q0
    # Far out f = x^k g(1 / x). For k = 0 and 1 a second derivative told from those of P and Q would cancel.
    excess = p[0] - q[0]
    k = excess.astype(x.dtype)
    far = (g0, k * g0 - y * g1, k * (k - 1.0) * g0 - 2.0 * (k - 1.0) * y * g1 + y * y * g2)
    found = []
    for order, (near, value) in enumerate(zip((g0, g1, g2), far, strict=True)):
        for i in range(most[0]):
            value = jnp.where(excess - order > i, value * x, value)
        for i in range(most[1] + order):
            value = jnp.where(excess - order < -i, value * y, value)
        found.append(jnp.where(small, near, value))
    return tuple(found)


def rational(
    denominator: Callable[[Array, Array], tuple[Array, Jet]],
    plain: Callable[[Array, Array], tuple[Array, Callable[[Array], Array]]],
) -> tuple[Callable[..., Array], Callable[..., Array], Callable[..., Array]]:
    """Return value, slope and curvature of P(x) / Q(x), functions of x and two vectors of coefficients.

    Args:
        denominator: the degree and `jet` of Q from x and its coefficients.
        plain: Q from x and its coefficients by plain Horner, and the linear map from a change of the
            coefficients to the change of Q.
    """

    def jets(x: Array, a: Array, b: Array) -> Jet:
        return quotient_jet(jet(list(a), *near_zero(x)), denominator(x, b), x, (len(a) - 1, len(b)))

    def slope(x: Array, a: Array, b: Array) -> Array:
        return jets(x, a, b)[1]

    def curvature(x: Array, a: Array, b: Array) -> Array:
        return jets(x, a, b)[2]

    @jax.custom_jvp
    def value(x: Array, a: Array, b: Array) -> Array:
        return jets(x, a, b)[0]

    def jvp(primals, tangents):
        # By its coefficients the quotient is P(x; da) / Q - f Q(x; db) / Q: as they stand, for a coefficient
        # that is 0 now moves too. Far out no power may overflow: x stops where all of them stay finite.
        x, a, b = primals
        dx, da, db = tangents
        end = 2.0 ** (by_precision(x, 100, 900) // max(len(a), len(b) + 1, 3))
        near = jnp.where(jnp.abs(x) > end, jnp.sign(x) * end, x)
        below, change = plain(near, b)
        moved = jnp.zeros_like(x)
        if not isinstance(dx, SymbolicZero):
            moved += slope(x, a, b) * dx
        if not isinstance(da, SymbolicZero):
            moved += horner(list(da), near) / below
        if not isinstance(db, SymbolicZero):
            moved -= horner(list(a), near) / below * (change(db) / below)
        return value(x, a, b), moved

    value.defjvp(jvp, symbolic_zeros=True)
    return value, slope, curvature


def horner(coefficients: Sequence[Array], x: Array) -> Array:
    """Return the polynomial with these coefficients, the constant first."""
    total = jnp.zeros_like(x)
    for c in reversed(coefficients):
        total = total * x + c
    return total
