r"""Self-gated functions with algebraic tails: gates by arctan, and the soft-root-sign.

Arctan reaches its limit only like 1 / x, so these tails keep digits that cancel in the plain formula:
:math:`\arctan(x) + \pi/2` is written as :math:`\arctan(-1/x)` on the left.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.roots import root
from actlab.activations.selfgated import clipped, finite
from actlab.activations.spec import POSITIVE, REALS, Interval, activation
from actlab.gradients import by_precision, keep_input


@activation(
    family="self-gated",
    formula="x*(atan(x)/pi+1/2)",
    range=Interval(-1.0 / math.pi, math.inf, open_low=True),
    monotonic=True,
    smoothness="Cinf",
    lipschitz=1.0,
    limits=(-1.0 / math.pi, math.inf),
    reference="Huang 2024, arXiv:2405.20768",
    aliases=("atlu",),
)
def cauchy_lu(x: ArrayLike) -> Array:
    r"""Cauchy linear unit, or arctan linear unit (ATLU): x times the Cauchy distribution function.

    .. math:: f(x) = x \left(\frac{\arctan x}{\pi} + \frac12\right), \qquad
              f''(x) = \frac{2}{\pi (1 + x^2)^2}

    Range (-1/pi, inf); limits -1/pi and inf; smooth, convex and increasing, unlike its relatives.
    1-Lipschitz. Tends to x - 1/pi on the right.

    Huang 2024, Expanded Gating Ranges Improve Activation Functions, arXiv:2405.20768; as CaLU in the survey
    of Kunc and Klema 2024, arXiv:2402.09092.

    >>> print(f"{cauchy_lu(2.0):.4f}")
    1.7048
    """
    return _atlu(x, 0.0)


atlu = cauchy_lu


def _atlu_slope(x: float) -> float:
    return 0.5 + (math.atan(x) + x / (1.0 + x * x)) / math.pi


def _expanded_atlu_turning(p) -> tuple[float, ...]:
    alpha = p["alpha"]
    if -1.0 <= alpha <= 0.0:
        return ()
    level = alpha / (1.0 + 2.0 * alpha)
    return (root(lambda x: _atlu_slope(x) - level, -1e6, 1e6),)


def _expanded_atlu_range(p):
    alpha = p["alpha"]
    if alpha in (0.0, -1.0):
        end = -1.0 / math.pi
        return (
            Interval(end, math.inf, open_low=True)
            if alpha == 0
            else Interval(-math.inf, -end, open_high=True)
        )
    if -1.0 < alpha < 0.0:
        return REALS
    (x,) = _expanded_atlu_turning(p)
    end = x * (0.5 + (1.0 + 2.0 * alpha) * math.atan(x) / math.pi)
    return Interval(end, math.inf) if alpha > 0 else Interval(-math.inf, end)


def _expanded_atlu_limits(p):
    alpha = p["alpha"]
    left = -1.0 / math.pi if alpha == 0 else math.copysign(math.inf, alpha)
    right = 1.0 / math.pi if alpha == -1 else math.copysign(math.inf, 1.0 + alpha)
    return left, right


@activation(
    family="self-gated",
    formula="x*((atan(x)/pi+1/2)*(1+2*alpha)-alpha)",
    parameters={"alpha": (REALS, "how far the gate reaches beyond 0 and 1")},
    range=_expanded_atlu_range,
    monotonic=lambda p: -1.0 <= p["alpha"] <= 0.0,
    smoothness="Cinf",
    lipschitz=lambda p: max(abs(p["alpha"]), abs(1.0 + p["alpha"])),
    limits=_expanded_atlu_limits,
    turning=_expanded_atlu_turning,
    reference="Huang 2024, arXiv:2405.20768",
    aliases=("xatlu",),
)
def expanded_atlu(x: ArrayLike, *, alpha: ArrayLike = 0.0) -> Array:
    r"""Expanded arctan linear unit (xATLU): the gate reaches from -alpha to 1 + alpha.

    .. math:: f(x) = x \left(\frac{1 + 2\alpha}{\pi} \arctan x + \frac12\right)

    alpha = 0 is `cauchy_lu`. For alpha > 0 both limits are inf and f turns once, left of the origin; for alpha
    in [-1, 0] it is monotonic. Smooth, convex for alpha > -1/2; slopes between -alpha and 1 + alpha.
    alpha = -1/2 is x / 2; beyond it the function is mirrored, f(x; -1 - alpha) = -f(-x; alpha).

    Args:
        x: real array.
        alpha: how far the gate reaches beyond 0 and 1; any finite real. Learnt from 0 in the paper, one for
            every layer.

    Huang 2024, Expanded Gating Ranges Improve Activation Functions, arXiv:2405.20768.

    >>> print(f"{expanded_atlu(2.0, alpha=0.5):.4f}")
    2.4097
    """
    return _atlu(x, alpha)


xatlu = expanded_atlu


def _atlu_value(x: Array, alpha: Array) -> Array:
    step = 1.0 + 2.0 * alpha
    far = 1.0 / jnp.maximum(jnp.abs(x), 1.0)
    rest = jnp.where(far < by_precision(x, 1e-4, 1e-8), 1.0, jnp.arctan(far) / far) / math.pi
    side = jnp.where(x > 0, 1.0 + alpha, -alpha)
    tail = jnp.where(side == 0, 0.0, side * x) - step * rest
    near = jnp.clip(x, -1.0, 1.0)
    return jnp.where(jnp.abs(x) < 1.0, near * (0.5 + step * jnp.arctan(near) / math.pi), tail)


def _atlu_rest(far: Array) -> Array:
    r"""Return :math:`(\arctan t - t / (1 + t^2)) / \pi` for t from 0 to 1: what the slope misses in the tails.

    Euler's series of arctan in s = t^2 / (1 + t^2), which is at most 1/2, has positive terms.
    """
    s = far * far / (1.0 + far * far)
    series = jnp.zeros_like(s)
    for n in range(by_precision(far, 21, 49), 0, -1):
        series = s * (2.0 * n / (2.0 * n + 1.0)) * (1.0 + series)
    return far / (1.0 + far * far) * series / math.pi


def _atlu_slope_value(x: Array, alpha: Array) -> Array:
    step = 1.0 + 2.0 * alpha
    rest = step * _atlu_rest(1.0 / jnp.maximum(jnp.abs(x), 1.0))
    tail = jnp.where(x > 0, 1.0 + alpha - rest, rest - alpha)
    near = jnp.clip(x, -1.0, 1.0)
    inner = 0.5 + step * (jnp.arctan(near) + near / (1.0 + near * near)) / math.pi
    return jnp.where(jnp.abs(x) < 1.0, inner, tail)


def _atlu_curvature(x: Array, alpha: Array) -> Array:
    top = by_precision(x, 1e15, 1e120)  # 1 / top^2 squared is 0
    x = jnp.clip(x, -top, top)
    u = 1.0 / (1.0 + x * x)
    return (2.0 / math.pi) * (1.0 + 2.0 * alpha) * u * u


def _atlu_by_alpha(x: Array, alpha: Array) -> Array:
    return (2.0 / math.pi) * x * jnp.arctan(x)


_atlu = keep_input(_atlu_value, keep_input(_atlu_slope_value, _atlu_curvature), _atlu_by_alpha)


def _srs_parts(z: float, alpha: float, beta: float) -> tuple[float, float]:
    """Return f' and a number of the sign of f'' at x = beta z, for z > -300."""
    e = math.exp(-z)
    below = beta * z / alpha + e
    bend = -e * (z * below / beta + 2.0 * (1.0 + z) * (1.0 / alpha - e / beta))
    return e * (1.0 + z) / below**2, bend


def _srs_pole(p) -> bool:
    return p["beta"] >= p["alpha"] * math.e


def _srs_lipschitz(p):
    if _srs_pole(p):
        return math.inf
    steep = (root(lambda z: _srs_parts(z, **p)[1], *ends) for ends in ((-1.0, 30.0), (-30.0, -1.0)))
    return max(abs(_srs_parts(z, **p)[0]) for z in steep)


def _srs_range(p):
    if _srs_pole(p):
        return REALS
    return Interval(p["alpha"] * p["beta"] / (p["beta"] - p["alpha"] * math.e), p["alpha"], open_high=True)


@activation(
    family="self-gated",
    formula="x/(x/alpha+exp(-x/beta))",
    parameters={
        "alpha": (POSITIVE, "upper limit"),
        "beta": (POSITIVE, "width of the dip; below e alpha, or f has poles"),
    },
    range=_srs_range,
    monotonic=False,
    smoothness=lambda p: "jumps" if _srs_pole(p) else "Cinf",
    lipschitz=_srs_lipschitz,
    limits=lambda p: (0.0, p["alpha"]),
    turning=lambda p: (-p["beta"],),
    reference="Zhou, Li, Huo, Kung 2020, arXiv:2003.00547",
    aliases=("srs",),
)
def soft_root_sign(x: ArrayLike, *, alpha: ArrayLike = 2.0, beta: ArrayLike = 3.0) -> Array:
    r"""Soft-root-sign: bounded, with a dip left of the origin.

    .. math:: f(x) = \frac{x}{x / \alpha + e^{-x / \beta}}, \qquad
              f'(x) = \frac{(1 + x / \beta)\,e^{-x / \beta}}{(x / \alpha + e^{-x / \beta})^2}

    Range [alpha beta / (beta - e alpha), alpha), [-2.4625, 2) at the defaults; limits 0 and alpha; smooth,
    turning at -beta. 1.1680-Lipschitz at the defaults. For beta >= e alpha the denominator has zeros left of
    the origin and f has poles.

    Args:
        x: real array.
        alpha: upper limit, positive.
        beta: width of the dip, positive. Both are learnt in the paper, from 2 and 3.

    Zhou, Li, Huo, Kung 2020, Soft-Root-Sign Activation Function, arXiv:2003.00547.

    >>> print(f"{soft_root_sign(2.0):.4f}")
    1.3215
    """
    return _srs(x, alpha, beta)


srs = soft_root_sign


def _srs_all(x: Array, alpha: Array, beta: Array) -> tuple[Array, Array, Array, Array]:
    """Return z = x / beta, finite, exp(-abs(z) / 2), x exp(x / beta) for x < 0, and the denominator.

    On the left numerator and denominator are both multiplied by exp(x / beta).
    """
    x = finite(x)
    z = x / beta
    # The denominator's cancellation doubles the error of the exponential, so here it is no square.
    half, e = jnp.exp(-0.5 * jnp.abs(z)), jnp.exp(-jnp.abs(z))
    z = clipped(z)
    left = jnp.where(z > -40.0, x * e, (x * half) * half)
    return z, half, left, jnp.where(z > 0, beta * z / alpha + e, 1.0 + left / alpha)


def _srs_value(x: Array, alpha: Array, beta: Array) -> Array:
    z, _, left, below = _srs_all(x, alpha, beta)
    reached = by_precision(x, 110.0, 760.0)  # exp(-z) is 0
    return jnp.where(z > reached, alpha, jnp.where(z > 0, x, left) / below)


def _srs_slope_value(x: Array, alpha: Array, beta: Array) -> Array:
    z, half, _, below = _srs_all(x, alpha, beta)
    return (((1.0 + z) * half) / below) * (half / below)


def _srs_curvature(x: Array, alpha: Array, beta: Array) -> Array:
    z, half, _, below = _srs_all(x, alpha, beta)
    e = half * half
    turn = jnp.where(z > 0, 1.0 / alpha - e / beta, e / alpha - 1.0 / beta)
    bracket = z * below / beta + 2.0 * (1.0 + z) * turn
    return -((bracket * half) / below) * (half / below) / below


def _srs_by_alpha(x: Array, alpha: Array, beta: Array) -> Array:
    return jnp.square(_srs_value(x, alpha, beta) / alpha)


def _srs_by_beta(x: Array, alpha: Array, beta: Array) -> Array:
    z, half, _, below = _srs_all(x, alpha, beta)
    return -jnp.square(z * half / below)


_srs = keep_input(_srs_value, keep_input(_srs_slope_value, _srs_curvature), _srs_by_alpha, _srs_by_beta)
