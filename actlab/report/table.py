"""Everything known about the listed activations as one table."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import polars as pl

from actlab.activations import Spec, registry
from actlab.errors import InputError, suggest
from actlab.theory.known import known

__all__ = ["table"]

PEERS = ("jax", "torch", "keras", "timm")


def _records(**fields: Any) -> pl.List:
    return pl.List(pl.Struct(fields))


def _edges(last: str) -> pl.List:
    return _records(at=pl.Float64, left=pl.Float64, right=pl.Float64, **{last: pl.Float64})


SCHEMA = {
    "name": pl.String,
    "family": pl.String,
    "kind": pl.String,
    "formula": pl.String,
    "parameters": pl.String,
    "defaults": _records(name=pl.String, number=pl.Float64, text=pl.String),
    "range": pl.String,
    "low": pl.Float64,
    "high": pl.Float64,
    "monotonic": pl.Boolean,
    "smoothness": pl.String,
    "kinks": _edges("chosen"),
    "jumps": _edges("value"),
    "lipschitz": pl.Float64,
    "limits": pl.List(pl.Float64),
    "turning": pl.List(pl.Float64),
    "surrogate": pl.String,
    "keeps": pl.String,
    "stochastic": pl.Boolean,
    "at_zero": pl.Float64,
    "slope_at_zero": pl.Float64,
    "fixed_points": pl.List(pl.Float64),
    "fixed_intervals": _records(low=pl.Float64, high=pl.Float64, open_low=pl.Boolean, open_high=pl.Boolean),
    "mean": pl.Float64,
    "second_moment": pl.Float64,
    "gain": pl.Float64,
    "reference": pl.String,
    "aliases": pl.List(pl.String),
    **dict.fromkeys(PEERS, pl.String),
    "differs": pl.String,
    "inexact": _records(dtype=pl.String, order=pl.Int64, units=pl.Float64, why=pl.String),
}


def table(family: str | None = None) -> pl.DataFrame:
    """Return one row of facts for each listed activation at its defaults, sorted by family and name.

    The facts of `actlab.Spec` (``low`` and ``high`` are the ends of the range) and of `actlab.theory.facts`, in typed
    columns: numbers, lists, records. Null is what does not apply or is not there: monotonicity, kinks, jumps,
    limits, turning points, values at 0, fixed points and moments of functions of a whole axis or of several
    operands; turning points that are too many to list; a peer that has no such function. NaN among the limits
    means that there is none. ``defaults`` gives each parameter as a number where it is one, and as text.

    Args:
        family: only this one, such as ``"rectified"``.

    Raises:
        InputError: there is no such family.

    >>> import actlab
    >>> rows = actlab.table("rectified")
    >>> rows.filter(rows["name"] == "relu")["gain"].round(3).item()
    1.414
    """
    specs = {fn.spec.name: fn.spec for fn in registry().values()}
    families = {spec.family for spec in specs.values()}
    if family is not None and family not in families:
        raise InputError(f"no family is called {family!r}{suggest(str(family), families)}")
    chosen = [spec for spec in specs.values() if family in (None, spec.family)]
    chosen.sort(key=lambda spec: (spec.family, spec.name))
    return pl.DataFrame([_row(spec) for spec in chosen], schema=SCHEMA, orient="row")


def _row(declared: Spec) -> dict[str, Any]:
    spec, peers = declared.at(), dict(declared.peers)
    row = {
        "name": spec.name,
        "family": spec.family,
        "kind": spec.kind,
        "formula": spec.formula,
        "parameters": ", ".join(f"{p.name}={p.default} in {_domain(p.domain)}" for p in spec.parameters),
        "defaults": [_default(name, value) for name, value in spec.defaults.items()],
        "range": repr(spec.range),
        "low": float(spec.range.low),
        "high": float(spec.range.high),
        "smoothness": spec.smoothness,
        "lipschitz": float(spec.lipschitz),
        "surrogate": spec.surrogate or None,
        "keeps": spec.keeps,
        "stochastic": spec.stochastic,
        "reference": spec.reference,
        "aliases": list(spec.aliases),
        **{peer: peers.get(peer) for peer in PEERS},
        "differs": spec.differs or None,
        "inexact": [asdict(e) for e in spec.inexact],
    }
    if spec.elementwise:
        row |= {
            "monotonic": bool(spec.monotonic),
            "kinks": [_numbers(k) for k in spec.kinks],
            "jumps": [_numbers(j) for j in spec.jumps],
            "limits": [float(v) for v in spec.limits],
            "turning": None if spec.turning is None else [float(v) for v in spec.turning],
        }
        if (found := known(spec.name)) is not None:
            row |= asdict(found) | {"fixed_points": list(found.fixed_points)}
            row["fixed_intervals"] = [asdict(i) for i in found.fixed_intervals]
    return row


def _numbers(record: Any) -> dict[str, float]:
    return {name: float(value) for name, value in asdict(record).items()}


def _domain(domain: Any) -> str:
    return "{" + ", ".join(map(repr, domain)) + "}" if isinstance(domain, tuple) else repr(domain)


def _default(name: str, value: Any) -> dict[str, Any]:
    number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    return {"name": name, "number": number, "text": str(value)}
