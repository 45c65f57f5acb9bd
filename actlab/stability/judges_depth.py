"""Judges of what changes from layer to layer: gradients, signals, ranks, means."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from actlab.errors import InputError
from actlab.stability.depth import Line, Profile
from actlab.stability.finding import Finding, Limit, Unjudged, softer
from actlab.stability.gains import VARIANCES, follow, maps
from actlab.stability.judging import Sign, found, found_by, listed, missing, short
from actlab.stability.reading import Reading
from actlab.stability.rules import MIN_DEPTH, Rule
from actlab.theory import moments

AGREE = 0.7  # share of pairs of layers that have to go the way of the line for it to be one
EARLY = 50  # a record up to this step still tells of initialisation, if less surely


def vanishing_gradients(reading: Reading, rule: Rule) -> Finding | Unjudged | None:
    """Judge the gradient at the first relative to that at the last site."""
    profile, limit = reading.profile("gradient"), rule.limits["ratio"]
    if profile is None:
        return missing(rule, "no gradients are recorded", "stats=basic")
    held = _held(profile, limit, lambda fit: 1 / fit.total)
    return found_by(reading, rule, [_backward(reading, profile, held, limit, "below")] if held else [])


def exploding_gradients(reading: Reading, rule: Rule) -> Finding | Unjudged | None:
    """Judge the gradient at the first relative to that at the last site, and the largest gradient norm."""
    profile = reading.profile("gradient")
    steps, layers, norms = reading.table("gradient_norm", reading.run.layers)
    if profile is None and not len(layers):
        return missing(rule, "no gradients are recorded", "stats=basic")
    limit, most, signs = rule.limits["ratio"], rule.limits["norm"], []
    if (peak := _largest(steps, layers, norms)) and most.passed(peak[0]):
        value, step, layer = peak
        told = f"The gradient of {layer} had norm {short(value)} at step {step:,}."
        evidence = ((f"gradient norm of {layer}", value, f"above {most.at:g}"),)
        severity, strength = most.severity(value), most.strength(value)
        signs.append(Sign(severity, strength, evidence, told, where=(layer,), steps=(step, step)))
    held = None if profile is None else _held(profile, limit, lambda fit: 1 / fit.total)
    if held is not None:
        signs.append(_backward(reading, profile, held, limit, "above"))
    return found_by(reading, rule, signs)


def exploding_activations(reading: Reading, rule: Rule) -> Finding | Unjudged | None:
    """Judge the size of outputs, and how it grows from first to last site."""
    profile = reading.profile("rms")
    if profile is None:
        return missing(rule, "no moments of the sites are recorded", "stats=basic")
    size, growth, signs = rule.limits["rms"], rule.limits["growth"], []
    if (peak := _largest(profile.steps, profile.sites, profile.values)) and size.passed(peak[0]):
        value, step, site = peak
        where = tuple(s for s, v in zip(profile.sites, profile.values, strict=True) if (v >= size.at).any())
        told = f"At step {step:,} the output of {site} had a root mean square of {short(value)}."
        evidence = ((f"root mean square after {site}", value, f"above {size.at:g}"),)
        severity = _if_learnt(reading, size.severity(value))
        signs.append(Sign(severity, size.strength(value), evidence, told, where=where, steps=(step, step)))
    if (held := _held(profile, growth, lambda fit: fit.total)) is not None:
        signs.append(_forward(reading, profile, held, growth, "output", "above"))
    return found_by(reading, rule, signs)


def vanishing_signal(reading: Reading, rule: Rule) -> Finding | Unjudged | None:
    """Judge how the spread of outputs fades with depth, and whether a site's output is a constant."""
    spread, rms = reading.profile("spread"), reading.profile("rms")
    if spread is None or rms is None:
        return missing(rule, "no moments of the sites are recorded", "stats=basic")
    fade, flat, signs = rule.limits["fade"], rule.limits["flat"], []
    with np.errstate(invalid="ignore", divide="ignore"):
        square = np.maximum(rms.values**2 - spread.values**2, 1e-300)
        share = np.where(spread.values > 0, spread.values**2 / square, 0.0)
    share = np.where(np.isfinite(spread.values), share, np.inf)
    constant = tuple(
        s for s, v in zip(spread.sites, share, strict=True) if np.median(v) <= flat.at or v[-1] <= flat.at
    )
    low = share.min(axis=0) <= flat.at  # by step
    if constant and (low.mean() >= 0.5 or low[-1]):
        value = float(np.median(share.min(axis=0)[low]))
        told = f"The output of {listed(constant)} is constant: its variance is {short(value)} of its squared mean."
        evidence = (("variance over squared mean, worst site", value, f"below {flat.at:g}"),)
        severity, strength = _if_learnt(reading, flat.severity(value)), flat.strength(max(value, 1e-300))
        at = _ends(spread.steps[low])
        signs.append(Sign(severity, strength, evidence, told, where=constant, steps=at))
    if (held := _held(spread, fade, lambda fit: fit.total)) is not None:
        signs.append(_forward(reading, spread, held, fade, "outputs' standard deviation", "below"))
    return found_by(reading, rule, signs)


def initial_gain(reading: Reading, rule: Rule) -> Finding | Unjudged | None:
    """Judge by which factor the first record's second moments change from site to site, against theory."""
    act, limit = reading.act, rule.limits["drift"]
    if reading.normalised or reading.residual or act is None or not act.elementwise:
        return None
    profile = reading.profile("power")
    if profile is None or not len(profile.steps):
        return missing(rule, "no moments of the sites are recorded", "stats=full")
    if len(profile.sites) < MIN_DEPTH:
        return None
    step = int(profile.steps[0])
    if step > EARLY:
        return missing(rule, f"the first record is of step {step:,}, not of initialisation", "stats=full")
    fit = dict(profile.lines()).get(step)
    if fit is None or fit.agree < AGREE:
        return None
    drift = max(fit.total, 1 / fit.total)
    if not limit.passed(drift):
        return None
    try:
        gain = moments(act).gain
    except InputError:
        gain = float("nan")
    evidence = [
        ("variance's factor per layer", fit.factor, "1 is neutral"),
        ("last over first site", fit.total, f"beyond a factor of {limit.at:g}"),
        (f"gain of {act.name} on a unit normal, 1/sqrt(E f(z)^2)", gain, ""),
    ]
    sentence = (
        f"At step {step} each layer multiplies the variance before the activation by {short(fit.factor)}, "
    )
    sentence += f"{short(fit.total)} over {len(profile.sites)} sites"
    init = reading.config("model.init")
    if init in VARIANCES:
        start = float(np.nan_to_num(profile.values[0, 0], nan=1.0, posinf=1e30)) or 1.0
        expected, _ = follow(maps(act), init, start, len(profile.sites), reading.width)
        evidence.append((f"theory for {init}: last over first site", expected, ""))
        sentence += (
            f"; theory says {short(expected)} for {init}, whose weights have variance {VARIANCES[init]:.2g}/n"
        )
        best = reading.words.get("initialiser")
        if best and best != init:
            sentence += f"; {act.name} goes best with {best}, variance {VARIANCES[best]:.2g}/n"
    severity = limit.severity(drift)
    return found(
        reading,
        rule,
        # Adam trains through much of it, more slowly: beyond doubt it stays a warning.
        severity=softer(severity)
        if reading.learning.outcome == "learnt" and not limit.passed(drift, limit.sure)
        else severity,
        strength=limit.strength(drift),
        support=min(1.0, fit.count / 6) * fit.agree * (1.0 if step == 0 else 0.6),
        where=profile.sites,
        steps=(step, step),
        evidence=evidence,
        sentence=f"{sentence}.",
    )


def sigmoid_in_depth(reading: Reading, rule: Rule) -> Finding | Unjudged | None:
    """Judge a function that is flat at both ends in many layers, by the gradient it passes on."""
    if reading.tails != "both" or reading.normalised or reading.residual:
        return None
    sites, limit = rule.limits["sites"], rule.limits["factor"]
    if not sites.passed(len(reading.run.sites)):
        return None
    profile = reading.profile("gradient")
    if profile is None:
        return missing(rule, "no gradients are recorded", "stats=basic")
    held = _held(profile, limit, lambda fit: 1 / fit.factor)
    if held is None:
        return None
    factor = held.median(lambda fit: 1 / fit.factor)
    outcome = reading.learning.outcome
    name, count = reading.act.name, len(reading.run.sites)
    return found(
        reading,
        rule,
        severity={"learnt": "note", "stuck": "serious", "worse": "serious"}.get(outcome, "warning"),
        strength=min(limit.strength(factor), sites.strength(count)),
        support=held.support,
        where=reading.run.sites,
        steps=held.steps,
        evidence=(
            ("hidden layers", count, f"{sites.at:g} or more"),
            ("factor per layer going backward", factor, f"below {limit.at:g}"),
        ),
        sentence=f"{name} is flat at both ends and stands in {count} hidden layers without normalisation or skips; "
        f"each multiplies the gradient by {short(factor)} ({held.told()}).",
    )


def rank_collapse(reading: Reading, rule: Rule) -> Finding | Unjudged | None:
    """Judge the mean cosine between samples, and how it grows with depth."""
    steps, sites, cosine = reading.table("cosine")
    if not len(sites):
        return missing(rule, "cosines between samples are not recorded", "stats=full")
    limit, growth = rule.limits["cosine"], rule.limits["growth"]
    if len(sites) < 3:
        return None
    cosine = np.where(np.isfinite(cosine), np.clip(cosine, -1.0, 1.0), np.nan)
    if np.isnan(cosine).all():
        return None
    _, others, before = reading.table("pre_cosine")
    if others == sites and before.shape == cosine.shape:
        # Outputs with a large mean are nearly parallel and can be told apart all the same, if their inputs can.
        alike = np.nan_to_num(before, nan=1.0, posinf=1.0) >= rule.limits["before"].at
        cosine = np.where(alike | (np.arange(len(sites)) == 0)[:, None], cosine, np.minimum(cosine, 0.0))
    worst = np.nanmax(np.where(np.isnan(cosine), -1.0, cosine), axis=0)
    grown = (1 - cosine[0]) / np.maximum(1 - worst, 1e-7)
    bad = (worst >= limit.at) & (np.nan_to_num(grown) >= growth.at)
    if not (bad[0] or bad.mean() >= 0.5):
        return None
    value, times = float(np.median(worst[bad])), float(np.median(grown[bad]))
    where = tuple(s for s, v in zip(sites, cosine, strict=True) if (v[bad] >= limit.at).any())
    evidence = [
        ("mean cosine between samples, worst site", value, f"above {limit.at:g}"),
        ("1 - cosine at the first site over the worst", times, f"above {growth.at:g}"),
    ]
    _, _, ranks = reading.table("effective_rank", where)
    rank = float(np.nanmin(ranks)) if ranks.size and np.isfinite(ranks).any() else None
    if rank is not None:
        evidence.append(("effective rank, lowest", rank, ""))
    severity = limit.severity(value)
    if reading.learning.outcome == "learnt":
        severity = softer(severity, 2 if bad.mean() < 0.25 else 1)
    return found(
        reading,
        rule,
        severity=severity,
        strength=limit.strength(value) if value < 1 else 1.0,
        support=min(1.0, len(sites) / MIN_DEPTH),
        where=where,
        steps=_ends(steps[bad]),
        evidence=evidence,
        sentence=f"At {listed(where)} two samples have a mean cosine of {value:.3f}: they have moved {short(times)} "
        "times closer together than they are at the first site"
        + (f", effective rank {short(rank)}." if rank is not None else "."),
    )


def mean_shift(reading: Reading, rule: Rule) -> Finding | Unjudged | None:
    """Judge outputs' |mean| over their standard deviation, and how it grows with depth."""
    spread, rms = reading.profile("spread"), reading.profile("rms")
    if spread is None or rms is None:
        return missing(rule, "no moments of the sites are recorded", "stats=basic")
    limit, growth = rule.limits["ratio"], rule.limits["growth"]
    if len(spread.sites) < 3:
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.sqrt(np.maximum(rms.values**2 - spread.values**2, 0.0))
        ratio = mean / spread.values
    ratio = np.where(np.isfinite(ratio), ratio, np.nan)  # a dead site has no spread: that is another finding
    if np.isnan(ratio).all():
        return None
    worst = np.nanmax(np.where(np.isnan(ratio), 0.0, ratio), axis=0)
    grown = worst / np.maximum(ratio[0], 1e-3)
    bad = (worst >= limit.at) & (np.nan_to_num(grown) >= growth.at)
    if not (bad[0] or bad.mean() >= 0.5):
        return None
    value, times = float(np.median(worst[bad])), float(np.median(grown[bad]))
    with np.errstate(invalid="ignore"):
        where = tuple(s for s, v in zip(spread.sites, ratio, strict=True) if (v[bad] >= limit.at).any())
    severity = limit.severity(value)
    if reading.learning.outcome == "learnt":
        severity = softer(severity, 2 if bad.mean() < 0.25 else 1)
    return found(
        reading,
        rule,
        severity=severity,
        strength=min(limit.strength(value), growth.strength(times)),
        support=min(1.0, len(spread.sites) / MIN_DEPTH),
        where=where,
        steps=_ends(spread.steps[bad]),
        evidence=(
            ("|mean| / sd after the activation, worst site", value, f"above {limit.at:g}"),
            ("the same over the first site's", times, f"above {growth.at:g}"),
        ),
        sentence=f"At {listed(where)} the output's mean is {short(value)} times its standard deviation, "
        f"{short(times)} times as much as at the first site.",
    )


class _Held:
    """The steps at which a profile's line lies past a limit."""

    def __init__(self, profile: Profile, lines: list[tuple[int, Line]], held: list[tuple[int, Line]]):
        self.fits = [fit for _, fit in held]
        self.steps = (held[0][0], held[-1][0])
        self.share = len(held) / len(lines)
        self.count = len(held)
        looked = 1.0 if len(lines) >= 5 or lines[0][0] == 0 else 0.7
        depth = min(1.0, float(np.median([fit.count for fit in self.fits])) / 6)
        agree = float(np.median([fit.agree for fit in self.fits]))
        self.support = depth * agree * looked * (1.0 if profile.exact else 0.8)

    def median(self, measure: Callable[[Line], float]) -> float:
        return float(np.median([measure(fit) for fit in self.fits]))

    def told(self) -> str:
        if self.count == 1:
            return f"at step {self.steps[0]:,}"
        return f"median of {self.count} records, steps {self.steps[0]:,} to {self.steps[1]:,}"

    def softened(self, reading: Reading, severity: str) -> str:
        """Return the severity, less where the run learns all the same, least where it soon passed."""
        if reading.learning.outcome != "learnt":
            return severity
        return softer(severity, 2 if self.share < 0.25 else 1)


def _backward(reading: Reading, profile: Profile, held: _Held, limit: Limit, side: str) -> Sign:
    """Return the sign of a gradient that falls or grows going back."""
    ratio, factor = held.median(lambda fit: 1 / fit.total), held.median(lambda fit: 1 / fit.factor)
    first, last = profile.sites[0], profile.sites[-1]
    told = f"Going backward each layer multiplies the gradient by {short(factor)} ({held.told()}): at {first} it is "
    evidence = (
        ("factor per layer going backward", factor, "1 is neutral"),
        (f"gradient at {first} relative to {last}", ratio, f"{side} {limit.at:g}"),
        ("share of recorded steps", held.share, ""),
    )
    return Sign(
        held.softened(reading, limit.severity(ratio)),
        limit.strength(ratio),
        evidence,
        f"{told}{short(ratio)} times what it is at {last}.",
        held.support,
        profile.sites,
        held.steps,
    )


def _forward(reading: Reading, profile: Profile, held: _Held, limit: Limit, of: str, side: str) -> Sign:
    """Return the sign of a quantity ``of`` the outputs that falls or grows going forward."""
    total, factor = held.median(lambda fit: fit.total), held.median(lambda fit: fit.factor)
    told = (
        f"From layer to layer the {of} is multiplied by {short(factor)} ({held.told()}), {short(total)} over "
    )
    evidence = (
        ("factor per layer", factor, "1 is neutral"),
        ("last over first site", total, f"{side} {limit.at:g}"),
        ("share of recorded steps", held.share, ""),
    )
    return Sign(
        held.softened(reading, limit.severity(total)),
        limit.strength(total),
        evidence,
        f"{told}{len(profile.sites)} sites.",
        held.support,
        profile.sites,
        held.steps,
    )


def _largest(steps: np.ndarray, names: tuple[str, ...], values: np.ndarray) -> tuple[float, int, str] | None:
    """Return the largest value of a table with its step and name; None where there is none."""
    if not values.size or np.isnan(values).all():
        return None
    row, column = np.unravel_index(np.nanargmax(values), values.shape)
    return float(values[row, column]), int(steps[column]), names[row]


def _if_learnt(reading: Reading, severity: str) -> str:
    return softer(severity) if reading.learning.outcome == "learnt" else severity


def _ends(steps: np.ndarray) -> tuple[int, int]:
    return int(steps[0]), int(steps[-1])


def _held(profile: Profile, limit: Limit, measure: Callable[[Line], float]) -> _Held | None:
    """Return where the line through a profile is past ``limit``; None unless at the start or half of the time."""
    if len(profile.sites) < MIN_DEPTH - (not profile.exact):  # an estimate has no value at the first site
        return None
    lines = profile.lines()
    held = [(s, fit) for s, fit in lines if limit.passed(measure(fit)) and fit.agree >= AGREE]
    if not held or not (held[0][0] == lines[0][0] or len(held) >= 0.5 * len(lines)):
        return None
    return _Held(profile, lines, held)
