"""Sites in a ``lax.scan``: of layers, one in the program, one for every layer in what is recorded; of positions.

What `watch` reads in a scan comes stacked along a leading axis, one entry a step. Of a scan over layers it is here
taken apart under a name for each; of one over the positions of a sequence it stays one site's, samples first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr
from jax.extend.core.primitives import scan_p

from actlab.stats.walk import programs
from actlab.stats.watch import probe_name


@dataclass(frozen=True)
class Place:
    """Where a probe's values come from.

    Args:
        name: the probe's own, in what is recorded.
        source: its name in the program.
        index: the steps of the scans over layers around it, the outermost first; () outside of these.
        positions: whether a scan over positions is around it: what is read, (S, B, ...), is recorded as (B, S, ...).

    """

    name: str
    source: str
    index: tuple[int, ...] = ()
    positions: bool = False


def places(fn: Callable[..., Any], positions: Collection[str] = ()) -> Callable[..., list[Place]]:
    """Return a function giving every probe met in ``fn(*args)``, in forward order; args may be abstract.

    A probe in a scan of n steps is n probes: those of the first step, then those of the second; one of a site named
    in ``positions`` is one probe.

    >>> import jax.numpy as jnp
    >>> from actlab.probes import probe
    >>> def layers(x, ws):
    ...     return jax.lax.scan(lambda h, w: (probe(h * w, "blocks.*.act.pre"), None), x, ws)[0]
    >>> [p.name for p in places(layers)(1.0, jnp.ones(2))]
    ['blocks.0.act.pre', 'blocks.1.act.pre']
    """

    def found(*args: Any) -> list[Place]:
        return list(
            dict.fromkeys(_places(jax.make_jaxpr(fn)(*args).jaxpr, positions))
        )  # branches may share names

    return found


def layer_name(name: str, i: int) -> str:
    """Return the name of layer ``i`` of a scanned site: in the place of the last ``*``, else behind the first word.

    Of scans within scans the inner comes first.

    >>> layer_name("blocks.*.mlp.act", 3), layer_name("blocks.mlp.act", 3)
    ('blocks.3.mlp.act', 'blocks.3.mlp.act')
    """
    first, star, rest = name.rpartition("*")
    if star:
        return f"{first}{i}{rest}"
    first, dot, rest = name.partition(".")
    return f"{first}.{i}{dot}{rest}"


def unstacked(found: Mapping[str, Any], where: Iterable[Place]) -> dict[str, Any]:
    """Return what was found at probes, each layer's under a name of its own; of arrays or trees of them."""

    def taken(place: Place) -> Any:
        value = found[place.source]
        if place.index:
            value = jax.tree.map(lambda a: a[place.index], value)
        return jax.tree.map(_samples_first, value) if place.positions else value

    return {p.name: taken(p) for p in where if p.source in found}


def _samples_first(stacked: jax.Array) -> jax.Array:
    return jnp.moveaxis(stacked, 1, 0) if stacked.ndim > 1 else stacked


def _places(jaxpr: Jaxpr, positions: Collection[str]) -> list[Place]:
    found: list[Place] = []
    for eqn in jaxpr.eqns:
        if (name := probe_name(eqn)) is not None:
            found.append(Place(name, name))
        inner = [place for program in programs(eqn) for place in _places(program, positions)]
        if eqn.primitive is scan_p:
            inner = _scanned(inner, eqn.params["length"], positions)
        found += inner
    return found


def _scanned(inner: list[Place], length: int, positions: Collection[str]) -> list[Place]:
    """Return the places that those of a scan's body are in all of its steps."""
    own = [p for p in inner if p.source.rpartition(".")[0] in positions and not p.positions]
    layers = [p for p in inner if p not in own]
    found = [replace(p, positions=True) for p in own]
    return found + [
        replace(p, name=layer_name(p.name, i), index=(i, *p.index)) for i in range(length) for p in layers
    ]
