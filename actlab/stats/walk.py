"""Evaluate a traced function again, stopping at chosen equations, however deep they sit.

An equation with nothing of interest inside is bound again untouched, custom derivative rules included. One that
holds something (jit, scan, cond, remat, shard_map) is built anew around the walk of its own program, by the public
transformation it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal
from jax.extend.core.primitives import cond_p, jit_p, remat_p, scan_p
from jax.sharding import PartitionSpec, Sharding

from actlab.errors import InputError

Found = dict[str, Any]


@dataclass(frozen=True)
class Walk:
    """What to do on the way.

    Args:
        visit: ``(eqn, inputs, slots) -> None | (outputs, found)``: the outputs of an equation of interest and
            what was found there by name; None for any other.
        names: the names found in an equation's own programs, in order; an empty list binds it untouched.
        gather: ``stacked -> merged`` over the devices of a ``shard_map``, or None where what is found there has no
            single form.
        gather_slots: the same for the cotangents of slots.
        what: how an error calls what is looked for.

    ``slots`` are inputs by name that ``visit`` may use; their cotangents come back in the same shapes.
    """

    visit: Callable[[Any, list[Any], Found], tuple[list[Any], Found] | None]
    names: Callable[[Any], list[str]]
    gather: Callable[[Any], Any] | None = None
    gather_slots: Callable[[Any], Any] | None = None
    what: str = "probe"

    def __call__(
        self, jaxpr: Jaxpr | ClosedJaxpr, args: list[Any], slots: Found, consts: list[Any] | None = None
    ) -> tuple[list[Any], Found]:
        """Return the program's outputs and everything found in it.

        Raises:
            InputError: a name found twice, or found in a while loop or a custom derivative rule.

        """
        jaxpr, consts = _open(jaxpr, consts)
        values = dict(zip(jaxpr.constvars, consts, strict=True))
        values |= dict(zip(jaxpr.invars, args, strict=True))
        found: Found = {}

        def read(atom: Any) -> Any:
            return atom.val if isinstance(atom, Literal) else values[atom]

        for eqn in jaxpr.eqns:
            inputs = [read(atom) for atom in eqn.invars]
            done = self.visit(eqn, inputs, slots)
            if done is None:
                done = self._inside(eqn, inputs, slots) if self.names(eqn) else (bind(eqn, inputs), {})
            outputs, new = done
            for name in new:
                if name in found:
                    raise InputError(f"probe name {name!r} is used twice; give each site a name of its own")
            found |= new
            values |= dict(zip(eqn.outvars, outputs, strict=True))
        return [read(atom) for atom in jaxpr.outvars], found

    def _inside(self, eqn: Any, inputs: list[Any], slots: Found) -> tuple[list[Any], Found]:
        names = self.names(eqn)
        slots = {name: slots[name] for name in names if name in slots}
        if eqn.primitive is jit_p:
            return self._jit(eqn, inputs, slots)
        if eqn.primitive is scan_p:
            return self._scan(eqn, inputs, slots)
        if eqn.primitive is cond_p:
            return self._cond(eqn, inputs, slots)
        if eqn.primitive is remat_p:
            inner = eqn.params["jaxpr"]
            options = {k: eqn.params[k] for k in ("prevent_cse", "policy")}
            return jax.checkpoint(lambda slots, *args: self(inner, list(args), slots), **options)(
                slots, *inputs
            )
        if eqn.primitive.name == "shard_map":
            return self._shard_map(eqn, inputs, slots)
        raise InputError(
            f"{self.what} {names[0]!r} sits inside {_WORDS.get(eqn.primitive.name, eqn.primitive.name)}, where it "
            "cannot be watched; put it before or after (jit, scan, cond, remat and shard_map are fine)"
        )

    def _jit(self, eqn: Any, inputs: list[Any], slots: Found) -> tuple[list[Any], Found]:
        p = eqn.params
        fixed = [*p["in_shardings"], *p["out_shardings"]]
        if not any(isinstance(s, Sharding) for s in fixed):
            return self(p["jaxpr"], inputs, slots)
        given = [s if isinstance(s, Sharding) else None for s in fixed]
        args, outs = given[: len(inputs)], given[len(inputs) :]
        return jax.jit(
            lambda args, slots: self(p["jaxpr"], args, slots),
            in_shardings=(args, None),
            out_shardings=(outs, None),
        )(inputs, slots)

    def _scan(self, eqn: Any, inputs: list[Any], slots: Found) -> tuple[list[Any], Found]:
        p = eqn.params
        if "ft_in" in p:  # jax 0.12
            n_consts, n_carry, _ = map(len, p["ft_in"].unpack())
        else:
            n_consts, n_carry = p["num_consts"], p["num_carry"]
        consts, carry, xs = (
            inputs[:n_consts],
            inputs[n_consts : n_consts + n_carry],
            inputs[n_consts + n_carry :],
        )

        def body(carry, step):
            xs, slots = step
            outputs, found = self(p["jaxpr"], [*consts, *carry, *xs], slots)
            return outputs[:n_carry], (outputs[n_carry:], found)

        carry, (ys, found) = lax.scan(
            body, carry, (xs, slots), length=p["length"], reverse=p["reverse"], unroll=p["unroll"]
        )
        return [*carry, *ys], found

    def _cond(self, eqn: Any, inputs: list[Any], slots: Found) -> tuple[list[Any], Found]:
        index, *args = inputs
        branches = eqn.params["branches"]
        shapes: Found = {}
        for branch in branches:
            _, found = jax.eval_shape(partial(self, branch), args, slots)
            for name, shape in found.items():
                if shapes.setdefault(name, shape) != shape:
                    raise InputError(
                        f"{self.what} {name!r} has another shape in another branch; name them apart"
                    )

        def whole(branch, args, slots):
            outputs, found = self(branch, args, slots)
            nothing = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
            return outputs, nothing | found

        return lax.switch(index, [partial(whole, branch) for branch in branches], args, slots)

    def _shard_map(self, eqn: Any, inputs: list[Any], slots: Found) -> tuple[list[Any], Found]:
        if self.gather is None or (slots and self.gather_slots is None):
            raise InputError(
                f"{self.what} {self.names(eqn)[0]!r} sits inside shard_map, where values are in pieces: "
                "take summaries"
            )
        p = eqn.params
        axes = tuple(a for a in p["mesh"].axis_names if a in p["newly_manual_axes"])
        stacked = PartitionSpec(axes)
        count = 1
        for a in axes:
            count *= p["mesh"].shape[a]

        def shard(slots, *args):
            slots = jax.tree.map(lambda s: s[0], slots)
            outputs, found = self(p["jaxpr"], list(args), slots)
            if p["check_vma"]:  # else nobody knows which devices hold the same
                found = jax.tree.map(lambda v: once(v, axes), found)
            return outputs, jax.tree.map(lambda v: v[None], found)

        whole = jax.shard_map(
            shard,
            mesh=p["mesh"],
            in_specs=(stacked, *p["in_specs"]),
            out_specs=(list(p["out_specs"]), stacked),
            check_vma=p["check_vma"],
            axis_names=set(axes),
        )
        spread = {name: _spread(slot, self.gather_slots, count) for name, slot in slots.items()}
        outputs, found = whole(spread, *inputs)
        return outputs, {name: self.gather(v) for name, v in found.items()}


_WORDS = {
    "while": "a while loop (or fori_loop whose length is not known when it is traced)",
    "custom_jvp_call": "a function with a derivative rule of its own (custom_jvp)",
    "custom_vjp_call": "a function with a derivative rule of its own (custom_vjp)",
}


def varying(value: jax.Array) -> frozenset[str]:
    """Return the axes of a ``shard_map`` over which ``value`` is known to differ; empty outside one."""
    return jax.typeof(value).manual_axis_type.varying


def once(value: jax.Array, axes: Collection[str]) -> jax.Array:
    """Return ``value`` inside a ``shard_map`` as varying over all ``axes``; zero on all but the first of equals."""
    same = [a for a in axes if a not in varying(value)]
    for axis in same:
        value = jnp.where(lax.axis_index(axis) == 0, value, jnp.zeros_like(value))
    return value


def _spread(slot: Any, gather: Callable[[Any], Any], count: int) -> Any:
    """Return a slot given to ``count`` devices, whose cotangents are gathered, not added."""

    @jax.custom_vjp
    def spread(slot):
        return jax.tree.map(lambda s: jnp.broadcast_to(s, (count, *s.shape)), slot)

    spread.defvjp(lambda slot: (spread(slot), None), lambda _, g: (gather(g),))
    return spread(slot)


def bind(eqn: Any, inputs: list[Any]) -> list[Any]:
    """Return an equation's outputs at other inputs."""
    outputs = eqn.primitive.bind(*inputs, **eqn.primitive.get_bind_params(eqn.params))
    return list(outputs) if eqn.primitive.multiple_results else [outputs]


def programs(eqn: Any) -> list[Jaxpr]:
    """Return an equation's own programs: a jit's or scan's body, a cond's branches."""
    leaves = jax.tree.leaves(eqn.params, is_leaf=lambda v: isinstance(v, (Jaxpr, ClosedJaxpr)))
    return [_open(v, [])[0] for v in leaves if isinstance(v, (Jaxpr, ClosedJaxpr))]


def _open(jaxpr: Jaxpr | ClosedJaxpr, consts: list[Any] | None) -> tuple[Jaxpr, list[Any]]:
    """Return a program and its constants; jax 0.12 has one class for both, with the constants inside."""
    if consts is None:
        consts = list(getattr(jaxpr, "consts", ()))
    inner = jaxpr.jaxpr if isinstance(jaxpr, ClosedJaxpr) else jaxpr
    return inner, consts if len(inner.constvars) == len(consts) else []
