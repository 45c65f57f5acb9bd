"""``actlab compare``: which of the things compared is better over many runs, and whether the data can tell."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actlab.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from actlab.compare import Study

DESCRIPTION = """\
Compare runs: those in the folders named, and below them, such as a sweep's.

  actlab compare runs/2026-11-22/143000-sweep                which activation is best, and which are tied
  actlab compare SWEEP --by optimizer.learning_rate          any key of the config may be what is compared
  actlab compare SWEEP --metric 'test loss' --over best      judged otherwise
  actlab compare SWEEP --baseline relu                       the others against one, instead of every pair

What else differs between the runs, but for the seed, is tuned: each level stands at its own best, and pays for the
choice. Tests are paired over seeds, corrected for the number of comparisons.
"""


def main(argv: list[str]) -> int:
    """Run ``actlab compare``; return its exit code."""
    arguments = _parse(argv)
    from actlab.compare import Metric, compare

    higher = True if arguments.higher else False if arguments.lower else None
    study = compare(
        arguments.paths,
        by=arguments.by or ["activation"],
        metric=Metric.of(arguments.metric, higher=higher, over=arguments.over, at=arguments.at),
        baseline=arguments.baseline,
        alpha=arguments.alpha,
        correction=arguments.correction,
    )
    if arguments.json:
        print(json.dumps(_finite(facts(study)), indent=2, allow_nan=False))
    else:
        _print(study)
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="actlab compare",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("paths", nargs="+", type=Path, metavar="FOLDER", help="run folders, or folders with runs below them")
    add(
        "--by", metavar="KEY", action="append", help="what is compared (default: activation); may be repeated"
    )
    add("--metric", default="test accuracy", metavar="NAME", help="a site and a quantity (test accuracy)")
    add("--higher", action="store_true", help="more of the metric is better, where that is not known")
    add("--lower", action="store_true", help="less is better")
    add("--over", choices=("last", "best"), default="last", help="the run's last record, or its best")
    add("--at", type=int, metavar="STEP", help="judge every run by its last record up to this step")
    add("--baseline", metavar="LEVEL", help="compare all others with this one alone")
    add("--alpha", type=float, default=0.05, help="chance of a false difference (0.05)")
    add("--correction", choices=("holm", "bh", "none"), default="holm", help="for many comparisons")
    add("--json", action="store_true", help="everything as JSON")
    arguments = parser.parse_args(argv)
    if arguments.higher and arguments.lower:
        raise InputError("--higher and --lower exclude each other")
    return arguments


def facts(study: Study) -> dict[str, Any]:
    """Return the study as plain values."""
    from actlab.compare import behaviour

    ranking = study.ranking
    trained = {row["level"]: row for row in behaviour.stability(study.runs).to_dicts()}
    costs = {row["level"]: row for row in behaviour.cost(study.runs).to_dicts()}
    return {
        "answer": study.answer,
        "notes": study.notes,
        "metric": study.metric.name,
        "test": ranking.test,
        "correction": ranking.correction,
        "levels": [
            {
                "level": one.name,
                "score": one.score,
                "low": one.interval.low,
                "high": one.interval.high,
                "sd": one.interval.sd,
                "seeds": one.interval.n,
                "optimism": one.optimism,
                "at": one.chosen,
                "letters": one.letters,
                "stability": {k: v for k, v in trained.get(one.name, {}).items() if k != "level"},
                "cost": {k: v for k, v in costs.get(one.name, {}).items() if k != "level"},
            }
            for one in ranking.levels
        ],
        "comparisons": [
            {
                "better": c.better,
                "worse": c.worse,
                "difference": c.paired.mean,
                "seeds": c.paired.n,
                "p": c.p,
                "p_adjusted": c.p_adjusted,
                "told": c.told,
                "seeds_needed": c.needed,
            }
            for c in ranking.comparisons
        ],
        "problems": study.problems,
    }


def _print(study: Study) -> None:
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    console.print(study.answer, markup=False)
    console.print()
    console.print(_table(study, narrow=console.width < 84))
    for note in study.notes:
        console.print(f"- {note}", markup=False)
    for folder, problem in list(study.problems.items())[:10]:
        console.print(f"- {folder}: {problem}", markup=False)


def _table(study: Study, *, narrow: bool) -> Table:
    """Return the ranking as a table: score with its interval, where it was reached, and how the runs trained."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from actlab.compare import behaviour
    from actlab.compare.answer import show

    written = show(study.metric)
    trained = {row["level"]: row for row in behaviour.stability(study.runs).to_dicts()}
    costs = {row["level"]: row for row in behaviour.cost(study.runs).to_dicts()}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("level", overflow="fold")
    table.add_column(study.metric.name, justify="right", no_wrap=True)
    table.add_column("interval", justify="right", no_wrap=True)
    table.add_column("tied", no_wrap=True)
    table.add_column("seeds", justify="right", no_wrap=True)
    for heading in () if narrow else ("at", "diverged", "spikes a run", "steps/s"):
        table.add_column(heading, justify="left" if heading == "at" else "right", overflow="fold")
    for one in study.ranking.levels:
        run, cost = trained.get(one.name, {}), costs.get(one.name, {})
        wide = (
            "; ".join(sorted({v for v in one.chosen.values() if v})),
            f"{run['diverged']:.0%}" if run else "–",
            f"{run['spike']:.2g}" if run else "–",
            f"{cost['steps_per_second']:,.0f}" if cost.get("steps_per_second") else "–",
        )
        table.add_row(
            Text(one.name),
            written(one.score),
            f"{written(one.interval.low)} .. {written(one.interval.high)}",
            one.letters,
            str(one.interval.n),
            *(() if narrow else map(Text, wide)),
        )
    return table


def _finite(value: Any) -> Any:
    """Return ``value`` with null in the place of numbers that JSON does not know."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
