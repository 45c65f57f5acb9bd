"""``actlab compare``: which activation, or whatever else, is better over many runs, and whether that can be told."""

from __future__ import annotations

import argparse
import json
import math
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actlab.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from actlab.compare import Study

DESCRIPTION = """\
Compare runs: a ranking with intervals over seeds, every pair tested, and a page that shows what it rests on.

  actlab compare runs/2026-11-22/143000-sweep               activations, each at its own best condition
  actlab compare RUN1 RUN2 RUN3 --metric 'test loss'
  actlab compare SWEEP --by optimizer.learning_rate         any key of the configuration; several: --by a --by b
  actlab compare SWEEP --baseline relu --tune none          against one, the mean over all conditions
"""


def main(argv: list[str]) -> int:
    """Run ``actlab compare``; return its exit code."""
    a = _parse(argv)
    from actlab.compare import Metric, compare

    study = compare(
        a.folders,
        by=a.by or ("activation",),
        metric=Metric.usual(over=a.over, at=a.at)
        if a.metric is None and a.higher is None
        else Metric.of(a.metric or "test accuracy", higher=a.higher, over=a.over, at=a.at),
        tune=None if a.tune is None else tuple(k for k in a.tune.split(",") if k and k != "none"),
        baseline=a.baseline,
        alpha=a.alpha,
        test=a.test,
        correction=a.correction,
    )
    if a.json:
        json.dump(as_values(study), sys.stdout, indent=2, allow_nan=False)
        print()
    else:
        _show(study)
    told = sys.stderr if a.json else sys.stdout
    if a.png:
        from actlab.report.compare_page import write_ranking_png

        print(write_ranking_png(study, a.png), file=told)
    out = a.out or (a.folders[0] / "compare.html" if not a.json or a.open else None)
    if out is not None:
        from actlab.report.compare_page import write_comparison

        page = write_comparison(study, out)
        print(f"page: {page}", file=told)
        if a.open:
            webbrowser.open(page.resolve().as_uri())
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="actlab compare", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "folders", nargs="+", type=Path, metavar="FOLDER", help="run folders, or folders with runs below them"
    )
    add("--by", action="append", metavar="KEY", help="what is compared (activation); may be repeated")
    add(
        "--metric",
        metavar="'SITE QUANTITY'",
        help="what is recorded (test accuracy; of runs without classes test loss)",
    )
    add("--over", choices=("last", "best"), default="last", help="the last record, or the best over time")
    add("--at", type=int, metavar="STEP", help="judge every run by its last record up to this step")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--higher", action="store_const", const=True, default=None, help="more is better")
    way.add_argument("--lower", action="store_const", const=False, dest="higher", help="less is better")
    add(
        "--tune",
        metavar="KEYS",
        help="keys, with commas, of which each level takes its best value; none: no key",
    )
    add("--baseline", metavar="NAME", help="compare with this one alone instead of all pairs")
    add("--alpha", type=float, default=0.05, help="the chance of any false difference that is allowed (0.05)")
    add(
        "--test",
        choices=("auto", "t", "sign-flip"),
        default="auto",
        help="auto: sign flips where they can reach alpha",
    )
    add("--correction", choices=("holm", "bh", "none"), default="holm", help="of many comparisons")
    add("--out", type=Path, metavar="FILE", help="where the page goes (compare.html in the first folder)")
    add("--open", action="store_true", help="open the page in a browser")
    add(
        "--json",
        action="store_true",
        help="print everything as JSON; the page then only with --out or --open",
    )
    add("--png", type=Path, metavar="FILE", help="draw the ranking")
    arguments = parser.parse_args(argv)
    if arguments.at is not None and arguments.at < 0:
        raise InputError(f"--at {arguments.at}: must be an integer >= 0")
    if not 0 < arguments.alpha < 1:
        raise InputError(f"--alpha {arguments.alpha}: must be in (0, 1)")
    return arguments


def _show(study: Study) -> None:
    """Print the answer, the table and the notes."""
    from rich.console import Console
    from rich.text import Text

    # Off a terminal there is no width to keep to.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    console.print(Text(study.answer, style="bold"))
    console.print(table(study, console.width))
    for note in study.notes:
        console.print(Text.assemble(("· ", "dim"), note))


def table(study: Study, width: int) -> Table:
    """Return the ranking as a table of at most ``width`` characters: the narrow one leaves the bootstrap out."""
    from rich import box
    from rich.table import Table

    from actlab.compare import behaviour
    from actlab.compare.answer import show
    from actlab.compare.factors import short
    from actlab.compare.ranking import rank_range
    from actlab.report.numbers import percent

    written, base = show(study.metric), study.ranking.baseline
    wide = width >= 100
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    made.add_column("", justify="right", no_wrap=True)
    made.add_column(
        ", ".join(short(key, study.design.by) for key in study.design.by), overflow="ellipsis", max_width=28
    )
    made.add_column(study.metric.name if wide else study.metric.quantity, justify="right", no_wrap=True)
    made.add_column(f"{100 * (1 - study.ranking.alpha):g} % interval", justify="right", no_wrap=True)
    if wide:
        made.add_column("bootstrap", justify="right", no_wrap=True)
    made.add_column("seeds", justify="right", no_wrap=True)
    made.add_column("diverged", justify="right", no_wrap=True)
    tuned = study.design.tuned
    key = short(tuned[0], tuned) if len(tuned) == 1 else ""
    if tuned:
        made.add_column(
            f"best {key.replace('_', ' ')}" if key else "best at", overflow="ellipsis", no_wrap=not key
        )
    lettered = any(one.letters for one in study.ranking.levels)
    made.add_column(f"against {base}" if base else "group" if lettered else "could rank", no_wrap=True)
    diverged = dict(behaviour.stability(study.runs).select("level", "diverged").iter_rows())
    for place, one in enumerate(study.ranking.levels, 1):
        of = one.interval

        def ends(low: float, high: float) -> str:
            return f"{written(low).removesuffix(' %')} – {written(high)}" if math.isfinite(low) else "–"

        last = one.letters if lettered else rank_range(one)
        if base:
            c = study.ranking.between(one.name, base)
            last = (
                "–"
                if c is None
                else "cannot tell"
                if not c.told
                else "better"
                if c.better == one.name
                else "worse"
            )
        made.add_row(
            str(place),
            one.name,
            written(one.score),
            ends(of.low, of.high),
            *([ends(of.boot_low, of.boot_high)] if wide else []),
            str(of.n),
            percent(diverged.get(one.name)),
            *(
                ["; ".join(c.removeprefix(f"{key} ") for c in dict.fromkeys(one.chosen.values()))]
                if tuned
                else []
            ),
            last,
        )
    return made


def as_values(study: Study) -> dict[str, Any]:
    """Return everything that is told as plain values; what is not finite is None."""
    from dataclasses import asdict

    from actlab.compare import behaviour
    from actlab.compare.comparison import sensitivity_tables, wortsman

    ranking = study.ranking
    return _plain(
        {
            "answer": study.answer,
            "notes": study.notes,
            "metric": asdict(study.metric),
            "by": study.design.by,
            "tuned": study.design.tuned,
            "settings": study.design.fixed,
            "test": ranking.test,
            "correction": ranking.correction,
            "alpha": ranking.alpha,
            "baseline": ranking.baseline,
            "levels": [
                {**asdict(one), "interval": {**asdict(one.interval), "shown": one.interval.method}}
                for one in ranking.levels
            ],
            "comparisons": [asdict(c) for c in ranking.comparisons],
            "stability": behaviour.stability(study.runs).to_dicts(),
            "cost": behaviour.cost(study.runs).to_dicts(),
            "sensitivity": {key: rows.to_dicts() for key, rows in sensitivity_tables(study).items()},
            "learning_rate_sensitivity": wortsman(study),
            "runs": study.runs.drop("run", "higher").to_dicts(),
            "problems": study.problems,
        }
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
