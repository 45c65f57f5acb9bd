r"""Self-gated functions: x times a gate that opens as x grows.

All are smooth, dip below zero left of the origin and approach the identity on the right. Two dangers shape
the formulas. On the left a CPU flushes an intermediate such as :math:`e^{-90}` to zero while the result is
still a normal number: so exponentials are split in two halves and the large factor is multiplied between
them. In both tails something like :math:`x^2 \cdot 0` turns into NaN: so x is clipped where the limit is
already reached.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.spec import REALS, Interval, activation
from actlab.gradients import by_precision, keep_input


def finite(x: Array) -> Array:
    """Return x with infinities replaced by the largest numbers, so that times zero they give zero."""
    top = float(jnp.finfo(x.dtype).max)
    return jnp.clip(x, -top, top)


def clipped(z: Array) -> Array:
    """Return z clipped to where exp(-abs(z) / 2) has become 0, so that z times it is no NaN."""
    end = by_precision(z, 210.0, 1500.0)
    return jnp.clip(z, -end, end)


def halves(exponent: Array) -> tuple[Array, Array]:
    """Return exp(exponent / 2) and exp(exponent), for the price of one exponential.

    The compiler rewrites exp(a) * exp(a) as a second exponential, exp(a + a); the factor 2 hides the square.
    """
    half = jnp.exp(0.5 * exponent)
    return half, 0.5 * ((2.0 * half) * half)


def x_sigmoid(x: Array, gate: Array) -> Array:
    """Return x * sigmoid(gate) without flushing."""
    half, e = halves(-jnp.abs(gate))
    return jnp.where(gate >= 0, x, (finite(x) * half) * half) / (1.0 + e)


def _swish_facts(p, at_zero, positive, negative):
    beta = p["beta"]
    return at_zero if beta == 0 else positive(beta) if beta > 0 else negative(beta)


_SILU_TURNING = -1.2784645427610738
_SILU_LOW = -0.2784645427610738
_SILU_STEEPEST = 1.0998393201288669  # at 2.3993572805154167


def _swish_range(p):
    return _swish_facts(
        p, REALS, lambda b: Interval(_SILU_LOW / b, math.inf), lambda b: Interval(-math.inf, _SILU_LOW / b)
    )


def _swish_limits(p):
    return _swish_facts(p, (-math.inf, math.inf), lambda b: (0.0, math.inf), lambda b: (-math.inf, 0.0))


@activation(
    family="self-gated",
    formula="x/(1+exp(-beta*x))",
    parameters={"beta": (REALS, "sharpness of the gate")},
    range=_swish_range,
    monotonic=lambda p: p["beta"] == 0,
    smoothness="Cinf",
    lipschitz=lambda p: 0.5 if p["beta"] == 0 else _SILU_STEEPEST,
    limits=_swish_limits,
    turning=lambda p: () if p["beta"] == 0 else (_SILU_TURNING / p["beta"],),
    reference="Ramachandran, Zoph, Le 2017, arXiv:1710.05941",
    aliases=("acon_a",),
    peers={"jax": "jax.nn.swish", "keras": "keras.activations.swish"},
    differs="The swish of jax.nn and keras has beta = 1 fixed and is silu.",
)
def swish(x: ArrayLike, *, beta: ArrayLike = 1.0) -> Array:
    r"""Swish: x times a sigmoid gate of adjustable sharpness.

    .. math:: f(x) = x\, \sigma(\beta x), \qquad f'(x) = \sigma(z)(1 + z\, \sigma(-z)), \quad z = \beta x

    Range [-0.2785 / beta, inf) for beta > 0; limits 0 and inf; smooth, turning at -1.2785 / beta.
    1.0998-Lipschitz whatever beta. beta = 0 is x / 2, large beta tends to relu, a negative beta mirrors it:
    f(x; -beta) = -f(-x; beta).

    Args:
        x: real array.
        beta: sharpness of the gate; any finite real.

    Ramachandran, Zoph, Le 2017, arXiv:1710.05941.

    >>> import jax.numpy as jnp
    >>> swish(jnp.array([-jnp.inf, 2.0]), beta=0.0)
    Array([-inf,   1.], dtype=float32)
    """
    return _swish(x, beta)


@activation(
    family="self-gated",
    formula="x/(1+exp(-x))",
    range=Interval(_SILU_LOW, math.inf),
    monotonic=False,
    smoothness="Cinf",
    lipschitz=_SILU_STEEPEST,
    limits=(0.0, math.inf),
    turning=(_SILU_TURNING,),
    reference="Hendrycks, Gimpel 2016, arXiv:1606.08415; Elfwing, Uchibe, Doya 2017, arXiv:1702.03118",
    aliases=("swish_1",),
    peers={
        "jax": "jax.nn.silu",
        "torch": "torch.nn.functional.silu",
        "keras": "keras.activations.silu",
        "timm": "timm.layers.swish",
    },
    differs="All four return NaN at -inf, and for both limits of f'.",
)
def silu(x: ArrayLike) -> Array:
    r"""Sigmoid-weighted linear unit: swish at beta = 1.

    .. math:: f(x) = x\, \sigma(x), \qquad f'(x) = \sigma(x)(1 + x\, \sigma(-x))

    Range [-0.2785, inf); limits 0 and inf; smooth, turning at -1.2785. 1.0998-Lipschitz.

    Hendrycks, Gimpel 2016, arXiv:1606.08415; Elfwing, Uchibe, Doya 2017, arXiv:1702.03118.

    >>> print(f"{silu(2.0):.4f}")
    1.7616
    """
    return _swish(x, 1.0)


swish_1 = silu
acon_a = swish


def _swish_value(x: Array, beta: Array) -> Array:
    return x_sigmoid(x, beta * finite(x))


def _silu_slope_value(z: Array) -> Array:
    half, e = halves(-jnp.abs(z))
    z, below = clipped(z), 1.0 + e
    return jnp.where(z >= 0, below + z * e, ((below + z) * half) * half) / (below * below)


def scaled_silu_curvature(z: Array, scale: Array | float) -> Array:
    """Return scale * silu''(z), normal wherever the product is."""
    half, e = halves(-jnp.abs(z))
    z, below = clipped(z), 1.0 + e
    return ((scale * (2.0 - jnp.abs(z) * (1.0 - e) / below)) * half) * half / (below * below)


def _silu_curvature_value(z: Array) -> Array:
    return scaled_silu_curvature(z, 1.0)


def _silu_third(z: Array) -> Array:
    half, e = halves(-jnp.abs(z))
    z, below = clipped(z), 1.0 + e
    steep = jnp.tanh(0.5 * z)
    bracket = z * (steep * steep - 2.0 * e / (below * below)) - 3.0 * steep
    return (bracket * half) * half / (below * below)


silu_curvature = keep_input(_silu_curvature_value, _silu_third)
silu_slope = keep_input(_silu_slope_value, silu_curvature)


def _swish_slope_value(x: Array, beta: Array) -> Array:
    return silu_slope(beta * finite(x))


def _swish_curvature(x: Array, beta: Array) -> Array:
    return scaled_silu_curvature(beta * finite(x), beta)


def _swish_by_beta(x: Array, beta: Array) -> Array:
    x = finite(x)
    half, e = halves(-jnp.abs(beta * x))
    return (x * half / (1.0 + e)) ** 2  # x^2 sigmoid'(beta x)


_swish = keep_input(_swish_value, keep_input(_swish_slope_value, _swish_curvature), _swish_by_beta)


@activation(
    family="self-gated",
    formula="x*sigmoid(1.702*x)",
    range=Interval(_SILU_LOW / 1.702, math.inf),
    monotonic=False,
    smoothness="Cinf",
    lipschitz=_SILU_STEEPEST,
    limits=(0.0, math.inf),
    turning=(_SILU_TURNING / 1.702,),
    reference="Hendrycks, Gimpel 2016, arXiv:1606.08415; Radford et al. 2021, arXiv:2103.00020",
    aliases=("gelu_sigmoid",),
    peers={"timm": "timm.layers.quick_gelu"},
    differs="timm returns NaN at -inf, and for both limits of f'.",
)
def quick_gelu(x: ArrayLike) -> Array:
    r"""GELU by a sigmoid: swish at beta = 1.702, the approximation of `gelu` that CLIP was trained with.

    .. math:: f(x) = x\, \sigma(1.702\, x)

    Range [-0.1636, inf); limits 0 and inf; smooth, turning at -0.7512. 1.0998-Lipschitz.
    Differs from `gelu` by at most 0.0203.

    Hendrycks, Gimpel 2016, arXiv:1606.08415; Radford et al. 2021, arXiv:2103.00020.

    >>> print(f"{quick_gelu(2.0):.4f}")
    1.9357
    """
    return _swish(x, 1.702)


gelu_sigmoid = quick_gelu


@activation(
    family="self-gated",
    formula="x*tanh(log(1+exp(x)))",
    range=Interval(-0.3088434130172504, math.inf),
    monotonic=False,
    smoothness="Cinf",
    lipschitz=1.0884981612517279,  # at 1.4905711794854284
    limits=(0.0, math.inf),
    turning=(-1.1924312145154952,),
    reference="Misra 2019, arXiv:1908.08681",
    peers={
        "jax": "jax.nn.mish",
        "torch": "torch.nn.functional.mish",
        "keras": "keras.activations.mish",
        "timm": "timm.layers.mish",
    },
    differs="All four return NaN at -inf, and for both limits of f'.",
)
def mish(x: ArrayLike) -> Array:
    r"""Mish: x times the tanh of its softplus.

    .. math:: f(x) = x \tanh(\log(1 + e^x)) = x\, \frac{w (w + 2)}{w (w + 2) + 2}, \qquad w = e^x

    Range [-0.30884, inf); limits 0 and inf; smooth, turning at -1.1924. 1.0885-Lipschitz.
    Written as a quotient in :math:`e^{-|x|}`, which needs one exponential and loses no digits in either tail.

    Misra 2019, arXiv:1908.08681.

    >>> print(f"{mish(2.0):.4f}")
    1.9440
    """
    return _mish(x)


def _mish_value(x: Array) -> Array:
    half, e = halves(-jnp.abs(x))
    right = x * (1.0 + 2.0 * e)
    left = ((finite(x) * half) * half) * (2.0 + e)
    return jnp.where(x > 0, right, left) / _mish_below(x, e)


def _mish_below(x: Array, e: Array) -> Array:
    """Return the denominator w (w + 2) + 2, on the right times exp(-2 x), which keeps it finite."""
    return jnp.where(x > 0, 1.0 + 2.0 * e * (1.0 + e), 2.0 + e * (2.0 + e))


def _mish_slope_value(x: Array) -> Array:
    half, e = halves(-jnp.abs(x))
    x, below = clipped(x), _mish_below(x, e)
    right = 1.0 + e * (4.0 + e * (4.0 * x + 6.0 + e * 4.0 * (x + 1.0)))
    left = ((4.0 * (x + 1.0) + e * (4.0 * x + 6.0 + e * (4.0 + e))) * half) * half
    return jnp.where(x > 0, right, left) / (below * below)


def _mish_curvature(x: Array) -> Array:
    half, e = halves(-jnp.abs(x))
    x, below = clipped(x), _mish_below(x, e)
    right = 2.0 + e * (6.0 + e * (8.0 + 4.0 * e)) - x * (2.0 + e * (3.0 - e * (2.0 + 2.0 * e)))
    left = 4.0 + e * (8.0 + e * (6.0 + 2.0 * e)) + x * (2.0 + e * (2.0 - e * (3.0 + 2.0 * e)))
    return jnp.where(x > 0, (4.0 * right * e) * e, (4.0 * left * half) * half) / below**3


_mish = keep_input(_mish_value, keep_input(_mish_slope_value, _mish_curvature))
