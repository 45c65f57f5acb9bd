"""The compiled programs: `observing.read` and `observing.write` over several texts side by side.

Shapes: B texts, T tokens of each.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from actlab.inspection.decoder import Kept
from actlab.inspection.observing import Read, read, write
from actlab.inspection.sampling import Filters


class Graph:
    """A module's structure as a static argument: equal where modules are, and hashed once, which takes long."""

    def __init__(self, definition: nnx.GraphDef):
        self.definition = definition
        self._hash = hash(definition)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Graph) and self._hash == other._hash and self.definition == other.definition
        )


# Over several texts all but weights, filters and edits is theirs alone. One text is not mapped: products with a
# single vector are quicker than with a matrix of one row.
def _over_texts(f: Any, several: int, axes: tuple[int | None, ...], *arguments: Any) -> Any:
    if several > 1:
        return jax.vmap(f, in_axes=axes)(*arguments)
    own = [
        x if axis is None else jax.tree.map(lambda v: v[0], x)
        for x, axis in zip(arguments, axes, strict=True)
    ]
    return jax.tree.map(lambda v: v[None], f(*own))


@partial(jax.jit, static_argnames=("graph", "room", "several"))
def empty(graph: Graph, weights: nnx.State, room: int, several: int) -> list[Kept]:
    """Return empty keys and values for ``several`` texts of ``room`` positions."""
    made = nnx.merge(graph.definition, weights).room(room)
    return jax.tree.map(lambda x: jnp.zeros((several, *x.shape), x.dtype), made)


@partial(jax.jit, static_argnames=("graph", "capture"), donate_argnames="kept")
def read_texts(graph, weights, kept, tokens, known, start, last, by: Filters, edits, capture) -> Read:
    """Return what `read` does of tokens (B, T) that begin at ``start``, see there."""
    model = nnx.merge(graph.definition, weights)

    def one(kept, tokens, known, last):
        return read(model, kept, tokens, known, start, last, by, edits, capture)

    return _over_texts(one, tokens.shape[0], (0, 0, 0, 0), kept, tokens, known, last)


@partial(jax.jit, static_argnames=("graph", "capture", "steps"), donate_argnames="kept")
def write_texts(graph, weights, kept, token, start, by: Filters, edits, capture, steps):
    """Return what `write` does after tokens (B,) at the positions ``start`` (B,), see there."""
    model = nnx.merge(graph.definition, weights)

    def one(kept, token, start):
        return write(model, kept, token, start, by, edits, capture, steps)

    return _over_texts(one, token.shape[0], (0, 0, 0), kept, token, start)
