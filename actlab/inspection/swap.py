"""Another activation in a model trained with its own: what it costs, in each block alone and in all."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from actlab.activations import Act, make
from actlab.errors import InputError
from actlab.inspection.language_model import LanguageModel
from actlab.inspection.programs import Graph
from actlab.inspection.windows import Behaviour, Windows, behaviour_of, windows
from actlab.nn.activation import misfit

NARROW = {
    "bfloat16": jnp.bfloat16,
    "float16": jnp.float16,
    "float8_e4m3fn": jnp.float8_e4m3fn,
    "float8_e5m2": jnp.float8_e5m2,
}


class Either(nnx.Module):
    """One of two activations, which is data: one program for every block in which they may be exchanged."""

    def __init__(self, old: Act, new: Any):
        self.old, self.new = old, new
        self.chosen = nnx.Variable(jnp.zeros((), bool))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the post-activations of ``x``."""
        return jnp.where(self.chosen[...], self.new(x), self.old(x))


@dataclasses.dataclass(frozen=True)
class Narrow:
    """An activation whose operand and result are rounded to a narrow dtype."""

    act: Act
    dtype: str

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return f(x) rounded, in the dtype of ``x``."""
        narrow = NARROW[self.dtype]
        return self.act(x.astype(narrow).astype(x.dtype)).astype(narrow).astype(x.dtype)


@dataclasses.dataclass(frozen=True)
class Swap:
    """What another activation changes.

    Args:
        model: name of the model.
        old: its activations by block.
        new: the other.
        tokens: so many were foretold.
        loss: nats a token as trained.
        swapped_loss: with the other in all blocks.
        block_loss: with the other in one block alone (L,).
        before, after: by block, as trained and with the other in all: ``zeros``, ``inactive``, ``participation``,
            ``attention`` (L,), see `actlab.inspection.windows.behaviour_of`.

    """

    model: str
    old: tuple[str, ...]
    new: str
    tokens: int
    loss: float
    swapped_loss: float
    block_loss: np.ndarray
    before: dict[str, np.ndarray]
    after: dict[str, np.ndarray]


def swap(
    lm: LanguageModel,
    texts: Sequence[str],
    act: Act | str | Any = None,
    *,
    precision: str | None = None,
    window: int = 128,
    batch: int = 4,
) -> Swap:
    """Return what happens to loss, sparsity and attention when a trained model gets another activation.

    Args:
        lm: the model.
        texts: what it foretells; each token but the first of a window of ``window`` counts once.
        act: the other activation, None for the model's own.
        precision: round what goes in and comes out to ``bfloat16``, ``float16``, ``float8_e4m3fn`` or
            ``float8_e5m2``.
        window: tokens of a window.
        batch: windows at a time.

    Raises:
        InputError: neither activation nor precision, one that cannot stand there, or nothing to read.

    """
    if act is None and precision is None:
        raise InputError("swap: name another activation, or a precision to round to")
    if precision is not None and precision not in NARROW:
        raise InputError(f"precision={precision!r}: must be one of {', '.join(NARROW)}")
    given = None if act is None else act if isinstance(act, Act) else make(act)
    if given is not None and given.spec is not None and (why := misfit(given.spec)):
        raise InputError(why)
    a = lm.architecture
    model = nnx.merge(lm.graph.definition, lm.weights)
    for block in model.blocks:
        own = given or block.act
        block.act = nnx.data(Either(block.act, own if precision is None else Narrow(own, precision)))
    parts = list(windows(lm, texts, window=window, batch=batch))
    none, every = np.zeros(a.depth, bool), np.ones(a.depth, bool)
    before, count = _behaviour(model, parts, none)
    after, _ = _behaviour(model, parts, every)
    alone = [float(_behaviour(model, parts, np.arange(a.depth) == i)[0].surprisal) for i in range(a.depth)]
    names = ("zeros", "inactive", "participation", "attention")
    said = [] if given is None else [given.name + (" lean" if given.lean else "")]
    return Swap(
        model=lm.name,
        old=tuple(act.name for act in a.act),
        new=" in ".join([*(said or ["its own"]), *([precision] if precision else [])]),
        tokens=int(count),
        loss=float(before.surprisal),
        swapped_loss=float(after.surprisal),
        block_loss=np.asarray(alone),
        before={name: np.asarray(getattr(before, name)) for name in names},
        after={name: np.asarray(getattr(after, name)) for name in names},
    )


def _behaviour(model: Any, parts: Sequence[Windows], chosen: np.ndarray) -> tuple[Behaviour, float]:
    for block, flag in zip(model.blocks, chosen, strict=True):
        block.act.chosen[...] = jnp.asarray(flag)
    definition, weights = nnx.split(model)
    graph = Graph(definition)
    total: Behaviour | None = None
    count = 0.0
    for part in parts:
        sums, n = jax.device_get(behaviour_of(graph, weights, part.tokens, part.valid))
        sums = jax.tree.map(lambda x: np.asarray(x, np.float64), sums)
        total = sums if total is None else jax.tree.map(np.add, total, sums)
        count += float(n)
    return jax.tree.map(lambda x: np.squeeze(x / count), total), count
