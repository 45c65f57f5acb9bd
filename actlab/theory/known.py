"""Facts of the listed functions at their defaults, from a file: computing them all takes half a minute."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from actlab.activations import Act, Interval, make
from actlab.theory.facts import Facts, facts

FILE = Path(__file__).with_name("known.json")  # written by experiments/fits/facts.py, not edited by hand


def known(name: str) -> Facts | None:
    """Return the facts of a listed function at its defaults; None where there are none, as for softmax.

    They come from ``known.json`` while that has them for the formula and the defaults of today, else they are
    computed.

    >>> known("square").fixed_points, known("softmax")
    ((0.0, 1.0), None)
    """
    act = make(name)
    if not act.elementwise:
        return None
    record = _records().get(act.name)
    if record is None or record["of"] != of(act):
        return facts(act)
    return decode(record["facts"])


def of(act: Act) -> list[str]:
    """Return what the facts follow from, as text."""
    return [act.spec.formula, act.spec.surrogate, repr(act)]


def encode(found: Facts) -> dict[str, Any]:
    """Return the facts as JSON has them."""
    return asdict(found)


def decode(stored: dict[str, Any]) -> Facts:
    """Return the facts that `encode` stored."""
    intervals = tuple(Interval(**i) for i in stored["fixed_intervals"])
    return Facts(**{**stored, "fixed_points": tuple(stored["fixed_points"]), "fixed_intervals": intervals})


@cache
def _records() -> dict[str, dict[str, Any]]:
    return json.loads(FILE.read_text()) if FILE.exists() else {}
