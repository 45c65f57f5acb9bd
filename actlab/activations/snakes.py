"""Snakes: the identity with a periodic part."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.oscillatory import phase
from actlab.activations.spec import REALS, activation
from actlab.gradients import by_precision, keep_input


@activation(
    family="oscillatory",
    formula="x+sin(a*x)**2/a if abs(a)>0 else x+a*x**2",
    parameters={"a": (REALS, "angular frequency; 0 gives the identity")},
    range=REALS,
    monotonic=True,
    smoothness="Cinf",
    lipschitz=lambda p: 1.0 if p["a"] == 0 else 2.0,
    limits=(-math.inf, math.inf),
    reference="Ziyin, Hartwig, Ueda 2020, arXiv:2006.08195",
)
def snake(x: ArrayLike, *, a: ArrayLike = 1.0) -> Array:
    r"""Snake: the identity with a periodic part.

    .. math:: f(x) = x + \tfrac{1}{a} \sin^2(a x), \qquad f'(x) = 1 + \sin(2 a x) = (\sin ax + \cos ax)^2

    Range: all reals; limits -inf and inf; smooth, never decreasing, with f' in [0, 2]. 2-Lipschitz.
    At infinity f' has no limit; its mean, 1, is returned. At a = 0 the limit, x, with its
    derivative :math:`x^2` by a.

    Args:
        x: real array.
        a: angular frequency; any finite real.

    Ziyin, Hartwig, Ueda 2020, arXiv:2006.08195.

    >>> print(f"{snake(2.0):.4f}")
    2.8268
    """
    return _snake(x, a)


def _snake_parts(x: Array, a: Array) -> tuple[Array, Array, Array, Array]:
    """Return x and the sine and cosine of a x at x = 0 for infinite x, and sin(a x) / a, which is x at a = 0."""
    x = jnp.where(jnp.isinf(x), 0.0, x)
    s, c = phase(x, a)
    straight = jnp.abs(a * x) < by_precision(x, 1e-4, 1e-8)  # where sin z = z to the last digit
    return x, s, c, jnp.where(straight, x, s / jnp.where(straight, 1.0, a))


def _snake_value(x: Array, a: Array) -> Array:
    _, s, _, over = _snake_parts(x, a)
    return x + s * over


def _snake_slope_value(x: Array, a: Array) -> Array:
    _, s, c, _ = _snake_parts(x, a)
    return (s + c) ** 2  # 1 + sin(2z) cancels where the function levels out


def _snake_curvature(x: Array, a: Array) -> Array:
    _, s, c, _ = _snake_parts(x, a)
    return jnp.where(jnp.isinf(x), 0.0, 2.0 * a * (c - s) * (c + s))


def _snake_slope_by_a(x: Array, a: Array) -> Array:
    finite, s, c, _ = _snake_parts(x, a)
    return 2.0 * finite * (c - s) * (c + s)


def _snake_by_a(x: Array, a: Array) -> Array:
    finite, _, c, over = _snake_parts(x, a)
    return (2.0 * over) * (finite * c - 0.5 * over)  # 2 x alone may overflow


_snake = keep_input(
    _snake_value, keep_input(_snake_slope_value, _snake_curvature, _snake_slope_by_a), _snake_by_a
)


def _snake_ratio(p) -> float:
    return math.exp(p["log_alpha"]) / (math.exp(p["log_beta"]) + 1e-9)


@activation(
    family="oscillatory",
    formula="x+sin(exp(log_alpha)*x)**2/(exp(log_beta)+1e-9)",
    parameters={
        "log_alpha": (REALS, "logarithm of the angular frequency"),
        "log_beta": (REALS, "minus the logarithm of the periodic part's size"),
    },
    range=REALS,
    monotonic=lambda p: _snake_ratio(p) <= 1,
    smoothness="Cinf",
    lipschitz=lambda p: 1.0 + _snake_ratio(p),
    limits=(-math.inf, math.inf),
    turning=lambda p: () if _snake_ratio(p) <= 1 else None,
    reference="Lee, Ping, Ginsburg, Catanzaro, Yoon 2022, arXiv:2206.04658",
)
def snake_beta(x: ArrayLike, *, log_alpha: ArrayLike = 0.0, log_beta: ArrayLike = 0.0) -> Array:
    r"""Snake with separate frequency and size, both on a logarithmic scale, as in BigVGAN.

    .. math:: f(x) = x + \frac{\sin^2(e^\alpha x)}{e^\beta + 10^{-9}},
              \qquad f'(x) = 1 + \frac{e^\alpha}{e^\beta + 10^{-9}} \sin(2 e^\alpha x)

    Range: all reals; limits -inf and inf; smooth, never decreasing while
    :math:`e^\alpha \le e^\beta + 10^{-9}`. Lipschitz: :math:`1 + e^\alpha / (e^\beta + 10^{-9})`.
    At infinity f' has no limit; its mean, 1, is returned. The :math:`10^{-9}` is of the authors' code.

    Args:
        x: real array.
        log_alpha: logarithm of the angular frequency; any finite real whose exponential is finite.
        log_beta: minus the logarithm of the periodic part's size, likewise.

    Lee, Ping, Ginsburg, Catanzaro, Yoon 2022, arXiv:2206.04658.

    >>> print(f"{snake_beta(2.0):.4f}")
    2.8268
    """
    return _snake_beta(x, log_alpha, log_beta)


def _snake_beta_parts(x: Array, log_alpha: Array, log_beta: Array) -> tuple[Array, ...]:
    """Return finite x, e^alpha, e^beta + 1e-9, and the sine and cosine of e^alpha x (at 0 for infinite x)."""
    x = jnp.where(jnp.isinf(x), 0.0, x)
    w = jnp.exp(log_alpha)
    return x, w, jnp.exp(log_beta) + 1e-9, *phase(x, w)


def _snake_beta_value(x: Array, log_alpha: Array, log_beta: Array) -> Array:
    _, _, below, s, _ = _snake_beta_parts(x, log_alpha, log_beta)
    return x + s * (s / below)


def _snake_beta_slope_value(x: Array, log_alpha: Array, log_beta: Array) -> Array:
    _, w, below, s, c = _snake_beta_parts(x, log_alpha, log_beta)
    # 1 + r sin(2z) = (1 - r) + r (sin z + cos z)^2, which does not cancel; at infinity the mean, 1.
    gap = (jnp.expm1(log_beta) - jnp.expm1(log_alpha) + 1e-9) / below
    return gap + (w / below) * (s + c) ** 2


def _snake_beta_curvature(x: Array, log_alpha: Array, log_beta: Array) -> Array:
    _, w, below, s, c = _snake_beta_parts(x, log_alpha, log_beta)
    return jnp.where(jnp.isinf(x), 0.0, 2.0 * w * (w / below) * (c - s) * (c + s))


def _snake_beta_by_log_alpha(x: Array, log_alpha: Array, log_beta: Array) -> Array:
    x, w, below, s, c = _snake_beta_parts(x, log_alpha, log_beta)
    return 2.0 * (s * c) * (w / below) * x


def _snake_beta_by_log_beta(x: Array, log_alpha: Array, log_beta: Array) -> Array:
    _, _, below, s, _ = _snake_beta_parts(x, log_alpha, log_beta)
    return -(s * (s / below)) * (jnp.exp(log_beta) / below)


_snake_beta = keep_input(
    _snake_beta_value,
    keep_input(_snake_beta_slope_value, _snake_beta_curvature),
    _snake_beta_by_log_alpha,
    _snake_beta_by_log_beta,
)
