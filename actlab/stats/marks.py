"""Put `actlab.probe` around the activations of a traced program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from actlab.errors import InputError
from actlab.probes import probe
from actlab.stats.flow import DATA, FIXED, INDEX, Level, Node, Value, levels
from actlab.stats.paths import module_path
from actlab.stats.recognise import Part, parts
from actlab.stats.regions import Attention, attentions, chains, gates, in_a_loss, in_a_variance
from actlab.stats.sites import SATURATION
from actlab.stats.walk import Walk, bind

ACTIVE = ".active"  # the mark of where a site lets gradient through


class Site(NamedTuple):
    """A place in a model where an activation is.

    ``name`` is that of the statistics, without ``.pre`` and ``.post``; ``activation`` what the library calls the
    function, with its parameters, or the operations it is made of where the library has none such; ``kind`` is
    ``"activation"``, ``"gate"`` (its output multiplies another array) or ``"scores"`` (those of an attention, marked
    as ``name.scores``); ``shape`` and ``dtype`` those of its input, in one step of a scan; ``layers`` the lengths of
    the scans around it, which are the leading axes of its statistics.
    """

    name: str
    activation: str
    kind: str
    shape: tuple[int, ...]
    dtype: str
    layers: tuple[int, ...]


class Sites(tuple[Site, ...]):
    """Sites in the order of the forward pass; prints as a table."""

    def __repr__(self) -> str:
        head = ("site", "activation", "kind", "input")
        rows = [head, *((s.name, s.activation, s.kind, _shape(s)) for s in self)]
        wide = [max(len(row[i]) for row in rows) for i in range(len(head))]
        return "\n".join("  ".join(c.ljust(w) for c, w in zip(r, wide, strict=True)).rstrip() for r in rows)


def _shape(site: Site) -> str:
    times = "".join(f"{n} x " for n in site.layers)
    return f"{times}{site.dtype}[{','.join(map(str, site.shape))}]"


@dataclass(eq=False)
class _Mark:
    """What is done at an equation: its inputs that are a site's array are read marked, its output marked.

    Args:
        site: the site's name.
        node: the equation, with the values that it reads and makes.
        part: the activation; None for attention's scores.
        first: whether it is the site's first equation.

    """

    site: str
    node: Node
    start: Value
    part: Part | None
    first: bool

    @property
    def ends(self) -> bool:
        return self.part is not None and any(v is self.part.end for v in self.node.outputs)


@dataclass(frozen=True, eq=False)
class Plan:
    """A traced function and its sites: what `plan` returns.

    Args:
        sites: in the order of the forward pass.
        closed: the program, of the arrays among the arguments.
        arrays: those arrays.
        shape: the outcome's shapes and dtypes.
        marks: by the identity of an equation: its mark, or those inside it.

    """

    sites: Sites
    closed: Any
    arrays: list[Any]
    shape: Any
    marks: dict[int, Any]

    def run(self, arrays: Sequence[Any], activity: bool = False) -> Any:
        """Return the outcome at ``arrays`` with the sites marked, with ``activity`` also where they are active."""
        flat, _ = _walk(self.marks, {}, activity)(
            self.closed.jaxpr, list(arrays), {}, list(self.closed.consts)
        )
        return jax.tree.unflatten(jax.tree.structure(self.shape), flat)


def plan(fn: Callable[..., Any], learnt: int, what: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Plan:
    """Return the plan of ``fn`` at these arguments; all that are no arrays are constants of the trace.

    Args:
        fn: the function.
        learnt: how many of the first arguments hold parameters and state, no data.
        what: how errors call it.
        args: its arguments.
        kwargs: its keyword arguments.

    Raises:
        InputError: ``fn`` raises, or nothing is found in it.

    """
    call, arrays = open_arguments(fn, args, kwargs)
    try:
        closed, shape = jax.make_jaxpr(call, return_shape=True)(*arrays)
    except InputError:
        raise
    except Exception as error:  # whatever the user's model raises
        told = next(iter(str(error).strip().splitlines()), "")
        raise InputError(
            f"{what} cannot be called with these arguments: {type(error).__name__}: {told}"
        ) from error
    fixed = sum(map(is_array, jax.tree.leaves(tuple(args[:learnt]))))
    depends = [FIXED if i < fixed else _depends(v) for i, v in enumerate(closed.jaxpr.invars)]
    found = _find(levels(closed.jaxpr, closed.consts, depends))
    if not found:
        raise InputError(
            f"no activation is found in {what} at these arguments: no elementwise function that bends"
        )
    names = _names([f for f, _ in found])
    marks: dict[int, Any] = {}
    sites = []
    for (part, level), name in zip(found, names, strict=True):
        _add(marks, part, level, name)
        value = part.scores if isinstance(part, Attention) else part.start
        sites.append(
            Site(name, _told(part), _kind(part), tuple(value.aval.shape), value.aval.dtype.name, level.times)
        )
    return Plan(Sites(sites), closed, arrays, shape, marks)


def is_array(leaf: Any) -> bool:
    """Return whether an argument is an array, concrete or abstract; not a Python number."""
    return hasattr(leaf, "shape") and hasattr(leaf, "dtype")


def open_arguments(
    fn: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[Callable[..., Any], list[Any]]:
    """Return ``fn`` as a function of the arrays among its arguments, and those."""
    leaves, tree = jax.tree.flatten((tuple(args), kwargs))
    arrays = [leaf for leaf in leaves if is_array(leaf)]

    def call(*arrays):
        given = iter(arrays)
        a, k = jax.tree.unflatten(tree, [next(given) if is_array(leaf) else leaf for leaf in leaves])
        return fn(*a, **k)

    return call, arrays


def _depends(var: Any) -> int:
    return DATA if jnp.issubdtype(var.aval.dtype, jnp.inexact) else INDEX


def _find(found: Sequence[Level]) -> list[tuple[Part | Attention, Level]]:
    sites: list[tuple[int, Part | Attention, Level]] = []
    for level in found:
        here = [part for chain in chains(level) for part in parts(chain) if not _of_a_formula(part)]
        waves = {(id(p.start), p.label) for p in here}
        for p in here:
            pair = {"sin": "cos", "cos": "sin"}.get(p.label)
            if pair is None or (id(p.start), pair) not in waves:  # both of one array: a position's encoding
                sites.append((p.nodes[0].number, p, level))
        sites += [(a.reader.number, a, level) for a in attentions(level)]
    return [(part, level) for _, part, level in sorted(sites, key=lambda s: s[0])]


def _of_a_formula(part: Part) -> bool:
    """Return whether a function that may be an activation is here a term of a variance or a loss."""
    if part.act is None or part.label in ("square", "abs", "softplus", "log_sigmoid"):
        return in_a_variance(part.end) or in_a_loss(part.end, alone=part.act is None)
    return False


def _names(found: Sequence[Part | Attention]) -> list[str]:
    """Return a name for each, of its module's path and the function, with an index where that is not one site's."""
    names = []
    for part in found:
        path = module_path((part.reader if isinstance(part, Attention) else part.nodes[-1]).scopes)
        own = ([] if path else ["attention"]) if isinstance(part, Attention) else [part.label]
        names.append(".".join([path] * bool(path) + own))
    count = Counter(names)
    seen: Counter[str] = Counter()
    for i, name in enumerate(names):
        if count[name] > 1:
            names[i] = f"{name}.{seen[name]}"
            seen[name] += 1
    return names


def _told(part: Part | Attention) -> str:
    if isinstance(part, Attention):
        return "softmax"
    if part.act is None:
        return part.label
    told = [
        f"{p}={v!r}" for p, v in part.act.params if p not in part.learnt and v != part.act.spec.defaults[p]
    ]
    told += [f"{p} learnt" for p in part.learnt]
    return f"{part.label}({', '.join(told)})" if told else part.label


def _kind(part: Part | Attention) -> str:
    if isinstance(part, Attention):
        return "scores"
    return "gate" if gates(part.end) else "activation"


def _add(marks: dict[int, Any], part: Part | Attention, level: Level, name: str) -> None:
    """Write a site's marks into the plan."""
    if isinstance(part, Attention):
        nodes, start, activation = [part.reader], part.scores, None
    else:
        nodes, start, activation = _lift(part, level), part.start, part
    for node in nodes:
        inner = marks
        for eqn in node.place:
            inner = inner.setdefault(id(eqn), {})
        mark = _Mark(name, node, start, activation, node is nodes[0])
        inner.setdefault(id(node.eqn), []).append(mark)


def _lift(part: Part, level: Level) -> list[Node]:
    """Return the part's nodes, or the call of a jitted function that is just this part, which stays one."""
    nodes = part.nodes
    mine = {n.number for n in nodes}
    for call in level.calls:  # the outermost first
        inside = [n for n in level.nodes if _within(n.place, (*call.place, call.eqn))]
        whole = mine <= {n.number for n in inside}
        ends = any(v is part.start for v in call.inputs) and any(v is part.end for v in call.outputs)
        if whole and ends:
            made = {id(part.start)} | {id(n.outputs[0]) for n in nodes}
            if not any(id(v) in made for n in inside if n.number not in mine for v in n.inputs):
                return [call]
    return nodes


def _within(place: tuple[Any, ...], outer: tuple[Any, ...]) -> bool:
    return len(place) >= len(outer) and all(a is b for a, b in zip(place, outer, strict=False))


def _walk(marks: dict[int, Any], held: dict[str, Any], activity: bool) -> Walk:
    """Return the walk that puts the marks in; ``held`` are a site's marked array and its equations' inputs so far."""

    def visit(eqn, inputs, slots):
        here = marks.get(id(eqn))
        if here is None:
            return bind(eqn, inputs), {}
        if isinstance(here, dict):
            return _walk(here, held, activity).inside(eqn, inputs, slots)
        inputs = list(inputs)
        for mark in here:
            name = mark.site + (".pre" if mark.part else ".scores")
            for i, value in enumerate(mark.node.inputs):
                if value is mark.start:
                    if mark.first and mark.site not in held:
                        held[mark.site] = (probe(inputs[i], name), [])
                    inputs[i] = held[mark.site][0]
        outputs = bind(eqn, inputs)
        for mark in here:
            if mark.part is None:
                held.pop(mark.site)
                continue
            pre, steps = held[mark.site]
            steps.append((mark.node, inputs))
            if mark.ends:
                held.pop(mark.site)
                (k,) = (i for i, v in enumerate(mark.node.outputs) if v is mark.part.end)
                outputs[k] = probe(outputs[k], mark.site + ".post")
                if activity and mark.part.steepest is not None:
                    slope = _slope(mark.part, steps, pre)
                    probe(jnp.abs(slope) >= SATURATION * mark.part.steepest, mark.site + ACTIVE)
        return outputs, {}

    return Walk(visit, lambda eqn: _sites_in(marks), gather=lambda found: found)  # finds nothing, only marks


def _sites_in(marks: Any) -> list[str]:
    if isinstance(marks, dict):
        return list(dict.fromkeys(name for inner in marks.values() for name in _sites_in(inner)))
    return [mark.site for mark in marks]


def _slope(part: Part, steps: list[tuple[Node, list[Any]]], pre: jax.Array) -> jax.Array:
    """Return f' at ``pre``, by the program's own derivative rules."""

    def again(x):
        env = {id(part.start): x}
        for node, inputs in steps:
            ins = [env.get(id(v), jax.lax.stop_gradient(i)) for v, i in zip(node.inputs, inputs, strict=True)]
            env |= {id(v): o for v, o in zip(node.outputs, bind(node.eqn, ins), strict=True)}
        return env[id(part.end)]

    x = jax.lax.stop_gradient(pre)
    out, pull = jax.vjp(again, x)
    return pull(jnp.ones_like(out))[0]
