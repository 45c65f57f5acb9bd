"""Quantisers of many levels, and relu with another function's gradient."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.rectified import nan_or
from actlab.activations.spec import NONNEGATIVE, POSITIVE, REALS, Interval, Jump, Kink, activation
from actlab.gradients import by_precision, keep_input, keep_output


@activation(
    family="straight-through",
    formula="round(x)",
    range=REALS,
    monotonic=True,
    smoothness="jumps",
    # One at every half-integer: these are the nearest.
    jumps=tuple(
        Jump(at=k + 0.5, left=float(k), right=k + 1.0, value=float(k + k % 2)) for k in range(-64, 64)
    ),
    lipschitz=math.inf,
    limits=(-math.inf, math.inf),
    surrogate="1",
    keeps="nothing",
    reference="Bengio, Léonard, Courville 2013, arXiv:1308.3432; Jacob et al. 2017, arXiv:1712.05877",
)
def round_ste(x: ArrayLike) -> Array:
    r"""Round to the nearest integer, ties to the even one, with the identity's gradient.

    .. math:: f(x) = \lfloor x \rceil, \qquad f'(x) := 1

    Values: the integers; odd, increasing. A jump at every half-integer (the spec lists those up to 63.5), where the
    value is even. Nothing but y is kept for the backward pass.

    Bengio, Léonard, Courville 2013, arXiv:1308.3432; Jacob et al. 2017, Quantization and training of neural
    networks for efficient integer-arithmetic-only inference, arXiv:1712.05877.

    >>> import jax, jax.numpy as jnp
    >>> round_ste(jnp.array([-1.75, 0.5, 1.5]))
    Array([-2.,  0.,  2.], dtype=float32)
    >>> jax.grad(round_ste)(0.25)
    Array(1., dtype=float32, weak_type=True)
    """
    return _round(x)


_round = keep_output(jnp.round, lambda y, t: nan_or(y, 1.0) * t)


def _levels_jumps(p):
    levels = 2 ** p["bits"] - 1
    step = p["alpha"] / levels
    return tuple(
        Jump(at=(k + 0.5) * step, left=k * step, right=(k + 1) * step, value=(k + k % 2) * step)
        for k in range(levels)
    )


@activation(
    family="straight-through",
    formula="round(clip(x,0,alpha)*(2**bits-1)/alpha)*alpha/(2**bits-1)",
    parameters={
        "bits": (Interval(1, 16), "there are 2^bits levels"),
        "alpha": (POSITIVE, "the cap"),
    },
    range=lambda p: Interval(0.0, p["alpha"]),
    monotonic=True,
    smoothness="jumps",
    jumps=_levels_jumps,
    lipschitz=math.inf,
    limits=lambda p: (0.0, p["alpha"]),
    surrogate="where(x<0,0,where(x<alpha,1,0))",
    reference="Choi et al. 2018 (PACT), arXiv:1805.06085; Zhou et al. 2016, arXiv:1606.06160",
    aliases=("pact",),
)
def quantized_relu_ste(x: ArrayLike, *, bits: int = 4, alpha: ArrayLike = 6.0) -> Array:
    r"""Quantised capped rectifier (PACT): `relu_n` on 2^bits equally spaced levels.

    .. math:: f(x) = \frac{\alpha}{m} \left\lfloor \frac{m}{\alpha} \min(\max(0, x), \alpha) \right\rceil,
              \quad m = 2^{b} - 1, \qquad f'(x) := [\, 0 \le x < \alpha \,],
              \qquad \frac{\partial f}{\partial \alpha} := [\, x \ge \alpha \,]

    Range [0, alpha]; limits 0 and alpha; increasing. Jumps halfway between levels, where the even multiple is
    taken. Autodiff returns the derivatives of the capped rectifier without rounding, by alpha too. An input within
    rounding of a jump may go to either level.

    Args:
        x: real array.
        bits: b, an integer from 1 to 16; there are 2^b levels, 0 and alpha among them.
        alpha: the cap, positive; meant to be learnt.

    Choi, Wang, Venkataramani, Chuang, Srinivasan, Gopalakrishnan 2018, PACT, arXiv:1805.06085; Zhou et al. 2016,
    DoReFa-Net, arXiv:1606.06160.

    >>> import jax.numpy as jnp
    >>> quantized_relu_ste(jnp.array([-1.0, 0.75, 9.0]), bits=2, alpha=3.0)
    Array([0., 1., 3.], dtype=float32)
    """
    return _quantized(x, 2.0**bits - 1.0, alpha)


pact = quantized_relu_ste


def _quantized_value(x: Array, levels: Array, alpha: Array) -> Array:
    inside = jnp.minimum(jnp.maximum(x, 0.0), alpha)
    return jnp.round(inside * (levels / alpha)) * alpha / levels


def _quantized_slope(x: Array, levels: Array, alpha: Array) -> Array:
    return nan_or(x, jnp.where((x >= 0) & (x < alpha), 1.0, 0.0))


def _quantized_by_alpha(x: Array, levels: Array, alpha: Array) -> Array:
    return nan_or(x, jnp.where(x >= alpha, 1.0, 0.0))


_quantized = keep_input(_quantized_value, _quantized_slope, None, _quantized_by_alpha)


def _sugar_kinks(p):
    chosen = 0.5 + 0.25 * p["alpha"] if p["surrogate"] == "bsilu" else 0.0
    return (Kink(at=0.0, left=0.0, right=1.0, chosen=chosen),)


@activation(
    family="straight-through",
    formula="max(0,x)",
    parameters={
        "surrogate": (("bsilu", "nelu"), "whose derivative is taken"),
        "alpha": (NONNEGATIVE, "shift of B-SiLU"),
        "nelu_alpha": (NONNEGATIVE, "depth of NeLU"),
    },
    range=NONNEGATIVE,
    monotonic=True,
    smoothness="C0",
    kinks=_sugar_kinks,
    lipschitz=1.0,
    limits=(0.0, math.inf),
    surrogate=(
        "(sigmoid(x)+(x+alpha)*sigmoid(x)*sigmoid(-x)) if surrogate=='bsilu'"
        " else where(x>0,1,nelu_alpha*2*x/(1+x*x)**2)"
    ),
    reference="Horuz et al. 2025, arXiv:2505.22074",
)
def relu_sugar(
    x: ArrayLike, *, surrogate: str = "bsilu", alpha: ArrayLike = 1.67, nelu_alpha: ArrayLike = 0.05
) -> Array:
    r"""SUGAR: relu forward, the derivative of a smoother function backward, so that no unit dies.

    .. math:: f(x) = \max(0, x), \qquad f'(x) := \begin{cases}
              \sigma(x) + (x + \alpha)\, \sigma(x)\, \sigma(-x) & \text{bsilu} \\
              1 \text{ if } x > 0 \text{ else } 2 a x / (1 + x^2)^2 & \text{nelu} \end{cases}

    Range [0, inf); limits 0 and inf; increasing, 1-Lipschitz. Kink at 0 (derivative 0 left, 1 right), where the
    slope returned is 1/2 + alpha / 4 of B-SiLU, 0 of NeLU. B-SiLU is (x + alpha) sigma(x) - alpha / 2; NeLU is
    x on the right, and on the left something whose slope is negative: it pushes dead units back. Neither slope
    is that of relu anywhere but for NeLU on the right. The parameters get no gradient.

    Args:
        x: real array.
        surrogate: ``"bsilu"`` or ``"nelu"``.
        alpha: shift of B-SiLU, not negative; 1.67 in the paper. NeLU ignores it.
        nelu_alpha: a, depth of NeLU, not negative. B-SiLU ignores it.

    Raises:
        InputError: there is no such surrogate.

    Horuz, Kasenbacher, Higuchi, Kairat, Stoltz, Pesl, Moser, Linse, Martinetz, Otte 2025, The resurrection of the
    ReLU, arXiv:2505.22074.

    >>> import jax
    >>> print(f"{relu_sugar(-1.0):.4f} {jax.grad(relu_sugar)(-1.0):.4f}")
    0.0000 0.4007
    """
    relu_sugar.spec.check({"surrogate": surrogate})
    rule = _sugar_bsilu if surrogate == "bsilu" else _sugar_nelu
    return rule(x, alpha, nelu_alpha)


def _sugar_value(x: Array, *params: Array) -> Array:
    return jnp.maximum(x, 0.0)


def _bsilu_slope(x: Array, alpha: Array, nelu_alpha: Array) -> Array:
    end = by_precision(x, 110.0, 760.0)  # exp(-end) is 0
    x = jnp.clip(x, -end, end)
    half = jnp.exp(-0.5 * jnp.abs(x))
    e = half * half
    bend = x + alpha
    return jnp.where(x > 0, 1.0 + e + bend * e, ((1.0 + e + bend) * half) * half) / (1.0 + e) ** 2


def _nelu_slope(x: Array, alpha: Array, nelu_alpha: Array) -> Array:
    left = jnp.where(
        x > 0, 0.0, jnp.maximum(x, -by_precision(x, 1e19, 1e150))
    )  # the slope's square is 0 there
    below = 1.0 + left * left
    return jnp.where(x > 0, 1.0, (2.0 * nelu_alpha * (left / below)) / below)


_sugar_bsilu = keep_input(_sugar_value, _bsilu_slope)
_sugar_nelu = keep_input(_sugar_value, _nelu_slope)
