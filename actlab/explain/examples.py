"""The inputs of a data set that units answer to most, and how they answer to all of it.

Shapes: N samples, S... a sample, U units, E examples of each.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from actlab.errors import InputError
from actlab.explain.subject import Subject
from actlab.explain.target import Target


@dataclass(frozen=True, eq=False)
class Examples:
    """The strongest inputs, and those at the median. Compares by identity.

    Args:
        index: (U, E) which of the data, strongest first.
        scores: (U, E) theirs.
        middle: (U,) the one at the median.
        mean: (U,) over all data.
        deviation: (U,) over all data.

    """

    index: np.ndarray
    scores: np.ndarray
    middle: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray


def strongest(
    subject: Subject, target: Target, x: np.ndarray, count: int = 6, *, batch: int = 64
) -> Examples:
    """Return the ``count`` inputs (fewer if there are fewer) of ``x`` (N, *S) with the highest score for each unit.

    Raises:
        InputError: there are no inputs, they are not what the model takes, or a score is not finite.

    """
    if not len(x) or x.ndim != 1 + len(subject.in_shape):
        raise InputError(f"examples of shape {x.shape}: {subject.name} takes {subject.in_shape}")
    values_at = subject.read(target.site, target.side)

    @jax.jit
    def score(weights, x, directions):
        vector = target.vector(values_at(weights, x))
        return target.score(vector[:, None], directions[None])

    batch = min(batch, len(x))
    found = []
    for start in range(0, len(x), batch):
        part = x[start : start + batch]
        padded = np.concatenate([part, np.zeros((batch - len(part), *x.shape[1:]), x.dtype)])
        scores = score(subject.weights, jnp.asarray(padded, jnp.float32), jnp.asarray(target.directions))
        found.append(np.asarray(scores)[: len(part)])
    scores_UxN = np.concatenate(found).T
    if bad := int((~np.isfinite(scores_UxN)).any(0).sum()):
        raise InputError(
            f"{target.site} of {subject.name} is not finite for {bad:,} of {len(x):,} examples: a model that has "
            "diverged, whose earlier sites may be finite"
        )
    order = np.argsort(-scores_UxN, axis=1, kind="stable")
    index = order[:, :count]
    return Examples(
        index,
        np.take_along_axis(scores_UxN, index, 1),
        order[:, order.shape[1] // 2],
        scores_UxN.mean(1, dtype=np.float64),
        scores_UxN.std(1, dtype=np.float64),
    )
