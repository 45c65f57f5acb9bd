"""Steps and quantisers: constant almost everywhere, with a stated slope in place of the derivative 0.

`heaviside` and `sign` keep their true derivative, 0; the others, and `identity_ste`, pass a gradient on.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.rectified import nan_or
from actlab.activations.spec import NONNEGATIVE, REALS, Interval, Jump, activation
from actlab.errors import InputError
from actlab.gradients import keep_input, keep_output
from actlab.gradients.precision import as_real, convert


def identity_ste(f: Callable[[Array], ArrayLike]) -> Callable[[ArrayLike], Array]:
    r"""Return ``f`` with the identity's gradient: forward f(x), backward as if f(x) were x.

    A wrapper for any quantiser, not an activation of its own: it has no spec and no name to be configured by.
    `round_ste`, `sign_ste` and the like are what it is used for most.

    Unlike ``x + stop_gradient(f(x) - x)``, which rounds twice and is NaN at infinity, the value is f(x) to the bit.

    Args:
        f: a function of an array whose result has the shape of its argument; it is not differentiated.

    Raises:
        InputError: the result has another shape; raised by the function returned.

    Bengio, Léonard, Courville 2013, arXiv:1308.3432, after Hinton 2012, lecture 15b.

    >>> import jax, jax.numpy as jnp
    >>> floor = identity_ste(jnp.floor)
    >>> floor(2.7), jax.grad(floor)(2.7)
    (Array(2., dtype=float32, weak_type=True), Array(1., dtype=float32, weak_type=True))
    """

    def passed(x: ArrayLike) -> Array:
        x = as_real(x)
        y = jnp.asarray(f(lax.stop_gradient(x)))
        if y.shape != x.shape:
            raise InputError(f"a straight-through function must keep the shape {x.shape}, got {y.shape}")
        return _pass(x, convert(y, x.dtype))

    return passed


@jax.custom_jvp
def _pass(x: Array, y: Array) -> Array:
    return y


@_pass.defjvp
def _pass_jvp(primals, tangents):
    return primals[1], tangents[0]


def _no_slope(y: Array, t: Array) -> Array:
    return nan_or(y, 0.0) * t


def _unit_slope(y: Array, t: Array) -> Array:
    return nan_or(y, 1.0) * t


_STEP = {
    "family": "straight-through",
    "range": Interval(0.0, 1.0),
    "monotonic": True,
    "smoothness": "jumps",
    "lipschitz": math.inf,
    "limits": (0.0, 1.0),
}
_SIGN = _STEP | {"range": Interval(-1.0, 1.0), "limits": (-1.0, 1.0)}


@activation(
    **_STEP,
    formula="where(x>0,1,where(x<0,0,value_at_0))",
    parameters={"value_at_0": (Interval(0.0, 1.0), "value at 0 itself")},
    jumps=lambda p: (Jump(at=0.0, left=0.0, right=1.0, value=p["value_at_0"]),),
    reference="McCulloch, Pitts 1943, doi:10.1007/BF02478259",
    peers={"jax": "jax.numpy.heaviside(x, 1.0)", "torch": "torch.heaviside(x, torch.ones(()))"},
    differs="torch has no derivative, and returns 0 at NaN.",
)
def heaviside(x: ArrayLike, *, value_at_0: ArrayLike = 1.0) -> Array:
    r"""Unit step: 1 right of 0, 0 left of it.

    .. math:: f(x) = 1 \text{ if } x > 0, \quad 0 \text{ if } x < 0, \quad v \text{ if } x = 0, \qquad f'(x) := 0

    Values 0, v and 1; limits 0 and 1; increasing. A jump at 0. The derivative is 0 everywhere, so nothing below it
    learns: see `heaviside_ste` and the spikes.

    Args:
        x: real array.
        value_at_0: v, the value at 0 itself, from 0 to 1; numpy asks for it, 1/2 is the symmetric one.

    McCulloch, Pitts 1943, doi:10.1007/BF02478259.

    >>> import jax.numpy as jnp
    >>> heaviside(jnp.array([-2.0, 0.0, 3.0]))
    Array([0., 1., 1.], dtype=float32)
    """
    return _heaviside(x, value_at_0)


def _heaviside_value(x: Array, value_at_0: Array) -> Array:
    return jnp.where(x > 0, 1.0, jnp.where(x < 0, 0.0, jnp.where(x == 0, value_at_0, x)))


_heaviside = keep_input(
    _heaviside_value,
    lambda x, value_at_0: nan_or(x, 0.0),
    lambda x, value_at_0: nan_or(x, jnp.where(x == 0, 1.0, 0.0)),
)


@activation(
    **_SIGN,
    formula="sign(x)",
    jumps=(Jump(at=0.0, left=-1.0, right=1.0, value=0.0),),
    keeps="output",
    reference="standard",
    peers={"jax": "jax.numpy.sign", "torch": "torch.sign"},
    differs="torch returns 0 at NaN.",
)
def sign(x: ArrayLike) -> Array:
    r"""Sign: -1, 0 or 1.

    .. math:: f(x) = x / |x|, \quad f(0) = 0, \qquad f'(x) := 0

    Values -1, 0 and 1; limits -1 and 1; odd, increasing. A jump at 0. The derivative is 0 everywhere, so nothing
    below it learns: see `sign_ste`.

    >>> import jax.numpy as jnp
    >>> sign(jnp.array([-2.0, 0.0, 3.0]))
    Array([-1.,  0.,  1.], dtype=float32)
    """
    return _sign(x)


_sign = keep_output(jnp.sign, _no_slope)


@activation(
    **_STEP,
    formula="heaviside(x)",
    jumps=(Jump(at=0.0, left=0.0, right=1.0, value=1.0),),
    surrogate="1",
    keeps="nothing",
    reference="Hinton 2012, lecture 15b; Bengio, Léonard, Courville 2013, arXiv:1308.3432",
)
def heaviside_ste(x: ArrayLike) -> Array:
    r"""Unit step with the identity's gradient: `spike_straight_through` by its first name.

    .. math:: f(x) = 1 \text{ if } x \ge 0 \text{ else } 0, \qquad f'(x) := 1

    Values 0 and 1; limits 0 and 1; increasing. A jump to 1 at 0. Nothing but y is kept for the backward pass.

    Hinton 2012, Neural networks for machine learning, lecture 15b; Bengio, Léonard, Courville 2013,
    arXiv:1308.3432.

    >>> import jax
    >>> heaviside_ste(-2.0), jax.grad(heaviside_ste)(-2.0)
    (Array(0., dtype=float32, weak_type=True), Array(1., dtype=float32, weak_type=True))
    """
    return _heaviside_ste(x)


_heaviside_ste = keep_output(lambda x: _heaviside_value(x, 1.0), _unit_slope)


def _sign_value(x: Array) -> Array:
    return nan_or(x, jnp.where(x >= 0, 1.0, -1.0))


@activation(
    **_SIGN,
    formula="where(x>=0,1,-1)",
    jumps=(Jump(at=0.0, left=-1.0, right=1.0, value=1.0),),
    surrogate="where(abs(x)<=1,1,0)",
    reference="Courbariaux et al. 2016, arXiv:1602.02830",
    aliases=("binary_ste",),
)
def sign_ste(x: ArrayLike) -> Array:
    r"""Binary quantiser: the sign, with the gradient of `hard_tanh`.

    .. math:: f(x) = 1 \text{ if } x \ge 0 \text{ else } -1, \qquad f'(x) := 1 \text{ if } |x| \le 1 \text{ else } 0

    Values -1 and 1; limits -1 and 1; increasing. A jump to 1 at 0: never 0, unlike `sign`.

    Courbariaux, Hubara, Soudry, El-Yaniv, Bengio 2016, Binarized neural networks, arXiv:1602.02830.

    >>> import jax, jax.numpy as jnp
    >>> sign_ste(jnp.array([-2.0, 0.0, 3.0]))
    Array([-1.,  1.,  1.], dtype=float32)
    >>> jax.vmap(jax.grad(sign_ste))(jnp.array([-2.0, 0.0, 1.0]))
    Array([0., 1., 1.], dtype=float32)
    """
    return _sign_ste(x)


binary_ste = sign_ste


def _window(x: Array, *_: Array) -> Array:
    """Return 1 from -1 to 1, 0 beyond."""
    return nan_or(x, jnp.where(jnp.abs(x) <= 1.0, 1.0, 0.0))


_sign_ste = keep_input(_sign_value, _window)


def _ternary_jumps(p):
    t = p["threshold"]
    return (Jump(-t, -1.0, 0.0, 0.0), Jump(t, 0.0, 1.0, 0.0)) if t else (Jump(0.0, -1.0, 1.0, 0.0),)


@activation(
    **_SIGN,
    formula="where(x>threshold,1,where(x<-threshold,-1,0))",
    parameters={"threshold": (NONNEGATIVE, "half the width of the zero")},
    jumps=_ternary_jumps,
    surrogate="where(abs(x)<=1,1,0)",
    reference="Li et al. 2016, arXiv:1605.04711",
)
def ternary_ste(x: ArrayLike, *, threshold: ArrayLike = 0.5) -> Array:
    r"""Ternary quantiser: -1, 0 or 1, with the gradient of `hard_tanh`.

    .. math:: f(x) = \operatorname{sign}(x) \left[\, |x| > \Delta \,\right],
              \qquad f'(x) := 1 \text{ if } |x| \le 1 \text{ else } 0

    Values -1, 0 and 1; limits -1 and 1; odd, increasing. Jumps at -Delta and Delta, where the value is 0. The
    derivative by the threshold is 0. At 1/2 every input goes to the nearest level.

    Ternary weight networks take Delta from the tensor, 0.7 times the mean of abs(x), scale the result, and pass
    the gradient on without a window; here Delta is a number, and the window is that of `sign_ste`.

    Args:
        x: real array.
        threshold: Delta, half the width of the zero, not negative.

    Li et al. 2016, Ternary weight networks, arXiv:1605.04711.

    >>> import jax.numpy as jnp
    >>> ternary_ste(jnp.array([-2.0, 0.25, 0.75]))
    Array([-1.,  0.,  1.], dtype=float32)
    """
    return _ternary(x, threshold)


def _ternary_value(x: Array, threshold: Array) -> Array:
    return nan_or(x, jnp.where(x > threshold, 1.0, jnp.where(x < -threshold, -1.0, 0.0)))


_ternary = keep_input(_ternary_value, _window)


@activation(
    **_SIGN,
    formula="where(x>=0,1,-1)",
    jumps=(Jump(at=0.0, left=-1.0, right=1.0, value=1.0),),
    surrogate="where(abs(x)<1,2-2*abs(x),0)",
    reference="Liu et al. 2018, arXiv:1808.00278",
)
def bireal_approx_sign(x: ArrayLike) -> Array:
    r"""Bi-Real Net's sign: the sign with a triangle for its slope, from a quadratic approximation.

    .. math:: f(x) = 1 \text{ if } x \ge 0 \text{ else } -1, \qquad f'(x) := \max(0, 2 - 2 |x|)

    Values -1 and 1; limits -1 and 1; increasing. A jump to 1 at 0, where the slope is 2.

    Liu, Wu, Luo, Yang, Liu, Cheng 2018, Bi-Real Net, arXiv:1808.00278.

    >>> import jax, jax.numpy as jnp
    >>> bireal_approx_sign(jnp.array([-2.0, 0.0, 3.0]))
    Array([-1.,  1.,  1.], dtype=float32)
    >>> jax.grad(bireal_approx_sign)(0.25)
    Array(1.5, dtype=float32, weak_type=True)
    """
    return _bireal(x)


def _triangle(x: Array, center: Array | float) -> Array:
    """Return max(0, 2 - 2 abs(x - center)), where x meets no difference that was rounded."""
    side = jnp.where(x < center, (1.0 - center) + x, (1.0 + center) - x)
    return nan_or(x, jnp.where(side > 0, 2.0 * side, 0.0))


_bireal = keep_input(_sign_value, lambda x: _triangle(x, 0.0))


@activation(
    **_SIGN,
    formula="where(x>alpha,1,-1)",
    parameters={"alpha": (REALS, "where it jumps")},
    jumps=lambda p: (Jump(at=p["alpha"], left=-1.0, right=1.0, value=-1.0),),
    surrogate="where(abs(x-alpha)<1,2-2*abs(x-alpha),0)",
    reference="Liu, Shen, Savvides, Cheng 2020, arXiv:2003.03488",
)
def rsign(x: ArrayLike, *, alpha: ArrayLike = 0.0) -> Array:
    r"""ReAct-Sign: a sign whose threshold is learnt, with the slope of `bireal_approx_sign`.

    .. math:: f(x) = 1 \text{ if } x > \alpha \text{ else } -1, \qquad f'(x) := \max(0, 2 - 2 |x - \alpha|),
              \qquad \frac{\partial f}{\partial \alpha} := -f'(x)

    Values -1 and 1; limits -1 and 1; increasing. A jump at alpha, where the value is -1, as the paper has it,
    unlike Bi-Real Net.

    Args:
        x: real array.
        alpha: where it jumps; any finite real, meant to be learnt per channel.

    Liu, Shen, Savvides, Cheng 2020, ReActNet, arXiv:2003.03488.

    >>> import jax.numpy as jnp
    >>> rsign(jnp.array([-2.0, 0.25, 3.0]), alpha=0.5)
    Array([-1., -1.,  1.], dtype=float32)
    """
    return _rsign(x, alpha)


def _rsign_value(x: Array, alpha: Array) -> Array:
    return nan_or(x, jnp.where(x > alpha, 1.0, -1.0))


_rsign = keep_input(_rsign_value, _triangle, lambda x, alpha: -_triangle(x, alpha))
