r"""Blends: functions made of other functions of this package, which keep their own rules."""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.exponential_units import elu
from actlab.activations.numeric import Survey, survey
from actlab.activations.polynomial import identity
from actlab.activations.rectified import relu
from actlab.activations.saturating import sigmoid, tanh
from actlab.activations.selfgated import silu
from actlab.activations.smooth import softplus
from actlab.activations.spec import REALS, Inexact, Interval, Kink, activation
from actlab.errors import InputError
from actlab.gradients import by_precision, keep_input

_TAIL = "in the left tail f'' is a sum of terms, some flushed to 0 before others"
_POOL = (tanh, elu, relu, silu, identity)


def _abu_limits(p) -> tuple[float, float]:
    w = p["weights"]
    left, right = -w[4], w[1] + w[2] + w[3] + w[4]
    return (
        math.copysign(math.inf, left) if left else -w[0] - w[1],
        math.copysign(math.inf, right) if right else w[0],
    )


def _abu_kinks(p) -> tuple[Kink, ...]:
    w = p["weights"]
    left = w[0] + w[1] + 0.5 * w[3] + w[4]
    return (Kink(at=0.0, left=left, right=left + w[2], chosen=left),) if w[2] else ()


@functools.cache
def _abu_survey(w: tuple[float, ...]) -> Survey:
    def sigma(x):
        return 1.0 / (1.0 + np.exp(-np.clip(x, -700, 700)))

    def f(x):
        low = np.minimum(x, 0.0)
        return (
            w[0] * np.tanh(x)
            + w[1] * np.where(x > 0, x, np.expm1(low))
            + w[2] * (x - low)
            + (w[3] * x * sigma(x) + w[4] * x)
        )

    def slope(x):
        s = sigma(x)
        return (
            w[0] / np.cosh(np.clip(x, -300, 300)) ** 2
            + w[1] * np.exp(np.minimum(x, 0.0))
            + w[2] * (x > 0)
            + w[3] * s * (1.0 + x * (1.0 - s))
            + w[4]
        )

    return survey(f, slope, _abu_limits({"weights": w}), (0.0,))


@activation(
    family="blend",
    formula="weights[0]*tanh(x)+weights[1]*where(x>0,x,exp(x)-1)+weights[2]*max(0,x)"
    "+weights[3]*x/(1+exp(-x))+weights[4]*x",
    parameters={"weights": (REALS, "weights of tanh, elu, relu, silu and the identity")},
    range=lambda p: _abu_survey(p["weights"]).range,
    monotonic=lambda p: _abu_survey(p["weights"]).monotonic,
    lipschitz=lambda p: _abu_survey(p["weights"]).lipschitz,
    turning=lambda p: _abu_survey(p["weights"]).turning,
    limits=_abu_limits,
    kinks=_abu_kinks,
    requires=lambda p: (
        "" if len(p["weights"]) == 5 else f"weights must be five numbers, got {len(p['weights'])}"
    ),
    smoothness=lambda p: "C0" if p["weights"][2] else "C1" if p["weights"][1] else "Cinf",
    inexact=(
        Inexact("float32", 2, 2e4, _TAIL),
        Inexact("float64", 2, 1e11, _TAIL),
    ),
    reference="Sütfeld et al. 2018, arXiv:1806.10064",
)
def abu(x: ArrayLike, *, weights: ArrayLike = (0.2, 0.2, 0.2, 0.2, 0.2)) -> Array:
    r"""Adaptive blending unit: a weighted sum of tanh, elu, relu, silu and the identity.

    .. math:: f(x) = w_1 \tanh x + w_2\, \mathrm{elu}(x) + w_3\, \mathrm{relu}(x) + w_4\, \mathrm{silu}(x) + w_5 x

    By default their mean; range then all reals. Kink at 0, by relu, whose derivative 0 is taken there: the left
    one, :math:`w_1 + w_2 + w_4 / 2 + w_5`; the right one is larger by :math:`w_3`.

    Args:
        x: real array.
        weights: five finite reals.

    Raises:
        InputError: there are not five weights.

    Sütfeld, Brieger, Finger, Füllhase, Pipa 2018, arXiv:1806.10064.

    >>> print(f"{abu(1.0):.4f}")
    0.8985
    """
    if np.shape(weights)[:1] != (5,):
        raise InputError("abu: there must be five weights: of tanh, elu, relu, silu and the identity")
    return _abu(x, weights)


def _abu_value(x: Array, w: Array) -> Array:
    endless = jnp.isinf(x)
    inner = jnp.where(endless, 0.0, x)
    total = sum((weight * f(inner) for weight, f in zip(w, _POOL, strict=True)), jnp.zeros_like(x))
    # Of the smallest numbers a weighted one is flushed: there the slope at 0 tells more.
    steep = w[0] + w[1] + 0.5 * w[3] + w[4]
    steep = jnp.where(x > 0, steep + w[2], steep)
    total = jnp.where(jnp.abs(x) < by_precision(x, 1e-10, 1e-20), steep * inner, total)
    # At infinity by the sum of the slopes: one by one they might meet as 0 * inf or inf - inf.
    slope = jnp.where(x > 0, w[1] + w[2] + w[3] + w[4], w[4])
    rest = jnp.where(x > 0, w[0], -w[0] - w[1])
    end = jnp.where(slope == 0, rest, jnp.sign(x) * jnp.sign(slope) * jnp.inf)
    return jnp.where(endless, end, total)


def _derivative(f, x: Array) -> Array:
    return jax.jvp(f, (x,), (jnp.ones_like(x),))[1]


def _abu_slope(x: Array, w: Array) -> Array:
    return sum((weight * _derivative(f, x) for weight, f in zip(w, _POOL, strict=True)), jnp.zeros_like(x))


_abu = keep_input(_abu_value, _abu_slope, vectors=(0,))

_BASES = {f.__name__: f for f in (tanh, sigmoid, relu, elu, silu, softplus, identity)}
_BASE_FORMULAS = {
    "tanh": "tanh(beta*x+gamma)",
    "sigmoid": "sigmoid(beta*x+gamma)",
    "relu": "max(0,beta*x+gamma)",
    "elu": "where(beta*x+gamma>0,beta*x+gamma,exp(beta*x+gamma)-1)",
    "silu": "(beta*x+gamma)*sigmoid(beta*x+gamma)",
    "softplus": "softplus(beta*x+gamma)",
    "identity": "beta*x+gamma",
}


def _taaf_base(p):
    return _BASES[p["base"]].spec.at()


def _taaf_flat(p) -> bool:
    return p["alpha"] == 0 or p["beta"] == 0


def _taaf_constant(p) -> float:
    return p["delta"] if p["alpha"] == 0 else p["alpha"] * float(_BASES[p["base"]](p["gamma"])) + p["delta"]


def _taaf_limits(p) -> tuple[float, float]:
    if _taaf_flat(p):
        return (_taaf_constant(p),) * 2
    ends = [p["alpha"] * end + p["delta"] for end in _taaf_base(p).limits]
    return tuple(ends if p["beta"] > 0 else ends[::-1])


def _taaf_range(p) -> Interval:
    if _taaf_flat(p):
        return Interval(_taaf_constant(p), _taaf_constant(p))
    base = _taaf_base(p).range
    low, high = p["alpha"] * base.low + p["delta"], p["alpha"] * base.high + p["delta"]
    if p["alpha"] > 0:
        return Interval(low, high, base.open_low, base.open_high)
    return Interval(high, low, base.open_high, base.open_low)


def _taaf_monotonic(p) -> bool:
    return _taaf_flat(p) or (_taaf_base(p).monotonic and p["alpha"] * p["beta"] > 0)


def _taaf_kinks(p) -> tuple[Kink, ...]:
    if _taaf_flat(p):
        return ()
    steep, found = p["alpha"] * p["beta"], []
    for kink in _taaf_base(p).kinks:
        sides = (kink.left, kink.right) if p["beta"] > 0 else (kink.right, kink.left)
        at = (kink.at - p["gamma"]) / p["beta"]
        found.append(Kink(at=at, left=steep * sides[0], right=steep * sides[1], chosen=steep * kink.chosen))
    return tuple(found)


@activation(
    family="blend",
    formula="alpha*("
    + " else ".join(f"{f} if base=='{name}'" for name, f in _BASE_FORMULAS.items())
    + " else 0)+delta",
    parameters={
        "alpha": (REALS, "vertical scale"),
        "beta": (REALS, "horizontal scale"),
        "gamma": (REALS, "shift before the base function"),
        "delta": (REALS, "shift after it"),
        "base": (tuple(_BASES), "the base function's name"),
    },
    range=_taaf_range,
    monotonic=_taaf_monotonic,
    smoothness=lambda p: "Cinf" if _taaf_flat(p) else _taaf_base(p).smoothness,
    kinks=_taaf_kinks,
    lipschitz=lambda p: abs(p["alpha"] * p["beta"]) * _taaf_base(p).lipschitz,
    limits=_taaf_limits,
    turning=lambda p: (
        () if _taaf_flat(p) else tuple(sorted((t - p["gamma"]) / p["beta"] for t in _taaf_base(p).turning))
    ),
    reference="Kunc, Kléma 2021, doi:10.1371/journal.pone.0243915; Kunc 2024, arXiv:2402.09249",
)
def taaf(
    x: ArrayLike,
    *,
    alpha: ArrayLike = 1.0,
    beta: ArrayLike = 1.0,
    gamma: ArrayLike = 0.0,
    delta: ArrayLike = 0.0,
    base: str = "tanh",
) -> Array:
    r"""Transformative adaptive activation function: another function, scaled and shifted both ways.

    .. math:: f(x) = \alpha\, g(\beta x + \gamma) + \delta, \qquad f'(x) = \alpha \beta\, g'(\beta x + \gamma)

    Range, limits, kinks and smoothness are those of the base function g, transformed. By default g itself, tanh.

    Args:
        x: real array.
        alpha: vertical scale, any finite real.
        beta: horizontal scale, any finite real.
        gamma: shift before the base function, any finite real.
        delta: shift after it, any finite real.
        base: name of the base function: tanh, sigmoid, relu, elu, silu, softplus or identity.

    Raises:
        InputError: no base function has that name.

    Kunc, Kléma 2021, On transformative adaptive activation functions in neural networks for gene expression
    inference, doi:10.1371/journal.pone.0243915; compared with others in Kunc 2024, arXiv:2402.09249.

    >>> print(f"{taaf(1.0, alpha=2.0, delta=-1.0, base='sigmoid'):.4f}")
    0.4621
    """
    if base not in _BASES:
        raise InputError(f"taaf: base={base!r} is none of {', '.join(_BASES)}")
    return _taaf_rule(base)(x, alpha, beta, gamma, delta)


def _inside(x: Array, beta: Array, gamma: Array) -> Array:
    return jnp.where((beta == 0) & jnp.isinf(x), 0.0, beta * x) + gamma


@functools.cache
def _taaf_rule(base: str):
    g = _BASES[base]

    def value(x: Array, alpha: Array, beta: Array, gamma: Array, delta: Array) -> Array:
        y = g(_inside(x, beta, gamma))
        return jnp.where((alpha == 0) & jnp.isinf(y), 0.0, alpha * y) + delta

    def slope(x: Array, alpha: Array, beta: Array, gamma: Array, delta: Array) -> Array:
        return (alpha * beta) * _derivative(g, _inside(x, beta, gamma))

    def by_beta(x: Array, alpha: Array, beta: Array, gamma: Array, delta: Array) -> Array:
        top = float(jnp.finfo(x.dtype).max)
        return (alpha * _derivative(g, _inside(x, beta, gamma))) * jnp.clip(x, -top, top)

    return keep_input(value, slope, None, by_beta)
