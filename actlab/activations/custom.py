"""A user's own function, named ``"package.module:function"``: finding it and checking its parameters."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from actlab.errors import InputError, suggest


def load(name: str) -> Callable:
    """Import the function called ``"package.module:function"``.

    Raises:
        InputError: the module cannot be imported, has no such attribute, or that is not callable.
    """
    module_name, _, path = name.partition(":")
    if not module_name or not path or module_name.startswith("."):
        raise InputError(f"{name!r}: your own function is written 'package.module:function'")
    try:
        found = importlib.import_module(module_name)
    except Exception as error:  # whatever the user's module raises while it runs
        hint = "; is its folder on PYTHONPATH?" if isinstance(error, ModuleNotFoundError) else ""
        raise InputError(f"{name!r}: cannot import {module_name}: {one_line(error)}{hint}") from error
    for part in path.split("."):
        if not hasattr(found, part):
            public = [attribute for attribute in dir(found) if not attribute.startswith("_")]
            raise InputError(f"{name!r}: {module_name} has no {part!r}{suggest(part, public)}")
        found = getattr(found, part)
    if not callable(found):
        raise InputError(f"{name!r} is {type(found).__name__}, not a function of one array")
    return found


def label(fn: Callable) -> str:
    """Return the name a function given as such goes by: as `load` would take it."""
    name = getattr(fn, "__qualname__", None) or type(fn).__name__
    return f"{getattr(fn, '__module__', None) or 'builtins'}:{name}"


def check_params(
    fn: Callable,
    name: str,
    params: Mapping[str, Any],
    learn: tuple[str, ...],
    real_number: Callable[[Any, str], float | int],
) -> dict[str, Any]:
    """Return ``fn``'s parameters in the order of its signature: numbers by default, and all that are given.

    Raises:
        InputError: ``fn`` does not take one array positionally, a parameter is unknown, missing or no
            hashable value, or a number is not finite.
    """
    try:
        signature = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):  # some compiled callables tell nothing
        signature = [
            inspect.Parameter("x", inspect.Parameter.POSITIONAL_ONLY),
            inspect.Parameter("params", inspect.Parameter.VAR_KEYWORD),
        ]
    takes_array = signature and signature[0].kind in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    if not takes_array:
        raise InputError(f"{name} must take one array as its first, positional argument, as f(x, *, p=1.0)")
    others = [p for p in signature[1:] if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    keywords = {p.name: p.default for p in others if p.kind is not p.POSITIONAL_ONLY}
    anything = any(p.kind is p.VAR_KEYWORD for p in signature)
    for key in params:
        if key not in keywords and not anything:
            raise InputError(f"{name} has no parameter {key!r}{suggest(key, keywords)}")
    for p in others:
        if p.default is p.empty and p.name not in params:
            how = f"give {p.name}=..." if p.name in keywords else "it must be a keyword parameter"
            raise InputError(f"{name} also needs a value for {p.name!r}: {how}")

    values = {key: params.get(key, default) for key, default in keywords.items()}
    values |= {key: params[key] for key in sorted(params) if key not in keywords}
    kept = {}
    for key, value in values.items():
        if key in learn or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            kept[key] = real_number(value, f"{name}: {key}")
        elif key in params:
            try:
                hash(value)
            except TypeError:
                kind = type(value).__name__
                raise InputError(
                    f"{name}: {key} must be a number or another hashable value, got {kind}"
                ) from None
            kept[key] = value
    return kept


def one_line(error: BaseException) -> str:
    """Return the type of an exception and the first line of its message, shortened."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    first = first if len(first) <= 160 else f"{first[:157]}..."
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
