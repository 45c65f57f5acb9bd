"""Compute wide, round once: the conversions around every derivative rule.

Formulas see float32 (or float64 where the input is float64) whatever the caller's dtype, so a bfloat16
result is the exact value rounded, up to float32 error. All conversions are explicit: they work under strict
dtype promotion, and they leave an array that is already right untouched, so weak types survive.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from actlab.errors import InputError


def as_real(x: ArrayLike) -> Array:
    """Return ``x`` as a floating array: integers become the default float, weak types stay weak.

    Raises:
        InputError: ``x`` is complex.
    """
    if isinstance(x, (bool, int)):
        return jnp.asarray(float(x))
    x = jnp.asarray(x)
    if jnp.issubdtype(x.dtype, jnp.floating):
        return x
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise InputError(f"expected real numbers, got an array of {x.dtype}")
    return x.astype(jnp.result_type(float))


def compute_dtype(x: Array) -> jnp.dtype:
    """Return the dtype formulas run in: float64 for float64, float32 for everything narrower."""
    return jnp.dtype(jnp.float64 if x.dtype == jnp.float64 else jnp.float32)


def convert(x: Array, dtype: jnp.dtype) -> Array:
    """Return ``x`` in ``dtype``; the same array, weak type included, where nothing changes."""
    return x if x.dtype == dtype else lax.convert_element_type(x, dtype)


def widen(x: Array, *others: Array) -> tuple[Array, ...]:
    """Return all arguments in the compute dtype of the first."""
    dtype = compute_dtype(x)
    return tuple(convert(value, dtype) for value in (x, *others))


def narrow(value: Array, like: Array) -> Array:
    """Round ``value`` to the dtype of ``like`` and give it that shape."""
    value = convert(value, like.dtype)
    return value if value.shape == like.shape else jnp.broadcast_to(value, like.shape)


def by_precision(x: Array, single: float, double: float) -> float:
    """Return the constant that belongs to the compute dtype of ``x``, e.g. where a function saturates."""
    return double if compute_dtype(x) == jnp.float64 else single


def align(param: ArrayLike, x: Array, *, vector: bool = False) -> Array:
    """Return a parameter as a real array of ``x``'s rank, broadcasting against its last axes.

    A ``vector`` has its coefficients along a first axis of its own, which stays in front.

    Raises:
        InputError: the parameter would enlarge ``x``, or a vector has no coefficients.
    """
    if vector and isinstance(param, (tuple, list)) and param:
        param = jnp.stack([as_real(v) for v in param])  # of plain numbers: stays weak
    param = as_real(jnp.asarray(param) if vector else param)
    lead = int(vector)
    if vector and (param.ndim == 0 or param.shape[0] == 0):
        raise InputError(f"coefficients must be along a first axis, got shape {param.shape}")
    each = param.shape[lead:]
    if len(each) > x.ndim or any(p not in (1, n) for p, n in zip(each[::-1], x.shape[::-1], strict=False)):
        raise InputError(f"a parameter of shape {param.shape} does not fit the last axes of x, {x.shape}")
    if len(each) in (0, x.ndim) and not vector:
        return param
    return jax.lax.expand_dims(param, range(lead, lead + x.ndim - len(each)))
