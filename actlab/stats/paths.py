"""Which module an equation of a traced Flax model came from, told by named scopes."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Sequence
from functools import lru_cache
from inspect import getattr_static
from typing import Any

import jax
from flax import linen, nnx

_MARK = re.compile(r"actlab=([^;]*);")
_WORD = re.compile(r"[A-Za-z_]\w*")


def scope(path: Sequence[Any]) -> Any:
    """Return the context in which equations belong to the module at ``path``."""
    return jax.named_scope(f"actlab={'.'.join(map(str, path))};")


def module_path(scopes: Sequence[str]) -> str:
    """Return ``"blocks.0.mlp"`` from the name stacks of an equation and of those around it, outermost first.

    The innermost module counts; scopes that the user opened in it follow.
    """
    whole = re.sub(r"\w+\(|\)", "", "/".join(s for s in scopes if s))  # vmap(a/b) -> a/b
    marks = list(_MARK.finditer(whole))
    start, path = (marks[-1].end(), marks[-1].group(1)) if marks else (0, "")
    own = [part for part in whole[start:].split("/") if _WORD.fullmatch(part)]
    return ".".join([path] * bool(path) + own)


def linen_scopes() -> Any:
    """Return the context in which every method of a linen module runs in its module's scope."""

    def within(method, args, kwargs, context):
        with scope(context.module.path):
            return method(*args, **kwargs)

    return linen.intercept_methods(within)


def scoped_copy(nodes: list[Any]) -> tuple[Any, Any]:
    """Return ``nnx.split`` of a copy of ``nodes`` whose modules run in the scope of their path in their node.

    Each module of the copy is of a subclass of its class, which knows the path: classes survive split and merge,
    and with them what `nnx.remat`, `nnx.scan` or the model itself makes of its parts. The user's own classes and
    objects stay as they are.
    """
    copy = nnx.merge(*nnx.split(nodes))
    for path, module in list(nnx.iter_modules(copy)):
        known = _at(type(module), tuple(path)[1:])
        if known is not None:
            object.__setattr__(module, "__class__", known)
    return nnx.split(copy)


@lru_cache(maxsize=4096)  # a class is registered with jax for good: make it once
def _at(cls: type, path: tuple[Any, ...]) -> type | None:
    """Return the subclass whose public methods run in the scope of ``path``; None where there are none."""
    own = [c for c in cls.__mro__ if c not in nnx.Module.__mro__]
    names = {
        n
        for c in own
        for n, f in vars(c).items()
        if n == "__call__" or (isinstance(f, types.FunctionType) and n[0] != "_")
    }
    if not names:
        return None
    body = {name: _within(cls, name, path) for name in names}
    body |= {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    return types.new_class(cls.__name__, (cls,), {}, lambda ns: ns.update(body))


def _within(cls: type, name: str, path: tuple[Any, ...]) -> Callable[..., Any]:
    method = getattr_static(cls, name)

    def run(self, *args, **kwargs):
        with scope(path):
            return method.__get__(self, type(self))(*args, **kwargs)

    run.__name__ = name
    return run
