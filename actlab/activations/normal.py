r"""Sigmoids made of the normal distribution: erf, the distribution function, and a learnt erf.

Their derivatives are bells, :math:`e^{-x^2}`, which `damped` keeps from being flushed in the tails.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations import special
from actlab.activations.spec import REALS, Interval, activation
from actlab.activations.special import ERF_SLOPE_AT_ZERO, damped, distance, finite
from actlab.gradients import by_precision, keep_input


@activation(
    family="saturating",
    formula="erf(x)",
    range=Interval(-1.0, 1.0, open_low=True, open_high=True),
    monotonic=True,
    smoothness="Cinf",
    lipschitz=2.0 / math.sqrt(math.pi),
    limits=(-1.0, 1.0),
    reference="standard: the Gauss error function; Chen et al. 2025, arXiv:2512.10938",
    peers={"jax": "jax.scipy.special.erf", "torch": "torch.erf"},
)
def erf(x: ArrayLike) -> Array:
    r"""Error function: the distribution function of the normal distribution stretched onto (-1, 1).

    .. math:: f(x) = \frac{2}{\sqrt\pi} \int_0^x e^{-t^2} dt = 2\,\Phi(\sqrt 2\, x) - 1,
              \qquad f'(x) = \frac{2}{\sqrt\pi} e^{-x^2}

    Range (-1, 1); limits -1 and 1; smooth, odd and increasing. 1.1284-Lipschitz.
    It saturates faster than any sigmoid of exponentials: 1 - f(3) is 2e-5, of tanh 5e-3.

    Args:
        x: real array.

    >>> print(f"{erf(0.5):.4f}")
    0.5205
    """
    return special.erf(x)


@activation(
    family="saturating",
    formula="0.5*erfc(-x/sqrt(2))",
    range=Interval(0.0, 1.0, open_low=True, open_high=True),
    monotonic=True,
    smoothness="Cinf",
    lipschitz=1.0 / math.sqrt(2.0 * math.pi),
    limits=(0.0, 1.0),
    reference="standard: the normal distribution function; Hendrycks, Gimpel 2016, arXiv:1606.08415",
    aliases=("probit",),
    peers={"jax": "jax.scipy.special.ndtr", "torch": "torch.special.ndtr"},
    differs="torch adds 1 and erf: 0 left of -5.6 in float32.",
)
def normal_cdf(x: ArrayLike) -> Array:
    r"""Distribution function of the standard normal distribution, the gate of `gelu`.

    .. math:: f(x) = \Phi(x) = \tfrac12 \operatorname{erfc}(-x / \sqrt 2),
              \qquad f'(x) = \varphi(x) = \frac{e^{-x^2/2}}{\sqrt{2\pi}}

    Range (0, 1); limits 0 and 1; smooth and increasing. 0.39894-Lipschitz.
    The alias is what regression calls it; the probit function of statistics is its inverse.

    Args:
        x: real array.

    >>> print(f"{normal_cdf(1.0):.4f}")
    0.8413
    """
    return special.normal_cdf(x)


probit = normal_cdf


def _ends(p) -> tuple[float, float]:
    if p["alpha"] == 0:
        middle = p["gamma"] * math.erf(p["s"]) + p["beta"]
        return middle, middle
    high = math.copysign(p["gamma"], p["gamma"] * p["alpha"])
    return p["beta"] - high, p["beta"] + high


def _derf_range(p) -> Interval:
    low, high = sorted(_ends(p))
    return Interval(low, high, open_low=low < high, open_high=low < high)


@activation(
    family="saturating",
    formula="gamma*erf(alpha*x+s)+beta",
    parameters={
        "alpha": (REALS, "slope before erf"),
        "s": (REALS, "shift before erf"),
        "gamma": (REALS, "scale after erf"),
        "beta": (REALS, "shift after erf"),
    },
    range=_derf_range,
    monotonic=lambda p: p["gamma"] * p["alpha"] >= 0,
    smoothness="Cinf",
    lipschitz=lambda p: ERF_SLOPE_AT_ZERO * abs(p["gamma"] * p["alpha"]),
    limits=_ends,
    reference="Chen, Lu, Zhu, Sun, Liu 2025, arXiv:2512.10938",
)
def derf(
    x: ArrayLike,
    *,
    alpha: ArrayLike = 0.5,
    s: ArrayLike = 0.0,
    gamma: ArrayLike = 1.0,
    beta: ArrayLike = 0.0,
) -> Array:
    r"""Dynamic erf: a learnt erf in the place of layer normalization.

    .. math:: f(x) = \gamma \operatorname{erf}(\alpha x + s) + \beta,
              \qquad f'(x) = \frac{2 \gamma \alpha}{\sqrt\pi}\, e^{-(\alpha x + s)^2}

    Range (beta - abs(gamma), beta + abs(gamma)), its ends are the limits; smooth, monotonic, increasing for
    gamma * alpha > 0. Lipschitz: 1.1284 abs(gamma * alpha). Made to be learnt: alpha and s one number each for
    the layer, gamma and beta per channel.

    Args:
        x: real array.
        alpha: slope before erf; any finite real, 0 makes it constant.
        s: shift before erf; any finite real.
        gamma: scale after erf; any finite real.
        beta: shift after erf; any finite real.

    Chen, Lu, Zhu, Sun, Liu 2025, Stronger normalization-free transformers, arXiv:2512.10938.

    >>> import jax.numpy as jnp
    >>> derf(jnp.array([0.0, jnp.inf]), gamma=2.0, beta=1.0)
    Array([1., 3.], dtype=float32)
    """
    return _derf(x, alpha, s, gamma, beta)


def _inner(x: Array, alpha: Array, s: Array) -> Array:
    return alpha * finite(x) + s


def _bell(factor: Array, z: Array) -> Array:
    """Return factor * erf'(z)."""
    t = distance(z)
    return damped(ERF_SLOPE_AT_ZERO * factor, t * t)


def _derf_value(x: Array, alpha: Array, s: Array, gamma: Array, beta: Array) -> Array:
    z = _inner(x, alpha, s)
    # Near 0 the product alpha * x may be subnormal, and flushed, while the result is not.
    line = (gamma * alpha) * (ERF_SLOPE_AT_ZERO * x) + (gamma * ERF_SLOPE_AT_ZERO) * s
    return jnp.where(jnp.abs(z) < 1e-20, line, gamma * lax.erf(z)) + beta


def _derf_slope_value(x: Array, alpha: Array, s: Array, gamma: Array, beta: Array) -> Array:
    return _bell(gamma * alpha, _inner(x, alpha, s))


def _derf_curvature(x: Array, alpha: Array, s: Array, gamma: Array, beta: Array) -> Array:
    z = _inner(x, alpha, s)
    end = by_precision(x, 15.0, 40.0)
    return _bell(-2.0 * gamma * alpha * alpha * jnp.clip(z, -end, end), z)


def _derf_by_alpha(x: Array, alpha: Array, s: Array, gamma: Array, beta: Array) -> Array:
    return _bell(gamma, _inner(x, alpha, s)) * finite(x)


def _derf_by_s(x: Array, alpha: Array, s: Array, gamma: Array, beta: Array) -> Array:
    return _bell(gamma, _inner(x, alpha, s))


def _derf_by_gamma(x: Array, alpha: Array, s: Array, gamma: Array, beta: Array) -> Array:
    return lax.erf(_inner(x, alpha, s))


_derf = keep_input(
    _derf_value,
    keep_input(_derf_slope_value, _derf_curvature),
    _derf_by_alpha,
    _derf_by_s,
    _derf_by_gamma,
    lambda x, alpha, s, gamma, beta: jnp.ones_like(x),
)
