"""Take the values marked by ``actlab.probe`` out of any JAX function.

The function is traced once; equations that hold no probe are bound again untouched (custom derivative rules
included), those that hold one are walked through. No primitive of our own, no callbacks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal
from jax.extend.core.primitives import jit_p, name_p

from actlab.errors import InputError
from actlab.probes import PREFIX


def watch(fn: Callable[..., Any]) -> Callable[..., tuple[Any, dict[str, jax.Array]]]:
    """Return a function giving ``(fn(*args), {probe name: value})``, names in the order they are met.

    Works under jit, grad and vmap of the returned function, and finds probes inside nested ``jax.jit``.

    Raises:
        InputError: a name is used twice, or a probe sits inside another transformation of ``fn`` itself
            (scan, cond, while, remat), whose values have no single place in the result.

    >>> import jax.numpy as jnp
    >>> from actlab.probes import probe
    >>> watch(lambda x: 2 * probe(x + 1, "h"))(jnp.float32(1))
    (Array(4., dtype=float32), {'h': Array(2., dtype=float32)})
    """

    def watched(*args: Any) -> tuple[Any, dict[str, jax.Array]]:
        closed, shape = jax.make_jaxpr(fn, return_shape=True)(*args)
        found: dict[str, jax.Array] = {}
        flat = _evaluate(closed.jaxpr, closed.consts, jax.tree.leaves(args), found)
        return jax.tree.unflatten(jax.tree.structure(shape), flat), found

    return watched


def probe_names(fn: Callable[..., Any]) -> Callable[..., list[str]]:
    """Return a function giving the names of the probes met in ``fn(*args)``, in order; args may be abstract.

    >>> from actlab.probes import probe
    >>> probe_names(lambda x: probe(probe(x, "a") + 1, "b"))(jax.ShapeDtypeStruct((3,), "float32"))
    ['a', 'b']
    """

    def names(*args: Any) -> list[str]:
        return _names(jax.make_jaxpr(fn)(*args).jaxpr)

    return names


def _evaluate(jaxpr: Jaxpr, consts: list[Any], args: list[Any], found: dict[str, Any]) -> list[Any]:
    values = dict(zip(jaxpr.constvars, consts, strict=True))
    values |= dict(zip(jaxpr.invars, args, strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else values[atom]

    for eqn in jaxpr.eqns:
        inputs = [read(atom) for atom in eqn.invars]
        if eqn.primitive is name_p:
            outputs = eqn.primitive.bind(*inputs, **eqn.params)
            outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
            if eqn.params["name"].startswith(PREFIX):
                _keep(found, eqn.params["name"].removeprefix(PREFIX), outputs[0])
        elif eqn.primitive is jit_p and _probes(eqn):
            inner = eqn.params["jaxpr"]
            outputs = _evaluate(inner.jaxpr, inner.consts, inputs, found)
        elif hidden := _probes(eqn):
            raise InputError(
                f"probe {hidden[0]!r} sits inside {eqn.primitive.name}, where it cannot be watched"
            )
        else:
            outputs = eqn.primitive.bind(*inputs, **eqn.primitive.get_bind_params(eqn.params))
            outputs = outputs if eqn.primitive.multiple_results else [outputs]
        values |= dict(zip(eqn.outvars, outputs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _keep(found: dict[str, Any], name: str, value: Any) -> None:
    if name in found:
        raise InputError(f"probe name {name!r} is used twice; give each site a name of its own")
    found[name] = value


def _probes(eqn: Any) -> list[str]:
    """Return the names of the probes anywhere inside an equation's own programs."""
    names = []
    for value in jax.tree.leaves(eqn.params, is_leaf=lambda v: isinstance(v, (Jaxpr, ClosedJaxpr))):
        inner = value.jaxpr if isinstance(value, ClosedJaxpr) else value
        if isinstance(inner, Jaxpr):
            names += _names(inner)
    return names


def _names(jaxpr: Jaxpr) -> list[str]:
    names = []
    for eqn in jaxpr.eqns:
        name = str(eqn.params.get("name", ""))
        if eqn.primitive is name_p and name.startswith(PREFIX):
            names.append(name.removeprefix(PREFIX))
        names += _probes(eqn)
    return names
