"""The statistics of a model's sites, as a training step takes them: some rows of the batch, all sites at once.

Probes are named ``<site>.<tensor>``; ``pre`` and ``post`` of an activation, ``scores`` of an attention, anything else
is summarised as it is. On a CPU, reading every tensor and launching hundreds of small operations is what costs, so
the rows of all sites of equal shape are stacked and reduced together. On an accelerator a stack would keep whole
tensors alive: there every site is reduced where it is, but for those inside a scan, whose rows leave it stacked.
Shapes: T tensors of a group, B rows read, ... positions, C units.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from actlab.activations import Act
from actlab.errors import InputError
from actlab.stats.attention import attention
from actlab.stats.config import StatsConfig
from actlab.stats.scanned import Place
from actlab.stats.sites import SATURATION, Learnt, active, active_units, regime, sparsity, steepest
from actlab.stats.summary import basics, summarize
from actlab.stats.watch import Reading

Key = tuple[str, str]  # (site, quantity)


LEAST_ROWS = 32  # of fewer samples a variance would be off by more than a tenth


class Rows:
    """Figures under their names, gathered in vectors: hundreds of scalars would cost more than what they say."""

    def __init__(self):
        self.keys: list[Key] = []
        self.parts: list[jax.Array] = []

    def add(self, keys: Sequence[Key], values: jax.Array) -> None:
        """Add values (n,) under n keys."""
        self.keys += keys
        self.parts.append(values.astype(jnp.float32))

    def add_all(self, row: Mapping[Key, jax.Array]) -> None:
        """Add scalars by key."""
        if row:
            self.add(list(row), jnp.stack([jnp.asarray(v, jnp.float32) for v in row.values()]))

    def extend(self, other: Rows) -> None:
        """Add all of ``other``."""
        self.keys += other.keys
        self.parts += other.parts

    def vector(self, chosen: Sequence[Key] | None = None) -> jax.Array:
        """Return all values, or those of the chosen keys in their order; what has none of them is left out."""
        if chosen is None or list(chosen) == self.keys:
            return jnp.concatenate(self.parts) if self.parts else jnp.zeros(0, jnp.float32)
        place: dict[Key, int] = {}
        parts, wanted, start = [], set(chosen), 0
        for part in self.parts:
            keys = self.keys[start : start + len(part)]
            start += len(part)
            if not wanted.isdisjoint(keys):
                place |= {key: len(place) + i for i, key in enumerate(keys)}
                parts.append(part)
        whole = jnp.concatenate(parts) if parts else jnp.zeros(0, jnp.float32)
        return whole[jnp.asarray([place[key] for key in chosen], jnp.int32)]


@dataclass(frozen=True)
class _Group:
    """Probes whose rows have one shape, and those of their sites that are activations."""

    names: tuple[str, ...]
    sites: tuple[str, ...]


class Observer:
    """Reads a model's probes.

    Args:
        config: what is asked for.
        act: the activation at every site ``<site>.pre`` -> ``<site>.post``.
        probes: shape and dtype of every probe, by name, batch first.
        batch: samples in a batch.
        stacked: reduce all sites together; by default where the backend is a CPU.
        where: where the probes are, as `places` found them; what is read of those in a scan is to be `unstacked`.

    Raises:
        InputError: a site asked for that does not exist.

    """

    def __init__(
        self,
        config: StatsConfig,
        act: Act,
        probes: Mapping[str, jax.ShapeDtypeStruct],
        batch: int,
        stacked: bool | None = None,
        where: Sequence[Place] = (),
    ):
        self.config, self.act = config, act
        self.full = config.level == "full"
        self.stacked = jax.default_backend() == "cpu" if stacked is None else stacked
        self.batch = batch
        self.rows = min(batch, max(-(-batch // config.rows), LEAST_ROWS))
        self.threshold = SATURATION * steepest(act) if act.elementwise else None
        self.repeatable = act.elementwise and not (act.spec is not None and act.spec.stochastic)
        watched = self.threshold is not None and config.level != "none"
        self.where = active(act, self.threshold) if watched else None
        known = list(dict.fromkeys(_split(name)[0] for name in probes))
        self.sites = config.chosen_sites(known) if config.level != "none" else []
        probes = {name: probes[name] for name in probes if _split(name)[0] in self.sites}
        for name, shape in probes.items():
            if _split(name)[1] in ("pre", "post") and shape.shape[:1] != (batch,):
                raise InputError(
                    f"stats: {name} has shape {shape.shape}, not the {batch} samples first: put the batch first, or "
                    "set stats=none"
                )
        inside = [place for place in where if place.index or place.positions]
        self.layers = {place.name for place in inside}
        # By name in the program: whether any layer of it is asked for.
        self.scanned = dict.fromkeys((place.source for place in inside), False)
        self.scanned |= {p.source: True for p in inside if _split(p.name)[0] in self.sites}
        self.attention = tuple(name for name in probes if _split(name)[1] == "scores")
        plain = [name for name in probes if name not in self.attention]
        self.groups = self._grouped({name: probes[name] for name in plain})
        self.units = {
            site: (math.prod(probes[f"{site}.pre"].shape[1:]), probes[f"{site}.pre"].shape[-1])
            for site in self.sites
            if f"{site}.pre" in probes and f"{site}.post" in probes
        }

    def at(self, threshold: jax.Array | None) -> Observer:
        """Return the observer of a run whose slopes count from ``threshold`` on, a number of the program, if any."""
        if threshold is None:
            return self
        other = copy.copy(self)
        other.threshold, other.where = threshold, None
        return other

    def _grouped(self, probes: Mapping[str, jax.ShapeDtypeStruct]) -> list[_Group]:
        groups: dict[Any, list[str]] = {}
        for name, shape in probes.items():
            # Without stacking, a site's pre and post still go together: what joins them is asked of a group.
            key = shape.shape if self.together(name) else _split(name)[0]
            groups.setdefault(key, []).append(name)
        return [
            _Group(
                tuple(names),
                tuple(
                    site
                    for site in dict.fromkeys(_split(n)[0] for n in names)
                    if {f"{site}.pre", f"{site}.post"} <= set(names)
                ),
            )
            for names in groups.values()
        ]

    def together(self, name: str) -> bool:
        """Whether a probe's rows are taken out as they are and reduced with others."""
        return self.stacked or name in self.layers

    def asked(self, name: str) -> bool:
        """Whether a probe of the program is wanted."""
        return self.scanned[name] if name in self.scanned else _split(name)[0] in self.sites

    # -- what is taken where the value is --------------------------------------------------------------------

    def reading(self, step: jax.Array, learnt: Mapping[str, Learnt], *, every_row: bool = False) -> Reading:
        """Return what a recorded step takes of the values at the probes."""

        before: dict[str, jax.Array] = {}

        def of(name: str, value: jax.Array) -> Any:
            site, tensor = _split(name)
            if not self.asked(name):
                return ()
            as_rows = self.stacked or name in self.scanned
            rows = value if every_row else self._part(value, step)
            if tensor == "scores":
                return attention(rows, by_head=self.full)
            if not as_rows and self.repeatable and site in self.units:
                # The values after an activation live inside the next layer's operation; to read some of them there
                # would write them all.
                if tensor == "post":
                    rows = self.act(before[site], **learnt.get(site, {})).astype(rows.dtype)
                before[site] = rows
            rows = rows.astype(jnp.float32)
            if as_rows:
                return rows
            return self._figures(rows), self._of_site(site, tensor, rows, learnt.get(site, {}))

        return Reading(of)

    def light_reading(self, step: jax.Array, learnt: Mapping[str, Learnt]) -> Reading:
        """Return what every other step takes: which units were active."""

        def of(name: str, value: jax.Array) -> Any:
            site, tensor = _split(name)
            layers = name in self.scanned
            known = self.asked(name) if layers else site in self.units
            if tensor != "pre" or not known or self.threshold is None:
                return ()
            rows = self._part(value, step).astype(jnp.float32)
            return rows if self.stacked or layers else self._active(learnt[site], rows)

        return Reading(of)

    def of_gradient(self, step: jax.Array, *, every_row: bool = False) -> Reading:
        """Return what a recorded step takes of the gradients at the probes."""

        def of(name: str, value: jax.Array) -> Any:
            if not self.asked(name) or _split(name)[1] == "scores":
                return ()
            if name in self.scanned:  # a backward rule in a scan cannot know of `step`: see `record`
                return value.astype(jnp.float32)
            rows = (value if every_row else self._part(value, step)).astype(jnp.float32)
            return rows if self.stacked else self._figures(rows)

        return Reading(of)

    def _part(self, value: jax.Array, step: jax.Array) -> jax.Array:
        """Return the rows read at ``step``: each batch's next part, so that soon all are seen."""
        if value.ndim == 0 or value.shape[0] != self.batch or self.rows == self.batch:
            return value
        return jax.lax.dynamic_slice_in_dim(value, (step * self.rows) % self.batch, self.rows)

    def _figures(self, rows: jax.Array, kept: int = 0) -> dict[str, jax.Array]:
        if not self.full:
            return basics(rows, kept=kept)
        return summarize(rows, kept=kept, scatter=self.stacked).figures()

    def _of_site(self, site: str, tensor: str, rows: jax.Array, learnt: Learnt) -> dict[str, Any]:
        if site not in self.units:
            return {}
        if tensor == "post" and self.full:
            return {"own": sparsity(rows)}
        if tensor == "pre" and self.threshold is not None:
            row, on = self._regime(learnt, rows)
            return {"own": row, "on": on}
        return {}

    def _active(self, learnt: Learnt, pre: jax.Array) -> jax.Array:
        return active_units(self.act, learnt, pre, self.threshold, self.where)

    def _regime(self, learnt: Learnt, pre: jax.Array) -> tuple[dict[str, jax.Array], jax.Array]:
        return regime(self.act, learnt, pre, self.threshold, self.where, full=self.full)

    # -- what is made of it ----------------------------------------------------------------------------------

    def nobody(self) -> dict[str, jax.Array]:
        """Return no unit as active: a window's start."""
        if self.threshold is None:
            return {}
        return {
            _id(g): jnp.zeros((len(g.sites), self.units[g.sites[0]][1]), bool) for g in self.groups if g.sites
        }

    def active(self, seen: Mapping[str, Any], learnt: Mapping[str, Learnt]) -> dict[str, jax.Array]:
        """Return by group which units (T, C) were active, from a light reading."""
        found = {}
        for group in self.groups:
            if not group.sites or self.threshold is None:
                continue
            parts = [seen[f"{site}.pre"] for site in group.sites]
            if self.together(group.names[0]):
                found[_id(group)] = jax.vmap(self._active)(_stack(learnt, group), jnp.stack(parts))
            else:
                found[_id(group)] = jnp.stack(parts)
        return found

    def record(
        self,
        seen: Mapping[str, Any],
        gradients: Mapping[str, Any],
        learnt: Mapping[str, Learnt],
        step: jax.Array,
        *,
        every_row: bool = False,
    ) -> tuple[Rows, dict[str, jax.Array]]:
        """Return the sites' figures of a recorded step, and by group which units were active."""
        rows, on = Rows(), {}
        if not every_row:
            taken = {n for n, g in gradients.items() if n in self.layers and isinstance(g, jax.Array)}
            gradients = {n: self._part(g, step) if n in taken else g for n, g in gradients.items()}
        for group in self.groups:
            if self.together(group.names[0]):
                active = self._record_stacked(rows, group, seen, gradients, learnt)
            else:
                active = self._record_single(rows, group, seen, gradients)
            if active is not None:
                on[_id(group)] = active
        for name in self.attention:
            rows.add_all({(_split(name)[0], q): v for q, v in seen[name].items()})
        return rows, on

    def _record_stacked(self, rows, group, seen, gradients, learnt) -> jax.Array | None:
        keys = [_split(name) for name in group.names]
        values = [seen[name] for name in group.names]
        if gradients:
            keys += [(site, f"{tensor}_gradient") for site, tensor in keys]
            values += [gradients[name] for name in group.names]
        for quantity, figure in self._figures(jnp.stack(values), kept=1).items():
            rows.add([(site, f"{tensor}.{quantity}") for site, tensor in keys], figure)
        if not group.sites:
            return None
        active = None
        if self.threshold is not None:
            pre = jnp.stack([seen[f"{site}.pre"] for site in group.sites])
            row, active = jax.vmap(self._regime)(_stack(learnt, group), pre)
            self._add_own(rows, group, row)
        if self.full:
            post = jnp.stack([seen[f"{site}.post"] for site in group.sites])
            self._add_own(rows, group, jax.vmap(sparsity)(post))
        return active

    def _record_single(self, rows, group, seen, gradients) -> jax.Array | None:
        active = None
        for name in group.names:
            site, tensor = _split(name)
            figures, own = seen[name]
            active = own["on"][None] if "on" in own else active
            rows.add_all({(site, f"{tensor}.{q}"): v for q, v in figures.items()})
            rows.add_all({(site, q): v for q, v in own.get("own", {}).items()})
            if gradients:
                rows.add_all({(site, f"{tensor}_gradient.{q}"): v for q, v in gradients[name].items()})
        return active

    @staticmethod
    def _add_own(rows: Rows, group: _Group, row: Mapping[str, jax.Array]) -> None:
        for quantity, values in row.items():
            rows.add([(site, quantity) for site in group.sites], values)

    def dead(self, ever: Mapping[str, jax.Array]) -> Rows:
        """Return every site's share of units that were never active."""
        rows = Rows()
        for group in self.groups:
            if (on := ever.get(_id(group))) is not None:
                share = (~on).astype(jnp.float32).mean(-1)
                rows.add([(site, "dead_share") for site in group.sites], share)
        return rows

    def longest(self, dead_for: Mapping[str, jax.Array]) -> Rows:
        """Return for how many steps the longest dead unit of each site has been dead."""
        rows = Rows()
        for group in self.groups:
            if (steps := dead_for.get(_id(group))) is not None:
                rows.add([(site, "dead_longest") for site in group.sites], steps.max(-1))
        return rows

    def by_site(self, grouped: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is held by group (T, C) by site (C,)."""
        return {
            site: grouped[_id(group)][i]
            for group in self.groups
            if _id(group) in grouped
            for i, site in enumerate(group.sites)
        }


def _id(group: _Group) -> str:
    return group.sites[0] if group.sites else group.names[0]


def _split(name: str) -> tuple[str, str]:
    """Return (site, tensor) of a probe's name."""
    site, dot, tensor = name.rpartition(".")
    return (site, tensor) if dot else (name, "value")


def _stack(learnt: Mapping[str, Learnt], group: _Group) -> Learnt:
    """Return the learnt parameters of a group's sites, stacked."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *[learnt.get(site, {}) for site in group.sites])
