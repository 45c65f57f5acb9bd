r"""Radial functions: bells and wavelets, which fade in both directions.

A Gaussian times a power of x is normal where the Gaussian alone is flushed to zero: the exponential comes in
two halves with the power between them. Far out, where all are zero, x is clipped, so that no power overflows.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.oscillatory import phase, product
from actlab.activations.spec import POSITIVE, Interval, activation
from actlab.gradients import by_precision, keep_input

_HALF = math.sqrt(0.5)


def clipped(u: Array) -> Array:
    """Return u, cut off where exp(-u^2) times any power in use is 0."""
    end = by_precision(u, 12.0, 30.0)
    return jnp.clip(u, -end, end)


def bell(u: Array, factor: Array | float = 1.0) -> Array:
    """Return ``factor`` times exp(-u^2)."""
    u = clipped(u)
    half = jnp.exp(-0.5 * u * u)
    return (factor * half) * half


def bell_slope(u: Array, factor: Array | float = 1.0) -> Array:
    """Return ``factor`` times the derivative of exp(-u^2)."""
    u = clipped(u)
    half = jnp.exp(-0.5 * u * u)
    return (-2.0 * u * factor * half) * half


def bell_curvature(u: Array, factor: Array | float = 1.0) -> Array:
    """Return ``factor`` times the second derivative of exp(-u^2)."""
    u = clipped(u)
    half = jnp.exp(-0.5 * u * u)
    return ((4.0 * u * u - 2.0) * factor * half) * half


@activation(
    family="radial",
    formula="exp(-x**2)",
    range=Interval(0.0, 1.0, open_low=True),
    monotonic=False,
    smoothness="Cinf",
    lipschitz=math.sqrt(2.0 / math.e),
    limits=(0.0, 0.0),
    turning=(0.0,),
    reference="Broomhead, Lowe 1988, Complex Systems 2",
)
def gaussian(x: ArrayLike) -> Array:
    r"""Gaussian bell.

    .. math:: f(x) = e^{-x^2}, \qquad f'(x) = -2 x e^{-x^2}

    Range (0, 1]; limits 0 and 0; smooth, turning at 0. Lipschitz: :math:`\sqrt{2/e} = 0.85776`, at
    :math:`\pm\sqrt{1/2}`.

    Broomhead, Lowe 1988, Multivariable functional interpolation and adaptive networks, Complex Systems 2.

    >>> print(f"{gaussian(1.0):.4f}")
    0.3679
    """
    return _gaussian(x)


_gaussian = keep_input(bell, keep_input(bell_slope, bell_curvature))


@activation(
    family="radial",
    formula="exp(-x**2/(2*sigma**2))",
    parameters={"sigma": (POSITIVE, "width: the standard deviation")},
    range=Interval(0.0, 1.0, open_low=True),
    monotonic=False,
    smoothness="Cinf",
    lipschitz=lambda p: math.exp(-0.5) / p["sigma"],
    limits=(0.0, 0.0),
    turning=(0.0,),
    reference="Ramasinghe, Lucey 2021, arXiv:2111.15135",
)
def gaussian_sigma(x: ArrayLike, *, sigma: ArrayLike = 0.1) -> Array:
    r"""Gaussian bell of a given width, as in coordinate networks.

    .. math:: f(x) = e^{-x^2 / (2\sigma^2)}, \qquad f'(x) = -\frac{x}{\sigma^2} e^{-x^2 / (2\sigma^2)}

    Range (0, 1]; limits 0 and 0; smooth, turning at 0. Lipschitz: :math:`e^{-1/2} / \sigma`, at
    :math:`\pm\sigma`.

    Args:
        x: real array.
        sigma: width, the standard deviation; positive.

    Ramasinghe, Lucey 2021, arXiv:2111.15135.

    >>> print(f"{gaussian_sigma(0.1):.4f}")
    0.6065
    """
    return _gaussian_sigma(x, sigma)


def _standard(x: Array, sigma: Array) -> Array:
    return clipped(x / sigma * _HALF)


def _sigma_slope(x: Array, sigma: Array) -> Array:
    return bell_slope(_standard(x, sigma), _HALF / sigma)


def _sigma_curvature(x: Array, sigma: Array) -> Array:
    return bell_curvature(_standard(x, sigma), 0.5 / sigma / sigma)


def _sigma_slope_by_sigma(x: Array, sigma: Array) -> Array:
    u = _standard(x, sigma)
    factor = -_HALF / sigma / sigma
    return bell_slope(u, factor) + bell_curvature(u, u * factor)


def _by_sigma(x: Array, sigma: Array) -> Array:
    u = _standard(x, sigma)
    return bell_slope(u, -u / sigma)


_gaussian_sigma = keep_input(
    lambda x, sigma: bell(_standard(x, sigma)),
    keep_input(_sigma_slope, _sigma_curvature, _sigma_slope_by_sigma),
    _by_sigma,
)

_RICKER = 2.0 / (math.sqrt(3.0) * math.pi**0.25)


@activation(
    family="radial",
    formula="2/(sqrt(3)*sqrt(sqrt(pi)))*(1-x**2)*exp(-x**2/2)",
    range=Interval(-2.0 * _RICKER * math.exp(-1.5), _RICKER),
    monotonic=False,
    smoothness="Cinf",
    lipschitz=1.1970118491258015,  # at 0.7419637843027259
    limits=(0.0, 0.0),
    turning=(-math.sqrt(3.0), 0.0, math.sqrt(3.0)),
    reference="Ricker 1953; Bozorgasl, Chen 2024, arXiv:2405.12832",
    aliases=("mexican_hat",),
)
def ricker(x: ArrayLike) -> Array:
    r"""Ricker wavelet, the Mexican hat: minus the second derivative of a Gaussian, of unit energy.

    .. math:: f(x) = c\,(1 - x^2)\, e^{-x^2/2}, \qquad f'(x) = c\,(x^3 - 3x)\, e^{-x^2/2},
              \qquad c = \frac{2}{\sqrt{3}\, \pi^{1/4}}

    Range [-0.38704, 0.86733]; limits 0 and 0; smooth, turning at 0 and :math:`\pm\sqrt 3`. 1.1970-Lipschitz.
    Wav-KAN's code takes the negative, :math:`c\,(x^2 - 1)\, e^{-x^2/2}`.

    Ricker 1953; as an activation in Bozorgasl, Chen 2024, arXiv:2405.12832.

    >>> print(f"{ricker(0.0):.4f}")
    0.8673
    """
    return _ricker(x)


mexican_hat = ricker


def _hermite(polynomial):
    """Return polynomial(x, x^2) exp(-x^2 / 2), scaled, without flushing."""

    def f(x: Array) -> Array:
        end = by_precision(x, 16.0, 42.0)
        x = jnp.clip(x, -end, end)
        square = x * x
        half = jnp.exp(-0.25 * square)
        return (_RICKER * polynomial(x, square) * half) * half

    return f


_ricker = keep_input(
    _hermite(lambda x, square: 1.0 - square),
    keep_input(
        _hermite(lambda x, square: x * (square - 3.0)),
        _hermite(lambda x, square: square * (6.0 - square) - 3.0),
    ),
)


def _bisect(f, low: float, high: float) -> float:
    """Return the root of a function that falls from positive at ``low`` to negative at ``high``."""
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if f(middle) > 0 else (low, middle)
    return 0.5 * (low + high)


def _gabor_low(p) -> float:
    # In t = w0 x and k = 2 (s / w0)^2: f = cos(t) exp(-k t^2 / 2), f' = 0 where tan t = -k t.
    k = 2.0 * (p["s"] / p["w0"]) ** 2
    t = _bisect(lambda t: math.sin(t) + k * t * math.cos(t), 0.5 * math.pi, math.pi)
    return math.cos(t) * math.exp(-0.5 * k * t * t)


def _gabor_lipschitz(p) -> float:
    k = 2.0 * (p["s"] / p["w0"]) ** 2
    t = _bisect(
        lambda t: (1.0 + k - (k * t) ** 2) * math.cos(t) - 2.0 * k * t * math.sin(t), 0.0, 0.5 * math.pi
    )
    return p["w0"] * (math.sin(t) + k * t * math.cos(t)) * math.exp(-0.5 * k * t * t)


@activation(
    family="radial",
    formula="cos(w0*x)*exp(-(s*x)**2)",
    parameters={"w0": (POSITIVE, "angular frequency"), "s": (POSITIVE, "sharpness of the envelope")},
    range=lambda p: Interval(_gabor_low(p), 1.0),
    monotonic=False,
    smoothness="Cinf",
    lipschitz=_gabor_lipschitz,
    limits=(0.0, 0.0),
    turning=None,
    reference="Saragadam et al. 2023, arXiv:2301.05187",
)
def gabor_real(x: ArrayLike, *, w0: ArrayLike = 10.0, s: ArrayLike = 10.0) -> Array:
    r"""Real Gabor wavelet: the real part of the wavelet activation of WIRE.

    .. math:: f(x) = \cos(\omega_0 x)\, e^{-(s x)^2},
              \qquad f'(x) = -\left(\omega_0 \sin(\omega_0 x) + 2 s^2 x \cos(\omega_0 x)\right) e^{-(s x)^2}

    Range up to 1, by default down to -0.0090054; limits 0 and 0; smooth, turning infinitely often.

    Args:
        x: real array.
        w0: angular frequency, positive.
        s: sharpness of the envelope, positive; the inverse of its width.

    Saragadam, LeJeune, Tan, Balakrishnan, Veeraraghavan, Baraniuk 2023, arXiv:2301.05187, whose wavelet is
    complex.

    >>> print(f"{gabor_real(0.1):.4f}")
    0.1988
    """
    return _gabor(x, w0, s)


def _gabor_parts(x: Array, w0: Array, s: Array) -> tuple[Array, ...]:
    """Return x and s x at 0 where all is 0; sine and cosine of w0 x, one factor e and two halves h of the bell.

    The bell is e h h: e is what rounding took from (s x)^2, which in the tails is more than the promise.
    """
    end = by_precision(x, 12.0, 30.0)
    faded = jnp.abs(s * x) > end
    x = jnp.where(faded, 0.0, x)
    u, low = product(x, s)
    square, lower = product(u, u)
    half = jnp.where(faded, 0.0, jnp.exp(-0.5 * square))
    return x, u, *phase(x, w0), 1.0 - (lower + 2.0 * u * low), half


def _gabor_value(x: Array, w0: Array, s: Array) -> Array:
    _, _, _, cosine, e, half = _gabor_parts(x, w0, s)
    return (cosine * e * half) * half


def _gabor_slope_value(x: Array, w0: Array, s: Array) -> Array:
    x, _, sine, cosine, e, half = _gabor_parts(x, w0, s)
    # Near 0 the sum has a term less: of two small ones either may be flushed.
    straight = jnp.abs(w0 * x) < by_precision(x, 1e-4, 1e-8)
    bracket = jnp.where(straight, (w0 * w0 + 2.0 * s * s) * x, w0 * sine + (2.0 * s * s) * x * cosine)
    return (-bracket * e * half) * half


def _gabor_curvature(x: Array, w0: Array, s: Array) -> Array:
    _, u, sine, cosine, e, half = _gabor_parts(x, w0, s)
    bracket = (2.0 * s * s * (2.0 * u * u - 1.0) - w0 * w0) * cosine + 4.0 * s * u * w0 * sine
    return (bracket * e * half) * half


def _gabor_by_w0(x: Array, w0: Array, s: Array) -> Array:
    x, _, sine, _, e, half = _gabor_parts(x, w0, s)
    return (-x * sine * e * half) * half


def _gabor_by_s(x: Array, w0: Array, s: Array) -> Array:
    x, u, _, cosine, e, half = _gabor_parts(x, w0, s)
    return (-2.0 * x * u * cosine * e * half) * half


_gabor = keep_input(_gabor_value, keep_input(_gabor_slope_value, _gabor_curvature), _gabor_by_w0, _gabor_by_s)
