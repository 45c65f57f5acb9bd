"""The data flow of a traced program: what a value depends on, and what reads it.

A `Level` is a program whose equations are evaluated in one place: the body of a scan, a branch, a remat; jits are
opened into the level they stand in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal
from jax.extend.core.primitives import cond_p, jit_p, remat_p, scan_p

from actlab.stats.walk import opened, programs, scan_counts, sharded

FIXED, INDEX, DATA = (
    0,
    1,
    2,
)  # told by parameters and constants; by whole numbers besides; by arrays that come in

_UNARY = """abs acos acosh asin asinh atan atanh cbrt ceil convert_element_type copy copy_p cos cosh digamma erf
erf_inv erfc exp exp2 expm1 floor integer_pow is_finite lgamma log log1p logistic name neg not optimization_barrier
pcast pvary reduce_precision round rsqrt sign sin sinh sqrt square stop_gradient tan tanh"""
_SEVERAL = "add add_any and atan2 clamp div eq ge gt le lt max min mul ne or pow rem select_n sub xor"
ELEMENTWISE = {*_UNARY.split(), *_SEVERAL.split()}
RULED = {"custom_jvp_call", "custom_vjp_call"}  # a function with a derivative of its own; opaque, but read
SAME = {"broadcast_in_dim", "reshape", "squeeze", "convert_element_type", "copy", "copy_p", "stop_gradient"}
SAME |= {"optimization_barrier", "name", "transpose", "reduce_precision", "pvary", "pcast"}
REDUCE = {"reduce_sum", "reduce_max", "reduce_min", "reduce_prod"}


@dataclass(eq=False)
class Value:
    """One value of the program.

    Args:
        aval: its shape and dtype.
        node: what computed it, None for what comes in.
        depends: FIXED, INDEX or DATA.
        known: its number, where it is one and known.
        random: told by a random key and nothing else that varies.
        given: an argument as it came, but for shape, dtype and elementwise functions.
        spread: the same along the first axis.
        moment: a reduction over squares, absolute values or exponentials, or a function of such.
        users: what reads it.
        leaves: whether the program returns it.

    """

    aval: Any
    node: Node | None = None
    depends: int = FIXED
    known: Any = None
    random: bool = False
    given: bool = False
    spread: bool = False
    moment: bool = False
    users: list[Node] = field(default_factory=list)
    leaves: bool = False

    @property
    def real(self) -> bool:
        """Whether it is of real numbers."""
        return jnp.issubdtype(self.aval.dtype, jnp.floating)

    @property
    def uniform(self) -> bool:
        """Whether it may be an activation's parameter: known, learnt, or one for all along the first axis."""
        if self.known is not None:
            return True
        if not self.real or self.random:
            return False
        return self.depends == FIXED or (self.given and (self.aval.size == 1 or self.spread))


@dataclass(eq=False)
class Node:
    """An equation where it stands: its place is the equations around it, outermost first."""

    eqn: Any
    inputs: list[Value]
    outputs: list[Value]
    place: tuple[Any, ...]
    scopes: tuple[str, ...]
    number: int
    elementwise: bool = False

    @property
    def name(self) -> str:
        """The primitive's name."""
        return self.eqn.primitive.name


@dataclass(eq=False)
class Level:
    """A program's nodes in order; jits opened in it, whose own equations are among the nodes; scans around it."""

    nodes: list[Node] = field(default_factory=list)
    calls: list[Node] = field(default_factory=list)
    times: tuple[int, ...] = ()


def levels(jaxpr: Any, consts: Sequence[Any], depends: Sequence[int]) -> list[Level]:
    """Return the program and those inside it, in order; ``depends`` says what each argument is told by."""
    reader = _Reader()
    inputs = [Value(v.aval, depends=d, given=True) for v, d in zip(jaxpr.invars, depends, strict=True)]
    reader.level(jaxpr, list(consts), inputs, (), (), ())
    return reader.levels


class _Reader:
    def __init__(self):
        self.levels: list[Level] = []
        self.count = 0

    def level(self, jaxpr, consts, inputs, place, scopes, times) -> None:
        level = Level(times=times)
        self.levels.append(level)
        for value in self.open(level, jaxpr, consts, inputs, place, scopes):
            value.leaves = True

    def open(self, level, jaxpr, consts, inputs, place, scopes) -> list[Value]:
        jaxpr, consts = opened(jaxpr, consts)
        values = dict(zip(jaxpr.invars, inputs, strict=True))
        values |= {
            var: Value(var.aval, known=_number(c)) for var, c in zip(jaxpr.constvars, consts, strict=True)
        }

        def read(atom):
            return Value(atom.aval, known=np.asarray(atom.val)) if isinstance(atom, Literal) else values[atom]

        for eqn in jaxpr.eqns:
            here = (*scopes, str(eqn.source_info.name_stack))
            node = Node(eqn, [read(a) for a in eqn.invars], [], place, here, self.count)
            self.count += 1
            if eqn.primitive is jit_p and not sharded(eqn):
                node.outputs = self.open(level, eqn.params["jaxpr"], None, node.inputs, (*place, eqn), here)
                level.calls.append(node)
            else:
                node.outputs = [Value(v.aval, node) for v in eqn.outvars]
                _tell(node)
                level.nodes.append(node)
                for value in {id(v): v for v in node.inputs}.values():
                    value.users.append(node)
                for inner, args, times in _inside(node):
                    self.level(inner, None, args, (*place, eqn), here, level.times + times)
            values |= dict(zip(eqn.outvars, node.outputs, strict=True))
        return [read(a) for a in jaxpr.outvars]


def _number(const: Any) -> Any:
    """Return a constant's number, None for an array or what is still being traced."""
    if getattr(const, "size", 1) != 1 or isinstance(const, jax.core.Tracer):
        return None
    return None if jnp.issubdtype(getattr(const, "dtype", None), jax.dtypes.extended) else np.asarray(const)


def _inside(node: Node) -> Iterator[tuple[Any, list[Value], tuple[int, ...]]]:
    """Yield the programs that the walk can enter, with what comes into them, and how often a scan runs them."""
    eqn, ins = node.eqn, node.inputs
    if eqn.primitive is scan_p:
        inner, _ = opened(eqn.params["jaxpr"], None)
        n_consts, n_carry = scan_counts(eqn.params)
        args = []
        for i, (value, var) in enumerate(zip(ins, inner.invars, strict=True)):
            if i < n_consts:
                args.append(_again(value))
            elif i >= n_consts + n_carry:
                args.append(Value(var.aval, depends=value.depends, random=value.random, given=value.given))
            elif inner.outvars[i - n_consts] is var:  # carried unchanged: parameters, mostly
                args.append(_again(value))
            else:
                args.append(Value(var.aval, depends=_at_least(var.aval)))
        yield eqn.params["jaxpr"], args, (eqn.params["length"],)
    elif eqn.primitive is cond_p:
        for branch in eqn.params["branches"]:
            yield branch, [_again(v) for v in ins[1:]], ()
    elif eqn.primitive is remat_p or eqn.primitive is jit_p:
        yield eqn.params["jaxpr"], [_again(v) for v in ins], ()
    elif eqn.primitive.name == "shard_map":
        inner, _ = opened(eqn.params["jaxpr"], None)
        args = [_again(v) for v in ins]
        for value, var in zip(args, inner.invars, strict=True):
            value.aval = var.aval
        yield eqn.params["jaxpr"], args, ()


def _again(v: Value) -> Value:
    return Value(v.aval, None, v.depends, v.known, v.random, v.given, v.spread, v.moment)


def _at_least(aval: Any) -> int:
    return DATA if jnp.issubdtype(aval.dtype, jnp.floating) else INDEX


def _tell(node: Node) -> None:
    """Say of a node's outputs what follows from its inputs."""
    name, ins, outs = node.name, node.inputs, node.outputs
    node.elementwise = _elementwise(node.eqn)
    depends = max((v.depends for v in ins), default=FIXED)
    mixes = name == "gather" or (name == "dot_general" and node.eqn.params["dimension_numbers"][0][0])
    if depends and (mixes or name == "conv_general_dilated" or programs(node.eqn)) and not node.elementwise:
        depends = DATA
    random = name.startswith(("random_", "threefry", "rng_")) or (
        any(v.random for v in ins) and all(v.random or v.depends == FIXED for v in ins)
    )
    plain = node.elementwise or name in SAME or name in ("slice", "dynamic_slice", "gather")
    whole = [v for v in ins if v.known is None]
    given = bool(whole) and plain and all(v.given or v.depends == FIXED for v in whole) and not _mixed(whole)
    for out in outs:
        out.depends, out.random, out.given = depends, random, given
        out.spread = (
            node.elementwise and bool(whole) and all(v.uniform for v in ins) and any(v.spread for v in ins)
        )
        if name == "broadcast_in_dim":
            axes, shape = node.eqn.params["broadcast_dimensions"], out.aval.shape
            first = ins[0].aval.shape[axes.index(0)] if 0 in axes else 1
            out.spread = bool(shape) and (0 not in axes or first < shape[0])
        elif name == "reshape":  # (C,) -> (1, C), which elementwise operations repeat
            out.spread = out.aval.ndim > ins[0].aval.ndim and out.aval.shape[0] == 1
        elif name in SAME and ins[0].aval.shape == out.aval.shape:
            out.spread = ins[0].spread
        out.moment = _moment(node, out)
        if name in SAME or node.elementwise:
            out.known = _fold(node)


def _mixed(values: list[Value]) -> bool:
    """Return whether two arguments of full size meet: then the outcome is no parameter."""
    return sum(v.depends == DATA and v.aval.size > 1 for v in values) > 1


def _moment(node: Node, out: Value) -> bool:
    ins = [v for v in node.inputs if v.known is None and v.depends]
    if node.name in REDUCE:
        return any(v.moment or _folds(v) for v in ins)
    if node.name == "dot_general":
        return len(ins) == 2 and ins[0] is ins[1]
    if not node.elementwise and node.name not in SAME | {"psum", "psum_invariant", "pmean"}:
        return False
    return any(v.moment and v.aval.size == out.aval.size for v in ins)


def _folds(value: Value) -> bool:
    """Return whether a value is a square, absolute value or exponential: what norms and softmaxes add up."""
    node = same(value).node
    if node is None:
        return False
    if node.name == "mul":
        return node.inputs[0] is node.inputs[1]
    even = node.name == "integer_pow" and node.eqn.params["y"] % 2 == 0
    return even or node.name in ("square", "abs", "exp", "exp2")


def _fold(node: Node) -> Any:
    """Return the number that a node gives of known numbers, else None."""
    if any(v.known is None for v in node.inputs) or len(node.outputs) != 1:
        return None
    if node.name in SAME - {"convert_element_type"}:
        return node.inputs[0].known
    dtype = node.outputs[0].aval.dtype
    if node.name == "convert_element_type":
        return node.inputs[0].known.astype(dtype)
    if programs(node.eqn) or node.outputs[0].aval.size != 1:
        return None
    with jax.ensure_compile_time_eval():
        ins = [np.asarray(v.known, v.aval.dtype).reshape(()) for v in node.inputs]
        return np.asarray(node.eqn.primitive.bind(*map(jnp.asarray, ins), **node.eqn.params))


def _elementwise(eqn: Any) -> bool:
    if len(eqn.outvars) != 1:
        return False
    shape = eqn.outvars[0].aval.shape
    if not all(_spreads(a.aval.shape, shape) for a in eqn.invars):
        return False
    if eqn.primitive.name in ELEMENTWISE:
        return True
    if eqn.primitive.name in RULED or eqn.primitive is jit_p:
        return all(_simple(inner) for program in programs(eqn) for inner in program.eqns)
    return False


def _spreads(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Return whether an operand is a number, or has the outcome's shape but for axes of length 1."""
    if math.prod(shape) == 1:
        return True
    return len(shape) == len(to) and all(a in (1, b) for a, b in zip(shape, to, strict=True))


def _simple(eqn: Any) -> bool:
    """Return whether an equation inside an opaque one is elementwise, or gives a number another shape."""
    if eqn.primitive.name in ("broadcast_in_dim", "reshape", "squeeze"):
        return math.prod(eqn.invars[0].aval.shape) == 1
    return _elementwise(eqn)


def same(value: Value) -> Value:
    """Return the value that this one is but for shape, dtype and repetition."""
    while value.node is not None and value.node.name in SAME:
        value = value.node.inputs[0]
    return value
