"""Units where an exponential meets something curved: SERLU, ELiSH, xIELU, soft exponential."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.spec import POSITIVE, REALS, Interval, Kink, activation
from actlab.gradients import by_precision, keep_input


def _finite(x: Array) -> Array:
    """Return x with infinities replaced by the largest numbers, so that times zero they give zero."""
    top = float(jnp.finfo(x.dtype).max)
    return jnp.clip(x, -top, top)


def _left(x: Array) -> Array:
    """Return x left of 0, else 0; not below where its exponential is 0."""
    return jnp.where(x >= 0, 0.0, jnp.maximum(x, -by_precision(x, 110.0, 760.0)))


def _times_exp(factor: Array, z: Array) -> Array:
    """Return factor * exp(z) with the factor between two halves, since exp(z) alone may be flushed."""
    half = jnp.exp(0.5 * z)
    return (factor * half) * half


@activation(
    family="smooth",
    formula="where(x>=0,scale*x,scale*alpha*x*exp(x))",
    parameters={
        "alpha": (POSITIVE, "slope left of 0, before scaling"),
        "scale": (POSITIVE, "slope right of 0"),
    },
    range=lambda p: Interval(-p["scale"] * p["alpha"] / math.e, math.inf),
    monotonic=False,
    smoothness=lambda p: "C1" if p["alpha"] == 1 else "C0",
    kinks=lambda p: (
        ()
        if p["alpha"] == 1
        else (Kink(at=0.0, left=p["scale"] * p["alpha"], right=p["scale"], chosen=p["scale"]),)
    ),
    lipschitz=lambda p: p["scale"] * max(1.0, p["alpha"]),
    limits=(0.0, math.inf),
    turning=(-1.0,),
    reference="Zhang, Li 2018, arXiv:1807.10117",
)
def serlu(x: ArrayLike, *, alpha: ArrayLike = 2.90427, scale: ArrayLike = 1.07862) -> Array:
    r"""Scaled exponentially-regularized linear unit: SELU's aim with a bump that dies out on the left.

    .. math:: f(x) = \lambda x \text{ if } x \ge 0 \text{ else } \lambda \alpha\, x e^x,
              \qquad f'(x) = \lambda \alpha\, (1 + x) e^x \text{ for } x < 0, \quad f'(0) := \lambda

    Range [-scale * alpha / e, inf), -1.1524 by default; limits 0 and inf; turning at -1. Kink at 0: slope
    scale * alpha on the left, scale on the right, which is taken. Lipschitz: scale * max(1, alpha). The
    constants are the paper's, which keep a standard normal's mean 0 and variance 1.

    Args:
        x: real array.
        alpha: slope left of 0 before scaling, positive.
        scale: slope right of 0, positive; the paper's lambda.

    Zhang, Li 2018, Effectiveness of scaled exponentially-regularized linear units (SERLUs), arXiv:1807.10117.

    >>> print(f"{serlu(2.0):.4f}")
    2.1572
    """
    return _serlu(x, alpha, scale)


def _serlu_value(x: Array, alpha: Array, scale: Array) -> Array:
    left = _times_exp(scale * alpha * _left(x), _left(x))
    return jnp.where(x >= 0, scale * x, left)


def _serlu_slope_value(x: Array, alpha: Array, scale: Array) -> Array:
    left = _times_exp(scale * alpha * (1.0 + _left(x)), _left(x))
    return jnp.where(x >= 0, scale, left)


def _serlu_curvature(x: Array, alpha: Array, scale: Array) -> Array:
    left = _times_exp(scale * alpha * (2.0 + _left(x)), _left(x))
    return jnp.where(x >= 0, 0.0, left)


_serlu = keep_input(_serlu_value, keep_input(_serlu_slope_value, _serlu_curvature))


@activation(
    family="smooth",
    formula="where(x>=0,x*sigmoid(x),(exp(x)-1)*sigmoid(x))",
    range=Interval(2.0 * math.sqrt(2.0) - 3.0, math.inf),
    monotonic=False,
    smoothness="C1",
    lipschitz=1.0998393201288669,  # at 2.3993572805154167
    limits=(0.0, math.inf),
    turning=(math.log(math.sqrt(2.0) - 1.0),),
    reference="Basirat, Roth 2018, arXiv:1808.00783",
)
def elish(x: ArrayLike) -> Array:
    r"""Exponential linear squashing unit: silu on the right, ELU times a sigmoid on the left.

    .. math:: f(x) = x\, \sigma(x) \text{ if } x \ge 0 \text{ else } (e^x - 1)\, \sigma(x)

    Range [2 sqrt(2) - 3, inf), that is from -0.1716; limits 0 and inf; turning at log(sqrt(2) - 1) = -0.8814.
    Continuously differentiable, f'(0) = 1/2; f'' jumps from 1 to 1/2 at 0. 1.0998-Lipschitz.

    Basirat, Roth 2018, The quest for the golden activation function, arXiv:1808.00783.

    >>> print(f"{elish(2.0):.4f}")
    1.7616
    """
    return _elish(x)


def _elish_parts(x: Array) -> tuple[Array, Array]:
    """Return abs(x), not beyond where its exponential is 0, and exp(-abs(x)): one exponential for both sides."""
    far = jnp.minimum(jnp.abs(x), by_precision(x, 110.0, 760.0))
    return far, jnp.exp(-far)


def _elish_value(x: Array) -> Array:
    _, e = _elish_parts(x)
    return jnp.where(x >= 0, x, jnp.expm1(_left(x)) * e) / (1.0 + e)


def _elish_slope_value(x: Array) -> Array:
    far, e = _elish_parts(x)
    left = e * (e * (2.0 + e) - 1.0)
    return jnp.where(x >= 0, 1.0 + e + far * e, left) / (1.0 + e) ** 2


def _elish_curvature(x: Array) -> Array:
    far, e = _elish_parts(x)
    right = _times_exp(2.0 - far * (1.0 - e) / (1.0 + e), -far) * (1.0 + e)
    left = e * (e * (5.0 + e * (3.0 + e)) - 1.0)
    return jnp.where(x >= 0, right, left) / (1.0 + e) ** 3


_elish = keep_input(_elish_value, keep_input(_elish_slope_value, _elish_curvature))


def _xielu_turning(p) -> tuple[float, ...]:
    alpha, beta = p["alpha_n"], p["beta"]
    return (math.log1p(-beta / alpha),) if alpha > beta else ()


def _xielu_low(p) -> float:
    alpha, beta = p["alpha_n"], p["beta"]
    if alpha > beta:
        return -beta - (alpha - beta) * math.log1p(-beta / alpha)
    return -beta if alpha == beta else -math.inf


@activation(
    family="smooth",
    formula="where(x>0,alpha_p*x**2+beta*x,alpha_n*(exp(x)-1)-alpha_n*x+beta*x)",
    parameters={
        "alpha_p": (POSITIVE, "curvature of the right side"),
        "alpha_n": (POSITIVE, "strength of the left side"),
        "beta": (POSITIVE, "slope at 0"),
    },
    range=lambda p: Interval(_xielu_low(p), math.inf, open_low=not _xielu_turning(p)),
    monotonic=lambda p: not _xielu_turning(p),
    smoothness=lambda p: "C2" if p["alpha_n"] == 2 * p["alpha_p"] else "C1",
    lipschitz=math.inf,
    limits=lambda p: (math.inf if _xielu_turning(p) else _xielu_low(p), math.inf),
    turning=_xielu_turning,
    reference="Huang, Schlag 2024, arXiv:2411.13010",
)
def xielu(
    x: ArrayLike, *, alpha_p: ArrayLike = 0.8, alpha_n: ArrayLike = 0.8, beta: ArrayLike = 0.5
) -> Array:
    r"""Expanded integral of the exponential linear unit: a parabola right of 0, an integrated ELU left of it.

    .. math:: f(x) = \alpha_p x^2 + \beta x \text{ if } x > 0
              \text{ else } \alpha_n (e^x - 1) - \alpha_n x + \beta x, \\
              f'(x) = 2 \alpha_p x + \beta \text{ if } x > 0 \text{ else } \alpha_n (e^x - 1) + \beta

    Where alpha_n > beta, as the paper has it, both limits are inf, the turning point is
    log(1 - beta / alpha_n) and the range goes from -beta - (alpha_n - beta) log(1 - beta / alpha_n) up; by
    default -0.9808 and -0.2058. Else increasing, from -beta (alpha_n = beta) or from -inf. Continuously
    differentiable, f'(0) = beta; f'' jumps from alpha_n to 2 alpha_p at 0. No Lipschitz constant.

    The numbers here are those of the formula. The reference code learns others and gets these by
    alpha_p = softplus(p) and alpha_n = beta + softplus(n), which is what keeps alpha_p > 0 and alpha_n > beta,
    and holds beta = 0.5 fixed; 0.8 is where it starts. It also takes expm1 at min(x, -1e-6), which moves f by
    up to 8e-7 next to 0.

    Args:
        x: real array.
        alpha_p: curvature of the right side, positive.
        alpha_n: strength of the left side, positive; larger than beta in the paper.
        beta: slope at 0, positive.

    Huang, Schlag 2024, Deriving activation functions using integration, arXiv:2411.13010.

    >>> print(f"{xielu(2.0):.4f}")
    4.2000
    """
    return _xielu(x, alpha_p, alpha_n, beta)


def _exp_minus_line(x: Array) -> Array:
    """Return expm1(x) - x left of 0, by its series where the difference cancels; -x where exp(x) is 0."""
    z = jnp.where(x >= 0, 0.0, x)
    near = jnp.maximum(z, -0.5)
    series = jnp.ones_like(z)
    for n in range(by_precision(z, 9, 16), 2, -1):
        series = 1.0 + series * near / n
    return jnp.where(z > -0.5, 0.5 * (near * series) * near, jnp.expm1(z) - z)


def _xielu_value(x: Array, alpha_p: Array, alpha_n: Array, beta: Array) -> Array:
    z = jnp.where(x > 0, 0.0, x)
    fall = beta - alpha_n
    line = jnp.where((fall == 0) & jnp.isinf(z), 0.0, fall * z)  # 0 * inf
    left = jnp.where(z > -0.5, alpha_n * _exp_minus_line(z) + beta * z, line + alpha_n * jnp.expm1(z))
    return jnp.where(x > 0, (alpha_p * x + beta) * x, left)


def _xielu_slope(x: Array, alpha_p: Array, alpha_n: Array, beta: Array) -> Array:
    z = jnp.where(x > 0, 0.0, x)
    near = jnp.where(x > 0, 2.0 * alpha_p * x, alpha_n * jnp.expm1(z)) + beta
    return jnp.where(
        z < -0.7, (beta - alpha_n) + _times_exp(alpha_n, z), near
    )  # alpha_n = beta: no difference


def _xielu_curvature(x: Array, alpha_p: Array, alpha_n: Array, beta: Array) -> Array:
    return jnp.where(x > 0, 2.0 * alpha_p, _times_exp(alpha_n, jnp.where(x > 0, 0.0, x)))


def _xielu_by_alpha_p(x: Array, alpha_p: Array, alpha_n: Array, beta: Array) -> Array:
    return jnp.where(x > 0, x * x, 0.0)


def _xielu_by_alpha_n(x: Array, alpha_p: Array, alpha_n: Array, beta: Array) -> Array:
    return jnp.where(x > 0, 0.0, _exp_minus_line(x))


def _xielu_by_beta(x: Array, alpha_p: Array, alpha_n: Array, beta: Array) -> Array:
    return x


_xielu = keep_input(
    _xielu_value,
    keep_input(_xielu_slope, _xielu_curvature),
    _xielu_by_alpha_p,
    _xielu_by_alpha_n,
    _xielu_by_beta,
)


def _soft_exponential_limits(p) -> tuple[float, float]:
    alpha = p["alpha"]
    low = alpha - 1.0 / alpha if alpha > 0 else -math.inf
    return low, math.inf


@activation(
    family="smooth",
    # At alpha = 0 this is x; the second term, then 0, tells the derivative by alpha there.
    formula=(
        "(exp(alpha*x)-1)/alpha+alpha if alpha>0 else -log(1-alpha*(x+alpha))/alpha if alpha<0 "
        "else x+alpha*(1+x**2/2)"
    ),
    parameters={"alpha": (REALS, "from a logarithm (-1) over the identity (0) to an exponential (1)")},
    range=lambda p: (
        Interval(p["alpha"] - 1.0 / p["alpha"], math.inf, open_low=True) if p["alpha"] > 0 else REALS
    ),
    monotonic=True,
    smoothness="Cinf",
    lipschitz=lambda p: math.inf if p["alpha"] else 1.0,
    limits=_soft_exponential_limits,
    reference="Godfrey, Gashler 2016, arXiv:1602.01321",
)
def soft_exponential(x: ArrayLike, *, alpha: ArrayLike = 0.0) -> Array:
    r"""Soft exponential: a continuum of logarithm, identity and exponential.

    .. math:: f(x) = \frac{e^{\alpha x} - 1}{\alpha} + \alpha \; (\alpha > 0), \quad x \; (\alpha = 0), \quad
              -\frac{\log(1 - \alpha (x + \alpha))}{\alpha} \; (\alpha < 0), \\
              f'(x) = e^{\alpha x} \; (\alpha \ge 0), \quad \frac{1}{1 - \alpha (x + \alpha)} \; (\alpha < 0)

    Increasing and smooth in x. alpha = 1 is exp(x), alpha = -1 is log(x). Range (alpha - 1 / alpha, inf) for
    alpha > 0, else all reals. For alpha < 0 the domain ends: f falls to -inf at x = 1 / alpha - alpha, where its
    slope grows without bound; there and further left, where the formula has no real value, f is -inf and all
    derivatives are 0. Limits: the ends of the range. 1-Lipschitz for alpha = 0, else there is no Lipschitz
    constant. Learnt through 0 without harm: df/dalpha is continuous there, 1 + x^2 / 2.

    Args:
        x: real array; for alpha < 0 the formula wants x > 1 / alpha - alpha.
        alpha: -1 is the logarithm, 0 the identity, 1 the exponential; any finite real.

    Godfrey, Gashler 2016, A continuum among logarithmic, linear, and exponential functions, arXiv:1602.01321.

    >>> print(f"{soft_exponential(2.0, alpha=1.0):.4f} {soft_exponential(2.0, alpha=-1.0):.4f}")
    7.3891 0.6931
    """
    return _soft_exponential(x, alpha)


def _rising(x: Array, alpha: Array) -> tuple[Array, Array]:
    """Return alpha where it is positive, else 1, and alpha * x there, else x: safe in either branch."""
    rate = jnp.where(alpha > 0, alpha, 1.0)
    return rate, jnp.where(alpha > 0, rate * _finite(x), x)


def _falling(x: Array, alpha: Array) -> tuple[Array, Array, Array]:
    """Return alpha where it is negative, else -1, w = -alpha * (x + alpha) and 1 + w without cancellation.

    Outside the domain 1 + w is not positive; 0 and w = -1 stand for it.
    """
    rate = jnp.where(alpha < 0, alpha, -1.0)
    inside = (1.0 - rate) * (1.0 + rate) - rate * x
    out = inside <= 0
    return rate, jnp.where(out, -1.0, -rate * (x + rate)), jnp.where(out, 0.0, inside)


def _soft_exponential_value(x: Array, alpha: Array) -> Array:
    rate, z = _rising(x, alpha)
    # Close to 0 a series in z, which divides by no alpha; far left -1 / alpha + alpha is taken together.
    near = jnp.clip(z, -1e-3, 1e-3)
    series = x * (1.0 + near / 2 * (1.0 + near / 3 * (1.0 + near / 4 * (1.0 + near / 5)))) + rate
    far = _times_exp(1.0 / rate, jnp.where(z > 1.0, z, 0.0)) - (1.0 - rate) * (1.0 + rate) / rate
    middle = jnp.expm1(jnp.minimum(z, 1.0)) / rate + rate
    low = (jnp.exp(jnp.minimum(z, 0.0)) - (1.0 - rate) * (1.0 + rate)) / rate
    exponential = jnp.where(z < -0.7, low, jnp.where(z > 1.0, far, middle))
    exponential = jnp.where(jnp.abs(z) < 1e-3, series, exponential)
    rate, w, inside = _falling(x, alpha)
    near = jnp.clip(w, -1e-3, 1e-3)
    series = (x + rate) * (
        1.0 - near / 2 * (1.0 - near * 2 / 3 * (1.0 - near * 3 / 4 * (1.0 - near * 4 / 5)))
    )
    over = jnp.isinf(inside) & (x > 1.0)  # alpha * x overflowed
    far = jnp.where(over, jnp.log(-rate) + jnp.log(jnp.where(over, x, 1.0)), jnp.log(inside))
    # XLA's log1p is off by 60 units in float64 near -0.4.
    middle = jnp.where((inside > 0.75) & (inside < 2.0), jnp.log1p(w), far) / -rate
    logarithm = jnp.where(jnp.abs(w) < 1e-3, series, middle)
    return jnp.where(alpha > 0, exponential, jnp.where(alpha < 0, logarithm, x))


def _soft_exponential_slope_value(x: Array, alpha: Array) -> Array:
    _, z = _rising(x, alpha)
    _, _, inside = _falling(x, alpha)
    identity = jnp.where(jnp.isnan(x), x, 1.0)
    logarithm = jnp.where(inside == 0, 0.0, 1.0 / jnp.where(inside == 0, 1.0, inside))
    return jnp.where(alpha > 0, jnp.exp(z), jnp.where(alpha < 0, logarithm, identity))


def _soft_exponential_curvature(x: Array, alpha: Array) -> Array:
    rate, z = _rising(x, alpha)
    exponential = _times_exp(rate, z)
    rate, _, inside = _falling(x, alpha)
    inverse = jnp.where(inside == 0, 0.0, 1.0 / jnp.where(inside == 0, 1.0, inside))
    logarithm = (rate * inverse) * inverse
    return jnp.where(alpha > 0, exponential, jnp.where(alpha < 0, logarithm, 0.0))


def _soft_exponential_slope_by_alpha(x: Array, alpha: Array) -> Array:
    x = _finite(x)
    _, z = _rising(x, alpha)
    rate, _, inside = _falling(x, alpha)
    inverse = jnp.where(inside == 0, 0.0, 1.0 / jnp.where(inside == 0, 1.0, inside))
    logarithm = ((x + 2.0 * rate) * inverse) * inverse
    return jnp.where(alpha > 0, _times_exp(x, z), jnp.where(alpha < 0, logarithm, x))


def _soft_exponential_by_alpha(x: Array, alpha: Array) -> Array:
    rate, z = _rising(x, alpha)
    near, square = jnp.clip(z, -0.5, 0.5), _finite(x) * _finite(x)
    series = jnp.zeros_like(z)
    for n in range(by_precision(z, 11, 18), 1, -1):  # ((z - 1) exp(z) + 1) / z^2
        series = (n - 1) / math.factorial(n) + near * series
    z = _finite(z)  # rate * x may have overflowed
    whole = (_times_exp(z - 1.0, z) + 1.0) / (rate * rate)
    exponential = 1.0 + jnp.where(jnp.abs(z) < 0.5, square * series, whole)
    x = _finite(x)
    rate, w, inside = _falling(x, alpha)
    small = jnp.abs(w) < 0.1
    out = inside == 0
    inside = _finite(jnp.where(small | out, 1.0, inside))
    whole = jnp.log(inside) / (rate * rate) + (x + 2.0 * rate) / (rate * inside)
    near, ratio, fall = jnp.clip(w, -0.1, 0.1), jnp.zeros_like(w), jnp.zeros_like(w)
    for n in range(by_precision(w, 9, 18), 0, -1):  # log1p(w) / w and minus its derivative
        ratio, fall = 1.0 / n - near * ratio, n / (n + 1) - near * fall
    series = ratio + (x + rate) * (x + 2.0 * rate) * fall
    logarithm = jnp.where(out, 0.0, jnp.where(small, series, whole))
    identity = 1.0 + 0.5 * square
    return jnp.where(alpha > 0, exponential, jnp.where(alpha < 0, logarithm, identity))


_soft_exponential_slope = keep_input(
    _soft_exponential_slope_value, _soft_exponential_curvature, _soft_exponential_slope_by_alpha
)
_soft_exponential = keep_input(_soft_exponential_value, _soft_exponential_slope, _soft_exponential_by_alpha)
