"""Take what ``actlab.probe`` marks out of any JAX function, values and gradients, as summaries or as they are.

The function is traced once and evaluated again; equations that hold no probe are bound untouched. No primitive of
our own, no callbacks, no change to what is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr
from jax.extend.core.primitives import name_p

from actlab.probes import PREFIX
from actlab.stats.summary import BINS, Summary, merge_all, summarize
from actlab.stats.walk import Found, Walk, bind, once, programs, varying


@dataclass(frozen=True)
class Reading:
    """What is taken of a marked value.

    Args:
        of: ``(name, value) -> pytree of float arrays``, computed where the value is.
        gather: ``stacked -> merged``: one reading from those of a ``shard_map``'s devices, stacked along a
            leading axis, some of them all zero (devices that hold what another holds); None refuses shard_map.

    """

    of: Callable[[str, jax.Array], Any]
    gather: Callable[[Any], Any] | None = None


SUMMARY = Reading(lambda name, value: summarize(value), merge_all)
VALUE = Reading(lambda name, value: value)


class Seen(NamedTuple):
    """Readings by probe name, in the order met: of the values, and of the gradients there."""

    values: dict[str, Any]
    gradients: dict[str, Any]


def watch(fn: Callable[..., Any], *, reading: Reading = SUMMARY) -> Callable[..., tuple[Any, dict[str, Any]]]:
    """Return a function giving ``(fn(...), {probe name: statistics})``.

    Statistics are `Summary`, computed in place; with ``reading=VALUE`` the values themselves. Probes are found
    inside jit, scan, cond, remat and shard_map: in a scan the readings are stacked along a leading axis; in a
    branch not taken ``count`` is 0; over shards they are merged, as if unsharded. The function returned can itself
    be put under jit, grad (``has_aux=True``), vmap, scan and the rest.

    Arguments that are bools, strings, None or functions are constants of the trace.

    Raises:
        InputError: a name is used twice, or a probe sits in a while loop or inside a function with a derivative
            rule of its own.

    >>> from actlab.probes import probe
    >>> y, stats = watch(lambda x: 2 * probe(x + 1, "h"))(jnp.arange(3.0))
    >>> float(stats["h"].mean), float(stats["h"].high)
    (2.0, 3.0)
    """

    def watched(*args: Any, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        return _run(fn, reading, None, {}, args, kwargs)

    return watched


def value_and_grad(
    fn: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *,
    has_aux: bool = False,
    reading: Reading = SUMMARY,
    of_gradient: Reading | None = None,
) -> Callable[..., tuple[Any, Any]]:
    """Return ``jax.value_and_grad(fn)`` whose value comes with what the probes saw, forward and backward.

    The result is ``((value, seen), gradients)``, or ``((value, aux, seen), gradients)`` with ``has_aux``; ``seen``
    is `Seen`. One backward pass gives both: each probe takes a slot shaped like its summary, whose cotangent *is*
    the summary of the gradient at that place.

    Args:
        fn: a scalar function of arrays, with probes.
        argnums: which arguments to differentiate by.
        has_aux: whether ``fn`` returns ``(value, aux)``.
        reading: what to take of values.
        of_gradient: what to take of gradients; as ``reading`` if None.

    >>> from actlab.probes import probe
    >>> (value, seen), slope = value_and_grad(lambda x: jnp.sum(probe(x, "h") ** 2))(jnp.array([1.0, 2.0]))
    >>> float(seen.gradients["h"].mean), slope.tolist()
    (3.0, [2.0, 4.0])
    """
    of_gradient = reading if of_gradient is None else of_gradient

    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        empty = jax.eval_shape(lambda: _run(fn, of_gradient, None, {}, args, kwargs, inexact=True)[1])
        slots = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), empty)
        numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)

        def scalar(chosen, slots):
            whole = list(args)
            for number, value in zip(numbers, chosen, strict=True):
                whole[number] = value
            out, found = _run(fn, reading, of_gradient, slots, whole, kwargs)
            return (out[0], (out[1], found)) if has_aux else (out, (None, found))

        chosen = tuple(args[n] for n in numbers)
        (value, (aux, found)), (grads, gradients) = jax.value_and_grad(scalar, (0, 1), has_aux=True)(
            chosen, slots
        )
        gradients = {name: _settled(gradients[name], found[name]) for name in found if name in gradients}
        seen = Seen(found, gradients)
        grads = grads[0] if isinstance(argnums, int) else grads
        return ((value, aux, seen) if has_aux else (value, seen)), grads

    return differentiated


def probe_names(fn: Callable[..., Any]) -> Callable[..., list[str]]:
    """Return a function giving the names of the probes met in ``fn(*args)``, in order; args may be abstract.

    >>> from actlab.probes import probe
    >>> probe_names(lambda x: probe(probe(x, "a") + 1, "b"))(jax.ShapeDtypeStruct((3,), "float32"))
    ['a', 'b']
    """

    def names(*args: Any) -> list[str]:
        return _names(jax.make_jaxpr(fn)(*args).jaxpr)

    return names


def _run(
    fn: Callable[..., Any],
    reading: Reading,
    of_gradient: Reading | None,
    slots: Found,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    inexact: bool = False,
) -> tuple[Any, dict[str, Any]]:
    """Evaluate ``fn`` with every probe read; ``slots`` are where the gradients' readings come out."""
    leaves, tree = jax.tree.flatten((tuple(args), kwargs))
    fixed = [isinstance(leaf, (bool, str)) or callable(leaf) for leaf in leaves]
    arrays = [leaf for leaf, f in zip(leaves, fixed, strict=True) if not f]

    def call(*arrays):
        given = iter(arrays)
        whole = [leaf if f else next(given) for leaf, f in zip(leaves, fixed, strict=True)]
        a, k = jax.tree.unflatten(tree, whole)
        return fn(*a, **k)

    closed, shape = jax.make_jaxpr(call, return_shape=True)(*arrays)

    def visit(eqn: Any, inputs: list[Any], slots: Found) -> tuple[list[Any], Found] | None:
        name = probe_name(eqn)
        if name is None:
            return None
        (value,) = bind(eqn, inputs)
        if inexact and not jnp.issubdtype(value.dtype, jnp.inexact):
            return [value], {}
        if name in slots:
            value = _slot(value, slots[name], partial(of_gradient.of, name))
        return [value], {name: reading.of(name, value)}

    walk = Walk(visit, _names_inside, reading.gather, of_gradient and of_gradient.gather)
    flat, found = walk(closed.jaxpr, arrays, slots, list(closed.consts))
    return jax.tree.unflatten(jax.tree.structure(shape), flat), found


def _settled(gradient: Any, value: Any) -> Any:
    """Return the summary of a gradient that nothing arrived at: zeros where there was a value, else NaN."""
    if not (isinstance(gradient, Summary) and isinstance(value, Summary)):
        return gradient
    seen = value.count + value.nonfinite
    zero = jnp.where(seen > 0, 0.0, jnp.nan)
    quiet = Summary(
        seen,
        *[zero] * 6,
        seen,
        *[jnp.zeros_like(seen)] * 2,
        jnp.zeros_like(value.bins).at[..., BINS // 2].set(seen),
    )
    arrived = gradient.count + gradient.nonfinite > 0
    return jax.tree.map(
        lambda g, q: jnp.where(arrived[(..., *[None] * (g.ndim - arrived.ndim))], g, q), gradient, quiet
    )


def _slot(value: jax.Array, slot: Any, read: Callable[[jax.Array], Any]) -> jax.Array:
    """Return ``value``; the cotangent of ``slot`` is ``read`` of the cotangent of ``value``."""

    axes = [sorted(varying(leaf)) for leaf in jax.tree.leaves(slot)]

    @jax.custom_vjp
    def through(value, slot):
        return value

    def backward(_, g):
        leaves, tree = jax.tree.flatten(read(g))
        return g, jax.tree.unflatten(tree, [once(v, a) for v, a in zip(leaves, axes, strict=True)])

    through.defvjp(lambda value, slot: (value, None), backward)
    return through(value, slot)


def probe_name(eqn: Any) -> str | None:
    """Return the name of the probe that an equation is, None for others."""
    if eqn.primitive is not name_p:
        return None
    name = str(eqn.params["name"])
    return name.removeprefix(PREFIX) if name.startswith(PREFIX) else None


def _names_inside(eqn: Any) -> list[str]:
    return [name for program in programs(eqn) for name in _names(program)]


def _names(jaxpr: Jaxpr) -> list[str]:
    names = []
    for eqn in jaxpr.eqns:
        if (name := probe_name(eqn)) is not None:
            names.append(name)
        names += _names_inside(eqn)
    return names
