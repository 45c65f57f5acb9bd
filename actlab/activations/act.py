"""An activation as a value: `Act`, from `make`, the only place where a name is looked up."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Iterable
from typing import Any

import jax
from jax import Array
from jax.typing import ArrayLike

from actlab.activations import custom
from actlab.activations.spec import Spec, Value, real_number, short, spec_of
from actlab.errors import InputError, suggest

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
        lean: keep the output and one bit for the backward pass instead of the input; see `actlab.lean`.
        per: one learnt value for the ``"tensor"``, for each ``"channel"`` (last axis) or for each ``"unit"``
            (every position of the feature axes).
    """

    fn: Callable
    name: str
    params: tuple[tuple[str, Any], ...] = ()
    learn: tuple[str, ...] = ()
    per: str = "tensor"
    lean: bool = False

    def __call__(self, *operands: ArrayLike, **overrides: Any) -> Array:
        """Return the function at its operand, ``x`` (``gate, up`` for the gated ones).

        ``overrides`` replace parameters, e.g. by learnt arrays, or give what belongs to the call: a ``key``.
        """
        if self.lean:
            from actlab.activations.lean import rule  # which imports this module

            if given := overrides.keys() & dict(self.params).keys():
                raise InputError(f"{self!r} has {min(given)} fixed: its slope is told from y at that value")
            if not overrides:
                return rule(self)(*operands)
        return self.fn(*operands, **{**dict(self.params), **overrides})

    @property
    def spec(self) -> Spec | None:
        """The facts about the function, None for a user's own."""
        return spec_of(self.fn)

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
        if self.lean:
            told.append("lean=True")
        return f"{self.name}({', '.join(told)})"


def registry() -> dict[str, Callable]:
    """Return every name, aliases included, that `actlab.activations` lists, with its function."""
    listed = importlib.import_module("actlab.activations")  # which imports this module first
    return {name: fn for name, fn in vars(listed).items() if spec_of(fn)}


def names() -> tuple[str, ...]:
    """Return the names of all activations, without aliases.

    >>> "gelu_tanh" in names()
    True
    """
    return tuple(name for name, fn in registry().items() if name == fn.spec.name)


def make(
    name: str | Callable,
    learn: Iterable[str] = (),
    per: str = "tensor",
    lean: bool = False,
    **params: Value,
) -> Act:
    """Return the activation called ``name`` with its parameters set.

    Args:
        name: a listed name or alias; ``"package.module:function"`` for your own function; or the function.
            Your own takes one array and keyword parameters, and is made of `jax.numpy` operations.
        learn: names of parameters to be trained; they start at their values here.
        per: ``"tensor"``, ``"channel"`` or ``"unit"``: how many values a learnt parameter has.
        lean: keep the output and one bit for the backward pass: what `actlab.lean` does, and where it can.
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
        raise InputError(f"{label}: per must be one of {', '.join(map(repr, PER))}, got {short(per)}")
    if isinstance(learn, str) or not isinstance(learn, Iterable):
        raise InputError(f"{label}: learn takes a list of names, as in learn=[{str(learn)!r}]")
    learn = tuple(learn)
    spec = spec_of(fn)
    if spec:
        values = spec.complete(params)
        learnable = [p.name for p in spec.parameters if p.continuous]
    else:
        values = custom.check_params(fn, label, params, learn, real_number)
        learnable = [key for key, value in values.items() if type(value) in (int, float)]
    for key in learn:
        if key not in learnable:
            raise InputError(f"{label} cannot learn {short(key)}{suggest(str(key), learnable)}")
    learnt = tuple(key for key in values if key in learn)
    values = {key: float(v) if key in learnt and not isinstance(v, tuple) else v for key, v in values.items()}
    act = Act(fn, label, tuple(values.items()), learnt, per)
    if not isinstance(lean, bool):
        raise InputError(f"{label}: lean must be true or false, got {short(lean)}")
    if lean:
        from actlab.activations.lean import lean as leaner  # which imports this module

        return leaner(act)
    return act


def _find(name: str | Callable) -> tuple[Callable, str]:
    """Return the function that ``name`` stands for and what to call it."""
    if isinstance(name, Act):
        raise InputError(f"{name!r} is made already; make takes a name or a function")
    known = registry()
    if callable(name):
        spec = spec_of(name)
        listed = spec is not None and known.get(spec.name) is name
        return name, spec.name if listed else custom.label(name)
    if not isinstance(name, str):
        raise InputError(f"an activation is a name or a function, got {short(name)}")
    if ":" in name:
        return custom.load(name), name
    if name not in known:
        hint = suggest(name, known) if name else ""
        raise InputError(f"no activation is called {name!r}{hint} (your own is written 'module:function')")
    return known[name], known[name].spec.name
