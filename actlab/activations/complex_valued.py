r"""Complex numbers in or out.

Derivatives are those of real and imaginary parts, as jax has them for functions that are not holomorphic:
``jax.grad`` of a real loss returns the conjugate of the direction of steepest ascent. float32 and complex64
belong together, as do float64 and complex128; float16 and bfloat16 become complex64.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.activations.multi_input import keep_arguments
from actlab.activations.rectified import relu
from actlab.activations.spec import NONNEGATIVE, POSITIVE, REALS, Interval, activation
from actlab.gradients import as_real, by_precision, narrow, widen
from actlab.gradients.precision import align


def as_number(x: ArrayLike) -> Array:
    """Return ``x`` as a complex array if it is complex, else as a floating one (`as_real`)."""
    if isinstance(x, complex) or jnp.issubdtype(jnp.result_type(x), jnp.complexfloating):
        return jnp.asarray(x)
    return as_real(x)


def _parts(x: Array) -> tuple[Array, Array | None]:
    """Return the real and the imaginary part, None for real numbers, in the dtype formulas run in."""
    if jnp.iscomplexobj(x):
        return lax.real(x), lax.imag(x)
    return widen(x)[0], None


def _parameters(x: Array, *params: ArrayLike) -> list[Array]:
    return [align(p, x) for p in params]


def _gabor_range(p):
    return Interval(0.0, math.exp(0.25 * (p["omega"] / p["scale"]) ** 2), open_low=True)


@activation(
    family="complex",
    kind="complex",
    formula="exp(1j*omega*x)*exp(-abs(scale*x)**2)",
    parameters={
        "omega": (REALS, "frequency of the carrier"),
        "scale": (POSITIVE, "inverse width of the envelope"),
    },
    range=_gabor_range,  # of the modulus
    monotonic=False,
    smoothness="Cinf",
    # On the real line: abs(f')^2 = (omega^2 + 4 s^4 x^2) exp(-2 s^2 x^2), largest at 0 or where its slope is 0.
    lipschitz=lambda p: (
        abs(p["omega"])
        if p["omega"] ** 2 >= 2 * p["scale"] ** 2
        else math.sqrt(2.0) * p["scale"] * math.exp(0.25 * (p["omega"] / p["scale"]) ** 2 - 0.5)
    ),
    limits=(0.0, 0.0),
    turning=None,
    reference="Saragadam et al. 2023, arXiv:2301.05187",
)
def wire_gabor(x: ArrayLike, *, omega: ArrayLike = 10.0, scale: ArrayLike = 10.0) -> Array:
    r"""Complex Gabor wavelet (WIRE): a wave in a Gaussian envelope, complex also for real x.

    .. math:: f(z) = e^{i \omega z}\, e^{-|s z|^2}, \qquad
              |f(z)| = e^{-\omega \,\mathrm{Im} z - s^2 |z|^2} \le e^{\omega^2 / (4 s^2)}

    Range of the modulus: (0, the bound above]; (0, 1] for real x, while off the real line the wave itself grows.
    The Lipschitz constant of the spec is that on the real line. Smooth, not holomorphic; 0 far out. Frequency and
    width vary with the task in the paper and its code (omega 5 to 30, scale 5 to 40).

    Args:
        x: real or complex array; the result is complex64, complex128 for float64 and complex128.
        omega: frequency of the carrier; any finite real.
        scale: inverse width of the envelope, positive.

    Saragadam, LeJeune, Tan, Balakrishnan, Veeraraghavan, Baraniuk 2023, arXiv:2301.05187.

    >>> print(wire_gabor(0.0))
    (1+0j)
    """
    x = as_number(x)
    return _gabor(x, *_parameters(x, omega, scale))


@keep_arguments
def _gabor(x: Array, omega: Array, scale: Array) -> Array:
    a, b = _parts(x)
    omega, scale = (p.astype(a.dtype) for p in (omega, scale))
    # Far out the envelope is 0 whatever the phase: the clip keeps squares and phases finite. Off the real
    # line its centre is at -omega / (2 scale^2).
    reach = by_precision(a, 30.0, 60.0) / scale + jnp.abs(omega) / (scale * scale)
    a = jnp.clip(a, -reach, reach)
    exponent = -((scale * a) ** 2)
    if b is not None:
        b = jnp.clip(b, -reach, reach)
        exponent = exponent - b * (omega + scale * scale * b)
    envelope = jnp.exp(exponent)
    return lax.complex(envelope * jnp.cos(omega * a), envelope * jnp.sin(omega * a))


@activation(
    family="complex",
    kind="complex",
    formula="max(0,abs(x)+bias)*x/abs(x)",
    parameters={"bias": (REALS, "added to the modulus; below 0 it makes a disc of zeros")},
    range=NONNEGATIVE,  # of the modulus
    monotonic=True,
    smoothness=lambda p: "C0" if p["bias"] < 0 else "Cinf" if p["bias"] == 0 else "jumps",
    lipschitz=lambda p: math.inf if p["bias"] > 0 else 1.0,
    limits=(-math.inf, math.inf),
    turning=None,
    reference="Arjovsky, Shah, Bengio 2015, arXiv:1511.06464",
)
def mod_relu(x: ArrayLike, *, bias: ArrayLike = 0.0) -> Array:
    r"""modReLU: rectifies the modulus and keeps the phase.

    .. math:: f(z) = \max(0, |z| + b)\, \frac{z}{|z|}, \qquad f(0) := 0

    Range of the modulus: [0, inf). bias = 0 is the identity; below 0 it is a soft threshold, the disc
    abs(z) <= -bias becomes 0, with derivative 0 also on its rim. Above 0 it jumps at 0, where the derivative is
    taken as 1. Real numbers stay real: the sign is their phase.

    Args:
        x: real or complex array.
        bias: added to the modulus; real, learnt in the paper.

    Arjovsky, Shah, Bengio 2015, arXiv:1511.06464.

    >>> print(f"{mod_relu(3 + 4j, bias=-1.0):.4f}", mod_relu(-3.0, bias=-1.0))
    2.4000+3.2000j -2.0
    """
    x = as_number(x)
    return _mod_relu(x, *_parameters(x, bias))


def _polar(z: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
    """Return the modulus and the unit vector, 0 for 0, of one or two real coordinates, without overflow."""
    size = jnp.abs(z[0])
    for part in z[1:]:
        size = jnp.maximum(size, jnp.abs(part))
    # Only a scale: the results do not depend on it.
    size = lax.stop_gradient(jnp.where(size == 0, 1.0, size))
    scaled = [
        jnp.where(jnp.isinf(size), jnp.where(jnp.isinf(part), jnp.sign(part), 0.0), part / size) for part in z
    ]
    square = sum((s * s for s in scaled[1:]), scaled[0] * scaled[0])
    norm = jnp.sqrt(jnp.where(square == 0, 1.0, square))
    return jnp.where(square == 0, 0.0, size * norm), tuple(s / norm for s in scaled)


def _coordinates(x: Array) -> tuple[Array, ...]:
    a, b = _parts(x)
    return (a,) if b is None else (a, b)


def _number(coordinates: tuple[Array, ...], like: Array) -> Array:
    if len(coordinates) == 2:
        return lax.complex(*coordinates)
    return narrow(coordinates[0], like)


def _shrunk(x: Array, bias: Array) -> Array:
    z = _coordinates(x)
    bias = bias.astype(z[0].dtype)
    r, unit = _polar(z)
    outside = ~(r + bias <= 0.0)  # NaN counts as outside, and stays
    return _number(tuple(jnp.where(outside, p + bias * u, 0.0) for p, u in zip(z, unit, strict=True)), x)


@keep_arguments
def _shrunk_tangent(x: Array, bias: Array, t: Array, moved: Array) -> Array:
    z, t = _coordinates(x), _coordinates(t)
    bias, moved = bias.astype(z[0].dtype), moved.astype(z[0].dtype)
    r, _ = _polar(z)
    outside = (~(r + bias <= 0.0)) | ((r == 0) & (bias >= 0.0))
    # Inside the disc, and where there is no bias, 1 / r and its derivatives are not to be met.
    used = outside & (bias != 0.0) & (r != 0.0)
    r, unit = _polar(tuple(jnp.where(used, p, 1.0) for p in z))
    across = jnp.where(used, jnp.clip(bias / r, -1e30, 1e30), 0.0)
    # Along the ray z moves as it is, across it by the factor 1 + bias / r.
    along = sum((u * p for u, p in zip(unit[1:], t[1:], strict=True)), unit[0] * t[0])
    ray = _polar(z)[1]
    parts = (
        jnp.where(outside, p + across * (p - u * along) + v * moved, 0.0)
        for p, u, v in zip(t, unit, ray, strict=True)
    )
    return _number(tuple(parts), x)


@jax.custom_jvp
def _mod_relu_rule(x: Array, bias: Array) -> Array:
    return _shrunk(x, bias)


@_mod_relu_rule.defjvp
def _mod_relu_jvp(primals, tangents):
    return _mod_relu_rule(*primals), _shrunk_tangent(*primals, *tangents)


_mod_relu = jax.jit(_mod_relu_rule, inline=True)


@activation(
    family="complex",
    kind="complex",
    formula="max(0,real(x))+1j*max(0,imag(x))",
    range=NONNEGATIVE,  # of the modulus
    monotonic=True,
    smoothness="C0",
    lipschitz=1.0,
    limits=(0.0, math.inf),
    turning=None,
    reference="Trabelsi et al. 2017, arXiv:1705.09792",
)
def complex_crelu(x: ArrayLike) -> Array:
    r"""Complex ReLU by parts (CReLU of deep complex networks): rectifies real and imaginary part separately.

    .. math:: f(z) = \max(0, \mathrm{Re}\, z) + i \max(0, \mathrm{Im}\, z)

    Values in the first quadrant; 1-Lipschitz; kinks on the axes, where the derivative is 0. It is holomorphic
    inside the first and the third quadrant alone. Real numbers stay real: `relu`.

    Args:
        x: real or complex array.

    Trabelsi et al. 2017, Deep complex networks, arXiv:1705.09792.

    >>> print(complex_crelu(3 - 4j))
    (3+0j)
    """
    x = as_number(x)
    return _by_parts(x) if jnp.iscomplexobj(x) else relu(x)


_by_parts = keep_arguments(lambda x: lax.complex(relu(lax.real(x)), relu(lax.imag(x))))
