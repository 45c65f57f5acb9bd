"""One pass of the decoder with everything that is asked for recorded beside it.

Shapes: T tokens read now, S positions kept, L blocks looked at, W width of a site, H heads, V tokens there are, k
units or candidates. Everything that is returned has T first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actlab.activations import Act
from actlab.inspection.architecture import Architecture
from actlab.inspection.capture import Capture
from actlab.inspection.decoder import Decoder, Kept
from actlab.inspection.interventions import Edits
from actlab.inspection.measures import Heads, Vector, distribution, heads, vector
from actlab.inspection.sampling import Filters, draw, filtered
from actlab.stats.sites import SATURATION, steepest

LENS_CANDIDATES = 5
TOGETHER = 10  # so many blocks are measured together
Seen = dict[str, jax.Array]
Taken = dict[str, dict[int, jax.Array]]  # a site's values by block


class Read(NamedTuple):
    """What a pass leaves: records with T first, see `named`, the token drawn after the last, and what is kept."""

    seen: Seen
    drawn: jax.Array
    kept: list[Kept]


def read(
    model: Decoder,
    kept: list[Kept],
    tokens_T: jax.Array,
    next_T: jax.Array,
    start: jax.Array,
    last: jax.Array,
    by: Filters,
    edits: Edits,
    capture: Capture,
) -> Read:
    """Read tokens at the positions ``start`` and on; the token after the one at index ``last`` is drawn.

    Args:
        model: the decoder.
        kept: keys and values of what was read before.
        tokens_T: the tokens, what is after index ``last`` is padding and its records mean nothing.
        next_T: the token that comes after each, where it is known, else -1.
        start: position of the first.
        last: index of the last that is no padding.
        by: how the next token is chosen.
        edits: what is changed inside, see `actlab.inspection.interventions`.
        capture: what is recorded.

    """
    at_T = start + jnp.arange(tokens_T.shape[0])
    taken: Taken = defaultdict(dict)

    def see(block: int, site: str, x: jax.Array) -> None:
        taken[site][block] = x

    logits_TxV, kept = model(tokens_T, kept, at_T, edits, see)
    left_V = filtered(logits_TxV[last], by)
    drawn = draw(left_V, by, at_T[last])
    next_T = jnp.where(next_T < 0, jnp.where(jnp.arange(next_T.shape[0]) == last, drawn, 0), next_T)
    a, k = model.architecture, capture.candidates
    if next_T.shape[0] == 1:
        seen = {name: x[None] for name, x in _of_next(logits_TxV[0], left_V, next_T[0], k).items()}
    else:  # one row after another: the logits of many would not stay in a cache
        seen = jax.lax.map(
            lambda row: _of_next(row[0], filtered(row[0], by), row[1], k), (logits_TxV, next_T)
        )
    seen |= _of_sites(a, capture, taken)
    if capture.units:
        seen |= _of_units(a, capture.units, taken)
    if capture.heads:
        attention = (taken["attention.scores"], taken["attention.weights"])
        several = _by_block(lambda s, w: jnp.stack(heads(s, w, at_T), -3), *attention)  # (L, M, H, T)
        seen["heads"] = jnp.transpose(several, (3, 1, 0, 2))
    for i in capture.rows:
        seen[f"rows.{i}"] = jnp.moveaxis(taken["attention.weights"][i], 1, 0)
    if capture.lens:
        seen |= _of_lens(model, capture.lens, taken["resid_post"], logits_TxV, next_T)
    return Read(seen, drawn, kept)


def write(
    model: Decoder,
    kept: list[Kept],
    token: jax.Array,
    start: jax.Array,
    by: Filters,
    edits: Edits,
    capture: Capture,
    steps: int,
) -> tuple[Seen, jax.Array, list[Kept]]:
    """Read ``token``, draw the next and read that, ``steps`` times in one scan; return the tokens drawn too."""

    def step(carry: tuple[jax.Array, list[Kept]], at: jax.Array):
        token, kept = carry
        got = read(
            model, kept, token[None], jnp.full(1, -1), at, jnp.zeros((), jnp.int32), by, edits, capture
        )
        return (got.drawn, got.kept), ({name: x[0] for name, x in got.seen.items()}, got.drawn)

    (_, kept), (seen, drawn) = jax.lax.scan(step, (token, kept), start + jnp.arange(steps))
    return seen, drawn, kept


def _of_next(logits: jax.Array, left: jax.Array, following: jax.Array, k: int) -> Seen:
    """Return what is said of the token after one: raw and filtered distribution (V,), and the one that came."""

    def of_token(x: jax.Array) -> jax.Array:
        return x[following] - jax.nn.logsumexp(x)

    raw, kept = distribution(logits, k), distribution(left, k)
    return {
        "next.token": following,
        "next.log_probability": of_token(logits),
        "next.filtered_log_probability": of_token(left),
        "next.rank": 1 + jnp.sum(logits > logits[following], dtype=jnp.int32),
        **{f"next.{name}": x for name, x in raw._asdict().items()},
        **{f"next.filtered_{name}": x for name, x in kept._asdict().items()},
    }


def _of_sites(a: Architecture, capture: Capture, taken: Taken) -> Seen:
    seen: Seen = {}
    measured = capture.measured(a)
    for width, places in alike(a, measured).items():
        # all vectors of one width together: small operations are dear, on every backend
        several = _each(
            lambda x: jnp.stack(vector(x), -2),
            [(taken[site][i],) for site, i in places],
            [i for _, i in places],
        )
        seen[f"sites.{width}"] = jnp.transpose(several, (2, 1, 0))  # (N, M, T)
    if blocks := measured.get("mlp.act.pre"):
        seen["site.mlp.act.pre.saturated"] = _saturated(a, blocks, taken["mlp.act.pre"])
    for site, blocks in capture.kept(a).items():
        seen[f"values.{site}"] = jnp.stack([taken[site][i] for i in blocks], 1)
    return seen


def alike(a: Architecture, measured: Mapping[str, Sequence[int]]) -> dict[int, list[tuple[str, int]]]:
    """Return the sites with their blocks whose vectors are of one width, by it, in the order they are recorded."""
    places: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for site, blocks in measured.items():
        places[a.sites[site]] += [(site, i) for i in blocks]
    return places


def named(seen: Mapping[str, np.ndarray], a: Architecture, capture: Capture) -> dict[str, np.ndarray]:
    """Return records on the host by the names that `Trace` has for them: views, nothing is copied.

    A program returns its many small numbers in few arrays, ``sites.<width>`` (T, M, N) of N vectors and ``heads``
    (T, M, L, H), M measures each, and vectors kept whole as ``values.<site>`` (T, N, W): an array costs as much time
    as thousands of numbers.
    """
    measured, arrays = capture.measured(a), dict(seen)
    for width, places in alike(a, measured).items():
        whole, begin = arrays.pop(f"sites.{width}"), 0
        for site in dict.fromkeys(site for site, _ in places):
            own = slice(begin, begin := begin + len(measured[site]))
            arrays |= {f"site.{site}.{name}": whole[:, m, own] for m, name in enumerate(Vector._fields)}
    for site, blocks in capture.kept(a).items():
        whole = arrays.pop(f"values.{site}")
        arrays |= {f"value.blocks.{i}.{site}": whole[:, n] for n, i in enumerate(blocks)}
    if capture.heads:
        whole = arrays.pop("heads")
        arrays |= {f"heads.{name}": whole[:, m] for m, name in enumerate(Heads._fields)}
    return arrays


def _saturated(a: Architecture, blocks: Sequence[int], pre: dict[int, jax.Array]) -> jax.Array:
    """Return the shares (T, L) of units on which the activation's slope is below 1 % of its steepest."""

    def share(act: Act, x: jax.Array) -> jax.Array:
        slope = jax.jvp(act, (x,), (jnp.ones_like(x),))[1]
        flat = jnp.mean(jnp.abs(slope) < SATURATION * steepest(act), -1, dtype=jnp.float32)
        return jnp.where(jnp.isfinite(jnp.sum(x, -1)), flat, jnp.nan)

    same: dict[Act, list[int]] = defaultdict(list)
    for i in blocks:
        same[a.act[i]].append(i)
    shares = {}
    for act, own in same.items():
        several = _each(partial(share, act), [(pre[i],) for i in own], own)
        shares |= dict(zip(own, several, strict=True))
    return jnp.stack([shares[i] for i in blocks], 1)


def _of_units(a: Architecture, k: int, taken: Taken) -> Seen:
    """Return the units (T, L, k) whose outputs are largest, with their pre- and post-activations and outputs."""
    out = "mlp.post" if a.mlp == "gated" else "mlp.act.post"

    def largest(pre: jax.Array, post: jax.Array, value: jax.Array) -> tuple[jax.Array, ...]:
        _, index = jax.lax.top_k(jnp.abs(value), k)
        index = index.astype(jnp.int32)
        return index, *(jnp.take_along_axis(x, index, -1) for x in (pre, post, value))

    several = _by_block(largest, taken["mlp.act.pre"], taken["mlp.act.post"], taken[out])
    names = ("index", "pre", "post", "value")
    return {f"units.{name}": jnp.swapaxes(x, 0, 1) for name, x in zip(names, several, strict=True)}


def _of_lens(
    model: Decoder,
    blocks: Sequence[int],
    after: dict[int, jax.Array],
    final: jax.Array,
    next_T: jax.Array,
) -> Seen:
    """Return what the head makes of the stream after blocks: each (T, L), candidates (T, L, 5)."""
    log_p = jax.nn.log_softmax(final)
    said = []
    for i in blocks:
        log_q = jax.nn.log_softmax(model.logits(after[i]))
        top = distribution(log_q, min(LENS_CANDIDATES, log_q.shape[-1]))
        own = jnp.take_along_axis(log_q, next_T[:, None], -1)
        p = jnp.exp(log_p)
        said.append(
            {
                **top._asdict(),
                "log_probability": own[:, 0],
                "rank": 1 + jnp.sum(log_q > own, -1, dtype=jnp.int32),
                # of the final distribution from this one: the nats that stopping here would cost
                "divergence": jnp.sum(jnp.where(p > 0, p * (log_p - log_q), 0.0), -1),
            }
        )
    return {f"lens.{name}": jnp.stack([s[name] for s in said], 1) for name in said[0]}


def _by_block(measure: Callable[..., Any], *taken: dict[int, jax.Array]) -> Any:
    """Return measures of every block's values, stacked: (L, ...)."""
    return _each(measure, list(zip(*(t.values() for t in taken), strict=True)), list(taken[0]))


def _each(
    measure: Callable[..., Any], several: Sequence[tuple[jax.Array, ...]], blocks: Sequence[int]
) -> Any:
    """Return the measures of several arrays (..., T, W) or tuples of them, which are of ``blocks``: (N, ...).

    Some blocks' at a time, as soon as these have been read: what they are taken of need not be kept, and another
    processor can take them while one reads on. Of a single token these are taken at once, small operations being
    dear; of many one array after another: what is in between stays in a processor's cache.
    """
    order = sorted(range(len(blocks)), key=lambda n: blocks[n] // TOGETHER)
    parts = []
    for _, own in groupby(order, lambda n: blocks[n] // TOGETHER):
        stacked = tuple(map(jnp.stack, zip(*(several[n] for n in own), strict=True)))
        one = stacked[0].shape[-2] == 1
        parts.append(measure(*stacked) if one else jax.lax.map(lambda xs: measure(*xs), stacked))
    if len(parts) == 1:
        return parts[0]
    back = np.argsort(order)
    return jax.tree.map(lambda *xs: jnp.concatenate(xs)[back], *parts)
