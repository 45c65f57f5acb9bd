"""The lean policy: keep the output, which the next product keeps anyway, and one bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

from jax import Array

from actlab.activations.act import Act, make
from actlab.activations.lean_table import FITS
from actlab.errors import InputError
from actlab.gradients import LeanFit, fit_lean, keep_lean


def lean(f: Callable | Act, **params: Any) -> Act:
    """Return an activation that keeps its output and one packed bit for the backward pass, instead of its input.

    Values stay exact, and so does f''. The first derivative is told from the rounded output: within 2 bfloat16 ulp
    of max|f'| in bfloat16, 5e-4 max|f'| in float32, 8e-3 max|f'| in float16 (near the turning point; elsewhere
    much better). That error is absolute, not relative: far left, where f' is 1e-30, it may come out as 0 or as
    1e-20. Under `jax.lax.scan` or remat the backward pass then needs no more memory than without an activation.

    Possible for smooth functions with at most one turning point and no learnt parameter: gelu, gelu_tanh,
    quick_gelu, silu, mish, tanhexp, softplus, tanh, sigmoid, elu, ... Functions that keep their output without loss
    already, like relu, are returned as they are.

    Args:
        f: a listed activation, an ``Act``, or your own elementwise function.
        params: its parameters, as for `make`.

    Raises:
        InputError: f turns more than once or its slope does not settle (sin, snake, square, ...), the error would be
            larger than stated (gaussian), a parameter is learnt, or f is not elementwise.

    >>> import jax, jax.numpy as jnp
    >>> import actlab
    >>> gelu = lean(actlab.gelu)
    >>> print(f"{gelu(1.0):.4f} {jax.grad(gelu)(1.0):.3f} {jax.grad(actlab.gelu)(1.0):.3f}")
    0.8413 1.083 1.083
    """
    act = f if isinstance(f, Act) else make(f, **params)
    if isinstance(f, Act) and params:
        raise InputError(f"lean: {act!r} has its parameters already")
    check(act)
    act = dataclasses.replace(act, lean=True)
    rule(act)
    return act


def check(act: Act) -> None:
    """Raise InputError if ``act`` is of a kind that cannot be lean at all."""
    if act.learn:
        raise InputError(f"{act.name} cannot be lean and learn {act.learn[0]}: its gradient needs the input")
    if not act.elementwise:
        raise InputError(f"{act.name} cannot be lean: it is not elementwise")
    if act.spec is not None and act.spec.surrogate:
        raise InputError(f"{act.name} cannot be lean: its derivative is a surrogate, which needs the input")


@cache
def rule(act: Act) -> Callable[[Any], Array]:
    """Return the lean function of an ``Act``; its fit is made once, or comes from the table.

    Raises:
        InputError: f' cannot be told from y well enough.
    """
    plain = dataclasses.replace(act, lean=False)
    if act.spec is not None and act.spec.at(**dict(act.params)).keeps != "input":
        return plain
    return keep_lean(plain, fit(plain))


def fit(act: Act) -> LeanFit:
    """Return how f' follows from y: from the table for listed functions at their defaults, else fitted now."""
    if act.name in FITS and dict(act.params) == act.spec.defaults:
        return FITS[act.name]
    try:
        return fit_lean(act)
    except InputError as e:
        raise InputError(f"{act.name} cannot be lean: {e}") from e
