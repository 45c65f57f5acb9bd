r"""Self-gated functions whose slope blends one constant into another: :math:`f(x) = x (l + (h - l)\,\sigma(kx))`.

Swish has l = 0 and h = 1. Three ways of writing it keep the digits: in the tails the constant of that side
plus a remainder, around the origin the mean of both plus a tanh.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.roots import root
from actlab.activations.saturating import sigmoid_slope
from actlab.activations.selfgated import finite, halves, scaled_silu_curvature, silu_slope
from actlab.activations.spec import REALS, Interval, activation
from actlab.gradients import keep_input

_STEEP = 2.3993572805154167  # silu' is largest there, and least at minus it
_STEEPEST = 1.0998393201288669


def _logistic(z: float) -> float:
    return 1.0 / (1.0 + math.exp(-z)) if z > 0 else math.exp(z) / (1.0 + math.exp(z))


def _silu_slope(z: float) -> float:
    return _logistic(z) * (1.0 + z * _logistic(-z))


def blend_facts(low: float, high: float, rate: float) -> dict:
    """Return the facts of x (low + (high - low) sigmoid(rate x)) by their names in a `Spec`."""
    if rate == 0 or low == high:
        slope = low if low == high else 0.5 * (low + high)
        ends = (-slope * math.inf, slope * math.inf) if slope else (0.0, 0.0)
        return {
            "range": REALS if slope else Interval(0.0, 0.0),
            "monotonic": slope >= 0,
            "lipschitz": abs(slope),
            "limits": ends,
            "turning": (),
        }
    if rate < 0:
        low, high, rate = high, low, -rate
    step = high - low
    slopes = (low + (1.0 - _STEEPEST) * step, low + _STEEPEST * step)
    level = -low / step  # f turns where silu' has this level

    def above(z: float) -> float:
        return _silu_slope(z) - level

    # silu' falls from 0, rises between the two steepest points, and falls to 1.
    pieces = ((-700.0, -_STEEP), (-_STEEP, _STEEP), (_STEEP, 700.0))
    turning = tuple(root(above, *piece) / rate for piece in pieces if above(piece[0]) * above(piece[1]) < 0)
    limits = (-low * math.inf if low else 0.0, high * math.inf if high else 0.0)
    values = [x * (low + step * _logistic(rate * x)) for x in turning]
    return {
        "range": Interval(min(*limits, *values), max(*limits, *values)),
        "monotonic": min(slopes) >= 0,
        "lipschitz": max(map(abs, slopes)),
        "limits": limits,
        "turning": turning,
    }


def _by_parameters(parts) -> dict:
    """Return the facts as functions of the parameters; ``parts(p)`` gives low, high and rate."""
    names = ("range", "monotonic", "lipschitz", "limits", "turning")
    return {name: lambda p, name=name: blend_facts(*parts(p))[name] for name in names}


def _blend_value(x: Array, low: Array, high: Array, rate: Array) -> Array:
    bounded = finite(x)
    z = rate * bounded
    half, e = halves(-jnp.abs(z))
    rest = (bounded * half) * ((high - low) * half / (1.0 + e))
    side = jnp.where(z > 0, high, low)
    tail = jnp.where(side == 0, 0.0, side * x) + jnp.where(z > 0, -rest, rest)
    near = bounded * (0.5 * (low + high) + 0.5 * (high - low) * jnp.tanh(0.5 * z))
    # With no step or no rate the function is linear: near holds everywhere, and x keeps its infinities.
    linear = (rate == 0) | (low == high)
    near = jnp.where(linear & jnp.isinf(x) & (near != 0), x * (low + high), near)
    return jnp.where((jnp.abs(z) < 1.0) | linear, near, tail)


def _blend_slope_value(x: Array, low: Array, high: Array, rate: Array) -> Array:
    z = rate * finite(x)
    rest = (high - low) * silu_slope(-jnp.abs(z))
    tail = jnp.where(z > 0, high - rest, low + rest)
    inner = jnp.clip(z, -1.0, 1.0)
    near = 0.5 * (low + high) + (high - low) * (0.5 * jnp.tanh(0.5 * inner) + inner * sigmoid_slope(inner))
    return jnp.where(jnp.abs(z) < 1.0, near, tail)


def _blend_curvature(x: Array, low: Array, high: Array, rate: Array) -> Array:
    return scaled_silu_curvature(rate * finite(x), rate * (high - low))


def _root_of_step(x: Array, z: Array) -> Array:
    """Return x sqrt(sigmoid'(z)), whose square alone may overflow."""
    half, e = halves(-jnp.abs(z))
    return finite(x) * half / (1.0 + e)


@activation(
    family="self-gated",
    formula="x*(sigmoid(x)*(1+2*alpha)-alpha)",
    parameters={"alpha": (REALS, "how far the gate reaches beyond 0 and 1")},
    smoothness="Cinf",
    reference="Huang 2024, arXiv:2405.20768",
    aliases=("xsilu",),
    **_by_parameters(lambda p: (-p["alpha"], 1.0 + p["alpha"], 1.0)),
)
def expanded_silu(x: ArrayLike, *, alpha: ArrayLike = 0.0) -> Array:
    r"""Expanded SiLU (xSiLU): the gate reaches from -alpha to 1 + alpha.

    .. math:: f(x) = x \left((1 + 2\alpha)\,\sigma(x) - \alpha\right), \qquad
              f'(x) = (1 + 2\alpha)\,\mathrm{silu}'(x) - \alpha

    Range [-0.2785, inf) and limits 0 and inf for alpha = 0, which is `silu`; for alpha > 0 both limits are inf
    and f turns once, left of the origin. Smooth. Lipschitz: 1.0998 + 1.1997 alpha for alpha > -1/2.
    alpha = -1/2 is x / 2; beyond it the function is mirrored, f(x; -1 - alpha) = -f(-x; alpha).

    Args:
        x: real array.
        alpha: how far the gate reaches beyond 0 and 1; any finite real. Learnt from 0 in the paper, one for
            every layer.

    Huang 2024, Expanded Gating Ranges Improve Activation Functions, arXiv:2405.20768.

    >>> print(f"{expanded_silu(2.0, alpha=0.5):.4f}")
    2.5232
    """
    return _expanded(x, alpha)


xsilu = expanded_silu


def _expanded_value(x: Array, alpha: Array) -> Array:
    return _blend_value(x, -alpha, 1.0 + alpha, jnp.ones_like(alpha))


def _expanded_slope_value(x: Array, alpha: Array) -> Array:
    return _blend_slope_value(x, -alpha, 1.0 + alpha, jnp.ones_like(alpha))


def _expanded_curvature(x: Array, alpha: Array) -> Array:
    return scaled_silu_curvature(x, 1.0 + 2.0 * alpha)


def _expanded_by_alpha(x: Array, alpha: Array) -> Array:
    return x * jnp.tanh(0.5 * x)


_expanded = keep_input(
    _expanded_value, keep_input(_expanded_slope_value, _expanded_curvature), _expanded_by_alpha
)


@activation(
    family="self-gated",
    formula="(p1-p2)*x*sigmoid(beta*(p1-p2)*x)+p2*x",
    parameters={
        "p1": (REALS, "slope far right, where beta > 0"),
        "p2": (REALS, "slope far left, where beta > 0"),
        "beta": (REALS, "sharpness of the switch between the two slopes"),
    },
    smoothness="Cinf",
    reference="Ma, Zhang, Liu, Sun 2021, arXiv:2009.04759",
    **_by_parameters(lambda p: (p["p2"], p["p1"], p["beta"] * (p["p1"] - p["p2"]))),
)
def acon_c(x: ArrayLike, *, p1: ArrayLike = 1.0, p2: ArrayLike = 0.0, beta: ArrayLike = 1.0) -> Array:
    r"""ACON-C, activate or not: a smooth maximum of the two lines p1 x and p2 x.

    .. math:: f(x) = (p_1 - p_2)\,x\,\sigma(z) + p_2\,x, \qquad z = \beta\,(p_1 - p_2)\,x

    .. math:: f'(x) = p_2 + (p_1 - p_2)\,\mathrm{silu}'(z)

    At the defaults `silu`: range [-0.2785, inf), limits 0 and inf. Smooth, with slopes between
    1.0998 p1 - 0.0998 p2 and 1.0998 p2 - 0.0998 p1; the larger magnitude is the Lipschitz constant.
    beta = 0 or p1 = p2 is linear, "not activated"; large beta tends to max(p1 x, p2 x).

    Args:
        x: real array.
        p1: first slope; any finite real. Learnt, drawn from a standard normal in the authors' code.
        p2: second slope; any finite real. Likewise.
        beta: sharpness; any finite real. Learnt from 1. Meta-ACON has it from a small network.

    Ma, Zhang, Liu, Sun 2021, Activate or Not: Learning Customized Activation, arXiv:2009.04759.

    >>> print(f"{acon_c(2.0, p1=1.5, p2=0.5):.4f}")
    2.7616
    """
    return _acon_c(x, p1, p2, beta)


def _acon_rate(p1: Array, p2: Array, beta: Array) -> Array:
    return beta * (p1 - p2)


def _acon_value(x: Array, p1: Array, p2: Array, beta: Array) -> Array:
    return _blend_value(x, p2, p1, _acon_rate(p1, p2, beta))


def _acon_slope_value(x: Array, p1: Array, p2: Array, beta: Array) -> Array:
    return _blend_slope_value(x, p2, p1, _acon_rate(p1, p2, beta))


def _acon_curvature(x: Array, p1: Array, p2: Array, beta: Array) -> Array:
    return _blend_curvature(x, p2, p1, _acon_rate(p1, p2, beta))


def _acon_by_p1(x: Array, p1: Array, p2: Array, beta: Array) -> Array:
    x = finite(x)
    return x * silu_slope(_acon_rate(p1, p2, beta) * x)


def _acon_by_p2(x: Array, p1: Array, p2: Array, beta: Array) -> Array:
    x = finite(x)
    return x * silu_slope(-_acon_rate(p1, p2, beta) * x)


def _acon_by_beta(x: Array, p1: Array, p2: Array, beta: Array) -> Array:
    return ((p1 - p2) * _root_of_step(x, _acon_rate(p1, p2, beta) * finite(x))) ** 2


_acon_c = keep_input(
    _acon_value, keep_input(_acon_slope_value, _acon_curvature), _acon_by_p1, _acon_by_p2, _acon_by_beta
)


@activation(
    family="self-gated",
    formula="(alpha+tanh(beta*x))*gamma*x",
    parameters={
        "alpha": (REALS, "the gate's middle"),
        "beta": (REALS, "sharpness of the gate"),
        "gamma": (REALS, "factor of the whole"),
    },
    smoothness="Cinf",
    reference="Kumar 2022, arXiv:2209.06119",
    **_by_parameters(
        lambda p: (p["gamma"] * (p["alpha"] - 1.0), p["gamma"] * (p["alpha"] + 1.0), 2.0 * p["beta"])
    ),
)
def aptx(x: ArrayLike, *, alpha: ArrayLike = 1.0, beta: ArrayLike = 1.0, gamma: ArrayLike = 0.5) -> Array:
    r"""APTx, alpha plus tanh times x: the form of `mish` and `swish` that needs only a tanh.

    .. math:: f(x) = (\alpha + \tanh(\beta x))\,\gamma x

    At the defaults silu(2 x) / 2, range [-0.1392, inf), limits 0 and inf. Far left the slope is
    gamma (alpha - 1), far right gamma (alpha + 1), for beta > 0. Smooth; 1.0998-Lipschitz at the defaults.
    alpha = 1 and gamma = 1/2 is swish at 2 beta; the paper's beta = 1/2 for the negative side nears `mish`.

    Args:
        x: real array.
        alpha: the gate's middle; any finite real.
        beta: sharpness of the gate; any finite real.
        gamma: factor of the whole; any finite real.

    Kumar 2022, APTx: better activation function than MISH, SWISH, and ReLU's variants, arXiv:2209.06119.

    >>> print(f"{aptx(2.0):.4f}")
    1.9640
    """
    return _aptx(x, alpha, beta, gamma)


def _aptx_parts(alpha: Array, beta: Array, gamma: Array) -> tuple[Array, Array, Array]:
    return gamma * (alpha - 1.0), gamma * (alpha + 1.0), 2.0 * beta


def _aptx_value(x: Array, alpha: Array, beta: Array, gamma: Array) -> Array:
    return _blend_value(x, *_aptx_parts(alpha, beta, gamma))


def _aptx_slope_value(x: Array, alpha: Array, beta: Array, gamma: Array) -> Array:
    return _blend_slope_value(x, *_aptx_parts(alpha, beta, gamma))


def _aptx_curvature(x: Array, alpha: Array, beta: Array, gamma: Array) -> Array:
    return _blend_curvature(x, *_aptx_parts(alpha, beta, gamma))


def _aptx_by_alpha(x: Array, alpha: Array, beta: Array, gamma: Array) -> Array:
    return gamma * finite(x)


def _aptx_by_beta(x: Array, alpha: Array, beta: Array, gamma: Array) -> Array:
    step = _root_of_step(x, 2.0 * beta * finite(x))
    return (4.0 * gamma * step) * step


def _aptx_by_gamma(x: Array, alpha: Array, beta: Array, gamma: Array) -> Array:
    return _blend_value(x, alpha - 1.0, alpha + 1.0, 2.0 * beta)


_aptx = keep_input(
    _aptx_value, keep_input(_aptx_slope_value, _aptx_curvature), _aptx_by_alpha, _aptx_by_beta, _aptx_by_gamma
)
