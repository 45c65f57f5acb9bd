"""Rectifiers with a jump: the identity above a threshold, a constant below."""

from __future__ import annotations

import math
import numbers

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.rectified import nan_or
from actlab.activations.spec import NONNEGATIVE, POSITIVE, REALS, Interval, Jump, Kink, activation
from actlab.gradients import keep_input, keep_output


def _edge(theta: float, value: float) -> tuple[tuple[Kink, ...], tuple[Jump, ...]]:
    """Return the kink at theta where the pieces meet, else the jump."""
    if theta == value:
        return (Kink(at=theta, left=0.0, right=1.0, chosen=0.0),), ()
    return (), (Jump(at=theta, left=value, right=theta, value=value),)


@activation(
    family="rectified",
    formula="where(x>theta,x,value)",
    parameters={"theta": (REALS, "the threshold"), "value": (REALS, "what is below it")},
    range=lambda p: Interval(min(p["value"], p["theta"]), math.inf, open_low=p["theta"] < p["value"]),
    monotonic=lambda p: p["value"] <= p["theta"],
    smoothness=lambda p: "C0" if p["theta"] == p["value"] else "jumps",
    kinks=lambda p: _edge(p["theta"], p["value"])[0],
    jumps=lambda p: _edge(p["theta"], p["value"])[1],
    lipschitz=lambda p: 1.0 if p["theta"] == p["value"] else math.inf,
    limits=lambda p: (p["value"], math.inf),
    reference="Torch7, nn.Threshold; PyTorch, nn.Threshold",
    peers={
        "torch": "torch.nn.functional.threshold(x, 0.0, 0.0)",
        "keras": "keras.activations.threshold(x, 0.0, 0.0)",
    },
    differs="At NaN the gradient is NaN here, 1 in PyTorch; Keras returns its value there.",
)
def threshold(x: ArrayLike, *, theta: ArrayLike = 0.0, value: ArrayLike = 0.0) -> Array:
    r"""Threshold: x above theta, a constant below.

    .. math:: f(x) = x \text{ if } x > \theta \text{ else } v, \qquad f'(\theta) := 0

    By default it is relu. Values: v and (theta, inf); limits v and inf. A jump from v to theta at theta, where
    the value is v and the derivative 0; for v = theta a kink (derivative 0 left, 1 right). Increasing for
    v <= theta. Not Lipschitz, but for v = theta. The derivative by theta is 0: it sees no jump.

    Args:
        x: real array.
        theta: the threshold; any finite real.
        value: v, what is below it; any finite real.

    Torch7 and PyTorch, nn.Threshold.

    >>> import jax.numpy as jnp
    >>> threshold(jnp.array([-2.0, 0.5, 3.0]), theta=1.0, value=-1.0)
    Array([-1., -1.,  3.], dtype=float32)
    """
    return _threshold(x, theta, value)


_ABOVE = {
    "family": "rectified",
    "formula": "where(x>theta,x,0)",
    "range": NONNEGATIVE,
    "monotonic": True,
    "smoothness": lambda p: "jumps" if p["theta"] > 0 else "C0",
    "kinks": lambda p: _edge(p["theta"], 0.0)[0],
    "jumps": lambda p: _edge(p["theta"], 0.0)[1],
    "lipschitz": lambda p: math.inf if p["theta"] > 0 else 1.0,
    "limits": (0.0, math.inf),
}


@activation(
    **_ABOVE,
    parameters={"theta": (NONNEGATIVE, "the threshold")},
    keeps="output",
    reference="Konda, Memisevic, Krueger 2014, arXiv:1402.3337",
    aliases=("trec", "fatrelu"),
)
def thresholded_relu(x: ArrayLike, *, theta: ArrayLike = 1.0) -> Array:
    r"""Thresholded rectifier (TRec, FATReLU): `threshold` with 0 below.

    .. math:: f(x) = x \text{ if } x > \theta \text{ else } 0, \qquad f'(\theta) := 0

    Values: 0 and (theta, inf); limits 0 and inf. A jump from 0 to theta at theta, where value and derivative
    are 0; for theta = 0 it is relu. Increasing; not Lipschitz for theta > 0. The derivative by theta is 0:
    `jump_relu` has one to learn by. A theta given as a number keeps y alone for the backward pass.

    Args:
        x: real array.
        theta: the threshold, not negative.

    Konda, Memisevic, Krueger 2014, Zero-bias autoencoders and the benefits of co-adapting features,
    arXiv:1402.3337; Kurtz et al. 2020, ICML (FATReLU).

    >>> import jax.numpy as jnp
    >>> thresholded_relu(jnp.array([-2.0, 0.5, 3.0]))
    Array([0., 0., 3.], dtype=float32)
    """
    if isinstance(theta, numbers.Real) and theta >= 0:
        return _threshold_by_output(x, theta)
    return _threshold(x, theta, 0.0)


trec = fatrelu = thresholded_relu


@activation(
    **_ABOVE,
    parameters={
        "theta": (POSITIVE, "the threshold"),
        "bandwidth": (POSITIVE, "width of the window in which theta gets a gradient"),
    },
    keeps="output",
    reference="Rajamanoharan et al. 2024, arXiv:2407.14435; Erichson, Yao, Mahoney 2019, arXiv:1904.03750",
)
def jump_relu(x: ArrayLike, *, theta: ArrayLike = 0.001, bandwidth: ArrayLike = 0.001) -> Array:
    r"""JumpReLU: `thresholded_relu` whose threshold can be learnt by a pseudo-derivative.

    .. math:: f(x) = x\, H(x - \theta), \qquad f'(\theta) := 0, \qquad
              \frac{\partial f}{\partial \theta} := -\frac{\theta}{\varepsilon}
              \left[\, |x - \theta| < \tfrac{\varepsilon}{2} \,\right]

    with H(0) = 0. Values: 0 and (theta, inf); limits 0 and inf. A jump from 0 to theta at theta, where value and
    derivative are 0. Increasing; not Lipschitz. The derivative by x is the true one. That by theta, which is 0
    almost everywhere, is replaced by the height of the jump smeared over a window of width epsilon (a rectangle
    kernel); that by the bandwidth is 0. A theta given as a number keeps y alone for the backward pass.
    The paper's loss also counts the active units by H(x - theta), whose pseudo-derivative lacks the factor theta.

    Args:
        x: real array.
        theta: the threshold, positive. The paper learns its logarithm, one per feature.
        bandwidth: epsilon, the width of the window, positive.

    Rajamanoharan et al. 2024, Jumping ahead: improving reconstruction fidelity with JumpReLU sparse
    autoencoders, arXiv:2407.14435; the function: Erichson, Yao, Mahoney 2019, arXiv:1904.03750.

    >>> import jax, jax.numpy as jnp
    >>> jump_relu(jnp.array([-2.0, 0.5, 3.0]), theta=1.0)
    Array([0., 0., 3.], dtype=float32)
    >>> jax.grad(lambda theta: jump_relu(0.875, theta=theta, bandwidth=0.5))(1.0)
    Array(-2., dtype=float32, weak_type=True)
    """
    if isinstance(theta, numbers.Real) and theta >= 0 and isinstance(bandwidth, numbers.Real):
        return _threshold_by_output(x, theta)
    return _jump_relu(x, theta, bandwidth)


def _threshold_value(x: Array, theta: Array, value: Array) -> Array:
    return nan_or(x, jnp.where(x > theta, x, value))


def _step(on: Array, x: Array) -> Array:
    return nan_or(x, jnp.where(on, 1.0, 0.0))


def _jump_by_theta(x: Array, theta: Array, bandwidth: Array) -> Array:
    return -(theta / bandwidth) * _step(jnp.abs(x - theta) < 0.5 * bandwidth, x)


_threshold = keep_input(_threshold_value, lambda x, theta, value: _step(x > theta, x))
# For theta >= 0 and 0 below, y > 0 exactly where x > theta, and y is then x itself.
_threshold_by_output = keep_output(
    lambda x, theta: _threshold_value(x, theta, 0.0), lambda y, t, theta: _step(y > 0, y) * t
)
_jump_relu = keep_input(
    lambda x, theta, bandwidth: _threshold_value(x, theta, 0.0),
    lambda x, theta, bandwidth: _step(x > theta, x),
    _jump_by_theta,
)
