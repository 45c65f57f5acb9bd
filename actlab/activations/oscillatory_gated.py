"""Oscillatory functions behind a gate that shuts on the left."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.oscillatory import phase
from actlab.activations.roots import roots
from actlab.activations.selfgated import clipped, finite, halves, x_sigmoid
from actlab.activations.spec import REALS, Interval, activation
from actlab.gradients import keep_input


def _sinlu_numbers(x: float, a: float, b: float) -> tuple[float, float, float]:
    """Return f, f', f'' at a number."""
    s = 1.0 / (1.0 + math.exp(-x)) if x > 0 else math.exp(x) / (1.0 + math.exp(x))
    t = 1.0 - s if x < 0 else math.exp(-x) * s
    wave, ripple = a * math.sin(b * x), a * b * math.cos(b * x)
    u = x + wave
    return u * s, s * (1.0 + ripple + u * t), s * (-b * b * wave + t * (2.0 * (1.0 + ripple) + u * (t - s)))


def _sinlu_zeros(p, order: int, low: float, high: float) -> list[float]:
    """Return the zeros of f' or f'' between two numbers."""
    cells = int(min(20_000, max(400, 40 * (high - low) * (1.0 + abs(p["b"])))))
    return roots(lambda x: _sinlu_numbers(x, **p)[order], low, high, cells)


def _sinlu_reach(p) -> float:
    """Return a number; left of minus that f falls, right of that x outweighs the sine."""
    return 3.0 + abs(p["a"]) * (1.0 + abs(p["b"]))


def _sinlu_turning(p):
    if abs(p["a"] * p["b"]) > 1.0:
        return None
    return tuple(_sinlu_zeros(p, 1, -_sinlu_reach(p), 0.5))


def _sinlu_range(p):
    low = [_sinlu_numbers(x, **p)[0] for x in _sinlu_zeros(p, 1, -_sinlu_reach(p), _sinlu_reach(p))]
    return Interval(min(low), math.inf)


def _sinlu_lipschitz(p):
    steep = _sinlu_zeros(p, 2, -_sinlu_reach(p), 40.0 + _sinlu_reach(p))
    return max(1.0 + abs(p["a"] * p["b"]), *(abs(_sinlu_numbers(x, **p)[1]) for x in steep))


@activation(
    family="oscillatory",
    formula="(x+a*sin(b*x))*sigmoid(x)",
    parameters={"a": (REALS, "height of the wave"), "b": (REALS, "its angular frequency")},
    range=_sinlu_range,
    monotonic=False,
    smoothness="Cinf",
    lipschitz=_sinlu_lipschitz,
    limits=(0.0, math.inf),
    turning=_sinlu_turning,
    reference="Paul, Bandyopadhyay, Yoon, Geem, Sarkar 2022, Mathematics 10(3), 337",
)
def sinlu(x: ArrayLike, *, a: ArrayLike = 1.0, b: ArrayLike = 1.0) -> Array:
    r"""Sinu-sigmoidal linear unit: a line with a wave on it, times a sigmoid.

    .. math:: f(x) = (x + a \sin(bx))\,\sigma(x), \qquad
              f'(x) = (1 + a b \cos(bx))\,\sigma(x) + (x + a \sin(bx))\,\sigma(x)\,\sigma(-x)

    Range [-0.4974, inf) at the defaults; limits 0 and inf. Smooth, turning at -1.0829 at the defaults; beyond
    abs(a b) = 1 it turns infinitely often on the right. 2.0080-Lipschitz at the defaults: on the right f' swings
    between 1 - a b and 1 + a b; at inf, where it has no limit, its mean, 1, is returned.

    Args:
        x: real array.
        a: height of the wave; any finite real. Learnt in the paper.
        b: angular frequency of the wave; any finite real. Learnt in the paper.

    Paul, Bandyopadhyay, Yoon, Geem, Sarkar 2022, SinLU: Sinu-Sigmoidal Linear Unit,
    doi:10.3390/math10030337.

    >>> print(f"{sinlu(2.0):.4f}")
    2.5625
    """
    return _sinlu(x, a, b)


def _sinlu_value(x: Array, a: Array, b: Array) -> Array:
    bounded = finite(x)
    return x_sigmoid(jnp.where(jnp.isinf(x), x, bounded + a * phase(bounded, b)[0]), x)


def _sinlu_parts(x: Array, a: Array, b: Array) -> tuple[Array, ...]:
    """Return a sin(b x), 1 + a b cos(b x), x clipped plus the wave, exp(-abs(x) / 2), its square and 1 plus that."""
    sine, cosine = phase(finite(x), b)
    # 1 + c cos t, c = a b, cancels where c cos t is near -1; sin^2 / (1 - cos) does not.
    size, cosine = jnp.abs(a * b), jnp.where(a * b < 0, -cosine, cosine)
    rise = (1.0 - size) + size * jnp.where(cosine < 0, sine * sine / (1.0 - cosine), 1.0 + cosine)
    half, e = halves(-jnp.abs(x))
    return a * sine, rise, clipped(x) + a * sine, half, e, 1.0 + e


def _sinlu_slope_value(x: Array, a: Array, b: Array) -> Array:
    _, rise, u, half, _, below = _sinlu_parts(x, a, b)
    right = rise + ((u / below) * half) * half
    left = ((rise + u / below) * half) * half
    return jnp.where(jnp.isinf(x), jnp.where(x > 0, 1.0, 0.0), jnp.where(x > 0, right, left) / below)


def _sinlu_curvature(x: Array, a: Array, b: Array) -> Array:
    wave, rise, u, half, _, below = _sinlu_parts(x, a, b)
    both = (2.0 * rise - u * jnp.tanh(0.5 * x)) / below
    fade = -b * b * wave
    right = fade + (both * half) * half
    left = ((fade + both) * half) * half
    return jnp.where(jnp.isinf(x), 0.0, jnp.where(x > 0, right, left) / below)


def _sinlu_by_a(x: Array, a: Array, b: Array) -> Array:
    return x_sigmoid(phase(finite(x), b)[0], x)


def _sinlu_by_b(x: Array, a: Array, b: Array) -> Array:
    bounded = finite(x)
    return x_sigmoid(a * bounded * phase(bounded, b)[1], x)


_sinlu = keep_input(_sinlu_value, keep_input(_sinlu_slope_value, _sinlu_curvature), _sinlu_by_a, _sinlu_by_b)
