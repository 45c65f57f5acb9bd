"""From a run to named findings: every rule of `actlab.stability.rules`, judged on what the run recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from actlab.runs import Run
from actlab.stability import judges_depth, judges_run, judges_units
from actlab.stability.finding import SEVERITIES, Diagnosis, Finding, Unjudged, worst_first
from actlab.stability.reading import Reading
from actlab.stability.rules import RULES, Rule

Judge = Callable[[Reading, Rule], Finding | Unjudged | None]
JUDGES: dict[str, Judge] = {
    rule.name: next(
        getattr(m, rule.name) for m in (judges_run, judges_units, judges_depth) if hasattr(m, rule.name)
    )
    for rule in RULES
}


def diagnose(run: Run, rules: Sequence[Rule] = RULES) -> Diagnosis:
    """Return what is wrong with a run, what could not be judged, and which rules were.

    A consequence of a cause that was found as well (`Rule.follows_from`) is told as a note. Where nothing beyond
    notes is found, a finding ``healthy`` says so; its confidence is the share of rules that could be judged.

    >>> import polars as pl
    >>> from pathlib import Path
    >>> from actlab.records import TABLES
    >>> empty = {name: pl.DataFrame(schema=schema) for name, schema in TABLES.items()}
    >>> run = Run(Path(), {"model": {"norm": "batch"}, "batch_size": 2}, (), {}, **empty, sites=(), layers=())
    >>> [(f.name, f.severity, f.confidence) for f in diagnose(run).findings]
    [('batch_norm_small_batch', 'serious', 1.0)]
    """
    reading = Reading(run)
    told = {rule.name: JUDGES[rule.name](reading, rule) for rule in rules}
    found = {name: t for name, t in told.items() if isinstance(t, Finding)}
    unjudged = tuple(t for t in told.values() if isinstance(t, Unjudged))
    judged = tuple(name for name, t in told.items() if not isinstance(t, Unjudged))
    findings = list(worst_first([_placed(found[r.name], r, found) for r in rules if r.name in found]))
    if all(f.severity == "note" for f in findings):
        findings.insert(0, _healthy(reading, judged, unjudged))
    return Diagnosis(tuple(findings), unjudged, judged)


def findings(run: Run) -> tuple[Finding, ...]:
    """Return the findings of `diagnose`, worst first: what the report page shows."""
    return diagnose(run).findings


def _placed(finding: Finding, rule: Rule, found: dict[str, Finding]) -> Finding:
    """Return a finding as a note if a cause of it was found that is as severe."""
    weight = SEVERITIES.index(finding.severity)
    causes = [
        found[c] for c in rule.follows_from if c in found and SEVERITIES.index(found[c].severity) >= weight
    ]
    if not causes or not weight:
        return finding
    sentence = f"{finding.sentence} It follows from: {causes[0].title.lower()}."
    return replace(finding, severity="note", sentence=sentence, advice=())  # cure the cause


def _healthy(reading: Reading, judged: tuple[str, ...], unjudged: tuple[Unjudged, ...]) -> Finding:
    count = len(judged) + len(unjudged)
    sentence = f"None of {len(judged)} rules found anything that needs a change."
    if unjudged:
        sentence += f" {len(unjudged)} could not be judged."
    return Finding(
        name="healthy",
        title="Healthy",
        severity="note",
        confidence=round(len(judged) / count, 3) if count else 0.0,
        where=(),
        steps=reading.span,
        evidence=(("rules judged", len(judged), f"of {count}"),),
        sentence=sentence,
        advice=(),
        source="",
    )
