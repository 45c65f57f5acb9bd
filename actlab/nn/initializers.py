"""Weight initialisers by name: each draws a kernel of shape (..., fan_in, fan_out).

Three of them know the activation: ``he_exact`` and ``critical`` have their variances from theory, ``lsuv`` measures.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer, orthogonal, variance_scaling, zeros

from actlab.activations import Act
from actlab.errors import InputError, suggest
from actlab.nn.numbers import number
from actlab.theory import Weights, critical_weights, he_exact

KERNELS: dict[str, Initializer] = {
    "lecun_normal": variance_scaling(1.0, "fan_in", "truncated_normal"),
    "he_normal": variance_scaling(2.0, "fan_in", "truncated_normal"),
    "glorot_normal": variance_scaling(1.0, "fan_avg", "truncated_normal"),
    "glorot_uniform": variance_scaling(1.0, "fan_avg", "uniform"),
    "orthogonal": orthogonal(),
    # torch.nn.Linear and Conv: U(-1/sqrt(fan_in), 1/sqrt(fan_in)), variance 1/(3 fan_in)
    "torch_default": variance_scaling(1 / 3, "fan_in", "uniform"),
    "lsuv": orthogonal(),  # and then `actlab.nn.lsuv`
}
# Of an activation; kernels are normal, cut at two standard deviations as he_normal's.
OF_ACTIVATION: dict[str, Callable[[Act], Weights]] = {"he_exact": he_exact, "critical": critical_weights}
NAMES = (*KERNELS, *OF_ACTIVATION)


def initializer(
    name: str, fan_in: int, gain: float | jax.Array = 1.0, act: Act | None = None, *, first: bool = False
) -> tuple[Initializer, Initializer]:
    r"""Return (kernel, bias) initialisers: ``lecun_normal``, ``he_normal``, ..., ``torch_default``.

    ``he_exact``: kernels of variance :math:`g^2 / n`, g the true gain of the activation in front of the layer
    (`actlab.theory.gain`), n the fan-in; ``critical``: those of `actlab.theory.critical_weights`, biases with them;
    in the ``first`` layer, which takes inputs of second moment 1, such that pre-activations have the variance that
    theory starts from. Both are of wide networks without skips; in front of a normalisation a scale says nothing.
    ``lsuv``: orthogonal, until `actlab.nn.lsuv` scales them by what it measures.

    Kernels are multiplied by ``gain``. Biases start at zero, except under ``critical`` where theory wants some, and
    ``torch_default``: U(-1/sqrt(fan_in), 1/sqrt(fan_in)), as PyTorch.

    Args:
        name: one of these.
        fan_in: n.
        gain: a factor.
        act: the model's activation.
        first: whether what comes in has passed no activation.

    Raises:
        InputError: unknown name, the message lists close ones; what `actlab.theory.he_exact` or `critical_weights`
            refuse.

    Source: LeCun et al. 1998; Glorot & Bengio 2010; He et al. 2015 arXiv:1502.01852; Saxe et al. 2013.

    >>> kernel, bias = initializer("he_normal", fan_in=64)
    >>> kernel(jax.random.key(0), (64, 32), jnp.float32).shape
    (64, 32)
    """
    if name not in NAMES:
        raise InputError(f"unknown initialiser {name!r}{suggest(name, NAMES)}")
    if name in OF_ACTIVATION:
        return _of_activation(name, gain, act, first)
    kernel = _times(KERNELS[name], gain)
    if name != "torch_default":
        return kernel, zeros
    bound = fan_in**-0.5

    def bias(key, shape, dtype=jnp.float32, out_sharding=None):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return kernel, bias


def numbers_of(name: str, act: Act) -> dict[str, float]:
    """Return the numbers that the initialiser called ``name`` has from ``act``, by the names a model asks for.

    Those that are 0 are left out: they are part of the program. Empty of an initialiser that knows no activation.
    """
    if name not in OF_ACTIVATION:
        return {}
    found = OF_ACTIVATION[name](act)
    told = {"init.first": found.first, "init.sigma_w": found.sigma_w, "init.sigma_b": found.sigma_b}
    return {key: value for key, value in told.items() if value}


def variances(
    name: str, fan_in: int, fan_out: int, gain: float, act: Act | None = None, *, first: bool = False
) -> tuple[float, float] | None:
    """Return the variances of a layer's weights, times ``fan_in``, and of its biases, as `initializer` draws them.

    None where they are measured: ``lsuv``. Of ``orthogonal`` kernels the mean square of their entries.

    >>> variances("he_normal", 64, 32, 1.0), variances("glorot_normal", 64, 32, 1.0)
    ((2.0, 0.0), (1.3333333333333333, 0.0))
    """
    if name in OF_ACTIVATION:
        found = OF_ACTIVATION[name](act)
        return (gain * (found.first if first else found.sigma_w)) ** 2, found.sigma_b**2
    known = {
        "lecun_normal": 1.0,
        "he_normal": 2.0,
        "glorot_normal": 2 * fan_in / (fan_in + fan_out),
        "glorot_uniform": 2 * fan_in / (fan_in + fan_out),
        "orthogonal": fan_in / max(fan_in, fan_out),
        "torch_default": 1 / 3,
    }
    if name not in known:
        return None
    return gain**2 * known[name], 1 / (3 * fan_in) if name == "torch_default" else 0.0


def _of_activation(
    name: str, gain: float | jax.Array, act: Act | None, first: bool
) -> tuple[Initializer, Initializer]:
    if act is None:
        raise InputError(f"init={name} is for layers behind an activation, and this model has others")
    told = numbers_of(name, act)
    key = "init.first" if first else "init.sigma_w"
    kernel = _times(_times(KERNELS["lecun_normal"], number(key, told.get(key, 0.0))), gain)
    if "init.sigma_b" not in told:
        return kernel, zeros
    sigma_b = number("init.sigma_b", told["init.sigma_b"])

    def bias(key, shape, dtype=jnp.float32, out_sharding=None):
        return jax.random.normal(key, shape, dtype) * jnp.asarray(sigma_b, dtype)

    return kernel, bias


def _times(draw: Initializer, factor: float | jax.Array) -> Initializer:
    if isinstance(factor, (int, float)) and factor == 1:
        return draw

    def kernel(key, shape, dtype=jnp.float32, out_sharding=None):
        return draw(key, shape, dtype) * jnp.asarray(factor, dtype)

    return kernel
