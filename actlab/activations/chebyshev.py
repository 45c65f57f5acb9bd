"""Polynomials of tanh in Chebyshev's basis."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.numeric import smooth_facts
from actlab.activations.spec import REALS, activation
from actlab.gradients import keep_input


def _np_chebyshev(x, coefficients, order=0):
    p = np.polynomial.Chebyshev(coefficients)
    return p.deriv()(np.tanh(x)) / np.cosh(np.clip(x, -300, 300)) ** 2 if order else p(np.tanh(x))


@activation(
    family="spline",
    formula="(lambda T: sum(c*T(T,i) for i,c in enumerate(coefficients)))"
    "(lambda T,i: 2*tanh(x)*T(T,i-1)-T(T,i-2) if i>1 else tanh(x) if i else 1)",
    parameters={"coefficients": (REALS, "weights of the Chebyshev polynomials, the constant first")},
    **smooth_facts(
        _np_chebyshev,
        lambda x, coefficients: _np_chebyshev(x, coefficients, 1),
        lambda p: (
            sum(c * (-1) ** i for i, c in enumerate(p["coefficients"])),
            sum(p["coefficients"]),
        ),
    ),
    smoothness="Cinf",
    reference="SS, AR, R, KP 2024, arXiv:2405.07200",
)
def kan_chebyshev(x: ArrayLike, *, coefficients: ArrayLike = (0.0, 1.0, 0.0, 0.0, 0.0)) -> Array:
    r"""Edge function of Chebyshev KAN: a polynomial of tanh, in Chebyshev's basis.

    .. math:: f(x) = \sum_{i=0}^{n} c_i\, T_i(\tanh x), \qquad T_i(\cos \theta) = \cos i \theta

    Smooth; limits :math:`\sum (-1)^i c_i` and :math:`\sum c_i`. Published code draws c from a normal
    distribution around 0; the default is :math:`T_1`: tanh.

    Args:
        x: real array.
        coefficients: c_0, ..., c_n; any finite reals.

    SS, AR, R, KP 2024, arXiv:2405.07200.

    >>> print(f"{kan_chebyshev(0.5, coefficients=(0.0, 0.0, 1.0)):.4f}")
    -0.5729
    """
    return _kan_chebyshev(x, coefficients)


def _chebyshev(t: Array, c: Array) -> tuple[Array, Array, Array]:
    """Return the polynomial and two derivatives."""
    before, now = (jnp.ones_like(t), 0.0 * t, 0.0 * t), (t, jnp.ones_like(t) + 0.0 * t, 0.0 * t)
    total = [c[0] * v for v in before]
    for weight in c[1:]:
        total = [s + weight * v for s, v in zip(total, now, strict=True)]
        after = (
            2.0 * t * now[0] - before[0],
            2.0 * t * now[1] + 2.0 * now[0] - before[1],
            2.0 * t * now[2] + 4.0 * now[1] - before[2],
        )
        before, now = now, after
    return tuple(total)


def _sech(x: Array) -> Array:
    u = jnp.exp(-jnp.abs(x))
    return 2.0 * u / (1.0 + u * u)


def _chebyshev_slope(x: Array, c: Array) -> Array:
    _, p1, _ = _chebyshev(jnp.tanh(x), c)
    s = _sech(x)
    return (p1 * s) * s


def _chebyshev_curvature(x: Array, c: Array) -> Array:
    t, s = jnp.tanh(x), _sech(x)
    _, p1, p2 = _chebyshev(t, c)
    return ((p2 * s * s - 2.0 * t * p1) * s) * s


_kan_chebyshev = keep_input(
    lambda x, c: _chebyshev(jnp.tanh(x), c)[0],
    keep_input(_chebyshev_slope, _chebyshev_curvature, vectors=(0,)),
    vectors=(0,),
)
