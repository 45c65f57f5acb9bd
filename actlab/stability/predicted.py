"""A network at its first step beside what theory says of it, site by site; where they part, a finding."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from actlab import train
from actlab.errors import InputError
from actlab.models.expected import gradient_at, start_from, wide
from actlab.runs import Run
from actlab.stability.finding import Diagnosis, Finding, Limit, worst_first
from actlab.stability.judging import short
from actlab.stability.reading import Reading
from actlab.values import Bound

ERRORS = Limit(
    at=6.0, sure=20.0
)  # standard deviations of one network; what does not go by them is of no account:
ROOM = {
    "q": 0.15,
    "c": 0.08,
    "gradient": 0.15,
}  # relative, but for the cosine: it is a batch's mean, the map of one pair
TITLES = {"q": "variance", "c": "cosine", "gradient": "gradient"}


@dataclass(frozen=True)
class Place:
    """A site's value, what theory expects there given the first site's, and how far one network strays."""

    site: str
    quantity: str
    measured: float
    expected: float
    sd: float
    holds: bool


@dataclass(frozen=True)
class Beside:
    """Places by site and quantity; none where theory says nothing, and then ``reason`` says why."""

    places: tuple[Place, ...]
    reason: str = ""

    @property
    def off(self) -> tuple[Place, ...]:
        """Places where the network does not do what theory says."""
        return tuple(p for p in self.places if p.holds and _errors(p) >= ERRORS.at)


def beside(run: train.Run, record: Run) -> Beside:
    """Return what theory says of a run before its first step beside ``record``, which `first_record` made of it.

    Variance and cosine are followed from what the first site has; the gradient by the variance that each site has,
    back from the last. With standard deviations of one network of this width, one input, one pair.
    """
    setup = run.setup
    if not isinstance(setup.model, Bound):
        return Beside((), "the model's arguments are not known")
    reading = Reading(record)
    power = reading.profile("power")
    if power is None or not len(power.sites):
        return Beside((), "no moments of the sites are recorded: stats=basic does")
    try:
        told = wide(
            setup.model.function, dict(setup.model.keywords), setup.act, math.prod(setup.data.in_shape)
        )
        q = power.values[:, 0]
        _, sites, cosine = reading.table("pre_cosine")
        c = cosine[:, 0] if sites == power.sites else np.full(len(q), np.nan)
        if not (np.isfinite(q).all() and (q > 0).all()):
            return Beside((), "the signal is gone, or not finite")
        found = start_from(told, float(q[0]), float(c[0]) if np.isfinite(c[0]) else 0.5)
        back = gradient_at(told, q[None])[0]
    except InputError as e:
        return Beside((), str(e))
    _, sites, slopes = reading.table("pre_gradient.rms")
    g = (
        slopes[:, 0] / slopes[-1, 0]
        if sites == power.sites and slopes[-1, 0] > 0
        else np.full(len(q), np.nan)
    )
    places = []
    for i, site in enumerate(power.sites):
        own = (
            ("q", q[i], found.q[i], found.q_sd[i], i < found.layers),
            ("c", c[i], found.c[i], found.c_sd[i], i < found.layers),
            ("gradient", g[i], back[i], found.gradient_sd[i] * back[i], bool(found.gradient_sd[i] < 0.35)),
        )
        places += [Place(site, n, float(m), float(e), float(s), h) for n, m, e, s, h in own if np.isfinite(m)]
    return Beside(tuple(places))


def with_theory(diagnosis: Diagnosis, found: Beside) -> Diagnosis:
    """Return the diagnosis with a warning where the network does not do what theory says."""
    if not found.off:
        return diagnosis
    worst = max(found.off, key=_errors)
    finding = Finding(
        name="unlike_theory",
        title="Not what theory says",
        severity="warning",
        confidence=round(ERRORS.strength(_errors(worst)), 3),
        where=tuple(dict.fromkeys(p.site for p in found.off)),
        steps=(0, 0),
        evidence=(
            (f"{TITLES[worst.quantity]} at {worst.site}", worst.measured, ""),
            ("theory", worst.expected, f"± {short(worst.sd)}"),
            ("standard deviations apart", _errors(worst), f"{ERRORS.at:g} or more"),
        ),
        sentence=f"At {worst.site} the {TITLES[worst.quantity]} is {short(worst.measured)}, where the maps of wide "
        f"networks say {short(worst.expected)}: its weights, biases or activation are not what the config says, or "
        "numbers are rounded away.",
        advice=(("compute in float32", "dtype=float32"),),
        source="Poole et al. 2016, arXiv:1606.05340; Schoenholz et al. 2017, arXiv:1611.01232",
    )
    others = [f for f in diagnosis.findings if f.name != "healthy"]
    return replace(diagnosis, findings=worst_first([*others, finding]))


def rows(found: Beside) -> list[dict[str, Any]]:
    """Return the places as plain values, for JSON."""
    return [{k: v for k, v in vars(p).items() if k != "holds"} for p in found.places]


def _errors(place: Place) -> float:
    """Return by how many standard deviations a place is off; 0 where that is within the room."""
    off = abs(place.measured - place.expected)
    room = ROOM[place.quantity] * (1.0 if place.quantity == "c" else abs(place.expected))
    if off <= room:
        return 0.0
    return off / max(place.sd, 0.1 * room)
