"""Relatives of SiLU: its derivative, shifted, softly clamped and asymmetric gates."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from actlab.activations.roots import root
from actlab.activations.selfgated import clipped, finite, halves, silu_slope, x_sigmoid
from actlab.activations.spec import NONNEGATIVE, POSITIVE, REALS, Interval, activation
from actlab.gradients import keep_input


@activation(
    family="saturating",
    formula="sigmoid(x)*(1+x*(1-sigmoid(x)))",
    range=Interval(-0.0998393201288669, 1.0998393201288669),
    monotonic=False,
    smoothness="Cinf",
    lipschitz=0.5,  # at 0
    limits=(0.0, 1.0),
    turning=(-2.3993572805154167, 2.3993572805154167),
    reference="Elfwing, Uchibe, Doya 2017, arXiv:1702.03118",
)
def dsilu(x: ArrayLike) -> Array:
    r"""Derivative of SiLU: a sigmoid that overshoots at both ends.

    .. math:: f(x) = \sigma(x)(1 + x\,\sigma(-x)), \qquad
              f'(x) = \sigma(x)\,\sigma(-x)\,(2 - x \tanh(x / 2))

    Range [-0.0998, 1.0998]; limits 0 and 1; f(x) + f(-x) = 1. Smooth, turning at -2.3994 and 2.3994.
    1/2-Lipschitz.

    Elfwing, Uchibe, Doya 2017, arXiv:1702.03118.

    >>> print(f"{dsilu(2.0):.4f}")
    1.0908
    """
    return silu_slope(x)


def _logistic(z: float) -> float:
    return 1.0 / (1.0 + math.exp(-z)) if z > 0 else math.exp(z) / (1.0 + math.exp(z))


def _bsilu_turning(p) -> tuple[float, ...]:
    alpha = p["alpha"]
    return (root(lambda x: x + alpha + 1.0 + math.exp(x), -alpha - 3.0, 0.0),)


def _bsilu_range(p):
    (x,) = _bsilu_turning(p)
    return Interval((x + p["alpha"]) * _logistic(x) - 0.5 * p["alpha"], math.inf)


def _bsilu_lipschitz(p):
    alpha = p["alpha"]
    x = root(lambda x: (x + alpha) * math.tanh(0.5 * x) - 2.0, 0.0, 4.0)
    return _logistic(x) * (1.0 + (x + alpha) * _logistic(-x))


@activation(
    family="self-gated",
    formula="(x+alpha)*sigmoid(x)-alpha/2",
    parameters={"alpha": (NONNEGATIVE, "twice the depth of the left limit")},
    range=_bsilu_range,
    monotonic=False,
    smoothness="Cinf",
    lipschitz=_bsilu_lipschitz,
    limits=lambda p: (-0.5 * p["alpha"], math.inf),
    turning=_bsilu_turning,
    reference="Horuz et al. 2025, arXiv:2505.22074",
)
def bsilu(x: ArrayLike, *, alpha: ArrayLike = 1.67) -> Array:
    r"""Bounded SiLU: SiLU shifted left and down, so that it still passes through the origin.

    .. math:: f(x) = (x + \alpha)\,\sigma(x) - \frac{\alpha}{2}
              = x\,\sigma(x) + \frac{\alpha}{2} \tanh\frac{x}{2}

    Range [-0.8999, inf) at alpha = 1.67; limits -alpha / 2 and inf; smooth, turning at -2.7349, where
    x + alpha + 1 + exp(x) = 0. 1.2904-Lipschitz. alpha = 0 is `silu`. Made as the smooth slope that stands in
    for that of relu.

    Args:
        x: real array.
        alpha: twice the depth of the left limit, not negative.

    Horuz, Kasenbacher, Higuchi, et al. 2025, The Resurrection of the ReLU, arXiv:2505.22074.

    >>> print(f"{bsilu(2.0):.4f}")
    2.3975
    """
    return _bsilu(x, alpha)


def _bsilu_value(x: Array, alpha: Array) -> Array:
    # Around 0 in one product: the summands may be flushed where the sum is not.
    line = x * (0.5 + 0.25 * alpha)
    return jnp.where(jnp.abs(x) < 1e-20, line, x_sigmoid(x, x) + 0.5 * alpha * jnp.tanh(0.5 * x))


def _bsilu_slope_value(x: Array, alpha: Array) -> Array:
    half, e = halves(-jnp.abs(x))
    below = 1.0 + e
    shifted = clipped(x) + alpha
    return jnp.where(x >= 0, below + shifted * e, ((below + shifted) * half) * half) / (below * below)


def _bsilu_curvature(x: Array, alpha: Array) -> Array:
    half, e = halves(-jnp.abs(x))
    below = 1.0 + e
    x = clipped(x)
    return ((2.0 - (x + alpha) * jnp.tanh(0.5 * x)) * half) * half / (below * below)


def _bsilu_by_alpha(x: Array, alpha: Array) -> Array:
    return 0.5 * jnp.tanh(0.5 * x)


_bsilu = keep_input(_bsilu_value, keep_input(_bsilu_slope_value, _bsilu_curvature), _bsilu_by_alpha)


def _clamp_parts(x: float, cap: float) -> tuple[float, float, float]:
    """Return f, f', f'' at a number."""
    v = x / cap
    steep = math.tanh(v)
    flat = 1.0 / math.cosh(v) ** 2 if abs(v) < 300.0 else 0.0
    s, t = _logistic(x), _logistic(-x)
    u = cap * steep
    bend = s * (-2.0 * steep * flat / cap + t * (2.0 * flat + u * (t - s)))
    return u * s, s * (flat + u * t), bend


def _clamp_turning(p) -> tuple[float, ...]:
    return (root(lambda x: _clamp_parts(x, p["cap"])[1], -30.0, 0.0),)


@activation(
    family="self-gated",
    formula="cap*tanh(x/cap)*sigmoid(x)",
    parameters={"cap": (POSITIVE, "upper limit")},
    range=lambda p: Interval(_clamp_parts(_clamp_turning(p)[0], p["cap"])[0], p["cap"], open_high=True),
    monotonic=False,
    smoothness="Cinf",
    lipschitz=lambda p: _clamp_parts(root(lambda x: _clamp_parts(x, p["cap"])[2], 0.0, 4.0), p["cap"])[1],
    limits=lambda p: (0.0, p["cap"]),
    turning=_clamp_turning,
    reference="Kimi team 2026, arXiv:2607.24653",
)
def softclamp_silu(x: ArrayLike, *, cap: ArrayLike = 4.0) -> Array:
    r"""SiLU whose linear factor is softly clamped at plus and minus the cap; the SiTU gate.

    .. math:: f(x) = c \tanh\!\left(\frac{x}{c}\right) \sigma(x)

    Range [-0.2698, 4) at the default cap; limits 0 and cap; smooth, turning at -1.2188. 0.9264-Lipschitz. Tends
    to `silu` for a large cap.

    Args:
        x: real array.
        cap: upper limit, positive.

    Kimi team 2026, arXiv:2607.24653; in the x-transformers library.

    >>> print(f"{softclamp_silu(2.0):.4f}")
    1.6281
    """
    return _softclamp(x, cap)


def _softclamp_value(x: Array, cap: Array) -> Array:
    v = x / cap
    return x_sigmoid(jnp.where(jnp.abs(v) < 1e-18, x, cap * jnp.tanh(v)), x)  # a tiny v may be flushed


def _softclamp_parts(x: Array, cap: Array) -> tuple[Array, Array, Array, Array]:
    """Return tanh(x / cap), sech(x / cap), exp(-abs(x) / 2) and 1 plus its square."""
    root_of, square = halves(-2.0 * jnp.abs(x / cap))
    half, e = halves(-jnp.abs(x))
    return jnp.tanh(x / cap), 2.0 * root_of / (1.0 + square), half, 1.0 + e


def _softclamp_slope_value(x: Array, cap: Array) -> Array:
    steep, sech, half, below = _softclamp_parts(x, cap)
    flat, other = sech * sech, cap * steep / below
    right = flat + (other * half) * half
    left = ((flat + other) * half) * half
    return jnp.where(x > 0, right, left) / below


def _softclamp_curvature(x: Array, cap: Array) -> Array:
    steep, sech, half, below = _softclamp_parts(x, cap)
    flat, u = sech * sech, cap * steep
    both = 2.0 * flat - u * jnp.tanh(0.5 * x)
    fade = -2.0 * steep * flat / cap
    right = fade + ((both / below) * half) * half
    left = ((fade + both / below) * half) * half
    return jnp.where(x > 0, right, left) / below


def _softclamp_by_cap(x: Array, cap: Array) -> Array:
    v = x / cap
    steep = jnp.tanh(v)
    sech = 1.0 / jnp.cosh(clipped(v))
    return (steep - clipped(v) * sech * sech) * (0.5 + 0.5 * jnp.tanh(0.5 * x))


_softclamp = keep_input(
    _softclamp_value, keep_input(_softclamp_slope_value, _softclamp_curvature), _softclamp_by_cap
)


def _aglu_gate(z: float, lam: float) -> float:
    """Return the gate (lam exp(-z) + 1)^(-1 / lam) at a number."""
    return math.exp(-(math.log1p(lam * math.exp(-z)) if z > -300 else math.log(lam) - z) / lam)


def _aglu_facts(p) -> dict:
    kappa, lam = p["kappa"], p["lam"]
    if kappa == 0:
        slope = (1.0 + lam) ** (-1.0 / lam)
        return {
            "range": REALS,
            "monotonic": True,
            "lipschitz": slope,
            "limits": (-math.inf, math.inf),
            "turning": (),
        }
    size, sign = abs(kappa), math.copysign(1.0, kappa)
    turn = root(lambda z: z + math.exp(z) + lam, -lam - 1.0, 0.0)
    low = turn * _aglu_gate(turn, lam) / size
    # f' is steepest where its own derivative, of the sign of 2 (1 + lam e) - z (1 - e), is 0; e = exp(-z).
    top = root(lambda z: 2.0 + 2.0 * lam * math.exp(-z) - z * (1.0 - math.exp(-z)), 0.0, 4.0 + 2.0 * lam)
    steepest = _aglu_gate(top, lam) * (1.0 + top / (math.exp(top) + lam))
    return {
        "range": Interval(low, math.inf) if kappa > 0 else Interval(-math.inf, -low),
        "monotonic": False,
        "lipschitz": steepest,
        "limits": (0.0, math.inf) if kappa > 0 else (-math.inf, 0.0),
        "turning": (sign * turn / size,),
    }


@activation(
    family="self-gated",
    formula="x*(lam*exp(-kappa*x)+1)**(-1/lam)",
    parameters={
        "kappa": (REALS, "sharpness of the gate"),
        "lam": (POSITIVE, "asymmetry of the gate: logistic at 1, Gumbel towards 0"),
    },
    range=lambda p: _aglu_facts(p)["range"],
    monotonic=lambda p: _aglu_facts(p)["monotonic"],
    smoothness="Cinf",
    lipschitz=lambda p: _aglu_facts(p)["lipschitz"],
    limits=lambda p: _aglu_facts(p)["limits"],
    turning=lambda p: _aglu_facts(p)["turning"],
    reference="Alexandridis et al. 2024, arXiv:2407.08567",
    aliases=("aglu",),
)
def aglu_gate(x: ArrayLike, *, kappa: ArrayLike = 1.0, lam: ArrayLike = 1.0) -> Array:
    r"""Adaptive generalised linear unit: x times the adaptive parametric activation (APA), its gate.

    .. math:: f(x) = x\,G(x), \qquad G(x) = (\lambda e^{-\kappa x} + 1)^{-1/\lambda}, \qquad
              f'(x) = G(x)\left(1 + \frac{\kappa x}{e^{\kappa x} + \lambda}\right)

    lambda = 1 is `swish` at beta = kappa: range [-0.2785, inf) and 1.0998-Lipschitz at the defaults; lambda
    towards 0 tends to `golu` for kappa = 1. Limits 0 and inf for kappa > 0; smooth, turning once, left of the
    origin. A negative kappa mirrors: f(x; -kappa) = -f(-x; kappa).

    Args:
        x: real array.
        kappa: sharpness of the gate; any finite real.
        lam: asymmetry of the gate, positive. Both are learnt in the paper, drawn from (0, 1) in the authors'
            code, which keeps lambda above 1e-4.

    Alexandridis, Deng, Nguyen, Luo 2024, Adaptive Parametric Activation, arXiv:2407.08567.

    >>> print(f"{aglu_gate(2.0, lam=0.5):.4f}")
    1.7545
    """
    return _aglu(x, kappa, lam)


aglu = aglu_gate


def _aglu_parts(x: Array, kappa: Array, lam: Array) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Return x, z = kappa x, both finite, minus the gate's logarithm, its square root, rho = G'/G, tau = 1 - lam rho.

    G' is by z here.
    """
    x = finite(x)
    z = jnp.clip(kappa * x, -1e30, 1e30)
    e = jnp.exp(-jnp.abs(z))
    grown = lam * jnp.exp(-jnp.maximum(z, -80.0))
    decay = jnp.where(z < -80.0, jnp.log(lam) - z, jnp.log1p(grown)) / lam
    rho = jnp.where(z > 0, e / (1.0 + lam * e), 1.0 / (e + lam))
    tau = jnp.where(z > 0, 1.0 / (1.0 + lam * e), e / (e + lam))
    return x, z, decay, jnp.exp(-0.5 * decay), rho, tau


def _aglu_value(x: Array, kappa: Array, lam: Array) -> Array:
    bounded, _, _, gate_root, _, _ = _aglu_parts(x, kappa, lam)
    kept = jnp.where((kappa == 0) | (kappa * x > 0), x, bounded)  # f(inf) is inf
    return (kept * gate_root) * gate_root


def _aglu_slope_value(x: Array, kappa: Array, lam: Array) -> Array:
    _, z, _, gate_root, rho, _ = _aglu_parts(x, kappa, lam)
    return ((1.0 + z * rho) * gate_root) * gate_root


def _aglu_curvature(x: Array, kappa: Array, lam: Array) -> Array:
    _, z, _, gate_root, rho, tau = _aglu_parts(x, kappa, lam)
    half = jnp.exp(-0.5 * jnp.maximum(z, 0.0))  # rho comes in halves where it may be flushed
    level = jnp.where(z > 0, tau, rho)
    return ((kappa * (2.0 + z * (rho - tau)) * level * gate_root) * half) * half * gate_root


def _aglu_by_kappa(x: Array, kappa: Array, lam: Array) -> Array:
    x, z, _, gate_root, rho, tau = _aglu_parts(x, kappa, lam)
    half = jnp.exp(-0.5 * jnp.maximum(z, 0.0))
    return ((x * gate_root) * half) * ((x * gate_root) * half) * jnp.where(z > 0, tau, rho)


def _aglu_by_lam(x: Array, kappa: Array, lam: Array) -> Array:
    x, _, decay, gate_root, rho, _ = _aglu_parts(x, kappa, lam)
    return (x * gate_root) * ((decay - rho) * gate_root) / lam


_aglu = keep_input(_aglu_value, keep_input(_aglu_slope_value, _aglu_curvature), _aglu_by_kappa, _aglu_by_lam)
