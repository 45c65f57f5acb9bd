"""Rectifiers by algebra alone: square roots and parabolas instead of exponentials."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.spec import NONNEGATIVE, POSITIVE, REALS, Interval, Kink, activation
from actlab.gradients import by_precision, keep_input


@activation(
    family="smooth",
    formula="(x+sqrt(x**2+b))/2",
    parameters={"b": (NONNEGATIVE, "size of the bend: f(0) = sqrt(b) / 2")},
    range=lambda p: POSITIVE if p["b"] > 0 else NONNEGATIVE,
    monotonic=True,
    smoothness=lambda p: "Cinf" if p["b"] > 0 else "C0",
    kinks=lambda p: () if p["b"] > 0 else (Kink(at=0.0, left=0.0, right=1.0, chosen=0.5),),
    lipschitz=1.0,
    limits=(0.0, math.inf),
    reference="Barron 2021, arXiv:2112.11687",
    peers={
        "jax": "jax.nn.squareplus",
        "keras": "keras.activations.squareplus",
    },
    differs="Both cancel on the left (zeros from x = -5800 on in float32) and overflow in x * x from 1.8e19 on.",
)
def squareplus(x: ArrayLike, *, b: ArrayLike = 4.0) -> Array:
    r"""Squareplus: a softplus-like rectifier from one square root.

    .. math:: f(x) = \tfrac12 (x + \sqrt{x^2 + b}), \qquad f'(x) = \tfrac12 (1 + x / \sqrt{x^2 + b})

    Range (0, inf); limits 0 and inf; smooth, convex and increasing; 1-Lipschitz. On the left f falls like
    b / (4 abs(x)), and is computed as such. b = 0 is relu with a kink at 0, where the derivative is 1/2, as it
    is for every other b; slope 0 on the left, 1 on the right.

    Args:
        x: real array.
        b: size of the bend, not negative (in float32: 0, or from about 1e-27 to 1e28). 4 gives f(0) = 1 and
            softplus's curvature at 0, 1/4; 4 log(2)^2 gives softplus's value at 0.

    Barron 2021, Squareplus: a softplus-like algebraic rectifier, arXiv:2112.11687.

    >>> print(f"{squareplus(2.0):.4f}")
    2.4142
    """
    return _squareplus(x, b)


def _root(x: Array, b: Array) -> Array:
    """Return sqrt(x^2 + b); where the square would overflow, b is below rounding. Never 0, even for b = 0."""
    near = jnp.minimum(jnp.abs(x), by_precision(x, 2.0**60, 2.0**500))
    return jnp.maximum(
        jnp.sqrt(near * near + b), jnp.maximum(jnp.abs(x), by_precision(x, 2.0**-46, 2.0**-368))
    )


def _squareplus_value(x: Array, b: Array) -> Array:
    return jnp.maximum(x, 0.0) + 0.25 * b / (0.5 * jnp.abs(x) + 0.5 * _root(x, b))  # f(x) = x + f(-x)


def _squareplus_slope_value(x: Array, b: Array) -> Array:
    root = _root(x, b)
    mean = 0.5 * jnp.abs(x) + 0.5 * root
    down = by_precision(x, 2.0**-32, 2.0**-256)  # between overflow and underflow of mean * root
    falling = (0.25 * down) * b / ((mean * down) * root)
    # Right of 0 the slope is one minus what it is at -x.
    return jnp.where(x > 0, 1.0 - falling, jnp.where((x == 0) & (b == 0), 0.5, falling))


def _squareplus_curvature(x: Array, b: Array) -> Array:
    inverse = 1.0 / _root(x, b)  # XLA turns a / r / r into a / (r * r), which overflows
    return ((0.5 * b * inverse) * inverse) * inverse


def _squareplus_slope_by_b(x: Array, b: Array) -> Array:
    inverse = 1.0 / _root(x, b)
    top = float(jnp.finfo(x.dtype).max)
    return ((-0.25 * jnp.clip(x, -top, top) * inverse) * inverse) * inverse


def _squareplus_by_b(x: Array, b: Array) -> Array:
    return 0.25 / _root(x, b)


_squareplus = keep_input(
    _squareplus_value,
    keep_input(_squareplus_slope_value, _squareplus_curvature, _squareplus_slope_by_b),
    _squareplus_by_b,
)


@activation(
    family="smooth",
    formula="(sqrt(x**2+1)-1)/2+x",
    range=REALS,
    monotonic=True,
    smoothness="Cinf",
    lipschitz=1.5,
    limits=(-math.inf, math.inf),
    reference="Wikipedia, Activation function, table",
)
def bent_identity(x: ArrayLike) -> Array:
    r"""Bent identity: slope 1/2 far left, 3/2 far right, and a smooth bend between.

    .. math:: f(x) = \tfrac12 (\sqrt{x^2 + 1} - 1) + x, \qquad f'(x) = 1 + \frac{x}{2 \sqrt{x^2 + 1}}

    Range: all reals. Smooth, convex, increasing; 1.5-Lipschitz; f(0) = 0, f'(0) = 1.

    No paper is known; listed in Wikipedia's table of activation functions.

    >>> print(f"{bent_identity(2.0):.4f}")
    2.6180
    """
    return _bent_identity(x)


def _bounded(x: Array) -> Array:
    """Return x clipped where sqrt(x^2 + 1) is abs(x) and the square does not overflow."""
    far = by_precision(x, 2.0**60, 2.0**500)
    return jnp.clip(x, -far, far)


def _bent_identity_value(x: Array) -> Array:
    z = _bounded(x)
    return x * (1.0 + 0.5 * z / (1.0 + jnp.sqrt(1.0 + z * z)))


def _bent_identity_slope_value(x: Array) -> Array:
    z = _bounded(x)
    return 1.0 + 0.5 * z / jnp.sqrt(1.0 + z * z)


def _bent_identity_curvature(x: Array) -> Array:
    z = _bounded(x)
    inverse = 1.0 / jnp.sqrt(1.0 + z * z)
    return 0.5 * inverse * inverse * inverse


_bent_identity = keep_input(
    _bent_identity_value, keep_input(_bent_identity_slope_value, _bent_identity_curvature)
)


@activation(
    family="smooth",
    formula="where(x>=0,x,x/sqrt(1+alpha*x**2))",
    parameters={"alpha": (POSITIVE, "the limit at -inf is -1 / sqrt(alpha)")},
    range=lambda p: Interval(-1.0 / math.sqrt(p["alpha"]), math.inf, open_low=True),
    monotonic=True,
    smoothness="C2",
    lipschitz=1.0,
    limits=lambda p: (-1.0 / math.sqrt(p["alpha"]), math.inf),
    reference="Carlile, Delamarter, Kinney, Marti, Whitney 2017, arXiv:1710.09967",
)
def isrlu(x: ArrayLike, *, alpha: ArrayLike = 1.0) -> Array:
    r"""Inverse square root linear unit: identity on the right, an algebraic floor on the left.

    .. math:: f(x) = x \text{ if } x \ge 0 \text{ else } \frac{x}{\sqrt{1 + \alpha x^2}},
              \qquad f'(x) = (1 + \alpha x^2)^{-3/2} \text{ for } x < 0

    Range (-1 / sqrt(alpha), inf), limits likewise. Twice continuously differentiable, f'(0) = 1, f''(0) = 0;
    f''' jumps from -3 alpha to 0 at 0. 1-Lipschitz, increasing.

    Args:
        x: real array.
        alpha: sets the floor, positive.

    Carlile, Delamarter, Kinney, Marti, Whitney 2017, Improving deep learning by inverse square root linear
    units (ISRLUs), arXiv:1710.09967.

    >>> import jax.numpy as jnp
    >>> isrlu(jnp.array([-jnp.inf, 3.0]), alpha=4.0)
    Array([-0.5,  3. ], dtype=float32)
    """
    return _isrlu(x, alpha)


def _isrlu_parts(x: Array, alpha: Array) -> tuple[Array, Array, Array]:
    """Return the root of alpha, z = root * x left of 0, and 1 / sqrt(1 + z^2)."""
    root = jnp.sqrt(alpha)
    z = _bounded(root * jnp.where(x >= 0, 0.0, x))
    return root, z, 1.0 / jnp.sqrt(1.0 + z * z)


def _isrlu_value(x: Array, alpha: Array) -> Array:
    root, z, inverse = _isrlu_parts(x, alpha)
    return jnp.where(z > -1.0, x * inverse, z * inverse / root)  # on the right the inverse is 1


def _isrlu_slope_value(x: Array, alpha: Array) -> Array:
    _, _, inverse = _isrlu_parts(x, alpha)
    return inverse * inverse * inverse


def _isrlu_curvature(x: Array, alpha: Array) -> Array:
    root, z, inverse = _isrlu_parts(x, alpha)
    return -3.0 * root * (z * inverse) * inverse * inverse * inverse * inverse


def _isrlu_slope_by_alpha(x: Array, alpha: Array) -> Array:
    root, z, inverse = _isrlu_parts(x, alpha)
    return -1.5 * (z * inverse / root) ** 2 * inverse * inverse * inverse


def _isrlu_by_alpha(x: Array, alpha: Array) -> Array:
    root, z, inverse = _isrlu_parts(x, alpha)
    return -0.5 * (z * inverse / root) ** 3


_isrlu = keep_input(
    _isrlu_value, keep_input(_isrlu_slope_value, _isrlu_curvature, _isrlu_slope_by_alpha), _isrlu_by_alpha
)


@activation(
    family="smooth",
    formula="where(x<=-beta,0,where(x>=beta,x,(x+beta)**2/(4*beta)))",
    parameters={"beta": (POSITIVE, "half the width of the parabola between the straight sides")},
    range=NONNEGATIVE,
    monotonic=True,
    smoothness="C1",
    lipschitz=1.0,
    limits=(0.0, math.inf),
    reference="Shamir, Lin 2022, arXiv:2202.06499",
)
def smelu(x: ArrayLike, *, beta: ArrayLike = 1.0) -> Array:
    r"""Smooth rectified linear unit: relu with a parabola where the kink was.

    .. math:: f(x) = 0 \text{ for } x \le -\beta, \quad x \text{ for } x \ge \beta, \quad
              \frac{(x + \beta)^2}{4 \beta} \text{ between}

    Range [0, inf). Continuously differentiable: f' is 0 at -beta, rises straight to 1 at beta; f'' jumps there
    (1 / (2 beta) inside, 0 outside and at both ends). 1-Lipschitz, increasing, convex. Small beta tends to
    relu; beta = 1 is `sparse_plus`.

    Args:
        x: real array.
        beta: half the width of the parabola, positive.

    Shamir, Lin 2022, Real world large scale recommendation systems reproducibility and smooth activations,
    arXiv:2202.06499.

    >>> import jax.numpy as jnp
    >>> smelu(jnp.array([-2.0, 0.0, 3.0]), beta=2.0)
    Array([0. , 0.5, 3. ], dtype=float32)
    """
    return _smelu(x, beta)


@activation(
    family="smooth",
    formula="where(x<=-1,0,where(x>=1,x,(x+1)**2/4))",
    range=NONNEGATIVE,
    monotonic=True,
    smoothness="C1",
    lipschitz=1.0,
    limits=(0.0, math.inf),
    reference="Blondel, Martins, Niculae 2019, arXiv:1901.02324; JAX, nn.sparse_plus",
    peers={
        "jax": "jax.nn.sparse_plus",
        "keras": "keras.activations.sparse_plus",
    },
    differs="Both overflow in (x + 1) ** 2, and have NaN for f' there.",
)
def sparse_plus(x: ArrayLike) -> Array:
    r"""Sparse plus: the twin of softplus that is exactly 0 on the left; smelu at beta = 1.

    .. math:: f(x) = 0 \text{ for } x \le -1, \quad x \text{ for } x \ge 1, \quad
              \tfrac14 (x + 1)^2 \text{ between}

    Range [0, inf). Continuously differentiable: its derivative is the sparse sigmoid, straight from 0 at -1 to
    1 at 1. 1-Lipschitz, increasing, convex.

    Blondel, Martins, Niculae 2019, arXiv:1901.02324, whose sparsemax loss it is for two classes.

    >>> import jax.numpy as jnp
    >>> sparse_plus(jnp.array([-2.0, 0.0, 3.0]))
    Array([0.  , 0.25, 3.  ], dtype=float32)
    """
    return _smelu(x, 1.0)


def _smelu_value(x: Array, beta: Array) -> Array:
    t = _smelu_slope(x, beta)
    return jnp.where(x >= beta, x, (beta * t) * t)


def _smelu_slope(x: Array, beta: Array) -> Array:
    inside = 0.5 * (x + beta) / beta
    return jnp.where(x <= -beta, 0.0, jnp.where(x >= beta, 1.0, inside))


def _smelu_by_beta(x: Array, beta: Array) -> Array:
    t = _smelu_slope(x, beta)
    return t * (1.0 - t)


_smelu = keep_input(_smelu_value, _smelu_slope, _smelu_by_beta)
