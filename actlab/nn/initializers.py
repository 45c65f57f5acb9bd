"""Weight initialisers by name: each draws a kernel of shape (..., fan_in, fan_out)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer, orthogonal, variance_scaling, zeros

from actlab.errors import InputError, suggest

KERNELS: dict[str, Initializer] = {
    "lecun_normal": variance_scaling(1.0, "fan_in", "truncated_normal"),
    "he_normal": variance_scaling(2.0, "fan_in", "truncated_normal"),
    "glorot_normal": variance_scaling(1.0, "fan_avg", "truncated_normal"),
    "glorot_uniform": variance_scaling(1.0, "fan_avg", "uniform"),
    "orthogonal": orthogonal(),
    # torch.nn.Linear and Conv: U(-1/sqrt(fan_in), 1/sqrt(fan_in)), variance 1/(3 fan_in)
    "torch_default": variance_scaling(1 / 3, "fan_in", "uniform"),
}


def initializer(name: str, fan_in: int, gain: float | jax.Array = 1.0) -> tuple[Initializer, Initializer]:
    """Return (kernel, bias) initialisers: ``lecun_normal``, ``he_normal``, ..., ``torch_default``.

    Kernels are multiplied by ``gain``. Biases start at zero, except under ``torch_default``:
    U(-1/sqrt(fan_in), 1/sqrt(fan_in)), as PyTorch.

    Raises:
        InputError: unknown name; the message lists close ones.

    Source: LeCun et al. 1998; Glorot & Bengio 2010; He et al. 2015 arXiv:1502.01852; Saxe et al. 2013.

    >>> kernel, bias = initializer("he_normal", fan_in=64)
    >>> kernel(jax.random.key(0), (64, 32), jnp.float32).shape
    (64, 32)
    """
    if name not in KERNELS:
        raise InputError(f"unknown initialiser {name!r}{suggest(name, KERNELS)}")
    kernel = KERNELS[name]
    if not isinstance(gain, (int, float)) or gain != 1:

        def kernel(key, shape, dtype=jnp.float32, out_sharding=None):
            return KERNELS[name](key, shape, dtype) * jnp.asarray(gain, dtype)

    if name != "torch_default":
        return kernel, zeros
    bound = fan_in**-0.5

    def bias(key, shape, dtype=jnp.float32, out_sharding=None):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return kernel, bias
