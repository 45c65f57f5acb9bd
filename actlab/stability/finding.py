"""What a diagnosis says: findings, what could not be judged, and how sure it is."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

SEVERITIES = ("note", "warning", "serious")
"""``note``: worth knowing, training may go on as it is; ``warning``: it costs accuracy or time; ``serious``: the run
does not learn for this reason, or will break."""


@dataclass(frozen=True)
class Finding:
    """One named thing that is wrong with a run.

    Attributes:
        name: the rule's name.
        title: a few words.
        severity: one of `SEVERITIES`.
        confidence: in [0, 1]. The measure that passed its limit gives 0.5 just past it and 1 at the mark which no
            healthy run of ``experiments/04_stability`` reaches, in between by its logarithm (`Limit.strength`);
            that is multiplied by the share of the evidence one would want (records, sites, the exact
            quantity) that the run has.
        where: sites or layers, forward order; empty for the run as a whole.
        steps: first and last step at which it held.
        evidence: (label, value, unit or limit).
        sentence: the evidence as one sentence.
        advice: (what to try, the override that does it or ""), best first.
        source: author, year, arXiv number.
    """

    name: str
    title: str
    severity: str
    confidence: float
    where: tuple[str, ...]
    steps: tuple[int, int]
    evidence: tuple[tuple[str, float, str], ...]
    sentence: str
    advice: tuple[tuple[str, str], ...]
    source: str


@dataclass(frozen=True)
class Unjudged:
    """A rule that the run's records do not allow to judge: why, and the override that would record it."""

    name: str
    title: str
    reason: str
    override: str


@dataclass(frozen=True)
class Diagnosis:
    """All that was found, worst first; the rules that could not be judged; the names of those judged."""

    findings: tuple[Finding, ...]
    unjudged: tuple[Unjudged, ...]
    judged: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing beyond notes was found."""
        return all(f.severity == "note" for f in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold; a value that is not finite becomes None."""
        plain = {"healthy": self.healthy, **asdict(self)}
        for finding in plain["findings"]:
            finding["evidence"] = [
                {"label": label, "value": value if math.isfinite(value) else None, "note": note}
                for label, value, note in finding["evidence"]
            ]
            finding["advice"] = [{"text": text, "override": override} for text, override in finding["advice"]]
        return plain


@dataclass(frozen=True)
class Limit:
    """Where a measure begins to count, where it is beyond doubt, and from where on it is serious.

    It counts upward where ``at < sure`` and downward where ``at > sure``. ``warning`` is ``at`` unless told.

    >>> dead = Limit(at=0.2, sure=0.8, warning=0.5, serious=0.9)
    >>> dead.passed(0.3), dead.severity(0.3), dead.severity(0.6), round(dead.strength(0.4), 2)
    (True, 'note', 'warning', 0.75)
    """

    at: float
    sure: float
    warning: float | None = None
    serious: float | None = None

    def passed(self, value: float, mark: float | None = None) -> bool:
        """Tell whether ``value`` lies at the mark (``at``) or beyond; NaN does not."""
        mark = self.at if mark is None else mark
        return value >= mark if self.at < self.sure else value <= mark

    def strength(self, value: float) -> float:
        """Return 0.5 at ``at`` rising to 1 at ``sure``, by the logarithm of the value (all are positive)."""
        if not self.passed(value):
            return 0.0
        if self.passed(value, self.sure):
            return 1.0
        way = math.log(value / self.at) / math.log(self.sure / self.at)
        return 0.5 + 0.5 * way

    def severity(self, value: float) -> str:
        """Return the severity of a value past the limit."""
        if self.serious is not None and self.passed(value, self.serious):
            return "serious"
        if self.passed(value, self.at if self.warning is None else self.warning):
            return "warning"
        return "note"


def softer(severity: str, by: int = 1) -> str:
    """Return a severity ``by`` steps lower, a note at the lowest.

    >>> softer("serious"), softer("note")
    ('warning', 'note')
    """
    return SEVERITIES[max(0, SEVERITIES.index(severity) - by)]


def worst_first(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return findings by severity, then confidence, then in the order they came."""
    return tuple(sorted(findings, key=lambda f: (-SEVERITIES.index(f.severity), -f.confidence)))
