"""Which units tell two kinds of text apart, and whether the model needs them.

Shapes: N texts, L blocks, F units.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actlab.errors import InputError
from actlab.inspection.interventions import make_edits
from actlab.inspection.language_model import LanguageModel
from actlab.inspection.windows import surprisal_of, units_of, windows

if TYPE_CHECKING:
    import polars as pl


class Ablation(NamedTuple):
    """Nats a token of the two kinds of text, as trained and with units silenced."""

    units: tuple[tuple[int, int], ...]
    first: float
    second: float
    first_ablated: float
    second_ablated: float


@dataclasses.dataclass(frozen=True)
class Concept:
    """How well each unit tells the kinds apart.

    Args:
        model: its name.
        auroc: (L, F) the probability that a text of the first kind has the larger feature than one of the second,
            ties counted half (Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747).
        chance: the 95 % quantile of max |auroc - 1/2| over all units when the kinds are shuffled among the texts:
            what is not above 1/2 + chance or below 1/2 - chance may be luck, however many units there are.
        best: the units, as (block, unit), furthest from 1/2, falling; of those alike the ones whose kinds' means
            are further apart, in standard deviations.
        ablated: what silencing the best does to the loss.
        controls: the same of as many units of the same blocks drawn at random.

    """

    model: str
    auroc: np.ndarray = dataclasses.field(repr=False)
    chance: float
    best: tuple[tuple[int, int], ...]
    ablated: Ablation
    controls: tuple[Ablation, ...]

    def to_polars(self) -> pl.DataFrame:
        """Return the best units, a row each."""
        import polars as pl

        values = [float(self.auroc[b, u]) for b, u in self.best]
        blocks, units = ([x[i] for x in self.best] for i in (0, 1))
        beyond = [abs(v - 0.5) > self.chance for v in values]
        return pl.DataFrame({"block": blocks, "unit": units, "auroc": values, "beyond_chance": beyond})


def concept(
    lm: LanguageModel,
    first: Sequence[str],
    second: Sequence[str],
    *,
    feature: Literal["mean", "max"] = "mean",
    units: int = 16,
    window: int = 64,
    batch: int = 4,
    shuffles: int = 100,
    controls: int = 3,
    seed: int = 0,
) -> Concept:
    """Return which units tell two kinds of text apart, and what silencing them does to the loss of each.

    Args:
        lm: the model.
        first, second: texts of the two kinds, of each its first ``window`` tokens are read, the very first apart.
        feature: of a unit and a text: ``mean`` or ``max`` of its outputs over the tokens.
        units: so many are silenced.
        window: T.
        batch: texts at a time.
        shuffles: of the kinds, for ``chance``.
        controls: draws of as many other units.
        seed: of shuffles and draws.

    Raises:
        InputError: fewer than two texts of a kind, or numbers that cannot be.

    """
    if feature not in ("mean", "max"):
        raise InputError(f"feature={feature!r}: must be 'mean' or 'max'")
    for name, texts in (("first", first), ("second", second)):
        if isinstance(texts, str) or len(texts) < 2:
            raise InputError(f"{name}: takes at least two texts")
    a = lm.architecture
    if not 1 <= units <= a.hidden or shuffles < 20 or controls < 1:
        raise InputError(f"units must be 1 to {a.hidden}, shuffles at least 20, controls at least 1")
    features = [_features(lm, texts, feature, window, batch) for texts in (first, second)]
    ranks = _ranks(np.concatenate(features))
    kinds = np.repeat([True, False], [len(f) for f in features])
    rng = np.random.default_rng(seed)
    auroc = _auroc(ranks, kinds)
    luck = [np.abs(_auroc(ranks, rng.permutation(kinds)) - 0.5).max() for _ in range(shuffles)]
    far = np.lexsort((-_apart(*features).ravel(), -np.abs(auroc - 0.5).ravel()))[:units]
    best = tuple((int(b), int(u)) for b, u in zip(*np.unravel_index(far, auroc.shape), strict=True))

    def silenced(which: tuple[tuple[int, int], ...]) -> Ablation:
        losses = [_loss(lm, texts, which, window, batch) for texts in (first, second)]
        return Ablation(which, *plain, *losses)

    plain = [_loss(lm, texts, (), window, batch) for texts in (first, second)]
    drawn = [
        tuple((b, int(rng.integers(a.hidden))) for b, _ in best) for _ in range(controls)
    ]  # of the same blocks: what silencing anything there costs
    return Concept(
        lm.name,
        auroc,
        float(np.quantile(luck, 0.95)),
        best,
        silenced(best),
        tuple(silenced(d) for d in drawn),
    )


def _features(lm: LanguageModel, texts: Sequence[str], feature: str, window: int, batch: int) -> np.ndarray:
    found = []
    for part in windows(lm, texts, window=window, batch=batch, whole=False):
        value = units_of(lm.graph, lm.weights, part.tokens, {}).value  # (B, L, T, F)
        counted = part.valid.copy()
        counted[:, 0] = False
        on = jnp.asarray(counted)[:, None, :, None]
        of = (
            jnp.sum(jnp.where(on, value, 0.0), 2) / jnp.sum(on, 2, dtype=jnp.float32)
            if feature == "mean"
            else jnp.max(jnp.where(on, value, -jnp.inf), 2)
        )
        found.append(np.asarray(of)[part.text >= 0])
    return np.concatenate(found)


def _apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return |difference of means| / pooled standard deviation, (L, F)."""
    spread = np.sqrt((first.var(0) + second.var(0)) / 2)
    return np.abs(first.mean(0) - second.mean(0)) / np.maximum(spread, 1e-12)


def _ranks(x: np.ndarray) -> np.ndarray:
    """Return the ranks (N, ...) along the first axis from 1, equal values at their mean rank."""
    order = np.argsort(x, 0, kind="stable")
    sorted_x = np.take_along_axis(x, order, 0)
    n = len(x)
    at = np.arange(n).reshape(-1, *[1] * (x.ndim - 1))
    new = np.concatenate([np.ones_like(x[:1], bool), sorted_x[1:] != sorted_x[:-1]])
    begin = np.maximum.accumulate(np.where(new, at, 0), 0)
    last = np.concatenate([new[1:], np.ones_like(x[:1], bool)])
    end = np.minimum.accumulate(np.where(last, at, n)[::-1], 0)[::-1]
    ranks = np.empty(x.shape, np.float32)
    np.put_along_axis(ranks, order, ((begin + end) / 2 + 1).astype(np.float32), 0)
    return ranks


def _auroc(ranks: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Return the area under the curve of every unit by the rank sum of the first kind."""
    n, m = kinds.sum(), (~kinds).sum()
    total = np.tensordot(kinds.astype(np.float64), ranks.astype(np.float64), 1)
    return (total - n * (n + 1) / 2) / (n * m)


def _loss(
    lm: LanguageModel, texts: Sequence[str], which: Sequence[tuple[int, int]], window: int, batch: int
) -> float:
    by_site: dict[str, list[int]] = {}
    out = "mlp.post" if lm.architecture.mlp == "gated" else "mlp.act.post"
    for block in range(lm.architecture.depth):  # every block, so that all choices are one program
        by_site[f"blocks.{block}.{out}"] = [u for b, u in which if b == block]
    edits = make_edits(lm.architecture, window, ablate=by_site)
    total = count = 0.0
    for part in windows(lm, texts, window=window, batch=batch, whole=False):
        nats = np.asarray(jax.device_get(surprisal_of(lm.graph, lm.weights, part.tokens, edits)), np.float64)
        on = part.valid[:, 1:]
        total, count = total + nats[on].sum(), count + on.sum()
    return float(total / count)
