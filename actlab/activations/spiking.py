r"""Spikes: a Heaviside step forward, a smooth surrogate of its derivative backward.

All have the same values, 1 from 0 on and 0 below, so a neuron fires at its threshold; snnTorch and the papers that
write :math:`x > 0` differ there alone. They differ in the slope that autodiff returns, ``spec.surrogate``: a bump
around 0 whose parameter has no gradient of its own. Membrane minus threshold is what goes in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.rectified import nan_or
from actlab.activations.spec import POSITIVE, Interval, Jump, activation
from actlab.gradients import by_precision, keep_input, keep_output


def _spike(*, surrogate: str, reference: str, **facts: Any) -> Callable[[Callable], Callable]:
    """Attach the facts that all spikes share."""
    return activation(
        family="spiking",
        formula="heaviside(x)",
        range=Interval(0.0, 1.0),
        monotonic=True,
        smoothness="jumps",
        jumps=(Jump(at=0.0, left=0.0, right=1.0, value=1.0),),
        lipschitz=math.inf,
        limits=(0.0, 1.0),
        surrogate=surrogate,
        reference=reference,
        **facts,
    )


def _value(x: Array, *params: Array) -> Array:
    return nan_or(x, jnp.where(x >= 0, 1.0, 0.0))


@_spike(
    surrogate="alpha*sigmoid(alpha*x)*(1-sigmoid(alpha*x))",
    parameters={"alpha": (POSITIVE, "sharpness of the surrogate")},
    reference="Zenke, Ganguli 2018, arXiv:1705.11146; Wu et al. 2018, arXiv:1706.02609",
)
def spike_sigmoid(x: ArrayLike, *, alpha: ArrayLike = 4.0) -> Array:
    r"""Spike with the slope of a sigmoid.

    .. math:: f(x) = H(x), \qquad f'(x) := \alpha\, \sigma(\alpha x)\, \sigma(-\alpha x)

    Values 0 and 1, jumping to 1 at 0, where the slope is alpha / 4; it falls exponentially on both sides.

    Args:
        x: real array.
        alpha: sharpness of the surrogate, positive; 4 makes its height 1.

    Zenke, Ganguli 2018, arXiv:1705.11146; Wu et al. 2018, arXiv:1706.02609; SpikingJelly's Sigmoid.

    >>> import jax
    >>> jax.grad(spike_sigmoid)(0.0)
    Array(1., dtype=float32, weak_type=True)
    """
    return _spike_sigmoid(x, alpha)


def _sigmoid_slope_value(x: Array, alpha: Array) -> Array:
    # The exponential in two halves: whole, it may be flushed where alpha times it is not.
    half = jnp.exp(-0.5 * jnp.abs(alpha * x))
    return (alpha * half) * half / (1.0 + half * half) ** 2


def _sigmoid_curvature(x: Array, alpha: Array) -> Array:
    return -alpha * jnp.tanh(0.5 * alpha * x) * _sigmoid_slope_value(x, alpha)


_spike_sigmoid = keep_input(_value, keep_input(_sigmoid_slope_value, _sigmoid_curvature))


@_spike(
    surrogate="1/(1+slope*abs(x))**2",
    parameters={"slope": (POSITIVE, "sharpness of the surrogate")},
    reference="Zenke, Ganguli 2018, arXiv:1705.11146",
)
def spike_fast_sigmoid(x: ArrayLike, *, slope: ArrayLike = 25.0) -> Array:
    r"""Spike with the slope of a fast sigmoid, x / (1 + abs(x)), scaled to height 1 (SuperSpike).

    .. math:: f(x) = H(x), \qquad f'(x) := \frac{1}{(1 + s\,|x|)^2}

    Values 0 and 1, jumping to 1 at 0, where the surrogate slope is 1; it falls like 1 / x^2.

    Args:
        x: real array.
        slope: s, sharpness of the surrogate, positive; 25 as in snnTorch.

    Zenke, Ganguli 2018, SuperSpike, arXiv:1705.11146.

    >>> import jax
    >>> jax.grad(spike_fast_sigmoid)(0.0)
    Array(1., dtype=float32, weak_type=True)
    """
    return _spike_fast_sigmoid(x, slope)


def _fast_sigmoid_slope(x: Array, slope: Array) -> Array:
    root = 1.0 / (1.0 + slope * jnp.abs(x))
    return root * root


_spike_fast_sigmoid = keep_input(_value, _fast_sigmoid_slope)


@_spike(
    surrogate="alpha/(2*(1+(pi/2*alpha*x)**2))",
    parameters={"alpha": (POSITIVE, "sharpness of the surrogate")},
    reference="Fang et al. 2021, arXiv:2007.05785",
)
def spike_atan(x: ArrayLike, *, alpha: ArrayLike = 2.0) -> Array:
    r"""Spike with the slope of an arctangent.

    .. math:: f(x) = H(x), \qquad f'(x) := \frac{\alpha}{2 \left(1 + (\tfrac{\pi}{2} \alpha x)^2\right)}

    Values 0 and 1, jumping to 1 at 0, where the slope is alpha / 2; it falls like 1 / x^2.

    Args:
        x: real array.
        alpha: sharpness of the surrogate, positive; 2 makes its height 1.

    Fang, Yu, Chen, Masquelier, Huang, Tian 2021, arXiv:2007.05785. snnTorch computes this too, though its
    documentation states another factor.

    >>> import jax
    >>> jax.grad(spike_atan)(0.0)
    Array(1., dtype=float32, weak_type=True)
    """
    return _spike_atan(x, alpha)


def _atan_parts(x: Array, alpha: Array) -> tuple[Array, Array, Array]:
    """Return whether u = pi alpha x / 2 is beyond 1, u cut off there, and 1 / u where it is."""
    u = (0.5 * math.pi) * (alpha * x)
    far = jnp.abs(u) > 1.0
    return far, jnp.where(far, 1.0, u), 1.0 / jnp.where(far, u, 1.0)


def _atan_slope_value(x: Array, alpha: Array) -> Array:
    far, u, inverse = _atan_parts(x, alpha)
    # The square of 1 / u may be flushed where alpha times it is not.
    tail = (alpha * inverse) * inverse / (1.0 + inverse * inverse)
    return nan_or(x, 0.5 * jnp.where(far, tail, alpha / (1.0 + u * u)))


def _atan_curvature(x: Array, alpha: Array) -> Array:
    far, u, inverse = _atan_parts(x, alpha)
    ratio = jnp.where(far, inverse / (1.0 + inverse * inverse), u / (1.0 + u * u))
    return (-math.pi * alpha) * ratio * _atan_slope_value(x, alpha)


_spike_atan = keep_input(_value, keep_input(_atan_slope_value, _atan_curvature))


@_spike(
    surrogate="alpha*max(0,1-abs(x)*alpha)",
    parameters={"alpha": (POSITIVE, "height, and one over half the width, of the surrogate")},
    reference="Esser et al. 2016, arXiv:1603.08270; Bellec et al. 2018, arXiv:1803.09574",
)
def spike_triangular(x: ArrayLike, *, alpha: ArrayLike = 1.0) -> Array:
    r"""Spike with a triangle for its slope.

    .. math:: f(x) = H(x), \qquad f'(x) := \alpha \max(0, 1 - \alpha |x|)

    Values 0 and 1, jumping to 1 at 0, where the slope is alpha; it is 0 from 1 / alpha on. Bellec et al. take a
    triangle of width 2 and height 0.3, not of area 1.

    Args:
        x: real array.
        alpha: height, and one over half the width, of the surrogate, positive.

    Esser et al. 2016, arXiv:1603.08270; Bellec et al. 2018, arXiv:1803.09574; SpikingJelly's
    PiecewiseQuadratic.

    >>> import jax
    >>> jax.grad(spike_triangular)(0.25)
    Array(0.75, dtype=float32, weak_type=True)
    """
    return _spike_triangular(x, alpha)


def _triangular_slope(x: Array, alpha: Array) -> Array:
    inside = alpha * jnp.abs(x) < 1.0
    return alpha * jnp.where(inside, 1.0 - alpha * jnp.abs(jnp.where(inside, x, 0.0)), 0.0)


_spike_triangular = keep_input(_value, lambda x, alpha: nan_or(x, _triangular_slope(x, alpha)))


@_spike(
    surrogate="alpha/(2*(1+abs(alpha*x))**2)",
    parameters={"alpha": (POSITIVE, "sharpness of the surrogate")},
    reference="SpikingJelly, surrogate.SoftSign",
)
def spike_soft_sign(x: ArrayLike, *, alpha: ArrayLike = 2.0) -> Array:
    r"""Spike with the slope of a softsign: that of `spike_fast_sigmoid`, scaled to area 1.

    .. math:: f(x) = H(x), \qquad f'(x) := \frac{\alpha}{2\,(1 + |\alpha x|)^2}

    Values 0 and 1, jumping to 1 at 0, where the slope is alpha / 2; it falls like 1 / x^2.

    Args:
        x: real array.
        alpha: sharpness of the surrogate, positive; 2 makes its height 1.

    SpikingJelly, surrogate.SoftSign.

    >>> import jax
    >>> jax.grad(spike_soft_sign)(0.5)
    Array(0.25, dtype=float32, weak_type=True)
    """
    return _spike_soft_sign(x, alpha)


def _soft_sign_slope(x: Array, alpha: Array) -> Array:
    root = 1.0 / (1.0 + alpha * jnp.abs(x))
    return (0.5 * alpha * root) * root


_spike_soft_sign = keep_input(_value, _soft_sign_slope)


@_spike(
    surrogate="where(abs(x)<width/2,1/width,0)",
    parameters={"width": (POSITIVE, "width of the surrogate")},
    reference="Wu, Deng, Li, Zhu, Shi 2018, arXiv:1706.02609",
    aliases=("spike_rectangular",),
)
def spike_boxcar(x: ArrayLike, *, width: ArrayLike = 1.0) -> Array:
    r"""Spike with a rectangle of area 1 for its slope.

    .. math:: f(x) = H(x), \qquad f'(x) := \tfrac{1}{w} \left[\, |x| < \tfrac{w}{2} \,\right]

    Values 0 and 1, jumping to 1 at 0, where the slope is 1 / w; it is 0 from w / 2 on.

    Args:
        x: real array.
        width: w, width of the surrogate, positive.

    Wu, Deng, Li, Zhu, Shi 2018, Spatio-temporal backpropagation, arXiv:1706.02609.

    >>> import jax
    >>> jax.grad(spike_boxcar)(0.25, width=2.0)
    Array(0.5, dtype=float32, weak_type=True)
    """
    return _spike_boxcar(x, width)


spike_rectangular = spike_boxcar


def _boxcar_slope(x: Array, width: Array) -> Array:
    return nan_or(x, jnp.where(jnp.abs(x) < 0.5 * width, 1.0 / width, 0.0))


_spike_boxcar = keep_input(_value, _boxcar_slope)


@_spike(
    surrogate="1/(sigma*sqrt(2*pi))*exp(-x**2/(2*sigma**2))",
    parameters={"sigma": (POSITIVE, "standard deviation of the surrogate")},
    reference="Wu et al. 2018, arXiv:1706.02609; Yin, Corradi, Bohté 2021, arXiv:2103.12593",
)
def spike_gaussian(x: ArrayLike, *, sigma: ArrayLike = 0.5) -> Array:
    r"""Spike with a normal density for its slope.

    .. math:: f(x) = H(x), \qquad f'(x) := \frac{1}{\sigma \sqrt{2 \pi}}\, e^{-x^2 / (2 \sigma^2)}

    Values 0 and 1, jumping to 1 at 0, where the slope is 0.3989 / sigma.

    Args:
        x: real array.
        sigma: standard deviation of the surrogate, positive.

    Wu et al. 2018, arXiv:1706.02609; Yin, Corradi, Bohté 2021, arXiv:2103.12593.

    >>> import jax
    >>> print(f"{jax.grad(spike_gaussian)(0.0):.4f}")
    0.7979
    """
    return _spike_gaussian(x, sigma)


def _erf_slope_value(x: Array, alpha: Array) -> Array:
    end = by_precision(x, 16.0, 40.0)  # exp(-end^2) is 0
    u = jnp.clip(alpha * x, -end, end)
    half = jnp.exp(-0.5 * u * u)
    return (alpha / math.sqrt(math.pi) * half) * half


def _erf_curvature(x: Array, alpha: Array) -> Array:
    end = by_precision(x, 16.0, 40.0)
    u = jnp.clip(alpha * x, -end, end)
    return (-2.0 * alpha * u) * _erf_slope_value(x, alpha)


_erf_slope = keep_input(_erf_slope_value, _erf_curvature)
_spike_erf = keep_input(_value, _erf_slope)
_spike_gaussian = keep_input(_value, lambda x, sigma: _erf_slope(x, 1.0 / (math.sqrt(2.0) * sigma)))


@_spike(
    surrogate="alpha/sqrt(pi)*exp(-alpha**2*x**2)",
    parameters={"alpha": (POSITIVE, "sharpness of the surrogate")},
    reference="Esser et al. 2015, NIPS; SpikingJelly, surrogate.Erf",
)
def spike_erf(x: ArrayLike, *, alpha: ArrayLike = 2.0) -> Array:
    r"""Spike with the slope of an error function: `spike_gaussian` at sigma = 1 / (alpha sqrt(2)).

    .. math:: f(x) = H(x), \qquad f'(x) := \frac{\alpha}{\sqrt{\pi}}\, e^{-\alpha^2 x^2}

    Values 0 and 1, jumping to 1 at 0, where the slope is 0.5642 alpha.

    Args:
        x: real array.
        alpha: sharpness of the surrogate, positive.

    Esser, Appuswamy, Merolla, Arthur, Modha 2015, NIPS; SpikingJelly, surrogate.Erf.

    >>> import jax
    >>> print(f"{jax.grad(spike_erf)(0.0):.4f}")
    1.1284
    """
    return _spike_erf(x, alpha)


@_spike(
    surrogate="alpha/2*exp(-alpha*abs(x))",
    parameters={"alpha": (POSITIVE, "sharpness of the surrogate")},
    reference="Shrestha, Orchard 2018 (SLAYER), arXiv:1810.08646",
)
def spike_piecewise_exp(x: ArrayLike, *, alpha: ArrayLike = 1.0) -> Array:
    r"""Spike with a Laplace density for its slope.

    .. math:: f(x) = H(x), \qquad f'(x) := \tfrac{\alpha}{2}\, e^{-\alpha |x|}

    Values 0 and 1, jumping to 1 at 0, where the slope is alpha / 2.

    Args:
        x: real array.
        alpha: sharpness of the surrogate, positive.

    Shrestha, Orchard 2018, SLAYER, arXiv:1810.08646; SpikingJelly's PiecewiseExp.

    >>> import jax
    >>> jax.grad(spike_piecewise_exp)(0.0)
    Array(0.5, dtype=float32, weak_type=True)
    """
    return _spike_piecewise_exp(x, alpha)


def _piecewise_exp_slope(x: Array, alpha: Array) -> Array:
    half = jnp.exp(-0.5 * alpha * jnp.abs(x))
    return (0.5 * alpha * half) * half


_spike_piecewise_exp = keep_input(_value, _piecewise_exp_slope)


@_spike(
    surrogate="1",
    keeps="nothing",
    reference="Bengio, Léonard, Courville 2013, arXiv:1308.3432; snnTorch, surrogate.straight_through_estimator",
)
def spike_straight_through(x: ArrayLike) -> Array:
    r"""Spike whose gradient passes as if it were the identity.

    .. math:: f(x) = H(x), \qquad f'(x) := 1

    Values 0 and 1, jumping to 1 at 0. Nothing but y is kept for the backward pass.

    Bengio, Léonard, Courville 2013, arXiv:1308.3432.

    >>> import jax
    >>> jax.grad(spike_straight_through)(-3.0)
    Array(1., dtype=float32, weak_type=True)
    """
    return _spike_straight_through(x)


_spike_straight_through = keep_output(_value, lambda y, t: nan_or(y, jnp.ones_like(y)) * t)
