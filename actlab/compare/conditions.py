"""What holds at each value of a key, the learning rate say, and what holds at all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actlab.compare.answer import listed, show
from actlab.compare.comparison import Study, compare
from actlab.compare.folders import find_runs, read
from actlab.compare.ranking import tied_with
from actlab.compare.scores import Metric
from actlab.errors import InputError, suggest


@dataclass(frozen=True)
class Condition:
    """Runs of one value of a key, compared: ``best`` has the best mean, ``tied`` cannot be told from it.

    ``worse`` is told apart from it. ``best`` is None where no run has a score.
    """

    value: Any
    study: Study
    best: str | None
    tied: tuple[str, ...]
    worse: tuple[str, ...]


def conditions(
    paths: Sequence[Path | str], key: str, *, by: Sequence[str] = ("activation",), metric: Metric | None = None,
    alpha: float = 0.05,
) -> list[Condition]:  # fmt: skip
    """Compare the runs below ``paths`` at every value of ``key`` apart, in the order of its values.

    The chance of any false difference at any value is at most ``alpha``: each has its equal share of it.

    Raises:
        InputError: no runs, or none whose configuration has ``key``.

    """
    groups: dict[Any, list[Path]] = {}
    names: set[str] = set()
    for folder in find_runs(paths):
        config = read(folder).config
        names |= config.keys()
        if key in config:
            groups.setdefault(config[key], []).append(folder)
    if not groups:
        raise InputError(f"no run has a key {key!r}{suggest(key, names)}")
    found = []
    for value, folders in sorted(groups.items(), key=lambda item: _order(item[0])):
        study = compare(folders, by=by, metric=metric, tune=(), alpha=alpha / len(groups))
        levels = [one.name for one in study.ranking.levels if math.isfinite(one.score)]
        best = levels[0] if levels else None
        tied = tuple(tied_with(study.ranking, best)) if best else ()
        found.append(Condition(value, study, best, tied, tuple(n for n in levels[1:] if n not in tied)))
    return found


def _order(value: Any) -> tuple[bool, float, str]:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return (not number, float(value) if number else 0.0, str(value))


def sentence(one: Condition, key: str) -> str:
    """Return what holds at a condition in a sentence."""
    at = f"{key} {one.value:g}" if isinstance(one.value, float) else f"{key} {one.value}"
    if one.best is None:
        return f"At {at} nothing can be told: no run has a {one.study.metric.name}."
    level = one.study.ranking.levels[0]
    said = f"At {at} {one.best} has the best mean, {show(one.study.metric)(level.score)}"
    if level.interval.n < 2:
        return f"{said}, of one seed: whether by more than luck cannot be told."
    if not one.tied and not one.worse:
        return f"{said}; no other has a score to compare it with."
    if not one.tied:
        return f"{said}, better than every other."
    if not one.worse:
        return f"{said}, but the evidence is too weak to tell it from any other."
    return f"{said}; not told apart from {listed(one.tied)}, better than {listed(one.worse)}."


def everywhere(found: Sequence[Condition], key: str) -> str:
    """Return what holds at every condition alike, in a sentence, or that nothing does."""
    with_scores = [one for one in found if one.best is not None]
    good = [{one.best, *one.tied} for one in with_scores]
    never_worse = set.intersection(*good) if good else set()
    bests = list(dict.fromkeys(one.best for one in with_scores))
    if not good:
        return "No run has a score: nothing can be told."
    if not any(one.worse or one.tied for one in with_scores):
        return "Nothing to compare: no value has scores of two."
    if not any(one.worse for one in with_scores):
        return "At no value can the best be told from the others: the evidence is too weak. More seeds would help."
    turned = [
        (a.best, b.best, a.value, b.value)
        for a in with_scores
        for b in with_scores
        if a.best in b.worse and b.best in a.worse
    ]
    parts = []
    if turned:
        a, b, at, there = turned[0]
        parts.append(
            f"The ranking turns round with {key}: at {at} {a} is told to be better than {b}, at {there} the other way"
        )
    ranked = next((one.study.ranking.levels for one in with_scores), ())
    names = [one.name for one in ranked if one.name in never_worse]
    if names:
        parts.append(f"never told to be worse than the best, at any {key}: {listed(names)}")
    else:
        parts.append(f"none holds at every {key}; best by value: {listed(bests)}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."
