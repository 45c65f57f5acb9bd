"""Sites of layers that run in a ``lax.scan``: one site in the program, one for every layer in what is recorded.

What `watch` reads in a scan comes stacked along a leading axis, one entry a step. Here it is taken apart under a
name for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
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
        index: the steps of the scans around it, the outermost first; () outside of scans.

    """

    name: str
    source: str
    index: tuple[int, ...] = ()


def places(fn: Callable[..., Any]) -> Callable[..., list[Place]]:
    """Return a function giving every probe met in ``fn(*args)``, in forward order; args may be abstract.

    A probe in a scan of n steps is n probes: those of the first step, then those of the second.

    >>> import jax.numpy as jnp
    >>> from actlab.probes import probe
    >>> def layers(x, ws):
    ...     return jax.lax.scan(lambda h, w: (probe(h * w, "blocks.*.act.pre"), None), x, ws)[0]
    >>> [p.name for p in places(layers)(1.0, jnp.ones(2))]
    ['blocks.0.act.pre', 'blocks.1.act.pre']
    """

    def found(*args: Any) -> list[Place]:
        return list(dict.fromkeys(_places(jax.make_jaxpr(fn)(*args).jaxpr)))  # branches may share names

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
        return jax.tree.map(lambda a: a[place.index], value) if place.index else value

    return {p.name: taken(p) for p in where if p.source in found}


def _places(jaxpr: Jaxpr) -> list[Place]:
    found: list[Place] = []
    for eqn in jaxpr.eqns:
        if (name := probe_name(eqn)) is not None:
            found.append(Place(name, name))
        inner = [place for program in programs(eqn) for place in _places(program)]
        if eqn.primitive is scan_p:
            steps = range(eqn.params["length"])
            inner = [Place(layer_name(p.name, i), p.source, (i, *p.index)) for i in steps for p in inner]
        found += inner
    return found
