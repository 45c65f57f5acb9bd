"""A call with its arguments bound, as a value that compares and hashes by what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Bound:
    """``functools.partial`` that is equal to another of the same function and arguments.

    Two runs of equal configs are then equal values, so they can share one compiled program.

    >>> Bound.of(round, ndigits=1) == Bound.of(round, ndigits=1)
    True
    >>> Bound.of(round, ndigits=1)(2.34)
    2.3
    """

    function: Callable[..., Any]
    keywords: tuple[tuple[str, Any], ...] = ()

    @staticmethod
    def of(function: Callable[..., Any], **keywords: Any) -> Bound:
        """Bind keyword arguments; lists become tuples."""
        items = ((k, tuple(v) if isinstance(v, list) else v) for k, v in sorted(keywords.items()))
        return Bound(function, tuple(items))

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Call the function."""
        return self.function(*args, **dict(self.keywords), **keywords)
