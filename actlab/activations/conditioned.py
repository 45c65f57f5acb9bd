"""Functions whose shape comes with the call: arrays computed elsewhere, usually by a small learnt network.

The networks that compute them are layers: `actlab.nn.FunnelReLU`, `DynamicReLU`, `MetaAcon`.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.gated_blend import acon_c
from actlab.activations.multi_input import keep_arguments
from actlab.activations.spec import REALS, Interval, activation
from actlab.errors import InputError
from actlab.gradients import as_real, keep_input, keep_inputs, widen


@activation(
    family="multi-input",
    formula="concat(cos(2*pi*sum_d(frequencies*x)),sin(2*pi*sum_d(frequencies*x)))",
    range=Interval(-1.0, 1.0),
    monotonic=False,
    smoothness="Cinf",
    lipschitz=math.inf,  # 2 pi times the largest singular value of the frequencies
    limits=(math.nan, math.nan),
    turning=None,
    reference="Rahimi, Recht 2007; Tancik et al. 2020, arXiv:2006.10739",
    kind="resizing",
)
def fourier_features(x: ArrayLike, frequencies: ArrayLike) -> Array:
    r"""Fourier features: cosines, then sines, of fixed projections of x.

    .. math:: f(x) = [\cos(2\pi B x), \sin(2\pi B x)]

    Turns d coordinates into 2 m features, each in [-1, 1] with cos^2 + sin^2 = 1. Whole periods are taken off
    before the multiplication by 2 pi, so the phase is as good as the product B x. Sizes of x are clipped at 1e18,
    where no phase is left in float32 or float64.

    Args:
        x: real array (..., d), coordinates.
        frequencies: real array (m, d), the rows of B; often drawn once from N(0, sigma^2).

    Raises:
        InputError: ``frequencies`` is not a matrix with d columns.

    Rahimi, Recht 2007, Random features for large-scale kernel machines; Tancik et al. 2020, arXiv:2006.10739.

    >>> import jax.numpy as jnp
    >>> print(fourier_features(jnp.array([0.5]), jnp.array([[0.0], [1.0]])).round(4) + 0.0)
    [ 1. -1.  0.  0.]
    """
    x, frequencies = as_real(x), as_real(frequencies)
    if x.ndim == 0 or frequencies.ndim != 2 or frequencies.shape[1] != x.shape[-1]:
        raise InputError(f"fourier_features: frequencies {frequencies.shape} do not fit x {x.shape}")
    return _fourier_features(x, frequencies)


@keep_arguments
def _fourier_features(x: Array, frequencies: Array) -> Array:
    wide, frequencies = widen(x, frequencies)
    product = jnp.matmul(jnp.clip(wide, -1e18, 1e18), frequencies.T, precision=lax.Precision.HIGHEST)
    phase = 2.0 * math.pi * (product - lax.stop_gradient(jnp.round(product)))
    y = jnp.concatenate([jnp.cos(phase), jnp.sin(phase)], axis=-1)
    return y.astype(x.dtype)


@activation(
    family="multi-input",
    formula="max(x,context)",
    range=REALS,
    monotonic=True,
    smoothness="C0",
    lipschitz=1.0,
    limits=(math.nan, math.inf),
    turning=None,
    reference="Ma, Zhang, Sun 2020, arXiv:2007.11824",
    kind="conditioned",
)
def funnel_relu(x: ArrayLike, context: ArrayLike) -> Array:
    r"""Funnel ReLU (FReLU): the larger of x and a condition computed from its surroundings.

    .. math:: f(x, c) = \max(x, c)

    A rectifier whose zero is replaced by a learnt, spatial condition. Range: all reals. 1-Lipschitz; kink where x
    = context, where the derivative is that of x.

    Args:
        x: real array.
        context: real array that broadcasts with x: the condition, a depthwise convolution of x in the paper.

    Raises:
        InputError: x and ``context`` do not broadcast.

    Ma, Zhang, Sun 2020, arXiv:2007.11824.

    >>> print(funnel_relu(1.0, 2.0))
    2.0
    """
    return _funnel(x, context)


def _x_wins(x: Array, context: Array) -> Array:
    return (x >= context) | jnp.isnan(x)


_funnel = keep_inputs(
    lambda x, context: jnp.where(_x_wins(x, context), x, context),
    lambda x, context: jnp.where(_x_wins(x, context), 1.0, 0.0),
    lambda x, context: jnp.where(_x_wins(x, context), 0.0, 1.0),
)


@activation(
    family="multi-input",
    formula="max_k(slopes[k]*x+offsets[k])",
    range=REALS,
    monotonic=False,
    smoothness="C0",
    lipschitz=math.inf,  # the largest size of a slope
    limits=(math.nan, math.nan),
    turning=None,
    reference="Chen, Dai, Liu, Chen, Yuan, Liu 2020, arXiv:2003.10027",
    kind="conditioned",
)
def dynamic_relu(x: ArrayLike, slopes: ArrayLike, offsets: ArrayLike) -> Array:
    r"""Dynamic ReLU (DY-ReLU): the largest of K straight lines whose coefficients depend on the sample.

    .. math:: f(x) = \max_k (a_k x + b_k)

    Convex, piecewise linear. Slopes (1, 0) and offsets (0, 0) make `relu`. Where lines meet the first one counts.

    Args:
        x: real array.
        slopes: real array whose first axis counts the K lines; each broadcasts against the last axes of x.
        offsets: real array, likewise.

    Raises:
        InputError: the numbers of slopes and of offsets differ.

    Chen, Dai, Liu, Chen, Yuan, Liu 2020, arXiv:2003.10027.

    >>> import jax.numpy as jnp
    >>> dynamic_relu(jnp.array([-2.0, 2.0]), jnp.array([1.0, 0.0]), jnp.array([0.0, -1.0]))
    Array([-1.,  2.], dtype=float32)
    """
    slopes, offsets = jnp.asarray(slopes), jnp.asarray(offsets)
    if slopes.shape[:1] != offsets.shape[:1]:
        raise InputError(f"dynamic_relu: {slopes.shape[:1]} slopes but {offsets.shape[:1]} offsets")
    return _dynamic(x, slopes, offsets)


def _dynamic_value(x: Array, slopes: Array, offsets: Array) -> Array:
    def line(k: int) -> Array:
        return slopes[k] * jnp.where((slopes[k] == 0) & jnp.isinf(x), 0.0, x) + offsets[k]

    best = line(0)
    for k in range(1, slopes.shape[0]):
        other = line(k)
        best = jnp.where(other > best, other, best)
    return best


_dynamic = keep_input(_dynamic_value, vectors=(0, 1))


@activation(
    family="multi-input",
    formula="(p1-p2)*x*sigmoid(beta*(p1-p2)*x)+p2*x",
    range=REALS,
    monotonic=False,
    smoothness="Cinf",
    lipschitz=math.inf,  # depends on p1 and p2
    limits=(math.nan, math.nan),
    turning=None,
    reference="Ma, Zhang, Liu, Sun 2020, arXiv:2009.04759",
    kind="conditioned",
)
def meta_acon(x: ArrayLike, beta: ArrayLike, p1: ArrayLike, p2: ArrayLike) -> Array:
    r"""Meta-ACON: a smooth maximum of p1 x and p2 x whose sharpness is computed for each sample.

    .. math:: f(x) = p_1 x\, \sigma(z) + p_2 x\, \sigma(-z), \qquad z = \beta\, (p_1 - p_2)\, x, \qquad
              f'(x) = p_1 \sigma(z) + p_2 \sigma(-z) + (p_1 - p_2)\, z\, \sigma(z)\, \sigma(-z)

    `acon_c` with its parameters as arrays of the call. beta = 0 is the mean of the two lines, large beta their
    maximum; p1 = 1, p2 = 0 is `swish`.

    Args:
        x: real array.
        beta: sharpness, an array that broadcasts against the last axes of x; sigmoid of a learnt function of the
            sample in the paper.
        p1: slope on one side, likewise.
        p2: slope on the other side, likewise.

    Raises:
        InputError: ``beta``, ``p1`` or ``p2`` does not fit the last axes of x.

    Ma, Zhang, Liu, Sun 2020, Activate or not, arXiv:2009.04759.

    >>> print(f"{meta_acon(2.0, 1.0, 1.0, 0.0):.4f}")
    1.7616
    """
    return acon_c(x, p1=p1, p2=p2, beta=beta)
