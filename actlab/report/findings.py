"""What a diagnosis found, as cards: the worst first, each with its evidence and what to try."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from actlab.report import numbers
from actlab.stability.finding import Finding, Unjudged

CLASSES = {"serious": "bad", "warning": "warn", "note": "info"}

NAMED = 4
"""Most sites that a card names."""


def findings(found: Sequence[Finding], unjudged: Sequence[Unjudged] = (), judged: Sequence[str] = ()) -> str:
    """Return the section of findings; a healthy run is told in one quiet line, with what could not be judged."""
    order = list(CLASSES)
    ranked = sorted(found, key=lambda one: (order.index(one.severity), -one.confidence))
    ill = [one for one in ranked if one.severity != "note"]
    # The diagnosis tells health as a finding too; here it is the quiet line.
    notes = [one for one in ranked if one.severity == "note" and one.name != "healthy"]
    rules = f"{len(judged)} rule{'s' if len(judged) != 1 else ''}"
    body = ""
    if ill:
        count = f"{len(ill)} thing{'s' if len(ill) != 1 else ''}"
        lead = f"{count} to look at, the worst first" + (f"; {rules} judged." if judged else ".")
        body += f'<div class="findings">{"".join(_card(one, i) for i, one in enumerate(ill))}</div>'
    else:
        lead = f"Nothing that needs a change was found{f' by {rules}' if judged else ''}."
    if notes:
        cards = "".join(_card(one, len(ill) + i) for i, one in enumerate(notes))
        said = f"{len(notes)} note{'s' if len(notes) != 1 else ''}: {', '.join(one.title for one in notes)}"
        folded = f'<summary>{escape(said)}</summary><div class="findings">{cards}</div>'
        body += f'<details class="more">{folded}</details>'
    if unjudged:
        body += _unjudged(unjudged)
    return (
        f'<section class="diagnosis" aria-labelledby="h-findings"><h2 id="h-findings">Findings</h2>'
        f'<p class="lead">{escape(lead)}</p>{body}</section>'
    )


def headline(found: Sequence[Finding]) -> str:
    """Return the findings in one line, worst first, notes left out; "" where there are none."""
    ill = [one for one in found if one.severity != "note"]
    ill.sort(key=lambda one: (list(CLASSES).index(one.severity), -one.confidence))
    more = f" and {len(ill) - 3} more" if len(ill) > 3 else ""
    return "; ".join(f"{one.title} ({one.severity}, {_sure(one)})" for one in ill[:3]) + more


def _sure(one: Finding) -> str:
    return f"{100 * one.confidence:.0f} % sure"


def _card(one: Finding, place: int) -> str:
    where = ", ".join(one.where[:NAMED]) + (
        f" and {len(one.where) - NAMED} more" if len(one.where) > NAMED else ""
    )
    first, last = one.steps
    when = f"step {first:,}" if first == last else f"steps {first:,} to {last:,}"
    facts = "".join(
        f"<div><dt>{escape(label)}</dt><dd>{escape(numbers.number(value))}"
        f"{f' <span>{escape(note)}</span>' if note else ''}</dd></div>"
        for label, value, note in one.evidence
    )
    tries = "".join(
        _advice(text, override, f"try-{place}-{i}") for i, (text, override) in enumerate(one.advice)
    )
    parts = [
        f'<h3><span class="verdict {CLASSES[one.severity]}">{one.severity}</span> {escape(one.title)} '
        f"<small>{_sure(one)}</small></h3>",
        f"<p>{escape(one.sentence)}</p>",
        f'<p class="where">{escape(f"{where} · {when}" if where else when)}</p>',
    ]
    if facts:
        parts.append(f'<dl class="evidence">{facts}</dl>')
    if tries:
        parts.append(f'<h4>What to try</h4><ul class="tries">{tries}</ul>')
    if one.source:
        parts.append(f'<p class="source">{escape(one.source)}</p>')
    return f'<article class="card finding sev-{one.severity}">{"".join(parts)}</article>'


def _advice(text: str, override: str, name: str) -> str:
    shown = escape(text[:1].upper() + text[1:])
    if not override:
        return f"<li>{shown}</li>"
    return (
        f'<li>{shown} <span class="override"><code id="{name}">{escape(override)}</code>'
        f'<button type="button" data-copy="{name}" aria-label="Copy {escape(override)}">Copy</button></span></li>'
    )


def _unjudged(rules: Sequence[Unjudged]) -> str:
    lines = "".join(
        f"<li><b>{escape(one.title)}</b>: {escape(one.reason)}"
        + (f" (<code>{escape(one.override)}</code> records it)" if one.override else "")
        + "</li>"
        for one in rules
    )
    count = f"{len(rules)} rule{'s' if len(rules) != 1 else ''}"
    return f'<details class="more quiet"><summary>{count} could not be judged</summary><ul>{lines}</ul></details>'
