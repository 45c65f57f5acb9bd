"""Functions of several features at once: maxima over groups, winners, concatenated pairs."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.exponential_units import elu
from actlab.activations.rectified import relu
from actlab.activations.spec import NONNEGATIVE, POSITIVE, REALS, Interval, activation
from actlab.errors import InputError
from actlab.gradients import as_real
from actlab.gradients.along import checked_axis

AXIS = (REALS, "the axis of the features")
COUNT = Interval(1.0)
_multi = partial(activation, family="multi-input", turning=None)
axiswise = partial(_multi, kind="axiswise", monotonic=False)
_resizing = partial(_multi, kind="resizing")


def along(name: str, x: ArrayLike, axis: int, f: Callable[[Array], Array]) -> Array:
    """Apply ``f`` to the last axis of ``x`` with ``axis`` moved there."""
    x = as_real(x)
    axis = checked_axis(name, x, axis)
    return jnp.moveaxis(f(jnp.moveaxis(x, axis, -1)), -1, axis)


def keep_arguments(f: Callable[..., Array]) -> Callable[..., Array]:
    """Return ``f``, compiled in one call, keeping nothing but its arguments for the backward pass."""
    return jax.jit(jax.checkpoint(f, prevent_cse=False), inline=True)


@_resizing(
    formula="max_j(x[pieces*i+j])",
    parameters={"pieces": (COUNT, "entries a maximum is taken over"), "axis": AXIS},
    range=REALS,
    monotonic=True,
    smoothness="C0",
    lipschitz=1.0,
    limits=(-math.inf, math.inf),
    reference="Goodfellow, Warde-Farley, Mirza, Courville, Bengio 2013, arXiv:1302.4389",
)
def maxout(x: ArrayLike, *, pieces: int = 2, axis: int = -1) -> Array:
    r"""Maxout: the largest of every ``pieces`` neighbouring features.

    .. math:: f(x)_i = \max_{j < k} x_{k i + j}

    Turns n * pieces features into n; the affine maps before it are a layer's (`actlab.nn.Maxout`). Range: all
    reals; 1-Lipschitz. Of equal entries the first has derivative 1, the others 0.

    Args:
        x: real array with a multiple of ``pieces`` features.
        pieces: entries a maximum is taken over, at least 1.
        axis: the axis of the features.

    Raises:
        InputError: no such axis, or the number of features is not a multiple of ``pieces``.

    Goodfellow, Warde-Farley, Mirza, Courville, Bengio 2013, arXiv:1302.4389.

    >>> maxout(jnp.array([1.0, 2.0, -3.0, -4.0]))
    Array([ 2., -3.], dtype=float32)
    """
    return along("maxout", x, axis, _largest(pieces))


@cache
def _largest(pieces: int) -> Callable[[Array], Array]:
    def f(x: Array) -> Array:
        if pieces < 1 or x.shape[-1] % pieces:
            raise InputError(f"maxout: {x.shape[-1]} features are not pieces of {pieces}")
        groups = x.reshape(*x.shape[:-1], x.shape[-1] // pieces, pieces)
        best = jnp.argmax(groups, axis=-1, keepdims=True)
        return jnp.take_along_axis(groups, best, axis=-1)[..., 0]

    return keep_arguments(f)


@_resizing(
    formula="concat(max(0,x),max(0,-x))",
    parameters={"axis": AXIS},
    range=NONNEGATIVE,
    monotonic=False,
    smoothness="C0",
    lipschitz=1.0,
    limits=(math.nan, math.nan),
    reference="Shang, Sohn, Almeida, Lee 2016, arXiv:1603.05201",
    peers={"tensorflow": "tf.nn.crelu"},
)
def crelu(x: ArrayLike, *, axis: int = -1) -> Array:
    r"""Concatenated ReLU: the positive parts of x, then those of -x.

    .. math:: f(x) = [\max(0, x), \max(0, -x)]

    Doubles the features. Range [0, inf); 1-Lipschitz in the Euclidean norm; kink at 0, where both derivatives
    are 0.

    Args:
        x: real array with at least one axis.
        axis: the axis along which the halves follow one another.

    Raises:
        InputError: ``x`` has no such axis.

    Shang, Sohn, Almeida, Lee 2016, arXiv:1603.05201.

    >>> crelu(jnp.array([1.0, -2.0]))
    Array([1., 0., 0., 2.], dtype=float32)
    """
    return along("crelu", x, axis, _crelu)


_crelu = keep_arguments(lambda x: jnp.concatenate([relu(x), relu(-x)], axis=-1))


@_resizing(
    formula="concat(elu(x),elu(-x))",
    parameters={"alpha": (POSITIVE, "minus the limit of either half"), "axis": AXIS},
    range=lambda p: Interval(-p["alpha"], math.inf, open_low=True),
    monotonic=False,
    smoothness=lambda p: "C1" if p["alpha"] == 1 else "C0",
    # At 0 both derivatives are alpha; far out one is 1, the other 0.
    lipschitz=lambda p: max(math.hypot(1.0, p["alpha"]), math.sqrt(2.0) * p["alpha"]),
    limits=(math.nan, math.nan),
    reference="Salimans, Karpathy, Chen, Kingma 2017, arXiv:1701.05517",
    aliases=("concat_elu",),
)
def celu_concat(x: ArrayLike, *, alpha: ArrayLike = 1.0, axis: int = -1) -> Array:
    r"""Concatenated ELU: the `elu` of x, then that of -x.

    .. math:: f(x) = [\mathrm{elu}(x), \mathrm{elu}(-x)]

    Doubles the features. Range (-alpha, inf); continuously differentiable for alpha = 1. Not the celu of Barron.

    Args:
        x: real array with at least one axis.
        alpha: minus the limit of either half, positive; a number.
        axis: the axis along which the halves follow one another.

    Raises:
        InputError: ``x`` has no such axis.

    Salimans, Karpathy, Chen, Kingma 2017, PixelCNN++, arXiv:1701.05517.

    >>> celu_concat(jnp.array([3.0, -jnp.inf]), alpha=0.5)[:2]
    Array([ 3. , -0.5], dtype=float32)
    """
    return along("celu_concat", x, axis, lambda x: _celu_concat(x, alpha))


concat_elu = celu_concat
_celu_concat = keep_arguments(
    lambda x, alpha: jnp.concatenate([elu(x, alpha=alpha), elu(-x, alpha=alpha)], axis=-1)
)


@axiswise(
    formula="x if x is among the max(1,floor(fraction*n)) largest else 0",
    parameters={
        "fraction": (Interval(0.0, 1.0, open_low=True), "share of the features that win", True),
        "axis": AXIS,
    },
    range=REALS,
    smoothness="jumps",
    lipschitz=math.inf,
    limits=(-math.inf, math.inf),
    reference="Makhzani, Frey 2013, arXiv:1312.5663; Xiao, Zhong, Zheng 2019, arXiv:1905.10510",
)
def kwta(x: ArrayLike, *, fraction: float = 0.2, axis: int = -1) -> Array:
    r"""k winners take all: the largest entries pass, the others become 0.

    .. math:: f(x)_i = x_i \text{ if } x_i \text{ is among the } k \text{ largest, else } 0, \qquad
              k = \max(1, \lfloor \mathrm{fraction} \cdot n \rfloor)

    Range: all reals, since a negative number can win. It jumps where the order changes; the derivative is 1 or 0.
    Exactly k win: of equal entries the first (all, over the whole sample, in the code of Xiao et al.).

    Args:
        x: real array with at least one axis.
        fraction: share of the features that win, in (0, 1]; a Python number.
        axis: the axis along which they compete.

    Raises:
        InputError: ``x`` has no such axis, or ``fraction`` is an array: how many entries win cannot be learnt by
            gradient.

    Makhzani, Frey 2013, arXiv:1312.5663; Xiao, Zhong, Zheng 2019, arXiv:1905.10510.

    >>> kwta(jnp.array([3.0, -1.0, 2.0, -4.0]), fraction=0.75)
    Array([ 3., -1.,  2.,  0.], dtype=float32)
    """
    if isinstance(fraction, Array):
        raise InputError(
            "kwta: fraction must be a Python number: how many entries win cannot be learnt by gradient"
        )
    return along("kwta", x, axis, _winners(float(fraction), False))


@axiswise(
    formula="max(0,x) if x is among the k largest else 0",
    parameters={"k": (COUNT, "how many entries may pass"), "axis": AXIS},
    range=NONNEGATIVE,
    smoothness="jumps",
    lipschitz=math.inf,
    limits=(0.0, math.inf),
    reference="Gao et al. 2024, arXiv:2406.04093",
)
def topk_relu(x: ArrayLike, *, k: int = 32, axis: int = -1) -> Array:
    r"""TopK: the positive ones among the k largest entries pass, the others become 0.

    .. math:: f(x)_i = \max(0, x_i) \text{ if } x_i \text{ is among the } k \text{ largest, else } 0

    Range [0, inf). It jumps where the order changes; the derivative is 1 for entries that pass, else 0. Of
    equal entries the first ones pass; with at most k features it is `relu`.

    Args:
        x: real array with at least one axis.
        k: how many entries may pass, at least 1.
        axis: the axis along which they compete.

    Raises:
        InputError: ``x`` has no such axis.

    Gao, Dupré la Tour, Tillman, Goh, Troll, Radford, Sutskever, Leike, Wu 2024, arXiv:2406.04093.

    >>> topk_relu(jnp.array([3.0, -1.0, 2.0, 1.0]), k=2)
    Array([3., 0., 2., 0.], dtype=float32)
    """
    return along("topk_relu", x, axis, _winners(k, True))


@cache
def _winners(share: float | int, positive: bool) -> Callable[[Array], Array]:
    """Return the function that keeps the largest entries, a number of them or a fraction, the first of equal ones."""

    def f(x: Array) -> Array:
        n = x.shape[-1]
        # 0.29 * 100 is 28.999999999999996.
        k = share if isinstance(share, int) else max(1, math.floor(round(share * n, 9)))
        wins = jnp.ones(x.shape, bool)
        if k < n:
            _, best = lax.top_k(lax.stop_gradient(x), k)
            wins = jnp.put_along_axis(~wins, best, True, axis=-1, inplace=False)
        return jnp.where(wins & ~(x <= 0) if positive else wins, x, 0.0)

    return keep_arguments(f)
