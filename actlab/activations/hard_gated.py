"""Self-gated functions with kinks."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.selfgated import silu_slope, x_sigmoid
from actlab.activations.spec import REALS, Interval, Kink, activation
from actlab.gradients import keep_input


@activation(
    family="self-gated",
    formula="x*clip(x/6+0.5,0,1)",
    range=Interval(-0.375, math.inf),
    monotonic=False,
    smoothness="C0",
    kinks=(Kink(at=-3.0, left=0.0, right=-0.5, chosen=0.0), Kink(at=3.0, left=1.5, right=1.0, chosen=1.0)),
    lipschitz=1.5,
    limits=(0.0, math.inf),
    turning=(-1.5,),
    reference="Howard et al. 2019, arXiv:1905.02244; Avenash, Viswanath 2019, doi:10.5220/0007469604130420",
    aliases=("hard_swish",),
    peers={
        "jax": "jax.nn.hard_silu",
        "torch": "torch.nn.functional.hardswish",
        "keras": "keras.activations.hard_silu",
        "timm": "timm.layers.hard_swish",
    },
    differs="All four return NaN at -inf; torch's gradient at NaN is 1.",
)
def hard_silu(x: ArrayLike) -> Array:
    r"""Hard SiLU, or hard swish: x times the piecewise linear sigmoid.

    .. math:: f(x) = x \min(\max(x / 6 + 1/2, 0), 1), \qquad f'(-3) := 0, \quad f'(3) := 1

    0 up to -3, x (x + 3) / 6 up to 3, then the identity. Range [-0.375, inf); limits 0 and inf; turning at -1.5.
    Kinks at -3, where f' jumps from 0 to -1/2, and at 3, where it jumps from 3/2 to 1; the outer derivative is
    taken, as jax.nn and torch do. 1.5-Lipschitz.

    Howard et al. 2019, Searching for MobileNetV3, arXiv:1905.02244; Avenash, Viswanath 2019.

    >>> import jax.numpy as jnp
    >>> hard_silu(jnp.array([-4.0, -1.5, 4.0]))
    Array([ 0.   , -0.375,  4.   ], dtype=float32)
    """
    return _hard_silu(x)


hard_swish = hard_silu


def _hard_silu_value(x: Array) -> Array:
    return jnp.where(x <= -3.0, 0.0, jnp.where(x >= 3.0, x, x * (x + 3.0) / 6.0))


def _hard_silu_slope_value(x: Array) -> Array:
    return jnp.where(x <= -3.0, 0.0, jnp.where(x >= 3.0, 1.0, (2.0 * x + 3.0) / 6.0))


def _hard_silu_curvature(x: Array) -> Array:
    return jnp.where((x <= -3.0) | (x >= 3.0), 0.0, jnp.where(x == x, 1.0 / 3.0, x))


_hard_silu = keep_input(_hard_silu_value, keep_input(_hard_silu_slope_value, _hard_silu_curvature))


@activation(
    family="self-gated",
    formula="max(0,x)*sigmoid(x)+threshold",
    parameters={"threshold": (REALS, "the constant left of 0, added everywhere")},
    range=lambda p: Interval(p["threshold"], math.inf),
    monotonic=True,
    smoothness="C0",
    kinks=(Kink(at=0.0, left=0.0, right=0.5, chosen=0.0),),
    lipschitz=1.0998393201288669,  # at 2.3993572805154167
    limits=lambda p: (p["threshold"], math.inf),
    reference="Chieng, Wahid, Ong, Perla 2018, arXiv:1812.06247",
)
def flatten_t_swish(x: ArrayLike, *, threshold: ArrayLike = -0.2) -> Array:
    r"""Flatten-T swish: the right half of `silu`, a constant on the left.

    .. math:: f(x) = \max(0, x)\,\sigma(x) + T, \qquad f'(0) := 0

    Range [T, inf); limits T and inf; never decreasing. Kink at 0, where f' jumps from 0 to 1/2; the left
    derivative is taken, as in `relu`. 1.0998-Lipschitz.

    Args:
        x: real array.
        threshold: T, any finite real; -0.2 in the paper. Learnt, it is the PFTS of the same authors.

    Chieng, Wahid, Ong, Perla 2018, Flatten-T Swish, arXiv:1812.06247.

    >>> print(f"{flatten_t_swish(2.0):.4f}")
    1.5616
    """
    return _flatten_t_swish(x, threshold)


def _flatten_value(x: Array, threshold: Array) -> Array:
    return jnp.where(x <= 0, 0.0, x_sigmoid(x, x)) + threshold


def _flatten_slope(x: Array, threshold: Array) -> Array:
    return jnp.where(x <= 0, 0.0, silu_slope(x))


def _flatten_by_threshold(x: Array, threshold: Array) -> Array:
    return jnp.where(x == x, 1.0, x)


_flatten_t_swish = keep_input(_flatten_value, _flatten_slope, _flatten_by_threshold)
