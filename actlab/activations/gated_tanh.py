r"""Self-gated functions with a composed gate: tanh, logarithm or exponential of an exponential or a sigmoid.

Like their relatives in `selfgated` they are smooth and dip below zero left of the origin; lisht is even.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.roots import root
from actlab.activations.selfgated import clipped, finite, halves
from actlab.activations.spec import NONNEGATIVE, REALS, Interval, activation
from actlab.gradients import by_precision, keep_input


@activation(
    family="self-gated",
    formula="x*tanh(exp(x))",
    range=Interval(-0.35328577784821127, math.inf),
    monotonic=False,
    smoothness="Cinf",
    lipschitz=1.061975308717916,  # at 0.69656396039517238
    limits=(0.0, math.inf),
    turning=(-1.0788600584646241,),
    reference="Liu, Di 2020, arXiv:2003.09855; Fernandez, Mali 2024, arXiv:2412.20269",
    aliases=("telu",),
)
def tanhexp(x: ArrayLike) -> Array:
    r"""TanhExp, or TeLU: x times the tanh of its exponential.

    .. math:: f(x) = x \tanh(w), \qquad f'(x) = \tanh(w) + x\,w\,\mathrm{sech}^2(w), \qquad w = e^x

    Range [-0.3533, inf); limits 0 and inf; smooth, turning at -1.0789. 1.0620-Lipschitz. Nears the identity
    faster than `mish`: the difference is below float32's reach from x = 3 on.

    Liu, Di 2020, TanhExp, arXiv:2003.09855; under the name TeLU again Fernandez, Mali 2024, arXiv:2412.20269.

    >>> print(f"{tanhexp(-1.0):.4f}")
    -0.3521
    """
    return _tanhexp(x)


telu = tanhexp


def _tanhexp_value(x: Array) -> Array:
    half, w = halves(x)
    # Left of -20 tanh(w) is w. Its square root is kept apart, because w is flushed before x w is.
    left = (finite(x) * half) * half
    return jnp.where(x < -20.0, left, x * jnp.tanh(w))


def _tanhexp_parts(x: Array) -> tuple[Array, Array, Array, Array]:
    """Return x clipped, exp(x / 2), w = exp(x) and sech(w)."""
    x = jnp.clip(x, -by_precision(x, 210.0, 1500.0), 8.0)  # exp(-exp(8)) is 0
    half, w = halves(x)
    q, square = halves(-2.0 * w)
    return x, half, w, 2.0 * q / (1.0 + square)


def _tanhexp_slope_value(x: Array) -> Array:
    x, half, w, sech = _tanhexp_parts(x)
    left = ((1.0 + x) * half) * half
    return jnp.where(x < -20.0, left, jnp.tanh(w) + ((x * w) * sech) * sech)


def _tanhexp_curvature(x: Array) -> Array:
    x, half, w, sech = _tanhexp_parts(x)
    return ((2.0 + x - 2.0 * x * w * jnp.tanh(w)) * (half * sech)) * (half * sech)


_tanhexp = keep_input(_tanhexp_value, keep_input(_tanhexp_slope_value, _tanhexp_curvature))


@activation(
    family="self-gated",
    formula="x*tanh(log(1+sigmoid(x)))",
    range=Interval(-0.2499936636601295, math.inf),
    monotonic=False,
    smoothness="Cinf",
    lipschitz=0.6368842228812263,  # at 2.2154214540088013
    limits=(0.0, math.inf),
    turning=(-1.3945193019245041,),
    reference="Wang, Ren, Wang 2022, Electronics 11(4), 540",
)
def smish(x: ArrayLike) -> Array:
    r"""Smish: x times the tanh of the logarithm of 1 plus its sigmoid.

    .. math:: f(x) = x \tanh(\log(1 + \sigma(x))) = x\, \frac{w (3 w + 2)}{5 w^2 + 6 w + 2}, \qquad w = e^x

    Range [-0.2500, inf); limits 0 and inf; tends to 3 x / 5 on the right. Smooth, turning at -1.3945.
    0.6369-Lipschitz. Written as a quotient in :math:`e^{-|x|}`, like `mish`.

    Wang, Ren, Wang 2022, Smish: A Novel Activation Function for Deep Learning Methods,
    doi:10.3390/electronics11040540.

    >>> print(f"{smish(2.0):.4f}")
    1.1184
    """
    return _smish(x)


def _smish_parts(x: Array) -> tuple[Array, Array, Array]:
    """Return exp(-abs(x) / 2), its square and the gate's denominator, on the right times exp(-2 x)."""
    half, e = halves(-jnp.abs(x))
    return half, e, jnp.where(x > 0, 5.0 + e * (6.0 + 2.0 * e), 2.0 + e * (6.0 + 5.0 * e))


def _smish_value(x: Array) -> Array:
    half, e, below = _smish_parts(x)
    right = x * ((3.0 + 2.0 * e) / below)
    left = ((finite(x) * half) * half) * ((2.0 + 3.0 * e) / below)
    return jnp.where(x > 0, right, left)


def _smish_slope_value(x: Array) -> Array:
    half, e, below = _smish_parts(x)
    x = clipped(x)
    right = (3.0 + 2.0 * e) * below + 4.0 * x * e * (1.0 + e) * (2.0 + e)
    left = (((2.0 + 3.0 * e) * below + 4.0 * x * (1.0 + e) * (1.0 + 2.0 * e)) * half) * half
    return jnp.where(x > 0, right, left) / (below * below)


def _smish_curvature(x: Array) -> Array:
    half, e, below = _smish_parts(x)
    x = clipped(x)
    right = 2.0 * (1.0 + e) * (2.0 + e) * below - x * (10.0 + e * (18.0 + e * (3.0 - e * (6.0 + 2.0 * e))))
    left = 2.0 * (1.0 + e) * (1.0 + 2.0 * e) * below + x * (
        2.0 + e * (6.0 - e * (3.0 + e * (18.0 + 10.0 * e)))
    )
    return ((4.0 * jnp.where(x > 0, right, left)) * half) * half / (below * below * below)


_smish = keep_input(_smish_value, keep_input(_smish_slope_value, _smish_curvature))


@activation(
    family="self-gated",
    formula="x*log(1+sigmoid(x))",
    range=Interval(-0.25276881678944035, math.inf),
    monotonic=False,
    smoothness="Cinf",
    lipschitz=0.74631118041273968,  # at 2.3167585149953631
    limits=(0.0, math.inf),
    turning=(-1.3724541370256921,),
    reference="Zhu, Zeng, Liu, Zhang 2021, Neurocomputing 458",
)
def logish(x: ArrayLike) -> Array:
    r"""Logish: x times the logarithm of 1 plus its sigmoid.

    .. math:: f(x) = x \log(1 + \sigma(x)), \qquad
              f'(x) = \log(1 + \sigma(x)) + x\,\frac{\sigma(x)\,\sigma(-x)}{1 + \sigma(x)}

    Range [-0.2528, inf); limits 0 and inf; tends to log(2) x on the right. Smooth, turning at -1.3725.
    0.7463-Lipschitz.

    Zhu, Zeng, Liu, Zhang 2021, Logish: A new nonlinear nonmonotonic activation function for convolutional
    neural network, Neurocomputing 458, 490-499.

    >>> print(f"{logish(2.0):.4f}")
    1.2634
    """
    return _logish(x)


def _logish_value(x: Array) -> Array:
    half, _ = halves(-jnp.abs(x))
    left = (finite(x) * half) * half  # log1p(sigmoid(x)) is exp(x) there
    return jnp.where(x < -by_precision(x, 20.0, 40.0), left, x * jnp.log1p(lax.logistic(x)))


def _logish_parts(x: Array) -> tuple[Array, Array, Array]:
    r"""Return x clipped, exp(-abs(x) / 2) and :math:`\sigma'/(1 + \sigma)` over its square."""
    half, e = halves(-jnp.abs(x))
    x = clipped(x)
    return x, half, 1.0 / ((1.0 + e) * jnp.where(x > 0, 2.0 + e, 1.0 + 2.0 * e))


def _logish_slope_value(x: Array) -> Array:
    x, half, rise = _logish_parts(x)
    left = ((1.0 + x) * half) * half
    return jnp.where(
        x < -by_precision(x, 20.0, 40.0), left, jnp.log1p(lax.logistic(x)) + ((x * rise) * half) * half
    )


def _logish_curvature(x: Array) -> Array:
    x, half, rise = _logish_parts(x)
    steep = jnp.tanh(0.5 * x) + (rise * half) * half
    return (((2.0 - x * steep) * rise) * half) * half


_logish = keep_input(_logish_value, keep_input(_logish_slope_value, _logish_curvature))


@activation(
    family="self-gated",
    formula="x*exp(-exp(-x))",
    range=Interval(-0.097260131227639405, math.inf),
    monotonic=False,
    smoothness="Cinf",
    lipschitz=1.1133972752756767,  # at 2.2386458346062827
    limits=(0.0, math.inf),
    turning=(-0.56714329040978387,),
    reference="Das et al. 2025, arXiv:2502.03654",
    aliases=("expexpish",),
)
def golu(x: ArrayLike) -> Array:
    r"""Gompertz linear unit: x times the distribution function of the Gumbel distribution.

    .. math:: f(x) = x\,G(x), \qquad f'(x) = G(x)\,(1 + x\,w), \qquad G(x) = e^{-w}, \quad w = e^{-x}

    Range [-0.0973, inf); limits 0 and inf; smooth, turning at -0.5671, minus the omega constant.
    1.1134-Lipschitz. The gate shuts faster on the left than it opens on the right: 1e-38 at x = -4.5.

    Das et al. 2025, Gompertz Linear Units, arXiv:2502.03654; as ExpExpish in the survey of Kunc and Klema
    2024, arXiv:2402.09092.

    >>> print(f"{golu(2.0):.4f}")
    1.7468
    """
    return _golu(x)


expexpish = golu


def _golu_value(x: Array) -> Array:
    root_of_gate = jnp.exp(-0.5 * jnp.exp(-x))
    return jnp.where(x > 0, x * (root_of_gate * root_of_gate), (finite(x) * root_of_gate) * root_of_gate)


def _golu_parts(x: Array) -> tuple[Array, Array, Array, Array]:
    """Return x clipped, exp(-x / 2), w and the square root of the gate."""
    x = jnp.clip(x, -by_precision(x, 6.0, 8.0), by_precision(x, 210.0, 1500.0))  # 0 and 1 are reached
    half, w = halves(-x)
    return x, half, w, jnp.exp(-0.5 * w)


def _golu_slope_value(x: Array) -> Array:
    x, _, w, root_of_gate = _golu_parts(x)
    return ((1.0 + x * w) * root_of_gate) * root_of_gate


def _golu_curvature(x: Array) -> Array:
    x, half, w, root_of_gate = _golu_parts(x)
    return (((2.0 + x * w - x) * half) * root_of_gate) * (half * root_of_gate)


_golu = keep_input(_golu_value, keep_input(_golu_slope_value, _golu_curvature))


@activation(
    family="self-gated",
    formula="x*tanh(x)",
    range=NONNEGATIVE,
    monotonic=False,
    smoothness="Cinf",
    lipschitz=1.1996786402577338,  # at itself, where x tanh(x) = 1
    limits=(math.inf, math.inf),
    turning=(0.0,),
    reference="Roy et al. 2019, arXiv:1901.05894",
)
def lisht(x: ArrayLike) -> Array:
    r"""Linearly scaled tanh: a smooth absolute value, even and never negative.

    .. math:: f(x) = x \tanh(x), \qquad f'(x) = \tanh(x) + x\,\mathrm{sech}^2(x)

    Range [0, inf); both limits inf; smooth, turning at 0. 1.1997-Lipschitz.

    Roy, Manna, Dubey, Chaudhuri 2019, arXiv:1901.05894.

    >>> print(f"{lisht(-2.0):.4f}")
    1.9281
    """
    return _lisht(x)


def _sech_squared(x: Array, scale: Array) -> Array:
    """Return scale * sech(x)^2, normal wherever the product is."""
    u, square = halves(-2.0 * jnp.abs(x))
    return ((4.0 * scale) * u) * u / ((1.0 + square) * (1.0 + square))


def _lisht_value(x: Array) -> Array:
    return x * jnp.tanh(x)


def _lisht_slope_value(x: Array) -> Array:
    return jnp.tanh(x) + _sech_squared(x, clipped(x))


def _lisht_curvature(x: Array) -> Array:
    return _sech_squared(x, 2.0 * (1.0 - clipped(x) * jnp.tanh(x)))


_lisht = keep_input(_lisht_value, keep_input(_lisht_slope_value, _lisht_curvature))


def _stan_turning(p) -> tuple[float, ...]:
    beta = p["beta"]
    if beta == 0:
        return ()
    size = abs(beta)
    low = max(-1.0 / size, -300.0)
    at = root(lambda x: 1.0 + size * x + 0.5 * size * math.sinh(2.0 * x), low, 0.0)
    return (math.copysign(at, -beta),)


def _stan_range(p):
    if p["beta"] == 0:
        return Interval(-1.0, 1.0, open_low=True, open_high=True)
    (x,) = _stan_turning(p)
    end = math.tanh(x) * (1.0 + p["beta"] * x)
    return Interval(end, math.inf) if p["beta"] > 0 else Interval(-math.inf, end)


def _stan_lipschitz(p):
    size = abs(p["beta"])
    x = root(lambda x: math.tanh(x) * (1.0 + size * x) - size, 0.0, 2.0) if size else 0.0
    return size * math.tanh(x) + (1.0 + size * x) / math.cosh(x) ** 2


def _stan_limits(p):
    beta = p["beta"]
    return (math.copysign(math.inf, beta),) * 2 if beta else (-1.0, 1.0)


@activation(
    family="saturating",
    formula="tanh(x)+beta*x*tanh(x)",
    parameters={"beta": (REALS, "slope far right, and minus the slope far left")},
    range=_stan_range,
    monotonic=lambda p: p["beta"] == 0,
    smoothness="Cinf",
    lipschitz=_stan_lipschitz,
    limits=_stan_limits,
    turning=_stan_turning,
    reference="Gnanasambandam et al. 2022, arXiv:2204.12589",
    aliases=("stan",),
)
def self_scalable_tanh(x: ArrayLike, *, beta: ArrayLike = 1.0) -> Array:
    r"""Self-scalable tanh (Stan): tanh plus a smooth absolute value, for physics-informed networks.

    .. math:: f(x) = (1 + \beta x) \tanh(x), \qquad f'(x) = \beta \tanh(x) + (1 + \beta x)\,\mathrm{sech}^2(x)

    At beta = 1 range [-0.2323, inf), both limits inf, turning at -0.4650. Smooth; 1.6837-Lipschitz.
    beta = 0 is `tanh`; a negative beta mirrors it: f(x; -beta) = -f(-x; beta).

    Args:
        x: real array.
        beta: slope far right, and minus the slope far left; any finite real. Learnt from 1, one for every
            neuron.

    Gnanasambandam, Shen, Chung, Yue, Kong 2022, arXiv:2204.12589.

    >>> print(f"{self_scalable_tanh(2.0):.4f}")
    2.8921
    """
    return _stan(x, beta)


stan = self_scalable_tanh


def _stan_value(x: Array, beta: Array) -> Array:
    return jnp.tanh(x) * (1.0 + jnp.where(beta == 0, 0.0, beta * x))


def _stan_slope_value(x: Array, beta: Array) -> Array:
    return beta * jnp.tanh(x) + _sech_squared(x, 1.0 + beta * clipped(x))


def _stan_curvature(x: Array, beta: Array) -> Array:
    return _sech_squared(x, 2.0 * (beta - jnp.tanh(x) * (1.0 + beta * clipped(x))))


def _stan_by_beta(x: Array, beta: Array) -> Array:
    return x * jnp.tanh(x)


_stan = keep_input(_stan_value, keep_input(_stan_slope_value, _stan_curvature), _stan_by_beta)
