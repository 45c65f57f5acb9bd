"""Many texts through a language model, without a cache: windows of tokens side by side.

Shapes: B windows, T tokens of each, L blocks, F units, V tokens there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from actlab.errors import InputError
from actlab.inspection.decoder import Decoder
from actlab.inspection.interventions import Edits
from actlab.inspection.language_model import LanguageModel
from actlab.inspection.measures import heads, vector
from actlab.inspection.programs import Graph


class Windows(NamedTuple):
    """Some windows: tokens and which are no padding (B, T), the number of the text each is of (B,), -1 for none."""

    tokens: np.ndarray
    valid: np.ndarray
    text: np.ndarray


class Units(NamedTuple):
    """What the MLPs' units do on every token, (B, L, T, F): pre-, post-activation and output."""

    pre: jax.Array
    post: jax.Array
    value: jax.Array


def windows(
    lm: LanguageModel, texts: Iterable[str], *, window: int, batch: int, whole: bool = True
) -> Iterator[Windows]:
    """Yield the tokens of texts, cut into windows side by side; a text is read when it is needed.

    Args:
        lm: the model.
        texts: any number of them.
        window: T.
        batch: B.
        whole: all of each text; else its first window alone.

    Raises:
        InputError: sizes that cannot be, or no text with two tokens.

    """
    if isinstance(texts, str):
        raise InputError("texts: takes several, like [text]")
    if not isinstance(window, int) or not 2 <= window <= lm.architecture.context:
        raise InputError(
            f"window={window}: must be from 2 to the model's {lm.architecture.context:,} positions"
        )
    if not isinstance(batch, int) or batch < 1:
        raise InputError(f"batch={batch}: must be an integer >= 1")
    waiting: list[tuple[int, list[int]]] = []
    some = False
    for number, text in enumerate(texts):
        ids = lm.tokenizer.encode(text) if text else []
        for begin in range(0, len(ids) if whole else min(len(ids), window), window):
            part = ids[begin : begin + window]
            if len(part) > 1:  # of one token nothing is foretold
                waiting.append((number, part))
                some = True
            if len(waiting) == batch:
                yield _stacked(waiting, window, batch)
                waiting = []
    if waiting:
        yield _stacked(waiting, window, batch)
    if not some:
        raise InputError("there is no text of two tokens to read")


def _stacked(parts: list[tuple[int, list[int]]], window: int, batch: int) -> Windows:
    tokens, valid = np.zeros((batch, window), np.int32), np.zeros((batch, window), bool)
    text = np.full(batch, -1)
    for i, (number, ids) in enumerate(parts):
        tokens[i, : len(ids)], valid[i, : len(ids)], text[i] = ids, True, number
    return Windows(tokens, valid, text)


def _pass(model: Decoder, tokens: jax.Array, edits: Edits) -> tuple[jax.Array, Units, jax.Array]:
    """Return logits (T, V), units (L, T, F) and entropies of attention (L, H, T) of one window."""
    taken: dict[str, list[jax.Array]] = {}

    def see(_: int, site: str, x: jax.Array) -> None:
        taken.setdefault(site, []).append(x)

    n = tokens.shape[0]
    logits, _ = model(tokens, model.room(n), jnp.arange(n), edits, see)
    out = "mlp.post" if model.architecture.mlp == "gated" else "mlp.act.post"
    units = Units(*(jnp.stack(taken[site]) for site in ("mlp.act.pre", "mlp.act.post", out)))
    scores, weights = (jnp.stack(taken[f"attention.{name}"]) for name in ("scores", "weights"))
    return logits, units, heads(scores, weights, jnp.arange(n)).entropy


@partial(jax.jit, static_argnames="graph")
def units_of(graph: Graph, weights: nnx.State, tokens: jax.Array, edits: Edits) -> Units:
    """Return what the units do on windows (B, T)."""
    model = nnx.merge(graph.definition, weights)
    return jax.vmap(lambda ids: _pass(model, ids, edits)[1])(tokens)


@partial(jax.jit, static_argnames="graph")
def surprisal_of(graph: Graph, weights: nnx.State, tokens: jax.Array, edits: Edits) -> jax.Array:
    """Return nats of every token but the first of windows (B, T): (B, T - 1)."""
    model = nnx.merge(graph.definition, weights)
    return jax.vmap(lambda ids: _surprisal(_pass(model, ids, edits)[0], ids))(tokens)


def _surprisal(logits: jax.Array, ids: jax.Array) -> jax.Array:
    own = jnp.take_along_axis(logits[:-1], ids[1:, None], -1)[:, 0]
    return jax.nn.logsumexp(logits[:-1], -1) - own


class Behaviour(NamedTuple):
    """What a block does on average over tokens, each (L,)."""

    surprisal: jax.Array  # (), of the model
    zeros: jax.Array
    inactive: jax.Array
    participation: jax.Array
    attention: jax.Array


@partial(jax.jit, static_argnames="graph")
def behaviour_of(
    graph: Graph, weights: nnx.State, tokens: jax.Array, valid: jax.Array
) -> tuple[Behaviour, jax.Array]:
    """Return sums over the tokens of windows (B, T) after each one's first, and how many those are.

    ``zeros``: share of units with output 0; ``inactive``: with |output| below 1 % of the largest; ``participation``
    of outputs, 0 where all are; ``attention``: entropy in nats, mean over heads.
    """
    model = nnx.merge(graph.definition, weights)

    def one(ids, valid):
        logits, units, entropy = _pass(model, ids, {})
        counts = valid.at[0].set(False).astype(jnp.float32)
        size = jnp.abs(units.value)
        measures = vector(units.value)
        each = Behaviour(
            jnp.pad(_surprisal(logits, ids), (1, 0))[None],
            jnp.mean(size == 0, -1, dtype=jnp.float32),
            jnp.mean(size < 0.01 * jnp.max(size, -1, keepdims=True), -1, dtype=jnp.float32),
            jnp.where(measures.largest == 0, 0.0, measures.participation),
            jnp.mean(entropy, 1),
        )
        return jax.tree.map(lambda x: jnp.sum(x * counts, -1), each), jnp.sum(counts)

    sums, counts = jax.vmap(one)(tokens, valid)
    return jax.tree.map(lambda x: jnp.sum(x, 0), sums), jnp.sum(counts)
