"""The lean policy: keep the output, which the next product keeps anyway, and one bit."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jax
from jax import Array

from actlab.activations.act import Act, make
from actlab.activations.trial import check as try_out
from actlab.errors import InputError
from actlab.gradients import LeanFit, fit_lean, keep_lean
from actlab.gradients.fitting import Side


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
    >>> print(f"{gelu(1.0):.4f} {jax.grad(gelu)(1.0):.2f} {jax.grad(actlab.gelu)(1.0):.2f}")
    0.8413 1.08 1.08
    """
    act = f if isinstance(f, Act) else make(f, **params)
    if isinstance(f, Act) and params:
        raise InputError(f"lean: {act!r} has its parameters already")
    check(act)
    act = dataclasses.replace(act, lean=True)
    rule(act)
    return act


def check(act: Act) -> None:
    """Raise InputError if ``act`` is of a kind that cannot be lean, or a user's function fails its trial."""
    if act.spec is None:
        with jax.ensure_compile_time_eval():  # whoever asks may be tracing
            try_out(act)
    if act.learn:
        raise InputError(f"{act.name} cannot be lean and learn {act.learn[0]}: its gradient needs the input")
    if not act.elementwise:
        raise InputError(f"{act.name} cannot be lean: it is not elementwise")
    if act.spec is None:
        return
    if act.spec.surrogate:
        raise InputError(f"{act.name} cannot be lean: its derivative is a surrogate, which needs the input")
    known = act.spec.at(**dict(act.params))
    edges = [edge.at for edge in (*known.kinks, *known.jumps)]
    if edges and known.keeps == "input":
        raise InputError(f"{act.name} cannot be lean: it has a kink at {edges[0]:g}")


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
    if act.spec is not None and act.name in table() and dict(act.params) == act.spec.defaults:
        return table()[act.name]
    try:
        return fit_lean(act)
    except InputError as e:
        raise InputError(f"{act.name} cannot be lean: {e}") from e


@cache
def table() -> dict[str, LeanFit]:
    """Return the committed fits by activation: equal on every machine; ``experiments/fits/lean.py`` writes them."""
    fits = json.loads(Path(__file__).with_name("lean.json").read_text())
    return {name: _fit_of(values) for name, values in fits.items()}


def _fit_of(values: dict[str, Any]) -> LeanFit:
    left, right = (side and Side(**side | _tuples(side)) for side in (values["left"], values["right"]))
    errors = tuple((dtype, error) for dtype, error in values["errors"])
    return LeanFit(**values | {"left": left, "right": right, "errors": errors})


def _tuples(side: dict[str, Any]) -> dict[str, tuple[float, ...]]:
    return {"fine": tuple(side["fine"]), "coarse": tuple(side["coarse"])}
