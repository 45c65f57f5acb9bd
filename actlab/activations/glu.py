r"""Gated functions of two operands: what passes, ``up``, times a function of what gates it, ``gate``.

The operands are named by their role because libraries disagree on which half of one tensor gates: `split_gate`
makes the pair from one tensor and states the layout. Every function keeps exactly its two operands, in the
caller's dtype, for the backward pass. A gate's factor is rounded to the compute dtype before it meets ``up``:
where that factor is below the smallest normal number, the gate is closed.
"""

from __future__ import annotations

import functools
import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.gelu import gelu, gelu_tanh
from actlab.activations.rectified import relu
from actlab.activations.saturating import sigmoid
from actlab.activations.selfgated import swish
from actlab.activations.spec import NONNEGATIVE, REALS, activation
from actlab.errors import InputError, suggest
from actlab.gradients import as_real, keep_inputs

gated = functools.partial(
    activation, family="gated", kind="gated", monotonic=False, limits=(math.nan, math.nan), turning=None
)
_unbounded = functools.partial(gated, lipschitz=math.inf)  # a product of two unbounded factors
_LAYOUTS = ("halves", "interleaved")
_ORDERS = ("gate_first", "up_first")


def split_gate(x: ArrayLike, *, order: str, layout: str = "halves", axis: int = -1) -> tuple[Array, Array]:
    """Split one tensor into the operands ``(gate, up)`` of a gated function.

    ``glu(*split_gate(x, order="up_first"))`` is ``jax.nn.glu`` and ``torch.nn.functional.glu``, where the second
    half gates; ``swiglu(*split_gate(x, order="gate_first"))`` is the usual fused SwiGLU, and
    ``swiglu_oai(*split_gate(x, order="gate_first", layout="interleaved"))`` that of gpt-oss.

    Args:
        x: real array, of even length along ``axis``.
        order: ``"gate_first"`` or ``"up_first"``; no default, since libraries differ.
        layout: ``"halves"``, one operand after the other, or ``"interleaved"``, entry by entry.
        axis: the axis that is split.

    Raises:
        InputError: no such order, layout or axis, or its length is odd.

    >>> import jax.numpy as jnp
    >>> gate, up = split_gate(jnp.arange(4.0), order="up_first")
    >>> gate, up
    (Array([2., 3.], dtype=float32), Array([0., 1.], dtype=float32))
    """
    x = as_real(x)
    if order not in _ORDERS:
        raise InputError(f"split_gate: order={order!r}{suggest(str(order), _ORDERS)}")
    if layout not in _LAYOUTS:
        raise InputError(f"split_gate: layout={layout!r}{suggest(str(layout), _LAYOUTS)}")
    if not -x.ndim <= axis < x.ndim:
        raise InputError(f"split_gate: axis {axis} does not exist in an array of shape {x.shape}")
    if x.shape[axis] % 2:
        raise InputError(f"split_gate: axis {axis} of an array of shape {x.shape} cannot be halved")
    if layout == "halves":
        first, second = jnp.split(x, 2, axis)
    else:
        at = (slice(None),) * (axis % x.ndim)
        first, second = x[(*at, slice(0, None, 2))], x[(*at, slice(1, None, 2))]
    return (first, second) if order == "gate_first" else (second, first)


@_unbounded(
    formula="sigmoid(gate)*up",
    range=REALS,
    smoothness="Cinf",
    reference="Dauphin, Fan, Auli, Grangier 2016, arXiv:1612.08083",
    peers={
        "jax": "jax.nn.glu(jax.numpy.concatenate((up, gate), -1))",
        "torch": "torch.nn.functional.glu(torch.cat((up, gate), -1))",
        "keras": "keras.activations.glu(keras.ops.concatenate((up, gate), -1))",
    },
    differs="They take one tensor, whose second half gates.",
)
def glu(gate: ArrayLike, up: ArrayLike) -> Array:
    r"""Gated linear unit: what passes, times the sigmoid of the gate.

    .. math:: f(g, u) = \sigma(g)\, u, \qquad
              \mathrm{d}f = \sigma(g)\,\sigma(-g)\, u\, \mathrm{d}g + \sigma(g)\, \mathrm{d}u

    Range: all reals; smooth; linear in ``up``. ``jax.nn.glu`` and torch take one tensor and gate with its
    second half: ``glu(*split_gate(x, order="up_first"))``.

    Args:
        gate: real array, the operand inside the sigmoid.
        up: real array that broadcasts with ``gate``.

    Raises:
        InputError: the operands do not broadcast.

    Dauphin, Fan, Auli, Grangier 2016, arXiv:1612.08083.

    >>> print(glu(0.0, 3.0))
    1.5
    """
    return _glu(gate, up)


_glu = keep_inputs(lambda gate, up: sigmoid(gate) * up)


@_unbounded(
    formula="gate*up",
    range=REALS,
    smoothness="Cinf",
    reference="Mnih, Hinton 2007, doi:10.1145/1273496.1273577; Shazeer 2020, arXiv:2002.05202",
)
def bilinear_glu(gate: ArrayLike, up: ArrayLike) -> Array:
    r"""Bilinear unit: the product of the two operands, a gate without a nonlinearity.

    .. math:: f(g, u) = g\, u, \qquad \mathrm{d}f = u\, \mathrm{d}g + g\, \mathrm{d}u

    Range: all reals; smooth; the operands may be exchanged.

    Args:
        gate: real array.
        up: real array that broadcasts with ``gate``.

    Raises:
        InputError: the operands do not broadcast.

    Mnih, Hinton 2007, doi:10.1145/1273496.1273577; Shazeer 2020, arXiv:2002.05202.

    >>> print(bilinear_glu(2.0, 3.0))
    6.0
    """
    return _bilinear(gate, up)


_bilinear = keep_inputs(lambda gate, up: gate * up, lambda gate, up: up, lambda gate, up: gate)


@_unbounded(
    formula="max(0,gate)*up",
    range=REALS,
    smoothness="C0",
    reference="Shazeer 2020, arXiv:2002.05202",
)
def reglu(gate: ArrayLike, up: ArrayLike) -> Array:
    r"""ReGLU: what passes, times the rectified gate.

    .. math:: f(g, u) = \max(0, g)\, u

    Range: all reals. Kink at gate = 0, where the derivative by gate is 0 (left 0, right ``up``), as of `relu`.
    The gate is Shazeer's xW, the first matrix; fused code usually holds it in the first half.

    Args:
        gate: real array, the rectified operand.
        up: real array that broadcasts with ``gate``.

    Raises:
        InputError: the operands do not broadcast.

    Shazeer 2020, arXiv:2002.05202.

    >>> print(reglu(2.0, 3.0), reglu(-2.0, -3.0))
    6.0 -0.0
    """
    return _reglu(gate, up)


_reglu = keep_inputs(lambda gate, up: relu(gate) * up)


@_unbounded(
    formula="max(0,gate)*max(0,up)",
    range=NONNEGATIVE,
    smoothness="C0",
    reference="Song et al. 2024, arXiv:2406.05955",
)
def drelu_glu(gate: ArrayLike, up: ArrayLike) -> Array:
    r"""dReLU: both operands rectified, so that nine outputs in ten are 0 in a trained network.

    .. math:: f(g, u) = \max(0, g)\, \max(0, u)

    Range [0, inf). Kinks at gate = 0 and up = 0, where the derivatives are 0, as of `relu`. The operands may
    be exchanged.

    Args:
        gate: real array.
        up: real array that broadcasts with ``gate``.

    Raises:
        InputError: the operands do not broadcast.

    Song, Xie, Zhang, Wen, Ma, Mi, Chen 2024, Turbo Sparse, arXiv:2406.05955.

    >>> print(drelu_glu(2.0, 3.0), drelu_glu(-2.0, -3.0))
    6.0 0.0
    """
    return _drelu(gate, up)


_drelu = keep_inputs(lambda gate, up: relu(gate) * relu(up))


@_unbounded(
    formula="0.5*gate*erfc(-gate/sqrt(2))*up",
    range=REALS,
    smoothness="Cinf",
    reference="Shazeer 2020, arXiv:2002.05202",
    differs="T5 v1.1 and most code compute the tanh approximation under this name: geglu_tanh",
)
def geglu(gate: ArrayLike, up: ArrayLike) -> Array:
    r"""GEGLU: what passes, times the exact `gelu` of the gate.

    .. math:: f(g, u) = g\, \Phi(g)\, u

    Range: all reals; smooth; linear in ``up``. The gate is Shazeer's xW, the first matrix; fused code usually
    holds it in the first half, diffusers' GEGLU in the second.

    Args:
        gate: real array, the operand inside gelu.
        up: real array that broadcasts with ``gate``.

    Raises:
        InputError: the operands do not broadcast.

    Shazeer 2020, arXiv:2002.05202.

    >>> print(f"{geglu(2.0, 3.0):.4f}")
    5.8635
    """
    return _geglu(gate, up)


_geglu = keep_inputs(lambda gate, up: gelu(gate) * up)


@_unbounded(
    formula="0.5*gate*(1+tanh(sqrt(2/pi)*(gate+0.044715*gate**3)))*up",
    range=REALS,
    smoothness="Cinf",
    reference="Shazeer 2020, arXiv:2002.05202; Hendrycks, Gimpel 2016, arXiv:1606.08415",
)
def geglu_tanh(gate: ArrayLike, up: ArrayLike) -> Array:
    r"""GEGLU by tanh: what passes, times the `gelu_tanh` of the gate, as T5 v1.1 and Gemma compute it.

    .. math:: f(g, u) = \mathrm{gelu\_tanh}(g)\, u

    Range: all reals; smooth; linear in ``up``.

    Args:
        gate: real array, the operand inside gelu_tanh.
        up: real array that broadcasts with ``gate``.

    Raises:
        InputError: the operands do not broadcast.

    Shazeer 2020, arXiv:2002.05202; Hendrycks, Gimpel 2016, arXiv:1606.08415.

    >>> print(f"{geglu_tanh(2.0, 3.0):.4f}")
    5.8638
    """
    return _geglu_tanh(gate, up)


_geglu_tanh = keep_inputs(lambda gate, up: gelu_tanh(gate) * up)


@_unbounded(
    formula="gate*sigmoid(beta*gate)*up",
    parameters={"beta": (REALS, "sharpness of the gate")},
    range=REALS,
    smoothness="Cinf",
    reference="Shazeer 2020, arXiv:2002.05202",
)
def swiglu(gate: ArrayLike, up: ArrayLike, *, beta: ArrayLike = 1.0) -> Array:
    r"""SwiGLU: what passes, times the `swish` of the gate.

    .. math:: f(g, u) = g\, \sigma(\beta g)\, u

    Range: all reals; smooth; linear in ``up``. beta = 0 is half of `bilinear_glu`. The gate is Shazeer's xW,
    the first matrix; fused code usually holds it in the first half, Megatron's SwiGLU too, others in the second.

    Args:
        gate: real array, the operand inside swish.
        up: real array that broadcasts with ``gate``.
        beta: sharpness of the gate; any finite real.

    Raises:
        InputError: the operands do not broadcast, or ``beta`` does not fit them.

    Shazeer 2020, arXiv:2002.05202.

    >>> print(f"{swiglu(2.0, 3.0):.4f}")
    5.2848
    """
    return _swiglu(gate, up, beta)


_swiglu = keep_inputs(lambda gate, up, beta: swish(gate, beta=beta) * up)
