"""The answer in one plain sentence or two, and what a reader must know beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from actlab.compare.intervals import covers
from actlab.compare.paired import MOST
from actlab.compare.ranking import Comparison, Ranking, tied_with
from actlab.compare.scores import Metric

_NAMED = 6


def show(metric: Metric) -> Callable[[float], str]:
    """Return how a score is written: per cent with one digit, or three significant digits."""

    def written(value: float) -> str:
        if not math.isfinite(value):
            return "–"
        if metric.is_share:
            return f"{100 * value:.1f} %"
        return f"{value:#.3g}".rstrip(".") if 1e-3 <= abs(value) < 1e3 else f"{value:.3g}"

    return written


def listed(names: Sequence[str], last: str = "and", most: int = _NAMED) -> str:
    """Return names as a sentence has them.

    >>> listed(["a", "b", "c"]), listed(["a"]), listed(list("abcdefgh"), most=2)
    ('a, b and c', 'a', 'a, b and 6 more')
    """
    if len(names) > most + 1:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return f"{', '.join(names[:-1])} {last} {names[-1]}" if len(names) > 1 else "".join(names)


def p_text(p: float) -> str:
    """Return a p-value in words: "p = 0.012", "p < 0.0001"."""
    if not math.isfinite(p):
        return "no p"
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def answer(ranking: Ranking, metric: Metric) -> str:
    """Return which level is best, or that these data cannot tell, and how many seeds could."""
    written = show(metric)
    levels = [one for one in ranking.levels if math.isfinite(one.score)]
    if not levels:
        return f"No run has a {metric.name} yet: nothing can be told."
    first = levels[0]
    if len(levels) == 1:
        return f"{first.name} alone has a {metric.name}, {written(first.score)}: nothing to compare it with."
    if ranking.baseline:
        return _against(ranking, metric)
    seeds = max(one.interval.n for one in levels)
    if seeds == 1:
        return (
            f"One seed each: {first.name} scored best ({written(first.score)} {metric.name}), and whether by more "
            "than luck these data cannot tell. Run each with several seeds."
        )
    tied = [name for name in tied_with(ranking, first.name) if any(o.name == name for o in levels)]
    if not tied:
        second = levels[1]
        most = max(
            c.p_adjusted
            for c in ranking.comparisons
            if first.name in (c.better, c.worse) and c.p_adjusted >= 0
        )
        return (
            f"{first.name} is best: {_with_interval(ranking, first.name, metric)} {metric.name} against "
            f"{written(second.score)} of {second.name}, the next; better than every other, {p_text(most)} or less "
            f"after correction for {len(ranking.comparisons)} comparison{'s' * (len(ranking.comparisons) > 1)}."
        )
    same = [name for name in tied if (c := ranking.between(first.name, name)) and c.paired.identical]
    open_ = [name for name in tied if name not in same]
    said = f"{first.name} has the best mean, {_with_interval(ranking, first.name, metric)} {metric.name}"
    if not open_:
        return f"{said}, and {listed(same)} {'is' if len(same) == 1 else 'are'} identical to it seed by seed."
    said += f", but with {seeds} seeds these data cannot tell it from {listed(open_)}"
    told = f" ({listed(same)} identical)" if same else ""
    below = [one.name for one in levels[1:] if one.name not in tied]
    rest = f" It is better than {listed(below)}." if below else ""
    return f"{said}{told}; {_more(ranking, first.name, open_)}.{rest}"


def _with_interval(ranking: Ranking, name: str, metric: Metric) -> str:
    one = next(level for level in ranking.levels if level.name == name)
    written = show(metric)
    if not math.isfinite(one.interval.low):
        return written(one.score)
    low, high = (written(v).removesuffix(" %") for v in (one.interval.low, one.interval.high))
    return f"{written(one.score)} ({low} to {high})"


def _more(ranking: Ranking, name: str, others: Sequence[str], it: str = "it") -> str:
    """Return how many seeds would tell ``name`` from the first of ``others``, and from the easiest one."""
    found = [(other, c) for other in others if (c := ranking.between(name, other))]
    told = [_needed(c) for _, c in found]
    words = f"{told[0]} would tell {it} from {found[0][0]}"
    easiest = min(range(len(found)), key=lambda i: found[i][1].needed or math.inf)
    if easiest and found[easiest][1].needed:
        words += f", {told[easiest]} from {found[easiest][0]}"
    return f"{words} (if the differences are what they look like)"


def _needed(c: Comparison) -> str:
    if c.needed is None:
        return f"no number of seeds up to {MOST:,}" if c.paired.n > 1 else "several shared seeds"
    if c.needed <= c.paired.n:  # a t-test would do where flipping signs cannot, or bad luck
        return f"about {c.paired.n + 1} seeds"
    return f"about {_round(c.needed):,} seeds"


def _round(n: int) -> int:
    """Return two significant digits: an estimate has no more."""
    return n if n < 30 else round(n, 1 - math.floor(math.log10(n)))


def _against(ranking: Ranking, metric: Metric) -> str:
    base = ranking.baseline or ""
    better = [c.better for c in ranking.comparisons if c.told and c.worse == base]
    worse = [c.worse for c in ranking.comparisons if c.told and c.better == base]
    tied = tied_with(ranking, base)
    parts = []
    if better:
        parts.append(f"{listed(better)} {'is' if len(better) == 1 else 'are'} better than {base}")
    if worse:
        parts.append(f"{listed(worse)} {'is' if len(worse) == 1 else 'are'} worse than {base}")
    if tied:
        parts.append(f"{listed(tied)} cannot be told from {base}; {_more(ranking, base, tied, base)}")
    return f"By {metric.name}, {'; '.join(parts)}."


def notes(ranking: Ranking, metric: Metric) -> list[str]:
    """Return what has to be known of the statistics: the test, the intervals' worth, the choice's price."""
    seeds = [one.interval.n for one in ranking.levels if one.interval.n]
    if not seeds or max(seeds) < 2:
        return []
    low, percent = min(seeds), f"{100 * (1 - ranking.alpha):g} %"
    n = f"{low}" if low == max(seeds) else f"{low} to {max(seeds)}"
    many = len(ranking.comparisons)
    test = {"t": "paired t over seeds", "sign-flip": "exact sign flips over seeds"}[ranking.test]
    how = {
        "holm": "Holm's correction: one false difference or more in at most {a:g} % of such studies",
        "bh": "Benjamini and Hochberg's correction: of the differences told, {a:g} % may be false",
        "none": "not corrected for being many: each errs in {a:g} %",
    }[ranking.correction].format(a=100 * ranking.alpha)
    found = [f"Test: {test}, {many} comparison{'s' * (many != 1)}, {how}."]
    least = min((c.paired.p_least for c in ranking.comparisons if c.paired.n > 1), default=math.nan)
    if ranking.test == "t" and math.isfinite(least):
        found.append(
            f"Student's t takes differences to be bell-shaped. Flipping signs would not, but with {n} seeds its "
            f"smallest p is {least:.3g}"
            + (f", {min(1.0, least * many):.3g} after correction" if many > 1 else "")
            + "."
        )
    covered = covers(low)
    if covered is not None and ranking.levels[0].interval.method == "t":
        found.append(
            f"Intervals are Student's t ({percent}) over {n} seeds; the bootstrap's, beside them, would cover "
            f"about {covered:.0%} where it says 95 % with so few.".replace("%", " %").replace("  ", " ")
        )
    elif low == 2:
        found.append(
            "Intervals are Student's t over 2 seeds: too wide to say much; a bootstrap is not possible."
        )
    chosen = max((one.choices for one in ranking.levels), default=1)
    if any(len(one.chosen) and one.choices > 1 for one in ranking.levels):
        found.append(
            "Each level stands at its own best condition, chosen on the same seeds: its score is "
            f"{'lowered' if metric.higher else 'raised'} by the bootstrap's estimate of that luck, its interval and "
            f"p are widened for the conditions that competed (up to {chosen:,})."
        )
    if metric.over == "best":
        found.append(
            "The best over time is chosen by what is measured: scores are too good, for long noisy runs most."
        )
    found.append(
        "Seeds vary initialisation and order of data, not the data: nothing is said of another test set."
    )
    return found
