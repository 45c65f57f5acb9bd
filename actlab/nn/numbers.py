"""Numbers a model is made with that a compiled program takes as inputs, so that one program serves them all.

A model asks `number` for each; whoever builds it inside a compiled program may answer with a traced value
(`given`). What a model needs after it is built, it keeps as a `Number`, a variable beside its parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import jax
import jax.numpy as jnp
from flax import nnx


class Number(nnx.Variable):
    """A number that is no parameter: it is not trained, but two models may differ in it alone."""


_GIVEN: ContextVar[tuple[Mapping[str, jax.Array], set[str]] | None] = ContextVar("given", default=None)


@contextmanager
def given(numbers: Mapping[str, jax.Array]) -> Iterator[set[str]]:
    """Answer `number` from ``numbers`` while a model is built; gives the names that were asked for.

    >>> with given({"model.gain": jnp.float32(3.0)}) as asked:
    ...     print(number("model.gain", 1.0), number("model.other", 2.0), sorted(asked))
    3.0 2.0 ['model.gain', 'model.other']
    """
    asked: set[str] = set()
    token = _GIVEN.set((numbers, asked))
    try:
        yield asked
    finally:
        _GIVEN.reset(token)


def number(name: str, value: float) -> float | jax.Array:
    """Return the number called ``name`` (``model.<key>`` or ``activation.<parameter>``) that a model is to use.

    That is ``value``, or what a compiled program was handed in its stead: the same number, traced.
    """
    answer = _GIVEN.get()
    if answer is None:
        return value
    numbers, asked = answer
    asked.add(name)
    return numbers.get(name, value)


def kept(name: str, value: float) -> Number:
    """Return the number called ``name`` as a variable, float32, for a model to keep.

    >>> float(kept("model.dropout", 0.5)[...])
    0.5
    """
    return Number(jnp.asarray(number(name, value), jnp.float32))
