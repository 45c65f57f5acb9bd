"""Saturating functions made of few polynomial pieces: exactly flat beyond a point."""

from __future__ import annotations

import numbers

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.spec import REALS, Interval, Kink, activation, below
from actlab.errors import InputError
from actlab.gradients import as_real, keep_input, keep_output


def _inside(inside: Array, slope: Array | float, x: Array) -> Array:
    """Return the slope inside, 0 outside; NaN stays."""
    return jnp.where(inside, slope, jnp.where(jnp.isnan(x), lax.stop_gradient(x), 0.0))


def _ramp_value(x: Array, reach: Array) -> Array:
    return jnp.clip(x + reach, 0.0, 2.0 * reach) / (2.0 * reach)


def _ramp_slope(x: Array, reach: Array) -> Array:
    return _inside(jnp.abs(x) < reach, 0.5 / reach, x)


# Not from y: just left of the upper kink y rounds to 1.
_ramp = keep_input(_ramp_value, _ramp_slope)


def _ramp_kinks(reach: float) -> tuple[Kink, ...]:
    slope = 0.5 / reach
    return (
        Kink(at=-reach, left=0.0, right=slope, chosen=0.0),
        Kink(at=reach, left=slope, right=0.0, chosen=0.0),
    )


@activation(
    family="saturating",
    formula="clip(x/6+0.5,0,1)",
    range=Interval(0.0, 1.0),
    monotonic=True,
    smoothness="C0",
    kinks=_ramp_kinks(3.0),
    lipschitz=1.0 / 6.0,
    limits=(0.0, 1.0),
    reference="Howard et al. 2019, arXiv:1905.02244",
    peers={
        "jax": "jax.nn.hard_sigmoid",
        "torch": "torch.nn.functional.hardsigmoid",
        "keras": "keras.activations.hard_sigmoid",
        "timm": "timm.layers.hard_sigmoid",
    },
    differs="At NaN the gradient is NaN here, a number in all four; Keras 2 had clip(0.2 x + 0.5, 0, 1).",
)
def hard_sigmoid(x: ArrayLike) -> Array:
    r"""Hard sigmoid: a ramp from -3 to 3, the gate of MobileNetV3.

    .. math:: f(x) = \min(1, \max(0, x/6 + 1/2)), \qquad f'(x) = 1/6 \text{ for } |x| < 3

    Range [0, 1], 0 up to -3 and 1 from 3 on; increasing. Kinks at -3 (slope 0 on its left, 1/6 on its right)
    and at 3 (1/6, 0); 0 is taken at both. 1/6-Lipschitz. Keras 2 had another slope, 1/5.

    Args:
        x: real array.

    Howard et al. 2019, Searching for MobileNetV3, arXiv:1905.02244.

    >>> import jax.numpy as jnp
    >>> hard_sigmoid(jnp.array([-4.0, 0.0, 4.0]))
    Array([0. , 0.5, 1. ], dtype=float32)
    """
    return _ramp(x, 3.0)


@activation(
    family="saturating",
    formula="clip((x+1)/2,0,1)",
    range=Interval(0.0, 1.0),
    monotonic=True,
    smoothness="C0",
    kinks=_ramp_kinks(1.0),
    lipschitz=0.5,
    limits=(0.0, 1.0),
    reference="Courbariaux et al. 2016, arXiv:1602.02830; Martins, Astudillo 2016, arXiv:1602.02068",
    aliases=("hard_sigmoid_bnn",),
    peers={"jax": "jax.nn.sparse_sigmoid", "keras": "keras.activations.sparse_sigmoid"},
    differs="jax.nn's and keras's derivative at -1 and 1 is 1/4, half of the slope between them; at NaN it is 0.",
)
def sparse_sigmoid(x: ArrayLike) -> Array:
    r"""Sparse sigmoid: a ramp from -1 to 1; sparsemax of two classes.

    .. math:: f(x) = \min(1, \max(0, (x + 1)/2)), \qquad f'(x) = 1/2 \text{ for } |x| < 1

    Range [0, 1], 0 up to -1 and 1 from 1 on; increasing. Kinks at -1 (slope 0 on its left, 1/2 on its right)
    and at 1 (1/2, 0); 0 is taken at both. 1/2-Lipschitz.

    Args:
        x: real array.

    Courbariaux, Hubara, Soudry, El-Yaniv, Bengio 2016, arXiv:1602.02830 (as a hard sigmoid); Martins,
    Astudillo 2016, arXiv:1602.02068; Blondel, Martins, Niculae 2019, arXiv:1901.02324.

    >>> import jax.numpy as jnp
    >>> sparse_sigmoid(jnp.array([-2.0, 0.0, 0.5]))
    Array([0.  , 0.5 , 0.75], dtype=float32)
    """
    return _ramp(x, 1.0)


hard_sigmoid_bnn = sparse_sigmoid


def _hard_tanh_kinks(p) -> tuple[Kink, ...]:
    return (
        Kink(at=p["min_val"], left=0.0, right=1.0, chosen=0.0),
        Kink(at=p["max_val"], left=1.0, right=0.0, chosen=0.0),
    )


@activation(
    family="saturating",
    formula="clip(x,min_val,max_val)",
    parameters={"min_val": (REALS, "lower bound"), "max_val": (REALS, "upper bound, above the lower one")},
    range=lambda p: Interval(p["min_val"], p["max_val"]),
    monotonic=True,
    smoothness="C0",
    kinks=_hard_tanh_kinks,
    lipschitz=1.0,
    limits=lambda p: (p["min_val"], p["max_val"]),
    keeps="output",
    requires=below("min_val", "max_val"),
    reference="Collobert 2004; Gulcehre et al. 2016, arXiv:1603.00391",
    peers={
        "jax": "jax.nn.hard_tanh",
        "torch": "torch.nn.functional.hardtanh",
        "keras": "keras.activations.hard_tanh",
    },
    differs="jax.nn's derivative at -1 and 1 is 1, torch's 0, as here; the gradient of either at NaN is 1.",
)
def hard_tanh(x: ArrayLike, *, min_val: ArrayLike = -1.0, max_val: ArrayLike = 1.0) -> Array:
    r"""Hard tanh: the identity between two bounds, flat beyond them.

    .. math:: f(x) = \min(b, \max(a, x)), \qquad f'(x) = 1 \text{ for } a < x < b

    Range [min_val, max_val], its ends are the limits; increasing. Kinks at both bounds, slope 0 outside and 1
    inside, where 0 is taken. 1-Lipschitz.
    Bounds given as numbers that x's dtype holds exactly keep y alone for the backward pass (y is strictly
    between them exactly where x is); others, and learnt ones, keep x.
    Bounds given as arrays are not checked. Where they cross, as learnt ones may, f is min_val left of min_val and
    max_val from there on, with slope 0.

    Args:
        x: real array.
        min_val: lower bound; any finite real.
        max_val: upper bound; any finite real above min_val.

    Raises:
        InputError: both bounds are numbers and min_val is not below max_val.

    Collobert 2004, Large scale machine learning (thesis); Gulcehre, Moczulski, Denil, Bengio 2016,
    arXiv:1603.00391.

    >>> import jax.numpy as jnp
    >>> hard_tanh(jnp.array([-2.0, 0.5, 2.0]))
    Array([-1. ,  0.5,  1. ], dtype=float32)
    """
    x = as_real(x)
    if isinstance(min_val, numbers.Real) and isinstance(max_val, numbers.Real):
        if not min_val < max_val:
            raise InputError(f"hard_tanh: min_val must be below max_val, got {min_val!r} and {max_val!r}")
        if all(float(np.asarray(bound, x.dtype)) == bound for bound in (min_val, max_val)):
            return _hard_tanh_by_output(x, min_val, max_val)
    return _hard_tanh_by_input(x, min_val, max_val)


def _hard_tanh_value(x: Array, low: Array, high: Array) -> Array:
    return jnp.where(x < low, low, jnp.where(x > high, high, x))


def _hard_tanh_slope(x: Array, low: Array, high: Array) -> Array:
    return _inside((x > low) & (x < high), 1.0, x)


def _hard_tanh_by_low(x: Array, low: Array, high: Array) -> Array:
    return jnp.where(x <= low, 1.0, 0.0)


def _hard_tanh_by_high(x: Array, low: Array, high: Array) -> Array:
    return jnp.where((x >= high) & (x > low), 1.0, 0.0)


_hard_tanh_by_output = keep_output(
    _hard_tanh_value, lambda y, t, low, high: _hard_tanh_slope(y, low, high) * t
)
_hard_tanh_by_input = keep_input(_hard_tanh_value, _hard_tanh_slope, _hard_tanh_by_low, _hard_tanh_by_high)


@activation(
    family="saturating",
    formula="where(x>2,1,where(x>=0,x-x**2/4,where(x>=-2,x+x**2/4,-1)))",
    range=Interval(-1.0, 1.0),
    monotonic=True,
    smoothness="C1",
    lipschitz=1.0,
    limits=(-1.0, 1.0),
    reference="Wuraola, Patel 2018, IJCNN, doi:10.1109/IJCNN.2018.8489043",
)
def sqnl(x: ArrayLike) -> Array:
    r"""Square nonlinearity: an odd sigmoid of two parabolas, without an exponential.

    .. math:: f(x) = x - \tfrac14 x |x| \text{ for } |x| \le 2, \text{ else } \operatorname{sign} x,
              \qquad f'(x) = 1 - \tfrac12 |x|

    Range [-1, 1], -1 up to -2 and 1 from 2 on; odd and increasing. Continuously differentiable: f'' jumps at -2
    (from 0 to 1/2), 0 (to -1/2) and 2 (to 0); the inner value is taken at -2 and 2, and 0 at 0. 1-Lipschitz.

    Args:
        x: real array.

    Wuraola, Patel 2018, SQNL: a new computationally efficient activation function, IJCNN.

    >>> import jax.numpy as jnp
    >>> sqnl(jnp.array([-3.0, 1.0]))
    Array([-1.  ,  0.75], dtype=float32)
    """
    return _sqnl(x)


def _sqnl_value(x: Array) -> Array:
    x = jnp.clip(x, -2.0, 2.0)
    return x * (1.0 - 0.25 * jnp.abs(x))


def _sqnl_slope_value(x: Array) -> Array:
    return 1.0 - 0.5 * jnp.abs(jnp.clip(x, -2.0, 2.0))


def _sqnl_curvature(x: Array) -> Array:
    return jnp.where(jnp.abs(x) <= 2.0, -0.5 * jnp.sign(x), 0.0)


_sqnl = keep_input(_sqnl_value, keep_input(_sqnl_slope_value, _sqnl_curvature))
