"""Saturating functions: bounded on both sides, flat in both tails."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.spec import POSITIVE, Interval, activation
from actlab.gradients import by_precision, keep_input


@activation(
    family="saturating",
    formula="1/(1+exp(-x))",
    range=Interval(0.0, 1.0, open_low=True, open_high=True),
    monotonic=True,
    smoothness="Cinf",
    lipschitz=0.25,
    limits=(0.0, 1.0),
    reference="Verhulst 1838; Rumelhart, Hinton, Williams 1986, Nature 323",
    aliases=("logistic", "expit"),
    peers={
        "jax": "jax.nn.sigmoid",
        "torch": "torch.nn.functional.sigmoid",
        "keras": "keras.activations.sigmoid",
        "timm": "timm.layers.sigmoid",
    },
    differs="All four tell f' from the rounded y: in float32 it is 0 from x = 17 on.",
)
def sigmoid(x: ArrayLike) -> Array:
    r"""Logistic sigmoid: squashes the reals onto (0, 1).

    .. math:: f(x) = \frac{1}{1 + e^{-x}}, \qquad f'(x) = f(x)\, f(-x)

    Range (0, 1); limits 0 and 1; smooth and increasing. 1/4-Lipschitz.
    The derivative comes from x, not from y: ``y * (1 - y)`` loses every digit once y rounds to 1.

    Verhulst 1838; Rumelhart, Hinton, Williams 1986, doi:10.1038/323533a0.

    >>> import jax.numpy as jnp
    >>> sigmoid(jnp.array([0.0, jnp.inf]))
    Array([0.5, 1. ], dtype=float32)
    """
    return _sigmoid(x)


def _sigmoid_slope_value(x: Array) -> Array:
    return lax.logistic(x) * lax.logistic(-x)


def _sigmoid_curvature(x: Array) -> Array:
    return -lax.logistic(x) * lax.logistic(-x) * jnp.tanh(0.5 * x)


sigmoid_slope = keep_input(_sigmoid_slope_value, _sigmoid_curvature)
_sigmoid = keep_input(lax.logistic, sigmoid_slope)

logistic = expit = sigmoid


@activation(
    family="saturating",
    formula="tanh(x)",
    range=Interval(-1.0, 1.0, open_low=True, open_high=True),
    monotonic=True,
    smoothness="Cinf",
    lipschitz=1.0,
    limits=(-1.0, 1.0),
    reference="LeCun, Bottou, Orr, Müller 1998, Efficient BackProp",
    peers={
        "jax": "jax.nn.tanh",
        "torch": "torch.nn.functional.tanh",
        "keras": "keras.activations.tanh",
        "timm": "timm.layers.tanh",
    },
    differs="All four tell f' from the rounded y: in float32 it is 0 from |x| = 8 on in jax.nn, from 9 on in torch.",
)
def tanh(x: ArrayLike) -> Array:
    r"""Hyperbolic tangent: the odd sigmoid.

    .. math:: f(x) = \tanh x, \qquad f'(x) = \left(\frac{2u}{1 + u^2}\right)^2, \quad u = e^{-|x|}

    Range (-1, 1); limits -1 and 1; smooth, odd and increasing. 1-Lipschitz.
    The derivative comes from x, not from y: ``1 - y**2`` loses every digit once y rounds to 1.

    LeCun, Bottou, Orr, Müller 1998, Efficient BackProp, doi:10.1007/3-540-49430-8_2.

    >>> import jax.numpy as jnp
    >>> tanh(jnp.array([0.0, -jnp.inf]))
    Array([ 0., -1.], dtype=float32)
    """
    return _tanh(x)


def sech(x: Array) -> Array:
    """Return 1 / cosh(x)."""
    # u is at least sqrt of the result's size, so it is normal wherever sech(x)**2 is.
    u = jnp.exp(-jnp.abs(x))
    return 2.0 * u / (1.0 + u * u)


def _tanh_slope_value(x: Array) -> Array:
    return sech(x) ** 2


def _tanh_curvature(x: Array) -> Array:
    half = sech(x)
    return -2.0 * (half * jnp.tanh(x)) * half


_tanh = keep_input(jnp.tanh, keep_input(_tanh_slope_value, _tanh_curvature))


@activation(
    family="saturating",
    formula="-softplus(-x)",
    range=Interval(-math.inf, 0.0, open_high=True),
    monotonic=True,
    smoothness="Cinf",
    lipschitz=1.0,
    limits=(-math.inf, 0.0),
    reference="Standard: the log-likelihood of logistic regression",
    peers={
        "jax": "jax.nn.log_sigmoid",
        "torch": "torch.nn.functional.logsigmoid",
        "keras": "keras.activations.log_sigmoid",
    },
)
def log_sigmoid(x: ArrayLike) -> Array:
    r"""Logarithm of the sigmoid: softplus turned about the origin.

    .. math:: f(x) = \log \sigma(x) = -\log(1 + e^{-x}), \qquad f'(x) = \sigma(-x)

    Range (-inf, 0); limits -inf and 0; smooth, concave and increasing. 1-Lipschitz.

    Args:
        x: real array.

    Standard: the log-likelihood of logistic regression.

    >>> print(f"{log_sigmoid(2.0):.4f}")
    -0.1269
    """
    return _log_sigmoid(x)


def _log_sigmoid_value(x: Array) -> Array:
    return jnp.minimum(x, 0.0) - jnp.log1p(jnp.exp(-jnp.abs(x)))


_log_sigmoid_slope = keep_input(lambda x: lax.logistic(-x), lambda x: -sigmoid_slope(x))
_log_sigmoid = keep_input(_log_sigmoid_value, _log_sigmoid_slope)


@activation(
    family="saturating",
    formula="(softplus(alpha*x)-softplus(alpha*(x-1)))/alpha",
    parameters={"alpha": (POSITIVE, "sharpness: the larger, the closer to clip(x, 0, 1)")},
    range=Interval(0.0, 1.0, open_low=True, open_high=True),
    monotonic=True,
    smoothness="Cinf",
    lipschitz=lambda p: math.tanh(0.25 * p["alpha"]),
    limits=(0.0, 1.0),
    reference="Klimek, Perelstein 2018, arXiv:1810.11509",
)
def soft_clipping(x: ArrayLike, *, alpha: ArrayLike = 50.0) -> Array:
    r"""Soft clipping: clip(x, 0, 1) with both corners rounded.

    .. math:: f(x) = \frac{1}{\alpha} \log \frac{1 + e^{\alpha x}}{1 + e^{\alpha (x - 1)}},
              \qquad f'(x) = \left(1 - e^{-\alpha}\right) \sigma(\alpha x)\, \sigma(\alpha (1 - x))

    Range (0, 1); limits 0 and 1; smooth, increasing, point-symmetric about (1/2, 1/2): f(x) + f(1 - x) = 1, by
    which the right half is computed. Lipschitz: tanh(alpha / 4).

    Args:
        x: real array.
        alpha: sharpness, positive.

    Klimek, Perelstein 2018, arXiv:1810.11509.

    >>> import jax.numpy as jnp
    >>> soft_clipping(jnp.array([-jnp.inf, 0.5, 2.0]))
    Array([0. , 0.5, 1. ], dtype=float32)
    """
    return _soft_clipping(x, alpha)


def _soft_clipping_value(x: Array, alpha: Array) -> Array:
    # Left half, as log1p of a ratio without cancellation: of e^u (1 - e^-alpha) / (1 + e^(u - alpha)) for u = alpha x
    # at most 0, and with e^u taken out for positive u.
    left = jnp.minimum(x, 1.0 - x)
    inner, outer = jnp.clip(left, 0.0, 0.5), jnp.minimum(left, 0.0)
    gap = -jnp.expm1(-alpha * (1.0 - 2.0 * inner))
    ratio = jnp.exp(-alpha * (inner - outer)) * gap / (1.0 + jnp.exp(alpha * (inner + outer - 1.0)))
    value = inner + jnp.log1p(ratio) / alpha
    return jnp.where(x <= 0.5, value, 1.0 - value)


def _soft_clipping_slope_value(x: Array, alpha: Array) -> Array:
    x = jnp.clip(x, -float(jnp.finfo(x.dtype).max), float(jnp.finfo(x.dtype).max))
    return -jnp.expm1(-alpha) * lax.logistic(alpha * x) * lax.logistic(alpha * (1.0 - x))


def _soft_clipping_curvature(x: Array, alpha: Array) -> Array:
    # alpha f' (sigmoid(alpha (1 - x)) - sigmoid(alpha x)), that difference again as a product, with v the
    # nearer of x and 1 - x: alpha m (1 - exp(-2 alpha |1/2 - x|)) sigmoid(alpha (1 - v))^2 sigmoid'(alpha v).
    nearer = jnp.minimum(x, 1.0 - x)
    half = jnp.exp(-0.5 * alpha * jnp.abs(nearer))
    other = lax.logistic(alpha * (1.0 - nearer))
    gap = jnp.expm1(-alpha) * jnp.expm1(-2.0 * alpha * jnp.abs(0.5 - x))
    factor = jnp.sign(0.5 - x) * alpha * gap * other * other
    return ((factor * half) * half) / (1.0 + half * half) ** 2


def _soft_clipping_by_alpha(x: Array, alpha: Array) -> Array:
    def entropy(z: Array) -> Array:
        end = by_precision(z, 110.0, 760.0)  # exp(-end) is 0
        z = jnp.clip(jnp.abs(z), 0.0, end)
        e = jnp.exp(-z)
        return z * e / (1.0 + e) + jnp.log1p(e)

    return (entropy(alpha * (x - 1.0)) - entropy(alpha * x)) / (alpha * alpha)


_soft_clipping_slope = keep_input(_soft_clipping_slope_value, _soft_clipping_curvature)
_soft_clipping = keep_input(_soft_clipping_value, _soft_clipping_slope, _soft_clipping_by_alpha)
