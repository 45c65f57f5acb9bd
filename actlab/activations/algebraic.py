r"""Saturating and slowly growing functions whose tails are powers or logarithms, not exponentials.

Two dangers shape the formulas: :math:`x^2` overflows long before the result has reached its limit, and
:math:`\infty / \infty` is NaN. So derivatives are powers of a reciprocal, which can only flush to the zero they
tend to, and infinities are replaced by the largest number where a quotient needs it.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.spec import REALS, Interval, activation
from actlab.gradients import by_precision, keep_input


def finite(x: Array) -> Array:
    """Return x with infinities replaced by the largest numbers."""
    top = float(jnp.finfo(x.dtype).max)
    return jnp.clip(x, -top, top)


@activation(
    family="saturating",
    formula="x/(1+abs(x))",
    range=Interval(-1.0, 1.0, open_low=True, open_high=True),
    monotonic=True,
    smoothness="C1",
    lipschitz=1.0,
    limits=(-1.0, 1.0),
    reference="Bergstra, Desjardins, Lamblin, Bengio 2009; Turian, Bergstra, Bengio 2009",
    aliases=("soft_sign",),
    peers={
        "jax": "jax.nn.soft_sign",
        "torch": "torch.nn.functional.softsign",
        "keras": "keras.activations.softsign",
    },
    differs="All three return NaN at -inf and inf, f' too.",
)
def softsign(x: ArrayLike) -> Array:
    r"""Softsign: an odd sigmoid whose tails approach their limits as 1/x.

    .. math:: f(x) = \frac{x}{1 + |x|}, \qquad f'(x) = \frac{1}{(1 + |x|)^2}

    Range (-1, 1); limits -1 and 1; odd and increasing. Continuously differentiable: f'' jumps from 2 to -2 at
    0, where 0 is taken. 1-Lipschitz.

    Args:
        x: real array.

    Bergstra, Desjardins, Lamblin, Bengio 2009, Quadratic polynomials learn better image features;
    Turian, Bergstra, Bengio 2009, Quadratic features and deep architectures for chunking.

    >>> import jax.numpy as jnp
    >>> softsign(jnp.array([1.0, -jnp.inf]))
    Array([ 0.5, -1. ], dtype=float32)
    """
    return _softsign(x)


soft_sign = softsign


def _reciprocal(x: Array) -> Array:
    return 1.0 / (1.0 + jnp.abs(x))


def _softsign_value(x: Array) -> Array:
    x = finite(x)
    return x / (1.0 + jnp.abs(x))


def _softsign_slope_value(x: Array) -> Array:
    r = _reciprocal(x)
    return r * r


def _softsign_curvature(x: Array) -> Array:
    r = _reciprocal(x)
    return -2.0 * jnp.sign(x) * r * r * r


_softsign_slope = keep_input(_softsign_slope_value, _softsign_curvature)
_softsign = keep_input(_softsign_value, _softsign_slope)


@activation(
    family="saturating",
    formula="0.5*x/(1+abs(x))+0.5",
    range=Interval(0.0, 1.0, open_low=True, open_high=True),
    monotonic=True,
    smoothness="C1",
    lipschitz=0.5,
    limits=(0.0, 1.0),
    reference="Elliott 1993, University of Maryland, ISR technical report 93-8",
)
def elliott(x: ArrayLike) -> Array:
    r"""Elliott's sigmoid: `softsign` moved onto (0, 1).

    .. math:: f(x) = \frac{x}{2(1 + |x|)} + \frac12, \qquad f'(x) = \frac{1}{2(1 + |x|)^2}

    Range (0, 1); limits 0 and 1; increasing. Continuously differentiable: f'' jumps from 1 to -1 at 0, where 0
    is taken. 1/2-Lipschitz. Left of 0 it is computed as 1 / (2(1 + abs(x))), which does not cancel.

    Args:
        x: real array.

    Elliott 1993, A better activation function for artificial neural networks, ISR technical report 93-8.

    >>> import jax.numpy as jnp
    >>> elliott(jnp.array([-1.0, 1.0]))
    Array([0.25, 0.75], dtype=float32)
    """
    return _elliott(x)


def _elliott_value(x: Array) -> Array:
    tail = 0.5 * _reciprocal(x)
    return jnp.where(x > 0, 1.0 - tail, tail)


_elliott_slope = keep_input(lambda x: 0.5 * _softsign_slope_value(x), lambda x: 0.5 * _softsign_curvature(x))
_elliott = keep_input(_elliott_value, _elliott_slope)


@activation(
    family="saturating",
    formula="sign(x)*log1p(abs(x))",
    range=REALS,
    monotonic=True,
    smoothness="C1",
    lipschitz=1.0,
    limits=(-math.inf, math.inf),
    reference="Bilski 2000; Hafner, Pasukonis, Ba, Lillicrap 2023, arXiv:2301.04104",
)
def symlog(x: ArrayLike) -> Array:
    r"""Symmetric logarithm: the identity near 0, a logarithm far out.

    .. math:: f(x) = \operatorname{sign}(x) \log(1 + |x|), \qquad f'(x) = \frac{1}{1 + |x|}

    Range: all reals; odd and increasing without bound. Continuously differentiable: f'' jumps from 1 to -1 at
    0, where 0 is taken. 1-Lipschitz.

    Args:
        x: real array.

    Bilski 2000, The backpropagation learning with logarithmic transfer function; Hafner, Pasukonis, Ba,
    Lillicrap 2023, arXiv:2301.04104 (DreamerV3).

    >>> import jax.numpy as jnp
    >>> symlog(jnp.array([-1.0, jnp.inf]))
    Array([-0.6931472,        inf], dtype=float32)
    """
    return _symlog(x)


def _symlog_value(x: Array) -> Array:
    return jnp.sign(x) * jnp.log1p(jnp.abs(x))


_symlog_slope = keep_input(_reciprocal, lambda x: -jnp.sign(x) * _softsign_slope_value(x))
_symlog = keep_input(_symlog_value, _symlog_slope)


@activation(
    family="saturating",
    formula="atan(x)",
    range=Interval(-0.5 * math.pi, 0.5 * math.pi, open_low=True, open_high=True),
    monotonic=True,
    smoothness="Cinf",
    lipschitz=1.0,
    limits=(-0.5 * math.pi, 0.5 * math.pi),
    reference="Kamruzzaman, Aziz 2002, IJCNN",
    peers={"jax": "jax.numpy.arctan", "torch": "torch.atan"},
)
def arctan(x: ArrayLike) -> Array:
    r"""Arc tangent.

    .. math:: f(x) = \arctan x, \qquad f'(x) = \frac{1}{1 + x^2}

    Range (-pi/2, pi/2); limits -pi/2 and pi/2; smooth, odd and increasing. 1-Lipschitz.

    Args:
        x: real array.

    Kamruzzaman, Aziz 2002, A note on activation function in multilayer feedforward learning, IJCNN.

    >>> print(f"{arctan(1.0):.4f}")
    0.7854
    """
    return _arctan(x)


def _arctan_slope_value(x: Array) -> Array:
    return 1.0 / (1.0 + x * x)


def _arctan_curvature(x: Array) -> Array:
    x, r = finite(x), _arctan_slope_value(x)
    return -2.0 * (x * r) * r


_arctan = keep_input(jnp.arctan, keep_input(_arctan_slope_value, _arctan_curvature))


def inverse_root(z: Array) -> Array:
    r"""Return :math:`1 / \sqrt{1 + z^2}` without overflow of the square."""
    far = by_precision(z, 1e6, 1e10)  # the 1 is lost
    near = jnp.clip(z, -far, far)
    return jnp.where(jnp.abs(z) > far, 1.0 / jnp.maximum(jnp.abs(z), far), 1.0 / jnp.sqrt(1.0 + near * near))


@activation(
    family="saturating",
    formula="asinh(x)",
    range=REALS,
    monotonic=True,
    smoothness="Cinf",
    lipschitz=1.0,
    limits=(-math.inf, math.inf),
    reference="Martens et al. 2021, arXiv:2110.01765",
    peers={"jax": "jax.numpy.arcsinh", "torch": "torch.asinh"},
)
def arcsinh(x: ArrayLike) -> Array:
    r"""Inverse hyperbolic sine: the identity near 0, a logarithm far out.

    .. math:: f(x) = \log\left(x + \sqrt{x^2 + 1}\right), \qquad f'(x) = \frac{1}{\sqrt{1 + x^2}}

    Range: all reals; smooth, odd, increasing without bound. 1-Lipschitz.

    Args:
        x: real array.

    Among the functions shaped in Martens et al. 2021, arXiv:2110.01765.

    >>> print(f"{arcsinh(1.0):.4f}")
    0.8814
    """
    return _arcsinh(x)


def _arcsinh_value(x: Array) -> Array:
    return jnp.arcsinh(x)


def _arcsinh_curvature(x: Array) -> Array:
    s = inverse_root(x)
    return -((finite(x) * s) * s) * s


_arcsinh = keep_input(_arcsinh_value, keep_input(inverse_root, _arcsinh_curvature))
