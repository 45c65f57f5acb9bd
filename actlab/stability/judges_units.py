"""Judges of units and heads: dead from birth, dying, saturated, looking at one key."""

from __future__ import annotations

import numpy as np

from actlab.stability.finding import Finding, Unjudged, softer
from actlab.stability.judging import found, listed, missing, short
from actlab.stability.reading import Reading
from actlab.stability.rules import Rule


def born_dead(reading: Reading, rule: Rule) -> Finding | Unjudged | None:
    """Judge sites of which (nearly) all units are dead in the first record and in every later one."""
    steps, sites, dead = reading.table("dead_share")
    if not len(sites):
        return _no_dead_share(reading, rule)
    limit = rule.limits["dead"]
    gone = np.nan_to_num(dead, nan=1.0, posinf=1.0).min(axis=1)
    where = tuple(site for site, share in zip(sites, gone, strict=True) if limit.passed(share))
    if reading.unbounded_slope:
        where = tuple(site for site in where if _zeros(reading, site) >= limit.at)
    if not where:
        return None
    first, outcome = int(steps[0]), reading.learning.outcome
    value = float(max(gone))
    evidence = [("dead share, lowest ever", value, f"above {limit.at:g}")]
    sentence = f"All units of {listed(where)} were silent for every sample"
    if value < 1:
        sentence = f"At least {value:.0%} of the units of {listed(where)} were silent for every sample"
    sentence += " at initialisation" if first == 0 else f" in the first record (step {first:,})"
    sentence += " and ever after" if len(steps) > 1 else ""
    _, layers, norms = reading.table("gradient_norm", tuple(filter(None, map(reading.run.layer_of, where))))
    if len(layers) and np.isfinite(norms).any():
        evidence.append(("largest gradient norm of their layers", float(np.nanmax(norms)), ""))
    if outcome in ("stuck", "worse"):
        learning = reading.learning
        evidence.append(
            ("loss at the end over the start", learning.last / learning.first, "1: nothing learnt")
        )
        sentence += f"; the loss stays at {learning.last:.3g}"
    width, count = reading.config("model.width"), len(reading.run.sites)
    if reading.tails == "one" and isinstance(width, int) and not reading.normalised:
        chance = 1 - (1 - 2.0**-width) ** count
        evidence.append((f"chance that one of {count} layers of {width} is born dead", chance, "upper bound"))
    return found(
        reading,
        rule,
        severity="warning" if outcome == "learnt" else "serious",
        strength=limit.strength(value),
        support=1.0 if first == 0 or outcome in ("stuck", "worse") else 0.7,
        where=where,
        steps=(first, int(steps[-1])),
        evidence=evidence,
        sentence=f"{sentence}.",
    )


def dying_units(reading: Reading, rule: Rule) -> Finding | Unjudged | None:
    """Judge units that are dead at the end and were not at the start, where an activation has one flat side."""
    if reading.tails not in ("one", "none"):
        return None
    steps, sites, dead = reading.table("dead_share")
    if not len(sites):
        return _no_dead_share(reading, rule)
    if len(steps) < 3:
        return None
    dead = np.where(np.isfinite(dead), dead, np.nan)
    with np.errstate(all="ignore"):
        last = np.array([np.median(v[np.isfinite(v)][-3:]) if np.isfinite(v).any() else np.nan for v in dead])
    exact = [reading.run.last(site, "dataset_dead_share") for site in sites]
    last = np.array(
        [v if e is None or not np.isfinite(e) else min(v, e) for v, e in zip(last, exact, strict=True)]
    )
    died = last - np.nan_to_num(dead[:, 0])
    limit = rule.limits["dead"]
    bad = [k for k in range(len(sites)) if limit.passed(died[k])]
    if reading.unbounded_slope:
        bad = [k for k in bad if _zeros(reading, sites[k]) >= 0.9 * last[k]]
    if not bad:
        return None
    worst = max(bad, key=lambda k: died[k])
    share, site = float(last[worst]), sites[worst]
    since = int(steps[np.flatnonzero(np.nan_to_num(dead[worst]) >= limit.at)[0]])
    evidence = [
        (f"dead share of {site}", share, f"above {limit.at:g}"),
        ("dead share in the first record", float(np.nan_to_num(dead[worst, 0])), ""),
    ]
    for quantity, label in (
        ("dataset_dead_share", "dead on every test sample"),
        ("dead_longest", "steps the longest has been dead"),
    ):
        if (value := reading.run.last(site, quantity)) is not None:
            evidence.append((label, value, ""))
    severity = limit.severity(share)
    if reading.residual and reading.learning.outcome == "learnt":
        severity = softer(severity)  # the skip carries signal and gradient past the dead
    return found(
        reading,
        rule,
        severity=severity,
        strength=limit.strength(float(died[worst])),
        support=min(1.0, len(steps) / 6) * (1.0 if exact[worst] is not None else 0.9),
        where=tuple(sites[k] for k in bad),
        steps=(since, int(steps[-1])),
        evidence=evidence,
        sentence=f"At the end {share:.0%} of the units of {site} give nothing for any sample; in the first record "
        f"{np.nan_to_num(dead[worst, 0]):.0%} did, from step {since:,} on it was {limit.at:.0%} or more.",
    )


def saturation(reading: Reading, rule: Rule) -> Finding | Unjudged | None:
    """Judge the share of values on the flat ends of a function that has two."""
    if reading.tails != "both":
        return None
    steps, sites, share = reading.table("saturated_share")
    if not len(sites):
        return missing(rule, "shares of saturated values are not recorded", "stats=basic")
    share = np.where(np.isfinite(share), share, np.nan)
    limit = rule.limits["share"]
    last = np.array([np.median(v[np.isfinite(v)][-3:]) if np.isfinite(v).any() else np.nan for v in share])
    bad = [k for k in range(len(sites)) if limit.passed(last[k])]
    if not bad:
        return None
    worst = max(bad, key=lambda k: last[k])
    value, site = float(last[worst]), sites[worst]
    since = int(steps[np.flatnonzero(np.nan_to_num(share[worst]) >= limit.at)[0]])
    severity = limit.severity(value)
    if reading.learning.outcome == "learnt":
        severity = softer(severity)
    return found(
        reading,
        rule,
        severity=severity,
        strength=limit.strength(value),
        support=min(1.0, len(steps) / 3) if steps[0] else 1.0,
        where=tuple(sites[k] for k in bad),
        steps=(since, int(steps[-1])),
        evidence=(
            (f"saturated share of {site}", value, f"above {limit.at:g}"),
            ("in the first record", float(np.nan_to_num(share[worst, 0])), ""),
        ),
        sentence=f"{value:.0%} of the values at {site} lie where |f'| is below a hundredth of its maximum; in the "
        f"first record (step {int(steps[0]):,}) {np.nan_to_num(share[worst, 0]):.0%} did.",
    )


def attention_entropy_collapse(reading: Reading, rule: Rule) -> Finding | Unjudged | None:
    """Judge the entropy of attention, mean over heads, where there is attention at all."""
    names = tuple(
        reading.run.metrics.filter(quantity="entropy_share.mean")["site"].unique(maintain_order=True)
    )
    if not names:
        return None
    steps, heads, entropy = reading.table("entropy_share.mean", names)
    limit, fall, top = rule.limits["entropy"], rule.limits["fall"], rule.limits["logit"]
    bad, measures = [], {}
    for name, values in zip(heads, entropy, strict=True):
        values = values[np.isfinite(values)]
        if not len(values):
            continue
        last, first = float(np.median(values[-3:])), float(values[0])
        _, logits = reading.run.series(name, "logit_max")
        logits = logits[np.isfinite(logits)]
        largest = float(np.median(logits[-3:])) if len(logits) else 0.0
        if limit.passed(last) and (fall.passed(last / max(first, 1e-9)) or top.passed(largest)):
            bad.append(name)
            measures[name] = last, first, largest
    if not bad:
        return None
    worst = min(bad, key=lambda name: measures[name][0])
    last, first, largest = measures[worst]
    row = entropy[heads.index(worst)]
    since = int(steps[np.flatnonzero(np.nan_to_num(row, nan=1.0) <= limit.at)[0]])
    severity = limit.severity(last)
    if reading.learning.outcome == "learnt":
        severity = softer(severity)
    return found(
        reading,
        rule,
        severity=severity,
        strength=limit.strength(max(last, 1e-12)),
        support=min(1.0, len(steps) / 5),
        where=bad,
        steps=(since, int(steps[-1])),
        evidence=(
            (f"entropy of {worst} over that of looking everywhere", last, f"below {limit.at:g}"),
            ("in the first record", first, ""),
            ("largest attention score", largest, f"above {top.at:g} saturates"),
        ),
        sentence=f"The heads of {worst} have {last:.1%} of the entropy of looking everywhere, {first:.1%} in the "
        f"first record; their largest score is {short(largest)}.",
    )


def _zeros(reading: Reading, site: str) -> float:
    """Return the share of outputs that were exactly 0 last: a dead unit of relu squared has no other."""
    share = reading.run.last(site, "post.zero_share")
    return share if share is not None and np.isfinite(share) else 0.0


def _no_dead_share(reading: Reading, rule: Rule) -> Unjudged | None:
    if reading.act is not None and not reading.act.elementwise:
        return None
    return missing(rule, "shares of dead units are not recorded", "stats=basic")
