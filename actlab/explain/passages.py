"""What of a text the units of a model answer to: no text can be walked to, so its own passages are shown.

Of each unit the strongest places, and others from lower down: what the top shares with the middle is not what the
unit is about. Shapes: N texts, T tokens, U units, E examples.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from actlab.errors import InputError
from actlab.explain.subject import Subject
from actlab.explain.target import Target

LOWER = (0.999, 0.99, 0.9, 0.5, 0.1)
TOKENS = 2**19  # that are looked at; of a longer text, texts at even distances
SEEN = 20  # how often a token must occur for its mean to be told


@dataclass(frozen=True, eq=False)
class Passages:
    """Places in texts by unit, and what the units do on all of them. Compares by identity.

    Args:
        index: (U, E) which of the texts given.
        position: (U, E) which token of it, -1 where a unit has one value for the whole text.
        scores: (U, E) the unit's there.
        bands: (E,) where these stand: ``strongest``, a quantile like ``99 %``, ``weakest``.
        values: (U, E, T) the unit's at every token of these texts, or (U, E, 1).
        quantiles: (U, Q) of `LOWER`, over all tokens.
        extremes: (U, 2) least and greatest.
        means: (U, V) by token, NaN of those seen fewer than `SEEN` times.
        texts: how many were looked at, of how many.

    """

    index: np.ndarray
    position: np.ndarray
    scores: np.ndarray
    bands: tuple[str, ...]
    values: np.ndarray
    quantiles: np.ndarray
    extremes: np.ndarray
    means: np.ndarray
    texts: tuple[int, int]


def passages(
    subject: Subject, target: Target, x: np.ndarray, count: int = 6, *, each: int = 2, batch: int = 64
) -> Passages:
    """Return the ``count`` strongest places of every unit in texts ``x`` (N, T), ``each`` at every lower quantile.

    No text is shown twice within a band. A place in a lower band is one whose score is nearest to the quantile.

    Raises:
        InputError: there are no texts, they are not what the model takes, or a score is not finite.

    """
    if not len(x) or x.shape[1:] != subject.in_shape or not np.issubdtype(x.dtype, np.integer):
        raise InputError(
            f"texts of shape {x.shape}, {x.dtype}: {subject.name} takes tokens {subject.in_shape}"
        )
    chosen = np.unique(np.linspace(0, len(x) - 1, max(1, min(len(x), TOKENS // x.shape[1]))).astype(np.int64))
    v_UxNxT = _values(subject, target, x[chosen], batch)
    low, high = v_UxNxT.min((1, 2)), v_UxNxT.max((1, 2))
    quantiles = np.quantile(v_UxNxT.reshape(len(v_UxNxT), -1), LOWER, axis=1).T
    most = min(count, len(chosen))
    bands = ["strongest"] * most + [f"{q * 100:g} %" for q in LOWER for _ in range(min(each, most))]
    bands += ["weakest"] * min(each, most)
    places = [_places(v, q, most, min(each, most)) for v, q in zip(v_UxNxT, quantiles, strict=True)]
    at = np.array(places)  # (U, E, 2)
    unit = np.arange(len(at))[:, None]
    shown = v_UxNxT[unit, at[..., 0]]
    whole = v_UxNxT.shape[2] == 1
    return Passages(
        chosen[at[..., 0]],
        np.full(at.shape[:2], -1) if whole else at[..., 1],
        v_UxNxT[unit, at[..., 0], at[..., 1]],
        tuple(bands),
        shown,
        quantiles,
        np.stack([low, high], -1),
        np.zeros((len(at), 0)) if whole else _by_token(v_UxNxT, x[chosen], subject.vocabulary),
        (len(chosen), len(x)),
    )


def _values(subject: Subject, target: Target, x: np.ndarray, batch: int) -> np.ndarray:
    """Return the units' values (U, N, T) at every token, or (U, N, 1) where a site has one for the whole text."""
    values_at = subject.read(target.site, target.side)
    directions = jnp.asarray(target.directions)

    @jax.jit
    def score(weights, x):
        values = values_at(weights, x)
        values = values[:, None] if values.ndim == 2 else values
        return target.score(values[:, :, None], directions)

    batch, found = min(batch, len(x)), []
    for start in range(0, len(x), batch):
        part = x[start : start + batch]
        filled = np.concatenate([part, np.repeat(part[:1], batch - len(part), 0)])
        found.append(np.asarray(score(subject.weights, jnp.asarray(filled)))[: len(part)])
    values = np.moveaxis(np.concatenate(found), -1, 0)
    if bad := int((~np.isfinite(values)).any((0, 2)).sum()):
        raise InputError(
            f"{target.site} of {subject.name} is not finite for {bad:,} of {len(x):,} texts: a model that has "
            "diverged"
        )
    return values


def _places(v_NxT: np.ndarray, quantiles: np.ndarray, count: int, each: int) -> list[tuple[int, int]]:
    """Return (text, token) of the strongest, of those at each quantile, and of the weakest."""

    def best(score_NxT: np.ndarray, most: int) -> list[tuple[int, int]]:
        token = score_NxT.argmax(1)
        texts = np.argsort(-score_NxT[np.arange(len(token)), token], kind="stable")[:most]
        return [(int(i), int(token[i])) for i in texts]

    found = best(v_NxT, count)
    for quantile in quantiles:
        found += best(-np.abs(v_NxT - quantile), each)
    return found + best(-v_NxT, each)


def _by_token(v_UxNxT: np.ndarray, x: np.ndarray, vocabulary: int) -> np.ndarray:
    """Return the mean (U, V) of each unit on each token."""
    tokens = x.ravel()
    count = np.bincount(tokens, minlength=vocabulary)
    sums = np.stack([np.bincount(tokens, v.ravel(), vocabulary) for v in v_UxNxT])
    return np.where(count >= SEEN, sums / np.maximum(count, 1), np.nan)
