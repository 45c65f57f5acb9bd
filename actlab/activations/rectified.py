"""Rectifiers around 0: relu, leaky and squared ones, with the derivative at each kink stated."""

from __future__ import annotations

import math
import numbers

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.spec import NONNEGATIVE, POSITIVE, REALS, Interval, Kink, activation
from actlab.gradients import keep_input, keep_output


def nan_or(x: Array, slope: Array | float) -> Array:
    """Return ``slope``, or the NaN of x, which the comparisons that made it have not seen."""
    return jnp.where(jnp.isnan(x), lax.stop_gradient(x), slope)


@activation(
    family="rectified",
    formula="max(0,x)",
    range=NONNEGATIVE,
    monotonic=True,
    smoothness="C0",
    kinks=(Kink(at=0.0, left=0.0, right=1.0, chosen=0.0),),
    lipschitz=1.0,
    limits=(0.0, math.inf),
    keeps="output",
    reference="Fukushima 1969; Nair, Hinton 2010; Glorot, Bordes, Bengio 2011",
    peers={"jax": "jax.nn.relu", "torch": "torch.nn.functional.relu", "keras": "keras.activations.relu"},
    differs="At NaN the gradient is NaN here, 0 in jax.nn and 1 in PyTorch.",
)
def relu(x: ArrayLike) -> Array:
    r"""Rectified linear unit: the positive part.

    .. math:: f(x) = \max(0, x), \qquad f'(0) := 0

    Range [0, inf). Kink at 0, where the derivative is 0. 1-Lipschitz, increasing.
    The backward pass keeps y alone, which loses nothing: y > 0 exactly where x > 0, in every dtype.

    Fukushima 1969, doi:10.1109/TSSC.1969.300225; Nair, Hinton 2010; Glorot, Bordes, Bengio 2011.

    >>> import jax.numpy as jnp
    >>> relu(jnp.array([-2.0, 3.0]))
    Array([0., 3.], dtype=float32)
    """
    return _relu(x)


def _relu_value(x: Array) -> Array:
    return jnp.maximum(x, 0.0)


def _relu_tangent(y: Array, t: Array) -> Array:
    # Left of the kink y is 0 or NaN: standing for the slope, it hands a NaN on to the gradient.
    return jnp.where(y > 0, 1.0, lax.stop_gradient(y)) * t


_relu = keep_output(_relu_value, _relu_tangent)


@activation(
    family="rectified",
    formula="min(max(0,x),6)",
    range=Interval(0.0, 6.0),
    monotonic=True,
    smoothness="C0",
    kinks=(Kink(at=0.0, left=0.0, right=1.0, chosen=0.0), Kink(at=6.0, left=1.0, right=0.0, chosen=0.0)),
    lipschitz=1.0,
    limits=(0.0, 6.0),
    keeps="output",
    reference="Krizhevsky 2010; Howard et al. 2017, arXiv:1704.04861",
    peers={"jax": "jax.nn.relu6", "torch": "torch.nn.functional.relu6", "keras": "keras.activations.relu6"},
    differs="At NaN the gradient is NaN here, 0 in jax.nn and 1 in PyTorch.",
)
def relu6(x: ArrayLike) -> Array:
    r"""Rectifier capped at 6: `relu_n` at n = 6.

    .. math:: f(x) = \min(\max(0, x), 6), \qquad f'(0) := f'(6) := 0

    Range [0, 6]; limits 0 and 6. Kinks at 0 (derivative 0 left, 1 right) and 6 (1 left, 0 right), where the
    derivative is 0. 1-Lipschitz, increasing. The backward pass keeps y alone: 0 < y < 6 exactly where
    0 < x < 6, as 6 is a number of every dtype.

    Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10; Howard et al. 2017, arXiv:1704.04861.

    >>> import jax.numpy as jnp
    >>> relu6(jnp.array([-2.0, 3.0, 8.0]))
    Array([0., 3., 6.], dtype=float32)
    """
    return _relu6(x)


@activation(
    family="rectified",
    formula="min(max(0,x),n)",
    parameters={"n": (POSITIVE, "the cap")},
    range=lambda p: Interval(0.0, p["n"]),
    monotonic=True,
    smoothness="C0",
    kinks=lambda p: (
        Kink(at=0.0, left=0.0, right=1.0, chosen=0.0),
        Kink(at=p["n"], left=1.0, right=0.0, chosen=0.0),
    ),
    lipschitz=1.0,
    limits=lambda p: (0.0, p["n"]),
    reference="Liew, Khalil-Hani, Bakhteri 2016, doi:10.1016/j.neucom.2016.08.037",
    aliases=("brelu", "clipped_relu"),
)
def relu_n(x: ArrayLike, *, n: ArrayLike = 1.0) -> Array:
    r"""Rectifier capped at n, also called bounded or clipped ReLU.

    .. math:: f(x) = \min(\max(0, x), n), \qquad f'(0) := f'(n) := 0

    Range [0, n]; limits 0 and n. Kinks at 0 (derivative 0 left, 1 right) and n (1 left, 0 right), where the
    derivative is 0. 1-Lipschitz, increasing. The derivative by n is 1 from x = n on, else 0, as in PACT.

    Args:
        x: real array.
        n: the cap, positive.

    Liew, Khalil-Hani, Bakhteri 2016, Bounded activation functions for enhanced training stability of deep
    neural networks on visual pattern recognition problems, doi:10.1016/j.neucom.2016.08.037; with a learnt n:
    Pishchik 2023, Trainable activations for image classification.

    >>> import jax.numpy as jnp
    >>> relu_n(jnp.array([-2.0, 0.5, 8.0]))
    Array([0. , 0.5, 1. ], dtype=float32)
    """
    return _relu_n(x, n)


brelu = clipped_relu = relu_n


def _relu_n_value(x: Array, n: Array) -> Array:
    return jnp.minimum(jnp.maximum(x, 0.0), n)


def _relu_n_slope(x: Array, n: Array) -> Array:
    return nan_or(x, jnp.where((x > 0) & (x < n), 1.0, 0.0))


def _relu_n_by_n(x: Array, n: Array) -> Array:
    return nan_or(x, jnp.where(x >= n, 1.0, 0.0))


# Any other n may be rounded in y's dtype to a number that a smaller x gives as well: then x is kept.
_relu6 = keep_output(lambda x: _relu_n_value(x, 6.0), lambda y, t: _relu_n_slope(y, 6.0) * t)
_relu_n = keep_input(_relu_n_value, _relu_n_slope, _relu_n_by_n)


@activation(
    family="rectified",
    formula="max(0,x)**2",
    range=NONNEGATIVE,
    monotonic=True,
    smoothness="C1",
    lipschitz=math.inf,
    limits=(0.0, math.inf),
    reference="So et al. 2021, arXiv:2109.08668; Zhang et al. 2024, arXiv:2402.03804",
    aliases=("relu2", "squared_relu"),
)
def relu_squared(x: ArrayLike) -> Array:
    r"""Squared rectifier: the square of the positive part, `star_relu` without its scale and bias.

    .. math:: f(x) = \max(0, x)^2, \qquad f'(x) = 2 \max(0, x), \qquad f''(0) := 0

    Range [0, inf); limits 0 and inf. Once continuously differentiable: f'' jumps from 0 to 2 at 0, where it is
    0. Increasing, convex; not Lipschitz.

    So, Mańke, Liu, Dai, Shazeer, Le 2021, Primer: searching for efficient transformers for language modeling,
    arXiv:2109.08668; Zhang et al. 2024, arXiv:2402.03804.

    >>> import jax.numpy as jnp
    >>> relu_squared(jnp.array([-2.0, 3.0]))
    Array([0., 9.], dtype=float32)
    """
    return _star_relu(x, 1.0, 0.0)


relu2 = squared_relu = relu_squared


@activation(
    family="rectified",
    formula="scale*max(0,x)**2+bias",
    parameters={
        "scale": (POSITIVE, "factor before the square"),
        "bias": (REALS, "value left of 0"),
    },
    range=lambda p: Interval(p["bias"], math.inf),
    monotonic=True,
    smoothness="C1",
    lipschitz=math.inf,
    limits=lambda p: (p["bias"], math.inf),
    reference="Yu et al. 2022, arXiv:2210.13452",
    differs="timm's module starts from scale 1 and bias 0 and learns both.",
)
def star_relu(x: ArrayLike, *, scale: ArrayLike = 0.8944, bias: ArrayLike = -0.4472) -> Array:
    r"""StarReLU: the squared rectifier made to keep a standard normal's mean 0 and variance 1.

    .. math:: f(x) = s \max(0, x)^2 + b, \qquad f'(x) = 2 s \max(0, x), \qquad f''(0) := 0

    Range [b, inf); limits b and inf. Once continuously differentiable: f'' jumps from 0 to 2 s at 0, where it
    is 0. Increasing, convex; not Lipschitz. Mean and variance are kept by s = 2 / sqrt(5), b = -1 / sqrt(5);
    the defaults are the paper's four digits.

    Args:
        x: real array.
        scale: s, factor before the square, positive.
        bias: b, value left of 0; any finite real.

    Yu, Si, Zhou, Luo, Zhou, Feng, Yan, Wang 2022, MetaFormer baselines for vision, arXiv:2210.13452.

    >>> print(f"{star_relu(2.0):.4f}")
    3.1304
    """
    return _star_relu(x, scale, bias)


def _star_relu_value(x: Array, scale: Array, bias: Array) -> Array:
    x = jnp.maximum(x, 0.0)
    return (scale * x) * x + bias  # x * x may overflow where the result does not


def _star_relu_slope_value(x: Array, scale: Array, bias: Array) -> Array:
    return (2.0 * scale) * jnp.maximum(x, 0.0)


def _star_relu_curvature(x: Array, scale: Array, bias: Array) -> Array:
    return nan_or(x, jnp.where(x > 0, 2.0 * scale, 0.0))


def _star_relu_by_scale(x: Array, scale: Array, bias: Array) -> Array:
    return _star_relu(x, 1.0, 0.0)


_star_relu_slope = keep_input(_star_relu_slope_value, _star_relu_curvature)
_star_relu = keep_input(_star_relu_value, _star_relu_slope, _star_relu_by_scale)


def _leaky_range(p):
    return REALS if p["negative_slope"] > 0 else NONNEGATIVE


def _leaky_kinks(p):
    slope = p["negative_slope"]
    return () if slope == 1 else (Kink(at=0.0, left=slope, right=1.0, chosen=1.0),)


def _leaky_keeps(p):
    return "output" if p["negative_slope"] > 0 else "input"


def _leaky_limits(p):
    slope = p["negative_slope"]
    return (0.0 if slope == 0 else -math.copysign(math.inf, slope), math.inf)


_LEAKY = {
    "family": "rectified",
    "formula": "where(x>=0,x,negative_slope*x)",
    "parameters": {"negative_slope": (REALS, "slope left of 0")},
    "range": _leaky_range,
    "monotonic": lambda p: p["negative_slope"] >= 0,
    "smoothness": lambda p: "Cinf" if p["negative_slope"] == 1 else "C0",
    "kinks": _leaky_kinks,
    "lipschitz": lambda p: max(1.0, abs(p["negative_slope"])),
    "limits": _leaky_limits,
    "turning": lambda p: (0.0,) if p["negative_slope"] < 0 else (),
}


@activation(
    **_LEAKY,
    keeps=_leaky_keeps,
    reference="Maas, Hannun, Ng 2013",
    peers={
        "jax": "jax.nn.leaky_relu",
        "torch": "torch.nn.functional.leaky_relu",
        "keras": "keras.activations.leaky_relu(x, negative_slope=0.01)",
    },
    differs="Keras's default slope is 0.2; at 0 the derivative is 1 here and in jax.nn, the slope in PyTorch.",
)
def leaky_relu(x: ArrayLike, *, negative_slope: ArrayLike = 0.01) -> Array:
    r"""Leaky rectifier: identity on the right, a small slope on the left.

    .. math:: f(x) = x \text{ if } x \ge 0 \text{ else } s\,x, \qquad f'(0) := 1

    Range: all reals for :math:`s > 0`, else [0, inf). Kink at 0, where the derivative is 1.
    1-Lipschitz for :math:`|s| \le 1`. Learning the slope makes it the PReLU of He et al. 2015.
    A positive slope given as a number keeps y alone for the backward pass (the sign of y tells the side);
    a learnt, zero or negative slope keeps x.

    Args:
        x: real array.
        negative_slope: slope left of 0; any finite real. Keras uses 0.2.

    Maas, Hannun, Ng 2013, Rectifier nonlinearities improve neural network acoustic models;
    He, Zhang, Ren, Sun 2015, arXiv:1502.01852.

    >>> import jax.numpy as jnp
    >>> leaky_relu(jnp.array([-2.0, 3.0]), negative_slope=0.1)
    Array([-0.2,  3. ], dtype=float32)
    """
    return _leaky(x, negative_slope)


@activation(
    **_LEAKY,
    keeps=_leaky_keeps,
    reference="He, Zhang, Ren, Sun 2015, arXiv:1502.01852",
    peers={"torch": "torch.nn.functional.prelu(x, torch.tensor([0.25]))"},
    differs="Modules start from slope 0.25 in PyTorch, 0.01 in Flax, 0 in Keras. At 0 PyTorch's f' is the slope.",
)
def prelu(x: ArrayLike, *, negative_slope: ArrayLike = 0.25) -> Array:
    r"""Parametric rectifier: `leaky_relu` whose slope is meant to be learnt.

    .. math:: f(x) = x \text{ if } x \ge 0 \text{ else } s\,x, \qquad f'(0) := 1

    Range: all reals for :math:`s > 0`, else [0, inf). Kink at 0 (derivative s left, 1 right), where the
    derivative is 1. 1-Lipschitz for :math:`|s| \le 1`. Only the default differs from `leaky_relu`; the slope is
    trained by ``make("prelu", learn=["negative_slope"], per="channel")``.

    Args:
        x: real array.
        negative_slope: slope left of 0; any finite real. 0.25 is where the paper starts.

    He, Zhang, Ren, Sun 2015, Delving deep into rectifiers, arXiv:1502.01852.

    >>> import jax.numpy as jnp
    >>> prelu(jnp.array([-2.0, 3.0]))
    Array([-0.5,  3. ], dtype=float32)
    """
    return _leaky(x, negative_slope)


def _leaky(x: ArrayLike, slope: ArrayLike) -> Array:
    if isinstance(slope, numbers.Real) and slope > 0:
        return _leaky_by_output(x, slope)
    return _leaky_by_input(x, slope)


def _leaky_value(x: Array, slope: Array) -> Array:
    # abs makes f(-0.0) = +0.0, so that the sign bit of y tells the side even where slope * x underflows.
    left = jnp.where((slope == 0) & jnp.isinf(x), 0.0, slope * x)  # 0 * inf
    return jnp.where(x >= 0, jnp.abs(x), left)


def _leaky_tangent(y: Array, t: Array, slope: Array) -> Array:
    side = jnp.where(jnp.signbit(y), slope, 1.0)
    return jnp.where(jnp.isnan(y), lax.stop_gradient(y), side) * t


def _leaky_slope(x: Array, slope: Array) -> Array:
    return jnp.where(x >= 0, 1.0, jnp.where(x < 0, slope, lax.stop_gradient(x)))


def _leaky_by_slope(x: Array, slope: Array) -> Array:
    return jnp.where(x >= 0, 0.0, x)


_leaky_by_output = keep_output(_leaky_value, _leaky_tangent)
_leaky_by_input = keep_input(_leaky_value, _leaky_slope, _leaky_by_slope)
