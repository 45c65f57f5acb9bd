"""What is known about an activation: `Spec`, attached to a plain function by `activation`."""

from __future__ import annotations

import dataclasses
import inspect
import math
import numbers
from collections.abc import Callable, Mapping
from typing import Any

from actlab.errors import InputError, suggest


@dataclasses.dataclass(frozen=True)
class Interval:
    """An interval of the real line; infinite ends are always open.

    >>> Interval(0.0, 1.0, open_low=True)
    (0, 1]
    >>> 0.0 in Interval(0.0, 1.0, open_low=True)
    False
    """

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        above = self.low < value if self.open_low else self.low <= value
        below = value < self.high if self.open_high else value <= self.high
        return above and below and math.isfinite(value)

    def __repr__(self) -> str:
        left = "(" if self.open_low or math.isinf(self.low) else "["
        right = ")" if self.open_high or math.isinf(self.high) else "]"
        return f"{left}{self.low:g}, {self.high:g}{right}"


REALS = Interval()
POSITIVE = Interval(0.0, open_low=True)
NONNEGATIVE = Interval(0.0)


Value = float | int | bool | str | tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A keyword parameter of an activation.

    Its default tells what it takes: a real number, an integer, true or false, a name, or a tuple of real
    numbers (coefficients), whose length is free from 1 up. ``domain`` is the interval of a number (of every
    coefficient), or the tuple of the names there are. ``static`` is for a real number that decides sizes, which
    therefore cannot be learnt.
    """

    name: str
    default: Value
    domain: Interval | tuple[str, ...]
    doc: str
    static: bool = False

    @property
    def continuous(self) -> bool:
        """Whether the parameter can be learnt by gradient."""
        return isinstance(self.default, (float, tuple)) and not self.static

    @property
    def vector(self) -> bool:
        """Whether the parameter is a tuple of coefficients; as an array they lie along its first axis."""
        return isinstance(self.default, tuple)

    def check(self, value: Any, where: str) -> Value:
        """Return ``value`` as the Python value this parameter takes; raise InputError for what cannot be."""
        default = self.default
        if isinstance(default, str):
            if not isinstance(value, str) or value not in self.domain:
                raise InputError(f"{where}={short(value)}{suggest(str(value), self.domain)}")
            return value
        if isinstance(default, bool):
            if not isinstance(value, bool):
                raise InputError(f"{where} must be true or false, got {short(value)}")
            return value
        if self.vector:
            if not isinstance(value, (list, tuple)) or not value:
                raise InputError(f"{where} must be a list of numbers, got {short(value)}")
            return tuple(self._number(v, f"{where}[{i}]") for i, v in enumerate(value))
        return self._number(value, where)

    def _number(self, value: Any, where: str) -> float | int:
        value = real_number(value, where)
        if isinstance(self.default, (float, tuple)):
            value = float(value)
        elif not isinstance(value, int):
            raise InputError(f"{where} must be an integer, got {value!r}")
        if value not in self.domain:
            raise InputError(f"{where} must be in {self.domain}, got {value!r}")
        return value


@dataclasses.dataclass(frozen=True)
class Kink:
    """A point where the derivative jumps from ``left`` to ``right``; autodiff returns ``chosen`` there.

    A point computed from parameters holds within rounding: at the float nearest to it autodiff may return the
    derivative of either side.
    """

    at: float
    left: float
    right: float
    chosen: float


@dataclasses.dataclass(frozen=True)
class Jump:
    """A point where the function itself jumps from ``left`` to ``right``, with the ``value`` taken there.

    A point computed from parameters holds within rounding: at the float nearest to it f, and what autodiff
    returns, may be those of either side.
    """

    at: float
    left: float
    right: float
    value: float


@dataclasses.dataclass(frozen=True)
class Inexact:
    """An exception from the promised accuracy: ``units`` measured for a derivative order and dtype, and why.

    The promise, in units of |got - true| / (eps max(|true|, |x dtrue/dx|)): 1 for f and f' in bfloat16 and
    float16; 4 for f and 8 for f' in float32 and float64.
    """

    dtype: str
    order: int
    units: float
    why: str


Params = Mapping[str, Any]
KINDS = ("elementwise", "axiswise", "gated", "conditioned", "resizing", "complex")
CALL_TIME = ("key", "where")  # keyword arguments that are arrays of the call, not parameters


@dataclasses.dataclass(frozen=True)
class Spec:
    """The facts about an activation. A fact may be a function of the parameters: `at` resolves it.

    Attributes:
        formula: a Python expression in the operands and parameters; the tests evaluate it with mpmath.
        range: values taken on finite inputs.
        monotonic: never decreasing.
        smoothness: the last continuous derivative, ``"C0"``, ``"C1"``, ..., ``"Cinf"``; ``"jumps"`` where
            f itself is not continuous.
        kinks: jumps of the first derivative.
        jumps: jumps of the function itself.
        lipschitz: the smallest Lipschitz constant, inf where there is none.
        limits: values at -inf and at +inf; nan where there is no limit, e.g. of sin: the function then
            returns NaN there.
        turning: where a smooth function, or a kink, turns from falling to rising or back; None where there
            are infinitely many, or where they are not listed.
        surrogate: the formula of the derivative that autodiff returns, where it deliberately is not f'.
        kind: ``"elementwise"``: f(x), each output depends on one input; ``"axiswise"``: f(x), same shape,
            entries along an axis depend on one another; ``"gated"``: f(gate, up), two operands;
            ``"conditioned"``: f(x, arrays), same shape, told by further arrays that are computed elsewhere;
            ``"resizing"``: the output has another shape; ``"complex"``: f(x), complex numbers in or out.
        keeps: what the backward pass keeps: ``"input"``, ``"output"`` (where f' can be told from y without loss)
            or ``"nothing"``, for parameters given as numbers; a learnt one keeps the input besides.
        stochastic: takes ``key``; without a key the deterministic form stated in the docstring.
        peers: the same function elsewhere: ``{"jax": "jax.nn.silu", "torch": "torch.nn.functional.silu"}``.
        differs: where those differ from this function or from one another, in words.
        inexact: exceptions from the promised accuracy.
        requires: what the parameters have to satisfy together: tells what is wrong with their values, ``""`` if
            nothing is; None where any values go together.
    """

    name: str
    family: str
    formula: str
    parameters: tuple[Parameter, ...]
    range: Interval | Callable[[Params], Interval]
    monotonic: bool | Callable[[Params], bool]
    smoothness: str | Callable[[Params], str]
    kinks: tuple[Kink, ...] | Callable[[Params], tuple[Kink, ...]]
    jumps: tuple[Jump, ...] | Callable[[Params], tuple[Jump, ...]]
    lipschitz: float | Callable[[Params], float]
    limits: tuple[float, float] | Callable[[Params], tuple[float, float]]
    turning: tuple[float, ...] | Callable[[Params], tuple[float, ...] | None] | None
    reference: str
    aliases: tuple[str, ...]
    surrogate: str
    kind: str
    keeps: str | Callable[[Params], str]
    stochastic: bool
    peers: tuple[tuple[str, str], ...]
    differs: str
    inexact: tuple[Inexact, ...]
    requires: Callable[[Params], str] | None = None

    @property
    def elementwise(self) -> bool:
        """Whether each output depends on one input alone."""
        return self.kind == "elementwise"

    @property
    def defaults(self) -> dict[str, Value]:
        """The parameters' default values, as in the signature."""
        return {p.name: p.default for p in self.parameters}

    def at(self, **params: Value) -> Spec:
        """Return the facts for given parameter values, the defaults for the others.

        Raises:
            InputError: a parameter is unknown, not a finite number or outside its domain, or the values do not
                go together.

        >>> from actlab import elu
        >>> elu.spec.at(alpha=0.5).limits
        (-0.5, inf)
        """
        values = self.complete(params)
        facts = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "requires"}
        fixed = {name: fact(values) if callable(fact) else fact for name, fact in facts.items()}
        return Spec(**fixed, requires=self.requires)

    def complete(self, params: Mapping[str, Any]) -> dict[str, Value]:
        """Return the values of all parameters, the defaults for those not given.

        Raises:
            InputError: a value cannot be, or the values do not go together.

        >>> from actlab import hard_tanh
        >>> hard_tanh.spec.complete({"max_val": 2})
        {'min_val': -1.0, 'max_val': 2.0}
        """
        values = self.defaults | self.check(params)
        if self.requires and (wrong := self.requires(values)):
            raise InputError(f"{self.name}: {wrong}")
        return values

    def check(self, params: Mapping[str, Any]) -> dict[str, Value]:
        """Return the given parameters as Python values, each checked alone; raise InputError for what cannot be."""
        known = {p.name: p for p in self.parameters}
        for name in params:
            if name not in known:
                raise InputError(f"{self.name} has no parameter {name!r}{suggest(name, known)}")
        return {name: known[name].check(value, f"{self.name}: {name}") for name, value in params.items()}


def real_number(value: Any, where: str) -> float | int:
    """Return ``value`` as a finite Python int or float; raise InputError for anything else."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InputError(f"{where} must be a number, got {short(value)}")
    value = int(value) if isinstance(value, numbers.Integral) else float(value)
    if not math.isfinite(value):
        raise InputError(f"{where} must be finite, got {value!r}")
    return value


def short(value: Any) -> str:
    """Return a value as text of at most 60 characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def below(low: str, high: str) -> Callable[[Params], str]:
    """Return the demand (`Spec.requires`) that one parameter lies below another."""

    def demand(p: Params) -> str:
        return "" if p[low] < p[high] else f"{low} must be below {high}, got {p[low]!r} and {p[high]!r}"

    return demand


def at_least(count: int, name: str) -> Callable[[Params], str]:
    """Return the demand (`Spec.requires`) that a vector has so many coefficients."""

    def demand(p: Params) -> str:
        return "" if len(p[name]) >= count else f"{name} must be at least {count} numbers, got {len(p[name])}"

    return demand


def activation(
    *,
    family: str,
    formula: str,
    range: Any,
    monotonic: Any,
    smoothness: Any,
    lipschitz: Any,
    limits: Any,
    reference: str,
    parameters: Mapping[str, tuple] | None = None,
    kinks: Any = (),
    jumps: Any = (),
    turning: Any = (),
    aliases: tuple[str, ...] = (),
    surrogate: str = "",
    kind: str = "elementwise",
    keeps: Any = "input",
    stochastic: bool = False,
    peers: Mapping[str, str] | None = None,
    differs: str = "",
    inexact: tuple[Inexact, ...] = (),
    requires: Callable[[Params], str] | None = None,
) -> Callable[[Callable], Callable]:
    """Attach a `Spec` to a plain function ``f(x, *, p=default)`` as ``f.spec`` and return that function.

    ``parameters`` gives each keyword parameter's domain and one line about it; the defaults are read from the
    signature, where they are written once. ``key`` and ``where`` are arrays of the call, not parameters.
    The other arguments are the facts of `Spec`.
    """

    def attach(fn: Callable) -> Callable:
        defaults = {
            p.name: p.default
            for p in inspect.signature(fn).parameters.values()
            if p.kind is p.KEYWORD_ONLY and p.name not in CALL_TIME
        }
        told = dict(parameters or {})
        if kind not in KINDS:
            raise TypeError(f"{fn.__name__}: kind must be one of {KINDS}, got {kind!r}")
        if told.keys() != defaults.keys():
            raise TypeError(f"{fn.__name__}: parameters {sorted(told)} but signature has {sorted(defaults)}")
        fn.spec = Spec(
            name=fn.__name__,
            family=family,
            formula=formula,
            parameters=tuple(Parameter(name, default, *told[name]) for name, default in defaults.items()),
            range=range,
            monotonic=monotonic,
            smoothness=smoothness,
            kinks=kinks,
            jumps=jumps,
            lipschitz=lipschitz,
            limits=limits,
            turning=turning,
            reference=reference,
            aliases=aliases,
            surrogate=surrogate,
            kind=kind,
            keeps=keeps,
            stochastic=stochastic,
            peers=tuple((peers or {}).items()),
            differs=differs,
            inexact=inexact,
            requires=requires,
        )
        return fn

    return attach


def spec_of(fn: Callable) -> Spec | None:
    """Return the spec attached to a function, None for a user's own."""
    spec = getattr(fn, "spec", None)
    return spec if isinstance(spec, Spec) else None
