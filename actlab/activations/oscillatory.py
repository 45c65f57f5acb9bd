r"""Oscillatory functions: sines, and sines that grow, fade or quicken.

XLA's sine is right to half a unit at every argument in float32 and float64; the argument is what goes wrong.
Rounding :math:`w x` moves the phase by :math:`\epsilon w x / 2`, which at a crest (where f' = 0) is more than
the rounding of x explains. So the product is carried in two numbers, the rounded product and what rounding
took away, and the sine is corrected by the second, at about twice the cost. Nothing is lost, and
the plain sine taken, where the frequency is a number and a power of two.

At infinity a sine has no limit: NaN. Where the product overflows while x is finite, the phase is arbitrary.
"""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Callable

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.spec import POSITIVE, REALS, Interval, activation
from actlab.gradients import by_precision, keep_input

_NONE = (math.nan, math.nan)
_UNIT = Interval(-1.0, 1.0)


def _finite_product(a: Array, b: Array) -> Array:
    """Return ``a * b``; an overflow of finite numbers ends at the largest."""
    product = a * b
    over = jnp.isinf(product) & jnp.isfinite(a) & jnp.isfinite(b)
    return jnp.where(over, jnp.sign(product) * float(jnp.finfo(product.dtype).max), product)


def product(a: Array, b: Array) -> tuple[Array, Array]:
    """Return ``a * b`` rounded, and the rounding error."""
    whole = _finite_product(a, b)
    # Dekker's product: halves of 12 (26) bits multiply exactly.
    bits, exponent = by_precision(whole, 11, 25), by_precision(whole, 8, 11)
    a_high, b_high = (lax.reduce_precision(v, exponent, bits) for v in (a, b))
    a_low, b_low = a - a_high, b - b_high
    error = ((a_high * b_high - whole) + a_high * b_low + a_low * b_high) + a_low * b_low
    # Below 1 rounding x costs more, and halves may be flushed; where a half overflows the error is not finite.
    return whole, jnp.where((jnp.abs(whole) > 1.0) & jnp.isfinite(error), error, 0.0)


def _turned(high: Array, low: Array) -> tuple[Array, Array]:
    """Return the sine and cosine of ``high + low``."""
    s, c, s_low, c_low = jnp.sin(high), jnp.cos(high), jnp.sin(low), jnp.cos(low)
    return s * c_low + c * s_low, c * c_low - s * s_low


def phase(x: Array, w: Array) -> tuple[Array, Array]:
    """Return sin(w x) and cos(w x)."""
    return _turned(*product(x, w))


def _plain_phase(x: Array, w: Array) -> tuple[Array, Array]:
    """Return the same where the product is exact."""
    angle = _finite_product(x, w)
    return jnp.sin(angle), jnp.cos(angle)


def _towers(pair: Callable[[Array, Array], tuple[Array, Array]]) -> tuple[Callable, Callable]:
    """Return the rules of sin(w x) and cos(w x): each is made of the other, so exact in every order."""
    sine = keep_input(
        lambda x, w: pair(x, w)[0], lambda x, w: w * cosine(x, w), lambda x, w: x * cosine(x, w)
    )
    cosine = keep_input(
        lambda x, w: pair(x, w)[1], lambda x, w: -w * sine(x, w), lambda x, w: -x * sine(x, w)
    )
    return sine, cosine


_BY_EXACT = {False: _towers(phase), True: _towers(_plain_phase)}


def _rules(w: ArrayLike) -> tuple[Callable, Callable]:
    """Return the rules of sine and cosine for a frequency: powers of two multiply exactly."""
    return _BY_EXACT[isinstance(w, numbers.Real) and w > 0 and math.frexp(w)[0] == 0.5]


@activation(
    family="oscillatory",
    formula="sin(w*x)",
    parameters={"w": (POSITIVE, "angular frequency")},
    range=_UNIT,
    monotonic=False,
    smoothness="Cinf",
    lipschitz=lambda p: p["w"],
    limits=_NONE,
    turning=None,
    reference="Parascandolo, Huttunen, Virtanen 2017, Taming the waves; Martens et al. 2021, arXiv:2110.01765",
    peers={"jax": "jax.numpy.sin", "torch": "torch.sin"},
)
def sin(x: ArrayLike, *, w: ArrayLike = 1.0) -> Array:
    r"""Sine.

    .. math:: f(x) = \sin(w x), \qquad f'(x) = w \cos(w x)

    Range [-1, 1]; no limits: NaN at -inf and inf. Smooth, turning infinitely often. w-Lipschitz.

    Args:
        x: real array.
        w: angular frequency, positive.

    Sopena, Romero, Alquézar 1999, doi:10.1049/cp:19991129; Parascandolo, Huttunen, Virtanen 2017, Taming the
    waves: sine as activation function in deep neural networks.

    >>> print(f"{sin(2.0):.4f}")
    0.9093
    """
    return _rules(w)[0](x, w)


@activation(
    family="oscillatory",
    formula="sin(w0*x)",
    parameters={"w0": (POSITIVE, "angular frequency")},
    range=_UNIT,
    monotonic=False,
    smoothness="Cinf",
    lipschitz=lambda p: p["w0"],
    limits=_NONE,
    turning=None,
    reference="Sitzmann et al. 2020, arXiv:2006.09661",
)
def siren_sine(x: ArrayLike, *, w0: ArrayLike = 30.0) -> Array:
    r"""Sine of a sinusoidal representation network: `sin` at the frequency 30.

    .. math:: f(x) = \sin(\omega_0 x), \qquad f'(x) = \omega_0 \cos(\omega_0 x)

    Range [-1, 1]; no limits: NaN at -inf and inf. Smooth, turning infinitely often. w0-Lipschitz.
    Meant for weights uniform in :math:`\pm\sqrt{6/n}/\omega_0` (first layer: :math:`\pm 1/n`) of n inputs.

    Args:
        x: real array.
        w0: angular frequency, positive.

    Sitzmann, Martel, Bergman, Lindell, Wetzstein 2020, arXiv:2006.09661.

    >>> print(f"{siren_sine(0.05):.4f}")
    0.9975
    """
    return _rules(w0)[0](x, w0)


@activation(
    family="oscillatory",
    formula="cos(w*x)",
    parameters={"w": (POSITIVE, "angular frequency")},
    range=_UNIT,
    monotonic=False,
    smoothness="Cinf",
    lipschitz=lambda p: p["w"],
    limits=_NONE,
    turning=None,
    reference="Martens et al. 2021, arXiv:2110.01765",
    peers={"jax": "jax.numpy.cos", "torch": "torch.cos"},
)
def cos(x: ArrayLike, *, w: ArrayLike = 1.0) -> Array:
    r"""Cosine.

    .. math:: f(x) = \cos(w x), \qquad f'(x) = -w \sin(w x)

    Range [-1, 1]; no limits: NaN at -inf and inf. Smooth, turning infinitely often. w-Lipschitz.

    Args:
        x: real array.
        w: angular frequency, positive.

    Standard; among the functions of Martens et al. 2021, arXiv:2110.01765.

    >>> print(f"{cos(2.0):.4f}")
    -0.4161
    """
    return _rules(w)[1](x, w)


@activation(
    family="oscillatory",
    formula="x*cos(x)",
    range=REALS,
    monotonic=False,
    smoothness="Cinf",
    lipschitz=math.inf,
    limits=_NONE,
    turning=None,
    reference="Noel, Arunkumar, Trivedi, Dutta 2021, arXiv:2108.12943",
)
def gcu(x: ArrayLike) -> Array:
    r"""Growing cosine unit: a cosine whose size is x.

    .. math:: f(x) = x \cos x, \qquad f'(x) = \cos x - x \sin x

    Range: all reals; no limits: NaN at -inf and inf. Smooth, turning infinitely often. f' is unbounded, so f
    is not Lipschitz.

    Noel, Arunkumar, Trivedi, Dutta 2021, arXiv:2108.12943.

    >>> print(f"{gcu(2.0):.4f}")
    -0.8323
    """
    return _gcu(x)


_gcu = keep_input(
    lambda x: x * jnp.cos(x),
    keep_input(
        lambda x: jnp.cos(x) - x * jnp.sin(x),
        lambda x: -2.0 * jnp.sin(x) - x * jnp.cos(x),
    ),
)


@activation(
    family="oscillatory",
    formula="sinc(x)",
    range=Interval(-0.21723362821122166, 1.0),
    monotonic=False,
    smoothness="Cinf",
    lipschitz=0.4361826970072987,  # at 2.0815759778181
    limits=(0.0, 0.0),
    turning=None,
    reference="standard; Saratchandran et al. 2024, arXiv:2402.05427",
    peers={"jax": "jax.numpy.sinc(x / jax.numpy.pi)", "torch": "torch.sinc(x / torch.pi)"},
    differs="Those are the normalised sin(pi x) / (pi x), NaN at -inf and inf; f' cancels near 0, and torch's second "
    "derivative at 0 is NaN, not -1/3.",
)
def sinc(x: ArrayLike) -> Array:
    r"""Unnormalised sinc: sin x / x.

    .. math:: f(x) = \frac{\sin x}{x}, \quad f(0) = 1, \qquad f'(x) = \frac{\cos x - f(x)}{x}

    Range [-0.21723, 1]; limits 0 and 0. Smooth, at 0 too, where f' = 0 and f'' = -1/3; turning infinitely
    often. 0.43618-Lipschitz.

    Standard; as an activation in Saratchandran, Ramasinghe, Shevchenko, Long, Lucey 2024, arXiv:2402.05427.

    >>> print(f"{sinc(2.0):.4f} {sinc(0.0):.1f}")
    0.4546 1.0
    """
    return _sinc(x)


def _sinc_series(x: Array, order: int) -> Array:
    """Return the ``order``-th derivative of the Taylor polynomial, right to rounding up to x = 2."""
    terms = by_precision(x, 9, 14)
    total = jnp.zeros_like(x)
    for k in range(terms, -(-order // 2) - 1, -1):
        total = total * x * x + (-1) ** k * math.perm(2 * k, order) / math.factorial(2 * k + 1)
    return total * x if order % 2 else total


def _sinc_by_parts(x: Array, order: int) -> Array:
    """Return f, f' or f'' of sin x / x."""
    near = jnp.abs(x) < 2.0
    far = jnp.where(near | jnp.isinf(x), 2.0, x)
    s, c = jnp.sin(far), jnp.cos(far)
    value = s / far
    slope = (c - value) / far
    tail = (value, slope, -value - 2.0 * slope / far)[order]
    return jnp.where(near, _sinc_series(jnp.where(near, x, 0.0), order), jnp.where(jnp.isinf(x), 0.0, tail))


_sinc = keep_input(
    lambda x: _sinc_by_parts(x, 0),
    keep_input(lambda x: _sinc_by_parts(x, 1), lambda x: _sinc_by_parts(x, 2)),
)


@activation(
    family="oscillatory",
    formula="sin(w0*(abs(x)+1)*x)",
    parameters={"w0": (POSITIVE, "angular frequency at 0")},
    range=_UNIT,
    monotonic=False,
    smoothness="C1",
    lipschitz=math.inf,
    limits=_NONE,
    turning=None,
    reference="Liu et al. 2023, arXiv:2312.02434",
)
def finer(x: ArrayLike, *, w0: ArrayLike = 30.0) -> Array:
    r"""Variable-periodic sine: the frequency grows with the distance from 0.

    .. math:: f(x) = \sin(\omega_0 (|x| + 1) x), \qquad f'(x) = \omega_0 (2 |x| + 1) \cos(\omega_0 (|x| + 1) x)

    Range [-1, 1]; no limits: NaN at -inf and inf. Continuously differentiable; at 0 f'' jumps from
    :math:`-2\omega_0` to :math:`2\omega_0` and 0 is taken. Turning infinitely often. f' is unbounded.
    Meant for the weights of `siren_sine` and first-layer biases uniform in :math:`\pm k`. The authors' code
    by default holds :math:`|x| + 1` constant in the backward pass; here, as in the paper's formula, f' is f's.

    Args:
        x: real array.
        w0: angular frequency at 0, positive.

    Liu, Zhu, Zhang, Fu, Deng, Ma, Guo, Cao 2023, arXiv:2312.02434.

    >>> print(f"{finer(0.05):.4f}")
    1.0000
    """
    return _finer(x, w0)


def _finer_top(x: Array) -> float:
    """Return the largest slope: beyond, the phase and so the sign is arbitrary; rounds to no infinity."""
    return by_precision(x, float.fromhex("0x1.fep127"), sys.float_info.max)


def _finer_parts(x: Array, w0: Array) -> tuple[Array, Array, Array]:
    """Return sin and cos of the phase, and f' / cos, which stays finite."""
    size = jnp.abs(x)
    grown = size + 1.0
    # What rounding took from |x| + 1: Knuth's sum.
    back = grown - size
    lost = jnp.where(jnp.isfinite(grown), (size - (grown - back)) + (1.0 - back), 0.0)
    inner, low = product(x, grown)
    high, error = product(w0, inner)
    low = w0 * (low + jnp.where(size < 1e8, x, 0.0) * lost) + error
    low = jnp.where(jnp.isfinite(low), low, 0.0)
    # The low part matters: a square soon outgrows float32, for half of float16's inputs by more than 1.
    return *_turned(high, low), jnp.minimum(w0 * (2.0 * size + 1.0), _finer_top(x))


def _finer_slope(x: Array, w0: Array) -> Array:
    _, c, rate = _finer_parts(x, w0)
    top = _finer_top(x)
    return rate * jnp.where(rate < top, c, jnp.sign(c))


def _finer_curvature(x: Array, w0: Array) -> Array:
    s, c, rate = _finer_parts(x, w0)
    top = _finer_top(x)
    square = jnp.minimum(rate * rate, top)
    bent = 2.0 * w0 * jnp.sign(x) * c - square * jnp.where(square < top, s, jnp.sign(s))
    return jnp.clip(bent, -top, top)


def _finer_by_w0(x: Array, w0: Array) -> Array:
    top = _finer_top(x)
    _, c, _ = _finer_parts(x, w0)
    return jnp.clip((jnp.abs(x) + 1.0) * x, -top, top) * c


_finer = keep_input(
    lambda x, w0: _finer_parts(x, w0)[0],
    keep_input(_finer_slope, _finer_curvature),
    _finer_by_w0,
)
