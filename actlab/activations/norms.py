"""Activations that divide by the size of a row."""

from __future__ import annotations

import functools
import math

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.normalizing import AXIS
from actlab.activations.spec import NONNEGATIVE, REALS, activation
from actlab.errors import InputError, suggest
from actlab.gradients.along import along_axis


def _normed(x: Array, power: int, eps: Array, axis: int, reduce=jnp.mean) -> Array:
    """Return x**power / sqrt(mean(x**(2 power)) + eps), free of overflow: powers of x / c are taken.

    c is the largest entry of the row, or where eps counts for more, what eps is worth. The result does not
    depend on c, so neither does its derivative.
    """
    size = jnp.max(jnp.abs(x), axis=axis, keepdims=True)
    least = jnp.exp(jnp.log(eps) / (2 * power))
    c = lax.stop_gradient(jnp.maximum(size, least))
    c = jnp.where(c == 0, 1.0, c)
    z = jnp.where(jnp.isinf(c), jnp.where(jnp.isinf(x), jnp.sign(x), 0.0), x / c) ** power
    part = jnp.where(eps > 0, eps / c**power / c**power, 0.0)
    total = reduce(z * z, axis=axis, keepdims=True) + part
    return z / jnp.sqrt(jnp.where(total == 0, 1.0, total))


@activation(
    family="normalizing",
    formula="gamma*x_i/sqrt(mean_j(x_j**2)+eps)",
    parameters={
        "gamma": (REALS, "gain: one value, or one an entry"),
        "eps": (NONNEGATIVE, "added to the mean square"),
        "axis": AXIS,
    },
    range=REALS,
    monotonic=False,
    smoothness=lambda p: "Cinf" if p["eps"] > 0 else "jumps",
    lipschitz=lambda p: abs(p["gamma"]) / math.sqrt(p["eps"]) if p["eps"] > 0 else math.inf,
    limits=(math.nan, math.nan),  # gamma sqrt(n) for an axis of length n
    reference="Zhang, Sennrich 2019, arXiv:1910.07467",
    aliases=("rms_norm",),
    kind="axiswise",
    peers={"torch": "torch.nn.functional.rms_norm(x, x.shape[-1:], eps=1e-6)"},
    differs="torch takes the machine epsilon where eps is not given, and overflows where x * x does.",
)
def rms_norm_act(x: ArrayLike, *, gamma: ArrayLike = 1.0, eps: ArrayLike = 1e-6, axis: int = -1) -> Array:
    r"""Root mean square normalisation, used as an activation.

    .. math:: f(x)_i = \gamma \frac{x_i}{r}, \quad r = \sqrt{\tfrac{1}{n} \textstyle\sum_j x_j^2 + \varepsilon},
              \qquad \mathrm{d}f_i = \frac{\gamma}{r} \left(\mathrm{d}x_i
              - \frac{x_i}{r^2}\, \tfrac{1}{n} \textstyle\sum_j x_j\, \mathrm{d}x_j \right)

    Values between -|gamma| sqrt(n) and |gamma| sqrt(n) for an axis of length n; entries of +-inf share
    these. Smooth for eps > 0, the Lipschitz constant is then |gamma| / sqrt(eps); for eps = 0 it jumps at a
    row of zeros, which gives zeros. Huge and tiny rows neither overflow nor vanish. The backward pass keeps x.

    Args:
        x: real array with at least one axis.
        gamma: gain, any real; an array broadcasts against the last axes of x, one a channel as a rule.
        eps: at least 0.
        axis: the axis whose mean square is taken.

    Raises:
        InputError: ``x`` has no such axis, ``gamma`` does not fit it, or ``eps`` varies along it.

    Zhang, Sennrich 2019, Root mean square layer normalization, arXiv:1910.07467.

    >>> import jax.numpy as jnp
    >>> print(f"{rms_norm_act(jnp.array([3.0, 4.0]))[1]:.4f}")
    1.1314
    """
    return _rms_norm(x, gamma, eps, axis=axis)


rms_norm = rms_norm_act


def _rms_norm_value(x: Array, gamma: Array, eps: Array, *, axis: int, where: Array | None) -> Array:
    return gamma * _normed(x, 1, eps, axis)


_rms_norm = along_axis("rms_norm_act", _rms_norm_value, free=(0,))


@activation(
    family="normalizing",
    formula="sum_k(coefficients[k]*x_i**(k+1)/sqrt(sum_j(x_j**(2*(k+1)))+eps))+bias",
    parameters={
        "coefficients": (REALS, "factors of the powers 1, 2, ..., r"),
        "bias": (REALS, "the constant term: one value, or one an entry"),
        "eps": (NONNEGATIVE, "added under the root"),
        "norm": (("l2", "rms"), "what a power is divided by: the root of its sum, or mean, of squares"),
        "axis": AXIS,
    },
    range=REALS,
    monotonic=False,
    smoothness=lambda p: "Cinf" if p["eps"] > 0 else "jumps",
    lipschitz=math.inf,  # of the order of 1 / sqrt(eps) around a row of zeros
    limits=(math.nan, math.nan),  # the sum of +-coefficients, plus bias, for one entry of the row
    reference="Zhuo et al. 2024, arXiv:2411.03884",
    kind="axiswise",
    differs="the authors' code, and vLLM and Liger after it, take norm='rms' and list the cubic factor first",
)
def poly_norm(
    x: ArrayLike,
    *,
    coefficients: ArrayLike = (1 / 3, 1 / 3, 1 / 3),
    bias: ArrayLike = 0.0,
    eps: ArrayLike = 1e-6,
    norm: str = "l2",
    axis: int = -1,
) -> Array:
    r"""PolyNorm: a polynomial whose powers are each brought to unit length along the axis.

    .. math:: f(x)_i = b + \sum_{k=1}^{r} a_k \frac{x_i^k}{\lVert x^k \rVert}, \qquad
              \lVert u \rVert = \sqrt{\textstyle\sum_j u_j^2 + \varepsilon}

    The paper writes the Euclidean norm. The authors' code divides by the root of the *mean* square, which is
    ``norm="rms"``: each term is then sqrt(n) times larger, of size a_k; to repeat their models take that. Range:
    within sum |a_k| of b, for ``"rms"`` within sqrt(n) times that. Smooth for eps > 0; a row of zeros gives b.
    Huge rows do not overflow. The backward pass keeps x.

    Args:
        x: real array with at least one axis.
        coefficients: a_1, ..., a_r, of x, x**2, ...; as an array, r lies along the first axis and the others
            broadcast against the last axes of x.
        bias: the constant term, any real.
        eps: at least 0.
        norm: ``"l2"`` or ``"rms"``.
        axis: the axis along which powers are normalised.

    Raises:
        InputError: there is no such ``norm`` or axis, a parameter does not fit x, or ``eps`` varies along
            the axis.

    Zhuo, Wang, Zeng, Li, Zhou, Ma 2024, Polynomial composition activations, arXiv:2411.03884.

    >>> import jax.numpy as jnp
    >>> print(f"{poly_norm(jnp.array([3.0, 4.0]), coefficients=[1.0])[1]:.4f}")
    0.8000
    """
    if norm not in ("l2", "rms"):
        raise InputError(f"poly_norm: norm={norm!r}{suggest(str(norm), ('l2', 'rms'))}")
    return _poly_norm(norm)(x, coefficients, bias, eps, axis=axis)


@functools.cache
def _poly_norm(norm: str):
    reduce = {"l2": jnp.sum, "rms": jnp.mean}[norm]

    def value(x, coefficients, bias, eps, *, axis, where):
        y = bias
        for k in range(coefficients.shape[0]):
            y = y + coefficients[k] * _normed(x, k + 1, eps, axis, reduce)
        return y

    return along_axis("poly_norm", value, free=(0, 1), vectors=(0,))
