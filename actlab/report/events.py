"""What happened while a run was trained, as marks on the loss and as a list."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from actlab.report import numbers
from actlab.runs import Run

MARKS = 60
"""Most marks in a chart; more are gathered, and the mark says how many it stands for."""

LISTED = 20
"""Most lines of the list below the chart."""

KINDS = {
    "spike": "the loss jumped",
    "skip": "a step was left out",
    "rewind": "training went back",
    "nonfinite": "not finite",
}
"""Kinds that every run may record, mildest first, with their names; others keep their own name and come before."""


SAME = {"loss_spike": "spike", "divergence": "nonfinite"}
"""What detectors call that which a run may have recorded itself: it is told once."""


@dataclass(frozen=True)
class Happening:
    """One event: when it began and ended, its kind, the site ("" for the whole run) and a sentence."""

    step: int
    last: int
    kind: str
    site: str
    message: str
    excess: float
    """How far beyond its limit, as a ratio; 0 where there is no limit."""


def happenings(run: Run, detected: Sequence[object] = ()) -> list[Happening]:
    """Return what the run recorded, its divergence, and what was ``detected`` in its records, by step.

    ``detected`` holds events with ``kind``, ``step``, ``end_step``, ``site``, ``value``, ``limit`` and ``message``.
    """
    found = [
        Happening(
            row["step"],
            row["step"],
            row["kind"] or "",
            row["site"] or "",
            row["message"] or "",
            _excess(row["value"], row["limit"]),
        )
        for row in run.events.iter_rows(named=True)
        if row["step"] is not None
    ]
    diverged = run.info.get("divergence")
    if isinstance(diverged, dict) and isinstance(diverged.get("step"), int):
        step, message = diverged["step"], str(diverged.get("message") or "the run diverged")
        if not any(event.kind == "nonfinite" and event.step == step for event in found):
            found.append(Happening(step, step, "nonfinite", str(diverged.get("site") or ""), message, 0.0))
    for event in detected:
        same = SAME.get(event.kind, event.kind)
        if not any(one.kind == same and event.step <= one.step <= event.end_step for one in found):
            excess = _excess(event.value, event.limit)
            kind = "spike" if event.kind == "loss_spike" else event.kind
            found.append(Happening(event.step, event.end_step, kind, event.site or "", event.message, excess))
    return sorted(found, key=lambda event: event.step)


def _excess(value: float | None, limit: float | None) -> float:
    if value is None or not limit:
        return 0.0
    ratio = abs(value / limit)
    return math.inf if math.isnan(ratio) else ratio


def _rank(event: Happening) -> tuple[int, float]:
    kinds = list(KINDS)
    return (kinds.index(event.kind) if event.kind in kinds else -1, event.excess)


def name(kind: str) -> str:
    """Return a kind of event in words."""
    return KINDS.get(kind, kind.replace("_", " "))


def marks(found: Sequence[Happening]) -> dict[str, list]:
    """Return at most MARKS marks as columns: of those that would stand together, the worst, and how many they are."""
    columns: dict[str, list] = {"step": [], "kind": [], "message": []}
    if not found:
        return columns
    parts = [[event] for event in found]
    if len(found) > MARKS:
        steps = np.array([event.step for event in found], dtype=float)
        place = ((steps - steps[0]) / max(steps[-1] - steps[0], 1.0) * (MARKS - 1)).astype(int)
        parts = [[found[i] for i in np.flatnonzero(place == at)] for at in np.unique(place)]
    for part in parts:
        worst = max(part, key=_rank)
        message = worst.message or name(worst.kind)
        if len(part) > 1:
            message += f" (and {len(part) - 1} more between steps {part[0].step:,} and {part[-1].step:,})"
        columns["step"].append(worst.step)
        columns["kind"].append(name(worst.kind))
        columns["message"].append(message)
    return columns


def counted(found: Sequence[Happening]) -> str:
    """Return how often what happened: "3 × the loss jumped, 1 × not finite"."""
    kinds = dict.fromkeys(event.kind for event in found)
    return ", ".join(f"{sum(event.kind == kind for event in found):,} × {name(kind)}" for kind in kinds)


def listing(found: Sequence[Happening]) -> str:
    """Return the events as a folded list, the worst ones where there are many; "" where there is none."""
    if not found:
        return ""
    shown = sorted(sorted(found, key=_rank)[-LISTED:], key=lambda event: event.step)
    lines = "".join(f"<li>{_line(event)}</li>" for event in shown)
    heading = f"{counted(found)}" + (f"; the {LISTED} worst" if len(found) > LISTED else "")
    summary = f"<summary>What happened: {escape(heading)}</summary>"
    return f'<details class="more">{summary}<ol class="events">{lines}</ol></details>'


def _line(event: Happening) -> str:
    when = f"{event.step:,}" if event.last == event.step else f"{event.step:,} to {event.last:,}"
    much = ""
    if event.excess > 1:
        much = f" ({numbers.number(event.excess)} times its limit)" if math.isfinite(event.excess) else ""
    said = event.message or name(event.kind)
    return f"<b>Step {when}</b>: {escape(said)}{much}"
