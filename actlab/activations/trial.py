"""A trial before training: does an activation do what every activation must?"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.activations.act import Act
from actlab.activations.custom import one_line
from actlab.errors import InputError

_SHAPE = (6, 8)  # 48 inputs over [-5, 5]; two axes, so that functions along an axis find one


def check(act: Act) -> None:
    """Raise InputError, in one line, if ``act`` cannot be trained with.

    Calls it on a small float32 array over [-5, 5], traced and differentiated both ways, and asks: shape and
    dtype kept, a value and a derivative somewhere, a derivative that is not zero everywhere, forward and
    reverse derivatives that agree, learnt parameters that accept arrays. Derivatives are not compared with
    differences of the function: a surrogate may differ on purpose.

    >>> from actlab import make
    >>> check(make("gelu"))
    """
    index = np.arange(math.prod(_SHAPE), dtype=np.float32).reshape(_SHAPE)
    x = jnp.asarray(-5.0 + 10.0 * index / index.max())
    shape = {"tensor": (), "channel": _SHAPE[-1:], "unit": _SHAPE[-1:]}[act.per]
    learnt = {key: jnp.full(shape, value, jnp.float32) for key, value in act.params if key in act.learn}

    def f(x: Array, learnt: dict[str, Array]) -> Array:
        return act(x, **learnt)

    out = _attempt(act, "traced by jax", lambda: jax.eval_shape(f, x, learnt))
    if not isinstance(out, jax.ShapeDtypeStruct):
        raise InputError(f"{act.name} returns {type(out).__name__}, it must return one array")
    if out.shape != x.shape:
        raise InputError(f"{act.name} turns shape {x.shape} into {out.shape}, it must keep the shape")
    if out.dtype != x.dtype:
        raise InputError(f"{act.name} turns {x.dtype} into {out.dtype}, it must keep the dtype")

    # Uneven on purpose: softmax does not move along a constant direction.
    along, back = np.cos(1.7 * index), np.sin(2.3 * index + 0.5)

    def forward_mode(x: Array, learnt: dict[str, Array]) -> tuple[Array, Array]:
        return jax.jvp(lambda x: f(x, learnt), (x,), (along,))

    def reverse_mode(x: Array, learnt: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
        return jax.grad(lambda x, learnt: jnp.vdot(back, f(x, learnt)), argnums=(0, 1))(x, learnt)

    y, forward = _attempt(act, "differentiated by jax.jvp", lambda: jax.jit(forward_mode)(x, learnt))
    reverse, _ = _attempt(act, "differentiated by jax.grad", lambda: jax.jit(reverse_mode)(x, learnt))
    y, forward, reverse = np.asarray(y), np.asarray(forward), np.asarray(reverse)
    if not np.isfinite(y).any():
        raise InputError(f"{act.name} is NaN or infinite everywhere on [-5, 5], it must have finite values")
    if not (np.isfinite(forward).any() and np.isfinite(reverse).any()):
        raise InputError(f"{act.name} has a NaN or infinite derivative everywhere on [-5, 5]")
    if not (forward.any() and reverse.any()):
        raise InputError(
            f"{act.name} has derivative 0 everywhere on [-5, 5], nothing would train; give it a surrogate"
        )
    # <back, J along> = <J^T back, along>, unless a custom rule is wrong.
    one, other = back * forward, reverse * along
    if abs(one.sum() - other.sum()) > 1e-3 * (abs(one).sum() + abs(other).sum()):
        raise InputError(
            f"{act.name}: jax.jvp and jax.grad disagree, its custom derivative rule must be wrong"
        )


@cache
def is_elementwise(act: Act) -> bool:
    """Tell whether changing one input of ``act`` changes no other output, tried on 48 inputs.

    >>> from actlab import make
    >>> is_elementwise(make(jax.nn.relu)), is_elementwise(make(jax.nn.softmax))
    (True, False)
    """
    x = np.linspace(-3.0, 3.0, math.prod(_SHAPE), dtype=np.float32).reshape(_SHAPE)
    changed = x.copy()
    changed[0, 0] += 1.5
    f = jax.jit(act)
    with jax.ensure_compile_time_eval():  # whoever asks may be tracing
        before, after = np.array(f(x)), np.array(f(changed))
    before[0, 0] = after[0, 0] = 0.0
    return np.array_equal(before, after, equal_nan=True)


def _attempt(act: Act, what: str, call: Callable[[], Any]) -> Any:
    """Return ``call()``; what it raises becomes an InputError that says what was attempted."""
    try:
        return call()
    except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError) as error:
        raise InputError(
            f"{act.name} cannot be {what}: it uses numpy, math or Python branches on the values;"
            f" write it with jax.numpy ({type(error).__name__})"
        ) from error
    except Exception as error:  # whatever the user's function raises
        raise InputError(f"{act.name} cannot be {what}: {one_line(error)}") from error
