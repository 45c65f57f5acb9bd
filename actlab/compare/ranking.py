"""Levels in order of their tuned scores, every pair tested, and what cannot be told apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from actlab.compare import paired as tests
from actlab.compare.intervals import Interval, interval
from actlab.compare.letters import letters
from actlab.compare.paired import Correction, Paired, Test
from actlab.compare.tuned import Tuned, choose, mean_of
from actlab.errors import InputError, suggest

GROUPS = 6
"""Most letters: spreads that differ make groups that overlap in every way, and then letters say nothing."""


@dataclass(frozen=True)
class Level:
    """One level of what is compared.

    ``score`` is the mean over seeds at the best condition less the ``optimism`` of having chosen it; ``interval`` is
    of that condition's mean, its worse end moved out for the choice. ``chosen`` names the condition in each setting.
    ``ranks`` are the best and the worst place it could have by the tests; ``letters`` it shares with those it cannot
    be told apart from, "" for all where that would take more than ``GROUPS`` letters.
    """

    name: str
    score: float
    interval: Interval
    optimism: float
    choices: int
    chosen: dict[str, str]
    scores: np.ndarray
    ranks: tuple[int, int] = (1, 1)
    letters: str = ""


@dataclass(frozen=True)
class Comparison:
    """Two levels, the better mean first: difference and tests over shared seeds.

    ``p`` is corrected for the choice of ``better``'s condition, ``p_adjusted`` for the number of comparisons too.
    ``needed`` is how many seeds would tell them apart were the difference what it looks like; None: beyond reach.
    """

    better: str
    worse: str
    paired: Paired
    choices: int
    p: float
    p_adjusted: float
    told: bool
    needed: int | None


@dataclass(frozen=True)
class Ranking:
    """Levels, best first, and their comparisons: all pairs, or those with ``baseline``."""

    levels: tuple[Level, ...]
    comparisons: tuple[Comparison, ...]
    test: str
    alpha: float
    correction: Correction
    baseline: str | None

    def between(self, a: str, b: str) -> Comparison | None:
        """Return the comparison of two levels in either order, None where there is none."""
        return self._by_pair.get(frozenset((a, b)))

    @property
    def _by_pair(self) -> dict[frozenset[str], Comparison]:
        return {frozenset((c.better, c.worse)): c for c in self.comparisons}


def rank(
    values: np.ndarray,
    levels: Sequence[str],
    settings: Sequence[str],
    conditions: Sequence[str],
    *,
    higher: bool = True,
    baseline: str | None = None,
    alpha: float = 0.05,
    test: Test = "auto",
    correction: Correction = "holm",
) -> Ranking:
    """Rank levels by what they score when tuned in every setting.

    Args:
        values: scores (levels, settings, conditions, seeds), NaN where there is none.
        levels, settings, conditions: their names.
        higher: whether more is better.
        baseline: the level that alone the others are compared with; None compares all pairs.
        alpha: the chance of one false difference or more that is allowed (with ``holm``).
        test: how p is found.
        correction: of many comparisons.

    Raises:
        InputError: a baseline or alpha that cannot be.

    """
    if baseline is not None and baseline not in levels:
        raise InputError(f"baseline {baseline!r} is not among what is compared{suggest(baseline, levels)}")
    if not 0 < alpha < 1:
        raise InputError(f"alpha={alpha}: must be in (0, 1)")
    shared = [b for b in range(len(settings)) if np.isfinite(values[:, b]).any(axis=(1, 2)).all()]
    found: dict[str, tuple[Tuned, dict[str, str]]] = {}
    for a, name in enumerate(levels):
        own = shared or [b for b in range(len(settings)) if np.isfinite(values[a, b]).any()]
        choices = [choose(values[a, b], higher=higher) for b in own]
        chosen = {settings[b]: conditions[t.best] for b, t in zip(own, choices, strict=True) if t.best >= 0}
        if choices:
            found[name] = mean_of(choices), chosen
    made = [_level(name, tuned, chosen, higher, 1 - alpha) for name, (tuned, chosen) in found.items()]
    # Levels without a score come last; equal scores keep their order.
    made.sort(key=lambda one: (not math.isfinite(one.score), -one.score if higher else one.score))
    pairs = [(a, b) for a, b in combinations(made, 2) if baseline is None or baseline in (a.name, b.name)]
    compared, used = _compare(pairs, higher, alpha, test, correction)
    ranking = Ranking(tuple(made), tuple(compared), used, alpha, correction, baseline)
    return ranking if baseline else _lettered(ranking)


def _level(name: str, tuned: Tuned, chosen: dict[str, str], higher: bool, level: float) -> Level:
    of = interval(tuned.scores, level=level, choices=tuned.choices, higher=higher)
    score = of.mean - tuned.optimism if higher else of.mean + tuned.optimism
    return Level(name, score, of, tuned.optimism, tuned.choices, chosen, tuned.scores)


def _compare(
    pairs: Sequence[tuple[Level, Level]], higher: bool, alpha: float, test: Test, correction: Correction
) -> tuple[list[Comparison], str]:
    ordered, found = [], []
    for a, b in pairs:
        one = tests.paired(a.scores, b.scores, level=1 - alpha)
        if (
            math.isfinite(one.mean) and (one.mean < 0) == higher and one.mean != 0
        ):  # the means may say otherwise
            a, b = b, a
            one = tests.paired(a.scores, b.scores, level=1 - alpha)
        ordered.append((a, b))
        found.append(one)
    most = max((a.choices for a, _ in ordered), default=1)
    raw, used = tests.p_values(found, test, alpha / most)
    p = [min(1.0, one * a.choices) for one, (a, _) in zip(raw, ordered, strict=True)]
    adjusted = tests.adjusted(p, correction)
    compared = []
    for (a, b), one, own, after in zip(ordered, found, p, adjusted, strict=True):
        told = after <= alpha and one.mean != 0
        share = alpha / (len(pairs) if correction != "none" else 1) / a.choices
        needed = None if told else tests.seeds_needed(one, share)
        compared.append(Comparison(a.name, b.name, one, a.choices, own, after, told, needed))
    return compared, used


def _lettered(ranking: Ranking) -> Ranking:
    names = [one.name for one in ranking.levels]
    place = {name: i for i, name in enumerate(names)}
    apart = np.zeros((len(names), len(names)), bool)
    for c in ranking.comparisons:
        i, j = place[c.better], place[c.worse]
        apart[i, j] = apart[j, i] = c.told
    said = letters(apart)
    if len(set("".join(said))) > GROUPS or any("'" in one for one in said):
        said = [""] * len(names)
    better = {name: sum(c.told and c.worse == name for c in ranking.comparisons) for name in names}
    worse = {name: sum(c.told and c.better == name for c in ranking.comparisons) for name in names}
    levels = tuple(
        replace(one, letters=letter, ranks=(1 + better[one.name], len(names) - worse[one.name]))
        for one, letter in zip(ranking.levels, said, strict=True)
    )
    return replace(ranking, levels=levels)


def rank_range(one: Level) -> str:
    """Return the places a level could have: "1–3", or "2" where only one is left."""
    return "–".join(map(str, dict.fromkeys(one.ranks)))


def tied_with(ranking: Ranking, name: str) -> list[str]:
    """Return the levels that ``name`` was compared with and cannot be told apart from, best first."""
    others: Mapping[frozenset[str], Comparison] = ranking._by_pair
    return [
        one.name
        for one in ranking.levels
        if one.name != name and (c := others.get(frozenset((one.name, name)))) and not c.told
    ]
