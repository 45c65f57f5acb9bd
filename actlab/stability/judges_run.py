"""Judges of the run as a whole: divergence, learning rate, output, batch, precision."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl

from actlab.stability.finding import Finding, Unjudged
from actlab.stability.judging import Sign, found, found_by, missing, short
from actlab.stability.reading import Reading
from actlab.stability.rules import Rule

TINY = {"float32": 1.18e-38, "bfloat16": 1.18e-38, "float16": 6.1e-5}  # smallest normal numbers
WEIGHT_STEP = 6e-8  # half the rounding step of the parameters, which are float32, relative to their size


def divergence(reading: Reading, rule: Rule) -> Finding | Unjudged | None:
    """Judge whether a value stopped being finite, and say which was the first."""
    info = reading.run.info.get("divergence")
    events = reading.run.events.filter(pl.col("kind") == "nonfinite")
    if reading.state != "diverged" and not isinstance(info, dict) and not len(events):
        return None
    info = info if isinstance(info, dict) else {}
    at = info.get("step", events["step"][0] if len(events) else reading.span[1])
    site = info.get("site") or (events["site"][0] if len(events) else "")
    message = str(info.get("message") or (events["message"][0] if len(events) else "")) or (
        f"diverged at step {at}, where it began was not recorded"
    )
    _, loss = reading.run.series("train", "loss")
    loss = loss[np.isfinite(loss)]
    evidence = [("step of the first value that is not finite", at, "")]
    if len(loss):
        evidence.append(("last finite training loss", loss[-1], ""))
    if len(events):
        evidence.append(("updates with a value that is not finite", len(events), ""))
    rate = reading.run.last("train", "learning_rate")
    if rate is not None:
        evidence.append(("learning rate", rate, ""))
    return found(
        reading,
        rule,
        severity="serious" if reading.state == "diverged" else "warning",  # a policy let the run go on
        strength=1.0,
        support=1.0,
        where=(site,) if site in (*reading.run.sites, *reading.run.layers, "head") else (),
        steps=(int(at), int(at)),
        evidence=evidence,
        sentence=f"{message[:1].upper()}{message[1:]}.".replace("..", "."),
    )


def learning_rate_too_high(reading: Reading, rule: Rule) -> Finding | Unjudged | None:
    """Judge by what too large a step does: loss above its start, jumps, divergence, sharpness, update ratio."""
    learning, limits = reading.learning, rule.limits
    learnt = learning.outcome == "learnt"
    signs: list[Sign] = []

    def sign(measure: str, value: float, label: str, told: str, soft: bool) -> None:
        limit = limits[measure]
        if limit.passed(value):
            severity = "note" if soft else limit.severity(value)
            side = f"above {limit.at:g}"
            signs.append(Sign(severity, limit.strength(value), ((label, value, side),), told, 0.8))

    if learning.outcome == "worse" and learning.last > 1.05 * learning.lowest:
        ratio = learning.last / learning.first
        told = f"The training loss ends at {short(ratio)} times its start."
        sign("loss", ratio, "loss at the end over the start", told, soft=False)
    if reading.state == "diverged" and _began_finite(reading):
        at = reading.broken_at
        told = f"The run diverged at step {at:,} after a sound start."
        signs.append(Sign("serious", 0.8, (("diverged at step", at, ""),), told, 0.8))
    if (jump := _jump(reading)) is not None:
        told = f"At step {jump[1]:,} the loss was {short(jump[0])} times what it had been."
        sign("spikes", jump[0], "largest jump of the loss", told, soft=learnt)
    if (sharp := _sharpness(reading)) is not None:
        told = f"The sharpness is {short(sharp)} times what a step of this size can follow."
        sign("sharpness", sharp, "sharpness over its limit", told, soft=learnt)
    if (ratio := _update_ratio(reading, late=True)) is not None and not learnt:
        told = f"The median layer's weights move by {short(ratio)} of their size at every step."
        sign("update_ratio", ratio, "|update| / |weights|, median layer", told, soft=False)
    if not signs:
        if sharp is None and ratio is None and jump is None:
            return missing(rule, "neither losses nor curvature are recorded", "stats=full")
        return None
    rate, act = reading.config("optimizer.learning_rate", math.nan), reading.act
    about = f"A learning rate of {rate:g} is too high here{f' for {act.name}' if act else ''}."
    signs[0] = replace(signs[0], sentence=f"{about} {signs[0].sentence}")
    if len(signs) > 1:  # signs of different kinds confirm one another
        signs = [replace(s, support=1.0) for s in signs]
    return found_by(reading, rule, signs)


def output_misfit(reading: Reading, rule: Rule) -> Finding | Unjudged | None:
    """Judge by the outputs' range whether softmax, sigmoid, tanh or a rectifier stands on them already."""
    steps, _, low = reading.table("logits.min", ("head",))
    _, _, high = reading.table("logits.max", ("head",))
    if not low.size or low.shape != high.shape or not np.isfinite([low, high]).all():
        if low.size:
            return None  # outputs that are not finite have no range
        return missing(rule, "the model's outputs are not recorded", "stats=basic")
    loss = reading.config("loss", "cross_entropy")
    kind, strength, evidence = _output(reading, rule, float(low.min()), float(high.max()))
    if not kind:
        return None
    plain = {"cross_entropy": "softmax", "sigmoid_cross_entropy": "sigmoid"}.get(loss)
    if plain:
        severity = "serious" if kind in ("softmax", "sigmoid") else "warning"
        sentence = (
            f"The outputs look like {kind}'s, and {loss} applies {plain} itself: plain logits belong there"
        )
    else:
        # One-hot targets lie within [0, 1]; others may be anything.
        one_hot = reading.run.last("test", "accuracy") is not None and kind in ("softmax", "sigmoid", "tanh")
        severity = "note" if one_hot else "warning"
        sentence = f"The outputs look like {kind}'s: under {loss} nothing outside its range can be reached"
    if len(steps) == 1 and kind in ("tanh", "relu"):
        severity = "note"
    return found(
        reading,
        rule,
        severity=severity,
        strength=strength,
        support=min(1.0, 0.5 + 0.25 * len(steps)) if kind in ("tanh", "relu") else 1.0,
        where=("head",),
        steps=(int(steps[0]), int(steps[-1])),
        evidence=evidence,
        sentence=f"{sentence}. All outputs lie in [{low.min():.3g}, {high.max():.3g}].",
        words={"found": kind},
    )


def batch_norm_small_batch(reading: Reading, rule: Rule) -> Finding | Unjudged | None:
    """Judge the batch size of a batch-normalised model; a convolution takes its means over positions too."""
    batch, limit = reading.config("batch_size"), rule.limits["batch"]
    if reading.config("model.norm") != "batch" or not isinstance(batch, int) or not limit.passed(batch):
        return None
    convolutional = "conv" in str(reading.config("model._target_", "")).lower()
    evidence = [("batch size", batch, f"{limit.at:g} or fewer")]
    train, test = reading.run.last("train", "loss"), reading.run.last("test", "loss")
    sentence = f"Means and variances are taken over {batch} samples"
    if convolutional:
        sentence += " (and over positions, which helps)"
    if train is not None and test is not None:
        evidence += [("training loss", train, "batch statistics"), ("test loss", test, "running averages")]
        sentence += f"; the loss is {train:.3g} with them and {test:.3g} on test data with running averages"
    return found(
        reading,
        rule,
        severity="warning" if convolutional else limit.severity(batch),
        strength=limit.strength(batch),
        support=0.7 if convolutional else 1.0,
        evidence=evidence,
        sentence=f"{sentence}.",
    )


def underflow(reading: Reading, rule: Rule) -> Finding | Unjudged | None:
    """Judge gradients next to the smallest number of the dtype, and updates below the weights' rounding."""
    dtype = str(reading.config("dtype", "float32"))
    tiny, limits, learnt = TINY.get(dtype, TINY["float32"]), rule.limits, reading.learning.outcome == "learnt"
    _, sites, rms = reading.table("pre_gradient.rms")
    of = "root mean square of the gradient"
    if not len(sites):
        _, sites, rms = reading.table("gradient_norm", reading.run.layers)
        of = "norm of the gradient"
    if not len(sites):
        return missing(rule, "no gradients are recorded", "stats=basic")
    signs, words = [], {"ranged": "bfloat16"} if dtype == "float16" else {}
    size = np.nan_to_num(np.median(rms, axis=1), nan=1.0, posinf=1.0)
    # What is exactly 0 was rounded away only if its neighbours are nearly so: else a dead layer stopped it.
    fading = bool(((size > 0) & (size <= 1e3 * tiny)).any())
    small = [
        k for k in range(len(sites)) if limits["gradient"].passed(size[k] / tiny) and (size[k] or fading)
    ]
    if small:
        worst, limit = min(small, key=lambda k: size[k]), limits["gradient"]
        value = float(size[worst])
        told = f"The gradient at {sites[worst]} is {short(value)}, {dtype} ends at {tiny:.2g}."
        evidence = ((f"{of} at {sites[worst]}", value, f"{dtype} is exact down to {tiny:.2g}"),)
        strength = limit.strength(max(value / tiny, 1e-300))
        where = tuple(sites[k] for k in small)
        signs.append(Sign(limit.severity(value / tiny), strength, evidence, told, where=where))
    _, at, zeros = reading.table("post_gradient.zero_share")
    if len(at) and dtype != "float32" and not learnt:
        share, limit = np.nan_to_num(np.median(zeros, axis=1)), limits["zeros"]
        worst = int(np.argmax(share))
        if limit.passed(value := float(share[worst])):
            told = f"{value:.0%} of the gradients after {at[worst]} are exactly 0 in {dtype}."
            evidence = ((f"gradients after {at[worst]} that are exactly 0", value, f"above {limit.at:g}"),)
            signs.append(
                Sign(limit.severity(value), limit.strength(value), evidence, told, where=(at[worst],))
            )
    ratio, limit = _update_ratio(reading, late=False), limits["update"]
    if ratio and limit.passed(ratio / WEIGHT_STEP) and not learnt:
        told = f"Updates are {short(ratio)} of the weights: the sum rounds them away."
        evidence = (("|update| / |weights|, median layer", ratio, f"float32 rounds at {WEIGHT_STEP:g}"),)
        signs.append(Sign("warning", limit.strength(ratio / WEIGHT_STEP), evidence, told))
        rate = reading.config("optimizer.learning_rate")
        words |= {"higher_rate": f"{rate * 10:.2g}"} if isinstance(rate, int | float) else {}
    return found_by(reading, rule, signs, words)


def _began_finite(reading: Reading) -> bool:
    """Tell whether the run had a finite loss and values of a usual size before it broke."""
    _, before = reading.run.series("test", "loss")
    rms = reading.profile("rms")
    modest = rms is None or not rms.values.size or bool(np.nanmax(rms.values[:, 0]) < 1e3)
    return bool(len(before) and np.isfinite(before[0]) and modest)


def _jump(reading: Reading) -> tuple[float, int] | None:
    """Return the largest loss of a window over what it had been, and its step.

    What it had been: the median of the ten windows before (of the start, where there are none), at least 0.3
    of the start: small losses jump by large factors and nothing is wrong.
    """
    steps, loss = reading.run.series("train", "loss")
    start = reading.learning.first
    good = np.isfinite(loss)
    steps, loss = steps[good], loss[good]
    if not len(loss) or not start > 0:
        return None
    past = np.concatenate([np.full(10, start), loss])
    before = np.median(np.lib.stride_tricks.sliding_window_view(past, 10)[:-1], axis=1)
    ratio = loss / np.maximum(before, 0.3 * start)
    worst = int(np.argmax(ratio))
    return float(ratio[worst]), int(steps[worst])


def _sharpness(reading: Reading) -> float | None:
    """Return the median of sharpness over its limit after the first quarter, of all where that is all there is.

    Of an adaptive rule only the preconditioned sharpness says anything, and in the first steps not even that: its
    averages are hardly filled.
    """
    steps, value = reading.run.series("run", "sharpness_preconditioned")
    at, limit = reading.run.series("run", "sharpness_preconditioned_limit")
    first = 50
    if not len(steps):
        steps, value = reading.run.series("run", "sharpness")
        at, limit = reading.run.series("run", "sharpness_limit")
        first = 0
        if "adam" in str(reading.config("optimizer._target_", "")).lower():
            return None
    shared = np.intersect1d(steps, at)
    with np.errstate(all="ignore"):
        ratio = value[np.isin(steps, shared)] / limit[np.isin(at, shared)]
    kept = np.isfinite(ratio) & (shared >= first) & ((shared >= reading.span[1] / 4) | (len(shared) == 1))
    return float(np.median(ratio[kept])) if kept.any() else None


def _update_ratio(reading: Reading, *, late: bool) -> float | None:
    """Return |update| / |weights|, the median over layers and steps; of the second half where ``late``."""
    steps, layers, ratio = reading.table("update_ratio", reading.run.layers)
    if not len(layers):
        return None
    ratio = ratio[:, steps >= reading.span[1] / 2] if late else ratio
    ratio = ratio[np.isfinite(ratio)]
    return float(np.median(ratio)) if ratio.size else None


def _output(
    reading: Reading, rule: Rule, low: float, high: float
) -> tuple[str, float, list[tuple[str, float, str]]]:
    """Return what stands on the outputs ("" if nothing does), how surely, and the evidence."""
    room = 1e-6
    evidence = [("smallest output ever", low, ""), ("largest output ever", high, "")]
    _, _, sums = reading.table("logits.row_sum_error", ("head",))
    error = float(np.nanmax(sums)) if sums.size and not np.isnan(sums).all() else math.inf
    limit = rule.limits["row_sum_error"]
    if low >= -room and high <= 1 + room:
        if limit.passed(error):
            evidence.append(("largest |sum of a sample's outputs - 1|", error, f"below {limit.at:g}"))
            return "softmax", limit.strength(max(error, 1e-12)), evidence
        return "sigmoid", 0.9, evidence
    bound, reach = rule.limits["bound"], max(abs(low), abs(high))
    if low >= -1 - room and high <= 1 + room and bound.passed(reach):
        return "tanh", bound.strength(reach), evidence
    if low == 0:
        return "relu", 0.9, evidence
    return "", 0.0, evidence
