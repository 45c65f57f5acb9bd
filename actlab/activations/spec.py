"""What is known about an activation (`Spec`), and an activation as a value (`Act`, from `make`)."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import math
import numbers
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
from jax import Array
from jax.typing import ArrayLike

from actlab.activations import custom
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


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A keyword parameter of an activation: a real number, or an integer where the default is one."""

    name: str
    default: float | int
    domain: Interval
    doc: str

    @property
    def continuous(self) -> bool:
        """Whether the parameter can be learnt by gradient."""
        return not isinstance(self.default, int)


@dataclasses.dataclass(frozen=True)
class Kink:
    """A point where the derivative jumps from ``left`` to ``right``; autodiff returns ``chosen`` there."""

    at: float
    left: float
    right: float
    chosen: float


Params = Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Spec:
    """The facts about an activation. A fact may be a function of the parameters: `at` resolves it.

    Attributes:
        formula: plain text in ``x`` and the parameters.
        range: values taken on finite inputs.
        monotonic: never decreasing.
        smoothness: the last continuous derivative, ``"C0"``, ``"C1"``, ..., ``"Cinf"``.
        kinks: jumps of the first derivative.
        lipschitz: the smallest Lipschitz constant, inf where there is none.
        limits: values at -inf and at +inf.
        turning: where a smooth function, or a kink, turns from falling to rising or back.
        elementwise: whether each output depends on one input alone.
    """

    name: str
    family: str
    formula: str
    parameters: tuple[Parameter, ...]
    range: Interval | Callable[[Params], Interval]
    monotonic: bool | Callable[[Params], bool]
    smoothness: str | Callable[[Params], str]
    kinks: tuple[Kink, ...] | Callable[[Params], tuple[Kink, ...]]
    lipschitz: float | Callable[[Params], float]
    limits: tuple[float, float] | Callable[[Params], tuple[float, float]]
    turning: tuple[float, ...] | Callable[[Params], tuple[float, ...]]
    reference: str
    aliases: tuple[str, ...]
    elementwise: bool

    @property
    def defaults(self) -> dict[str, float | int]:
        """The parameters' default values, as in the signature."""
        return {p.name: p.default for p in self.parameters}

    def at(self, **params: float) -> Spec:
        """Return the facts for given parameter values, the defaults for the others.

        Raises:
            InputError: a parameter is unknown, not a finite number or outside its domain.

        >>> from actlab import elu
        >>> elu.spec.at(alpha=0.5).limits
        (-0.5, inf)
        """
        values = self.defaults | self.check(params)
        fixed = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return Spec(**{name: fact(values) if callable(fact) else fact for name, fact in fixed.items()})

    def check(self, params: Mapping[str, Any]) -> dict[str, float | int]:
        """Return the given parameters as Python numbers; raise InputError for what cannot be."""
        known = {p.name: p for p in self.parameters}
        checked = {}
        for name, value in params.items():
            if name not in known:
                raise InputError(f"{self.name} has no parameter {name!r}{suggest(name, known)}")
            parameter, where = known[name], f"{self.name}: {name}"
            value = real_number(value, where)
            if parameter.continuous:
                value = float(value)
            elif not isinstance(value, int):
                raise InputError(f"{where} must be an integer, got {value!r}")
            if value not in parameter.domain:
                raise InputError(f"{where} must be in {parameter.domain}, got {value!r}")
            checked[name] = value
        return checked


def real_number(value: Any, where: str) -> float | int:
    """Return ``value`` as a finite Python int or float; raise InputError for anything else."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InputError(f"{where} must be a number, got {_short(value)}")
    value = int(value) if isinstance(value, numbers.Integral) else float(value)
    if not math.isfinite(value):
        raise InputError(f"{where} must be finite, got {value!r}")
    return value


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


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
    parameters: Mapping[str, tuple[Interval, str]] | None = None,
    kinks: Any = (),
    turning: Any = (),
    aliases: tuple[str, ...] = (),
    elementwise: bool = True,
) -> Callable[[Callable], Callable]:
    """Attach a `Spec` to a plain function ``f(x, *, p=default)`` as ``f.spec`` and return that function.

    ``parameters`` gives each keyword parameter's domain and one line about it; the defaults are read from the
    signature, where they are written once. The other arguments are the facts of `Spec`.
    """

    def attach(fn: Callable) -> Callable:
        defaults = {
            p.name: p.default for p in inspect.signature(fn).parameters.values() if p.kind is p.KEYWORD_ONLY
        }
        told = dict(parameters or {})
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
            lipschitz=lipschitz,
            limits=limits,
            turning=turning,
            reference=reference,
            aliases=aliases,
            elementwise=elementwise,
        )
        return fn

    return attach


PER = ("tensor", "channel", "unit")


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True, repr=False)
class Act:
    """An activation function with its parameter values: what configs name and models receive.

    Hashable and equal for equal choices, so that it can be a static argument of `jax.jit` without retracing;
    as a pytree it has no leaves. Made by `make`, which checks; the fields are not checked again.

    Attributes:
        fn: the plain function.
        name: what `make` was asked for, aliases resolved.
        params: every parameter and its value, in the order of the signature.
        learn: the parameters a layer turns into trainable ones, starting from ``params``.
        per: one learnt value for the ``"tensor"``, for each ``"channel"`` (last axis) or for each ``"unit"``
            (every position of the feature axes).
    """

    fn: Callable
    name: str
    params: tuple[tuple[str, Any], ...] = ()
    learn: tuple[str, ...] = ()
    per: str = "tensor"

    def __call__(self, x: ArrayLike, **overrides: Any) -> Array:
        """Return the function at ``x``; ``overrides`` replace parameters, e.g. by learnt arrays."""
        return self.fn(x, **{**dict(self.params), **overrides})

    @property
    def spec(self) -> Spec | None:
        """The facts about the function, None for a user's own."""
        return _spec_of(self.fn)

    @property
    def elementwise(self) -> bool:
        """Whether each output depends on one input alone; tried out for a user's own function."""
        if self.spec is not None:
            return self.spec.elementwise
        from actlab.activations.trial import is_elementwise  # which imports this module

        return is_elementwise(self)

    def __repr__(self) -> str:
        told = [f"{name}={value!r}" for name, value in self.params]
        if self.learn:
            told += [f"learn={list(self.learn)}", f"per={self.per!r}"]
        return f"{self.name}({', '.join(told)})"


def _spec_of(fn: Callable) -> Spec | None:
    spec = getattr(fn, "spec", None)
    return spec if isinstance(spec, Spec) else None


def registry() -> dict[str, Callable]:
    """Return every name, aliases included, that `actlab.activations` lists, with its function."""
    listed = importlib.import_module("actlab.activations")  # which imports this module first
    return {name: fn for name, fn in vars(listed).items() if _spec_of(fn)}


def names() -> tuple[str, ...]:
    """Return the names of all activations, without aliases.

    >>> "gelu_tanh" in names()
    True
    """
    return tuple(name for name, fn in registry().items() if name == fn.spec.name)


def make(name: str | Callable, learn: Iterable[str] = (), per: str = "tensor", **params: float | int) -> Act:
    """Return the activation called ``name`` with its parameters set.

    Args:
        name: a listed name or alias; ``"package.module:function"`` for your own function; or the function.
            Your own takes one array and keyword parameters, and is made of `jax.numpy` operations.
        learn: names of parameters to be trained; they start at their values here.
        per: ``"tensor"``, ``"channel"`` or ``"unit"``: how many values a learnt parameter has.
        params: parameter values.

    Raises:
        InputError: one line that says which of these cannot be, and what could.

    >>> make("leaky_relu", negative_slope=0.2)
    leaky_relu(negative_slope=0.2)
    >>> make("swish", learn=["beta"], per="channel")
    swish(beta=1.0, learn=['beta'], per='channel')
    """
    fn, label = _find(name)
    if per not in PER:
        raise InputError(f"{label}: per must be one of {', '.join(map(repr, PER))}, got {_short(per)}")
    if isinstance(learn, str) or not isinstance(learn, Iterable):
        raise InputError(f"{label}: learn takes a list of names, as in learn=[{str(learn)!r}]")
    learn = tuple(learn)
    spec = _spec_of(fn)
    if spec:
        values = spec.defaults | spec.check(params)
        learnable = [p.name for p in spec.parameters if p.continuous]
    else:
        values = custom.check_params(fn, label, params, learn, real_number)
        learnable = [key for key, value in values.items() if type(value) in (int, float)]
    for key in learn:
        if key not in learnable:
            raise InputError(f"{label} cannot learn {_short(key)}{suggest(str(key), learnable)}")
    learnt = tuple(key for key in values if key in learn)
    values = {key: float(value) if key in learnt else value for key, value in values.items()}
    return Act(fn, label, tuple(values.items()), learnt, per)


def _find(name: str | Callable) -> tuple[Callable, str]:
    """Return the function that ``name`` stands for and what to call it."""
    if isinstance(name, Act):
        raise InputError(f"{name!r} is made already; make takes a name or a function")
    known = registry()
    if callable(name):
        spec = _spec_of(name)
        listed = spec is not None and known.get(spec.name) is name
        return name, spec.name if listed else custom.label(name)
    if not isinstance(name, str):
        raise InputError(f"an activation is a name or a function, got {_short(name)}")
    if ":" in name:
        return custom.load(name), name
    if name not in known:
        hint = suggest(name, known) if name else ""
        raise InputError(f"no activation is called {name!r}{hint} (your own is written 'module:function')")
    return known[name], known[name].spec.name
