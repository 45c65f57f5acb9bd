"""An activation and its derivative at any float64 numbers, by the same code that trains."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.activations import Act, make
from actlab.errors import InputError

_BLOCK = 4096  # one shape, so one compilation a function


def elementwise(f: Callable | Act | str, asked: str) -> Act:
    """Return ``f`` as an `Act` that keeps its exact derivative.

    Raises:
        InputError: ``f`` is not elementwise; ``asked`` says what for.
    """
    act = f if isinstance(f, Act) else make(f)
    if act.spec is None:  # a user's own
        try:
            jax.eval_shape(act, jnp.zeros(1))
        except TypeError as error:  # NumPy's do not take what is traced
            raise InputError(
                f"{asked}: {act.name} is no function of JAX's arrays: {error}".splitlines()[0]
            ) from None
    if not act.elementwise:
        raise InputError(f"{asked}: {act.name} is not elementwise, its outputs depend on several inputs")
    return replace(act, lean=False)


def value_and_slope(act: Act, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return f and the derivative that autodiff gives, in float64, on the CPU where jax has one.

    The global ``jax_enable_x64`` stays as it is; inside a trace the numbers are computed, not traced.

    Raises:
        InputError: the function has complex values.
    """
    blocks = max(1, -(-x.size // _BLOCK))
    padded = np.zeros(blocks * _BLOCK)
    padded[: x.size] = x.ravel()
    with ExitStack() as stack:
        stack.enter_context(jax.ensure_compile_time_eval())
        stack.enter_context(jax.enable_x64(True))
        if (cpu := _cpu()) is not None:
            stack.enter_context(jax.default_device(cpu))
        found = [np.asarray(_jvp(act, jnp.asarray(part))) for part in padded.reshape(blocks, _BLOCK)]
    y, slope = np.concatenate(found, axis=1)[:, : x.size].reshape(2, *x.shape)
    return y, slope


def _both(act: Act, x: Array) -> Array:
    y, slope = jax.jvp(act, (x,), (jnp.ones_like(x),))
    if jnp.iscomplexobj(y):
        raise InputError(f"{act.name} has complex values; what is asked is for real ones")
    return jnp.stack([y.astype(x.dtype), slope.astype(x.dtype)])


_jvp = jax.jit(_both, static_argnums=0)


def _cpu() -> jax.Device | None:
    """Return a CPU device: accelerators have less exact float64, or none. None where jax was told to see no CPU."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return None


def edges(act: Act) -> tuple[float, ...]:
    """Return where the function or its derivative jumps, as its spec says; nothing for one without spec."""
    if act.spec is None:
        return ()
    spec = act.spec.at(**dict(act.params))
    return tuple(sorted({float(e.at) for e in (*spec.kinks, *spec.jumps)}))
