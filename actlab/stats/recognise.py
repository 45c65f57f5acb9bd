"""Which activation a traced elementwise function is: by its values on a grid, not by what anybody called it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actlab.activations import Act, make, names, registry
from actlab.errors import InputError
from actlab.stats.flow import RULED, SAME, Node, Value, same
from actlab.stats.regions import Chain, between, ends_in_a_norm, pooled
from actlab.stats.sites import steepest
from actlab.stats.walk import opened

GRID = np.concatenate(
    [np.linspace(-20.0, -8.1, 40), np.linspace(-8.03, 8.01, 321), np.linspace(8.1, 20.0, 40)]
)
GRID = np.sort(np.concatenate([GRID, [-1.0, 0.0, 1.0]])).astype(np.float32)
CLOSE = 2e-5  # of max(1, |f|), in float32: gelu and gelu_tanh differ by 5e-4
CLOSE_HALF = 1e-2  # where the program's own constants are rounded to 16 bits
FINE = 8001  # points on [-20, 20] for the steepest slope

# What networks are made of, tried first, in this order; then everything there is.
_COMMON = """relu gelu_tanh gelu silu tanh sigmoid softplus relu6 leaky_relu elu selu quick_gelu mish hard_silu
hard_sigmoid hard_tanh relu_squared softsign log_sigmoid sin cos square exponential abs sign heaviside scaled_tanh
soft_cap"""
COMMON = _COMMON.split()
LEARNT = (("prelu", "negative_slope"), ("swish", "beta"), ("elu", "alpha"), ("softplus", "beta"))
TRIALS = ((0.3, 0.7, 1.1), (0.6, 1.3, 0.9))  # values given to parameters whose own are not known


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a chain that is an activation.

    Args:
        chain: the elementwise function it is part of.
        first: the point that is its input.
        last: the point that is its output.
        label: the activation's name, or what it is made of where the library has none such.
        act: the library's function; None where it has none.
        learnt: the parameters that the program computes.
        steepest: max|f'|; None where parameters decide.

    """

    chain: Chain
    first: int
    last: int
    label: str
    act: Act | None
    learnt: tuple[str, ...]
    steepest: float | None

    @property
    def nodes(self) -> list[Node]:
        """The nodes that compute it."""
        return _nodes(self.chain, self.first, self.last)

    @property
    def start(self) -> Value:
        """Its input."""
        return self.chain.points[self.first]

    @property
    def end(self) -> Value:
        """Its output."""
        return self.chain.points[self.last]


def parts(chain: Chain) -> list[Part]:
    """Return the activations in a chain, in order: as few as can be named, without affine maps around them."""
    with jax.ensure_compile_time_eval():
        last = len(chain.points) - 1
        end = chain.points[last]
        lone = chain.segments[-1]
        if len(lone) == 1 and lone[0].name in _NORMS and ends_in_a_norm(end):
            whole = len(chain.segments) > 1 and pooled(end) and _match(chain, 0, last)
            if not whole:
                last -= 1
        return _split(chain, 0, last)


_NORMS = {"square", "integer_pow", "mul", "abs", "exp", "exp2", "log", "pow"}
_GUARDS = {"max", "clamp", "abs", "square", "min"}


def _split(chain: Chain, i: int, j: int) -> list[Part]:
    while i < j and _maps(chain, i):  # a bias, a learnt scale: the layer's, not the activation's
        i += 1
    while i < j and _maps(chain, j - 1):
        j -= 1
    if i >= j or _affine(chain, i, j):
        return []
    for length in range(j - i, 0, -1):
        for a in range(i, j - length + 1):
            b = a + length
            if _maps(chain, a) or _maps(chain, b - 1) or _affine(chain, a, b):
                continue
            if not (named := _match(chain, a, b)):
                continue
            while _affine(chain, b - 1, b):  # a step that changes nothing: a cast
                b -= 1
            while _affine(chain, a, a + 1) and _same_values(chain, a, a + 1):
                a += 1
            here = [] if _guards(chain, a, b) else [named(a, b)]
            return [*_split(chain, i, a), *here, *_split(chain, b, j)]
    while _affine(chain, i, i + 1):
        i += 1
    while _affine(chain, j - 1, j):
        j -= 1
    if beside := _beside_itself(chain, i, j):
        inner = parts(beside)
        if inner and all(part.act for part in inner):
            return inner
    values = _values(chain, i, j)
    if not np.isfinite(values).all():  # a root, a logarithm, a reciprocal: not a function of all reals
        return []
    free = _free(_nodes(chain, i, j), chain.points[i])
    return [Part(chain, i, j, _made_of(_nodes(chain, i, j)), None, (), None if free else _slope(chain, i, j))]


def _beside_itself(chain: Chain, i: int, j: int) -> Chain | None:
    """Return f of a part that is x + f(x): a residual around an activation, with nothing else between."""
    nodes, start = _nodes(chain, i, j), chain.points[i]
    last = nodes[-1]
    if last.name != "add" or last.outputs[0] is not chain.points[j]:
        return None
    inside = {id(n.outputs[0]) for n in nodes}
    bends = [v for v in last.inputs if id(v) in inside and not _straight(v, start)]
    if len(bends) != 1 or not any(_straight(v, start) for v in last.inputs):
        return None
    return between(chain.level, start, bends[0])


def _straight(value: Value, start: Value) -> bool:
    """Return whether a value is x, or x times a number."""
    if same(value) is same(start):
        return True
    node = same(value).node
    if node is None or node.name not in ("mul", "div"):
        return False
    return {same(v) is same(start) or v.uniform for v in node.inputs} == {True} and any(
        v.uniform for v in node.inputs
    )


def _guards(chain: Chain, i: int, j: int) -> bool:
    """Return whether a part only keeps its values in the domain of the step behind it, as in log(max(x, 1e-6))."""
    if {n.name for n in _nodes(chain, i, j)} - _GUARDS - SAME or j + 1 >= len(chain.points):
        return False
    return not np.isfinite(_values(chain, j, j + 1)).all()


def _match(chain: Chain, i: int, j: int) -> Any:
    """Return ``(first, last) -> Part`` for what the library calls the part from point i to j, None if it does not."""
    start, nodes = chain.points[i], _nodes(chain, i, j)
    free = _free(nodes, start)
    half = min(jnp.finfo(v.aval.dtype).bits for v in (start, chain.points[j])) < 32
    close = CLOSE_HALF if half else CLOSE

    def named(act, learnt=()):
        return lambda a, b: Part(chain, a, b, act.name, act, learnt, steepest(act))

    if not free:
        values = _values(chain, i, j)
        if not np.isfinite(values).all():
            return None
        fits = ((_distance(_curve(act), values), act) for act in _candidates(values))
        if half:  # the closest of all that are close
            near = [(d, k, act) for k, (d, act) in enumerate(fits) if d < close]
            return named(min(near, key=lambda f: f[:2])[2]) if near else None
        return next((named(act) for d, act in fits if d < close), None)
    if len(free) > 3:
        return None
    trials = [_values(chain, i, j, dict(zip(free, trial, strict=False))) for trial in TRIALS]
    for name, order in _parametric(len(free)):
        for trial, values in zip(TRIALS, trials, strict=True):
            try:
                act = make(name, **dict(zip(order, trial, strict=False)))
            except InputError:  # outside the parameter's domain
                break
            if not _distance(_curve(act), values) < close:
                break
        else:
            return named(make(name), tuple(order))
    return None


def _parametric(count: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield functions and as many of their parameters, in every order."""
    if count == 1:
        yield from ((name, (parameter,)) for name, parameter in LEARNT)
    for name in _elementwise():
        known = [p.name for p in registry()[name].spec.parameters if p.continuous and not p.vector]
        for order in itertools.permutations(known, count):
            if count > 1 or (name, order[0]) not in LEARNT:
                yield name, order


@lru_cache(maxsize=1)
def _elementwise() -> tuple[str, ...]:
    """Return the library's functions, those with a true derivative first."""
    listed = [n for n in names() if registry()[n].spec.elementwise and n != "identity"]
    plain = [n for n in listed if not registry()[n].spec.stochastic and not registry()[n].spec.surrogate]
    return (*plain, *(n for n in listed if n not in plain))


def _candidates(values: np.ndarray) -> Iterator[Act]:
    yield from (act for act in map(make, COMMON) if _may_be(act, values))
    for name, params in _guesses(values):
        try:
            yield make(name, **{k: float(f"{v:.6g}") for k, v in params.items()})
        except InputError:  # no such function at that parameter
            continue
    yield from (act for act in map(make, _elementwise()) if _may_be(act, values))


def _may_be(act: Act, values: np.ndarray) -> bool:
    """Return whether what is known of the function allows these values; cheaper than computing its own."""
    spec = act.spec.at(**dict(act.params))
    slack = 1e-4 * max(1.0, float(np.max(np.abs(values))))
    if values.min() < spec.range.low - slack or values.max() > spec.range.high + slack:
        return False
    if spec.monotonic and bool(np.any(np.diff(values) < -slack)):
        return False
    for end, limit in zip((values[0], values[-1]), spec.limits, strict=True):
        # 20 is far enough to have the sign of an infinite limit, and to be halfway to a finite one.
        if math.isinf(limit) and end * math.copysign(1.0, limit) < 0:
            return False
        if math.isfinite(limit) and abs(end - limit) > 0.5 * max(1.0, abs(limit)):
            return False
    steps = np.abs(np.diff(values)) / np.diff(GRID)
    return not steps.max() > 1.01 * spec.lipschitz + slack


def _guesses(values: np.ndarray) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield families with the parameter that the function must have if it belongs to them."""
    low, high = float(values[0]), float(values[-1])
    minus, middle, one = (float(values[np.searchsorted(GRID, x)]) for x in (-1.0, 0.0, 1.0))
    yield "leaky_relu", {"negative_slope": -minus}
    yield "elu", {"alpha": -low}
    yield "celu", {"alpha": -low}
    if high > 0:
        yield "relu_n", {"n": high}
    if low < high:
        yield "hard_tanh", {"min_val": low, "max_val": high}
    if middle > 0:
        yield "softplus", {"beta": math.log(2.0) / middle}
    if 0 < one < 1:
        yield "swish", {"beta": math.log(one / (1.0 - one))}


@lru_cache(maxsize=1024)
def _curve(act: Act) -> np.ndarray:
    with jax.ensure_compile_time_eval():
        return np.asarray(act(jnp.asarray(GRID)), np.float32)


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    if not np.isfinite(a).all():
        return math.inf
    return float(np.max(np.abs(a - b) / np.maximum(1.0, np.abs(b))))


def _nodes(chain: Chain, i: int, j: int) -> list[Node]:
    return [node for segment in chain.segments[i:j] for node in segment]


def _free(nodes: Sequence[Node], start: Value) -> list[Value]:
    """Return the parameters whose values are not known when the program is read, each once."""
    made = {id(n.outputs[0]) for n in nodes} | {id(start)}
    bases = [same(v) for n in nodes for v in n.inputs if id(v) not in made and v.known is None]
    return list({id(b): b for b in bases}.values())


def _values(chain: Chain, i: int, j: int, given: Mapping[Value, float] | None = None) -> np.ndarray:
    return np.asarray(evaluate(chain, i, j, jnp.asarray(GRID), given))


def evaluate(
    chain: Chain, i: int, j: int, x: jax.Array, given: Mapping[Value, float] | None = None
) -> jax.Array:
    """Return the function from point i to point j at ``x``, in float32; parameters not ``given`` are 0.7."""
    given = given or {}
    env = {id(chain.points[i]): x}

    def read(v):
        if id(v) in env:
            return env[id(v)]
        number = given.get(same(v), 0.7) if v.known is None else np.asarray(v.known).reshape(-1)[0]
        return _full(number, v.aval.dtype, x)

    for node in _nodes(chain, i, j):
        env[id(node.outputs[0])] = _apply(node.eqn, [read(v) for v in node.inputs])
    return env[id(chain.points[j])]


def _full(number: Any, dtype: Any, x: jax.Array) -> jax.Array:
    dtype = jnp.float32 if jnp.issubdtype(dtype, jnp.floating) else dtype
    return jnp.full(x.shape, number, dtype)


def _apply(eqn: Any, inputs: list[jax.Array]) -> jax.Array:
    """Return an elementwise equation's output at inputs of another shape, floats in float32."""
    if eqn.primitive.name in RULED or eqn.primitive.name == "jit":
        inner = eqn.params.get("jaxpr", eqn.params.get("call_jaxpr"))
        jaxpr, consts = opened(inner, None)
        env = dict(zip(jaxpr.invars, inputs, strict=True))
        for var, const in zip(jaxpr.constvars, consts, strict=True):
            env[var] = _full(np.asarray(const).reshape(-1)[0], var.aval.dtype, inputs[0])

        def read(a):
            return _full(a.val, a.aval.dtype, inputs[0]) if hasattr(a, "val") else env[a]

        for e in jaxpr.eqns:
            env[e.outvars[0]] = _apply(e, [read(a) for a in e.invars])
        return read(jaxpr.outvars[0])
    if eqn.primitive.name == "convert_element_type":
        dtype = eqn.params["new_dtype"]
        return inputs[0].astype(jnp.float32 if jnp.issubdtype(dtype, jnp.floating) else dtype)
    if eqn.primitive.name in SAME:
        return inputs[0]
    return eqn.primitive.bind(*inputs, **eqn.params)


def _affine(chain: Chain, i: int, j: int) -> bool:
    """Return whether the part from point i to j is a straight line on the grid, for any parameters."""
    free = _free(_nodes(chain, i, j), chain.points[i])
    for trial in TRIALS if free else TRIALS[:1]:
        values = _values(chain, i, j, dict(zip(free, itertools.cycle(trial), strict=False)))
        if not np.isfinite(values).all():
            return False
        values = values.astype(np.float64)
        slope = (values[-1] - values[0]) / (float(GRID[-1]) - float(GRID[0]))
        line = values[0] + slope * (GRID.astype(np.float64) - float(GRID[0]))
        if np.max(np.abs(values - line)) > 1e-5 * max(1.0, float(np.max(np.abs(values)))):
            return False
    return True


def _maps(chain: Chain, i: int) -> bool:
    """Return whether the step behind point i is affine, by parameters whose values are not known."""
    return bool(_free(chain.segments[i], chain.points[i])) and _affine(chain, i, i + 1)


def _same_values(chain: Chain, i: int, j: int) -> bool:
    return not _free(_nodes(chain, i, j), chain.points[i]) and bool(np.all(_values(chain, i, j) == GRID))


def _slope(chain: Chain, i: int, j: int) -> float | None:
    """Return max|f'| over [-20, 20] of a function the library does not have."""
    x = jnp.linspace(-20.0, 20.0, FINE, dtype=jnp.float32)
    _, pull = jax.vjp(lambda x: evaluate(chain, i, j, x), x)
    slopes = np.abs(np.asarray(pull(jnp.ones_like(x))[0], np.float64))
    found = float(np.max(slopes, where=np.isfinite(slopes), initial=0.0))
    return found if found > 0 else None


def _made_of(nodes: Sequence[Node]) -> str:
    """Return a name for a function the library does not have: its operations, the plainest left out."""
    plain = SAME | {
        "mul",
        "add",
        "sub",
        "neg",
        "div",
        "select_n",
        "gt",
        "ge",
        "lt",
        "le",
        "eq",
        "ne",
        "and",
        "or",
    }
    told = [n.eqn.params.get("name", "function") if n.name in RULED else n.name for n in nodes]
    parts = list(dict.fromkeys(t for t in told if t not in plain)) or list(dict.fromkeys(told))
    return "_".join(parts[:3])
