"""What judges share: from a measure past its limit to a finding with its advice filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import yaml

from actlab.stability.finding import SEVERITIES, Finding, Unjudged
from actlab.stability.reading import Reading
from actlab.stability.rules import Rule


def found(
    reading: Reading,
    rule: Rule,
    *,
    severity: str,
    strength: float,
    support: float,
    sentence: str,
    evidence: Iterable[tuple[str, float, str]],
    where: Iterable[str] = (),
    steps: tuple[int, int] | None = None,
    words: Mapping[str, str] | None = None,
) -> Finding:
    """Return the finding of a rule; its confidence is ``strength`` (of the evidence) times ``support`` (how much)."""
    return Finding(
        name=rule.name,
        title=rule.title,
        severity=severity,
        confidence=round(min(1.0, strength) * min(1.0, support), 3),
        where=tuple(where),
        steps=reading.span if steps is None else steps,
        evidence=tuple((label, float(value), note) for label, value, note in evidence),
        sentence=sentence,
        advice=advice(reading, rule, words or {}),
        source=rule.source,
    )


@dataclass(frozen=True)
class Sign:
    """One of several measures by which a disease shows; the fields are those of `found`."""

    severity: str
    strength: float
    evidence: tuple[tuple[str, float, str], ...]
    sentence: str
    support: float = 1.0
    where: tuple[str, ...] = ()
    steps: tuple[int, int] | None = None


def found_by(
    reading: Reading, rule: Rule, signs: list[Sign], words: Mapping[str, str] | None = None
) -> Finding | None:
    """Return the finding of all signs together, None if there is none: the worst severity, the surest confidence."""
    if not signs:
        return None
    surest = max(signs, key=lambda s: s.strength * s.support)
    places = {site for sign in signs for site in sign.where}
    steps = [sign.steps for sign in signs if sign.steps is not None]
    return found(
        reading,
        rule,
        severity=max((s.severity for s in signs), key=SEVERITIES.index),
        strength=surest.strength,
        support=surest.support,
        sentence=" ".join(s.sentence for s in signs),
        evidence=[row for s in signs for row in s.evidence],
        where=[name for name in (*reading.run.sites, *reading.run.layers) if name in places],
        steps=(min(a for a, _ in steps), max(b for _, b in steps)) if steps else None,
        words=words,
    )


def missing(rule: Rule, reason: str, override: str) -> Unjudged:
    """Return that a rule cannot be judged, and what would record what it needs."""
    return Unjudged(rule.name, rule.title, reason, override)


def advice(reading: Reading, rule: Rule, words: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the rule's advice that can be given: words filled in, nothing that the run does already."""
    told = []
    known = reading.words | words
    for text, override in rule.advice:
        try:
            text, override = text.format_map(known), override.format_map(known)
        except KeyError:
            continue
        if override and _followed(reading, override.split()[0]):
            continue
        told.append((text, override if all(_settable(reading, o) for o in override.split()) else ""))
    return tuple(told)


def _followed(reading: Reading, override: str) -> bool:
    key, _, value = override.partition("=")
    if key == "activation":
        key = "activation.name"
    now, new = reading.config(key), yaml.safe_load(value)
    if isinstance(now, int | float) and not isinstance(now, bool):
        try:
            return float(now) == float(new)
        except (TypeError, ValueError):
            return False
    return now == new


def _settable(reading: Reading, override: str) -> bool:
    """Tell whether the run's config has the key at all: a user's own model need not have ``norm``."""
    node = reading.run.config
    for key in override.partition("=")[0].split("."):
        if not isinstance(node, dict) or key not in node:
            return False
        node = node[key]
    return True


def short(value: float) -> str:
    """Return a number as sentences have it.

    >>> short(0.2341), short(12_345.0), short(3.2e-9), short(5.0)
    ('0.23', '12,345', '3.2e-09', '5')
    """
    return f"{value:,.0f}" if 100 <= abs(value) < 1e6 else f"{value:.2g}"


def listed(names: tuple[str, ...]) -> str:
    """Return names as a sentence has them, long lists cut.

    >>> listed(("a", "b", "c", "d", "e")), listed(("a",))
    ('a, b and 3 more', 'a')
    """
    if len(names) <= 3:
        return ", ".join(names)
    return f"{names[0]}, {names[1]} and {len(names) - 2} more"
