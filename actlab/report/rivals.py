"""The functions that other code has in an activation's place, from the calls its spec names."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import jax
from jax import Array

from actlab.activations import Spec


def jax_rival(spec: Spec) -> tuple[str, Callable[[Array], Array]] | None:
    """Return the call and the function of an elementwise activation in jax; None where jax has none.

    >>> import actlab
    >>> jax_rival(actlab.gelu.spec)[0]
    'jax.nn.gelu(x, approximate=False)'
    """
    call = dict(spec.peers).get("jax", "")
    if not call or not spec.elementwise:
        return None
    path, has_arguments, _ = call.partition("(")
    importlib.import_module(path.rpartition(".")[0])  # jax.scipy does not load its parts by itself
    code = compile(call if has_arguments else f"{call}(x)", call, "eval")

    def rival(x: Array) -> Any:
        return eval(code, {"jax": jax, "x": x})  # the spec's own text

    return call, rival
