"""What is to be maximised: units of a site as directions in its channels.

Shapes: B batch, P... positions, C channels, U units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from actlab.errors import InputError
from actlab.explain.subject import LOGITS, Side, Subject


@dataclass(frozen=True, eq=False)
class Target:
    r"""Units to maximise at one site. Compares by identity.

    The score of a unit with direction :math:`d` where the site's values, at one position or averaged over all, are
    :math:`v`:

    .. math:: s = (v \cdot d) \, \max(\cos(v, d), 0.1)^p

    A channel is the direction of one axis with p = 0, so its score is its mean value; of a neuron, its value at one
    position. With p > 0 a direction is sought that the whole vector points in (lucid, issue 116).

    Args:
        site: a site of the model, or ``logits``.
        side: ``pre`` is what the activation is given, ``post`` what it gives. Where ``post`` is flat no gradient
            arrives: the values before a ReLU say where to go, those after it do not.
        directions: (U, C) float32, a row for each unit.
        labels: what to call the units.
        at: the position of a neuron; None averages over positions.
        power: p.

    """

    site: str
    side: Side
    directions: np.ndarray
    labels: tuple[str, ...]
    at: tuple[int, ...] | None = None
    power: float = 0.0
    numbers: tuple[int, ...] = field(default=())

    def vector(self, values_BxPxC: jax.Array) -> jax.Array:
        """Return the values (B, C) at the position, or their mean over positions."""
        if self.at is not None:
            return values_BxPxC[(slice(None), *self.at)]
        return values_BxPxC.mean(axis=tuple(range(1, values_BxPxC.ndim - 1)))

    def score(self, vector_xC: jax.Array, direction_xC: jax.Array) -> jax.Array:
        """Return the scores (...) of vectors (..., C) in directions (..., C)."""
        dot = jnp.sum(vector_xC * direction_xC, -1)
        if not self.power:
            return dot
        # The root's derivative at 0 is infinite: what is below is no direction at all.
        norms = jnp.sqrt(jnp.maximum(jnp.sum(vector_xC**2, -1) * jnp.sum(direction_xC**2, -1), 1e-12))
        return dot * jnp.maximum(dot / norms, 0.1) ** self.power


def channels(subject: Subject, site: str, numbers: Sequence[int], *, side: Side = "pre") -> Target:
    """Return the target of whole channels: each one's mean over positions.

    Raises:
        InputError: there is no such site, or it has fewer channels.

    """
    return _axes(subject, site, numbers, side, None)


def neurons(
    subject: Subject,
    site: str,
    numbers: Sequence[int],
    *,
    at: tuple[int, ...] | None = None,
    side: Side = "pre",
) -> Target:
    """Return the target of single neurons: channels at one position, the middle one if ``at`` is None.

    Raises:
        InputError: there is no such site, channel or position.

    """
    *space, _ = _shape(subject, site)
    if not space:
        raise InputError(f"{site} of {subject.name} has no positions: its neurons are its channels")
    at = tuple(n // 2 for n in space) if at is None else tuple(at)
    if len(at) != len(space) or not all(0 <= a < n for a, n in zip(at, space, strict=True)):
        raise InputError(f"{site} has positions of {_by(space)}: {','.join(map(str, at))} is none of them")
    return _axes(subject, site, numbers, side, at)


def classes(subject: Subject, numbers: Sequence[int]) -> Target:
    """Return the target of logits.

    Raises:
        InputError: the model has fewer outputs.

    """
    target = _axes(subject, LOGITS, numbers, "pre", None)
    names = subject.classes or tuple(map(str, range(max(numbers) + 1)))
    labels = tuple(f"{n} {names[n]}" if names[n] != str(n) else names[n] for n in numbers)
    return Target(LOGITS, "pre", target.directions, labels, numbers=target.numbers)


def directions(
    subject: Subject, site: str, rows: np.ndarray, *, side: Side = "pre", power: float = 1.0
) -> Target:
    """Return the target of any directions (U, C) in a site's channels, scaled to length 1.

    Raises:
        InputError: there is no such site, it has another number of channels, or a row is zero or not finite.

    """
    *_, count = _shape(subject, site)
    rows = np.atleast_2d(np.asarray(rows))
    if rows.ndim != 2 or rows.shape[1] != count or not np.issubdtype(rows.dtype, np.number):
        raise InputError(f"directions of shape {rows.shape}: {site} has {count} channels, so (any, {count})")
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and lengths.all()):
        raise InputError("a direction is zero or not finite")
    labels = tuple(f"direction {i}" for i in range(len(rows)))
    return Target(site, side, (rows / lengths).astype(np.float32), labels, power=power)


def _axes(
    subject: Subject, site: str, numbers: Sequence[int], side: Side, at: tuple[int, ...] | None
) -> Target:
    *_, count = _shape(subject, site)
    wrong = [n for n in numbers if not 0 <= n < count]
    what = "output" if site == LOGITS else "channel"
    if wrong:
        raise InputError(
            f"{site} of {subject.name} has no {what} {wrong[0]}: it has {count}, 0 to {count - 1}"
        )
    if not numbers:
        raise InputError(f"name at least one {what} of {site}")
    rows = np.eye(count, dtype=np.float32)[list(numbers)]
    place = "" if at is None else f" at {','.join(map(str, at))}"
    labels = tuple(f"{what} {n}{place}" for n in numbers)
    return Target(site, side, rows, labels, at, numbers=tuple(numbers))


def _shape(subject: Subject, site: str) -> tuple[int, ...]:
    subject.read(site, "pre")  # raises where there is none
    return subject.sites[site]


def _by(space: Sequence[int]) -> str:
    return " x ".join(map(str, space))
