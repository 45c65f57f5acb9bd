"""Changes to what a model computes, as data of the compiled program: silence, scale, push, replace.

Shapes: W width of a site, S positions kept, N tokens of a trace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actlab.errors import InputError, suggest
from actlab.inspection.architecture import Architecture


class Edit(NamedTuple):
    """What is done to a site's vector x (T, W): ``x * factor + push``, or ``patch`` where ``patched``."""

    factor: jax.Array
    push: jax.Array
    patch: jax.Array | None
    patched: jax.Array | None


Edits = Mapping[str, Edit]


def edited(x: jax.Array, site: str, edits: Edits, at_T: jax.Array) -> jax.Array:
    """Return ``x`` (T, W) after what is to be done at a site, itself where nothing is."""
    if site not in edits:
        return x
    edit = edits[site]
    x = x * edit.factor + edit.push
    if edit.patch is None:
        return x
    return jnp.where(edit.patched[at_T][:, None], edit.patch[at_T], x)


def make_edits(
    a: Architecture,
    positions: int,
    *,
    ablate: Mapping[str, Sequence[int]] | None = None,
    scale: Mapping[str, Any] | None = None,
    steer: Mapping[str, Any] | None = None,
    patch: Mapping[str, Any] | None = None,
) -> dict[str, Edit]:
    """Return the edits of a model, by site.

    Sites are named with their block, ``blocks.3.mlp.act`` for the post-activations. Of ``attention.heads`` whole
    heads are counted by ``ablate`` and ``scale``.

    Args:
        a: the model's.
        positions: S, room for positions.
        ablate: units set to zero, by site.
        scale: what units are multiplied by: one number for all, W numbers, or a mapping of units to numbers.
        steer: vectors (W,) that are added at every position.
        patch: vectors (N, W) put in place at the positions 0..N-1, NaN where none is to be; `LanguageModel` takes a
            trace that kept them, too.

    Raises:
        InputError: a site, unit or shape that the model does not have, or numbers that are infinite.

    """
    for kind, given in (("ablate", ablate), ("scale", scale), ("steer", steer), ("patch", patch)):
        if given is not None and not isinstance(given, Mapping):
            raise InputError(
                f"{kind}: takes a mapping by site, like {{'blocks.0.mlp.act': ...}}, not {given!r:.60}"
            )
    made: dict[str, Edit] = {}

    def at(name: str) -> tuple[str, int, int]:
        """Return a site's full name, its width and the numbers of one unit."""
        return _site(name, a)

    def now(name: str, width: int) -> Edit:
        return made.get(name, Edit(np.ones(width, np.float32), np.zeros(width, np.float32), None, None))

    for given, units in (ablate or {}).items():
        name, width, size = at(given)
        edit = now(name, width)
        factor = edit.factor.copy().reshape(-1, size)
        if isinstance(units, (str, int, float)):
            raise InputError(f"ablate: {given} takes several units, like [17, 912], not {units!r:.60}")
        for unit in units:
            factor[_unit(unit, len(factor), given)] = 0
        made[name] = edit._replace(factor=factor.reshape(-1))
    for given, by in (scale or {}).items():
        name, width, size = at(given)
        edit = now(name, width)
        factor = edit.factor.copy().reshape(-1, size)
        if isinstance(by, Mapping):
            for unit, number in by.items():
                factor[_unit(unit, len(factor), given)] *= _finite(number, given, ())
        else:
            numbers = _finite(by, given, None)
            if numbers.shape not in ((), (len(factor),)):
                raise InputError(
                    f"scale: {given} takes one number or {len(factor)}, not shape {numbers.shape}"
                )
            factor = factor * numbers.reshape(-1, 1)
        made[name] = edit._replace(factor=factor.reshape(-1).astype(np.float32))
    for given, vector in (steer or {}).items():
        name, width, _ = at(given)
        edit = now(name, width)
        made[name] = edit._replace(push=edit.push + _finite(vector, given, (width,)))
    for given, values in (patch or {}).items():
        name, width, _ = at(given)
        rows = _numbers(values, given)
        if rows.ndim != 2 or rows.shape[1] != width:
            raise InputError(
                f"patch: {given} takes vectors (tokens, {width}), not an array of shape {rows.shape}"
            )
        rows = rows[:positions]
        none = np.isnan(rows).all(1)
        if not np.isfinite(rows[~none]).all():
            raise InputError(f"patch: {given}: a vector is finite, or all NaN where none is to be")
        whole = np.zeros((positions, width), np.float32)
        patched = np.zeros(positions, bool)
        patched[: len(rows)] = ~none
        whole[: len(rows)] = np.where(none[:, None], 0, rows)
        made[name] = now(name, width)._replace(patch=whole, patched=patched)
    return {name: Edit(*(None if x is None else jnp.asarray(x) for x in e)) for name, e in made.items()}


def _site(given: str, a: Architecture) -> tuple[str, int, int]:
    if not isinstance(given, str):
        raise InputError(f"{given!r} is no site: it is named like 'blocks.0.mlp.act'")
    name = given + ".post" if given.endswith("mlp.act") else given
    known = {f"blocks.{i}.{site}": width for i in range(a.depth) for site, width in a.sites.items()}
    if name not in known:
        raise InputError(f"{given!r} is no site of this model{suggest(given, known)}")
    return name, known[name], a.head_width if name.endswith("attention.heads") else 1


def _unit(unit: int, count: int, given: str) -> int:
    if isinstance(unit, bool) or not isinstance(unit, (int, np.integer)) or not 0 <= unit < count:
        raise InputError(f"{given}: {unit!r} is no unit, they are 0 to {count - 1}")
    return int(unit)


def _numbers(value: Any, given: str) -> np.ndarray:
    try:
        return np.asarray(value, np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"{given}: takes numbers, not {type(value).__name__}") from error


def _finite(value: Any, given: str, shape: tuple[int, ...] | None) -> np.ndarray:
    numbers = _numbers(value, given)
    if shape is not None and numbers.shape != shape:
        raise InputError(f"{given}: takes numbers of shape {shape}, not {numbers.shape}")
    if not np.isfinite(numbers).all():
        raise InputError(f"{given}: all numbers must be finite")
    return numbers
