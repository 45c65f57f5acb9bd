"""Gated functions whose factors are bounded, by a clamp or by a tanh."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.glu import gated
from actlab.activations.saturating import sigmoid, tanh
from actlab.activations.selfgated import silu, swish
from actlab.activations.spec import POSITIVE, REALS, Interval
from actlab.gradients import by_precision, keep_input, keep_inputs


def _swish(g: float, alpha: float = 1.0) -> float:
    """Return swish as a Python number, for the facts below."""
    half = math.exp(-0.5 * min(abs(alpha * g), 1400.0))
    return (g if alpha * g >= 0 else g * half * half) / (1.0 + half * half)


def _steepest(factor: Callable[[float], float], high: float, width: float) -> float:
    """Return the largest norm of the gradient of factor(gate) * up, abs(up) at most width, gate up to high."""
    low, n, h = min(-12.0, high - 1.0), 4000, 1e-6
    grid = [high - (high - low) * i / n for i in range(n + 1)]
    return max(math.hypot(width * (factor(g) - factor(g - h)) / h, factor(g)) for g in grid)


def _silu_inverse(y: float) -> float:
    g = y
    for _ in range(200):
        g = y * (1.0 + math.exp(-g))
    return g


def _oai_range(p):
    alpha, limit = p["alpha"], p["limit"]
    if alpha <= 0:
        return REALS
    top, bottom = _swish(limit, alpha), -0.2784645427610738 / alpha
    ends = [factor * (1.0 + side * limit) for factor in (top, bottom) for side in (-1, 1)]
    return Interval(min(ends), max(ends))


@gated(
    formula="min(gate,limit)*sigmoid(alpha*min(gate,limit))*(clip(up,-limit,limit)+1)",
    parameters={
        "alpha": (REALS, "sharpness of the gate"),
        "limit": (POSITIVE, "largest gate, and largest size of up"),
    },
    range=_oai_range,
    lipschitz=lambda p: (
        _steepest(lambda g: _swish(g, p["alpha"]), p["limit"], p["limit"] + 1) if p["alpha"] > 0 else math.inf
    ),
    smoothness="C0",
    reference="OpenAI 2025, arXiv:2508.10925",
    aliases=("clamped_swiglu",),
)
def swiglu_oai(gate: ArrayLike, up: ArrayLike, *, alpha: ArrayLike = 1.702, limit: ArrayLike = 7.0) -> Array:
    r"""SwiGLU of gpt-oss: both operands clamped, and one added to what passes.

    .. math:: f(g, u) = \bar g\, \sigma(\alpha \bar g)\, (\bar u + 1), \qquad
              \bar g = \min(g, \ell), \quad \bar u = \min(\max(u, -\ell), \ell)

    Range [-(limit - 1) swish(limit), (limit + 1) swish(limit)], about [-42, 56] by default, wider for limits below
    1.4; all reals for alpha <= 0. Kinks at gate = limit and up = -limit, limit, where the derivatives are
    those of the inside, as torch.clamp has them (outside: 0). gpt-oss holds gate and up interleaved:
    ``swiglu_oai(*split_gate(x, order="gate_first", layout="interleaved"))``.

    Args:
        gate: real array, the operand inside the sigmoid.
        up: real array that broadcasts with ``gate``.
        alpha: sharpness of the gate; any finite real.
        limit: largest gate, and largest size of up; positive.

    Raises:
        InputError: the operands do not broadcast, or a parameter does not fit them.

    OpenAI 2025, gpt-oss model card, arXiv:2508.10925.

    >>> print(f"{swiglu_oai(2.0, 3.0):.4f}")
    7.7426
    """
    return _clamped(gate, up, alpha, limit, 1.0)


clamped_swiglu = swiglu_oai


def _symmetric(high: float) -> Interval:
    return Interval(-high, high)


@gated(
    formula="min(gate,limit)*sigmoid(min(gate,limit))*clip(up,-limit,limit)",
    parameters={"limit": (POSITIVE, "largest gate, and largest size of up")},
    range=lambda p: _symmetric(p["limit"] * max(_swish(p["limit"]), 0.2784645427610738)),
    lipschitz=lambda p: _steepest(_swish, p["limit"], p["limit"]),
    smoothness="C0",
    reference="DeepSeek-AI 2026, arXiv:2606.19348; vLLM, SiluAndMulWithClamp",
)
def swiglu_clamped(gate: ArrayLike, up: ArrayLike, *, limit: ArrayLike = 10.0) -> Array:
    r"""SwiGLU with both operands clamped before the gate is computed.

    .. math:: f(g, u) = \mathrm{silu}(\min(g, \ell))\, \min(\max(u, -\ell), \ell)

    Range from -limit silu(limit) to limit silu(limit), for limits down to 0.46. Kinks at gate = limit and
    up = -limit, limit, where the derivatives are those of the inside, as torch.clamp has them (outside: 0).
    `swiglu_step` clamps after silu instead.

    Args:
        gate: real array, the operand inside silu.
        up: real array that broadcasts with ``gate``.
        limit: largest gate, and largest size of up; positive.

    Raises:
        InputError: the operands do not broadcast, or ``limit`` does not fit them.

    DeepSeek-AI 2026, DeepSeek-V4, arXiv:2606.19348, parameter swiglu_limit; vLLM's SiluAndMulWithClamp.

    >>> print(f"{swiglu_clamped(2.0, 30.0):.4f}")
    17.6159
    """
    return _clamped(gate, up, 1.0, limit, 0.0)


def _clamp(x: Array, low: Array | float, high: Array) -> Array:
    # The inside includes both ends, where jnp.clip would share the derivative with the limits.
    return jnp.where(x > high, high, jnp.where(x < low, low, x))


def _clamped_value(gate: Array, up: Array, alpha: Array, limit: Array, offset: Array) -> Array:
    return swish(_clamp(gate, -math.inf, limit), beta=alpha) * (_clamp(up, -limit, limit) + offset)


_clamped = keep_inputs(_clamped_value)


@gated(
    formula="min(gate*sigmoid(gate),limit)*clip(up,-limit,limit)",
    parameters={"limit": (POSITIVE, "largest factor of the gate, and largest size of up")},
    range=lambda p: _symmetric(p["limit"] * max(p["limit"], 0.2784645427610738)),
    lipschitz=lambda p: _steepest(_swish, _silu_inverse(p["limit"]), p["limit"]),
    smoothness="C0",
    reference="vLLM, SwigluStepAndMul",
)
def swiglu_step(gate: ArrayLike, up: ArrayLike, *, limit: ArrayLike = 7.0) -> Array:
    r"""SwiGLU clamped after silu, as the Step models have it.

    .. math:: f(g, u) = \min(\mathrm{silu}(g), \ell)\, \min(\max(u, -\ell), \ell)

    Range [-limit^2, limit^2], for limits down to 0.28. Kinks where silu(gate) = limit and up = -limit, limit; the
    derivatives there are those of the inside, as torch.clamp has them (outside: 0). `swiglu_clamped` clamps
    before silu.

    Args:
        gate: real array, the operand inside silu.
        up: real array that broadcasts with ``gate``.
        limit: largest factor of the gate, and largest size of up; positive.

    Raises:
        InputError: the operands do not broadcast, or ``limit`` does not fit them.

    vLLM's SwigluStepAndMul for StepFun's Step-3.5, 2026.

    >>> print(swiglu_step(20.0, -30.0))
    -49.0
    """
    return _step(gate, up, limit)


def _step_value(gate: Array, up: Array, limit: Array) -> Array:
    return _clamp(silu(gate), -math.inf, limit) * _clamp(up, -limit, limit)


_step = keep_inputs(_step_value)


@gated(
    formula="sigmoid(gate)*tanh(up)",
    range=Interval(-1.0, 1.0, open_low=True, open_high=True),
    smoothness="Cinf",
    lipschitz=1.0,  # at gate = inf, up = 0
    reference="van den Oord et al. 2016, arXiv:1606.05328",
    aliases=("gated_tanh_unit",),
)
def gtu(gate: ArrayLike, up: ArrayLike) -> Array:
    r"""Gated tanh unit: the tanh of what passes, times the sigmoid of the gate.

    .. math:: f(g, u) = \sigma(g) \tanh(u)

    Range (-1, 1); smooth; 1-Lipschitz, approached at an open gate. The gate is the operand inside the sigmoid;
    PixelCNN and WaveNet code usually holds it in the second half of one tensor:
    ``gtu(*split_gate(x, order="up_first"))``.

    Args:
        gate: real array, the operand inside the sigmoid.
        up: real array that broadcasts with ``gate``, the operand inside tanh.

    Raises:
        InputError: the operands do not broadcast.

    van den Oord, Kalchbrenner, Vinyals, Espeholt, Graves, Kavukcuoglu 2016, arXiv:1606.05328.

    >>> print(f"{gtu(0.0, 1.0):.4f}")
    0.3808
    """
    return _gtu(gate, up)


gated_tanh_unit = gtu
_gtu = keep_inputs(lambda gate, up: sigmoid(gate) * tanh(up))


def _situ_range(p):
    high = p["beta"] * p["linear_beta"]
    return Interval(-high, high, open_low=True, open_high=True)


def _situ_steepest(p):
    # The squared norm of the gradient is convex in tanh(up / linear_beta)^2: largest at an end of [0, 1].
    beta = p["beta"]

    def slope(g):
        t, gate = math.tanh(g / beta), 0.5 + 0.5 * math.tanh(0.5 * g)
        return gate * (1.0 - t * t + beta * t * (1.0 - gate))

    return max(beta, p["linear_beta"] * max(slope(0.002 * i) for i in range(5000)))


@gated(
    formula="beta*tanh(gate/beta)*sigmoid(gate)*linear_beta*tanh(up/linear_beta)",
    parameters={
        "beta": (POSITIVE, "largest factor of the gate"),
        "linear_beta": (POSITIVE, "largest size of what passes"),
    },
    range=_situ_range,
    smoothness="Cinf",
    lipschitz=_situ_steepest,
    reference="Kimi Team 2026, Kimi K3, arXiv:2607.24653",
)
def situ_glu(
    gate: ArrayLike, up: ArrayLike, *, beta: ArrayLike = 4.0, linear_beta: ArrayLike | None = 25.0
) -> Array:
    r"""SiTU-GLU: SwiGLU with both factors bounded by a tanh instead of a clamp.

    .. math:: f(g, u) = \beta \tanh(g / \beta)\, \sigma(g) \cdot \lambda \tanh(u / \lambda)

    Range (-beta * linear_beta, beta * linear_beta); smooth. Tends to `swiglu` for large parameters.

    Args:
        gate: real array, the operand inside the sigmoid.
        up: real array that broadcasts with ``gate``.
        beta: largest factor of the gate, positive.
        linear_beta: largest size of what passes, positive; None, for calls alone, passes ``up`` as it is.

    Raises:
        InputError: the operands do not broadcast, or a parameter does not fit them.

    Kimi Team 2026, Kimi K3, arXiv:2607.24653.

    >>> print(f"{situ_glu(2.0, 3.0):.4f}")
    4.8611
    """
    if linear_beta is None:
        return _situ_open(gate, up, beta)
    return _situ(gate, up, beta, linear_beta)


def _soft_by_bound(x: Array, bound: Array) -> Array:
    # tanh q - q sech(q)^2, by its power series where the two terms cancel.
    far = by_precision(x, 60.0, 400.0)
    q = jnp.clip(x / bound, -far, far)
    near = jnp.abs(q) < by_precision(x, 0.3, 0.03)
    s = q * q
    series = q * s * (2.0 / 3 - s * (8.0 / 15 - s * (34.0 / 105 - s * (496.0 / 2835))))
    return jnp.where(near, series, jnp.tanh(q) - q * _sech_squared(q))


def _sech_squared(q: Array) -> Array:
    return jax.jvp(tanh, (q,), (jnp.ones_like(q),))[1]


def _soft_value(x: Array, bound: Array) -> Array:
    q = x / bound
    # Where tanh is the identity, x itself: the quotient may be flushed.
    return jnp.where(jnp.abs(q) < by_precision(x, 1e-4, 1e-9), x, bound * jnp.tanh(q))


_soft = keep_input(_soft_value, lambda x, bound: _sech_squared(x / bound), _soft_by_bound)


def _situ_open_value(gate: Array, up: Array, beta: Array) -> Array:
    return _soft(gate, beta) * sigmoid(gate) * up


_situ_open = keep_inputs(_situ_open_value)
_situ = keep_inputs(lambda gate, up, beta, linear_beta: _situ_open_value(gate, _soft(up, linear_beta), beta))
